"""Makes student versions and autograder packages from the masters, `NN_name.md` in this folder.

    python coursework/build.py                 all of them, into _build/coursework
    python coursework/build.py 02_metarnn      one
    python coursework/build.py --variant 2027  the same exercises with other conventions

With all of them goes the instructor's guide; see `guide`.

A master is a MyST notebook. A cell break `+++ {"question": "q2"}` opens a question, whose text
follows; then come code cells tagged `solution` and code cells tagged `test`. The first line of a
test says who sees it and what it is worth: `# Public, 1 point`. With "manual": points in the
break a reader gives the points, and the solution is a text behind `+++ {"solution": true}`. A code
cell tagged `not-graded` is the student's to run and no use to grading.

In the front matter, `coursework` holds `imports`, what an answer may import; `seconds`, how long
it may take; `package`, whether students need symla_lite; `files`, what else of this folder travels
with the notebook; and `vary`, conventions that a variant chooses among: `{{ NAME }}` in the master
becomes the first of its values, or, with --variant, another one, which the variant's name decides.
`{{ file.key }}` is a number of `file.json` in this folder.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import guide
import jupytext
import yaml
from nbformat import NotebookNode, v4

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OUT = ROOT / "_build" / "coursework"
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The time in a zip file, so that the same sources give the same bytes."""

SETUP = """\
# Set-up: unpacks what came with this notebook, takes or installs what it needs, starts the checks.
import importlib.util
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

if Path("{name}.zip").exists() and not Path("tests").exists():  # on Colab, upload the zip file
    zipfile.ZipFile("{name}.zip").extractall()
needed = {{"otter": ["otter-grader>=7,<8"], "symla_lite": [str(x) for x in Path().glob("*.whl")]}}
absent = [name for name in needed if not importlib.util.find_spec(name)]
missing = [package for name in absent for package in needed[name]]
if missing:  # jax stays as it is
    here = [name for name in ("jax", "jaxlib") if importlib.util.find_spec(name)]
    kept = [f"{{name}}=={{metadata.version(name)}}" for name in here]
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *missing, *kept], check=True)
import checks
import otter

grader = otter.Notebook(tests_dir="tests")
"""

RUN_OTTER = '''\
"""Runs Otter's grading with what this package brings: on Gradescope and in `otter grade`."""

import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent
FILES = SOURCE / "files"
WHEELS = [str(path) for path in FILES.glob("*.whl")]
PIP = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
subprocess.run([*PIP, *WHEELS], check=True)
sys.path.insert(0, str(FILES))  # the plugin
METADATA = SOURCE.parent / "submission_metadata.json"
if not METADATA.exists() or not METADATA.read_text().strip():
    METADATA.write_text("{}")

from otter.run.run_autograder import main  # noqa: E402

if __name__ == "__main__":
    main(str(SOURCE.parent))
'''

RULES = """\
**How this is graded.** Your cells run in a process of their own, and the grader asks your functions
questions: keep their names and their arguments. They may import {imports}, and nothing else. A cell
that imports more, or that reaches for files or for Python's own machinery (`open`, `eval`,
`getattr`, names with two underscores), is left out, and the grader says so. An answer has
{seconds} seconds. Hand in this notebook, `{name}.ipynb`; no other file is read."""

TEST_HEADER = re.compile(r"# (Public|Hidden), (\d+) points?\n")


class Question(NamedTuple):
    """A question of a master."""

    name: str
    points: int
    manual: bool


class Master(NamedTuple):
    """A master, its conventions chosen."""

    name: str
    settings: dict[str, Any]
    cells: list[NotebookNode]

    @property
    def title(self) -> str:
        return re.search(r"^# (.*)$", self.cells[0].source, re.MULTILINE)[1]

    @property
    def questions(self) -> list[Question]:
        """In their order, with all their points."""
        return [Question(name, sum(p), bool(p[2])) for name, p in self.split.items()]

    @property
    def points(self) -> int:
        return sum(question.points for question in self.questions)

    @property
    def split(self) -> dict[str, list[int]]:
        """Points of each question: by checks that students have, by others, by a reader."""
        found: dict[str, list[int]] = {}
        for cell in self.cells:
            if name := cell.metadata.get("question"):
                found[name] = [0, 0, cell.metadata.get("manual", 0)]
            elif "test" in tags(cell):
                header = TEST_HEADER.match(cell.source)
                found[list(found)[-1]][header[1] == "Hidden"] += int(header[2])
        return found

    @property
    def names(self) -> list[str]:
        """What the tests ask for: the parameters of the test functions."""
        found = []
        for cell in self.cells:
            if "test" in tags(cell):
                (function,) = ast.parse(cell.source).body
                found += [argument.arg for argument in function.args.args]
        return sorted(set(found))

    def code(self, *kinds: str) -> list[str]:
        """The sources of code cells that carry one of these tags, or none of its own (`given`)."""

        def kind(cell):
            return next((x for x in ("solution", "test", "not-graded") if x in tags(cell)), "given")

        return [c.source for c in self.cells if c.cell_type == "code" and kind(c) in kinds]


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def masters() -> list[Path]:
    """The sources of the assignments."""
    return sorted(HERE.glob("[0-9][0-9]_*.md"))


