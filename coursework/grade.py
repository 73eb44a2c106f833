"""Grades submissions on this machine, by Otter and with an autograder package.

    python coursework/grade.py 02_metarnn submissions/*.ipynb

prints what each question earned. It is what `otter run` does, for many files and without Docker:
the answers run on this machine, so use an account that has nothing to lose.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "_build" / "coursework"


class Failed(Exception):
    """Grading itself did not work."""


@contextlib.contextmanager
def quietly():
    """Sends nowhere what kernels write to the error stream: it is about their own wires."""
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def grade(submission: Path, package: Path):
    """Otter's results of one submission: a notebook, or a zip file of one and what came with it.

    Raises:
        Failed: there are none.
    """
    from otter.api import grade_submission

    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))  # the plugin, which Otter imports by its name
    with quietly():
        results = grade_submission(str(submission), str(package), quiet=True)
    if results.has_catastrophic_failure():
        raise Failed(f"{submission}: {results.catastrophic_error}")
    return results


def objection(name: str, submissions: Sequence[Path], out: Path) -> str:
    """What is wrong with the command, in one sentence; nothing where it is right."""
    built = sorted(path.parent.name for path in out.glob("*/*-autograder.zip"))
    if not built:
        return f"Nothing is built in {out}: run `make coursework` first."
    if name not in built:
        return f"There is no assignment {name}: take {', '.join(built)}."
    for path in submissions:
        if not path.is_file():
            return f"There is no file {path}."
        try:
            cells = json.loads(path.read_text("utf-8"))["cells"]
        except (ValueError, KeyError, TypeError):
            cells = None
        if not isinstance(cells, list):
            return f"{path} is no notebook: give the .ipynb file that was handed in."
    return ""


def scores(results) -> dict[str, float]:
    """What each question earned."""
    return {name: round(results.get_score(name), 3) for name in sorted(results.results)}


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Grade submissions of one assignment.")
    parser.add_argument("name", help="the assignment, such as 02_metarnn")
    parser.add_argument("submissions", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=OUT, help="where `make coursework` built")
    parser.add_argument("--why", action="store_true", help="also print what the tests said")
    given = parser.parse_args()
    if wrong := objection(given.name, given.submissions, given.out):
        print(wrong, file=sys.stderr)
        return 1
    package = given.out / given.name / f"{given.name}-autograder.zip"
    failed = 0
    for submission in given.submissions:
        try:
            results = grade(submission, package)
        except Failed as error:
            print(f"Not graded: {error}", file=sys.stderr)
            failed += 1
            continue
        each = "  ".join(f"{name} {points:g}" for name, points in scores(results).items())
        print(f"{submission}: {results.total:g} of {results.possible:g}   {each}")
        if given.why:
            print(results.summary(), "\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
