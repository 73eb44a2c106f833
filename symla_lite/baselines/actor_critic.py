"""A linear actor-critic: a policy and a value function that learn at every step.

Sutton & Barto (2018), "Reinforcement Learning: An Introduction", second edition, section 13.5,
actor-critic with eligibility traces. Actor and critic are linear in x, the observation and a 1:

    logits = W' x,    v(o) = w' x,    delta = r + gamma v(o') - v(o),
    z_W <- gamma lambda z_W + grad log pi(a | o),    W <- W + alpha_W delta z_W,
    z_w <- gamma lambda z_w + grad v(o),             w <- w + alpha_w delta z_w.

v(o') is 0 where the episode is over. The book's factor gamma^t, which weighs the early actions of
an episode more, is left out, as is usual: a lifetime's reward is not discounted.

Everything starts from zero, so that the learner has the symmetries of the paper exactly, as the
policy gradient has them: it favours no input and no action, and fits all sizes.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from symla_lite.checks import Positive, Share
from symla_lite.learner import Input, Learner, Sizes, Theta


class ActorCriticState(NamedTuple):
    """The state h of the actor-critic."""

    actor: jax.Array
    """W, the policy's weights, [A + 1, B]."""
    critic: jax.Array
    """w, the value's weights, [A + 1]."""
    actor_trace: jax.Array
    """z_W, [A + 1, B]."""
    critic_trace: jax.Array
    """z_w, [A + 1]."""
    x: jax.Array
    """What was seen at the step before: the observation, and the 1, [A + 1]."""
    acted: jax.Array
    """1.0 where the action of the step before was taken, 0.0 before the first step and where an
    episode was over, []."""


def actor_critic(
    actor_rate: Positive = 1.0,
    critic_rate: Positive = 0.03,
    discount: Share = 0.8,
    trace: Share = 0.7,
) -> Learner:
    """The linear actor-critic.

    Its four constants are its theta, in the form theta = (log alpha_W, log alpha_w, logit gamma,
    logit lambda), in which any number will do. `init_theta` gives those of the options, so that it
    is a learner without meta-training; meta-training tunes them, with the budget and by the means
    of the learners that it is compared with. The defaults are tuned by hand: the best of 82
    settings (rates 0.1 to 3 and 0.03 to 0.5, discounts 0.5 to 0.9, traces 0.3 to 0.9) by the reward
    of 200 lifetimes of 1,000 steps on the standardised 2×2 hearts, 1.6 × 10⁷ environment steps in
    all. They are not tuned for other worlds.

    Args:
        actor_rate: alpha_W times A + 1. With inputs of unit variance, a rate of 1 changes a logit
            by about delta, whatever the number of inputs.
        critic_rate: alpha_w times A + 1; 1 makes the value of a single step right at once.
        discount: gamma, between 0 and 1.
        trace: lambda, between 0 and 1.

    Returns:
        A learner for all sizes with four meta-parameters.

    Raises:
        ValueError: a rate that is not positive, a discount or trace that is not between 0 and 1.
    """

    def init_theta(key: jax.Array, sizes: Sizes) -> Theta:
        del key, sizes
        rates = jnp.log(jnp.array([actor_rate, critic_rate]))
        return jnp.concatenate([rates, jax.scipy.special.logit(jnp.array([discount, trace]))])

    def init_state(theta: Theta, key: jax.Array, sizes: Sizes) -> ActorCriticState:
        del theta, key
        critic = jnp.zeros(sizes.observation + 1)
        actor = jnp.zeros((critic.size, sizes.action))
        return ActorCriticState(actor, critic, actor, critic, critic, jnp.zeros(()))

    def learn(theta: Theta, h: ActorCriticState, x: Input, seen: jax.Array) -> ActorCriticState:
        """Learns from the action of the step before, of which `x` tells."""
        alpha_W, alpha_w = jnp.exp(theta[:2]) / seen.size
        gamma, lambda_ = jax.nn.sigmoid(theta[2:])
        delta = x.r + gamma * (1 - x.end) * (h.critic @ seen) - h.critic @ h.x
        surprise = x.a - jax.nn.softmax(h.x @ h.actor)  # of the policy at its own action
        actor_trace = gamma * lambda_ * h.actor_trace + jnp.outer(h.x, surprise)
        critic_trace = gamma * lambda_ * h.critic_trace + h.x
        return h._replace(
            actor=h.actor + alpha_W * delta * actor_trace,
            critic=h.critic + alpha_w * delta * critic_trace,
            actor_trace=(1 - x.end) * actor_trace,
            critic_trace=(1 - x.end) * critic_trace,
        )

    def step(theta: Theta, h: ActorCriticState, x: Input) -> tuple[jax.Array, ActorCriticState]:
        seen = jnp.append(x.o, 1.0)
        # Nothing to learn from where nothing was done.
        h = jax.tree.map(
            lambda new, old: jnp.where(h.acted > 0, new, old), learn(theta, h, x, seen), h
        )
        return seen @ h.actor, h._replace(x=seen, acted=1.0 - x.end)

    options = {
        "actor_rate": actor_rate,
        "critic_rate": critic_rate,
        "discount": discount,
        "trace": trace,
    }
    return Learner("actor-critic", options, init_theta, init_state, step)
