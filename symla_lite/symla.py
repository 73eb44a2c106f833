"""SymLA: weights become small LSTMs that share theta and exchange messages.

Equation 9 and Algorithm 1 of the paper. Take a dense layer with A inputs and B outputs and put an
LSTM with state h_ab in the place of each weight w_ab. Cell (a, b) receives what belongs to its
input a (backward message and observation o_a), what belongs to its output b (forward message and
previous action a_b), and what every cell receives (the reward). All cells have the same theta, so
theta depends neither on the number of inputs and outputs nor on their order.

The mathematics of a cell stands here twice: `textbook` reads as Equation 9, `fast` does less work
for the same numbers. A test holds them together.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Literal, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp

from symla_lite.learner import Input, Learner, Sizes, Theta, first_input
from symla_lite.lstm import for_gates, through_gates, with_forget_bias


@dataclasses.dataclass(frozen=True)
class Options:
    """What the paper fixes and what it leaves open; `symla` explains each."""

    hidden: int
    message: int
    ticks: int
    reduce: Literal["mean", "sum"]
    exchange: Literal["step", "tick"]
    initial_std: float
    end_flag: bool
    forget_bias: float


class SymLAState(NamedTuple):
    """The states of all cells, and the messages that wait for the next step."""

    h: jax.Array
    """LSTM outputs h_ab, [A, B, N]."""
    c: jax.Array
    """LSTM memories c_ab, [A, B, N]."""
    m_fwd: jax.Array
    """Forward messages, one at each output b, [B, M]."""
    m_bwd: jax.Array
    """Backward messages, one at each input a, [A, M]."""


class Heard(NamedTuple):
    """What the cells receive in one tick."""

    at_input: jax.Array
    """Backward message and observation, [A, M + 1]."""
    at_output: jax.Array
    """Forward message and previous action, [B, M + 1]."""
    everywhere: jax.Array
    """Reward and, if wanted, end flag, [1] or [2]."""


class Cells(NamedTuple):
    """The parts of Equations 7 to 9 that theta decides, for all cells (a, b) at once."""

    tick: Callable[[jax.Array, jax.Array, Heard], tuple[jax.Array, jax.Array]]
    """f_RNN: `(h, c, heard) -> (h, c)`, [A, B, N] each (Equation 9)."""
    forward: Callable[[jax.Array], jax.Array]
    """f_m_fwd summed or averaged over a: `h -> m_fwd [B, M]` (Equation 7)."""
    backward: Callable[[jax.Array], jax.Array]
    """f_m_bwd summed or averaged over b: `h -> m_bwd [A, M]` (Equation 8)."""


def textbook(options: Options) -> Cells:
    """One cell, as Equation 9 has it, mapped over a and b. Call inside `hk.transform`."""
    lstm = hk.LSTM(options.hidden, name="lstm")
    to_fwd = hk.Linear(options.message, name="m_fwd")
    to_bwd = hk.Linear(options.message, name="m_bwd")
    reduce = {"mean": jnp.mean, "sum": jnp.sum}[options.reduce]

    def cell(h, c, at_input, at_output, everywhere):
        x = jnp.concatenate([at_input, at_output, everywhere])
        _, state = lstm(x, hk.LSTMState(hidden=h, cell=c))
        return state.hidden, state.cell

    over_b = hk.vmap(cell, in_axes=(0, 0, None, 0, None), split_rng=False)
    over_ab = hk.vmap(over_b, in_axes=(0, 0, 0, None, None), split_rng=False)
    return Cells(
        tick=lambda h, c, heard: over_ab(h, c, *heard),
        forward=lambda h: reduce(to_fwd(h), axis=0),
        backward=lambda h: reduce(to_bwd(h), axis=1),
    )


class Linear(NamedTuple):
    """A linear map, x @ w + b."""

    w: jax.Array
    b: jax.Array


class Weights(NamedTuple):
    """theta, with the LSTM's weights cut by rows into what they are multiplied with."""

    at_input: jax.Array
    """[M + 1, 4 N]."""
    at_output: jax.Array
    """For what an output receives and, below it, what every cell receives (reward and, if wanted,
    end flag) and the bias, [M + 3, 4 N] or [M + 4, 4 N]."""
    h: jax.Array
    """The recurrent weights, [N, 4 N]."""
    m_fwd: Linear
    """[N, M]."""
    m_bwd: Linear
    """[N, M]."""


def cut(options: Options, theta: Theta | Weights) -> Weights:
    """Prepares theta for the fast form; what is prepared stays as it is."""
    if isinstance(theta, Weights):
        return theta
    w, b = for_gates(**theta["lstm/linear"])
    at_input, at_output, h = jnp.split(w, [options.message + 1, w.shape[0] - options.hidden])
    at_output = jnp.concatenate([at_output, b[None]])
    return Weights(at_input, at_output, h, Linear(**theta["m_fwd"]), Linear(**theta["m_bwd"]))


