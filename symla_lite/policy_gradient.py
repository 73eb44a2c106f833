"""Policy gradients: the outer loop's gradient by the derivative of the learner itself.

Not in the paper, which needs no derivative of anything (`evolution`). A learner that can be
differentiated can also be meta-trained as a recurrent policy (RL², Duan et al., 2016,
https://arxiv.org/abs/1611.02779; Wang et al., 2016, https://arxiv.org/abs/1611.05763): nothing is
known of how the environment answers, but how theta decides what the learner does is known, at every
step of a lifetime,

    grad E[sum_t r_t] = E[sum_t A_t grad log pi_theta(a_t | all before)],

with the rewards from t on as A_t, less what other lifetimes earn from there on average (Williams,
1992), and less what the lifetime's own rewards before t predict, if asked to. The derivative is
propagated back through the learner's states to the first step of the lifetime.
"""

import dataclasses
import functools
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from symla_lite.checks import MAY_BE_NAN, Count, Key, NotNegative, Positive, Range
from symla_lite.environments.environment import Environment
from symla_lite.learner import Learner, State, Theta
from symla_lite.lifetime import is_finite, live_until

Discount = Annotated[float, Range(above=0, most=1)]
"""gamma."""


@dataclasses.dataclass(frozen=True)
class PolicyGradient:
    """How the gradient is estimated, in the place of `evolution.ES`.

    Raises:
        ValueError: a discount outside (0, 1], a cut that is not positive, a negative sigma, an
            unknown baseline.
    """

    discount: Discount = 0.95
    """gamma: what a reward counts one step earlier. With less than 1 the estimate leaves out what
    an action does much later, and with it most of the noise."""
    cut: Positive = 30.0
    """How long the derivative of a lifetime's state may become, in units of what one step weighs
    among all. Learners that remember can be chaotic; the derivative then grows with every step
    that it is propagated back, and would drown all else."""
    sigma: NotNegative = 0.0
    """Standard deviation of noise on theta, drawn anew for each estimate, which then climbs about
    what evolution strategies climb, the reward smoothed by that noise. Without it theta can come to
    do well at one point, between others where it does not."""

    baseline: Literal["others", "past"] = "others"
    """What a return is compared with: what the other lifetimes earn, or also what the rewards that
    the lifetime has received predict (`beyond_past`). Where tasks pay differently, a lifetime may
    earn more than others because of its task alone, which no action changes."""

    @property
    def population(self) -> int:
        """Members in all: one, which is theta, or theta with noise."""
        return 1


def check_several(lifetimes: int) -> None:
    """Raises `ValueError` where there is no other lifetime to compare one with."""
    if lifetimes < 2:
        raise ValueError(
            f"lifetimes={lifetimes} leave none to compare one with: give a policy gradient at "
            "least 2, on each environment of a mixture."
        )


def to_go(rewards: Annotated[jax.Array, "L", MAY_BE_NAN], discount: Discount) -> jax.Array:
    """The discounted return from each step on, R_t = r_t + discount * R_{t+1}, [L]."""

    def back(later, r):
        now = r + discount * later
        return now, now

    return jax.lax.scan(back, jnp.zeros((), rewards.dtype), rewards, reverse=True)[1]


def advantages(returns: Annotated[jax.Array, "K L", MAY_BE_NAN]) -> jax.Array:
    """How much more each lifetime earns from each step on than the others do, [K, L], in units of
    the standard deviation of that. Zeros for a lifetime that has a return which is not finite; the
    others are compared without it. Zeros for all where all earn the same, or one is left.

    Args:
        returns: R_t of K lifetimes, [K, L].
    """
    finite = jnp.all(jnp.isfinite(returns), axis=1, keepdims=True)
    # What is common to all cancels; taken away before the sum, it leaves no rounding behind.
    more = jnp.where(finite, returns - returns[jnp.argmax(finite)], 0.0)
    more = more / (jnp.max(jnp.abs(more)) + 1e-30)  # squares of what is left stay finite
    others = jnp.sum(finite) - 1
    more = jnp.where(finite & (others > 0), more - (more.sum(axis=0) - more) / others, 0.0)
    variance = jnp.sum(more**2) / jnp.maximum(finite.sum() * more.shape[1], 1)
    return more / (jnp.sqrt(variance) + 1e-8)


MEMORIES = (0.0, 0.8, 0.95, 0.99)
"""The share of itself that each running mean of `past` keeps at a step."""


def past(rewards: Annotated[jax.Array, "K L"]) -> jax.Array:
    """Running means of what each lifetime has received before each step, one for each of
    `MEMORIES`, [K, L, len(MEMORIES)]. They begin with zero. The one that keeps nothing is the most
    recent reward."""
    decay = jnp.array(MEMORIES, rewards.dtype)

    def step(means, r):
        return decay * means + (1 - decay) * r[:, None], means

    begin = jnp.zeros((rewards.shape[0], len(MEMORIES)), rewards.dtype)
    return jnp.moveaxis(jax.lax.scan(step, begin, rewards.T)[1], 0, 1)


