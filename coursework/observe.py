"""What a call does besides its result: whether it changes its arguments, and how much it runs.

It travels with the hand-outs, and it runs beside the answers in grading, so that a check finds the
same on both sides.
"""

from __future__ import annotations

import copy
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

UNSEEN = 10**9
"""Instructions of a call that did not let itself be watched."""


class Seen(NamedTuple):
    """What was seen of a call.

    Attributes:
        changed: whether an argument is another after the call.
        opcodes: Python instructions that ran in the notebook's own code.
    """

    changed: bool
    opcodes: int


def of_a_cell(filename: str) -> bool:
    """Whether code comes from a notebook, and not from a file of a library: cells have names of
    their own, what they `exec` has any name, and ipykernel has a folder of its own for cells."""
    return "ipykernel_" in filename or not (os.path.isabs(filename) or filename.startswith("<fro"))


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal in all their parts; functions count as equal."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if callable(one):
        return True
    if hasattr(one, "__array__"):
        return np.array_equal(np.asarray(one), np.asarray(other), equal_nan=one.dtype.kind in "fc")
    return one is other or one == other


def copied(value: Any) -> Any:
    """A copy whose arrays are new; functions stay."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(copied, value))
    return value if callable(value) else copy.deepcopy(value)


def observed(function: Callable, args: tuple, kwargs: dict | None = None) -> tuple[Any, Seen]:
    """The result of a call and what was seen of it."""
    kwargs = kwargs or {}
    before, opcodes = copied((list(args), kwargs)), 0

    def trace(frame, event, _):
        nonlocal opcodes
        if not of_a_cell(frame.f_code.co_filename):
            return None
        frame.f_trace_opcodes = True
        opcodes += event == "opcode"
        return trace

    earlier = sys.gettrace()
    sys.settrace(trace)
    threading.settrace(trace)
    try:
        value = function(*args, **kwargs)
        if sys.gettrace() is not trace:
            opcodes = UNSEEN
    finally:
        sys.settrace(earlier)
        threading.settrace(None)
    return value, Seen(not same((list(args), kwargs), before), opcodes)


def observe(function: Callable, *args) -> tuple[Any, Seen]:
    """The same for a function that may run in another process, as answers do in grading."""
    there = getattr(function, "observe", None)
    return there(*args) if there else observed(function, args)
