"""The book's machinery: notebooks in step, one address, no stale cache."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "book" / "_tools"))

import address  # noqa: E402
import check_pages  # noqa: E402
import execution_cache  # noqa: E402
import notebooks  # noqa: E402
import run_time  # noqa: E402
from colab_markdown import citations, colab_markdown  # noqa: E402

from symla_lite import studies  # noqa: E402

CHAPTERS = notebooks.chapters(ROOT)
URL = "https://github.com/owner/repo"


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of what the tools read and write, with one line of package code and of data."""
    folder = tmp_path_factory.mktemp("copied")
    for name in ("_config.yml", "CITATION.cff", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    (folder / "README.md").write_text("# Title\n\n<!-- address -->\n<!-- /address -->\n\nText.\n")
    (folder / "book").mkdir()
    for path in [
        *CHAPTERS,
        *(chapter.with_suffix(".ipynb") for chapter in CHAPTERS),
        ROOT / "book" / "references.bib",
    ]:
        shutil.copy(path, folder / "book")
    for name in ("symla_lite/code.py", "data/result.json"):
        (folder / name).parent.mkdir()
        (folder / name).write_text("1\n")
    address.rewrite(folder, "none")
    return folder


@pytest.fixture
def copy(copied, tmp_path):
    """The same, for a test to change."""
    return shutil.copytree(copied, tmp_path, dirs_exist_ok=True)


def contents(folder):
    return {path: path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()}


# ---------------------------------------------------------------------------- sources and notebooks


def test_every_notebook_and_setup_cell_is_in_step_with_its_source():
    assert notebooks.out_of_step(ROOT) == [], "run `make notebooks`"


def test_every_chapter_of_the_contents_exists_with_its_ending_and_its_notebook():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    listed = [entry["file"] for part in toc["parts"] for entry in part["chapters"]]
    for name in [toc["root"], *listed]:
        assert name.endswith(".md"), f"{name}: name it with its ending"
        assert (ROOT / name).exists(), f"{name} is not there"
    assert {f"book/{path.name}" for path in CHAPTERS} <= set(listed), (
        "a chapter is missing from _toc.yml"
    )
    for chapter in CHAPTERS:
        assert chapter.with_suffix(".ipynb").exists(), (
            f"{chapter.name} has no notebook: run `make notebooks`"
        )


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_says_its_number_in_its_title(chapter):
    title = re.search(r"^# (.*)$", chapter.read_text("utf-8"), re.MULTILINE)[1]
    assert title.startswith(f"{int(chapter.name[:2])}. ")


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_notebook_is_made_the_same_twice_and_holds_no_outputs(chapter):
    source = chapter.read_text("utf-8")
    made = notebooks.notebook(source, {})
    assert made == notebooks.notebook(source, {})
    cells = json.loads(made)["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert all(cell["outputs"] == [] for cell in cells if cell["cell_type"] == "code")


def test_a_changed_source_is_noticed_and_mended(copy):
    chapter = notebooks.chapters(copy)[0]
    chapter.write_text(chapter.read_text("utf-8") + "\nOne more line.\n", "utf-8")
    notebook = chapter.with_suffix(".ipynb")
    assert notebooks.out_of_step(copy) == [notebook]
    assert notebooks.write(copy) == [notebook]
    assert notebooks.out_of_step(copy) == []


def test_a_chapter_without_a_setup_cell_is_refused():
    with pytest.raises(ValueError, match="0 set-up cells and needs one"):
        notebooks.with_setup("# 1. A chapter\n", "")


@pytest.mark.parametrize("chapter", ["", "07_bandits"])
@pytest.mark.parametrize("url", ["", URL])
def test_the_setup_cell_is_short_and_installs_from_the_address_alone(url, chapter):
    code = notebooks.setup_code(url, chapter)
    assert len(code.splitlines()) <= 14
    installs = [line for line in code.splitlines() if "%pip" in line]
    assert len(installs) == bool(url)
    assert all(line.endswith(f" git+{url} {{kept}}") for line in installs)


def test_the_setup_cell_reports_one_line_where_the_package_is_installed(capsys):
    exec(compile(notebooks.setup_code(""), "set-up", "exec"), {})  # noqa: S102
    assert re.fullmatch(r"symla_lite \S+, jax \S+, .+\n", capsys.readouterr().out)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_the_setup_cell_of_a_chapter_about_a_study_names_it(chapter):
    code = notebooks.setup_code("", chapter.stem)
    named = re.findall(r'notebook.setup\("(\w+)", RERUN\)', code)
    assert named == list(notebooks.STUDIES.get(chapter.name[:2], ()))


def test_every_study_has_its_chapter():
    named = [study for chapter in notebooks.STUDIES.values() for study in chapter]
    assert sorted(named) == sorted(studies.STUDIES)


def test_the_setup_cell_says_how_to_install_where_the_package_is_missing(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="pip install -e"):
        exec(compile(notebooks.setup_code(""), "set-up", "exec"), {})  # noqa: S102


# --------------------------------------------------------------------------------- what Colab shows


def test_directives_and_roles_become_what_colab_shows():
    source = """\
(here)=
## A section
As {cite:t}`key` say {cite:p}`key,other`, see {eq}`rule` and {doc}`chapter 6 <06_evolution>`.

$$
x = y
$$ (rule)

:::{admonition} Exercise 1
:class: tip

Text with {math}`x`.

::::{dropdown} Solution
It is `{x}`.
::::
:::

```python
:::{not} a directive
```"""
    shown = colab_markdown(source, {"key": "Kirsch 2022"})
    assert (
        shown
        == """\
## A section
As Kirsch 2022 say (Kirsch 2022; other), see (rule) and chapter 6.

$$
x = y
\\tag{rule} $$

**Exercise 1**

Text with $x$.

<details><summary>Solution</summary>

It is `{x}`.

</details>


```python
:::{not} a directive
```"""
    )


def test_citations_are_shown_by_authors_and_year():
    shown = citations((ROOT / "book" / "references.bib").read_text("utf-8"))
    assert shown["kirsch2022symla"] == "Kirsch et al. 2022"
    assert shown["kirsch2021vsml"] == "Kirsch and Schmidhuber 2021"
    assert shown["thompson1933likelihood"] == "Thompson 1933"


# ------------------------------------------------------------------------------- the public address


@pytest.mark.slow
def test_setting_the_address_reaches_every_place_and_twice_is_once(copy):
    before = contents(copy)
    changed = address.rewrite(copy, URL + ".git/")
    assert {path.name for path in changed} >= {
        "_config.yml",
        "README.md",
        "CITATION.cff",
        CHAPTERS[0].name,
    }
    assert notebooks.public_address(copy) == URL
    assert f"%pip install --quiet git+{URL} " in (copy / "book" / CHAPTERS[0].name).read_text(
        "utf-8"
    )
    assert "colab.research.google.com/github/owner/repo/" in (copy / "README.md").read_text("utf-8")
    assert yaml.safe_load((copy / "CITATION.cff").read_text("utf-8"))["repository-code"] == URL
    assert address.rewrite(copy, URL) == []
    address.rewrite(copy, "none")
    assert contents(copy) == before


@pytest.mark.parametrize(
    "url",
    [
        "",
        "github.com/owner/repo",
        "http://github.com/owner/repo",
        "https://github.com/owner",
        URL + '" x',
        URL + "/tree/main",
    ],
)
def test_a_bad_address_is_refused_in_one_sentence_and_nothing_is_rewritten(copy, url):
    before = contents(copy)
    with pytest.raises(ValueError, match="make address URL=https://github.com/OWNER/REPO") as error:
        address.rewrite(copy, url)
    assert "\n" not in str(error.value)
    assert contents(copy) == before


def test_the_readme_has_a_place_for_the_address():
    readme = ROOT / "README.md"
    assert not readme.exists() or len(address.README_PART.findall(readme.read_text("utf-8"))) == 1


# ------------------------------------------------------------------------------ the execution cache


@pytest.mark.parametrize("name", ["symla_lite/code.py", "data/result.json", "requirements.lock"])
def test_a_change_in_code_data_or_versions_changes_the_cache_key(copy, name):
    before = execution_cache.cache_key(copy)
    assert execution_cache.cache_key(copy) == before
    (copy / name).write_text("2\n")
    assert execution_cache.cache_key(copy) != before


def test_a_new_or_renamed_result_changes_the_cache_key(copy):
    keys = [execution_cache.cache_key(copy)]
    (copy / "data/result.json").rename(copy / "data/renamed.json")
    keys.append(execution_cache.cache_key(copy))
    (copy / "data/more.json").write_text("")
    keys.append(execution_cache.cache_key(copy))
    assert len(set(keys)) == 3


def test_old_cache_folders_are_deleted_and_the_present_one_stays(copy, tmp_path_factory):
    caches = tmp_path_factory.mktemp("caches")
    for number in range(6):
        (copy / "data/result.json").write_text(f"{number}\n")
        folder = execution_cache.cache_folder(copy, caches, kept=2)
        assert folder.is_dir()
        assert len(list(caches.iterdir())) <= 2


CHAPTER = """\
---
jupytext: {{text_representation: {{extension: .md, format_name: myst}}}}
kernelspec: {{display_name: Python 3, language: python, name: python3}}
---

# {name}

```{{code-cell}} ipython3
{code}
```
"""
MEET = """\
import pathlib, time
pathlib.Path("{me}").touch()
patience = time.monotonic() + 100
while not pathlib.Path("{other}").exists():
    assert time.monotonic() < patience
    time.sleep(0.05)
print(6 * 7, "{me}")"""


@pytest.fixture
def build(copy, monkeypatch):
    """`build(chapters) -> outcome`: builds a book of these, {name: code}; its pages by name, and
    what Sphinx warned of."""
    monkeypatch.setattr(execution_cache.machine, "cores", lambda: 2)
    settings = {
        "extensions": ["myst_nb", "execution_cache"],
        "nb_execution_mode": "cache",
        "root_doc": "a",
        "exclude_patterns": ["_build", "book"],
        "html_theme": "basic",
    }

    def build(chapters):
        for name, code in chapters.items():
            (copy / f"{name}.md").write_text(CHAPTER.format(name=name, code=code))
        html, said = copy / "_build" / "html", io.StringIO()
        folders = copy, None, html, copy / "_build" / "trees"
        Sphinx(*folders, "html", settings, status=None, warning=said).build()
        return {name: (html / f"{name}.html").read_text("utf-8") for name in chapters}, said

    return build


@pytest.mark.slow
def test_chapters_run_side_by_side_and_once(build):
    """Each waits for the other; one after the other, the first would wait in vain."""
    chapters = {"a": MEET.format(me="a.ran", other="b.ran")}
    chapters["b"] = MEET.format(me="b.ran", other="a.ran").replace(
        "touch()", "touch(exist_ok=False)"
    )
    pages, _ = build(chapters)
    assert "42 a.ran" in pages["a"] and "42 b.ran" in pages["b"]


@pytest.mark.slow
def test_a_chapter_that_fails_is_reported_as_ever(build):
    pages, said = build({"a": "print(6 * 7)", "b": "1 / 0"})
    assert "42" in pages["a"]
    assert "b.md" in said.getvalue() and "ZeroDivisionError" in pages["b"]


# ------------------------------------------------------------------------------------- the run time


def test_the_run_time_reads_as_a_sentence():
    assert (
        run_time.sentence(47.6, 2, [])
        == "This chapter ran in 48 s on 2 CPU cores when the book was built."
    )
    assert run_time.sentence(112, 1, [{"device": "GPU", "seconds": 0.3}]) == (
        "This chapter ran in 1 min 52 s on 1 CPU core when the book was built."
        " On one GPU it took 1 s."
    )


def test_a_recorded_run_is_read_back_and_replaces_the_same_devices_last(copy, monkeypatch):
    monkeypatch.setattr(run_time, "measure", lambda notebook: 12.34)
    monkeypatch.setattr(run_time, "device_name", lambda: "A GPU")
    name = CHAPTERS[0].stem
    run_time.record(copy, [name])
    run_time.record(copy, [name])
    (record,) = run_time.recorded(copy, f"book/{name}")
    assert record["seconds"] == 12.3
    assert run_time.recorded(copy, "book/another") == []


def test_a_cpu_is_not_recorded(copy, monkeypatch):
    monkeypatch.setattr(run_time, "device_name", lambda: "cpu")
    with pytest.raises(ValueError, match="where jax sees a GPU"):
        run_time.record(copy, [])


# --------------------------------------------------------------------------------- the pages' files


def test_a_page_that_loads_from_a_network_is_found(tmp_path):
    (tmp_path / "good.html").write_text(
        '<script src="../_static/x.js"></script><a href="https://example.org">a link is no load</a>'
        '<link rel="canonical" href="https://example.org">'
    )
    (tmp_path / "bad.html").write_text(
        '<script async src="https://example.org/x.js"></script>'
        '<link href="//example.org/x.css" rel="stylesheet" />'
    )
    assert check_pages.network_loads(tmp_path) == {
        "bad.html": ["https://example.org/x.js", "//example.org/x.css"]
    }


# ---------------------------------------------------------------------------------- the versions


def test_every_direct_requirement_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    listed = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    for line in [*project["dependencies"], *listed]:
        if name := re.match(r"[\w.-]+", line):
            assert re.search(rf"^{name[0]}==", lock, re.MULTILINE), f"{name[0]}: run `make lock`"
    assert not re.search(r"https?://|file:|--(index-url|find-links)", lock)
