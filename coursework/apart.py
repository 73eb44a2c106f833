"""The grader's side: a submission runs in a process of its own, and the tests ask it questions.

Otter runs a submission and its tests in one process, where an answer can reach whatever judges it:
NumPy's comparisons, the tests' files, the expected numbers on the call stack. Here the two are
apart. `Answers` starts a worker (see `worker`) behind a door that `jail` closes, has it run the
notebook's cells, and gives the tests stand-ins for the functions that were handed in: a stand-in
sends its arguments to the worker and brings back what the function made of them. `grade` uses it
on this machine, and `Plugin` does in Otter's container, where it replaces the submission by a
notebook that starts a worker.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import re
import shutil
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jail
import rules
from worker import AnswerError, Gone, Late, Peer, Remote

SETTINGS = "grading.json"
"""What an autograder package says about its assignment; `build.py` writes it."""

START_UP = 180.0
"""Seconds for a worker to start and to import what it needs, on a busy machine."""

OWN_FILES = {".npz", ".npy", ".json", ".csv", ".safetensors"}
"""Files that may come with a notebook: data."""

MOST = 2**25
"""Bytes that they may have together."""

TRUSTED = "COURSEWORK_TRUSTED"
"""This environment variable allows grading on a machine where nothing keeps answers apart."""

NOT_APART = (
    "This machine has neither another user nor a namespace to keep answers from the solutions: "
    "grade as root, on Linux, or in Docker; or, where you trust whoever wrote them, with --trusted."
)


def plan(notebook: dict, settings: Mapping[str, Any]) -> list[dict]:
    """What the worker runs of a submission, `{"name", "source"}` a cell, and what is to be said of
    it, `{"name", "refused"}`.

    A cell that was handed out and comes back unchanged runs as it was handed out, or not at all if
    grading has no use for it. Any other code cell is the student's. One that was handed out and
    does not come back is run first; instruments run again at the end, so that they are what the
    tests take them for.
    """
    given = {cell["source"].strip(): cell for cell in settings["given"]}
    made, back = [], set()
    for number, cell in rules.cells(notebook):
        source = cell["source"]
        if cell["cell_type"] != "code" or not source.strip():
            continue
        name = f"cell {number}"
        if source.strip() in given:
            back.add(source.strip())
            if not given[source.strip()]["skip"]:
                made.append({"name": name, "source": source})
            continue
        if rules.ASSIGNMENT.search(source) and "otter" in source:
            continue  # another set-up cell, of an earlier hand-out
        found = rules.objections(source, settings["imports"])
        if found:
            made.append({"name": name, "refused": found[0]})
        with contextlib.suppress(SyntaxError, RecursionError):
            if len(source) <= rules.LONGEST:
                made.append({"name": name, "source": rules.plain(source)})
    absent = [
        {"name": "a cell of the hand-out", "source": source}
        for source, cell in given.items()
        if source not in back and not cell["skip"]
    ]
    last = [
        {"name": "the instruments", "source": source}
        for source, cell in given.items()
        if cell.get("last")
    ]
    return absent + made + last


class Answers:
    """A submission in a process of its own.

    Args:
        cells: what `plan` made of it.
        seconds: a limit for each cell and for each question of a test. All together take no more
            than twice this: after each of them the limit is at most half of what is left.
        modules: what the worker imports before its door is closed.
        reserved: what answers may not import.
        files: what lies in the worker's folder, by path.

    Raises:
        RuntimeError: no worker starts, or nothing would keep it apart.
    """

    def __init__(
        self,
        cells: Sequence[dict],
        seconds: float,
        modules: Sequence[str] = ("numpy",),
        reserved: Sequence[str] = (),
        files: Mapping[str, bytes] | None = None,
    ):
        self.cells = [dict(cell) for cell in cells if "source" in cell]
        self.seconds, self.left = seconds, 2 * seconds
        self.modules, self.reserved, self.files = list(modules), list(reserved), files
        self.refused = [f"{c['name']}: {c['refused']}." for c in cells if "refused" in c]
        self.slow: list[str] = []
        self.trouble: list[str] = []
        self.functions: dict[str, Remote] = {}
        self.value: Callable[[str], Any] = lambda name: None
        self.worker: jail.Worker | None = None
        if not jail.way() and not os.environ.get(TRUSTED):
            raise RuntimeError(NOT_APART)
        self.start()

    @property
    def limit(self) -> float:
        """Seconds that the next cell or question may take."""
        return min(self.seconds, self.left / 2)

    @contextlib.contextmanager
    def timed(self):
        """Gives the worker the limit for what follows, and counts what it used of it."""
        began = time.monotonic()
        self.peer.deadline = began + self.limit
        try:
            yield
        finally:
            self.left = max(self.left - (time.monotonic() - began), 0.0)

    def start(self) -> None:
        """Starts the worker and has it run the cells; a statement that takes too long, or that ends
        the process, is left out from then on, and those before and behind it are kept."""
        while True:
            self.worker = jail.start(self.files)
            self.peer = Peer(self.worker.wire, self.guarded)
            try:
                self.peer.deadline = time.monotonic() + START_UP
                self.peer.send(self.cells, self.modules, self.reserved)
                if self.peer.receive() != ["begun"]:
                    raise Gone
            except Gone:
                self.close()
                raise RuntimeError("The process for the answers does not start.") from None
            self.trouble = []
            cell, at, limit = None, None, self.limit
            try:
                for each in self.cells:
                    cell, at = each, None
                    what, said = "at", None
                    while what == "at":
                        at, limit = said, self.limit
                        with self.timed():
                            what, said = self.peer.receive()
                    if what != "ran" or not isinstance(said, list):
                        raise Gone
                    self.trouble += [str(one)[:2000] for one in said[:50]]
                cell = None
                with self.timed():
                    _, self.functions, self.value = self.peer.receive()
                return
            except (Gone, ValueError) as error:
                self.close()
                if cell is None or not isinstance(at, int):
                    self.functions = {}
                    return
                cell.setdefault("skip", []).append(at)
                why = f"takes more than {round(limit, 1):g} seconds"
                if not isinstance(error, Late):
                    why = "ended the process that it ran in"
                line = line_of(cell["source"], at)
                self.slow.append(f"{cell['name']}, line {line}, {why}, and is left out.")

    def close(self) -> None:
        """Ends the worker."""
        if self.worker is not None:
            self.worker.close()
            self.worker = None

    def guarded(self, question: Callable[[], Any]) -> Any:
        """Puts a question to the worker within the limit; one that breaks it costs the worker its
        life, and the next question gets a new one.

        Raises:
            AnswerError: no answer.
        """
        limit = self.limit
        try:
            with self.timed():
                return question()
        except Late:
            self.close()
            raise AnswerError(f"No answer within {round(limit, 1):g} seconds.") from None
        except Gone:
            self.close()
            raise AnswerError("The answer ended the process that it ran in.") from None

    def why(self) -> str:
        """What went wrong with the cells, for somebody who looks for a function."""
        return " ".join(self.slow + self.refused + self.trouble)

    def stand_in(self, name: str) -> Callable:
        """A stand-in for the function of this name, which says so where there is none."""
        return StandIn(self, name)

    def names(self, wanted: Sequence[str]) -> dict[str, Any]:
        """What the tests find under these names of the notebook: a stand-in for a function, or the
        value of anything else."""
        found = {}
        for name in wanted:
            found[name] = self.stand_in(name)
            if self.worker is not None and name not in self.functions:
                with contextlib.suppress(AnswerError):
                    found[name] = self.value(name)
        return found


def line_of(source: str, number: int) -> int:
    """The line of a cell's statement; 1 where there is none such."""
    try:
        return ast.parse(source).body[number].lineno
    except (SyntaxError, IndexError):
        return 1


