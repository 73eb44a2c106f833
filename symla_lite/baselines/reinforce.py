"""REINFORCE: a policy that follows the gradient of its return, episode by episode.

Williams (1992), "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement
Learning", Machine Learning 8, section 5 (episodic REINFORCE). An episode is played with the weights
w held still, and then

    w <- w + alpha (R - baseline) sum_t grad_w log pi_w(a_t | o_t),    R = sum_t r_t.

The sum over t needs no record of the episode: the gradient of each step is added to a trace, the
*eligibility*, as soon as the action is known. That gradient is Equations 1 to 3 of the paper with
the policy gradient's error at the outputs, so the whole learner is a fixed rule that is applied to
every weight alike. There is nothing to meta-learn: theta is empty.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from symla_lite.backprop import (
    NONLINEARITIES,
    Weights,
    backward,
    forward,
    init_weights,
    policy_gradient_error,
    update,
)
from symla_lite.learner import Input, Learner, Sizes, Theta


class ReinforceState(NamedTuple):
    """The state h of REINFORCE: the policy, the running episode, and what past ones returned."""

    weights: Weights
    """The policy network's w^(k); its first layer has A + 1 inputs, one of them always 1."""
    eligibility: Weights
    """sum_t grad log pi(a_t | o_t) over the actions of the running episode; shaped as `weights`."""
    R: jax.Array
    """Return of the running episode so far, []."""
    actions: jax.Array
    """Actions in the running episode so far, []."""
    x: jax.Array
    """What the network saw at the step before: the observation, and the 1, [A + 1]."""
    acted: jax.Array
    """1.0 where the action of the step before is taken, 0.0 at birth and where an episode was over,
    []."""
    baseline: jax.Array
    """Mean return of the episodes so far, []."""
    episodes: jax.Array
    """How many they were, []."""


def reinforce(
    hidden: Sequence[int] = (32,),
    learning_rate: float = 0.1,
    horizon: int = 20,
    baseline: bool = True,
    nonlinearity: str = "tanh",
    output_scale: float = 0.1,
) -> Learner:
    """The REINFORCE learner.

    Args:
        hidden: units of the policy network's hidden layers, from the input on; `()` is a linear
            policy.
        learning_rate: alpha.
        horizon: the longest episode, in actions. One that the environment has not ended by then is
            cut: the weights are updated and another begins. A bandit ends none, so there it is the
            interval between updates: 1 updates after every pull.
        baseline: whether the mean return of all past episodes is taken off the return, which then
            says whether it was better than usual. The first episode has none to be compared with,
            and changes no weight. The mean does not depend on the episode's own actions, so the
            gradient is unbiased with it and without.
        nonlinearity: of the hidden layers, a name in `backprop.NONLINEARITIES`.
        output_scale: standard deviation of the fresh logits, for hidden units of unit variance.
            Small: at birth, all actions are about as likely.

    Returns:
        A learner without meta-parameters, for all sizes. Its weights are born independent, and
        identically distributed within a layer.

    Raises:
        ValueError: a layer without units, a learning rate, horizon or scale that is not positive,
            an unknown nonlinearity.
    """
    hidden = tuple(hidden)
    if any(units < 1 for units in hidden):
        raise ValueError(f"A layer has units: hidden={hidden}, give at least 1 for each layer.")
    for name, value in {"learning_rate": learning_rate, "output_scale": output_scale}.items():
        if not value > 0:
            raise ValueError(f"REINFORCE cannot have {name}={value}: give a number above 0.")
    if horizon < 1 or horizon != int(horizon):
        raise ValueError(f"horizon={horizon} is no number of actions: give a whole one, 1 or more.")
    if nonlinearity not in NONLINEARITIES:
        known = ", ".join(map(repr, NONLINEARITIES))
        raise ValueError(f"There is no nonlinearity {nonlinearity!r}: give one of {known}.")

    def init_theta(key: jax.Array, sizes: Sizes) -> Theta:
        del key, sizes
        return {}

    def init_state(theta: Theta, key: jax.Array, sizes: Sizes) -> ReinforceState:
        del theta
        *first, last = init_weights(key, (sizes.observation + 1, *hidden, sizes.action))
        weights = (*first, output_scale * last)
        nothing = jnp.zeros(())
        return ReinforceState(
            weights=weights,
            eligibility=jax.tree.map(jnp.zeros_like, weights),
            R=nothing,
            actions=nothing,
            x=jnp.zeros(sizes.observation + 1),
            acted=nothing,
            baseline=nothing,
            episodes=nothing,
        )

    def count_action(h: ReinforceState, x: Input) -> ReinforceState:
        """Adds the action of the step before, of which `x` tells, to the running episode."""
        xs = forward(h.weights, h.x, nonlinearity)
        # The descent of -acted * log pi(a); no error, and so no change, where nothing was done.
        error = policy_gradient_error(xs[-1], x.a, h.acted)
        deltas = backward(h.weights, xs, error, nonlinearity)
        return h._replace(
            eligibility=update(h.eligibility, xs, deltas, alpha=1.0),
            R=h.R + h.acted * x.r,
            actions=h.actions + h.acted,
        )

    def close_episode(h: ReinforceState) -> ReinforceState:
        """Learns from the running episode, and begins another."""
        usual = jnp.where(h.episodes > 0, h.baseline, h.R) if baseline else 0.0
        step = learning_rate * (h.R - usual)
        episodes = h.episodes + 1
        return h._replace(
            weights=jax.tree.map(lambda w, e: w + step * e, h.weights, h.eligibility),
            eligibility=jax.tree.map(jnp.zeros_like, h.eligibility),
            R=jnp.zeros(()),
            actions=jnp.zeros(()),
            baseline=h.baseline + (h.R - h.baseline) / episodes,
            episodes=episodes,
        )

    def step(theta: Theta, h: ReinforceState, x: Input) -> tuple[jax.Array, ReinforceState]:
        del theta
        h = count_action(h, x)
        over = (h.actions > 0) & ((x.end > 0) | (h.actions >= horizon))
        h = jax.tree.map(lambda new, old: jnp.where(over, new, old), close_episode(h), h)
        seen = jnp.append(x.o, 1.0)
        logits = forward(h.weights, seen, nonlinearity)[-1]
        # An action chosen where an episode is over is not taken (`lifetime`).
        return logits, h._replace(x=seen, acted=1.0 - x.end)

    options = {
        "hidden": list(hidden),
        "learning_rate": learning_rate,
        "horizon": horizon,
        "baseline": baseline,
        "nonlinearity": nonlinearity,
        "output_scale": output_scale,
    }
    return Learner("reinforce", options, init_theta, init_state, step)
