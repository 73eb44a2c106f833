"""The process that runs a submission: it executes the notebook's cells and answers questions.

`apart` starts it and speaks to it over a socket. What travels is data (JSON and raw arrays, never
a pickle), and functions as handles: a test may pass a function to an answer, and an answer may
return one. So an answer sees inputs and nothing else, and all that it can do for its points is to
return the right numbers.

This file is both ends of the wire, and the worker itself: `jail` copies it into the folder where
the worker runs, beside `observe` and `seccomp`. It needs NumPy, and whatever the answers import.
"""

from __future__ import annotations

import ast
import codeop
import ctypes
import importlib
import importlib.abc
import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import observe
import seccomp

LARGEST, LARGEST_HEADER = 2**28, 2**24
"""Bytes of the largest message that is read, and of its JSON, which takes many times as much."""

FOREVER = float("inf")


class AnswerError(Exception):
    """An answer that cannot be asked: it is missing, raised an error, or took too long."""


class Gone(Exception):
    """The other side has ended, or sends what is no message."""


class Late(Gone):
    """The other side does not answer in time."""


def encode(value: Any, register: Callable[[Callable], int]) -> bytes:
    """A message: the length of its JSON, the JSON, and the arrays' bytes.

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
    if start > LARGEST_HEADER:
        raise ValueError("It is too long.")

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
        return self.peer.guard(lambda: self.peer.ask(self.handle, args, kwargs))[0]

    def observe(self, *args) -> tuple[Any, observe.Seen]:
        """The result, and what is seen of the call there."""
        value, seen = self.peer.guard(lambda: self.peer.ask(self.handle, args, {}, watch=True))
        return value, observe.Seen(*seen)


class Peer:
    """One end of the wire. Either end may ask, also while it is being asked."""

    def __init__(self, wire: socket.socket, guard: Callable = lambda question: question()):
        self.wire, self.guard = wire, guard
        self.functions: list[Callable] = []
        self.deadline = FOREVER

    def register(self, function: Callable) -> int:
        self.functions.append(function)
        return len(self.functions) - 1

    def limit(self) -> None:
        """Gives the next read or write what is left of the time."""
        left = None if self.deadline == FOREVER else self.deadline - time.monotonic()
        if left is not None and left <= 0:
            raise Late
        self.wire.settimeout(left)

    def send(self, *message) -> None:
        """Raises TypeError where the message does not travel, Gone where nobody is there."""
        encoded = encode(list(message), self.register)
        try:
            self.limit()
            self.wire.sendall(len(encoded).to_bytes(8, "big") + encoded)
        except TimeoutError:
            raise Late from None
        except OSError:
            raise Gone from None

    def read(self, length: int) -> bytearray:
        found = bytearray(length)
        view, at = memoryview(found), 0
        while at < length:
            try:
                self.limit()
                got = self.wire.recv_into(view[at:])
            except TimeoutError:
                raise Late from None
            except OSError:
                raise Gone from None
            if not got:
                raise Gone
            at += got
        return found

    def receive(self) -> list:
        """Raises Late after the deadline, Gone where the other side has ended or talks nonsense."""
        length = int.from_bytes(self.read(8), "big")
        if length > LARGEST:
            raise Gone
        message = bytes(self.read(length))
        try:
            found = decode(
                message, self.functions.__getitem__, lambda handle: Remote(self, int(handle))
            )
        except Exception:  # whatever it is, it is no message
            raise Gone from None
        if not isinstance(found, list) or not found:
            raise Gone
        return found

    def ask(self, handle: int, args: Sequence, kwargs: dict, watch: bool = False) -> Any:
        """Calls a function of the other side, serving its questions meanwhile.

        Returns:
            What it returned, and where it was watched what was seen.

        Raises:
            AnswerError: with what it raised there.
        """
        self.send("call", handle, list(args), kwargs, watch)
        while True:
            what, *rest = self.receive()
            if what == "value" and len(rest) == 2:
                return rest
            if what == "error":
                raise AnswerError(str(rest[:1] and rest[0])[:2000])
            self.serve(*rest)

    def serve(self, handle: int, args: Sequence, kwargs: dict, watch: bool) -> None:
        """Answers one question of the other side."""
        try:
            function, seen = self.functions[handle], None
            if watch:
                value, seen = observe.observed(function, args, kwargs)
            else:
                value = function(*args, **kwargs)
            self.send("value", value, seen)
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
    try:
        text = str(error)[:2000]
    except Exception:  # an error of the answer's own making
        text = ""
    return f"{type(error).__name__}: {text}{place}"


# The worker.

STOPPED = re.compile(
    r"os\.(exec|posix_spawn|spawn|startfile|system|fork|forkpty|kill|killpg)$"
    r"|subprocess\.|pty\.|signal\.pthread_kill|socket\.|ctypes\.|_?posixsubprocess"
    r"|sys\.(addaudithook|setprofile)$|syslog\.|code\.__new__|http\.|urllib\.|ftplib\.|smtplib\."
    r"|sqlite3\.|signal\.pidfd_send_signal|os\.pidfd_open|webbrowser\."
)
"""Events at which an answer is stopped: other processes, other machines, and memory by address."""

HOOKLESS = {"_xxsubinterpreters", "_interpreters", "_testcapi", "_testinternalcapi", "_ctypes"}
"""Modules that lead to a Python without this one's audit hook, or into its memory."""

