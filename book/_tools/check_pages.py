"""Check that the built pages load nothing from a network: they are read offline too.

python book/_tools/check_pages.py _build/html
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

LOADS = re.compile(
    r"""<(?:script|img|iframe|source|video|audio)\b[^>]*?\bsrc=["']((?:https?:)?//[^"']*)"""
    r"""|<link\b(?=[^>]*\brel=["']?(?:stylesheet|preload|icon))[^>]*?\bhref=["']((?:https?:)?//[^"']*)"""
    r"""|@import\s+(?:url\()?["']?((?:https?:)?//[^"')\s]*)"""
)


def network_loads(folder: Path) -> dict[str, list[str]]:
    """For each page or style sheet below `folder` that loads from a network: what it loads."""
    found = {}
    for path in sorted([*folder.rglob("*.html"), *folder.rglob("*.css")]):
        addresses = ["".join(groups) for groups in LOADS.findall(path.read_text("utf-8"))]
        if addresses:
            found[path.relative_to(folder).as_posix()] = addresses
    return found


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of the built pages")
    folder = parser.parse_args(arguments).folder
    if not any(folder.rglob("*.html")):
        parser.error(f"there is no page in {folder}: run `make book` first")
    found = network_loads(folder)
    for page, addresses in found.items():
        print(f"{page} loads {', '.join(addresses)} from a network: serve it from book/_static.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
