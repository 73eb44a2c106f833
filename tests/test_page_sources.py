"""What the pages are made from: words for every picture, code for every equation."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import symla_lite

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "book" / "_tools"))

import equations  # noqa: E402
import notebooks  # noqa: E402
import pdf  # noqa: E402

CHAPTERS = notebooks.chapters(ROOT)
PAGES = sorted((ROOT / "book").rglob("*.md"))
LABEL = re.compile(r"\$\$ *\(([\w-]+)\)\s*$", re.MULTILINE)
CELL = re.compile(r"^```\{code-cell\}.*?^```$", re.DOTALL | re.MULTILINE)
NUMBER = r"\d+(?:\.\d+)?"
MENTION = re.compile(rf"[Ee]quations? ({NUMBER}(?:(?:,| to| and| or|, and|–) {NUMBER})*)")
WITH_EQUATIONS = sorted(
    path
    for place in ("book", "symla_lite", "benchmarks", "coursework", "tests")
    for ending in ("md", "py", "js")
    for path in (ROOT / place).rglob(f"*.{ending}")
    if not {"mathjax", "widgets"} & set(path.parts)
)
INTERNAL = ("symla_lite.__main__", "symla_lite.baselines", "symla_lite.data")


def by_name(path):
    return path.stem


# ------------------------------------------------------------------------------------- equations


@pytest.mark.parametrize("chapter", CHAPTERS, ids=by_name)
def test_every_numbered_equation_of_a_chapter_is_in_the_table(chapter):
    labels = LABEL.findall(chapter.read_text("utf-8"))
    listed = list(equations.EQUATIONS.get(chapter.stem, {}))
    assert labels == listed, (
        "say in book/_tools/equations.py what each equation says, and which function computes it,"
        " in their order on the page: it makes their numbers"
    )


def test_every_equation_in_the_table_has_its_chapter():
    assert set(equations.EQUATIONS) <= {path.stem for path in CHAPTERS}


def test_the_papers_ten_equations_keep_their_numbers_and_the_books_have_their_chapters():
    whole = [number for number in equations.NUMBERS.values() if "." not in number]
    assert sorted(map(int, whole)) == list(range(1, 11))
    for chapter, listed in equations.EQUATIONS.items():
        ours = [equations.NUMBERS[label] for label, eq in listed.items() if eq.paper is None]
        assert ours == [f"{int(chapter[:2])}.{n}" for n in range(1, len(ours) + 1)]


@pytest.mark.parametrize("path", WITH_EQUATIONS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_equation_number_in_text_and_code_stands_on_a_page(path):
    mentioned = MENTION.findall(path.read_text("utf-8"))
    found = {number for words in mentioned for number in re.findall(NUMBER, words)}
    assert found <= set(equations.NUMBERS.values())


@pytest.mark.parametrize(
    "label", [label for label, eq in equations.BY_LABEL.items() if eq.paper and eq.code]
)
def test_the_code_of_an_equation_of_the_paper_names_its_number(label):
    _, code, number = equations.BY_LABEL[label]
    module, _, name = code.rpartition(".")
    found = importlib.import_module(f"symla_lite.{module}")
    words = f"{found.__doc__} {getattr(found, name).__doc__}"
    named = set()
    for first, last in re.findall(r"[Ee]quations? (\d+)(?: (?:to|and) (\d+))?", words):
        named |= set(range(int(first), int(last or first) + 1))
    assert number in named


def test_a_page_shows_the_numbers_and_refers_to_them(tmp_path):
    (tmp_path / "index.md").write_text(
        "# T\n\n$$\nx\n$$ (forward)\n\n$$\ny\n$$ (eq-9)\n\nAs {eq}`forward` and {eq}`eq-9` say.\n"
        "\n```{equations}\n```\n"
    )
    of_the_book = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["sphinx"]["config"]
    settings = {
        "extensions": ["myst_parser", "sphinx.ext.mathjax", "sphinx.ext.autodoc", "equations"],
        "myst_enable_extensions": ["dollarmath"],
        **{name: of_the_book[name] for name in ("numfig", "math_numfig")},
    }
    lines = [f"import sys\nsys.path.insert(0, {str(ROOT / 'book' / '_tools')!r})"]
    lines += [f"{name} = {value!r}" for name, value in settings.items()]
    (tmp_path / "conf.py").write_text("\n".join(lines), "utf-8")
    out = tmp_path / "out"
    # In a process of its own: extensions of one build stay loaded for the next.
    build = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(tmp_path), str(out)]
    subprocess.run(
        build, check=True, capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    page = (out / "index.html").read_text("utf-8")
    assert re.findall(r'class="eqno">\(([\d.]+)\)', page) == ["1.2", "9"]
    in_text_and_table = ["1.2", "9", "1.2", "9"]
    assert re.findall(r'href="#equation-[\w-]+">\(([\d.]+)\)</a>', page) == in_text_and_table


@pytest.mark.parametrize("chapter", CHAPTERS, ids=by_name)
def test_a_notebook_shows_the_same_numbers_as_the_page(chapter):
    source = chapter.read_text("utf-8")
    made = notebooks.notebook(source, {})
    shown = re.findall(r"\\\\tag\{([^}]*)\}", made)
    assert shown == [equations.NUMBERS[label] for label in LABEL.findall(source)]
    assert not re.findall(r"\{eq\}`", made)


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
    code = "\n".join(CELL.findall(source))
    assert "plt.show(" not in code, "figures.show asks for the words, plt.show does not"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=by_name)
def test_every_picture_of_a_chapter_has_a_numbered_caption(chapter):
    code = "\n".join(CELL.findall(chapter.read_text("utf-8")))
    drawn = re.findall(r"figures\.show\(|\bexplorer\(", code)
    numbers = re.findall(r'caption=f?"Figure ([\d.]+): ', code)
    assert not re.search(r'caption=f?"Figure [^"]*`', code), "a caption is no Markdown"
    assert numbers == [f"{int(chapter.stem[:2])}.{n}" for n in range(1, len(drawn) + 1)]


@pytest.mark.parametrize("chapter", CHAPTERS, ids=by_name)
def test_a_chapter_mentions_figures_that_it_has(chapter):
    source = chapter.read_text("utf-8")
    captions = set(re.findall(r"Figure (\d+\.\d+): ", source))
    assert set(re.findall(r"Figures? (\d+\.\d+)\b", source)) <= captions


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
