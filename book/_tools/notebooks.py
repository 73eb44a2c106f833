"""Make each chapter's `.ipynb`, which Colab opens, from its `.md`, which is the source.

    python book/_tools/notebooks.py            write them
    python book/_tools/notebooks.py --check    compare only; exit status 1 where one is out of step

The same source always gives the same bytes: cell ids count from the top and there are no outputs.
On the way the chapter's set-up cell is brought in step with the one template below.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

import jupytext
import yaml
from colab_markdown import citations, colab_markdown
from equations import NUMBERS

ROOT = Path(__file__).resolve().parents[2]

SETUP_OPENING = "```{code-cell} ipython3\n:tags: [setup, hide-input]\n\n"
SETUP_PATTERN = re.compile(re.escape(SETUP_OPENING) + r".*?^```$", re.DOTALL | re.MULTILINE)

SETUP_REPORT = """\
from symla_lite import notebook
import jax

notebook.setup()
"""

SETUP_REPORT_OF_STUDIES = """\
from symla_lite import notebook
import jax

RERUN = None  # or a scale in quotes: runs the study. Cut off? Run this cell again, and it goes on.
"""

STUDIES = {
    "03": ("classification",),
    "07": ("bandits",),
    "08": ("action_spaces",),
    "09": ("observation_spaces",),
    "10": ("tasks",),
    "11": ("environments", "long_lifetimes"),
    "12": ("systems_bandits", "systems_biased", "systems_cartpole", "systems_hearts"),
    "13": ("ablations_bandits", "ablations_cartpole", "ablations_order"),
    "14": ("one_rule",),
}
"""Which chapter, by its number, is about which studies."""

SETUP_WITHOUT_ADDRESS = """\
# Set-up: takes the symla_lite that is installed here.
from importlib import util

if not util.find_spec("symla_lite"):
    raise ModuleNotFoundError(
        "symla_lite is not installed: run `pip install -e .` in a clone of this book's repository"
        " (or `pip install` a wheel made from it), then restart the kernel.")
"""

SETUP_WITH_ADDRESS = """\
# Set-up: takes the symla_lite installed here, or installs the book's (jax stays as it is).
from importlib import metadata, util

if not util.find_spec("symla_lite"):
    kept = " ".join(f"{x}=={metadata.version(x)}" for x in ["jax", "jaxlib"] if util.find_spec(x))
    %pip install --quiet git+ADDRESS {kept}
"""


def public_address(root: Path) -> str:
    """The book's public address as `_config.yml` has it; empty where there is none yet."""
    return yaml.safe_load((root / "_config.yml").read_text("utf-8"))["repository"]["url"] or ""


def setup_code(address: str, chapter: str = "") -> str:
    """The code of a chapter's first cell, for the book's public address or an empty one."""
    start = SETUP_WITH_ADDRESS.replace("ADDRESS", address) if address else SETUP_WITHOUT_ADDRESS
    studies = STUDIES.get(chapter[:2])
    if not studies:
        return start + SETUP_REPORT
    return (
        start
        + SETUP_REPORT_OF_STUDIES
        + "".join(f'notebook.setup("{study}", RERUN)\n' for study in studies)
    )


def with_setup(source: str, address: str, name: str = "the chapter") -> str:
    """`source`, a chapter's MyST text, with its set-up cell as the template has it.

    Raises:
      ValueError: if the chapter does not have exactly one set-up cell.
    """
    cell = SETUP_OPENING + setup_code(address, Path(name).stem) + "```"
    changed, found = SETUP_PATTERN.subn(lambda _: cell, source)
    if found != 1:
        raise ValueError(
            f"{name} has {found} set-up cells and needs one: a code cell that starts with the two"
            " lines '```{code-cell} ipython3' and ':tags: [setup, hide-input]', and an empty one."
        )
    return changed


def notebook(source: str, references: dict[str, str]) -> str:
    """The `.ipynb` text of a chapter's MyST; `references` maps keys to what readers see."""
    cells = []
    for number, cell in enumerate(jupytext.reads(source, fmt="md:myst").cells):
        tags = cell.metadata.get("tags", [])
        metadata: dict = {"tags": tags} if tags else {}
        text = cell.source
        if cell.cell_type == "markdown":
            text = colab_markdown(text, references, NUMBERS)
        elif {"hide-input", "hide-cell", "remove-input"} & set(tags):
            metadata |= {"cellView": "form", "jupyter": {"source_hidden": True}}
        made = {"cell_type": cell.cell_type, "id": f"cell-{number:03d}", "metadata": metadata}
        if cell.cell_type == "code":
            made |= {"execution_count": None, "outputs": []}
        cells.append(made | {"source": text.splitlines(keepends=True)})
    content = {
        "cells": cells,
        "metadata": {
            "accelerator": "GPU",
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def sources(root: Path) -> list[Path]:
    """The sources of all notebooks: the chapters, and the page on the reader's own environment."""
    return [*chapters(root), *(root / "book").glob("your_environment.md")]


def chapters(root: Path) -> list[Path]:
    """The sources of the book's chapters: `book/NN_name.md`."""
    return sorted((root / "book").glob("[0-9][0-9]_*.md"))


def wanted(root: Path) -> dict[Path, str]:
    """What every chapter's `.md` and `.ipynb` should hold, by path."""
    address = public_address(root)
    references = citations((root / "book" / "references.bib").read_text("utf-8"))
    texts = {}
    for path in sources(root):
        source = with_setup(
            path.read_text("utf-8"), address, name=path.relative_to(root).as_posix()
        )
        texts[path] = source
        texts[path.with_suffix(".ipynb")] = notebook(source, references)
    return texts


def out_of_step(root: Path) -> list[Path]:
    """The files of `wanted` that are missing or hold something else."""
    return [
        path
        for path, text in wanted(root).items()
        if not path.exists() or path.read_text("utf-8") != text
    ]


def write(root: Path) -> list[Path]:
    """Bring every chapter's set-up cell and `.ipynb` in step; return the files that changed."""
    changed = out_of_step(root)
    texts = wanted(root)
    for path in changed:
        path.write_text(texts[path], "utf-8", newline="\n")
    return changed


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make each chapter's .ipynb from its .md.")
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args(arguments).check
    try:
        files = out_of_step(ROOT) if check else write(ROOT)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    names = ", ".join(path.relative_to(ROOT).as_posix() for path in files)
    if check and files:
        print(
            f"Out of step with the chapters' sources: {names}. Run `make notebooks`.",
            file=sys.stderr,
        )
        return 1
    print(f"Written: {names}." if files else "The notebooks are in step.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
