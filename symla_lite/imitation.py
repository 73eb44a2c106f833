"""Imitation: the outer loop's gradient where somebody knows which action is best.

Not in the paper. Of a generated world everything is known: which arm pays most, what leads where.
So an expert can say at every step of a lifetime which action is best there (`Environment.teacher`),
and theta can be moved to make that action likelier. What is climbed is, over steps,

    the mean of log pi_theta(the best action at t | all before),

in lifetimes in which the learner itself acts. They are its own, so that it is taught where it comes
to (Ross et al., 2011, https://arxiv.org/abs/1011.0686), but they are taken as given: no derivative
goes through what it does. The learner does not hear the expert: all that it can go by are
observations, actions and rewards, as ever. In a bandit who predicts the best action as well as
these allow has for a policy the probability that each action is best, given what was seen. That is
posterior sampling, which explores where it does not know (Lee et al., 2023,
https://arxiv.org/abs/2306.14892). Where one action leads to the next it is less than that: each
step is sampled anew, and no plan is followed to its end to find something out.

No reward has to be earned by chance before theta can move, and a step's derivative does not depend
on what other steps earned.
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
"""Actions whose values differ by no more, relative to the best one's where that is above 1, are
equally good."""


@dataclasses.dataclass(frozen=True)
class Imitation:
    """How the gradient is estimated, in the place of `evolution.ES`.

    Raises:
        ValueError: a cut that is not positive, a negative sigma.
    """

    cut: Positive = 10.0
    """How long the derivative of a lifetime's state may become, as in `PolicyGradient`: in units of
    what one step weighs among all."""
    sigma: NotNegative = 0.0
    """Standard deviation of noise on theta, as in `PolicyGradient`."""

    @property
    def population(self) -> int:
        """Members in all: one, which is theta, or theta with noise."""
        return 1


def best(values: jax.Array) -> jax.Array:
    """Which actions are best, or as good as the best: truth values, [..., B].

    Args:
        values: of each action, [..., B].
    """
    most = jnp.max(values, axis=-1, keepdims=True)
    return values >= most - AS_GOOD * jnp.maximum(1.0, jnp.abs(most))


def log_probability(logits: jax.Array, among: jax.Array) -> jax.Array:
    """The log probability that an action is one of some, [...]. Where it is one of all, that is
    zero, and so is its derivative: nothing is asked for where no action is better.

    Args:
        logits: [..., B].
        among: which actions, truth values, [..., B], at least one.
    """
    log_pi = jax.nn.log_softmax(logits)
    found = jax.nn.logsumexp(log_pi, axis=-1, where=among)
    return jnp.where(jnp.all(among, axis=-1), 0.0, found)


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
    Of several that are equally good any may be taken.

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
            lived, h, values = live_taught(shared, environment, length, theta, key, unroll)
            log_pi = log_probability(lived.logits, best(jax.lax.stop_gradient(values)))
            earned = jnp.where(is_finite(h), lived.reward.sum(), jnp.nan)
            return jnp.where(lived.end > 0, 0.0, log_pi), earned

        log_pi, earned = jax.vmap(one)(jax.random.split(key, lifetimes))
        return jnp.mean(log_pi), earned

    return jax.grad(likely, has_aux=True)(theta)