class StandIn:
    """A function of the submission, which may have to be started again."""

    def __init__(self, answers: Answers, name: str):
        self.answers, self.name = answers, name

    def function(self) -> Remote:
        one = self.answers
        if one.worker is None and one.functions:
            if one.limit < one.seconds / 50:
                raise AnswerError(f"The {2 * one.seconds:g} seconds of the notebook are used up.")
            one.start()
        if self.name not in one.functions:
            raise AnswerError(
                f"There is no function {self.name}. {one.why() or 'No cell defines it.'}"
            )
        return one.functions[self.name]

    def __call__(self, *args, **kwargs):
        return self.function()(*args, **kwargs)

    def observe(self, *args):
        """See `worker.Remote.observe`."""
        return self.function().observe(*args)


def answers_to(
    notebook: dict,
    settings: Mapping[str, Any],
    brought: Mapping[str, bytes],
    own: Mapping[str, bytes],
) -> Answers:
    """A submission's answers.

    Args:
        notebook: what was handed in.
        settings: of its assignment; see `build.grading`.
        brought: the files of the assignment's package, by name; of these, the worker gets what
            answers may import.
        own: data files that were handed in with it.
    """
    cells = plan(notebook, settings)
    text = "\n".join(cell.get("source", "") for cell in cells)
    allowed = {name.partition(".")[0] for name in settings["imports"]} | set(rules.ALWAYS)
    modules = [name for name in sorted(allowed | {"asyncio"}) if re.search(rf"\b{name}\b", text)]
    modules = [name for name in modules if name not in ("symla_lite", "typing_extensions")]
    files = {name: content for name, content in own.items() if Path(name).suffix in OWN_FILES}
    heavy = sum(map(len, files.values())) > MOST
    if heavy:
        files = {}
    files |= {x: content for x, content in brought.items() if x.removesuffix(".py") in allowed}
    if "symla_lite" in allowed:
        modules += ["jax", "haiku", "optax"]
        (wheel,) = (content for name, content in brought.items() if name.endswith(".whl"))
        with zipfile.ZipFile(io.BytesIO(wheel)) as packed:
            files |= {f"package/{name}": packed.read(name) for name in packed.namelist()}
    made = Answers(
        cells,
        settings["seconds"],
        ["numpy", *dict.fromkeys(x for x in modules if x != "numpy")],
        rules.reserved(settings["imports"]),
        files,
    )
    if heavy:
        made.refused.append(f"The data files have more than {MOST >> 20} MB, and are left out.")
    return made


