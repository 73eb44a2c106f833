"""Grades answers whose marks are known, and prints what they earned.

    python coursework/check.py              all assignments, after build.py
    python coursework/check.py 02_metarnn   one

Each goes through Otter and the autograder package as a submission would: the reference solution,
the notebook as it is handed out, and typical wrong answers. With Assignment 2 go answers that try
to earn points by other means. Ends with status 1 where something earned other than it should, or
where what students get shows a line of a solution or a check that they should not see.
"""

from __future__ import annotations

import argparse
import copy
import json
import multiprocessing
import re
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import build
import grade
import guide

TRICKS = {
    "constants": (
        "Every function returns zero.",
        "def lifetime(*args):\n    return 0.0\n\n\n"
        "heard = lstm = step = count = one_more_action = moved = deaf = lifetime",
    ),
    "echo": (
        "Every function returns what it was given.",
        "def lifetime(*args):\n    return args[0]\n\n\n"
        "heard = lstm = step = count = one_more_action = moved = deaf = lifetime",
    ),
    "shapes": (
        "Every function returns zeros of the right shape.",
        "def heard(x):\n    return np.zeros(len(x['o']) + len(x['a']) + 2)\n\n\n"
        "def lstm(theta, h, c, x):\n    return 0 * h, 0 * c\n\n\n"
        "def step(theta, state, x):\n    return 0 * theta['v'], state\n\n\n"
        "def lifetime(theta, told):\n    return np.zeros((len(told['r']), len(theta['v'])))\n\n\n"
        "def count(A, B, N):\n    return 0\n\n\n"
        "def one_more_action(N):\n    return 0\n\n\n"
        "def moved(theta, rho, rho_out):\n    return theta\n\n\n"
        "def deaf(theta, A, B):\n    return theta",
    ),
    "equal to all": (
        "An object that claims to equal whatever it is compared with.",
        "class Equal:\n    shape = ()\n    __eq__ = lambda self, other: True\n"
        "    __array__ = lambda self, *a, **k: np.array(self, object)\n\n\n"
        "def lifetime(*args):\n    return Equal()\n\n\n"
        "heard = lstm = step = count = one_more_action = moved = deaf = lifetime",
    ),
    "other checks": (
        "The checks are replaced from within the notebook.",
        "import checks\n\nchecks.close = checks.all_close = checks.apart = lambda *a, **k: None",
    ),
    "other NumPy": (
        "NumPy is bent so that all differences are zero.",
        "np.abs = np.isfinite = np.asarray = lambda x, *a: np.zeros(1)",
    ),
    "call stack": (
        "The expected numbers are looked up in the caller's frame.",
        "import sys\n\n\ndef lifetime(*args):\n    return sys._getframe(1).f_locals['wanted']\n\n\n"
        "heard = lstm = step = count = one_more_action = moved = deaf = lifetime",
    ),
    "other files": (
        "The submission brings tests, checks and settings of its own.",
        "",
    ),
}
"""Ways to points without an answer, each a cell below the notebook as it was handed out."""

FORGED = {
    "checks.py": "from unittest.mock import Mock\n\nfail = close = all_close = apart = Mock()\n",
    "apart.py": "class Plugin:\n    pass\n",
    "grading.json": '{"names": [], "files": [], "given": [], "imports": [], "seconds": 1}\n',
    "numpy.py": "abs = asarray = None\n",
    "sitecustomize.py": "raise SystemExit\n",
    ".OTTER_LOG": "",
}
"""What `other files` brings."""


class Case(NamedTuple):
    """A submission and what its questions should earn."""

    assignment: str
    answer: str
    notebook: str
    files: dict[str, str]
    wanted: dict[str, float | tuple[float, ...]]
    full: int


def with_cell(notebook: dict, source: str) -> str:
    """The text of the notebook with one more cell at its end."""
    made = copy.deepcopy(notebook)
    cell = {"cell_type": "code", "id": "added", "metadata": {}, "execution_count": None}
    made["cells"].append(cell | {"outputs": [], "source": source.splitlines(keepends=True)})
    return json.dumps(made)


def cases(master: build.Master, out: Path, variant: str) -> list[Case]:
    """What is graded of an assignment; the wrong answers are wrong under the first conventions."""
    folder = out / master.name
    solution = json.loads((folder / f"{master.name}-solution.ipynb").read_text("utf-8"))
    handed_out = json.loads((folder / "student" / f"{master.name}.ipynb").read_text("utf-8"))
    full = {question.name: question.points for question in master.questions if not question.manual}
    nothing, total = dict.fromkeys(full, 0), sum(full.values())
    made = [
        Case(master.name, "reference", json.dumps(solution), {}, full, total),
        Case(master.name, "as handed out", json.dumps(handed_out), {}, nothing, total),
    ]
    for wrong in guide.wrong_answers(master.name) if not variant else []:
        text = with_cell(solution, wrong.source)
        made.append(Case(master.name, wrong.name, text, {}, full | wrong.scores, total))
    if master.name == "02_metarnn":
        for name, (_, source) in TRICKS.items():
            text, files = with_cell(handed_out, source), FORGED if name == "other files" else {}
            made.append(Case(master.name, f"trick: {name}", text, files, nothing, total))
    return made


