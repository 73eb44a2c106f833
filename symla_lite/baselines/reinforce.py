"""REINFORCE: a policy that follows the gradient of its return, episode by episode.

Williams (1992), "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement
Learning", Machine Learning 8, section 5 (episodic REINFORCE). An episode is played with the weights
w held still, and then

    w <- w + alpha (R - baseline) sum_t grad_w log pi_w(a_t | o_t),    R = sum_t r_t.

The sum over t needs no record of the episode: the gradient of each step is added to a trace, the
*eligibility*, as soon as the action is known. That gradient is Equations 1 to 3 of the paper with
the policy gradient's error at the outputs, so the whole learner is a fixed rule that is applied to
every weight alike. There is nothing to meta-learn: theta is empty, but for the two constants of
`reinforce(tuned=True)`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from symla_lite.backprop import (
    Hidden,
    Weights,
    backward,
    forward,
    init_weights,
    policy_gradient_error,
    update,
)
from symla_lite.checks import Count, Key, Positive
from symla_lite.learner import Input, Learner, Sizes, State, Theta


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
    """1.0 where the action of the step before is taken, 0.0 before the first step and where an
    episode was over, []."""
    baseline: jax.Array
    """Mean return of the episodes so far, []."""
    episodes: jax.Array
    """How many they were, []."""


class Constants(NamedTuple):
    """What REINFORCE does not learn."""

    learning_rate: jax.Array
    """alpha, []."""
    horizon: jax.Array
    """The longest episode, in actions, []."""


def reinforce(
    hidden: Sequence[Count] = (32,),
    learning_rate: Positive = 0.1,
    horizon: Count = 20,
    baseline: bool = True,
    nonlinearity: Hidden = "tanh",
    output_scale: Positive = 0.1,
    tuned: bool = False,
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
            Small: at first, all actions are about as likely.
        tuned: whether learning rate and horizon are theta, as logarithms, and begin at the values
            given. Meta-training then tunes them, with the budget of the learners that REINFORCE is
            compared with.

    Returns:
        A learner for all sizes, without meta-parameters or, if `tuned`, with two. Its first weights
        are independent, and identically distributed within a layer.

    Raises:
        ValueError: a layer without units, a learning rate, horizon or scale that is not positive,
            an unknown nonlinearity.
    """
    hidden = tuple(hidden)
    constants = Constants(learning_rate, horizon)

    def init_theta(key: jax.Array, sizes: Sizes) -> Theta:
        del key, sizes
        return {"log_constants": jnp.log(jnp.array(constants))} if tuned else {}

    def first_weights(theta: Theta, key: jax.Array, sizes: Sizes) -> Weights:
        del theta
        return init_policy(key, sizes.observation, hidden, sizes.action, output_scale)

    options = {
        "hidden": list(hidden),
        "learning_rate": learning_rate,
        "horizon": horizon,
        "baseline": baseline,
        "nonlinearity": nonlinearity,
        "output_scale": output_scale,
    } | ({"tuned": True} if tuned else {})
    of_theta = constants_of if tuned else lambda theta: constants
    return policy_gradient_learner(
        "reinforce", options, init_theta, first_weights, of_theta, baseline, nonlinearity
    )


def constants_of(theta: Theta) -> Constants:
    """The constants in a theta that has them."""
    return Constants(*jnp.exp(theta["log_constants"]))


def init_policy(
    key: Key, observation: Count, hidden: Sequence[Count], outputs: Count, output_scale: Positive
) -> Weights:
    """Fresh weights of a network that sees an observation and a 1.

    Args:
        key: all that is random.
        observation: A; the first layer has A + 1 inputs.
        hidden: units of the hidden layers.
        outputs: B.
        output_scale: standard deviation of the outputs, for hidden units of unit variance.
    """
    *first, last = init_weights(key, (observation + 1, *hidden, outputs))
    return (*first, output_scale * last)


def policy_gradient_learner(
    name: str,
    options: Mapping[str, Any],
    init_theta: Callable[[jax.Array, Sizes], Theta],
    first_weights: Callable[[Theta, jax.Array, Sizes], Weights],
    constants: Callable[[Theta], Constants],
    baseline: bool,
    nonlinearity: Hidden,
) -> Learner:
    """REINFORCE from any first weights and with any constants: what it shares with MAML.

    Args:
        name: a short name.
        options: what it was made with, in plain types.
        init_theta: as in `Learner`.
        first_weights: `(theta, key, sizes) -> w^(k)`, as `init_policy` makes them.
        constants: `(theta) -> Constants`.
        baseline: as in `reinforce`.
        nonlinearity: as in `reinforce`.
    """

    def init_state(theta: Theta, key: jax.Array, sizes: Sizes) -> ReinforceState:
        weights = first_weights(theta, key, sizes)
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

    def close_episode(h: ReinforceState, learning_rate: jax.Array) -> ReinforceState:
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

    def step(theta: Theta, h: State, x: Input) -> tuple[jax.Array, ReinforceState]:
        learning_rate, horizon = constants(theta)
        h = count_action(h, x)
        over = (h.actions > 0) & ((x.end > 0) | (h.actions >= horizon))
        closed = close_episode(h, learning_rate)
        h = jax.tree.map(lambda new, old: jnp.where(over, new, old), closed, h)
        seen = jnp.append(x.o, 1.0)
        logits = forward(h.weights, seen, nonlinearity)[-1]
        # An action chosen where an episode is over is not taken (`lifetime`).
        return logits, h._replace(x=seen, acted=1.0 - x.end)

    return Learner(name, options, init_theta, init_state, step)
