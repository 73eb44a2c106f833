"""What the machine can do, measured: the limits that a lifetime runs into.

Each limit is a rate of something that a lifetime needs a known number of. The time that it would
take at each rate alone is a bound on its time; the largest bound is the limit that binds.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from benchmarks.settings import Setting
from symla_lite.symla import symla

REPEATS = 20
"""Times that a kernel runs in one call, so that the call costs nothing beside it."""


class Limit(NamedTuple):
    """A program that does one thing as fast as the machine can."""

    unit: str
    """Of the rate."""
    work: float
    """How many of it one call does."""
    call: Callable[[jax.Array], jax.Array]
    """`(x) -> y` of the same shape, to be compiled."""
    x: Callable[[], jax.Array]
    """Makes its argument."""


def again(body: Callable, times: int = REPEATS) -> Callable:
    """The same thing many times, each on what the one before it made."""
    return lambda x: jax.lax.fori_loop(0, times, lambda _, x: body(x), x)


def tanhs(x: jax.Array) -> jax.Array:
    """16 independent tanh of every number, so that memory is out of the way."""
    return functools.reduce(jnp.add, [jnp.tanh(x * (0.5 + i / 16)) for i in range(16)]) / 16


SIDE, IN_CACHE = 1024, 2**16


def limits(setting: Setting) -> dict[str, Limit]:
    """The limits. That of memory is measured on as many bytes as the states of all lifetimes take,
    so it is the cache's where they fit into a cache."""
    states = setting.all_lifetimes * state_size(setting)
    return {
        "products": Limit(
            "floating-point operations/s",
            REPEATS * 2 * SIDE**3,
            again(lambda x: x @ x / SIDE),
            lambda: jnp.ones((SIDE, SIDE)),
        ),
        "activations": Limit(
            "tanh/s",
            REPEATS * 16 * IN_CACHE,
            again(tanhs),
            lambda: jnp.linspace(-3, 3, IN_CACHE),
        ),
        "memory": Limit(
            "bytes/s",
            REPEATS * 2 * 4 * states,
            again(lambda x: 0.5 * x + 1),
            lambda: jnp.ones(states),
        ),
        "launches": Limit(
            "steps of a loop/s",
            1000,
            again(lambda x: jnp.cumsum(x) % 7, 1000),  # nothing that merges with the next step
            lambda: jnp.ones(8),
        ),
    }


def state_size(setting: Setting) -> int:
    """Numbers in h and c of one lifetime."""
    return 2 * setting.cells * setting.hidden


def needed(setting: Setting) -> dict[str, float]:
    """How many of each limit's things one outer step of SymLA needs at the least.

    A tick of a cell multiplies its h by the recurrent weights (2 · N · 4N operations), and what an
    input, an output and all hear by theirs, once each; it takes five activations for each unit. In
    a step of the environment h and c are read and written once, however many ticks it has. A loop
    takes at the least one launch a step.
    """
    A, B = setting.environment.sizes
    N, M = setting.hidden, symla().options["message"]
    hears = 2 * 4 * N * ((A + B) * (M + 1) + 2)
    speaks = 2 * (A + B) * N * M
    return {
        "products": setting.steps * (setting.ticks * (2 * 4 * N * N * A * B + hears) + speaks),
        "activations": setting.steps * setting.ticks * 5 * N * A * B,
        "memory": setting.steps * 2 * 4 * state_size(setting),
        "launches": setting.length,
    }
