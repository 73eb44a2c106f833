"""Grades submissions on this machine with an autograder package, each apart from the solutions.

    python coursework/grade.py 02_metarnn submissions/*.ipynb
    python coursework/grade.py 02_metarnn submissions/ --results results/ --jobs 2

prints what each question earned, and with --results writes `scores.csv`, with columns for what a
reader gives; `feedback/`, a page for each submission; and `reading/`, what a reader is to read.
Run again after a reader has filled in points, it keeps them, and grades only what has changed.

A submission is a notebook, a zip file with one (and data files), or a folder with one. What cannot
be graded is said to be so, and why, and the others are graded.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import importlib
import json
import multiprocessing
import os
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "_build" / "coursework"
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

import apart  # noqa: E402
import jail  # noqa: E402
import rules  # noqa: E402

LARGEST = 2**26
"""Bytes of the largest submission."""

PATIENCE = 900.0
"""Seconds for a grading beyond what its answers may take: for the tests' own work."""


class NotGraded(Exception):
    """A submission that cannot be graded, and why, in a sentence."""


class Package:
    """An autograder package.

    Args:
        path: its zip file.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        with zipfile.ZipFile(self.path) as packed:
            files = {name: packed.read(name) for name in packed.namelist()}
        self.settings: dict[str, Any] = json.loads(files["files/grading.json"])
        self.tests = {Path(x).stem: files[x] for x in sorted(files) if x.startswith("tests/")}
        self.files = {Path(x).name: files[x] for x in files if x.startswith("files/")}
        self.hash = hashlib.sha256(self.path.read_bytes()).digest()

    @property
    def read_by_hand(self) -> dict[str, int]:
        """Points that a reader gives, by question."""
        return self.settings.get("manual", {})


class Result(NamedTuple):
    """What one check found."""

    question: str
    name: str
    points: float
    possible: float
    hidden: bool
    message: str


class Graded(NamedTuple):
    """What a submission earned.

    Attributes:
        results: of all checks.
        notes: what is to be said of its cells.
        board: what it brings to a leaderboard, if anything.
    """

    results: list[Result]
    notes: list[str]
    board: dict[str, float]

    @property
    def scores(self) -> dict[str, float]:
        """What each question earned."""
        found: dict[str, float] = {}
        for result in self.results:
            found[result.question] = found.get(result.question, 0) + result.points
        return found

    @property
    def possible(self) -> float:
        return sum(result.possible for result in self.results)


# One submission.


def submission(path: Path) -> tuple[dict, dict[str, bytes]]:
    """The notebook and the data files of a submission.

    Raises:
        NotGraded: there is no notebook that can be read.
    """
    path = Path(path)
    if path.is_dir():
        found = [x for x in path.rglob("*") if x.is_file() and x.stat().st_size <= LARGEST]
        files = {str(x.relative_to(path)): x.read_bytes() for x in found}
    elif not path.is_file():
        raise NotGraded("there is no such file")
    elif path.stat().st_size > LARGEST:
        raise NotGraded(f"the file is larger than {LARGEST >> 20} MB: clear the outputs")
    elif path.read_bytes()[:2] == b"PK":
        try:
            with zipfile.ZipFile(path) as packed:
                listed = packed.infolist()
                if sum(item.file_size for item in listed) > LARGEST:
                    raise NotGraded(f"what is in the zip file is larger than {LARGEST >> 20} MB")
                files = {x.filename: packed.read(x) for x in listed if not x.is_dir()}
        except (
            zipfile.BadZipFile,
            NotImplementedError,
            RuntimeError,
            OSError,
            ValueError,
        ) as error:
            raise NotGraded(f"the zip file cannot be read: {error}") from None
    else:
        files = {path.name: path.read_bytes()}
        if path.suffix != ".ipynb" and not path.read_bytes().lstrip(
            b"\xef\xbb\xbf \r\n"
        ).startswith(b"{"):
            rules_say(path)
    files = {
        name: content
        for name, content in files.items()
        if not any(part.startswith((".", "__MACOSX")) for part in Path(name).parts)
    }
    books = [name for name in files if name.endswith(".ipynb")] or (
        list(files) if len(files) == 1 else []
    )
    if len(books) != 1:
        names = ", ".join(sorted(books))
        raise NotGraded(f"it holds {len(books)} notebooks{names and f' ({names})'}, and not one")
    try:
        notebook = rules.load(files[books[0]])
    except ValueError as error:
        raise NotGraded(str(error)) from None
    own = {Path(name).name: content for name, content in files.items() if name != books[0]}
    return notebook, own


def rules_say(path: Path) -> None:
    """Raises what `rules.load` has to say of a file that is no notebook by its name."""
    try:
        rules.load(path.read_bytes())
    except ValueError as error:
        raise NotGraded(str(error)) from None


def grade(path: Path, package: Package) -> Graded:
    """Grades one submission in this process, its answers in another one.

    Raises:
        NotGraded: and why.
    """
    notebook, own = submission(path)
    settings = package.settings
    theirs = rules.assignment_of(notebook)
    if theirs and theirs != settings["name"]:
        raise NotGraded(f"it is the notebook of {theirs}, and this is {settings['name']}")
    folder = f"{package.path.resolve()}/files"
    if folder not in sys.path:
        sys.path.insert(0, folder)  # checks, and what else the tests import
    checks = importlib.import_module("checks")
    checks.kept.clear()
    try:
        answers = apart.answers_to(notebook, settings, package.files, own)
    except RuntimeError as error:
        raise NotGraded(str(error)) from None
    try:
        scope = answers.names(settings["names"])
        results = [
            result
            for question, source in package.tests.items()
            for result in run_tests(question, source.decode(), scope)
        ]
        notes = [*answers.slow, *answers.refused, *answers.trouble]
    finally:
        answers.close()
    return Graded(results, list(dict.fromkeys(notes)), checks.kept.get("leaderboard", {}))


def run_tests(question: str, source: str, scope: dict[str, Any]) -> Iterator[Result]:
    """Runs a test file of Otter's, its functions called with what stands under their names."""
    from otter.test_files import test_case

    made: dict[str, Any] = {}
    exec(compile(source, question, "exec"), made)
    for test in made.values():
        if not isinstance(test, test_case):
            continue
        message = ""
        try:
            test.call_func(scope)
        except Exception as error:
            name = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            name = "" if isinstance(error, apart.AnswerError) else name
            message = f"{name}{error}"
        points = 0 if message else test.points
        title = test.test_func.__name__.removeprefix("test_").replace("_", " ")
        yield Result(question, title, points, test.points, test.hidden, message)