def choose(values: list, name: str, variant: str) -> Any:
    """The value of a convention: the first, whose solution is public, or with a variant another
    one, which the variant's name decides."""
    first, *others = values
    if not variant or not others:
        return first
    digest = hashlib.sha256(f"{variant}/{name}".encode()).digest()
    return others[int.from_bytes(digest[:8], "big") % len(others)]


def read(path: Path, variant: str = "") -> Master:
    """A master with its conventions chosen.

    Raises:
        ValueError: a `{{ name }}` that stands for nothing.
    """
    text = path.read_text("utf-8")
    _, front, body = text.split("---\n", 2)
    settings = yaml.safe_load(front).pop("coursework")
    chosen: dict[str, Any] = {}
    for name, values in settings.get("vary", {}).items():
        value = choose(values, name, variant)
        together = value if isinstance(value, dict) else {"": value}
        chosen |= {f"{name}.{key}".strip("."): item for key, item in together.items()}
    for file in HERE.glob("*.json"):
        numbers = json.loads(file.read_text("utf-8"))
        chosen |= {f"{file.stem}.{key}": value for key, value in numbers.items()}

    def value(match):
        if match[1] not in chosen:
            raise ValueError(f"{path.name}: {match[0]} stands for nothing; add it to `vary`.")
        return str(chosen[match[1]])

    body = re.sub(r"\{\{ ([\w.]+) \}\}", value, body)
    front = "---\nkernelspec:\n  name: python3\n  display_name: Python 3\n---\n"
    return Master(path.stem, settings, jupytext.reads(front + body, fmt="md:myst").cells)


def otter_master(master: Master) -> NotebookNode:
    """The master in the form that `otter assign` reads."""
    cells = [v4.new_raw_cell("# ASSIGNMENT CONFIG\n" + yaml.safe_dump(otter_config(master)))]
    open_blocks: list[str] = []

    def close(until: int) -> None:
        while len(open_blocks) > until:
            cells.append(v4.new_raw_cell(f"# END {open_blocks.pop()}"))

    def begin(block: str, level: int, **config) -> None:
        if open_blocks[level:] != [block]:
            close(level)
            extra = "\n" + yaml.safe_dump(config) if config else ""
            cells.append(v4.new_raw_cell(f"# BEGIN {block}{extra}"))
            open_blocks.append(block)

    points = {question.name: question for question in master.questions}
    for number, cell in enumerate(master.cells):
        kind, question = set(tags(cell)), cell.metadata.get("question")
        made = (v4.new_code_cell if cell.cell_type == "code" else v4.new_markdown_cell)(cell.source)
        if question:
            close(0)
            manual = {"manual": True} if points[question].manual else {}
            begin("QUESTION", 0, name=question, points=points[question].points, **manual)
        elif "solution" in kind or cell.metadata.get("solution"):
            begin("SOLUTION", 1)
        elif "test" in kind:
            begin("TESTS", 1)
            made.source = otter_test(cell.source)
        else:
            close(0)
        cells.append(made)
        if number == 0:
            settings = master.settings | {"imports": ", ".join(master.settings["imports"])}
            cells.append(v4.new_code_cell(SETUP.format(name=master.name)))
            cells.append(v4.new_markdown_cell(RULES.format(name=master.name, **settings)))
    close(0)
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def otter_config(master: Master) -> dict[str, Any]:
    """Otter's settings of an assignment."""
    return {
        "init_cell": False,
        "export_cell": False,
        "check_all_cell": False,
        "show_question_points": True,
        "python_version": "3.12",
        "tests": {"files": True, "ok_format": False},
        "files": companions(master),
        "requirements": "requirements.txt",
        "generate": {"plugins": ["apart.Plugin"], "show_hidden": False},
    }


def companions(master: Master) -> list[str]:
    """The files of this folder that travel with a notebook."""
    return ["checks.py", *master.settings.get("files", [])]


def otter_test(source: str) -> str:
    """A test cell with its first line as Otter has it."""
    header = TEST_HEADER.match(source)
    config = f"points: {header[2]}\nhidden: {str(header[1] == 'Hidden').lower()}"
    return f'""" # BEGIN TEST CONFIG\n{config}\n""" # END TEST CONFIG\n{source[header.end() :]}'


def student_notebook(made: dict) -> dict:
    """Otter's student version without what differs from run to run, and without its marks."""
    cells = []
    for number, cell in enumerate(made["cells"]):
        keep = {"cell_type": cell["cell_type"], "id": f"cell-{number:03d}", "metadata": {}}
        if cell["cell_type"] == "code":
            keep |= {"execution_count": None, "outputs": []}
        source = "".join(cell["source"]).strip("\n")
        cells.append(keep | {"source": source.splitlines(keepends=True)})
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}


