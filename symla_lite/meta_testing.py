"""What meta-parameters are worth: lifetimes that meta-training never saw."""

import functools
import operator
from collections.abc import Callable

import jax
import numpy as np

from symla_lite.environments.environment import Environment
from symla_lite.learner import Learner, Theta
from symla_lite.lifetime import Lifetime, live


def meta_test(
    learner: Learner,
    theta: Theta,
    environment: Environment,
    length: int,
    lifetimes: int,
    seed: int,
    measure: Callable[[Lifetime], jax.Array] = operator.attrgetter("reward"),
    at_once: int = 1000,
) -> np.ndarray:
    """Lets a learner live many lifetimes with fixed meta-parameters.

    Two learners tested with the same seed meet the same tasks.

    Args:
        learner: who.
        theta: its meta-parameters.
        environment: where.
        length: L, steps in a lifetime.
        lifetimes: how many.
        seed: decides everything random.
        measure: `(one Lifetime) -> array`: what to keep of it; by default the rewards [L].
        at_once: lifetimes that run side by side; bounds the memory.

    Returns:
        The measures, [lifetimes, ...].

    Raises:
        ValueError: no lifetimes asked for, or theta does not fit the environment.
    """
    if lifetimes < 1:
        raise ValueError(f"lifetimes={lifetimes} tests nothing: give at least 1.")
    run = compiled(learner, environment, length, measure, min(at_once, lifetimes))
    return np.asarray(run(theta, jax.random.split(jax.random.key(seed), lifetimes)))


@functools.lru_cache(maxsize=128)
def compiled(
    learner: Learner, environment: Environment, length: int, measure: Callable, at_once: int
) -> Callable:
    """`(theta, keys [lifetimes]) -> measures`, compiled once however many theta are tested."""

    def one(theta, key):
        return measure(live(learner, environment, length, theta, key))

    @jax.jit
    def run(theta, keys):
        return jax.lax.map(functools.partial(one, theta), keys, batch_size=at_once)

    return run


def interval(values: np.ndarray, level: float = 0.95, resamples: int = 2000) -> np.ndarray:
    """A bootstrap interval of the mean over meta-training seeds and meta-test lifetimes.

    Seeds are resampled, and lifetimes within each resampled seed: two learners that differ only by
    the luck of meta-training should be seen to differ by luck.

    Args:
        values: one figure for each lifetime, [seeds, lifetimes].
        level: how often such an interval should hold the mean.
        resamples: bootstrap samples.

    Returns:
        Lower and upper end, [2].

    Raises:
        ValueError: `values` is not [seeds, lifetimes].
    """
    values = np.asarray(values)
    if values.ndim != 2:
        raise ValueError(f"values has shape {values.shape}: give [seeds, lifetimes].")
    rng = np.random.default_rng(0)
    seeds, lifetimes = values.shape
    chosen = rng.integers(seeds, size=(resamples, seeds))
    # The bootstrap of a mean over n draws, for all seeds of a resample at once: the counts of how
    # often each lifetime is drawn are multinomial.
    counts = rng.multinomial(lifetimes, np.full(lifetimes, 1 / lifetimes), size=(resamples, seeds))
    means = np.einsum("rsl,rsl->rs", counts, values[chosen]) / lifetimes
    tail = (1 - level) / 2
    return np.quantile(means.mean(axis=1), [tail, 1 - tail])