def fast(options: Options, weights: Weights) -> Cells:
    """The same cells, with linear maps taken where there are fewest things to map.

    The LSTM's input product splits into a part per input a and a part per output b, computed A + B
    times and not A * B times. What every cell receives, and the bias, go with the outputs. The sum
    (or mean) of linear read-outs is the read-out of the sum (or mean).
    """

    def tick(h, c, heard):
        for_all = jnp.append(heard.everywhere, 1.0)
        for_all = jnp.broadcast_to(for_all, (len(heard.at_output), *for_all.shape))
        at_output = jnp.concatenate([heard.at_output, for_all], axis=-1)
        gates = (
            (heard.at_input @ weights.at_input)[:, None]
            + (at_output @ weights.at_output)[None, :]
            + h @ weights.h
        )
        return through_gates(gates, c)

    def read_out(linear, axis):
        if options.reduce == "mean":
            return lambda h: jnp.mean(h, axis=axis) @ linear.w + linear.b
        return lambda h: jnp.sum(h, axis=axis) @ linear.w + h.shape[axis] * linear.b

    return Cells(tick, read_out(weights.m_fwd, axis=0), read_out(weights.m_bwd, axis=1))


def pass_messages(
    cells: Cells, options: Options, state: SymLAState, x: Input
) -> tuple[jax.Array, SymLAState]:
    """One step in the environment: `ticks` updates of all cells, and the exchange of messages.

    Returns:
        logits [B], the first entry of each forward message, and the new state.
    """
    h, c, m_fwd, m_bwd = state
    for tick in range(options.ticks):
        heard = Heard(
            at_input=jnp.concatenate([m_bwd, x.o[:, None]], axis=-1),
            at_output=jnp.concatenate([m_fwd, x.a[:, None]], axis=-1),
            everywhere=jnp.stack([x.r, x.end] if options.end_flag else [x.r]),
        )
        h, c = cells.tick(h, c, heard)
        if options.exchange == "tick" or tick == options.ticks - 1:
            m_fwd, m_bwd = cells.forward(h), cells.backward(h)
    return m_fwd[:, 0], SymLAState(h, c, m_fwd, m_bwd)


def symla(
    hidden: int = 16,
    message: int = 8,
    ticks: int = 2,
    reduce: Literal["mean", "sum"] = "mean",
    exchange: Literal["step", "tick"] = "step",
    initial_std: float = 0.0,
    end_flag: bool = True,
    forget_bias: float = 1.0,
    form: Literal["fast", "textbook"] = "fast",
) -> Learner:
    """The SymLA learner, one recurrent layer (K = 1).

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
        end_flag: whether every cell also receives a flag where an episode has ended (the paper's
            code) or the reward alone (Equation 9).
        forget_bias: what is added to the forget gate when theta is initialised; how long a fresh
            cell remembers. 1 is Haiku's constant.
        form: how a tick is computed, not what: `fast` or `textbook`.

    Returns:
        A learner whose theta fits all sizes.

    Raises:
        ValueError: a size that is not positive, a negative `initial_std`, an unknown word.
    """
    for name, value in {"hidden": hidden, "message": message, "ticks": ticks}.items():
        if value < 1:
            raise ValueError(f"SymLA cannot have {name}={value}: give at least 1.")
    for name, value, words in (
        ("reduce", reduce, ("mean", "sum")),
        ("exchange", exchange, ("step", "tick")),
        ("form", form, ("fast", "textbook")),
    ):
        if value not in words:
            raise ValueError(f"SymLA has no {name}={value!r}: give {words[0]!r} or {words[1]!r}.")
    if initial_std < 0:
        raise ValueError(f"A standard deviation is not negative: initial_std={initial_std}.")

    options = Options(hidden, message, ticks, reduce, exchange, initial_std, end_flag, forget_bias)
    network = hk.without_apply_rng(
        hk.transform(lambda state, x: pass_messages(textbook(options), options, state, x))
    )

    def init_state(theta: Theta, key: jax.Array, sizes: Sizes) -> SymLAState:
        del theta  # fits all sizes
        A, B = sizes
        key_h, key_c = jax.random.split(key)
        return SymLAState(
            h=initial_std * jax.random.normal(key_h, (A, B, hidden)),
            c=initial_std * jax.random.normal(key_c, (A, B, hidden)),
            m_fwd=jnp.zeros((B, message)),
            m_bwd=jnp.zeros((A, message)),
        )

    def init_theta(key: jax.Array, sizes: Sizes) -> Theta:
        state = init_state(None, key, sizes)
        theta = network.init(key, state, first_input(jnp.zeros(sizes.observation), sizes))
        return with_forget_bias(theta, "lstm/linear", forget_bias)

    def fast_step(theta: Theta | Weights, state: SymLAState, x: Input):
        return pass_messages(fast(options, cut(options, theta)), options, state, x)

    learner = Learner(
        name="symla",
        options=dataclasses.asdict(options),
        init_theta=init_theta,
        init_state=init_state,
        step=network.apply,
    )
    if form == "textbook":
        return learner
    return dataclasses.replace(learner, step=fast_step, prepare=functools.partial(cut, options))
