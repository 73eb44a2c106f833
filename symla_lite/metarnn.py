"""The MetaRNN, also known as RL^2: one recurrent network that is policy and learning rule in one.

Equation 4 of the paper, with the LSTM of Wang et al. (2016) in place of the simple recurrence. The
network reads observation, reward and previous action side by side, and keeps its state across
episodes. Each of its inputs and outputs has weights of its own: theta depends on the order of the
arms and on their number.
"""

import haiku as hk
import jax
import jax.numpy as jnp

from symla_lite.checks import Count
from symla_lite.learner import Input, Learner, Sizes, first_input
from symla_lite.lstm import with_forget_bias


def metarnn(hidden: Count = 48, end_flag: bool = True, forget_bias: float = 1.0) -> Learner:
    """The MetaRNN learner.

    Args:
        hidden: N, the number of LSTM units (48 in Wang et al., 2016).
        end_flag: whether it receives a flag where an episode has ended.
        forget_bias: the forget gate's bias when theta is initialised; decides how long a fresh
            network remembers. 1 is Haiku's constant.

    Returns:
        A learner whose theta fits one pair of sizes only.

    Raises:
        ValueError: `hidden` is not positive.
    """

    def forward(h: hk.LSTMState, x: Input):
        signals = [x.o, x.a, x.r[None]] + ([x.end[None]] if end_flag else [])
        out, h = hk.LSTM(hidden, name="lstm")(jnp.concatenate(signals), h)
        return hk.Linear(x.a.shape[-1], name="action")(out), h

    network = hk.without_apply_rng(hk.transform(forward))

    def zero_state() -> hk.LSTMState:
        return hk.LSTMState(hidden=jnp.zeros(hidden), cell=jnp.zeros(hidden))

    def init_theta(key: jax.Array, sizes: Sizes):
        x = first_input(jnp.zeros(sizes.observation), sizes)
        theta = network.init(key, zero_state(), x)
        return with_forget_bias(theta, "lstm/linear", forget_bias)

    def init_state(theta, key: jax.Array, sizes: Sizes) -> hk.LSTMState:
        del theta, key, sizes
        return zero_state()

    return Learner(
        name="metarnn",
        options={"hidden": hidden, "end_flag": end_flag, "forget_bias": forget_bias},
        init_theta=init_theta,
        init_state=init_state,
        step=network.apply,
    )
