"""Grades submissions on this machine, by Otter and with an autograder package.

    python coursework/grade.py 02_metarnn submissions/*.ipynb

prints what each question earned. It is what `otter run` does, for many files and without Docker:
the answers run on this machine, so use an account that has nothing to lose.
"""

from __future__ import annotations

import argparse
import contextlib
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


def grade(submission: Path, package: Path, files: Sequence[str] = ()):
    """Otter's results of one submission, a notebook and the files that came with it.

    Raises:
        Failed: there are none.
    """
    from otter.api import grade_submission

    if str(HERE) not in sys.path:
        sys.path.insert(0, str(HERE))  # the plugin, which Otter imports by its name
    with quietly():
        results = grade_submission(
            str(submission), str(package), quiet=True, extra_submission_files=list(files)
        )
    if results.has_catastrophic_failure():
        raise Failed(f"{submission}: {results.catastrophic_error}")
    return results


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
    package = given.out / given.name / f"{given.name}-autograder.zip"
    if not package.exists():
        print(f"{package} is not there: run `make coursework` first.", file=sys.stderr)
        return 1
    for submission in given.submissions:
        results = grade(submission, package)
        each = "  ".join(f"{name} {points:g}" for name, points in scores(results).items())
        print(f"{submission}: {results.total:g} of {results.possible:g}   {each}")
        if given.why:
            print(results.summary(), "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
