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

cell tagged `instruments` is run again behind the student's cells, as the tests rely on it.

In the front matter, `coursework` holds `imports`, what an answer may import beside NumPy, SciPy,
matplotlib and Python's own modules; `seconds`, how long it may take; `package`, whether students
need symla_lite; `files`, what else of this folder travels with the notebook; `hand_in`, data files
that may be handed in; and `vary`, conventions that a variant chooses among: `{{ NAME }}` in the
master becomes the public value, or, with --variant, another one, which the variant's name decides.
A convention is a list of values, the first public; or `shuffle: [f, i, o, g]`, whose variants have
another order with nothing in its place; or `from: 0.2, to: 3, step: 0.1, public: 1`, a number.
`{{ file.key }}` is a number of `file.json` in this folder.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import importlib.util
import itertools
import json
import operator
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

try:
    import guide
    import jupytext
    import rules
    import yaml
    from nbformat import NotebookNode, v4
except ModuleNotFoundError as missing:
    sys.exit(
        f"error: {missing.name} is not installed in {sys.executable}: run `make coursework`, which "
        "makes an environment that has all of it."
    )

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OUT = ROOT / "_build" / "coursework"
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The time in a zip file, so that the same sources give the same bytes."""

SETUP = """\
# Set-up: finds or unpacks what came with this notebook, installs what is missing.
import sys
import zipfile
from pathlib import Path

ASSIGNMENT = "{name}"
files, packed = Path(f"{{ASSIGNMENT}}_files"), Path(f"{{ASSIGNMENT}}.zip")
if packed.exists():  # on Colab, upload it beside the notebook; a newer one replaces what is here
    with zipfile.ZipFile(packed) as archive:
        for name in archive.namelist():
            if name.startswith(f"{{ASSIGNMENT}}/{{files}}/") and not name.endswith("/"):
                path = Path(name).relative_to(ASSIGNMENT)
                if not path.exists() or path.read_bytes() != archive.read(name):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(archive.read(name))
if not files.exists():
    raise FileNotFoundError(
        f"There is no {{files}} here: put {{packed}} beside this notebook and run this cell again."
    )
sys.path[:0] = [str(files.resolve())]
for module in ("checks", "rules", "observe"):
    sys.modules.pop(module, None)
import checks

grader = checks.grader(ASSIGNMENT)
"""

READY = """\
## Ready to hand in?

Save the notebook, and run this cell. It says what grading would say of your cells, and which checks
fail. Then hand in the notebook, `{name}.ipynb`{data}.
"""

ENVIRONMENT = """\
#!/usr/bin/env bash
# What grading {name} needs, and no more: no browser, no LaTeX, no second Python distribution.
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends ca-certificates curl
curl -LsSf https://astral.sh/uv/install.sh | env UV_INSTALL_DIR=/usr/local/bin sh
export UV_PYTHON_INSTALL_DIR=/opt/python
uv venv --seed --python 3.12 /opt/grading
uv pip install --python /opt/grading/bin/python -r /autograder/source/requirements.txt
"""

RUN = """\
#!/usr/bin/env bash
/opt/grading/bin/python /autograder/source/run_otter.py
"""

RUN_OTTER = '''\
"""Runs Otter's grading with what this package brings: on Gradescope and in `otter grade`."""

import json
import os
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
    results = SOURCE.parent / "results"
    board = results / "leaderboard.json"
    os.environ["COURSEWORK_LEADERBOARD"] = str(board)
    os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=1"  # compiled often, run seldom
    main(str(SOURCE.parent))
    if board.exists() and (results / "results.json").exists():
        scores = json.loads(board.read_text())
        made = json.loads((results / "results.json").read_text())
        made["leaderboard"] = [
            {"name": name, "value": value, "order": "asc"} for name, value in scores.items()
        ]
        (results / "results.json").write_text(json.dumps(made))