def beyond_past(
    returns: Annotated[jax.Array, "K L", MAY_BE_NAN],
    rewards: Annotated[jax.Array, "K L", MAY_BE_NAN],
) -> jax.Array:
    """The returns, less what the rewards before each step predict, [K, L].

    The prediction is linear in running means of these rewards (`past`), as they differ from those
    of the other lifetimes, with the coefficients that fit the returns best over all lifetimes and
    steps, but for a small ridge. No action changes what was received before it. But the
    coefficients follow the very returns that they are fitted to, and take a share of the signal
    with them: half a per cent with 8 lifetimes of 300 steps and a discount of 0.8, and nearly half
    with two lifetimes of three steps. In the last steps, where fewer rewards are left than the
    coefficients assume, the returns become noisier.

    Lifetimes with a return that is not finite are left out of the fit.

    Args:
        returns: R_t of K lifetimes, [K, L].
        rewards: r_t, [K, L].
    """
    finite = jnp.all(jnp.isfinite(returns), axis=1)[:, None]
    received = past(jnp.where(finite, rewards, 0.0))
    several = jnp.concatenate([returns[..., None], received], axis=-1)
    # As in `advantages`: what is common to all leaves no rounding behind.
    several = jnp.where(finite[..., None], several - several[jnp.argmax(finite)], 0.0)
    # By powers of two, which divide without rounding, so that all squares stay finite.
    most = jnp.max(jnp.abs(several), axis=(0, 1))
    power = jnp.exp2(jnp.floor(jnp.log2(jnp.where(most > 0, most, 1.0))))
    several = several / power
    mean = several.sum(axis=0) / jnp.maximum(finite.sum(), 1)
    several = jnp.where(finite[..., None], several - mean, 0.0)
    # In units of their deviation, so that a small ridge means the same for all rewards.
    unit = jnp.sqrt(jnp.mean(several**2, axis=(0, 1))) + 1e-30
    products = jnp.einsum("klm,kln->mn", several / unit, several / unit) / returns.size
    ridge = 1e-3 * jnp.eye(len(MEMORIES), dtype=several.dtype)
    weights = jnp.linalg.solve(products[1:, 1:] + ridge, products[1:, 0])
    return returns - power[0] * (unit[0] * ((several / unit)[..., 1:] @ weights))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def cut_back(h: State, most: Positive) -> State:
    """The state as it is, whose derivative is cut to a length of `most` where it is longer, and to
    zero where it is not finite."""
    del most
    return h


def _forward(h: State, most: float):
    return cut_back(h, most), None


def _back(most: float, _, derivative: State):
    def has_one(x: jax.Array) -> bool:
        """Whole numbers have no derivative; JAX says so with a type of its own."""
        return x.dtype != jax.dtypes.float0

    squares = [jnp.sum(jnp.square(x)) for x in jax.tree.leaves(derivative) if has_one(x)]
    length = jnp.sqrt(sum(squares, jnp.zeros(())))
    share = jnp.minimum(1.0, most / jnp.maximum(length, most))

    def cut(x):
        return jnp.where(jnp.isfinite(length), share * x, 0) if has_one(x) else x

    return (jax.tree.map(cut, derivative),)


cut_back.defvjp(_forward, _back)


def differentiable(learner: Learner, most: Positive) -> Learner:
    """The same learner, to be differentiated over long lifetimes: of each step its state and input
    are kept, from which the rest is computed again on the way back, and `cut_back` holds the
    derivative of the state."""

    def step(theta: Theta, h: State, x):
        return learner.step(theta, cut_back(h, most), x)

    # Inside a loop the compiler cannot merge what is computed again with what was computed first,
    # which JAX would otherwise guard against.
    return dataclasses.replace(learner, step=jax.checkpoint(step, prevent_cse=False))


def with_noise(theta: Theta, sigma: NotNegative, key: Key) -> tuple[Theta, jax.Array]:
    """Theta with noise of a standard deviation of sigma, and a key for all else that is random."""
    if not sigma:
        return theta, key
    key, key_noise = jax.random.split(key)
    flat, unravel = ravel_pytree(theta)
    return unravel(flat + sigma * jax.random.normal(key_noise, flat.shape)), key


def gradient(
    learner: Learner,
    environment: Environment,
    length: Count,
    lifetimes: Count,
    how: PolicyGradient,
    theta: Theta,
    key: Key,
    unroll: Count = 1,
) -> tuple[Theta, jax.Array]:
    """One estimate of the gradient of a lifetime's discounted reward: a mean over steps, in units
    of the standard deviation of the returns.

    At the end of an episode the environment takes no action, and the term of the one that was drawn
    is left out. It is not quite zero, since the learner receives that action at the next step; but
    it is nearly all noise, and with it meta-training was lost where episodes are short.

    Args:
        learner: whose theta; differentiable in it.
        environment: where it lives.
        length: L, steps in a lifetime.
        lifetimes: K, how many, at least 2: each is compared with the others.
        how: what to count and to cut.
        theta: the meta-parameters.
        key: all that is random.
        unroll: as in `live`.

    Returns:
        The derivative, to be ascended, of the shape of theta; and what each lifetime has earned,
        [K], NaN where its state is not finite in the end.

    Raises:
        ValueError: fewer than two lifetimes.
    """
    check_several(lifetimes)
    shared = differentiable(learner, how.cut / (lifetimes * length))
    theta, key = with_noise(theta, how.sigma, key)

    def weighed(theta: Theta) -> tuple[jax.Array, jax.Array]:
        def one(key: Key):
            lived, h = live_until(shared, environment, length, theta, key, unroll)
            log_pi = jax.nn.log_softmax(lived.logits)
            chosen = jnp.take_along_axis(log_pi, lived.action[:, None], axis=1)[:, 0]
            taken = jnp.where(lived.end > 0, 0.0, chosen)
            return taken, jnp.where(is_finite(h), lived.reward, jnp.nan)

        log_pi, rewards = jax.vmap(one)(jax.random.split(key, lifetimes))
        rewards = jax.lax.stop_gradient(rewards)
        R = jax.vmap(to_go, in_axes=(0, None))(rewards, how.discount)
        A = advantages(beyond_past(R, rewards) if how.baseline == "past" else R)
        return jnp.mean(log_pi * A), rewards.sum(axis=1)

    return jax.grad(weighed, has_aux=True)(theta)
