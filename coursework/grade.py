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
import html
import importlib
import json
import multiprocessing
import os
import re
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
    if path.is_symlink():
        raise NotGraded("it is a link, and no file")
    try:
        files = in_folder(path) if path.is_dir() else in_file(path)
    except OSError as error:
        raise NotGraded(f"it cannot be read: {error.strerror or error}") from None
    files = {
        name: content
        for name, content in files.items()
        if not any(part.startswith((".", "__MACOSX")) for part in Path(name).parts)
    }
    books = [name for name in files if name.lower().endswith(".ipynb")] or (
        list(files) if len(files) == 1 else []
    )
    if len(books) != 1:
        names = ", ".join(sorted(books)[:5]) + ", ..." * (len(books) > 5)
        raise NotGraded(f"it holds {len(books)} notebooks{names and f' ({names})'}, and not one")
    try:
        notebook = rules.load(files[books[0]])
    except ValueError as error:
        raise NotGraded(str(error)) from None
    own = {Path(name).name: content for name, content in files.items() if name != books[0]}
    return notebook, own


def in_folder(folder: Path) -> dict[str, bytes]:
    """The files of a folder, by path; links lead elsewhere and are none."""
    found = {}
    for here, _, names in os.walk(folder):
        for path in (Path(here, name) for name in names):
            if path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST:
                found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def in_file(path: Path) -> dict[str, bytes]:
    """A file, or what is in it where it is a zip file."""
    if not path.is_file():
        raise NotGraded("there is no such file")
    if path.stat().st_size > LARGEST:
        raise NotGraded(f"the file is larger than {LARGEST >> 20} MB: clear the outputs")
    content = path.read_bytes()
    if not content.startswith(b"PK"):
        if path.suffix.lower() != ".ipynb" and not content.lstrip(
            b"\xef\xbb\xbf \r\n\t"
        ).startswith(b"{"):
            try:
                rules.load(content)  # says what is wrong with it
            except ValueError as error:
                raise NotGraded(str(error)) from None
        return {path.name: content}
    try:
        with zipfile.ZipFile(path) as packed:
            listed = packed.infolist()
            if sum(item.file_size for item in listed) > LARGEST:
                raise NotGraded(f"what is in the zip file is larger than {LARGEST >> 20} MB")
            return {x.filename: packed.read(x) for x in listed if not x.is_dir()}
    except NotGraded:
        raise
    except Exception as error:  # a broken zip file fails in many ways
        raise NotGraded(f"the zip file cannot be read: {error}") from None


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
    """Runs a test file of Otter's, its functions called with what stands under their names; the
    declarations of tests are our own, as Otter takes seconds to import."""
    checks = importlib.import_module("checks")
    made: dict[str, Any] = {}
    source = source.replace("from otter.test_files import", "from checks import")
    exec(compile(source, question, "exec"), made)
    for test in made.values():
        if not isinstance(test, checks.test_case):
            continue
        message = ""
        try:
            test.function(*(scope.get(name) for name in test.names))
        except Exception as error:
            name = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            name = "" if isinstance(error, apart.AnswerError) else name
            message = f"{name}{error}"
        points = 0 if message else test.points
        yield Result(question, test.title, points, test.points, test.hidden, message)


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
        if self.process is not None and not self.process.is_alive():
            self.close()  # killed since, as where memory is short
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
    """Submissions: files as they are, and what lies in folders of them.

    A folder with one notebook, and beside it nothing but data, is one submission.
    """
    found = []
    for path in map(Path, paths):
        inside = sorted(x for x in path.iterdir()) if path.is_dir() else []
        inside = [x for x in inside if not x.name.startswith((".", "__MACOSX"))]
        books = [x for x in inside if x.suffix == ".ipynb" and x.is_file()]
        data = [x for x in inside if x.suffix in apart.OWN_FILES and x.is_file()]
        if len(books) == 1 and data and len(books) + len(data) == len(inside):
            found.append(path)
        else:
            found += inside if path.is_dir() else [path]
    return found