def grading(master: Master, notebook: dict, files: list[str]) -> dict[str, Any]:
    """What the plugin is told; see `apart`."""
    skipped = [*master.code("not-graded"), SETUP.format(name=master.name)]
    skip = {source.strip() for source in skipped}
    given = {source.strip() for source in master.code("given")} | skip
    sources = ("".join(c["source"]).strip() for c in notebook["cells"] if c["cell_type"] == "code")
    return {
        "imports": master.settings["imports"],
        "seconds": master.settings["seconds"],
        "names": master.names,
        "files": files,
        "given": [
            {"source": source, "skip": source in skip or source.startswith("grader.check(")}
            for source in sources
            if source in given or source.startswith("grader.check(")
        ],
    }


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    """A zip file that depends on its contents alone."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in sorted(files.items()):
            made.writestr(zipfile.ZipInfo(name, LONG_AGO), content, zipfile.ZIP_DEFLATED)


def wheel(out: Path) -> Path:
    """A wheel of symla_lite without the records, which coursework has no use for."""
    make = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        shutil.copytree(ROOT / "symla_lite", source / "symla_lite")
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, source)
        (source / "data").mkdir()
        command = [sys.executable, "-c", make, folder]
        subprocess.run(command, cwd=source, check=True, stdout=subprocess.DEVNULL)
        (built,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(built) as old:
            files = {name: old.read(name) for name in old.namelist()}
    path = out / built.name
    write_zip(path, files)
    return path


def build(path: Path, out: Path, package: Path, variant: str = "") -> None:
    """One assignment: `out/NAME/student`, `NAME.zip` for students, `NAME-autograder.zip`, and the
    notebook with solutions, `NAME-solution.ipynb`."""
    from otter.assign import main as assign

    master = read(path, variant)
    target = out / master.name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        notebook = work / f"{master.name}.ipynb"
        notebook.write_text(v4.writes(otter_master(master)), "utf-8")
        for name in companions(master):
            shutil.copy(HERE / name, work)
        (work / "requirements.txt").write_text("\n".join(grading_requirements()) + "\n")
        (work / "made").mkdir()
        assign(str(notebook), str(work / "made"), no_run_tests=True, no_pdfs=True)
        student, graded = work / "made" / "student", work / "made" / "autograder"
        handed_out = student_notebook(json.loads((student / notebook.name).read_text("utf-8")))
        solved = student_notebook(json.loads((graded / notebook.name).read_text("utf-8")))

        text = json.dumps(handed_out, indent=1, ensure_ascii=False) + "\n"
        files = {notebook.name: text.encode()}
        files |= {name: (HERE / name).read_bytes() for name in companions(master)}
        for test in (student / "tests").glob("*.py"):
            files[f"tests/{test.name}"] = test.read_bytes()
        if master.settings.get("package"):
            files[package.name] = package.read_bytes()
        for name, content in files.items():
            (target / "student" / name).parent.mkdir(parents=True, exist_ok=True)
            (target / "student" / name).write_bytes(content)
        write_zip(target / f"{master.name}.zip", files)
        text = json.dumps(solved, indent=1, ensure_ascii=False) + "\n"
        (target / f"{master.name}-solution.ipynb").write_text(text, "utf-8")

        (made,) = graded.glob("*.zip")
        with zipfile.ZipFile(made) as old:
            inside = {name: old.read(name) for name in old.namelist()}
    ours = {name: (HERE / name).read_bytes() for name in ("apart.py", *companions(master))}
    ours[package.name] = package.read_bytes()
    settings = grading(master, handed_out, [*ours, "grading.json"])
    ours["grading.json"] = (json.dumps(settings, indent=1) + "\n").encode()
    inside |= {f"files/{name}": content for name, content in ours.items()}
    inside["run_otter.py"] = RUN_OTTER.encode()
    write_zip(target / f"{master.name}-autograder.zip", inside)


def grading_requirements() -> list[str]:
    """What the grader's image installs: symla_lite's own needs, in the versions of the lock."""
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = [re.match(r"[\w.-]+", need)[0] for need in project["dependencies"]]
    lines = re.findall(r"^([\w.-]+)(==[^\\\n]+)", lock, re.MULTILINE)
    return [f"{name}{pin.strip()}" for name, pin in lines if name in names]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Make the coursework from its masters.")
    parser.add_argument("names", nargs="*", help="assignments, by default all")
    parser.add_argument("--variant", default="", help="a name that chooses the conventions")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    paths = [path for path in masters() if not given.names or path.stem in given.names]
    if unknown := set(given.names) - {path.stem for path in paths}:
        known = ", ".join(path.stem for path in masters())
        print(f"There is no assignment {', '.join(unknown)}: take {known}.", file=sys.stderr)
        return 1
    given.out.mkdir(parents=True, exist_ok=True)
    package = wheel(given.out)
    for path in paths:
        build(path, given.out, package, given.variant)
        print(f"{path.stem}: {given.out / path.stem}")
    made = guide.write(given.out, [read(path, given.variant) for path in masters()], given.variant)
    print(f"The instructor's guide: {made}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
