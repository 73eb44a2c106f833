"""The grader's side: a submission runs in a process of its own, and the tests ask it questions.

Otter runs a submission and its tests in one process, where an answer can reach whatever judges it:
NumPy's comparisons, the tests' files, the expected numbers on the call stack. Here the two are
apart. `Plugin` replaces the submission by a notebook that starts a second process, the worker, and
gives the tests stand-ins for the functions that were handed in. A stand-in sends its arguments to
the worker and brings back what the function made of them. So an answer sees inputs and nothing
else, and all that it can do for its points is to return the right numbers. The worker refuses
cells that reach for files or for Python's machinery, and cannot write outside its folder or start
programs. That keeps honest students from accidents and most others from mischief; it is no wall
against an expert, as the two processes have one user.

What travels is data (JSON and raw arrays, never a pickle), and functions as handles: a test may
pass a function to an answer, and an answer may return one.

This file is plugin, client and worker, because it travels into the autograder package as one file.
It needs NumPy; the worker needs whatever the answers import.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

SETTINGS = "grading.json"
"""What an autograder package says about its assignment; `build.py` writes it."""


class AnswerError(Exception):
    """An answer that cannot be asked: it is missing, raised an error, or took too long."""


class Gone(Exception):
    """The other side has ended."""


class Late(Gone):
    """The other side does not answer in time."""


# What travels.


def encode(value: Any, register: Callable[[Callable], int]) -> bytes:
    """A message: its length, JSON, and the arrays' bytes.

    Raises:
        TypeError: something that does not travel.
    """
    buffers: list[bytes] = []

    def plain(x):
        if x is None or isinstance(x, (bool, int, float, str)):
            return x
        if isinstance(x, Remote):
            return {"function": x.handle, "yours": True}
        if isinstance(x, dict) and all(isinstance(key, str) for key in x):
            return {"dict": {key: plain(item) for key, item in x.items()}}
        if isinstance(x, (list, tuple)):
            return {"tuple" if isinstance(x, tuple) else "list": [plain(item) for item in x]}
        if callable(x):
            return {"function": register(x), "yours": False}
        if hasattr(x, "__array__"):
            array = np.asarray(x)
            if array.dtype.kind in "biuf":
                buffers.append(np.ascontiguousarray(array).tobytes())
                return {"array": array.dtype.str, "shape": array.shape}
        raise TypeError(
            f"{type(x).__name__} does not travel between answers and tests: give arrays, numbers, "
            "text, or lists, tuples and dictionaries of them."
        )

    header = json.dumps(plain(value)).encode()
    return b"".join([len(header).to_bytes(8, "big"), header, *buffers])


def decode(message: bytes, mine: Callable[[int], Callable], theirs: Callable[[int], Any]) -> Any:
    """The value of a message; `mine` and `theirs` turn handles into functions."""
    start = 8 + int.from_bytes(message[:8], "big")
    offset = start

    def value(x):
        nonlocal offset
        if not isinstance(x, dict):
            return x
        if "array" in x:
            dtype, shape = np.dtype(x["array"]), tuple(x["shape"])
            array = np.frombuffer(message, dtype, int(np.prod(shape)), offset).reshape(shape).copy()
            offset += array.nbytes
            return array if shape else array[()]
        if "function" in x:
            return (mine if x["yours"] else theirs)(x["function"])
        if "dict" in x:
            return {key: value(item) for key, item in x["dict"].items()}
        items = [value(item) for item in x.get("tuple", x.get("list"))]
        return tuple(items) if "tuple" in x else items

    return value(json.loads(message[8:start]))


class Remote:
    """A stand-in for a function on the other side."""

    def __init__(self, peer: Peer, handle: int):
        self.peer, self.handle = peer, handle

    def __call__(self, *args, **kwargs):
        return self.peer.guard(lambda: self.peer.ask(self.handle, args, kwargs))


class Peer:
    """One end of the wire. Either end may ask, also while it is being asked."""

    def __init__(self, connection: Connection, guard: Callable = lambda question: question()):
        self.connection, self.guard = connection, guard
        self.functions: list[Callable] = []
        self.deadline = float("inf")

    def register(self, function: Callable) -> int:
        self.functions.append(function)
        return len(self.functions) - 1

    def send(self, *message) -> None:
        """Raises TypeError where the message does not travel, Gone where nobody is there."""
        encoded = encode(list(message), self.register)
        try:
            self.connection.send_bytes(encoded)
        except OSError:
            raise Gone from None

    def receive(self) -> list:
        """Raises Late after the deadline, Gone where the other side has ended."""
        left = self.deadline - time.monotonic()
        try:
            if not self.connection.poll(None if left == float("inf") else max(left, 0)):
                raise Late
            message = self.connection.recv_bytes()
        except (EOFError, OSError):
            raise Gone from None
        return decode(message, self.functions.__getitem__, lambda handle: Remote(self, handle))

    def ask(self, handle: int, args: Sequence, kwargs: dict) -> Any:
        """Calls a function of the other side, serving its questions meanwhile.

        Raises:
            AnswerError: with what it raised there.
        """
        self.send("call", handle, list(args), kwargs)
        while True:
            what, *rest = self.receive()
            if what == "value":
                return rest[0]
            if what == "error":
                raise AnswerError(rest[0])
            self.serve(*rest)

    def serve(self, handle: int, args: Sequence, kwargs: dict) -> None:
        """Answers one question of the other side."""
        try:
            self.send("value", self.functions[handle](*args, **kwargs))
        except Gone:
            raise
        except Exception as error:
            self.send("error", told(error))


def told(error: BaseException) -> str:
    """An error, and the line of the answer that raised it."""
    if isinstance(error, AnswerError):
        return str(error)
    place, trace = "", error.__traceback__
    while trace:
        name = trace.tb_frame.f_code.co_filename
        if name.startswith("cell "):
            place = f" ({name}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error}{place}"


# What may run.

MAGIC = re.compile(r"^\s*[%!]")
FORBIDDEN = set(
    "breakpoint compile delattr eval exec exit get_ipython getattr globals input locals open quit "
    "setattr vars".split()
)
"""Built-in functions that no answer needs."""

REACHES = set(
    "builtins ctypes ctypeslib f2py importlib inspect os pathlib shutil socket subprocess sys "
    "testing fromfile genfromtxt load loadtxt memmap open_memmap save savetxt savez "
    "savez_compressed tofile f_back f_globals f_locals tb_frame gi_frame".split()
)
"""Modules and attributes by which a library leads to files, programs and call stacks."""


def without_magics(source: str) -> str:
    """The source with IPython's % and ! lines left out; the line numbers stay."""
    if source.lstrip().startswith("%%"):
        return ""
    return "\n".join("" if MAGIC.match(line) else line for line in source.splitlines())