# Otter's side.


class Plugin:
    """Otter's plugin: see the head of this file."""

    def __init__(self, submission_path: str, submission_metadata: dict, plugin_config: dict):
        pass

    def before_grading(self, config) -> None:
        """Leaves nothing of the submission in its folder but the notebook and data, so that no file
        of a submission is taken for one of the grader's; and hides what lies around it."""
        keep = {"__init__.py", "tests", *json.loads(Path(SETTINGS).read_text("utf-8"))["files"]}
        for path in Path.cwd().iterdir():
            if path.name in keep or path.suffix == ".ipynb" or path.suffix in OWN_FILES:
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        container = Path("/autograder")
        jail.hide([Path.cwd(), *(container / x for x in ("source", "submission", "results"))])

    def before_execution(self, submission):
        """The notebook that is run in the submission's place."""
        from nbformat import v4

        here = Path.cwd()
        own = [x.name for x in here.iterdir() if x.suffix in OWN_FILES and x.name != SETTINGS]
        brought = [x.name for x in here.iterdir() if x.suffix in (".py", ".whl")]
        code = (
            f"import json, sys\nsys.path.insert(0, {str(Path(__file__).resolve().parent)!r})\n"
            "from pathlib import Path\nimport apart\n"
            f"_own = {{name: Path(name).read_bytes() for name in {own!r}}}\n"
            f"_brought = {{name: Path(name).read_bytes() for name in {brought!r}}}\n"
            f"_settings = json.loads(Path({SETTINGS!r}).read_text('utf-8'))\n"
            f"_notebook = json.loads({json.dumps(dict(submission))!r})\n"
            "_answers = apart.answers_to(_notebook, _settings, _brought, _own)\n"
            "globals().update(_answers.names(_settings['names']))"
        )
        return v4.new_notebook(
            cells=[v4.new_code_cell(code)], metadata={"kernelspec": dict(KERNEL)}
        )


KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}
