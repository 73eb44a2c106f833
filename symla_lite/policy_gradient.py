"""Policy gradients: the outer loop's gradient by the derivative of the learner itself.

Not in the paper, which needs no derivative of anything (`evolution`). A learner that can be
differentiated can also be meta-trained as a recurrent policy (RL², Duan et al., 2016,
https://arxiv.org/abs/1611.02779; Wang et al., 2016, https://arxiv.org/abs/1611.05763): nothing is
known of how the environment answers, but how theta decides what the learner does is known, at every
step of a lifetime,

    grad E[sum_t r_t] = E[sum_t A_t grad log pi_theta(a_t | all before)],

with the rewards from t on as A_t, but for what other lifetimes earn from there (Williams, 1992).
The derivative is propagated back through the learner's states to the first step of the lifetime.
"""

import dataclasses
import functools
from typing import Annotated

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from symla_lite.checks import MAY_BE_NAN, Count, Key, NotNegative, Positive, Range
from symla_lite.environments.environment import Environment
from symla_lite.learner import Learner, State, Theta
from symla_lite.lifetime import is_finite, live_until


@dataclasses.dataclass(frozen=True)
class PolicyGradient:
    """How the gradient is estimated, in the place of `evolution.ES`.

    Raises:
        ValueError: a discount outside (0, 1], a cut that is not positive, a negative sigma.
    """

    discount: Annotated[float, Range(above=0, most=1)] = 0.95
    """gamma: what a reward counts one step earlier. Less than 1 forgets what an action does much
    later, and with it most of the noise."""
    cut: Positive = 30.0
    """How long the derivative of a lifetime's state may become, in units of what one step weighs
    among all. Learners that remember can be chaotic; the derivative then grows with every step
    that it is propagated back, and would drown all else."""
    sigma: NotNegative = 0.0
    """Standard deviation of noise on theta, drawn anew for each estimate: the gradient is then that
    of evolution strategies' smoothed objective. Without noise theta comes to do well at one point,
    between others where it does not."""

    @property
    def population(self) -> int:
        """Members in all: theta alone, without noise."""
        return 1


def to_go(rewards: Annotated[jax.Array, "L", MAY_BE_NAN], discount: Positive) -> jax.Array:
    """The discounted return from each step on, G_t = r_t + discount * G_{t+1}, [L]."""

    def back(later, r):
        now = r + discount * later
        return now, now

    return jax.lax.scan(back, jnp.zeros((), rewards.dtype), rewards, reverse=True)[1]


def advantages(returns: Annotated[jax.Array, "K L", MAY_BE_NAN]) -> jax.Array:
    """How much more each lifetime earns from each step on than the others do, [K, L], in units of
    its standard deviation. Zeros for a lifetime that has a return which is not finite; the others
    are compared without it.

    Args:
        returns: G_t of K lifetimes, [K, L].
    """
    finite = jnp.all(jnp.isfinite(returns), axis=1, keepdims=True)
    returns = jnp.where(finite, returns, 0.0)
    others = jnp.maximum(jnp.sum(finite) - 1, 1)
    more = jnp.where(finite, returns - (returns.sum(axis=0) - returns) / others, 0.0)
    return more / (jnp.sqrt(jnp.sum(more**2) / jnp.maximum(finite.sum() * more.shape[1], 1)) + 1e-8)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def cut_back(h: State, most: Positive) -> State:
    """The state as it is, whose derivative is cut to a length of `most` where it is longer, and to
    zero where it is not finite."""
    del most
    return h


def _forward(h: State, most: float):
    return cut_back(h, most), None


def _back(most: float, _, derivative: State):
    squares = [jnp.sum(jnp.square(x)) for x in jax.tree.leaves(derivative)]
    length = jnp.sqrt(sum(squares, jnp.zeros(())))
    share = jnp.minimum(1.0, most / jnp.maximum(length, most))
    return (jax.tree.map(lambda x: jnp.where(jnp.isfinite(length), share * x, 0), derivative),)


cut_back.defvjp(_forward, _back)


def differentiable(learner: Learner, most: Positive) -> Learner:
    """The same learner, to be differentiated over long lifetimes: of each step its state alone is
    kept, from which the rest is computed again on the way back, and `cut_back` holds it."""

    def step(theta: Theta, h: State, x):
        return learner.step(theta, cut_back(h, most), x)

    # Inside a loop nothing is computed twice by mistake, which JAX would otherwise guard against.
    return dataclasses.replace(learner, step=jax.checkpoint(step, prevent_cse=False))


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
    """One estimate of the gradient of a lifetime's reward.

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
    if lifetimes < 2:
        raise ValueError(
            f"lifetimes={lifetimes} leave none to compare one with: give at least 2 for a policy "
            "gradient."
        )
    shared = differentiable(learner, how.cut / (lifetimes * length))
    if how.sigma:
        key, key_noise = jax.random.split(key)
        flat, unravel = ravel_pytree(theta)
        theta = unravel(flat + how.sigma * jax.random.normal(key_noise, flat.shape))

    def weighed(theta: Theta) -> tuple[jax.Array, jax.Array]:
        def one(key: Key):
            lived, h = live_until(shared, environment, length, theta, key, unroll)
            chosen = jnp.take_along_axis(
                jax.nn.log_softmax(lived.logits), lived.action[:, None], axis=1
            )[:, 0]
            acted = jnp.where(lived.end > 0, 0.0, chosen)  # at an end no action is taken
            return acted, jnp.where(is_finite(h), lived.reward, jnp.nan)

        log_pi, rewards = jax.vmap(one)(jax.random.split(key, lifetimes))
        rewards = jax.lax.stop_gradient(rewards)
        A = advantages(jax.vmap(to_go, in_axes=(0, None))(rewards, how.discount))
        return jnp.mean(log_pi * A), rewards.sum(axis=1)

    return jax.grad(weighed, has_aux=True)(theta)