def names_of(paths: Sequence[Path]) -> list[str]:
    """A name for each submission: its file's; where several are called alike, also its folder's;
    and else its whole path."""

    def ways(path: Path) -> list[str]:
        whole = path.absolute()
        own = whole.name if path.is_dir() else whole.stem
        return [own, f"{whole.parent.name}-{own}", "-".join(whole.parts[1:])]

    found = {path: ways(path) for path in paths}
    for _ in range(2):
        taken = [left[0].casefold() for left in found.values()]
        found = {
            path: left[1:] if taken.count(left[0].casefold()) > 1 else left
            for path, left in found.items()
        }
    return [found[path][0] for path in paths]


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
            with self.file.open(encoding="utf-8-sig", newline="") as file:
                head = file.readline()  # a spreadsheet may have saved it with semicolons
                file.seek(0)
                rows = csv.DictReader(file, delimiter=max(",;\t", key=head.count))
                self.rows = {row["submission"]: row for row in rows}

    def columns(self) -> list[str]:
        tested = list(self.package.tests)
        read = [f"{name} (reader, of {n})" for name, n in self.package.read_by_hand.items()]
        boards = sorted({key for row in self.rows.values() for key in row if key.endswith(" *")})
        return ["submission", "graded", *tested, "by checks", *read, "total", *boards, "version"]

    def version(self, path: Path) -> str:
        """What a grading depends on, in short: the submission and the package."""
        made = hashlib.sha256(self.package.hash)
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            with suppress(OSError):  # what cannot be read has no version
                if file.is_file() and file.stat().st_size <= LARGEST:
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
        save(self.folder / "feedback" / f"{name}.md", text)
        with suppress(NotGraded):
            self.to_read(name, submission(path)[0])

    def to_read(self, name: str, notebook: dict) -> None:
        """Writes what a reader is to read of a submission, a page for each question of theirs."""
        for question, cells in manual_answers(notebook, self.package).items():
            folder = self.folder / "reading" / question
            folder.mkdir(parents=True, exist_ok=True)
            save(folder / f"{name}.html", page(f"{name}, {question}", cells))

    def write(self) -> None:
        """Writes `scores.csv`, with totals; a reader's points that are there count."""
        for row in self.rows.values():
            if row.get("graded") != "yes":
                continue
            points = [row.get("by checks"), *(x for key, x in row.items() if "(reader" in key)]
            row["total"] = ""  # where a reader wrote what is no number
            with suppress(ValueError):
                row["total"] = f"{sum(float(x.replace(',', '.')) for x in points if x):g}"
        with self.file.open("w", encoding="utf-8", errors="replace", newline="") as file:
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


def save(path: Path, text: str) -> None:
    """Writes a text; what of a student's letters is no letter becomes a question mark."""
    path.write_text(text, "utf-8", errors="replace")


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


NUMBERED = re.compile(r"## Question \d+\b")
"""How the heading of a question begins, whatever a student makes of its end."""


def manual_answers(notebook: dict, package: Package) -> dict[str, list[dict]]:
    """The cells that follow the heading of each question that a reader grades."""
    found: dict[str, list[dict]] = {}
    headings = package.settings.get("headings", {})
    numbered = {NUMBERED.match(x)[0]: q for x, q in headings.items() if NUMBERED.match(x)}
    current = None
    for _, cell in rules.cells(notebook):
        first = cell["source"].lstrip().split("\n")[0].strip()
        number = NUMBERED.match(first)
        if cell["cell_type"] == "markdown" and (number and number[0] in numbered):
            current = numbered[number[0]]
        if current in package.read_by_hand:
            found.setdefault(current, []).append(cell)
    return found


def page(title: str, cells: Sequence[dict]) -> str:
    """Cells as a page, with their formulas and pictures; without them where they are broken."""
    body = ""
    for outputs in (True, False):
        with suppress(Exception):  # a tool of the student's may leave anything there
            body = pictured(title, cells, outputs)
            break
    else:
        body = "".join(f"<pre>{html.escape(cell['source'])}</pre>\n" for cell in cells)
    title = html.escape(title)
    return (
        f"<!doctype html>\n<meta charset='utf-8'>\n<title>{title}</title>\n<h1>{title}</h1>\n{body}"
    )


def pictured(title: str, cells: Sequence[dict], outputs: bool) -> str:
    """Cells as HTML, with their outputs or without."""
    import nbformat
    from nbconvert import HTMLExporter

    made = []
    for cell in cells:
        if cell["cell_type"] == "code":
            one = nbformat.v4.new_code_cell(cell["source"])
            if outputs:
                one["outputs"] = [nbformat.from_dict(x) for x in cell["whole"].get("outputs", [])]
        else:
            one = nbformat.v4.new_markdown_cell(cell["source"])
        made.append(one)
    notebook = nbformat.v4.new_notebook(cells=made, metadata={"title": title})
    exporter = HTMLExporter(template_name="basic", sanitize_html=True)
    return exporter.from_notebook_node(notebook)[0]


# The command line.


def keep_what_is_compiled(out: Path) -> None:
    """Has jax keep what the tests compile, from one grading to the next. Answers have no access."""
    cache = {"JAX_COMPILATION_CACHE_DIR": str(out / "compiled")}
    cache |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3", "TF_CPP_MIN_LOG_LEVEL": "3"}
    cache |= {"XLA_FLAGS": jail.COMPILED_ONCE}
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
    paths = [x for x in found_in(given.submissions) if x != given.results]
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