# A class.


def serve(pipe, package: Path) -> None:
    """A process that grades what it is sent, until it is sent None."""
    made = Package(package)
    pipe.send("ready")
    while (path := pipe.recv()) is not None:
        try:
            pipe.send(grade(path, made))
        except NotGraded as error:
            pipe.send(str(error))
        except Exception as error:
            pipe.send(f"grading itself failed with {type(error).__name__}: {error}")


class Grader:
    """A process that grades, started again when it ends."""

    def __init__(self, package: Package):
        self.package, self.process = package, None
        self.patience = 2 * package.settings["seconds"] + PATIENCE

    def grade(self, path: Path) -> Graded:
        """Raises NotGraded, also where the process was killed or takes for ever."""
        if self.process is None:
            context = multiprocessing.get_context("spawn")
            self.pipe, theirs = context.Pipe()
            self.process = context.Process(target=serve, args=(theirs, self.package.path))
            self.process.start()
            theirs.close()
            self.wait()
        self.pipe.send(path)
        found = self.wait()
        if isinstance(found, str):
            raise NotGraded(found)
        return found

    def wait(self) -> Any:
        try:
            if self.pipe.poll(self.patience):
                return self.pipe.recv()
            why = f"grading took more than {self.patience:g} seconds"
        except (EOFError, OSError):
            why = "the process that graded it was killed"
        self.close()
        raise NotGraded(why)

    def close(self) -> None:
        """Ends the process."""
        if self.process is not None:
            self.process.kill()
            self.process.join()
            self.pipe.close()
            self.process = None


