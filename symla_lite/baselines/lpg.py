"""LPG: a learned update rule, which says what to predict and how the policy should change.

Oh et al. (2020), "Discovering Reinforcement Learning Algorithms", NeurIPS,
https://arxiv.org/abs/2007.08794. An agent has a policy pi_w(a | o) and a prediction vector y_v(o),
a categorical distribution whose meaning is not given. An LSTM runs over a piece of experience from
its end to its beginning and reads, at every step (their section 3.1),

    r_t, d_t, gamma, pi(a_t | o_t), phi(y(o_t)), phi(y(o_{t+1})),

where d_t says that the episode ended and phi is a small network. From its state it says how much
more likely the action should become, pi_hat_t, and what should have been predicted, y_hat_t. The
agent follows (their section 3.2)

    Delta w = alpha E_t[pi_hat_t grad_w log pi_w(a_t | o_t)],
    Delta v = -alpha alpha_y E_t[grad_v KL(y_v(o_t) || y_hat_t)].

Theta is the LSTM, phi and the two read-outs. None of them sees an action but through its
probability, or an observation but through y. So theta fits all sizes and favours no action.

What is simpler, and why. The agent takes plain gradient steps, and theta holds alpha and alpha_y,
which the paper chooses for each environment with a bandit over agents: all learners here are tuned
by one outer loop. One piece of one environment makes an update, not of 64, because a lifetime has
one. Theta is meta-trained by an evolution strategy and not by differentiating through 5 updates, so
the regularisers of the paper's meta-gradient are not needed; Jackson et al. (2024,
https://arxiv.org/abs/2402.05828) train LPG by evolution, too. Sizes are smaller: 8 predictions and
16 units in place of 30 and 256.
"""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp

from symla_lite.backprop import Hidden, Weights, forward
from symla_lite.baselines.reinforce import init_policy
from symla_lite.baselines.segments import Recorder, Segment, new_recorder, record
from symla_lite.checks import Count, Positive, Range
from symla_lite.learner import Input, Learner, Sizes, Theta


class LPGState(NamedTuple):
    """The state h of LPG."""

    policy: Weights
    """w: the weights of the policy."""
    prediction: Weights
    """v: the weights of the predictions."""
    recorder: Recorder
    """What happened since the last update."""


def lpg(
    hidden: Sequence[Count] = (32,),
    units: Count = 16,
    predictions: Count = 8,
    horizon: Count = 20,
    discount: Annotated[float, Range(least=0, most=1)] = 0.95,
    learning_rate: Positive = 1.0,
    prediction_rate: Positive = 0.5,
    nonlinearity: Hidden = "tanh",
    output_scale: Positive = 0.1,
) -> Learner:
    """The LPG learner.

    Args:
        hidden: units of the hidden layers of the policy, and of the predictions; `()` makes both
            linear.
        units: of the LSTM.
        predictions: the length of y.
        horizon: steps between updates, and of the piece that each learns from (20 in the paper).
        discount: gamma, which the LSTM reads.
        learning_rate: alpha, where meta-training begins.
        prediction_rate: alpha_y, where meta-training begins (0.5 in the paper).
        nonlinearity: of the hidden layers, a name in `backprop.NONLINEARITIES`.
        output_scale: standard deviation of the fresh logits.

    Returns:
        A learner whose theta fits all sizes: Haiku's parameters of the rule, `rule`, and the
        logarithms of alpha and alpha_y, `log_rates`.

    Raises:
        ValueError: a size, rate or scale that is not positive, an unknown nonlinearity.
    """
    hidden = tuple(hidden)

    def rule(s: Segment, pi: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        """pi_hat [H] and log y_hat [H, m] from a segment, pi(a_t | o_t) [H] and y [H + 1, m]."""
        phi = hk.nets.MLP((16, 1), name="phi")(y)[:, 0]
        gamma = jnp.full_like(s.r, discount)
        inputs = jnp.stack([s.r, s.end, gamma, pi, phi[:-1], (1 - s.end) * phi[1:]], axis=-1)
        # Backwards in time: what comes after an end has nothing to do with what came before it.
        lstm = hk.ResetCore(hk.LSTM(units, name="lstm"))
        h, _ = hk.dynamic_unroll(lstm, (inputs, s.end > 0), lstm.initial_state(None), reverse=True)
        pi_hat = hk.Linear(1, name="pi_hat")(h)[:, 0]
        return pi_hat, jax.nn.log_softmax(hk.Linear(predictions, name="y_hat")(h))

    network = hk.without_apply_rng(hk.transform(rule))

    def init_theta(key: jax.Array, sizes: Sizes) -> Theta:
        segment = new_recorder(horizon, sizes).segment
        y = jnp.zeros((horizon + 1, predictions))
        return {
            "rule": network.init(key, segment, segment.r, y),
            "log_rates": jnp.log(jnp.array([learning_rate, prediction_rate])),
        }

    def init_state(theta: Theta, key: jax.Array, sizes: Sizes) -> LPGState:
        del theta  # fits all sizes
        key_policy, key_prediction = jax.random.split(key)
        A, B = sizes
        return LPGState(
            policy=init_policy(key_policy, A, hidden, B, output_scale),
            prediction=init_policy(key_prediction, A, hidden, predictions, output_scale),
            recorder=new_recorder(horizon, sizes),
        )

    def log_softmax(weights: Weights, x: jax.Array) -> jax.Array:
        return jax.nn.log_softmax(forward(weights, x, nonlinearity)[-1])

    def learn(theta: Theta, h: LPGState, s: Segment, last: jax.Array) -> tuple[Weights, Weights]:
        """The policy and the predictions after a segment, which ends with what is seen `last`."""
        alpha, alpha_y = jnp.exp(theta["log_rates"])
        pi = jnp.exp(jnp.sum(s.a * log_softmax(h.policy, s.x), axis=-1))
        y = jnp.exp(log_softmax(h.prediction, jnp.concatenate([s.x, last[None]])))
        pi_hat, log_y_hat = network.apply(theta["rule"], s, pi, y)

        def objective(policy: Weights, prediction: Weights) -> jax.Array:
            log_pi = jnp.sum(s.a * log_softmax(policy, s.x), axis=-1)
            log_y = log_softmax(prediction, s.x)
            kl = jnp.sum(jnp.exp(log_y) * (log_y - log_y_hat), axis=-1)
            return jnp.mean(s.acted * (pi_hat * log_pi - alpha_y * kl))

        ascent = jax.grad(objective, argnums=(0, 1))(h.policy, h.prediction)
        return jax.tree.map(lambda w, g: w + alpha * g, (h.policy, h.prediction), ascent)

    def step(theta: Theta, h: LPGState, x: Input) -> tuple[jax.Array, LPGState]:
        recorder, seen, (policy, prediction) = record(
            h.recorder, x, lambda s, last: learn(theta, h, s, last), (h.policy, h.prediction)
        )
        logits = forward(policy, seen, nonlinearity)[-1]
        return logits, LPGState(policy, prediction, recorder)

    options = {
        "hidden": list(hidden),
        "units": units,
        "predictions": predictions,
        "horizon": horizon,
        "discount": discount,
        "learning_rate": learning_rate,
        "prediction_rate": prediction_rate,
        "nonlinearity": nonlinearity,
        "output_scale": output_scale,
    }
    return Learner("lpg", options, init_theta, init_state, step)