def graded(case: Case, out: Path) -> tuple[dict[str, float], float]:
    """What a submission earns by question, and the seconds that it took."""
    began = time.monotonic()
    package = out / case.assignment / f"{case.assignment}-autograder.zip"
    with tempfile.TemporaryDirectory() as folder:
        submission = Path(folder) / f"{case.assignment}.ipynb"
        submission.write_text(case.notebook, "utf-8")
        if case.files:  # as Gradescope hands them over
            together = {submission.name: case.notebook} | case.files
            submission = submission.with_suffix(".zip")
            build.write_zip(submission, {name: x.encode() for name, x in together.items()})
        found = grade.scores(grade.grade(submission, package))
    return found, time.monotonic() - began


def earns(wanted: float | tuple[float, ...], found: float | None) -> bool:
    """Whether a question earned what it should, or one of what it may."""
    return found in wanted if isinstance(wanted, tuple) else found == wanted


def squeezed(line: str) -> str:
    """A line of code without its spaces, quotes and closing remark."""
    return re.sub(r"[\s\"']", "", line.split("  #")[0])


def leaks(master: build.Master, out: Path) -> list[str]:
    """Lines of solutions, and names of hidden tests, in what students get."""
    secret = set()
    for source in master.code("solution"):
        inside = False
        for line in source.splitlines():
            if "# BEGIN SOLUTION" in line or "# END SOLUTION" in line:
                inside = "BEGIN" in line
            elif inside or line.endswith("# SOLUTION"):
                secret.add(squeezed(line))
    secret = {line for line in secret if len(line) >= 12}  # no `else:` and `return x`
    for cell in master.cells:
        if "test" in build.tags(cell) and cell.source.startswith("# Hidden"):
            secret.add(squeezed(cell.source.splitlines()[1]))
    shown = set()
    for path in (out / master.name / "student").rglob("*"):
        if path.suffix == ".ipynb":
            for cell in json.loads(path.read_text("utf-8"))["cells"]:
                shown |= set(map(squeezed, "".join(cell["source"]).splitlines()))
        elif path.suffix == ".py":
            shown |= set(map(squeezed, path.read_text("utf-8").splitlines()))
    return sorted(secret & shown)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Grade answers whose marks are known.")
    parser.add_argument("names", nargs="*", help="assignments, by default all")
    parser.add_argument("--out", type=Path, default=build.OUT, help="where build.py built")
    parser.add_argument("--variant", default="", help="the variant that was built")
    parser.add_argument("--jobs", type=int, default=2, help="how many to grade at once")
    given = parser.parse_args()
    masters = [build.read(path, given.variant) for path in build.masters()]
    masters = [master for master in masters if not given.names or master.name in given.names]
    absent = [master.name for master in masters if not (given.out / master.name).exists()]
    if absent:
        print(f"{', '.join(absent)}: not built; run `make coursework` first.", file=sys.stderr)
        return 1

    began, bad = time.monotonic(), 0
    all_cases = [case for master in masters for case in cases(master, given.out, given.variant)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.jobs, context) as pool:
        running = [pool.submit(graded, case, given.out) for case in all_cases]
        before = ""
        for case, future in zip(all_cases, running):
            if case.assignment != before:
                heads = "".join(f"{name:>4}" for name in case.wanted)
                print(f"\n{case.assignment:<36}{heads}   total  seconds", flush=True)
                before = case.assignment
            try:
                found, seconds = future.result()
            except Exception as error:  # this submission's: the others are still of interest
                print(f"  {case.answer:<34}WRONG: {type(error).__name__}: {error}", flush=True)
                bad += 1
                continue
            each = "".join(f"{found.get(name, 0):>4g}" for name in case.wanted)
            total = f"{sum(found.values()):g}/{case.full}"
            missed = [x for x, n in case.wanted.items() if not earns(n, found.get(x))]
            verdict = ", ".join(f"{x} should be {guide.either(case.wanted[x])}" for x in missed)
            verdict = verdict and f"   WRONG: {verdict}"
            bad += bool(missed)
            print(f"  {case.answer:<34}{each}{total:>8}{seconds:>9.0f}{verdict}", flush=True)
    print()
    for master in masters:
        found = leaks(master, given.out)
        bad += bool(found)
        what = f"shows students {', '.join(found)}" if found else "shows students no solution"
        print(f"{master.name} {what}.")
    print(f"\n{len(all_cases)} submissions, {time.monotonic() - began:.0f} seconds, {bad} wrong.")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