def cores() -> int:
    """The processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def grade_all(
    paths: Sequence[Path], package: Package, jobs: int
) -> Iterator[tuple[Path, Graded | NotGraded, float]]:
    """Grades submissions, so many at once, and yields in their order what each earned or why it
    did not, and seconds."""
    graders = [Grader(package) for _ in range(min(jobs, max(len(paths), 1)))]
    free = list(graders)

    def one(path):
        grader, began = free.pop(), time.monotonic()
        try:
            found: Graded | NotGraded = grader.grade(path)
        except NotGraded as error:
            found = error
        except Exception as error:
            grader.close()
            found = NotGraded(f"grading itself failed with {type(error).__name__}: {error}")
        finally:
            free.append(grader)
        return path, found, time.monotonic() - began

    try:
        with ThreadPoolExecutor(len(graders)) as pool:
            yield from pool.map(one, paths)
    finally:
        for grader in graders:
            grader.close()


def found_in(paths: Iterable[Path]) -> list[Path]:
    """Submissions: files as they are, and what lies in folders of them."""
    found = []
    for path in map(Path, paths):
        if path.is_dir() and not list(path.glob("*.ipynb")) + list(path.glob("*.zip")):
            found += sorted(x for x in path.iterdir() if not x.name.startswith("."))
        elif path.is_dir():
            found += sorted(x for x in path.iterdir() if not x.name.startswith(".") and x.is_file())
        else:
            found.append(path)
    return found


def names_of(paths: Sequence[Path]) -> list[str]:
    """A name for each submission: its file's, and its folder's where two files are called alike."""
    stems = [path.stem for path in paths]
    return [
        stem if stems.count(stem) == 1 else "-".join([*path.parent.parts[-1:], stem])
        for path, stem in zip(paths, stems)
    ]


# What a teacher keeps.


class Book:
    """The folder of a class's results.

    Args:
        folder: where `scores.csv`, `feedback` and `reading` are.
        package: of the assignment.
    """

    def __init__(self, folder: Path, package: Package):
        self.folder, self.package = folder, package
        (folder / "feedback").mkdir(parents=True, exist_ok=True)
        self.file = folder / "scores.csv"
        self.rows: dict[str, dict[str, str]] = {}
        if self.file.exists():
            with self.file.open(encoding="utf-8", newline="") as file:
                self.rows = {row["submission"]: row for row in csv.DictReader(file)}

    def columns(self) -> list[str]:
        tested = list(self.package.tests)
        read = [f"{name} (reader, of {n})" for name, n in self.package.read_by_hand.items()]
        boards = sorted({key for row in self.rows.values() for key in row if key.endswith(" *")})
        return ["submission", "graded", *tested, "by checks", *read, "total", *boards, "version"]

    def version(self, path: Path) -> str:
        """What a grading depends on, in short: the submission and the package."""
        made = hashlib.sha256(self.package.hash)
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file():
                made.update(file.read_bytes())
        return made.hexdigest()[:12]

    def is_new(self, name: str, path: Path) -> bool:
        row = self.rows.get(name, {})
        return row.get("graded") != "yes" or row.get("version") != self.version(path)

    def enter(self, name: str, path: Path, found: Graded | NotGraded) -> None:
        """Writes a submission's feedback, and its row."""
        row = {key: x for key, x in self.rows.get(name, {}).items() if "(reader" in key}
        row |= {"submission": name, "version": self.version(path) if path.exists() else ""}
        if isinstance(found, Graded):
            row |= {"graded": "yes"} | {x: f"{n:g}" for x, n in found.scores.items()}
            row["by checks"] = f"{sum(found.scores.values()):g}"
            row |= {f"{key} *": f"{value:.4g}" for key, value in found.board.items()}
        else:
            row["graded"] = f"not graded, because {found}"
        self.rows[name] = row
        text = feedback(name, self.package, found)
        (self.folder / "feedback" / f"{name}.md").write_text(text, "utf-8")
        with suppress(NotGraded):
            self.to_read(name, submission(path)[0])

    def to_read(self, name: str, notebook: dict) -> None:
        """Writes what a reader is to read of a submission, a page for each question of theirs."""
        for question, cells in manual_answers(notebook, self.package).items():
            folder = self.folder / "reading" / question
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.html").write_text(page(f"{name}, {question}", cells), "utf-8")

    def write(self) -> None:
        """Writes `scores.csv`, with totals; a reader's points that are there count."""
        for row in self.rows.values():
            if row.get("graded") != "yes":
                continue
            points = [row.get("by checks"), *(x for key, x in row.items() if "(reader" in key)]
            with suppress(ValueError):
                row["total"] = f"{sum(float(x) for x in points if x):g}"
        with self.file.open("w", encoding="utf-8", newline="") as file:
            made = csv.DictWriter(file, self.columns(), restval="", extrasaction="ignore")
            made.writeheader()
            made.writerows(self.rows[name] for name in sorted(self.rows))
        self.leaderboard()

    def leaderboard(self) -> None:
        """Writes `leaderboard.md`, the best first, where the assignment is a challenge."""
        boards = [key for key in self.columns() if key.endswith(" *")]
        if not boards:
            return
        rows = [row for row in self.rows.values() if row.get(boards[0])]
        rows.sort(key=lambda row: [float(row.get(key) or "inf") for key in boards[:1]])
        heads = ["", "submission", *(key[:-2] for key in boards)]
        lines = [heads, ["---"] * len(heads)]
        lines += [
            [str(n), row["submission"], *(row.get(key, "") for key in boards)]
            for n, row in enumerate(rows, start=1)
        ]
        text = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        (self.folder / "leaderboard.md").write_text(text + "\n", "utf-8")