def objections(source: str, imports: Sequence[str]) -> list[str]:
    """Why a cell of the submission is not run; empty where it is.

    Args:
        source: its code.
        imports: modules that answers may import; one brings its submodules.
    """
    try:
        tree = ast.parse(without_magics(source))
    except SyntaxError as error:
        return [f"it is no Python: {error.msg}, line {error.lineno}"]

    def reaching(name: str) -> bool:
        return name.startswith("__") or name in REACHES

    found = []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            names = [f"{node.module or '.'}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if not any(".".join(parts[:n]) in imports for n in range(1, len(parts) + 1)):
                found.append(
                    f"it imports {name}, and an answer here may import {', '.join(imports)} only"
                )
            elif any(reaching(part) for part in parts):
                found.append(f"it imports {name}, which no answer needs")
        if isinstance(node, ast.Name) and (node.id in FORBIDDEN or node.id.startswith("__")):
            found.append(f"it uses {node.id}, which no answer needs")
        if isinstance(node, ast.Attribute) and reaching(node.attr):
            found.append(f"it reaches for {node.attr}, which no answer needs")
    return found


def plan(notebook: dict, settings: dict) -> list[dict]:
    """What the worker runs of a submission: `{"name", "source"}` or `{"name", "refused"}` a cell.

    A cell that was handed out and comes back unchanged runs as it was handed out, or not at all if
    grading has no use for it. Any other code cell is the student's.
    """
    given = {cell["source"].strip(): cell["skip"] for cell in settings["given"]}
    cells = []
    for number, cell in enumerate(notebook["cells"], start=1):
        source = "".join(cell["source"])
        if cell["cell_type"] != "code" or not source.strip():
            continue
        made = {"name": f"cell {number}"}
        if source.strip() in given:
            if given[source.strip()]:
                continue
        elif found := objections(source, settings["imports"]):
            cells.append(made | {"refused": found[0]})
            continue
        cells.append(made | {"source": without_magics(source)})
    return cells


# The worker.


STARTS = {"os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "os.system", "subprocess.Popen"}
CHANGES = set(
    "os.chmod os.chown os.link os.mkdir os.remove os.rename os.rmdir os.symlink os.truncate".split()
)
TWO_PATHS = {"os.link", "os.rename", "os.symlink"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def fence(folder: str) -> None:
    """Forbids this process for good to start programs, and to change files outside of `folder`."""
    home = os.path.realpath(folder)

    def inside(path: Any) -> bool:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return True  # a file that is open already
        real = os.path.realpath(os.fsdecode(path))
        return real == os.devnull or os.path.commonpath([real, home]) == home

    def guard(event: str, args: tuple) -> None:
        if event in STARTS:
            raise PermissionError("An answer may not start programs.")
        writes = event == "open" and isinstance(args[2], int) and args[2] & WRITING
        if (writes and not inside(args[0])) or (
            event in CHANGES and not all(map(inside, args[: 1 + (event in TWO_PATHS)]))
        ):
            raise PermissionError("An answer may not change files.")

    sys.addaudithook(guard)


def work(connection: Connection) -> None:
    """Runs the cells that it is sent, says what came of them, and serves questions."""
    fence(os.getcwd())
    peer = Peer(connection)
    (cells,) = peer.receive()
    scope: dict[str, Any] = {"__name__": "answers"}
    trouble = []
    for cell in cells:
        try:
            exec(compile(cell["source"], cell["name"], "exec"), scope)
        except BaseException as error:
            trouble.append(told(error))
    functions = {
        name: value
        for name, value in scope.items()
        if not name.startswith("_") and callable(value) and not isinstance(value, type)
    }
    peer.send(trouble, functions, scope.__getitem__)
    while True:
        try:
            _, *question = peer.receive()
            peer.serve(*question)
        except Gone:
            return


# The tests' side.

PASSED_ON = ("PATH", "LANG", "LD_LIBRARY_PATH", "XLA_FLAGS", "JAX_PLATFORMS")
"""What the worker sees of the environment."""


class Answers:
    """A submission in a process of its own.

    Args:
        cells: what `plan` made of it.
        seconds: a limit for running all cells, and for each question of a test.
    """

    def __init__(self, cells: Sequence[dict], seconds: float):
        self.cells, self.seconds = cells, seconds
        self.refused = [
            f"{c['name']} was not run: {c['refused']}." for c in cells if "refused" in c
        ]
        self.trouble: list[str] = []
        self.functions: dict[str, Remote] = {}
        self.value: Callable[[str], Any] = lambda name: None
        self.process: subprocess.Popen | None = None
        self.dead = ""
        self.start()

    def start(self) -> None:
        """Starts the worker and has it run the cells."""
        ours, theirs = socket.socketpair()
        self.folder = tempfile.TemporaryDirectory(prefix="answers-")
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-I", str(Path(__file__).resolve()), str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            cwd=self.folder.name,
            env=environment
            | dict.fromkeys(("HOME", "TMPDIR"), self.folder.name)
            | {"MPLBACKEND": "agg"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        theirs.close()
        self.peer = Peer(Connection(ours.detach()), self.guarded)
        try:
            self.peer.deadline = time.monotonic() + self.seconds
            self.peer.send([cell for cell in self.cells if "source" in cell])
            self.trouble, self.functions, self.value = self.peer.receive()
        except Late:
            self.close()
            self.dead = f"Running the notebook's cells takes more than {self.seconds:g} seconds."
        except Gone:
            self.close()
            self.dead = "The notebook's cells ended the process that ran them."

    def close(self) -> None:
        """Ends the worker."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            self.peer.connection.close()
            self.folder.cleanup()

    def guarded(self, question: Callable[[], Any]) -> Any:
        """Puts a question to the worker within the limit; one that breaks it costs the worker its
        life, and the next question gets a new one.

        Raises:
            AnswerError: no answer.
        """
        self.peer.deadline = time.monotonic() + self.seconds
        try:
            return question()
        except Late:
            self.close()
            raise AnswerError(f"No answer within {self.seconds:g} seconds.") from None
        except Gone:
            self.close()
            raise AnswerError("The answer ended the process that it ran in.") from None

    def stand_in(self, name: str) -> Callable:
        """A stand-in for the function of this name, which says so where there is none."""

        def ask(*args, **kwargs):
            if self.process is None and not self.dead:
                self.start()
            if self.dead or name not in self.functions:
                why = self.dead or " ".join(self.refused + self.trouble) or "No cell defines it."
                raise AnswerError(f"There is no function {name}. {why}")
            return self.functions[name](*args, **kwargs)

        return ask

    def names(self, wanted: Sequence[str]) -> dict[str, Any]:
        """What the tests find under these names of the notebook: a stand-in for a function, or the
        value of anything else."""
        found = {}
        for name in wanted:
            found[name] = self.stand_in(name)
            if self.process is not None and name not in self.functions:
                with contextlib.suppress(AnswerError):
                    found[name] = self.value(name)
        return found


# Otter's side.


class Plugin:
    """Otter's plugin: see the head of this file."""

    def __init__(self, submission_path: str, submission_metadata: dict, plugin_config: dict):
        pass

    def before_grading(self, config) -> None:
        """Leaves nothing of the submission in its folder but the notebook, so that no file of a
        submission is taken for one of the grader's."""
        keep = {"__init__.py", "tests", *json.loads(Path(SETTINGS).read_text("utf-8"))["files"]}
        for path in Path.cwd().iterdir():
            if path.name in keep or path.suffix == ".ipynb":
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def before_execution(self, submission):
        """The notebook that is run in the submission's place."""
        from nbformat import v4

        settings = json.loads(Path(SETTINGS).read_text("utf-8"))
        cells = plan(submission, settings)
        code = (
            f"import json, sys\nsys.path.insert(0, {str(Path(__file__).resolve().parent)!r})\n"
            "from apart import Answers\n"
            f"_answers = Answers(json.loads({json.dumps(cells)!r}), {settings['seconds']})\n"
            f"globals().update(_answers.names({settings['names']}))"
        )
        return v4.new_notebook(
            cells=[v4.new_code_cell(code)], metadata={"kernelspec": dict(KERNEL)}
        )


KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}


if __name__ == "__main__":
    work(Connection(int(sys.argv[1])))
