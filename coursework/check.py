"""Grades answers whose marks are known, and prints what they earned.

    python coursework/check.py              all assignments, after build.py
    python coursework/check.py 02_metarnn   one

Each is graded as a submission is: the reference solution, the notebook as it is handed out, and
typical wrong answers; one reference also goes through Otter. With Assignment 2 go answers that try
to earn points by other means, or to do harm. More than a hundred right answers with harmless
changes and as many spoiled ones, of all assignments, are marked without a process for each. Ends
with status 1 where something earned other than it should, or where what students get shows a line
of a solution or a check that they should not see.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import itertools
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import alter
import apart
import build
import grade
import guide
import thefts


class Case(NamedTuple):
    """A submission and what its questions should earn."""

    assignment: str
    answer: str
    notebook: str
    files: dict[str, str | bytes]
    wanted: dict[str, float | tuple[float, ...]]
    full: int
    said: str = ""
    """What its feedback says among other things."""


THETA = """\
track, claims = "symmetry", {"inputs": False, "actions": True}


def step(theta, h, x):
    h = h + theta["w"][0] * (jnp.arange(1, 1 + x.o.size) * x.o).sum() + x.r
    return theta["w"][1] * h * x.a, h


def init_theta(key, sizes):
    return {"w": jnp.ones(2)}


learner = Learner("places", {}, init_theta, lambda *_: jnp.zeros(()), step)
meta_parameters = handed_in()


def run(name, seed):
    noise = np.random.default_rng([seed, len(name)]).normal()
    return float(handed_in()["w"][0] + noise)


results = {name: [run(name, n) for n in range(3)] for name in ("mine", "random", "without reward")}
"""
"""A project of Assignment 6 whose meta-parameters come in a file."""


def thetas() -> dict[str, tuple[dict[str, bytes], str]]:
    """Files that are handed in beside such a project, and what its feedback says of them."""
    import numpy as np

    def saved(**arrays):
        file = io.BytesIO()
        np.savez(file, **arrays)
        return {"theta.npz": file.getvalue()}

    return {
        "theta, right": (saved(w=np.array([0.5, 2])), ""),
        "theta of another learner": (saved(kernel=np.ones((3, 2))), "those of another learner"),
        "theta, not a number": (saved(w=np.array([np.nan, 2])), "not all of w are finite numbers"),
        "theta, missing": ({"notes.csv": b"1,2\n"}, "There is no theta.npz beside the notebook"),
        "theta, pickled": (saved(w=np.array([{}], object)), "theta.npz holds no arrays of numbers"),
        "theta, broken": ({"theta.npz": b"PK\3\4 and no more"}, "holds no arrays of numbers"),
    }


def with_cell(notebook: dict, *sources: str) -> str:
    """The text of the notebook with one more cell at its end, or several."""
    return json.dumps(notebook | {"cells": [*notebook["cells"], *map(alter.cell, sources)]})


def cases(master: build.Master, out: Path, variant: str, canary: Path) -> list[Case]:
    """What is graded of an assignment; the wrong answers are wrong under the first conventions."""
    folder = out / master.name
    solution = json.loads((folder / f"{master.name}-solution.ipynb").read_text("utf-8"))
    handed_out = json.loads((folder / "student" / f"{master.name}.ipynb").read_text("utf-8"))
    full = {question.name: question.points for question in master.questions if not question.manual}
    full = {name: sum(master.split[name][:2]) for name in full}
    nothing, total = dict.fromkeys(full, 0), sum(full.values())
    made = [
        Case(master.name, "reference", json.dumps(solution), {}, full, total),
        Case(master.name, "as handed out", json.dumps(handed_out), {}, nothing, total),
    ]
    for wrong in guide.wrong_answers(master.name) if not variant else []:
        text = with_cell(solution, wrong.source)
        made.append(Case(master.name, wrong.name, text, {}, full | wrong.scores, total))
    if master.name == "06_project" and not variant:
        text = with_cell(handed_out, THETA)
        for name, (files, said) in thetas().items():
            made.append(
                Case(master.name, name, text, files, nothing if said else full, total, said)
            )
    if master.name == "02_metarnn":
        secret = folder / f"{master.name}-solution.ipynb"
        where = f"CANARY, SOLUTION = {str(canary)!r}, {str(secret)!r}\n"
        for name, cells in thefts.TRICKS.items():
            text = with_cell(handed_out, where + cells[0], *cells[1:])
            made.append(Case(master.name, f"trick: {name}", text, {}, nothing, total))
        text = json.dumps(handed_out)
        made.append(Case(master.name, "trick: other files", text, thefts.FORGED, nothing, total))
        text = with_cell(handed_out, thefts.TAKE, "take(open('mine.json').read())")
        mine = {"mine.json": json.dumps(solution)}
        made.append(Case(master.name, "the same with a file of its own", text, mine, full, total))
    return made


def write(case: Case, folder: Path) -> Path:
    """A case as a file that is handed in."""
    path = folder / f"{case.answer.replace(':', '').replace(' ', '_')}.ipynb"
    path.write_text(case.notebook, "utf-8")
    if case.files:
        together = {f"{case.assignment}.ipynb": case.notebook} | case.files
        path = path.with_suffix(".zip")
        contents = {x: y if isinstance(y, bytes) else y.encode() for x, y in together.items()}
        build.write_zip(path, contents)
    return path


def graded(all_cases: list[Case], out: Path, folder: Path, jobs: int) -> Iterator[tuple]:
    """Each case with what it earned by question, or what is wrong with it, and seconds."""
    package = grade.Package(
        out / all_cases[0].assignment / f"{all_cases[0].assignment}-autograder.zip"
    )
    paths = [write(case, folder) for case in all_cases]
    found = grade.grade_all(paths, package, jobs)
    for case, (_, result, seconds) in zip(all_cases, found):
        text = grade.feedback(case.answer, package, result)
        if not isinstance(result, grade.Graded):
            yield case, str(result), seconds
        elif case.said not in text:
            yield case, f"it is not said that {case.said}: {text}", seconds
        else:
            yield case, result.scores, seconds


def by_otter(name: str, out: Path) -> float:
    """What the reference earns where Otter grades it, as on Gradescope."""
    from otter.api import grade_submission

    if str(build.HERE) not in sys.path:
        sys.path.insert(0, str(build.HERE))  # the plugin, which Otter imports by its name
    folder = out / name
    solution, package = folder / f"{name}-solution.ipynb", folder / f"{name}-autograder.zip"
    with tempfile.TemporaryDirectory() as here, open(os.devnull, "w") as nowhere:
        copied = Path(here) / f"{name}.ipynb"
        copied.write_bytes(solution.read_bytes())
        kept = os.dup(2)
        os.dup2(nowhere.fileno(), 2)  # kernels write about their own wires
        try:
            return grade_submission(str(copied), str(package), quiet=True).total
        finally:
            os.dup2(kept, 2)
            os.close(kept)


COUNTS = {"01_backprop": 20, "02_metarnn": 20, "03_vsml": 20, "04_symla": 10, "04b_table_1": 14}
COUNTS |= {"05_evolution": 10, "05b_broken_symmetry": 10, "06_project": 6}
"""How many of each assignment's right answers are altered, and how many are spoiled."""