'''

RULES = """\
**How this is graded.** Your cells run in a process of their own, from top to bottom, and the grader
asks your functions questions: keep their names and their arguments. They may import {imports}
and Python's own modules. There is no network, no keyboard and no other file{files}; a line that
needs one of them fails alone, and the grader says so. A cell and an answer have {seconds} seconds
each, and the whole notebook twice as many. Hand in this notebook, `{name}.ipynb`."""

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
    def checks(self) -> list[tuple[str, int, str]]:
        """Each check: its question, its points and its source."""
        found, question = [], ""
        for cell in self.cells:
            question = cell.metadata.get("question", question)
            if "test" in tags(cell):
                header = TEST_HEADER.match(cell.source)
                found.append((question, int(header[2]), cell.source))
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
            names = ("solution", "test", "not-graded", "instruments")
            return next((x for x in names if x in tags(cell)), "given")

        return [c.source for c in self.cells if c.cell_type == "code" and kind(c) in kinds]


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def masters() -> list[Path]:
    """The sources of the assignments."""
    return sorted(HERE.glob("[0-9][0-9]*_*.md"))


def values_of(convention: list | dict) -> list:
    """The values of a convention, the public one first."""
    if isinstance(convention, list):
        return convention
    if "shuffle" in convention:
        parts, join = convention["shuffle"], convention.get("join", ", ")
        others = [x for x in itertools.permutations(parts) if all(map(operator.ne, x, parts))]
        return [join.join(x) for x in (parts, *others)]
    first, last, step = (convention[key] for key in ("from", "to", "step"))
    steps = range(round((last - first) / step) + 1)
    numbers = [float(f"{first + step * n:.6g}") for n in steps]
    numbers = [int(x) if isinstance(step, int) else x for x in numbers]
    public = convention["public"]
    return [public, *(x for x in numbers if abs(x - public) > convention.get("apart", step) / 2)]


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
        value = choose(values_of(values), name, variant)
        together = value if isinstance(value, dict) else {"": value}
        chosen |= {f"{name}.{key}".strip("."): item for key, item in together.items()}
    for file in HERE.glob("challenge.json"):
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
            cells.append(v4.new_code_cell(SETUP.format(name=master.name)))
            cells.append(v4.new_markdown_cell(rules_text(master)))
    close(0)
    data = data_files(master)
    end = READY.format(
        name=master.name, data=f", and beside it {data} if you have it" if data else ""
    )
    cells += [v4.new_markdown_cell(end), v4.new_code_cell("grader.ready()")]
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def data_files(master: Master) -> str:
    """What may be handed in beside a notebook."""
    return " and ".join(f"`{name}`" for name in master.settings.get("hand_in", []))


def rules_text(master: Master) -> str:
    """What a student is told of the grading."""
    names = dict.fromkeys([*master.settings["imports"], *rules.ALWAYS])
    data = data_files(master)
    return RULES.format(
        name=master.name,
        imports=", ".join(name for name in names if name != "typing_extensions"),
        seconds=master.settings["seconds"],
        files=f" but {data}" if data else "",
    )


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
    return ["checks.py", "rules.py", "observe.py", *master.settings.get("files", [])]


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
    """What grading is told of an assignment; see `apart` and `grade`."""
    skip = {source.strip() for source in master.code("not-graded")}
    skip |= {SETUP.format(name=master.name).strip(), "grader.ready()"}
    last = {source.strip() for source in master.code("instruments")}
    given = {source.strip() for source in master.code("given")} | skip | last
    sources = ("".join(c["source"]).strip() for c in notebook["cells"] if c["cell_type"] == "code")
    headings = {
        re.search(r"^## .+$", cell.source, re.MULTILINE)[0].strip(): cell.metadata["question"]
        for cell in master.cells
        if cell.metadata.get("question")
    }
    return {
        "name": master.name,
        "imports": master.settings["imports"],
        "seconds": master.settings["seconds"],
        "names": master.names,
        "files": files,
        "manual": {x.name: x.points for x in master.questions if x.manual},
        "headings": headings,
        "given": [
            {
                "source": source,
                "skip": source in skip or source.startswith("grader."),
                "last": source in last,
            }
            for source in sources
            if source in given or source.startswith("grader.")
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
        (work / "requirements.txt").write_text("\n".join(grading_requirements(master)) + "\n")
        (work / "made").mkdir()
        assign(str(notebook), str(work / "made"), no_run_tests=True, no_pdfs=True)
        student, graded = work / "made" / "student", work / "made" / "autograder"
        handed_out = student_notebook(json.loads((student / notebook.name).read_text("utf-8")))
        solved = student_notebook(json.loads((graded / notebook.name).read_text("utf-8")))
        tests = {test.name: test.read_text("utf-8") for test in (student / "tests").glob("*.py")}
        (made,) = graded.glob("*.zip")
        with zipfile.ZipFile(made) as old:
            inside = {name: old.read(name) for name in old.namelist()}

    settings = grading(master, handed_out, [])
    about = {key: settings[key] for key in ("name", "imports", "seconds", "names")}
    about["given"] = [cell["source"] for cell in settings["given"]]
    folder = f"{master.name}_files"
    files = {notebook.name: as_json(handed_out)}
    files |= {f"{folder}/{name}": (HERE / name).read_bytes() for name in companions(master)}
    files[f"{folder}/about.json"] = as_json(about)
    for name, text in tests.items():  # Otter itself stays with the grader
        text = text.replace("from otter.test_files import", "from checks import")
        files[f"{folder}/tests/{name}"] = text.encode()
    if master.settings.get("package"):
        files[f"{folder}/{package.name}"] = package.read_bytes()
    for name, content in files.items():
        (target / "student" / name).parent.mkdir(parents=True, exist_ok=True)
        (target / "student" / name).write_bytes(content)
    write_zip(target / f"{master.name}.zip", {f"{master.name}/{x}": files[x] for x in files})
    (target / f"{master.name}-solution.ipynb").write_bytes(as_json(solved))

    names = (*GRADER, *companions(master))
    ours = {name: (HERE / name).read_bytes() for name in names} | {
        package.name: package.read_bytes()
    }
    ours["grading.json"] = as_json(settings | {"files": [*ours, "grading.json"]})
    inside |= {f"files/{name}": content for name, content in ours.items()}
    inside["run_otter.py"] = RUN_OTTER.encode()
    inside["setup.sh"] = ENVIRONMENT.format(name=master.name).encode()
    inside["run_autograder"] = RUN.encode()
    inside["requirements.txt"] = ("\n".join(grading_requirements(master)) + "\n").encode()
    inside["environment.yml"] = b"# not used: see setup.sh\n"
    write_zip(target / f"{master.name}-autograder.zip", inside)


GRADER = ("apart.py", "worker.py", "jail.py", "seccomp.py")
"""The files of this folder that are the grader's alone."""


def as_json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def grading_requirements(master: Master) -> list[str]:
    """What the grader's image installs: Otter, and what the assignment and its tests import, in the
    versions of the lock."""
    lock = (HERE / "requirements.lock").read_text("utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = ["otter-grader", "ipykernel", "pypdf", "numpy", "scipy", "matplotlib", "tqdm"]
    if set(rules.NEEDS_JAX + ("jax",)) & set(
        re.findall(r"\w+", "\n".join(master.code("test", "given", "solution")))
    ):
        names += [re.match(r"[\w.-]+", need)[0] for need in project["dependencies"]]
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
    if importlib.util.find_spec("otter") is None:
        print(
            f"error: otter-grader is not installed in {sys.executable}: run `make coursework`, "
            "which makes an environment that has it.",
            file=sys.stderr,
        )
        return 2
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