def feedback(name: str, package: Package, found: Graded | NotGraded) -> str:
    """A page for a student: points, what the checks said, and what is left to a reader."""
    lines = [f"# {package.settings['name']}: {name}", ""]
    if not isinstance(found, Graded):
        return "\n".join([*lines, f"Not graded, because {found}.", ""])
    total = sum(found.scores.values())
    lines += [f"By checks: {total:g} of {found.possible:g} points.", ""]
    for result in found.results:
        mark = "passed" if not result.message else "failed"
        seen = " (a check that you did not have)" if result.hidden else ""
        lines.append(
            f"- {result.question}, {result.points:g} of {result.possible:g}, {mark}: "
            f"{result.name}{seen}." + (f" {result.message}" if result.message else "")
        )
    for question, points in package.read_by_hand.items():
        lines.append(f"- {question}: a reader gives up to {points} points.")
    if found.board:
        lines += ["", "Leaderboard: " + ", ".join(f"{k} {v:.4g}" for k, v in found.board.items())]
    if found.notes:
        lines += ["", "About your cells:", "", *(f"- {note}" for note in found.notes)]
    return "\n".join([*lines, ""])


def manual_answers(notebook: dict, package: Package) -> dict[str, list[dict]]:
    """The cells that follow the heading of each question that a reader grades."""
    found: dict[str, list[dict]] = {}
    headings = package.settings.get("headings", {})
    current = None
    for _, cell in rules.cells(notebook):
        first = cell["source"].lstrip().split("\n")[0].strip()
        if cell["cell_type"] == "markdown" and first in headings:
            current = headings[first]
        if current in package.read_by_hand:
            found.setdefault(current, []).append(cell)
    return found


def page(title: str, cells: Sequence[dict]) -> str:
    """Cells as a page, with their formulas and pictures."""
    import nbformat
    from nbconvert import HTMLExporter

    made = []
    for cell in cells:
        if cell["cell_type"] == "code":
            one = nbformat.v4.new_code_cell(cell["source"])
            with suppress(Exception):
                outputs = cell["whole"].get("outputs", [])
                one["outputs"] = [nbformat.from_dict(x) for x in outputs]
        else:
            one = nbformat.v4.new_markdown_cell(cell["source"])
        made.append(one)
    notebook = nbformat.v4.new_notebook(cells=made, metadata={"title": title})
    exporter = HTMLExporter(template_name="basic", sanitize_html=True)
    body = exporter.from_notebook_node(notebook)[0]
    return (
        f"<!doctype html>\n<meta charset='utf-8'>\n<title>{title}</title>\n<h1>{title}</h1>\n{body}"
    )