@contextlib.contextmanager
def remembered():
    """What the checks and answers of Assignments 5 and 5b compute again and again with the same
    numbers is computed once: the functions are pure. Inputs come from one seed, so that they are
    the same."""
    import challenge
    import checks
    import numpy as np
    import worlds

    def keep(function, key):
        known: dict = {}

        def kept(*args):
            found = key(*args)
            if found not in known:
                known[found] = function(*args)
            return known[found]

        return kept

    def text(*args):
        arrays = [x.tobytes() if isinstance(x, np.ndarray) else repr(x).encode() for x in args]
        return hashlib.sha256(b"/".join(arrays)).digest()

    def of_place(place, world, high, seed):  # a place is what it does
        logits, q = np.random.default_rng(0).normal(size=(2, 5, 3, 2))
        return text(np.asarray(place(logits, q[..., :1]), float), world, high, seed)

    old = challenge.fitness, challenge.scores, worlds.train
    challenge.fitness, challenge.scores = keep(old[0], text), keep(old[1], text)
    worlds.train = keep(old[2], of_place)
    checks.use_seed(0)
    try:
        yield
    finally:
        challenge.fitness, challenge.scores, worlds.train = old
        checks.use_seed(None)


def earned(master: build.Master, scope: dict) -> dict[str, float]:
    """What these answers earn, by question, in this process."""
    found: dict[str, float] = {}
    for question, points, source in master.checks:
        made: dict = {}
        exec(compile(source, "test", "exec"), made)
        (test,) = [x for name, x in made.items() if name.startswith("test_")]
        names = test.__code__.co_varnames[: test.__code__.co_argcount]
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                test(*(scope.get(name) for name in names))
        except Exception:
            points = 0
        found[question] = found.get(question, 0) + points
    return found


def altered_and_spoiled(
    name: str, out: Path, variant: str, count: int
) -> tuple[int, int, list[str]]:
    """Marks so many altered right answers of an assignment, and as many spoiled ones, if there are
    so many ways; returns how many of each, and what earned other than it should."""
    import matplotlib

    matplotlib.use("agg")
    master, folder = build.read(build.HERE / f"{name}.md", variant), out / name
    solution = json.loads((folder / f"{name}-solution.ipynb").read_text("utf-8"))
    package = grade.Package(folder / f"{name}-autograder.zip")
    full = {x: sum(points[:2]) for x, points in master.split.items() if not points[2]}
    solutions = alter.solutions(solution, package.settings["given"])
    wrong = []
    keep = remembered() if name.startswith("05") else contextlib.nullcontext()
    with tempfile.TemporaryDirectory() as here, contextlib.chdir(here), keep:
        for seed in range(count):
            made, changes = alter.altered(solution, solutions, seed)
            with contextlib.redirect_stdout(io.StringIO()):
                scope = alter.defined(apart.plan(made, package.settings))
            found = earned(master, scope)
            if found != full:
                wrong.append(f"{name}, altered by {changes}: {found}")
        ways, spoiled = alter.spoilings(master, 0), 0
        for question, source, what, touched in itertools.islice(ways, count):
            spoiled += 1
            made = json.loads(with_cell(solution, source))
            with contextlib.redirect_stdout(io.StringIO()):
                scope = alter.defined(apart.plan(made, package.settings))
            found = earned(master, scope)
            lost = {x for x in full if found[x] < full[x]}
            if question not in lost or not lost <= touched | {question}:
                wrong.append(f"{name}, spoiled by {what}: {found}")
    return count, spoiled, wrong


