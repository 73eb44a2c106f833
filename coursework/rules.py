"""What of a notebook is run when it is graded, and what is not: the grader's rules.

They travel with the hand-outs, so that a student hears of them before handing in.
"""

from __future__ import annotations

import ast
import codecs
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ALWAYS = ("numpy", "scipy", "matplotlib", "IPython", "tqdm", "typing_extensions")
"""Libraries that an answer may import in every assignment, beside Python's own."""

WITH_OTHERS = ("mpl_toolkits", "pylab", "google", "PIL", "traitlets")
"""What comes with these libraries or with Colab."""

LONGEST = 200_000
"""Letters of the longest cell that is run."""

RESERVED = ("symla_lite", "jax", "haiku", "optax", "gymnax", "evosax", "checks", "rules", "observe")
RESERVED += ("challenge", "unlabelled", "otter", "torch", "tensorflow", "sklearn", "autograd")
"""Libraries that an answer may import only where its assignment says so."""

NEEDS_JAX = ("haiku", "optax", "gymnax", "symla_lite")

NOWHERE = {
    "subprocess": "an answer starts no programs",
    "multiprocessing": "an answer starts no programs",
    "socket": "there is no network",
    "urllib": "there is no network",
    "requests": "there is no network",
    "ctypes": "it is switched off",
}
"""Modules that are of no use in grading, and why."""

RUN_THEIR_CELL = {"time", "capture", "prun"}
"""Magics above a cell whose cell is run; others take it elsewhere, such as %%html and %%bash."""

CELL_MAGIC = re.compile(r"\A(\s*)%%(\w+)[^\n]*")


def reserved(imports: Sequence[str]) -> list[str]:
    """What an answer may not import.

    Args:
        imports: what its assignment allows.
    """
    allowed = {name.partition(".")[0] for name in imports}
    if allowed & set(NEEDS_JAX):
        allowed.add("jax")
    return [name for name in RESERVED if name not in allowed]


def plain(source: str) -> str:
    """A cell as Python, its lines where they were.

    `%%time` and `%%capture` lose their line; any other `%%` takes its cell with it, which is empty
    then. IPython itself turns what else it has of its own into calls, which do nothing in grading.
    """
    from IPython.core.inputtransformer2 import TransformerManager

    source = source.lstrip("\ufeff")
    while magic := CELL_MAGIC.match(source):
        if magic[2] not in RUN_THEIR_CELL:
            return ""
        source = magic[1] + source[magic.end() :]
    blank = len(source) - len(source.lstrip("\n"))  # IPython drops them
    return "\n" * blank + TransformerManager().transform_cell(source.lstrip("\n"))


def objections(source: str, imports: Sequence[str]) -> list[str]:
    """What of a cell will not work in grading, each in a sentence without its full stop.

    Args:
        source: the cell.
        imports: what its assignment allows to import.
    """
    if len(source) > LONGEST:
        return [f"it has more than {LONGEST} letters, and does not run in grading"]
    try:
        tree = ast.parse(plain(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        return [
            f"it is no Python: {getattr(error, 'msg', error)}" + (f", line {line}" if line else "")
        ]
    magic = CELL_MAGIC.match(source)
    found = []
    if magic and magic[2] not in RUN_THEIR_CELL:
        found.append(f"%%{magic[2]} takes the whole cell elsewhere, and grading does not run it")
    shut, known = reserved(imports), {name.partition(".")[0] for name in (*imports, *ALWAYS)}
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and stored(node)}
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for name in {name.partition(".")[0] for name in names}:
            if name in NOWHERE:
                found.append(f"it imports {name}, and {NOWHERE[name]} in grading")
            elif name in shut or name not in {*known, *sys.stdlib_module_names, *WITH_OTHERS}:
                allowed = ", ".join(sorted(known))
                found.append(
                    f"it imports {name}, and an answer here may import {allowed} and Python's own "
                    "modules only"
                )
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "input" and "input" not in bound:
                found.append("it waits for input, and nobody types anything in grading")
    return list(dict.fromkeys(found))


def stored(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def cells(notebook: Any) -> Iterator[tuple[int, dict]]:
    """The cells of a notebook, numbered from 1, each with a type and a source.

    What is no cell is passed over, as students' tools leave all sorts of things behind.

    Raises:
        ValueError: it is no notebook, in a sentence.
    """
    found = notebook.get("cells") if isinstance(notebook, dict) else None
    sheets = notebook.get("worksheets") if isinstance(notebook, dict) else None
    if found is None and isinstance(sheets, list):  # of format 3
        sheets = [x["cells"] for x in sheets if isinstance(x, dict) and "cells" in x]
        found = [cell for sheet in sheets if isinstance(sheet, list) for cell in sheet]
    if not isinstance(found, list):
        raise ValueError("it is no notebook: it has no cells")
    for number, cell in enumerate(found, start=1):
        if not isinstance(cell, dict):
            continue
        source = cell.get("source", cell.get("input", ""))
        if isinstance(source, list):
            source = "".join(str(line) for line in source)
        kind = cell.get(
            "cell_type", "code" if {"outputs", "execution_count"} & cell.keys() else "markdown"
        )
        yield number, {"cell_type": kind, "source": str(source), "whole": cell}


def load(content: bytes) -> dict:
    """A notebook from the bytes of its file.

    Raises:
        ValueError: it is none, in a sentence.
    """
    if not content.strip():
        raise ValueError("the file is empty")
    if content.startswith(b"%PDF"):
        raise ValueError("it is a PDF: hand in the .ipynb file")
    if content.startswith(b"PK"):
        raise ValueError("it is a zip file: hand in the .ipynb file")
    wide = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeError:
        raise ValueError("it is no text: hand in the .ipynb file") from None
    try:
        notebook = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("it is no notebook, or its end is missing") from None
    list(cells(notebook))
    return notebook


ASSIGNMENT = re.compile(r"""ASSIGNMENT\s*=\s*["']([\w-]+)["']""")


def assignment_of(notebook: dict) -> str:
    """The name of its assignment, which stands in its first code cell; empty where it does not."""
    for _, cell in cells(notebook):
        if cell["cell_type"] == "code" and (found := ASSIGNMENT.search(cell["source"])):
            return found[1]
    return ""


def read(path: Path) -> dict:
    """`load` of a file."""
    return load(Path(path).read_bytes())
