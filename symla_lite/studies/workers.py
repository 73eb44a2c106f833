"""Processes that work side by side for a study, and end with the one that started them.

They are deaf to Ctrl-C and SIGTERM from their first moment on: a terminal sends Ctrl-C to all
processes of a command, and one that compiles may lose it. They hold one end of a pipe, and end when
the other end is closed: by the process that started them, or by its death.
"""

import concurrent.futures
import contextlib
import multiprocessing
import multiprocessing.context
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import TypeVar

from symla_lite import stop
from symla_lite.checks import Count

PATIENCE = 1.0
"""Seconds that workers have to end by themselves."""
PATIENCE_AT_WORK = 0.7
"""Seconds that a worker has to save what it works on."""

UNGUARDED = 91
"""Exit status of a worker that was asked to start workers while it imported the main script."""


class WorkerLost(Exception):
    """A worker ended without having been stopped; the message says how, and what to do."""


class _Worker(multiprocessing.context.SpawnProcess):
    """A process that is deaf to both signals from its first moment on."""

    def start(self) -> None:
        with stop.held():
            before = signal.pthread_sigmask(signal.SIG_BLOCK, stop.SIGNALS)  # a child inherits it
            try:
                super().start()
                stop.children.append(self)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def join(self, timeout: float | None = None) -> None:
        """Waits for the end and for its status. The executor waits for the same process: of two
        threads that do, one receives the status, and the other may be back before it is known."""
        super().join(timeout)
        patience = time.monotonic() + PATIENCE
        ended = connection.wait([self.sentinel], 0)
        while ended and self.exitcode is None and time.monotonic() < patience:
            time.sleep(0.001)


class _Spawn(multiprocessing.context.SpawnContext):
    """Starts such processes."""

    Process = _Worker


def refuse_import() -> None:
    """Ends a worker that was asked to start workers while it imported the main script: so it would
    go on without end."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(UNGUARDED)


@contextlib.contextmanager
def pool(jobs: Count) -> Iterator[concurrent.futures.Executor]:
    """Processes that work side by side. Whatever ends the block ends them: when all is done, or
    else at once, after they have saved. What is submitted has to be wrapped in `at_work`.

    Args:
        jobs: how many, at most.

    Raises:
        WorkerLost: one of them ended by itself.
        SystemExit: the script that asks for them does so when it is imported.
    """
    refuse_import()
    spawn, others = _Spawn(), list(stop.children)
    theirs, ours = spawn.Pipe(duplex=False)
    executor = concurrent.futures.ProcessPoolExecutor(
        jobs, mp_context=spawn, initializer=_begin_work, initargs=(theirs,)
    )
    try:
        yield executor
        executor.shutdown()
    except BrokenProcessPool:
        raise _lost([worker for worker in stop.children if worker not in others]) from None
    finally:
        ours.close()
        executor.shutdown(wait=False, cancel_futures=True)
        _end([worker for worker in stop.children if worker not in others])
        theirs.close()


def _end(ending: list[multiprocessing.context.SpawnProcess]) -> None:
    """Waits for workers, and kills those that take too long."""
    patience = time.monotonic() + PATIENCE
    for worker in ending:
        worker.join(max(0.0, patience - time.monotonic()))
    for worker in ending:
        if worker.is_alive():
            worker.kill()
            worker.join()
        stop.children.remove(worker)


def _lost(ended: list[multiprocessing.context.SpawnProcess]) -> BaseException:
    """What is said of workers that ended by themselves."""
    patience = time.monotonic() + PATIENCE
    for worker in ended:
        worker.join(max(0.0, patience - time.monotonic()))
    statuses = [worker.exitcode for worker in ended if worker.exitcode]
    if UNGUARDED in statuses:
        return SystemExit(
            "Trainings side by side run in processes of their own, which import the main script "
            'first: put what it does under `if __name__ == "__main__":`, or ask for jobs=1.'
        )
    status = next(iter(statuses), 0)
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return WorkerLost(
        f"A process that worked on this {how}; perhaps its memory ran out. The same command goes "
        "on from the last checkpoint: give fewer jobs or less memory."
    )


Result = TypeVar("Result")

_work = threading.Lock()
"""Held by a worker that has something to save."""


def at_work(function: Callable[..., Result], *arguments) -> Result:
    """Calls a function in a worker, which has time to save before the worker ends."""
    with _work:
        stop.check()
        return function(*arguments)


def _begin_work(end: connection.Connection) -> None:
    """Lets a worker end with the process that started it, or when that one wants it to."""
    stop.be_deaf()

    def watch():
        with contextlib.suppress(EOFError, OSError):
            end.recv_bytes()
        stop.ask()
        _work.acquire(timeout=PATIENCE_AT_WORK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