def public_share(name: str, variant: str) -> float:
    """The share of a variant's points by checks that the public solution earns."""
    made = build.read(build.HERE / f"{name}.md", variant)
    public = "\n\n".join(build.read(build.HERE / f"{name}.md").code("solution"))
    sources = [*made.code("given", "instruments"), public]
    cells = [{"name": f"cell {n}", "source": x} for n, x in enumerate(sources)]
    keep = remembered() if name.startswith("05") else contextlib.nullcontext()
    with tempfile.TemporaryDirectory() as here, contextlib.chdir(here), keep:
        with contextlib.redirect_stdout(io.StringIO()):
            scope = alter.defined(cells)
        points = sum(points for _, points, _ in made.checks)
        return sum(earned(made, scope).values()) / points


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
    parser.add_argument("--jobs", type=int, default=grade.cores(), help="how many at once")
    given = parser.parse_args()
    masters = [build.read(path, given.variant) for path in build.masters()]
    masters = [master for master in masters if not given.names or master.name in given.names]
    absent = [master.name for master in masters if not (given.out / master.name).exists()]
    if absent:
        print(f"{', '.join(absent)}: not built; run `make coursework` first.", file=sys.stderr)
        return 1
    grade.keep_what_is_compiled(given.out)
    open_to_all = apart.jail.hide(grade.secrets(given.out, []))
    if open_to_all:
        print(f"{apart.NOT_APART} An answer could read {open_to_all[0]}.", file=sys.stderr)
        return 1

    began, bad, count = time.monotonic(), 0, 0
    canary = Path(tempfile.mkstemp(prefix="canary-")[1])
    canary.write_text("kept")
    canary.chmod(0o666)
    for master in masters:
        all_cases = cases(master, given.out, given.variant, canary)
        heads = "".join(f"{name:>4}" for name in all_cases[0].wanted)
        print(f"\n{master.name:<36}{heads}   total  seconds", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            for case, found, seconds in graded(all_cases, given.out, Path(folder), given.jobs):
                count += 1
                if isinstance(found, str):
                    print(f"  {case.answer:<34}WRONG: {found}", flush=True)
                    bad += 1
                    continue
                each = "".join(f"{found.get(name, 0):>4g}" for name in case.wanted)
                total = f"{sum(found.values()):g}/{case.full}"
                missed = [x for x, n in case.wanted.items() if not earns(n, found.get(x))]
                verdict = ", ".join(f"{x} should be {guide.either(case.wanted[x])}" for x in missed)
                verdict = verdict and f"   WRONG: {verdict}"
                bad += bool(missed)
                print(f"  {case.answer:<34}{each}{total:>8}{seconds:>9.0f}{verdict}", flush=True)
    if canary.read_text() != "kept":
        bad += 1
        print("WRONG: an answer has changed a file.")
    canary.unlink()

    with ProcessPoolExecutor(given.jobs, get_context("spawn")) as pool:
        heavy_first = sorted(masters, key=lambda master: master.name, reverse=True)
        running = [
            pool.submit(
                altered_and_spoiled, master.name, given.out, given.variant, COUNTS[master.name]
            )
            for master in heavy_first
        ]
        marked = [future.result() for future in running]
        if given.variant:
            names = [master.name for master in heavy_first]
            shares = pool.map(public_share, names, itertools.repeat(given.variant))
            for name, share in zip(names, shares):
                bad += share >= 0.25
                print(f"{name}: the public solution earns {share:.0%} under {given.variant}.")
    wrong = [said for *_, each in marked for said in each]
    bad += len(wrong)
    print(*wrong, sep="\n", end="\n" if wrong else "")
    print(
        f"\n{sum(n for n, *_ in marked)} right answers with harmless changes and "
        f"{sum(n for _, n, _ in marked)} spoiled ones: {len(wrong)} earned other than they should."
    )
    if any(master.name == "02_metarnn" for master in masters):
        total = by_otter("02_metarnn", given.out)
        bad += total != 20
        print(f"Through Otter, the reference of 02_metarnn earns {total:g} of 20.")
    for master in masters:
        found = leaks(master, given.out)
        bad += bool(found)
        what = f"shows students {', '.join(found)}" if found else "shows students no solution"
        print(f"{master.name} {what}.")
    print(f"\n{count} submissions, {time.monotonic() - began:.0f} seconds, {bad} wrong.")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
