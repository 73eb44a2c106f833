"""Evolution strategies: the outer loop's gradient (the paper's Equation 10).

The lifetime's reward is smoothed by Gaussian noise on theta, and the smoothed objective has a
gradient that needs no derivative of anything inside:

    grad E_{phi ~ N(theta, sigma^2 I)} F(phi) = E_{eps ~ N(0, I)} F(theta + sigma eps) eps / sigma.

Members come in antithetic pairs theta +- sigma eps with common random numbers (the same tasks, the
same sampling noise), so that what differs within a pair is theta alone (Salimans et al., 2017).
"""

import dataclasses
from collections.abc import Callable
from typing import Annotated, Literal

import jax
import jax.numpy as jnp

from symla_lite.checks import MAY_BE_NAN, Count, Key, Positive, Range

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

    population: Annotated[int, Range(least=2)]
    """Members in all, two to a pair. The paper's code draws 512 pairs: 1,024 members."""
    sigma: Positive
    """Standard deviation of the noise on theta."""
    shaping: Shaping = "standardised"
    """What becomes of the fitness before it weighs the noise: nothing (Equation 10); zero mean and
    unit variance over the population; centred ranks in [-1/2, 1/2] (Salimans et al., 2017); or
    unit variance of the differences within pairs. Members of one pair meet the same tasks and
    members of different pairs do not: with few lifetimes the variance over the population is
    mostly that of tasks, which the differences are free of."""

    def __post_init__(self):
        if self.population % 2:
            raise ValueError(
                f"population={self.population} cannot be split into antithetic pairs: give an "
                "even number, at least 2."
            )

    @property
    def pairs(self) -> int:
        """P, the number of antithetic pairs."""
        return self.population // 2


def noise(key: Key, pairs: Count, dimension: Count) -> jax.Array:
    """Standard normal eps, one row for each pair, [P, D]."""
    return jax.random.normal(key, (pairs, dimension))


def pair_fitness(
    fitness: Fitness,
    theta: Annotated[jax.Array, "D"],
    eps: Annotated[jax.Array, "P D"],
    sigma: Positive,
    keys: Annotated[Key, "P"],
    chunk: Count,
) -> jax.Array:
    """Fitness of theta + sigma eps and of theta - sigma eps, with the same key within a pair.

    Args:
        fitness: what to evaluate. What it returns may be a tree of arrays.
        theta: the centre, [D].
        eps: noise, [P, D].
        sigma: its scale.
        keys: one for each pair, [P].
        chunk: how many pairs are evaluated at the same time, at most; bounds the memory.

    Returns:
        [P, 2], plus and minus, for every leaf of what it returns.

    Raises:
        ValueError: arrays that do not fit one another, a sigma or chunk that is not positive.
    """

    def one_pair(eps_and_key):
        eps, key = eps_and_key
        members = jnp.stack([theta + sigma * eps, theta - sigma * eps])
        return jax.vmap(fitness, in_axes=(0, None))(members, key)

    return jax.lax.map(one_pair, (eps, keys), batch_size=even_chunk(len(eps), chunk))


