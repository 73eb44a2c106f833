"""What meta-parameters are worth: lifetimes that meta-training never saw."""

import functools
import operator
from collections.abc import Callable
from typing import Annotated, NamedTuple

import jax
import numpy as np
from scipy import stats

from symla_lite import checks
from symla_lite.checks import Count, Seed, Share
from symla_lite.environments.environment import Environment
from symla_lite.learner import Learner, Theta
from symla_lite.lifetime import Lifetime, live


def meta_test(
    learner: Learner,
    theta: Theta,
    environment: Environment,
    length: Count,
    lifetimes: Count,
    seed: Seed,
    measure: Callable[[Lifetime], jax.Array] = operator.attrgetter("reward"),
    at_once: Count = 1000,
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
        ValueError: no lifetimes asked for, or theta does not fit the environment or is not finite.
    """
    checks.check_memory(f"lifetimes={lifetimes} with length={length}", 4.0 * lifetimes * length)
    run = compiled(learner, environment, length, measure, min(at_once, lifetimes))
    return np.asarray(run(theta, jax.random.split(jax.random.key(seed), lifetimes)))


@functools.lru_cache(maxsize=128)
def compiled(
    learner: Learner, environment: Environment, length: Count, measure: Callable, at_once: Count
) -> Callable:
    """`(theta, keys [lifetimes]) -> measures`, compiled once however many theta are tested."""

    def one(theta, key):
        measured = measure(live(learner, environment, length, theta, key))
        if not isinstance(measured, jax.Array):
            raise ValueError(
                f"measure gave {checks.shown(measured)}: give a function of a Lifetime that "
                "returns an array."
            )
        return measured

    @jax.jit
    def run(theta, keys):
        return jax.lax.map(functools.partial(one, theta), keys, batch_size=at_once)

    return run


class Estimate(NamedTuple):
    """A figure with its interval."""

    mean: float
    low: float
    high: float


def interval(values: np.ndarray, level: Share = 0.95) -> np.ndarray:
    """Student's t interval of the mean over meta-training seeds.

    A claim about a way of meta-training is a claim about seeds that were not run, and lifetimes of
    one seed say nothing about other seeds. So each seed counts as one number, the mean over its
    lifetimes. With three seeds the interval is wide: that is how little three seeds say. (A
    bootstrap over three seeds is narrower, but its 95% intervals cover 75% to 80%.)

    Args:
        values: one figure for each lifetime, [seeds, lifetimes], or several of them, [seeds,
            lifetimes, parts]. Of a single seed it is the t interval over that seed's lifetimes,
            and a statement about that theta alone.
        level: how often such an interval covers the mean.

    Returns:
        Lower and upper end, [2] or [2, parts].

    Raises:
        ValueError: `values` is not [seeds, lifetimes] or [seeds, lifetimes, parts] or has only one
            figure, or `level` is not between 0 and 1.
    """
    means = of_seeds(values)
    error, freedom = standard_error(means)
    reach = error * stats.t.ppf((1 + level) / 2, freedom)
    return means.mean(axis=0) + np.multiply.outer([-1, 1], reach)


def estimate(values: Annotated[np.ndarray, "S T"]) -> Estimate:
    """The mean of values [seeds, lifetimes], with its 95% `interval`."""
    return Estimate(float(np.mean(values)), *map(float, interval(values)))


def share_of_gap(
    values: Annotated[np.ndarray, "S T"], none: float, whole: Annotated[np.ndarray, "S2 T2"]
) -> Estimate:
    """Where one group of seeds lies between a level and another group: 0 at the level, 1 at the
    mean of the other group, whose own spread counts as well.

    The standard error is that of a ratio of means to first order (the delta method); its degrees of
    freedom are Welch's (1947).

    Args:
        values: [seeds, lifetimes].
        none: the level, such as a random policy's reward.
        whole: the other group, [its seeds, its lifetimes].

    Returns:
        The share with its 95% interval.

    Raises:
        ValueError: there is no gap.
    """
    own, other = of_seeds(values), of_seeds(whole)
    gap = other.mean() - none
    if gap == 0:
        raise ValueError(f"none={none} is the mean of `whole`: give two levels with a gap.")
    share = (own.mean() - none) / gap
    (error, freedom), (error_other, freedom_other) = map(standard_error, (own, other))
    parts = np.array([error**2, (share * error_other) ** 2]) / gap**2
    total = parts.sum()
    welch = total**2 / max(np.sum(parts**2 / [freedom, freedom_other]), 1e-300)
    reach = np.sqrt(total) * stats.t.ppf(0.975, max(welch, 1.0))
    return Estimate(float(share), float(share - reach), float(share + reach))


def of_seeds(values: np.ndarray) -> np.ndarray:
    """The mean of each seed's lifetimes, [seeds, ...]; of a single seed, its lifetimes.

    Raises:
        ValueError: `values` is not [seeds, lifetimes] or [seeds, lifetimes, parts], or is a single
            figure.
    """
    if values.ndim not in (2, 3) or values.shape[0] * values.shape[1] < 2:
        raise ValueError(
            f"values has shape {values.shape}: give [seeds, lifetimes], at least two figures."
        )
    return values.mean(axis=1) if len(values) > 1 else values[0]


def standard_error(means: np.ndarray) -> tuple[np.ndarray, int]:
    """The standard error of the mean of independent numbers [n, ...], and its degrees of freedom,
    n - 1."""
    return np.std(means, axis=0, ddof=1) / np.sqrt(len(means)), len(means) - 1
