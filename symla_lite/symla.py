"""SymLA: the cells of VSML as an agent, which receives a reward and its own messages.

Equation 9 and Algorithm 1 of the paper. In the place of each weight w_ab^(k) of a network with A
inputs and B outputs stands an LSTM with a state h_ab^(k); all of them have the same theta (`vsml`).
In Equation 6 a cell (a, b) of layer k receives the messages of the layers beside its own,
m_fwd_a^(k) and m_bwd_b^(k). Equation 9 adds two things: the reward, and what its own layer has sent
before,

    h_ab^(k) <- f_RNN(h_ab^(k), m_fwd_a^(k), m_bwd_b^(k), r, m_fwd_b^(k+1), m_bwd_a^(k-1)).    (9)

The observation enters the first layer as m_fwd^(1), the previous action the last one as m_bwd^(K),
and the logits leave it as the first entries of m_fwd^(K+1). So theta depends neither on the
number of inputs, outputs and hidden units nor on their order.
"""

import dataclasses
import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from symla_lite import vsml
from symla_lite.checks import Count, NotNegative
from symla_lite.learner import Input, Learner, Sizes, State, Theta
from symla_lite.vsml import CellInputs, Cells


@dataclasses.dataclass(frozen=True)
class Options:
    """What the paper fixes and what it leaves open; `symla` explains each."""

    hidden: Count
    message: Count
    ticks: Count
    reduce: vsml.Reduce
    exchange: Literal["step", "tick"]
    initial_std: NotNegative
    end_flag: bool
    forget_bias: float


class Layer(NamedTuple):
    """One layer of the agent: the states of its cells, and the messages that they have sent."""

    state: State
    """h_ab^(k), an `hk.LSTMState` of two [A^(k), B^(k), N]."""
    m_fwd: jax.Array
    """m_fwd^(k+1), one message at each output b, [B^(k), M]."""
    m_bwd: jax.Array
    """m_bwd^(k-1), one message at each input a, [A^(k), M]."""


SymLAState = tuple[Layer, ...]
"""The agent's state: its layers k = 1 ... K."""


def pass_messages(
    cells: Cells, options: Options, layers: SymLAState, x: Input
) -> tuple[jax.Array, SymLAState]:
    """One step in the environment: Equation 9 for all layers, `ticks` times, and the exchange of
    messages (Equations 7 and 8).

    The layers take turns from the first to the last. Each receives the newest messages that exist:
    from the layer before it those of this turn, from the layer behind it those of the turn before.

    Returns:
        logits [B], the first entry of each forward message of the last layer, and the new state.
    """
    # One layer receives o_a and a_b as single numbers, as in the paper's code. Several receive them
    # as the first entry of a message, which between layers has more.
    entries = 1 if len(layers) == 1 else options.message
    observation, action = vsml.message(entries, x.o), vsml.message(entries, x.a)
    everywhere = jnp.stack([x.r, x.end] if options.end_flag else [x.r])
    turns, ticks = (options.ticks, 1) if options.exchange == "tick" else (1, options.ticks)
    layers = list(layers)
    for _ in range(turns):
        for k, (state, m_fwd, m_bwd) in enumerate(layers):
            from_before = layers[k - 1].m_fwd if k > 0 else observation
            from_behind = layers[k + 1].m_bwd if k + 1 < len(layers) else action
            inputs = CellInputs(
                at_input=jnp.concatenate([m_bwd, from_before], axis=-1),
                at_output=jnp.concatenate([m_fwd, from_behind], axis=-1),
                everywhere=everywhere,
            )
            for _ in range(ticks):
                state = cells.tick(state, inputs)
            layers[k] = Layer(state, cells.forward(state), cells.backward(state))
    return layers[-1].m_fwd[:, 0], tuple(layers)


def symla(
    hidden: Count = 16,
    message: Count = 8,
    ticks: Count = 2,
    reduce: vsml.Reduce = "mean",
    exchange: Literal["step", "tick"] = "step",
    initial_std: NotNegative = 0.0,
    end_flag: bool = True,
    forget_bias: float = 1.0,
    layers: Count = 1,
    units: Count = 8,
    form: vsml.Form = "auto",
) -> Learner:
    """The SymLA learner.

    The defaults are the paper's where it names a value, and its printed code's where text and code
    differ.

    Args:
        hidden: N, the size of each cell's LSTM (paper: 16, and 64 for bandits).
        message: M, the size of forward and of backward messages (paper: 8).
        ticks: micro ticks for each step in the environment (paper: 2).
        reduce: messages are the mean over cells (the paper's code: their scale does not grow with
            A and B) or the sum (its Equations 7 and 8).
        exchange: messages are exchanged once a step, after all ticks (the paper's code), or after
            every tick (as "multiple layers with shared parameters" reads).
        initial_std: standard deviation of the i.i.d. normal initial h and c. Zero (the paper's
            code) makes permutation equivariance exact; more (its text: random states) makes it hold
            in distribution.
        end_flag: whether every cell also receives a flag that an episode has ended (the paper's
            code) or the reward alone (Equation 9).
        forget_bias: what is added to the forget gate when theta is initialised; how long a fresh
            cell remembers. 1 is Haiku's constant.
        layers: K (paper: 1).
        units: hidden units between two layers; with one layer there are none. Give `initial_std` of
            more than zero, or all hidden units of a layer stay alike for ever.
        form: how a tick is computed, not what; see `vsml.Form`.

    Returns:
        A learner whose theta fits all sizes. With several layers it also fits any other number of
        layers above 1. `layers` and `units` are among its options where there are several.

    Raises:
        ValueError: a size that is not positive, a negative `initial_std`, an unknown word.
    """
    options = Options(hidden, message, ticks, reduce, exchange, initial_std, end_flag, forget_bias)
    everywhere = 1 + end_flag
    inputs = 2 * (message + (1 if layers == 1 else message)) + everywhere

    def init_theta(key: jax.Array, sizes: Sizes) -> Theta:
        del sizes  # fits all
        return vsml.lstm_theta(key, inputs, hidden, message, forget_bias)

    def init_state(theta: Theta, key: jax.Array, sizes: Sizes) -> SymLAState:
        del theta  # fits all sizes
        chain = vsml.chain(sizes, (layers - 1) * (units,))
        return tuple(
            Layer(
                state=vsml.lstm_state(key, layer, hidden, initial_std),
                m_fwd=jnp.zeros((layer.action, message)),
                m_bwd=jnp.zeros((layer.observation, message)),
            )
            for key, layer in zip(jax.random.split(key, layers), chain, strict=True)
        )

    def step(theta: Theta | vsml.Weights, state: SymLAState, x: Input):
        cells = vsml.in_form(form, theta, reduce, everywhere)
        return pass_messages(cells, options, state, x)

    several = {"layers": layers, "units": units} if layers > 1 else {}
    learner = Learner(
        name="symla",
        options=dataclasses.asdict(options) | several,
        init_theta=init_theta,
        init_state=init_state,
        step=step,
    )
    if form == "textbook":
        return learner
    prepare = functools.partial(vsml.cut, everywhere=everywhere)
    return dataclasses.replace(learner, prepare=prepare)