def even_chunk(whole: Count, chunk: Count) -> int:
    """The largest chunk, at most `chunk`, that leaves no rest of the whole: a rest would be one
    more program to compile. Where only chunks of less than half would do, there is a rest."""
    chunk = min(chunk, whole)
    fitting = (size for size in range(chunk, chunk // 2, -1) if whole % size == 0)
    return next(fitting, chunk)


def shape(fitness: Annotated[jax.Array, MAY_BE_NAN], shaping: Shaping) -> jax.Array:
    """Replaces fitness by what weighs the noise.

    Args:
        fitness: of one population, [P, 2], plus and minus. Standardised fitness and ranks take any
            shape.
        shaping: as in `ES`.

    Returns:
        The same shape. Equal fitness has equal rank, so that a population which is all alike
        gives no gradient. Members without a finite fitness come last (`_last_if_not_finite`).

    Raises:
        ValueError: an unknown shaping, fewer than two members, or no pairs where differences
            within pairs are asked for.
    """
    if fitness.size < 2 or (shaping == "differences" and fitness.shape[-1:] != (2,)):
        raise ValueError(
            f"fitness of shape {list(fitness.shape)} cannot be shaped by {shaping!r}: give that of "
            "a population, [P, 2]."
        )
    if shaping in ("standardised", "differences"):  # which squares it
        fitness = fitness / _scale_of(fitness)
    return shape_healthy(_last_if_not_finite(fitness, shaping), shaping)


def shape_healthy(fitness: Annotated[jax.Array, MAY_BE_NAN], shaping: Shaping) -> jax.Array:
    """`shape` of a population that `is_healthy`."""
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


def _last_if_not_finite(fitness: jax.Array, shaping: str) -> jax.Array:
    """Gives a fitness that is NaN or infinite the last place: below all others for ranks; the worst
    of the population elsewhere; the largest of all differences below its partner where differences
    count. Where nothing is finite, all are alike.

    Args:
        fitness: of one population, [P, 2].
        shaping: as in `ES`.

    Returns:
        [P, 2]; finite, but for ranks.
    """
    finite = jnp.isfinite(fitness)
    if shaping == "ranks":
        return jnp.where(finite, fitness, -jnp.inf)
    if shaping == "differences":
        partner = fitness[..., ::-1]
        both = jnp.all(finite, axis=-1, keepdims=True)
        largest = jnp.max(jnp.abs(fitness - partner), where=both, initial=0.0)
        worst = jnp.where(jnp.isfinite(partner), partner - largest, 0.0)
    else:
        worst = jnp.min(fitness, where=finite, initial=jnp.inf)
        worst = jnp.where(jnp.any(finite), worst, 0.0)
    return jnp.where(finite, fitness, worst)


LARGE = 1e15
"""Numbers up to here can be squared and added up by the million in float32."""


def is_healthy(x: Annotated[jax.Array, MAY_BE_NAN]) -> jax.Array:
    """Whether all numbers are finite and can be squared, []."""
    return jnp.all(jnp.abs(x) <= LARGE)


def _scale_of(x: jax.Array) -> jax.Array:
    """What to divide finite numbers by before they are squared, []. Its inverse is a normal number
    of float32."""
    largest = jnp.max(jnp.abs(x), where=jnp.isfinite(x), initial=0.0)
    return jnp.where(largest > LARGE, jnp.minimum(largest, 1e30), 1.0)


def mean_and_spread(
    fitness: Annotated[jax.Array, MAY_BE_NAN],
) -> tuple[jax.Array, jax.Array]:
    """Mean and standard deviation over the members whose fitness is finite, both []; NaN where
    there are none."""
    scale, finite = _scale_of(fitness), jnp.isfinite(fitness)
    fitness = fitness / scale
    return scale * jnp.mean(fitness, where=finite), scale * jnp.std(fitness, where=finite)


def norm(gradient: Annotated[jax.Array, MAY_BE_NAN]) -> jax.Array:
    """Euclidean norm, [], also where the squares are too large for float32."""
    scale = _scale_of(gradient)
    return scale * jnp.linalg.norm(gradient / scale)


def gradient(
    eps: Annotated[jax.Array, "P D"],
    fitness: Annotated[jax.Array, "P 2", MAY_BE_NAN],
    sigma: Positive,
) -> jax.Array:
    """The antithetic estimate of Equation 10's gradient.

    Args:
        eps: noise, [P, D].
        fitness: (shaped) fitness of plus and minus, [P, 2].
        sigma: the noise's scale.

    Returns:
        mean over pairs of (F+ - F-) eps / (2 sigma), [D]; to be ascended.

    Raises:
        ValueError: arrays that do not fit one another, a sigma that is not positive.
    """
    difference = fitness[:, 0] - fitness[:, 1]
    return difference @ eps / (2 * sigma * len(eps))