# The command line.


def keep_what_is_compiled(out: Path) -> None:
    """Has jax keep what the tests compile, from one grading to the next. Answers have no access."""
    cache = {"JAX_COMPILATION_CACHE_DIR": str(out / "compiled")}
    cache |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3", "TF_CPP_MIN_LOG_LEVEL": "3"}
    for name, value in cache.items():
        os.environ.setdefault(name, value)


def objection(name: str, out: Path) -> str:
    """What is wrong with the command, in one sentence; nothing where it is right."""
    built = sorted(path.parent.name for path in out.glob("*/*-autograder.zip"))
    if not built:
        return f"Nothing is built in {out}: run `make coursework` first."
    if name not in built:
        return f"There is no assignment {name}: take {', '.join(built)}."
    return ""


def secrets(out: Path, paths: Iterable[Path]) -> list[Path]:
    """What no answer is to read: masters, solutions, packages, the guide, other submissions."""
    found = [*HERE.glob("*.md"), HERE / "wrong", HERE / "samples", HERE.parent / ".git"]
    found += [HERE.parent / "tests" / "test_coursework.py", *out.glob("guide.*")]
    found += [*out.glob("*/*-solution.ipynb"), *out.glob("*/*-autograder.zip")]
    files = [x for x in (*found, *map(Path, paths)) if x.exists()]
    return [x for x in files if x.is_file() or jail.way() == "user"]


def main() -> int:
    """The command line."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # a terminal may not know all letters
    parser = argparse.ArgumentParser(description="Grade submissions of one assignment.")
    parser.add_argument("name", help="the assignment, such as 02_metarnn")
    parser.add_argument("submissions", nargs="+", type=Path, help="notebooks, zip files, folders")
    parser.add_argument("--out", type=Path, default=OUT, help="where `make coursework` built")
    parser.add_argument("--results", type=Path, help="a folder for scores, feedback and reading")
    parser.add_argument("--jobs", type=int, default=cores(), help="how many to grade at once")
    parser.add_argument("--why", action="store_true", help="also print what the checks said")
    parser.add_argument("--again", action="store_true", help="also grade what has not changed")
    parser.add_argument("--trusted", action="store_true", help="grade where nothing keeps apart")
    given = parser.parse_args()
    if wrong := objection(given.name, given.out):
        print(wrong, file=sys.stderr)
        return 1
    if given.jobs < 1:
        print(f"--jobs is {given.jobs}: give 1 or more.", file=sys.stderr)
        return 1
    if given.trusted:
        os.environ[apart.TRUSTED] = "1"
    keep_what_is_compiled(given.out)
    package = Package(given.out / given.name / f"{given.name}-autograder.zip")
    paths = found_in(given.submissions)
    open_to_all = jail.hide(secrets(given.out, paths))
    if open_to_all and not os.environ.get(apart.TRUSTED):
        print(f"{apart.NOT_APART} An answer could read {open_to_all[0]}.", file=sys.stderr)
        return 1
    book = Book(given.results, package) if given.results else None
    named = dict(zip(paths, names_of(paths)))
    fresh = [x for x in named if book is None or given.again or book.is_new(named[x], x)]
    began, failed = time.monotonic(), 0
    for path, found, _ in grade_all(fresh, package, given.jobs):
        if isinstance(found, Graded):
            each = "  ".join(f"{name} {points:g}" for name, points in found.scores.items())
            total = sum(found.scores.values())
            print(f"{path}: {total:g} of {found.possible:g}   {each}", flush=True)
        else:
            print(f"{path}: not graded, because {found}.", flush=True)
            failed += 1
        if given.why:
            print(feedback(named[path], package, found), flush=True)
        if book is not None:
            book.enter(named[path], path, found)
            book.write()
    if book is not None:
        book.write()
        kept = len(named) - len(fresh)
        print(
            f"{len(fresh)} graded now, {failed} of them not possible; {kept} had not changed. "
            f"{time.monotonic() - began:.0f} seconds, {given.jobs} at once. See {book.file}."
        )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
