"""Imitation: the outer loop's gradient where somebody knows which action is best.

Not in the paper. Of a generated world everything is known: which arm pays most, what leads where.
So a teacher can say at every step of a lifetime which action is best, and theta can be moved to
make that action likelier,

    grad -E[sum_t log pi_theta(best action at t | all before)].

The learner itself acts, so that what it learns from are lifetimes of its own (Ross et al., 2011,
https://arxiv.org/abs/1011.0686), and it does not hear the teacher: all that it can go by are
observations, actions and rewards, as ever. Who predicts the best action as well as these allow has
for his policy the probability that each action is best, given what was seen: posterior sampling,
which explores where it does not know (Lee et al., 2023, https://arxiv.org/abs/2306.14892).

No reward has to be earned by chance before theta can move, and a step's derivative does not depend
on what other steps earned; it has little of the noise that evolution strategies and policy
gradients have.
"""

import dataclasses

import jax
import jax.numpy as jnp

from symla_lite.checks import Count, Key, NotNegative, Positive
from symla_lite.environments.environment import Environment
from symla_lite.learner import Learner, Theta
from symla_lite.lifetime import is_finite, live_taught
from symla_lite.policy_gradient import differentiable, with_noise

AS_GOOD = 1e-4
"""Actions whose worth differs by no more, relative to the best one's where that is above 1, are
equally good."""


@dataclasses.dataclass(frozen=True)
class Imitation:
    """How the gradient is estimated, in the place of `evolution.ES`.

    Raises:
        ValueError: a cut that is not positive, a negative sigma.
    """

    cut: Positive = 10.0
    """How long the derivative of a lifetime's state may become, as in `PolicyGradient`."""
    sigma: NotNegative = 0.0
    """Standard deviation of noise on theta, as in `PolicyGradient`."""

    @property
    def population(self) -> int:
        """Members in all: one, which is theta, or theta with noise."""
        return 1


def best(worth: jax.Array) -> jax.Array:
    """The probability of each action under a policy that takes a best one, all best ones equally
    likely, [..., B].

    Args:
        worth: of each action, [..., B].
    """
    most = jnp.max(worth, axis=-1, keepdims=True)
    among = (worth >= most - AS_GOOD * jnp.maximum(1.0, jnp.abs(most))).astype(worth.dtype)
    return among / among.sum(axis=-1, keepdims=True)


def gradient(
    learner: Learner,
    environment: Environment,
    length: Count,
    lifetimes: Count,
    how: Imitation,
    theta: Theta,
    key: Key,
    unroll: Count = 1,
) -> tuple[Theta, jax.Array]:
    """One estimate of the gradient of the log probability of the best actions, a mean over steps.

    At the end of an episode the environment takes no action, and none is best.

    Args:
        learner: whose theta; differentiable in it.
        environment: where it lives, with a teacher.
        length: L, steps in a lifetime.
        lifetimes: K, how many.
        how: what to cut.
        theta: the meta-parameters.
        key: all that is random.
        unroll: as in `live`.

    Returns:
        The derivative, to be ascended, of the shape of theta; and what each lifetime has earned,
        [K], NaN where its state is not finite in the end.

    Raises:
        ValueError: the environment has no teacher.
    """
    shared = differentiable(learner, how.cut / (lifetimes * length))
    theta, key = with_noise(theta, how.sigma, key)

    def likely(theta: Theta) -> tuple[jax.Array, jax.Array]:
        def one(key: Key):
            lived, h, worth = live_taught(shared, environment, length, theta, key, unroll)
            wanted = best(jax.lax.stop_gradient(worth))
            log_pi = jnp.sum(wanted * jax.nn.log_softmax(lived.logits), axis=1)
            earned = jnp.where(is_finite(h), lived.reward.sum(), jnp.nan)
            return jnp.where(lived.end > 0, 0.0, log_pi), earned

        log_pi, earned = jax.vmap(one)(jax.random.split(key, lifetimes))
        return jnp.mean(log_pi), earned

    return jax.grad(likely, has_aux=True)(theta)
