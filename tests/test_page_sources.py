"""What the pages are made from: words for every picture, code for every equation."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from pathlib import Path

import pytest

import symla_lite

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "book" / "_tools"))

import equations  # noqa: E402
import notebooks  # noqa: E402
import pdf  # noqa: E402

CHAPTERS = notebooks.chapters(ROOT)
PAGES = sorted((ROOT / "book").rglob("*.md"))
LABEL = re.compile(r"\$\$ *\(([\w-]+)\)\s*$", re.MULTILINE)
INTERNAL = ("symla_lite.__main__", "symla_lite.baselines", "symla_lite.data")


def by_name(path):
    return path.stem


# ------------------------------------------------------------------------------------- equations


@pytest.mark.parametrize("chapter", CHAPTERS, ids=by_name)
def test_every_numbered_equation_of_a_chapter_is_in_the_table(chapter):
    labels = LABEL.findall(chapter.read_text("utf-8"))
    listed = list(equations.EQUATIONS.get(chapter.stem, {}))
    assert sorted(labels) == sorted(listed), (
        "say in book/_tools/equations.py what each equation says, and which function computes it"
    )


def test_every_equation_in_the_table_has_its_chapter():
    assert set(equations.EQUATIONS) <= {path.stem for path in CHAPTERS}


@pytest.mark.parametrize("code", sorted({x.code for x in equations.BY_LABEL.values() if x.code}))
def test_the_function_of_an_equation_is_there_and_documented(code):
    module, _, name = code.rpartition(".")
    found = getattr(importlib.import_module(f"symla_lite.{module}"), name)
    assert callable(found) and found.__doc__
    assert found.__module__ == f"symla_lite.{module}", "named where its reference stands"


# ----------------------------------------------------------------------------------- the reference


def test_every_module_stands_once_in_the_reference():
    pages = [page.read_text("utf-8") for page in (ROOT / "book" / "api").glob("*.md")]
    shown = [name for page in pages for name in re.findall(r"automodule:: (\S+)", page)]
    modules = {
        module.name
        for module in pkgutil.walk_packages(symla_lite.__path__, "symla_lite.")
        if module.name not in INTERNAL
    }
    assert sorted(shown) == sorted(modules), "add what is missing to a page of book/api"


# ---------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_every_picture_of_a_page_has_words(page):
    source = page.read_text("utf-8")
    assert not re.findall(r"!\[\s*\]\(", source), "an image without words"
    for options in re.findall(r"\{(?:figure|image)\}[^\n]*\n((?::[^\n]*\n)*)", source):
        assert re.search(r"^:alt: \S", options, re.MULTILINE), "a figure without :alt:"
    code = "\n".join(re.findall(r"^```\{code-cell\}.*?^```$", source, re.DOTALL | re.MULTILINE))
    assert "plt.show(" not in code, "figures.show asks for the words, plt.show does not"


# ---------------------------------------------------------------------------------- the whole book


def test_the_pdf_has_every_page_of_the_contents_in_their_order():
    order = pdf.order(ROOT / "_toc.yml")
    assert order[0] == "book/introduction.html"
    assert len(set(order)) == len(order)
    numbered = [Path(name).stem for name in order if re.match(r"book/\d\d_", name)]
    assert numbered == [path.stem for path in CHAPTERS]
    assert {"book/api/learners.html", "book/bibliography.html"} <= set(order)


def test_the_version_is_one_everywhere():
    version = symla_lite.__version__
    for name, pattern in {
        "pyproject.toml": rf'^version = "{version}"$',
        "CITATION.cff": rf"^version: {version}$",
        "CHANGELOG.md": rf"^## {version}\b",
        "book/reading_on.md": rf"Version {version};",
    }.items():
        assert re.search(pattern, (ROOT / name).read_text("utf-8"), re.MULTILINE), name
