"""The book's public address: one value in `_config.yml`, and what follows from it.

    python book/_tools/address.py https://github.com/OWNER/REPO    set it
    python book/_tools/address.py none                             forget it

Setting it rewrites that value, the chapters' set-up cells (and so their notebooks), and the parts
of README.md and CITATION.cff between their address marks. The pages' buttons follow when the book
is built (`page_buttons.py`).
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import notebooks

ROOT = notebooks.ROOT
ADDRESS = re.compile(
    r"https://github\.com/[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?/[A-Za-z0-9._-]+"
)
CONFIG_LINE = re.compile(r'^(repository:\n  url: )"[^"\n]*"$', re.MULTILINE)
README_PART = re.compile(r"(<!-- address -->\n).*?(<!-- /address -->)", re.DOTALL)
CITATION_PART = re.compile(r"(# address\n).*?(# /address)", re.DOTALL)


def checked(url: str) -> str:
    """`url` without a trailing slash or `.git`; `none` gives an empty string.

    Raises:
      ValueError: if it is not the https address of a GitHub repository, the only kind that Colab
        opens by address.
    """
    if url == "none":
        return ""
    short = url.strip().removesuffix("/").removesuffix(".git")
    if not ADDRESS.fullmatch(short) or short.endswith(("/.", "/..")):
        raise ValueError(
            f"'{url}' is not an address that Colab can open: give the repository's own,"
            " as in `make address URL=https://github.com/OWNER/REPO`, or URL=none to forget it."
        )
    return short


def badges(address: str) -> str:
    """README.md's lines between its address marks."""
    if not address:
        return ""
    colab = address.replace("https://github.com/", "https://colab.research.google.com/github/")
    picture = "https://colab.research.google.com/assets/colab-badge.svg"
    first = notebooks.chapters(ROOT)[0].with_suffix(".ipynb").name
    return (
        f"[![Open in Colab]({picture})]({colab}/blob/main/book/{first})\n[Repository]({address})\n"
    )


def rewrite(root: Path, url: str) -> list[Path]:
    """Set the address below `root` to `url`; return the files that changed.

    Raises:
      ValueError: if the address or a file that holds it is not as expected; then nothing is
        rewritten.
    """
    address = checked(url)
    texts = {}
    cited = f"repository-code: {address}\n" if address else ""
    for name, pattern, replacement in [
        ("_config.yml", CONFIG_LINE, lambda part: f'{part[1]}"{address}"'),
        ("README.md", README_PART, lambda part: part[1] + badges(address) + part[2]),
        ("CITATION.cff", CITATION_PART, lambda part: part[1] + cited + part[2]),
    ]:
        if name == "README.md" and not (root / name).exists():
            continue
        texts[root / name], found = pattern.subn(replacement, (root / name).read_text("utf-8"))
        if found != 1:
            raise ValueError(
                f"{name} has {found} places for the address and needs one: restore the marked part."
            )
    notebooks.wanted(
        root
    )  # fails here, before anything is written, where a chapter lacks its set-up cell
    changed = [path for path, text in texts.items() if path.read_text("utf-8") != text]
    for path in changed:
        path.write_text(texts[path], "utf-8", newline="\n")
    return changed + notebooks.write(root)


def main(arguments: list[str]) -> int:
    """The command line."""
    try:
        changed = rewrite(ROOT, " ".join(arguments))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    names = ", ".join(path.relative_to(ROOT).as_posix() for path in changed)
    print(f"Rewritten: {names}." if changed else "Every place has this address already.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
