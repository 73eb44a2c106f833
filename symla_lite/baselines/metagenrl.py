"""MetaGenRL: a learned objective function, whose gradient changes the policy.

Kirsch, van Steenkiste & Schmidhuber (2020), "Improving Generalization in Meta Reinforcement
Learning using Learned Objectives", ICLR, https://arxiv.org/abs/1910.04098. The objective L reads a
piece of experience tau, what the policy pi_w says to the observations in it, and a critic's values
V. The policy follows its gradient, which flows through the policy's outputs (their section 3):

    w <- w - alpha grad_w L(tau, pi_w, V).

L is an LSTM that runs from the end of the piece to its beginning. At each step it reads r_t, the
time t / H, V(o_t), V(o_{t+1}), and what became of the actions: each action's own pair, whether it
was taken and what its log-probability is, goes through one small network, and the results are
summed over the actions. From the LSTM's state an error is read out, and L is the mean of the
errors. So theta fits all sizes, and L has the symmetry of Equation 5: permuting the actions
permutes the gradient.

What is simpler, and why. The paper's actions are real numbers, its critic is that of DDPG and tells
the outer loop where the objective should lead: theta follows the critic's gradient through one
update of the policy. Here the outer loop is an evolution strategy on the lifetime's reward, as for
all learners of this package, so no critic is needed for it; what is left of it is V, a prediction
of the discounted reward that the objective may read. There is no replay buffer: a policy learns
from a piece when it ends, once, because a lifetime is short and memory would be most of its state.
Rewards and values are not normalised, and each network has one layer in place of three. Results
are summed over the actions, as the paper on SymLA says of MetaGenRL; its public code takes their
mean. Theta holds alpha and the critic's rate.
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


class MetaGenRLState(NamedTuple):
    """The state h of MetaGenRL."""

    policy: Weights
    """w: the weights of the policy."""
    critic: Weights
    """The weights of V, which has one output."""
    recorder: Recorder
    """What happened since the last update."""


def metagenrl(
    hidden: Sequence[Count] = (32,),
    units: Count = 16,
    horizon: Count = 20,
    discount: Annotated[float, Range(least=0, most=1)] = 0.95,
    learning_rate: Positive = 1.0,
    critic_rate: Positive = 0.1,
    nonlinearity: Hidden = "tanh",
    output_scale: Positive = 0.1,
) -> Learner:
    """The MetaGenRL learner.

    Args:
        hidden: units of the hidden layers of the policy, and of the critic; `()` makes both linear.
        units: of the LSTM (32 in the paper).
        horizon: H, steps between updates, and of the piece that each learns from.
        discount: gamma, of the rewards that V predicts; between 0 and 1.
        learning_rate: alpha, where meta-training begins.
        critic_rate: V's learning rate, where meta-training begins.
        nonlinearity: of the hidden layers, a name in `backprop.NONLINEARITIES`.
        output_scale: standard deviation of the fresh logits and values.

    Returns:
        A learner whose theta fits all sizes: Haiku's parameters of L, `objective`, and the
        logarithms of the two rates, `log_rates`.

    Raises:
        ValueError: a size, rate or scale that is not positive, a discount that is not between 0 and
            1, an unknown nonlinearity.
    """
    hidden = tuple(hidden)

    def objective(s: Segment, log_pi: jax.Array, v: jax.Array) -> jax.Array:
        """L [] of a segment, log pi(. | o_t) [H, B], and V [H + 1]."""
        pairs = jnp.stack([s.a, log_pi], axis=-1)
        of_actions = jnp.sum(jax.nn.relu(hk.Linear(8, name="action")(pairs)), axis=-2)
        time = jnp.arange(horizon) / horizon
        others = jnp.stack([s.r, time, v[:-1], (1 - s.end) * v[1:]], axis=-1)
        # Backwards in time: what comes after an end has nothing to do with what came before it.
        lstm = hk.ResetCore(hk.LSTM(units, name="lstm"))
        inputs = jnp.concatenate([of_actions, others], axis=-1)
        h, _ = hk.dynamic_unroll(lstm, (inputs, s.end > 0), lstm.initial_state(None), reverse=True)
        error = hk.Linear(1, with_bias=False, name="error")(h)[:, 0]
        return jnp.mean(s.acted * error)

    network = hk.without_apply_rng(hk.transform(objective))

    def init_theta(key: jax.Array, sizes: Sizes) -> Theta:
        segment = new_recorder(horizon, sizes).segment
        return {
            "objective": network.init(key, segment, segment.a, jnp.zeros(horizon + 1)),
            "log_rates": jnp.log(jnp.array([learning_rate, critic_rate])),
        }

    def init_state(theta: Theta, key: jax.Array, sizes: Sizes) -> MetaGenRLState:
        del theta  # fits all sizes
        key_policy, key_critic = jax.random.split(key)
        A, B = sizes
        return MetaGenRLState(
            policy=init_policy(key_policy, A, hidden, B, output_scale),
            critic=init_policy(key_critic, A, hidden, 1, output_scale),
            recorder=new_recorder(horizon, sizes),
        )

    def value(critic: Weights, x: jax.Array) -> jax.Array:
        return forward(critic, x, nonlinearity)[-1][..., 0]

    def returns(s: Segment, last: jax.Array) -> jax.Array:
        """Discounted rewards to come [H], with the value `last` in the place of those unseen."""

        def backwards(to_come, step):
            r, end = step
            to_come = r + discount * (1 - end) * to_come
            return to_come, to_come

        return jax.lax.scan(backwards, last, (s.r, s.end), reverse=True)[1]

    def learn(theta: Theta, h: MetaGenRLState, s: Segment, last: jax.Array):
        """The policy and the critic after a segment, which ends with what is seen `last`."""
        alpha, critic_alpha = jnp.exp(theta["log_rates"])
        v = value(h.critic, jnp.concatenate([s.x, last[None]]))

        def loss(policy: Weights) -> jax.Array:
            log_pi = jax.nn.log_softmax(forward(policy, s.x, nonlinearity)[-1])
            return network.apply(theta["objective"], s, log_pi, v)

        def squared_error(critic: Weights) -> jax.Array:
            return jnp.mean(s.acted * (value(critic, s.x) - returns(s, v[-1])) ** 2) / 2

        policy = jax.tree.map(lambda w, g: w - alpha * g, h.policy, jax.grad(loss)(h.policy))
        descent = jax.grad(squared_error)(h.critic)
        return policy, jax.tree.map(lambda w, g: w - critic_alpha * g, h.critic, descent)

    def step(theta: Theta, h: MetaGenRLState, x: Input) -> tuple[jax.Array, MetaGenRLState]:
        recorder, seen, (policy, critic) = record(
            h.recorder, x, lambda s, last: learn(theta, h, s, last), (h.policy, h.critic)
        )
        logits = forward(policy, seen, nonlinearity)[-1]
        return logits, MetaGenRLState(policy, critic, recorder)

    options = {
        "hidden": list(hidden),
        "units": units,
        "horizon": horizon,
        "discount": discount,
        "learning_rate": learning_rate,
        "critic_rate": critic_rate,
        "nonlinearity": nonlinearity,
        "output_scale": output_scale,
    }
    return Learner("metagenrl", options, init_theta, init_state, step)
