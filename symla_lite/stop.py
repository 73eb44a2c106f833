"""Stop means stop: Ctrl-C and SIGTERM end a run within seconds, with all its processes.

Python lets a signal's handler run between two of the main thread's own steps. A program that
compiles, or that runs on a device, may be minutes away from the next one, and an exception that is
raised inside a callback of XLA is lost. So three things share the work:

- the handler notes the signal and raises `KeyboardInterrupt`, so that what is under way can save
  and clean up;
- `check`, which is called between two calls to the device, raises it where it was lost;
- a thread, which the signal itself wakes, ends the process where it is still there after
  `PATIENCE`.

Nothing is imported here that takes time, so that the command line can listen before it imports
what does. How the processes of a study end is in `studies.workers`.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn, Protocol

SIGNALS = (signal.SIGINT, signal.SIGTERM)

SENTENCE = "Stopped. Running the same again goes on from the last checkpoint."

ANEW = "Stopped. Nothing was saved; running the same again begins anew."

PATIENCE = 1.5
"""Seconds that a process has to end by itself."""


class Terminated(KeyboardInterrupt):
    """SIGTERM was received: as Ctrl-C, but the process is to end."""


class Child(Protocol):
    """A process that ends with this one."""

    def kill(self) -> None: ...


children: list[Child] = []
"""Those that are killed before this process ends hard."""

_asked: int | None = None
"""The signal that was received."""
_listening = False
"""Whether the signals are handled here, or not at all, in a process that is deaf to them."""
_at_once = False
"""Whether there is nothing to save or to clean up."""
_held = False
"""Whether the handler has to wait with its exception."""
_printed = False
"""Whether the sentence has been printed."""


def said() -> str:
    """The sentence of a command, which is known from its first moment on: `play` and `verify` have
    nothing to go on from."""
    anew = sys.argv[1:2] == ["play"] or "symla_lite.verify" in sys.orig_argv
    return ANEW if anew else SENTENCE


def check() -> None:
    """Raises `KeyboardInterrupt` (`Terminated` for SIGTERM) if this process was asked to stop."""
    if _asked is not None:
        raise Terminated(SENTENCE) if _asked == signal.SIGTERM else KeyboardInterrupt(SENTENCE)


def _on_signal(signum: int, frame) -> None:
    """Handles a signal. After the first one, no further one disturbs the cleaning up."""
    global _asked
    if _asked is not None:
        return
    _asked = signum
    if _at_once:
        _leave(signum)
    if not _held:
        check()


def _leave(signum: int) -> NoReturn:
    """Ends this process and its children now, with the sentence."""
    global _printed
    for child in list(children):
        with contextlib.suppress(Exception):
            child.kill()
    if not _printed:
        _printed = True
        os.write(2, f"\n{said()}\n".encode())
    os._exit(128 + signum)


class _Watch:
    """A thread that the signals wake, and which ends the process where nothing else does."""

    def __init__(self, signals: tuple[int, ...]):
        self.signals, self.over = signals, threading.Event()
        self.reading, self.writing = os.pipe()
        os.set_blocking(self.writing, False)
        self.before = signal.set_wakeup_fd(self.writing, warn_on_full_buffer=False)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self) -> None:
        while byte := os.read(self.reading, 1):
            if byte[0] in self.signals:
                if not self.over.wait(PATIENCE):
                    _leave(byte[0])
                break

    def end(self) -> None:
        """Watches no longer."""
        self.over.set()
        signal.set_wakeup_fd(self.before)
        os.close(self.writing)
        self.thread.join()
        os.close(self.reading)


def listen() -> None:
    """Listens from now on, for a process that is a command and nothing else. Until `answering` it
    has nothing to save, and ends at once."""
    global _listening, _at_once
    if _listening:
        return
    _listening = _at_once = True
    _Watch(SIGNALS)
    _handle()
    sys.unraisablehook = _quietly(sys.unraisablehook)


def _quietly(hook: Callable) -> Callable:
    """The hook, which does not print the stop that a callback lost: `check` raises it again."""

    def on_lost(lost):
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            hook(lost)

    return on_lost


def _handle() -> None:
    for each in SIGNALS:
        signal.signal(each, _on_signal)


def listen_again() -> None:
    """Takes the handlers back from a library that has put its own in their place."""
    if _listening and threading.current_thread() is threading.main_thread():
        if signal.getsignal(signal.SIGTERM) is _on_signal:
            _handle()


def answering(work: Callable[[], None]) -> int | None:
    """Does a command's work. Where it was stopped, says the sentence and returns the exit status,
    or ends the process if it listens; else None."""
    global _at_once, _printed
    try:
        _at_once = False
        work()
    except KeyboardInterrupt as stopped:
        status = 128 + (signal.SIGTERM if isinstance(stopped, Terminated) else signal.SIGINT)
        _printed = True
        with contextlib.suppress(OSError):  # Ctrl-C may also have ended what reads the output
            print(said(), file=sys.stderr, flush=True)
        if _listening:  # nothing is left to do, and what Python does at its end takes time
            with contextlib.suppress(OSError):
                print(end="", flush=True)
            os._exit(status)
        return status
    finally:
        _at_once = _listening
    return None


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Listens for as long as a call takes, in a script or a notebook's kernel; also a decorator.

    Ctrl-C, or a kernel's interrupt, becomes a `KeyboardInterrupt` that no callback can lose.
    SIGTERM lets the call save and clean up, is answered with the sentence, and then does what it
    did before: by default it ends the process, at the latest after `PATIENCE`.

    Nothing happens inside of another `listening`, in a command or a deaf process, on Windows, and
    in other threads than the main one, which hear no signals.
    """
    global _listening, _asked
    in_main = threading.current_thread() is threading.main_thread()
    if _listening or not in_main or os.name != "posix":
        yield
        return
    before = {each: signal.getsignal(each) or signal.SIG_DFL for each in SIGNALS}
    watch = _Watch((signal.SIGTERM,))
    _listening = True
    _handle()
    hook = sys.unraisablehook
    sys.unraisablehook = _quietly(hook)
    sentence = SENTENCE
    try:
        yield
    except KeyboardInterrupt as stopped:
        sentence = str(stopped) or sentence
        raise
    finally:
        sys.unraisablehook = hook
        for each, handler in before.items():
            signal.signal(each, handler)
        watch.end()
        received, _asked, _listening = _asked, None, False
        if received == signal.SIGTERM:
            os.write(2, f"\n{sentence}\n".encode())
            os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Lets a signal wait until the end of what is short and must be done whole."""
    global _held
    _held = True
    try:
        yield
    finally:
        _held = False
    check()


def be_deaf() -> None:
    """For a process in which both signals are blocked: nothing is to be done about them."""
    global _listening
    _listening = True


def ask() -> None:
    """Lets `check` raise from now on, as if SIGTERM had been received."""
    global _asked
    _asked = signal.SIGTERM