CHANGES = set(
    "os.chmod os.chown os.link os.mkdir os.remove os.rename os.rmdir os.symlink os.truncate "
    "os.utime shutil.rmtree".split()
)
TWO_PATHS = {"os.link", "os.rename", "os.symlink"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
READABLE = ["/usr", "/lib", "/lib64", "/etc/fonts", "/dev/null", "/dev/urandom", "/sys/devices"]
READABLE += ["/System/Library", "/Library/Fonts", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat"]


def fence(folder: str) -> None:
    """Forbids this process for good to start programs, to reach others, and to touch files outside
    of `folder` and of Python's own: by the kernel where it can be told to, and by an audit hook."""
    home = os.path.realpath(folder)
    library = [sys.prefix, sys.base_prefix, os.path.dirname(os.__file__)]
    readable = [os.path.realpath(path) for path in library + READABLE] + [home]

    def inside(path: Any, roots: Sequence[str]) -> bool:
        if isinstance(path, int) or path is None:
            return True  # a file that is open already
        real = os.path.realpath(os.fsdecode(path))
        return real == os.devnull or any(real == x or real.startswith(x + os.sep) for x in roots)

    def guard(event: str, args: tuple) -> None:
        if STOPPED.match(event):
            raise PermissionError(f"An answer may not do this ({event}).")
        if event == "open":
            writes = isinstance(args[2], int) and args[2] & WRITING
            if not inside(args[0], [home] if writes else readable):
                raise PermissionError(
                    f"An answer may not {'write' if writes else 'read'} {args[0]}."
                )
        elif event == "import" and str(args[0]).rpartition(".")[2] in HOOKLESS:
            raise PermissionError(f"An answer may not import {args[0]}.")
        elif event in ("os.listdir", "os.scandir") and not inside(args[0] or ".", readable):
            raise PermissionError(f"An answer may not read {args[0]}.")
        elif event in CHANGES and not all(
            inside(path, [home]) for path in args[: 1 + (event in TWO_PATHS)]
        ):
            raise PermissionError("An answer may not change files.")

    seccomp.shut()
    import _ctypes  # which libraries need; all but these of its functions tell the hook

    for name in ("memmove", "memset"):
        delattr(_ctypes, f"_{name}_addr")
        setattr(ctypes, name, None)
    sys.addaudithook(guard)


class Reserved(importlib.abc.MetaPathFinder):
    """Refuses to import what would be the answer, or the grader's."""

    def __init__(self, names: Sequence[str]):
        self.names = set(names)

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names:
            raise ImportError(f"An answer here may not import {name}.")
        return None


class Shell:
    """What takes IPython's place: magics do nothing, except to run the code they are given."""

    def __init__(self, run: Callable[[str], None]):
        self.run = run

    def run_line_magic(self, name: str, line: str = "", *_, **__) -> None:
        if name in ("time", "prun"):
            self.run(line)

    def __getattr__(self, name: str):
        return lambda *args, **kwargs: []


def native(modules: Sequence[str]) -> None:
    """Imports what brings compiled code, which is not to be had behind the fence."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError:
            continue
        if name == "jax":
            import jax.numpy as jnp

            jnp.zeros(1).block_until_ready()
        if name == "scipy":
            importlib.import_module("scipy.special")
            importlib.import_module("scipy.stats")
        if name == "matplotlib":
            importlib.import_module("matplotlib.pyplot")
        if name == "tqdm":
            importlib.import_module("tqdm.auto")


def run_cell(cell: dict, scope: dict[str, Any], compiler: Callable, before: Callable) -> list[str]:
    """Runs a cell, statement by statement: one that fails does not take the next ones with it.

    Args:
        cell: its name and source, and the numbers of statements to skip.
        scope: where it runs.
        compiler: which remembers what cells import from __future__.
        before: is called with the number of each statement.
    """
    trouble = []
    try:
        tree = ast.parse(cell["source"])
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return [f"{cell['name']}: {type(error).__name__}: {error}"]
    for number, statement in enumerate(tree.body):
        if number in cell.get("skip", ()):
            continue
        before(number)
        try:
            module = ast.Module([statement], type_ignores=[])
            exec(compiler(module, cell["name"], "exec"), scope)
        except BaseException as error:
            trouble.append(told(error))
    return trouble


def work(wire: socket.socket) -> None:
    """Runs the cells that it is sent, says what came of each, and serves questions."""
    peer = Peer(wire)
    cells, modules, reserved = peer.receive()
    if os.path.isdir("package"):
        sys.path.insert(0, os.path.abspath("package"))
    native(modules)
    sys.meta_path.insert(0, Reserved(reserved))
    scope: dict[str, Any] = {"__name__": "__main__", "display": lambda *args, **kwargs: None}
    compiler = codeop.Compile()
    shell = Shell(lambda source: exec(source, scope))
    scope["get_ipython"] = lambda: shell
    scope["grader"] = scope["checks"] = shell  # what the hand-out's first cell makes
    own = set(scope)
    fence(os.getcwd())
    peer.send("begun")
    for cell in cells:
        peer.send("ran", run_cell(cell, scope, compiler, lambda number: peer.send("at", number)))
    functions = {
        name: value
        for name, value in scope.items()
        if name not in own
        and not name.startswith("_")
        and callable(value)
        and not isinstance(value, type)
    }
    peer.send("ready", functions, scope.__getitem__)
    while True:
        try:
            _, *question = peer.receive()
            peer.serve(*question)
        except Gone:
            return


if __name__ == "__main__":
    work(socket.socket(fileno=int(sys.argv[1])))
