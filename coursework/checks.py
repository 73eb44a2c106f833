"""What the tests of all assignments share: random inputs, and comparisons that give a hint."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

_seed: int | None = None


def use_seed(seed: int | None) -> None:
    """Makes all tests draw their inputs from this seed; None: from a new one each time."""
    global _seed
    _seed = seed


def rng() -> Rng:
    """Random inputs: new ones each time, unless `use_seed` or COURSEWORK_SEED name a seed."""
    seed = os.environ.get("COURSEWORK_SEED", _seed)
    return Rng(np.random.SeedSequence().entropy % 100_000 if seed is None else int(seed))


class Rng(np.random.Generator):
    """NumPy's generator, which remembers its seed for the message of a failed test."""

    def __init__(self, seed: int):
        super().__init__(np.random.PCG64(seed))
        global _last
        self.seed = _last = seed

    def array(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        """Standard normal numbers of this shape, times `scale`."""
        return scale * self.standard_normal(shape)

    def order(self, size: int) -> np.ndarray:
        """A permutation that is not its own inverse and leaves nothing in its place: a cycle."""
        places = self.permutation(size)
        order = np.empty(size, int)
        order[places] = np.roll(places, 1)
        return order

    def one_hot(self, size: int, length: int) -> np.ndarray:
        """Choices among `size` things, [length, size]."""
        return np.eye(size)[self.integers(size, size=length)]

    def history(self, A: int, B: int, length: int) -> dict[str, np.ndarray]:
        """What an agent could be told in a lifetime: o [L, A], a [L, B], r [L], end [L].

        Nothing is done or earned before the first step; about every fourth step ends an episode.
        """
        a = self.one_hot(B, length)
        r = self.integers(2, size=length).astype(float)
        a[0], r[0] = 0, 0
        end = (self.random(length) < 0.25).astype(float)
        return {"o": self.array(length, A), "a": a, "r": r, "end": end}


_last = 0

kept: dict[str, Any] = {}
"""What one test leaves for the next."""


def fail(message: str) -> None:
    """Ends a test, and says how to repeat it."""
    raise AssertionError(
        f"{message} (Inputs were random; checks.use_seed({_last}) repeats these ones.)"
    )


def numbers(found: Any, shape: tuple[int, ...] | None, what: str, hint: str = "") -> np.ndarray:
    """`found` as an array, if it is one of numbers and of this shape."""
    if found is None:
        fail(f"{what}: there is None. Does the function end in a return?")
    if found is Ellipsis:
        fail(f"{what}: there is still the ... of the hand-out.")
    try:
        found = np.asarray(found, float)
    except (TypeError, ValueError):
        fail(f"{what}: there is {type(found).__name__}, where numbers are wanted. {hint}")
    if shape is not None and found.shape != tuple(shape):
        fail(f"{what}: the shape is {found.shape}, where {tuple(shape)} is wanted. {hint}")
    if not np.all(np.isfinite(found)):
        fail(f"{what}: not all numbers are finite. {hint}")
    return found


def slopes(J, x: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """The gradient of a function of one array, by central differences: the shape of x."""
    nudges = step * np.eye(x.size).reshape(x.size, *x.shape)
    return np.reshape([(J(x + n) - J(x - n)) / (2 * step) for n in nudges], x.shape)


def close(found: Any, wanted: Any, what: str, hint: str = "", tolerance: float = 1e-4) -> None:
    """Checks that numbers agree, to `tolerance` times the largest of them or 1."""
    wanted = np.asarray(wanted, float)
    found = numbers(found, wanted.shape, what, hint)
    apart = np.abs(found - wanted)
    if apart.size and apart.max() > tolerance * max(1.0, np.abs(wanted).max()):
        at = tuple(int(i) for i in np.unravel_index(apart.argmax(), apart.shape))
        place = f" at {list(at)}" if at else ""
        fail(f"{what}: {found[at]:.5g}{place}, where {wanted[at]:.5g} is right. {hint}")


def all_close(found: Any, wanted: Any, what: str, hint: str = "", tolerance: float = 1e-4) -> None:
    """`close` for lists of arrays."""
    if not isinstance(found, (list, tuple)) or len(found) != len(wanted):
        length = (
            f"{len(found)} of them" if isinstance(found, (list, tuple)) else type(found).__name__
        )
        fail(f"{what}: there are {len(wanted)} arrays to return, and there is {length}. {hint}")
    for k, (one, other) in enumerate(zip(found, wanted), start=1):
        close(one, other, f"{what}, number {k} of {len(wanted)}", hint, tolerance)


def apart(one: Any, other: Any, what: str, hint: str = "", least: float = 1e-3) -> None:
    """Checks that numbers differ somewhere by at least `least`."""
    one = numbers(one, None, what, hint)
    other = numbers(other, one.shape, what, hint)
    if np.abs(one - other).max(initial=0) < least:
        fail(f"{what}: no difference. {hint}")
