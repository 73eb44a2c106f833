"""Evolution strategies: the outer loop's gradient (the paper's Equation 10).

The lifetime's reward is smoothed by Gaussian noise on theta, and the smoothed objective has a
gradient that needs no derivative of anything inside:

    grad E_{phi ~ N(theta, sigma^2 I)} F(phi) = E_{eps ~ N(0, I)} F(theta + sigma eps) eps / sigma.

Members come in antithetic pairs theta +- sigma eps with common random numbers (the same tasks, the
same sampling noise), so that what differs within a pair is theta alone (Salimans et al., 2017).
"""

import dataclasses
from collections.abc import Callable
from typing import Literal, get_args

import jax
import jax.numpy as jnp

Shaping = Literal["raw", "standardised", "ranks", "differences"]

Fitness = Callable[[jax.Array, jax.Array], jax.Array]
"""`(phi [D], key) -> []`: an unbiased sample of how good phi is. The larger the better."""


@dataclasses.dataclass(frozen=True)
class ES:
    """How the gradient is estimated.

    Raises:
        ValueError: an odd or non-positive population, a sigma that is not positive, an unknown
            shaping.
    """

    population: int
    """Members in all, two to a pair. The paper's code draws 512 pairs: 1,024 members."""
    sigma: float
    """Standard deviation of the noise on theta."""
    shaping: Shaping = "standardised"
    """What becomes of the fitness before it weighs the noise: nothing (Equation 10); zero mean and
    unit variance over the population; centred ranks in [-1/2, 1/2] (Salimans et al., 2017); or
    unit variance of the differences within pairs. Members of one pair meet the same tasks and
    members of different pairs do not: with few lifetimes the variance over the population is
    mostly that of tasks, which the differences are free of."""

    def __post_init__(self):
        if self.population < 2 or self.population % 2:
            raise ValueError(
                f"population={self.population} cannot be split into antithetic pairs: give an "
                "even number, at least 2."
            )
        check_sigma(self.sigma)
        check_shaping(self.shaping)

    @property
    def pairs(self) -> int:
        """P, the number of antithetic pairs."""
        return self.population // 2


def check_sigma(sigma: float) -> None:
    """Raises ValueError where there is no noise to learn from."""
    if not sigma > 0:
        raise ValueError(f"sigma={sigma} makes no noise to learn from: give more than 0.")


def check_shaping(shaping: str) -> None:
    """Raises ValueError for a shaping that there is not."""
    if shaping not in get_args(Shaping):
        *others, last = map(repr, get_args(Shaping))
        raise ValueError(f"There is no shaping={shaping!r}: give {', '.join(others)} or {last}.")


def noise(key: jax.Array, pairs: int, dimension: int) -> jax.Array:
    """Standard normal eps, one row for each pair, [P, D]."""
    return jax.random.normal(key, (pairs, dimension))


def pair_fitness(
    fitness: Fitness, theta: jax.Array, eps: jax.Array, sigma: float, keys: jax.Array, chunk: int
) -> jax.Array:
    """Fitness of theta + sigma eps and of theta - sigma eps, with the same key within a pair.

    Args:
        fitness: what to evaluate.
        theta: the centre, [D].
        eps: noise, [P, D].
        sigma: its scale.
        keys: one for each pair, [P].
        chunk: how many pairs are evaluated at the same time, at most; bounds the memory.

    Returns:
        [P, 2], plus and minus.

    Raises:
        ValueError: a sigma that is not positive.
    """
    check_sigma(sigma)

    def one_pair(eps_and_key):
        eps, key = eps_and_key
        members = jnp.stack([theta + sigma * eps, theta - sigma * eps])
        return jax.vmap(fitness, in_axes=(0, None))(members, key)

    return jax.lax.map(one_pair, (eps, keys), batch_size=even_chunk(len(eps), chunk))


def even_chunk(whole: int, chunk: int) -> int:
    """The largest chunk, at most `chunk`, that leaves no rest of the whole: a rest would be one
    more program to compile. Where only chunks of less than half would do, there is a rest."""
    chunk = min(chunk, whole)
    fitting = (size for size in range(chunk, chunk // 2, -1) if whole % size == 0)
    return next(fitting, chunk)


def shape(fitness: jax.Array, shaping: str) -> jax.Array:
    """Replaces fitness by what weighs the noise.

    Args:
        fitness: of one population, [P, 2], plus and minus. Standardised fitness and ranks take any
            shape.
        shaping: as in `ES`.

    Returns:
        The same shape. Equal fitness has equal rank, so that a population which is all alike
        gives no gradient.

    Raises:
        ValueError: an unknown shaping.
    """
    check_shaping(shaping)
    if shaping == "raw":
        return fitness
    if shaping == "standardised":
        return (fitness - jnp.mean(fitness)) / (jnp.std(fitness) + 1e-8)
    if shaping == "differences":
        centred = fitness - jnp.mean(fitness, axis=-1, keepdims=True)
        return centred / (jnp.std(fitness[..., 0] - fitness[..., 1]) + 1e-8)
    flat = fitness.ravel()
    order = jnp.sort(flat)
    below = jnp.searchsorted(order, flat, side="left")
    not_above = jnp.searchsorted(order, flat, side="right")
    ranks = (below + not_above - 1) / 2
    return (ranks / (flat.size - 1) - 0.5).reshape(fitness.shape)


def gradient(eps: jax.Array, fitness: jax.Array, sigma: float) -> jax.Array:
    """The antithetic estimate of Equation 10's gradient.

    Args:
        eps: noise, [P, D].
        fitness: (shaped) fitness of plus and minus, [P, 2].
        sigma: the noise's scale.

    Returns:
        mean over pairs of (F+ - F-) eps / (2 sigma), [D]; to be ascended.

    Raises:
        ValueError: a sigma that is not positive.
    """
    check_sigma(sigma)
    difference = fitness[:, 0] - fitness[:, 1]
    return difference @ eps / (2 * sigma * len(eps))
