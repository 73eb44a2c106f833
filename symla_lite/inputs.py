"""What a learner makes of its inputs before they reach its cells.

A learner of this book expects inputs of order one. What an environment shows and pays may be of any
size, and it is not known beforehand of which. So a learner can be wrapped in another one, which
keeps running means of what comes in and passes on numbers of order one:

- `standardising`: observations, each entry on its own;
- `standardising_rewards`: rewards, by the mean and the variance of the last hundred or so;
- `scaling_rewards`: rewards, whose sign and zero stay as they are.

The wrapped learner has the same theta. All that it needs to know it remembers in its state.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from symla_lite.checks import Count, Key, Range
from symla_lite.learner import Input, Learner, Sizes, State, Theta

KEPT = 32
"""Learners, and programs of them, that are kept for other agents. A program takes 6 MiB or so."""


Memory = Annotated[float, Range(least=1, finite=False)]
"""How many of the last ones count, roughly; all of them, where it is infinite."""


class Running(NamedTuple):
    """Running mean and variance, without keeping what came. Without a memory they are those of all
    that came: Welford (1962), "Note on a method for calculating corrected sums of squares and
    products", Technometrics 4. With one, what came earlier counts less and less."""

    n: jax.Array
    """How many came, []; with a memory, that many at the most."""
    mean: jax.Array
    """[...]."""
    squares: jax.Array
    """n times the variance, [...]."""

    def and_then(self, x: jax.Array, memory: Memory = jnp.inf) -> "Running":
        """What is known after x [...] came, too.

        Args:
            x: the new one.
            memory: how many count. Once so many came, every new one takes the share 1 / memory, and
                all before it count less by as much.
        """
        n = jnp.minimum(self.n + 1, memory)
        deviation = x - self.mean
        mean = self.mean + deviation / n
        kept = (n - 1) / jnp.maximum(self.n, 1)
        return Running(n, mean, kept * self.squares + deviation * (x - mean))

    def variance(self) -> jax.Array:
        """The mean square of the deviations from the mean, [...]."""
        return self.squares / jnp.maximum(self.n, 1)

    def mean_square(self) -> jax.Array:
        """[...]."""
        return self.mean**2 + self.variance()

    def standardised(self, x: jax.Array) -> jax.Array:
        """x [...] with this mean and variance brought to 0 and 1, and cut off at ±`FARTHEST`."""
        z = divided(x - self.mean, jnp.sqrt(self.variance()))
        return jnp.clip(z, -FARTHEST, FARTHEST)


FARTHEST = 5.0
"""Standard deviations beyond which a standardised number is cut off."""


def divided(x: jax.Array, size: jax.Array) -> jax.Array:
    """x / size [...], and 0 where the size is."""
    return jnp.where(size > 0, x / jnp.where(size > 0, size, 1.0), 0.0)


@functools.lru_cache(maxsize=KEPT)  # equal agents share a learner, and so its programs
def standardising(learner: Learner) -> Learner:
    """The same learner, which sees each entry of its observation with the mean and the variance of
    all that came so far brought to 0 and 1, and cut off at ±`FARTHEST`.

    The present observation counts, so the first one is all zeros, and an entry that never changed
    is 0. Its state is `(h, Running)`.
    """

    def init_state(theta, key, sizes):
        nothing = jnp.zeros(sizes.observation)
        return learner.init_state(theta, key, sizes), Running(jnp.zeros(()), nothing, nothing)

    def step(theta, state, x):
        h, seen = state
        seen = seen.and_then(x.o)
        logits, h = learner.step(theta, h, x._replace(o=seen.standardised(x.o)))
        return logits, (h, seen)

    name = f"{learner.name}, standardising"
    return dataclasses.replace(learner, name=name, init_state=init_state, step=step)


def _with_rewards(
    learner: Learner, name: str, memory: Memory, change: Callable[[jax.Array, Running], jax.Array]
) -> Learner:
    """The same learner, which receives `change(r, paid)` in the place of each reward r.

    Where nothing was done, before the first action and after the end of an episode, nothing was
    earned, and nothing counts.
    """

    def init_state(theta: Theta, key: Key, sizes: Sizes) -> State:
        zero = jnp.zeros(())
        return learner.init_state(theta, key, sizes), Running(zero, zero, zero), zero

    def step(theta: Theta, state: State, x: Input) -> tuple[jax.Array, State]:
        h, paid, acted = state
        known = paid.and_then(x.r, memory)
        paid = jax.tree.map(lambda new, old: jnp.where(acted > 0, new, old), known, paid)
        r = jnp.where(acted > 0, change(x.r, paid), 0.0)
        # No derivative by theta goes through rewards, and none is asked of the root at zero.
        logits, h = learner.step(theta, h, x._replace(r=jax.lax.stop_gradient(r)))
        return logits, (h, paid, 1.0 - x.end)

    return dataclasses.replace(
        learner, name=f"{learner.name}, {name}", init_state=init_state, step=step
    )


@functools.lru_cache(maxsize=KEPT)
def scaling_rewards(learner: Learner) -> Learner:
    """The same learner, which receives each reward divided by the root of the mean square of all
    rewards so far: zero stays zero, and no sign changes. Its state is `(h, Running, acted)`."""

    def change(r, paid):
        return divided(r, jnp.sqrt(paid.mean_square()))

    return _with_rewards(learner, "scaling rewards", jnp.inf, change)


@functools.lru_cache(maxsize=KEPT)
def standardising_rewards(learner: Learner, memory: Count = 100) -> Learner:
    """The same learner, which receives each reward with the mean and the variance of the last ones
    brought to 0 and 1, and cut off at ±`FARTHEST`.

    A constant that is added to all rewards changes nothing that it receives, and a positive factor
    neither. The present reward counts, so that the first one becomes 0. Its state is
    `(h, Running, acted)`.

    Args:
        learner: whose rewards.
        memory: how many of the last rewards count, roughly (`Running.and_then`).
    """
    made = _with_rewards(
        learner, "standardising rewards", memory, lambda r, paid: paid.standardised(r)
    )
    return dataclasses.replace(made, options={**learner.options, "reward_memory": memory})
