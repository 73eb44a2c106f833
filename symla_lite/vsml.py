"""VSML: weights become small recurrent networks that share theta and exchange messages.

Equations 6 to 8 of the paper, after Kirsch and Schmidhuber (2021). In the place of each weight
w_ab^(k) of layer k stands a cell with a state h_ab^(k) of its own and with the same three functions
as all other cells, f_RNN, f_m_fwd and f_m_bwd:

    h_ab^(k)       <- f_RNN(h_ab^(k), m_fwd_a^(k), m_bwd_b^(k))          (6)
    m_fwd_b^(k+1)   = sum_a f_m_fwd(h_ab^(k))                            (7)
    m_bwd_a^(k-1)   = sum_b f_m_bwd(h_ab^(k))                            (8)

What the network is depends on these functions alone. Two choices stand here: `backprop_cell`, set
by hand, with which the messages are the activations and errors of `backprop` and the states its
weights; and an LSTM, whose theta is meta-trained. `vsml` and `sgd` are the learners that they make:
supervised ones, which receive an example, answer, and receive its label. `symla` makes an agent of
the same cells.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp

from symla_lite import backprop
from symla_lite.checks import Count, Index, Key, Name, NotNegative, Positive, Range
from symla_lite.learner import Input, Learner, Sizes, State, Theta
from symla_lite.lstm import for_gates, through_gates, with_forget_bias

# The cells of one layer.


class CellInputs(NamedTuple):
    """What the cells of a layer receive in one tick."""

    at_input: jax.Array
    """What belongs to input a, received by all cells (a, .): m_fwd_a^(k), [A, I]."""
    at_output: jax.Array
    """What belongs to output b, received by all cells (., b): m_bwd_b^(k), [B, J]."""
    everywhere: jax.Array
    """What every cell receives, [E]: nothing in Equation 6, the reward in Equation 9."""


class Cell(NamedTuple):
    """One cell (a, b), as the equations have it."""

    rnn: Callable[[State, jax.Array, jax.Array, jax.Array], State]
    """f_RNN: `(state, at_input [I], at_output [J], everywhere [E]) -> state`."""
    m_fwd: Callable[[State], jax.Array]
    """f_m_fwd: `state -> [M]`."""
    m_bwd: Callable[[State], jax.Array]
    """f_m_bwd: `state -> [M]`."""


class Cells(NamedTuple):
    """All cells (a, b) of a layer at once; their state is a tree of arrays [A, B, ...]."""

    tick: Callable[[State, CellInputs], State]
    """Equation 6."""
    forward: Callable[[State], jax.Array]
    """Equation 7: `state -> m_fwd [B, M]`."""
    backward: Callable[[State], jax.Array]
    """Equation 8: `state -> m_bwd [A, M]`."""


Reduce = Literal["mean", "sum"]
"""Whether messages are the sum over cells, as in Equations 7 and 8, or their mean."""


def textbook(cell: Cell, reduce: Reduce = "sum") -> Cells:
    """The same cell for every pair (a, b): Equations 6 to 8 as they read.

    Args:
        cell: the functions that all cells share.
        reduce: how messages are collected.

    Raises:
        ValueError: an unknown `reduce`.
    """
    total = {"mean": jnp.mean, "sum": jnp.sum}[reduce]

    def over_a_and_b(function, *axes):
        """`axes`: for each argument, the axes of a and of b that it has."""
        over_b = jax.vmap(function, in_axes=[0 if "b" in axis else None for axis in axes])
        return jax.vmap(over_b, in_axes=[0 if "a" in axis else None for axis in axes])

    rnn = over_a_and_b(cell.rnn, "ab", "a", "b", "")
    m_fwd, m_bwd = over_a_and_b(cell.m_fwd, "ab"), over_a_and_b(cell.m_bwd, "ab")
    return Cells(
        tick=lambda state, inputs: rnn(state, *inputs),
        forward=lambda state: total(m_fwd(state), axis=0),
        backward=lambda state: total(m_bwd(state), axis=1),
    )


# The cell that makes VSML backpropagation.


class BackpropState(NamedTuple):
    """Three numbers: a weight, and what its cell sends."""

    w: jax.Array
    """w_ab."""
    forward: jax.Array
    """w_ab x_a, this cell's part of the sum in Equation 1."""
    backward: jax.Array
    """g'(z_a) w_ab delta_b, its part of the sum in Equation 2."""


def backprop_cell(alpha: backprop.LearningRate, nonlinearity: backprop.Hidden = "tanh") -> Cell:
    """The cell with which Equations 6 to 8 are Equations 1 to 3.

    Messages have three entries. Forward: a value and, in the second, 0 where it comes from outside
    and more where it comes from cells, whose sum z still has to go through g. Backward: the error
    delta; where there is none yet, zero, and Equation 3 changes nothing.

    Args:
        alpha: the learning rate.
        nonlinearity: g of the hidden layers, a name in `backprop.NONLINEARITIES`.

    Raises:
        ValueError: an unknown nonlinearity.
    """
    g = backprop.NONLINEARITIES[nonlinearity]

    def rnn(state, m_fwd_a, m_bwd_b, everywhere):
        del everywhere
        w, delta = state.w, m_bwd_b[0]
        from_cells = m_fwd_a[1] > 0
        x = jnp.where(from_cells, g.value(m_fwd_a[0]), m_fwd_a[0])
        slope = jnp.where(from_cells, g.slope(x), 1.0)
        return BackpropState(
            w=w - alpha * x * delta,  # Equation 3
            forward=w * x,
            backward=slope * w * delta,
        )

    return Cell(
        rnn=rnn,
        m_fwd=lambda state: jnp.stack([state.forward, jnp.ones(()), jnp.zeros(())]),
        m_bwd=lambda state: jnp.stack([state.backward, jnp.zeros(()), jnp.zeros(())]),
    )


def backprop_states(weights: backprop.Weights) -> tuple[BackpropState, ...]:
    """The states h^(1) ... h^(K) that stand for weights w^(1) ... w^(K), [A^(k), B^(k)] each.

    Raises:
        ValueError: weights that are no matrix.
    """
    for k, w in enumerate(weights, start=1):
        if jnp.ndim(w) != 2:
            raise ValueError(
                f"The weights of layer {k} have shape {jnp.shape(w)}: give a matrix [A, B]."
            )
    return tuple(BackpropState(w, jnp.zeros_like(w), jnp.zeros_like(w)) for w in weights)


# The cell that is meta-trained: an LSTM and two linear read-outs.


def lstm_theta(key: Key, inputs: Count, hidden: Count, message: Count, forget_bias: float) -> Theta:
    """Initial meta-parameters of an LSTM cell.

    Args:
        key: all that is random.
        inputs: how many numbers a cell receives in a tick, I + J + E.
        hidden: N, the size of its state.
        message: M, the size of its messages.
        forget_bias: the forget gate's bias in all.

    Returns:
        Haiku's parameters: `lstm/linear`, `m_fwd`, `m_bwd`.

    Raises:
        ValueError: a size below 1.
    """
    init, _ = _lstm(hidden, message)
    nothing = jnp.zeros(hidden)
    theta = init(key, hk.LSTMState(nothing, nothing), jnp.zeros(inputs))
    return with_forget_bias(theta, "lstm/linear", forget_bias)


def lstm_cell(theta: Theta) -> Cell:
    """The LSTM cell of these meta-parameters; its state is an `hk.LSTMState` of two [N]."""
    message = theta["m_fwd"]["b"].shape[0]
    _, (rnn, m_fwd, m_bwd) = _lstm(theta["m_fwd"]["w"].shape[0], message)
    return Cell(
        rnn=lambda state, *inputs: rnn(theta, state, jnp.concatenate(inputs)),
        m_fwd=lambda state: m_fwd(theta, state.hidden),
        m_bwd=lambda state: m_bwd(theta, state.hidden),
    )


def _lstm(hidden: int, message: int):
    """Haiku's `init` and the three functions of a cell."""

    def build():
        lstm = hk.LSTM(hidden, name="lstm")
        m_fwd, m_bwd = hk.Linear(message, name="m_fwd"), hk.Linear(message, name="m_bwd")

        def rnn(state, inputs):
            return lstm(inputs, state)[1]

        def all_parts(state, inputs):
            state = rnn(state, inputs)
            return m_fwd(state.hidden), m_bwd(state.hidden)

        return all_parts, (rnn, m_fwd, m_bwd)

    network = hk.without_apply_rng(hk.multi_transform(build))
    return network.init, network.apply


class Linear(NamedTuple):
    """A linear map, x @ w + b."""

    w: jax.Array
    b: jax.Array


class Weights(NamedTuple):
    """An LSTM cell's theta, its weights cut by rows into what they are multiplied with."""

    at_input: jax.Array
    """[I, 4 N]."""
    at_output: jax.Array
    """For what an output receives and, below it, what every cell receives and the bias,
    [J + E + 1, 4 N]."""
    h: jax.Array
    """The recurrent weights, [N, 4 N]."""
    m_fwd: Linear
    """[N, M]."""
    m_bwd: Linear
    """[N, M]."""


def cut(theta: Theta | Weights, everywhere: Index = 0) -> Weights:
    """Prepares an LSTM cell's theta for the fast form; what is prepared stays as it is.

    Args:
        theta: as `lstm_theta` made it. Half of what a cell receives belongs to its input and half
            to its output (I = J), but for what every cell receives.
        everywhere: E, how many numbers every cell hears.
    """
    if isinstance(theta, Weights):
        return theta
    w, b = for_gates(**theta["lstm/linear"])
    m_fwd, m_bwd = Linear(**theta["m_fwd"]), Linear(**theta["m_bwd"])
    to_h = w.shape[0] - m_fwd.w.shape[0]
    at_input, at_output, h = jnp.split(w, [(to_h - everywhere) // 2, to_h])
    return Weights(at_input, jnp.concatenate([at_output, b[None]]), h, m_fwd, m_bwd)


def fast(theta: Theta | Weights, reduce: Reduce = "sum", fused: bool = False) -> Cells:
    """The cells of `textbook(lstm_cell(theta))`, with linear maps taken where there are fewest
    things to map.

    The LSTM's input product splits into a part per input a and a part per output b, computed A + B
    times and not A * B times. What every cell receives, and the bias, enter at the outputs. The
    sum (or mean) of linear read-outs is the read-out of the sum (or mean).

    Args:
        theta: as `lstm_theta` made it; after `cut` where every cell receives something (E > 0).
        reduce: how messages are collected.
        fused: for a GPU, which waits for its memory: products are written as sums of terms, each
            gate by itself, so that the compiler puts products and gates into one kernel. As a
            product of matrices, the gates of all cells would be written down and read again, more
            bytes than the states themselves.

    Raises:
        ValueError: an unknown `reduce`.
    """
    weights = cut(theta)

    def tick(state, inputs):
        for_all = jnp.append(inputs.everywhere, 1.0)
        for_all = jnp.broadcast_to(for_all, (len(inputs.at_output), *for_all.shape))
        at_output = jnp.concatenate([inputs.at_output, for_all], axis=-1)
        x = _GateInputs(inputs.at_input, at_output, state.hidden)
        w = _GateWeights(weights.at_input, weights.at_output, weights.h)
        if not fused:
            return hk.LSTMState(*_through_cells(x, w, state.cell))
        each = zip(*(jnp.split(rows, 4, axis=-1) for rows in w), strict=True)
        four = [_gates(x, _GateWeights(*of_one), sum_of_terms) for of_one in each]
        return hk.LSTMState(*through_gates(jnp.concatenate(four, axis=-1), state.cell))

    def read_out(linear, axis):
        add = added if fused else jnp.sum

        def message_of(state):
            cells = state.hidden.shape[axis]
            if reduce == "sum":
                return add(state.hidden, axis) @ linear.w + cells * linear.b
            return add(state.hidden, axis) / cells @ linear.w + linear.b

        return message_of

    return Cells(tick, read_out(weights.m_fwd, axis=0), read_out(weights.m_bwd, axis=1))


class _GateInputs(NamedTuple):
    """What the gates of all cells are computed from."""

    at_input: jax.Array
    """[A, I]."""
    at_output: jax.Array
    """With what every cell receives and a 1 for the bias, [B, J + E + 1]."""
    h: jax.Array
    """[A, B, N]."""


class _GateWeights(NamedTuple):
    """What they are multiplied with, as `cut` prepares it."""

    at_input: jax.Array
    """[I, 4 N]."""
    at_output: jax.Array
    """[J + E + 1, 4 N]."""
    h: jax.Array
    """[N, 4 N]."""


def _gates(x: _GateInputs, w: _GateWeights, product: Callable = jnp.matmul) -> jax.Array:
    """The gates of all cells as `through_gates` takes them, divided, [A, B, 4 N].

    Args:
        x: what they are computed from.
        w: the weights, or those of one gate, [., N], for that gate alone, [A, B, N].
        product: of two matrices.
    """
    at_input, at_output, h = map(product, x, w)
    return at_input[:, None] + at_output[None, :] + h


@jax.custom_vjp
def _through_cells(
    x: _GateInputs, w: _GateWeights, c: Annotated[jax.Array, "A B N"]
) -> tuple[jax.Array, jax.Array]:
    """The new state of all cells. Can be differentiated in reverse, and not forward.

    Args:
        x: what their gates are computed from.
        w: the weights.
        c: their memory, [A, B, N].

    Returns:
        h and c, [A, B, N] each.
    """
    return through_gates(_gates(x, w), c)


def _kept_through_cells(x: _GateInputs, w: _GateWeights, c: jax.Array):
    new, back = jax.vjp(through_gates, _gates(x, w), c)
    return new, (x, w, back)


def _back_through_cells(kept: tuple, derivative: tuple[jax.Array, jax.Array]):
    """The derivative of each cell's gates is used by two products and by nothing else. In sums over
    a and over b the compiler would compute it again for each: an outer step on the 3×3 hearts then
    takes 1.7 times as long."""
    x, w, back = kept
    of_gates, of_c = back(derivative)
    A, B, _ = x.h.shape
    for_each = [
        jnp.broadcast_to(x.at_input[:, None], (A, B, x.at_input.shape[-1])),
        jnp.broadcast_to(x.at_output[None], (A, B, x.at_output.shape[-1])),
        x.h,
    ]
    cuts = [len(w.at_input), len(w.at_input) + len(w.at_output)]
    at_input, at_output, h = jnp.split(of_gates @ jnp.concatenate(w).T, cuts, axis=-1)
    received = jnp.concatenate(for_each, axis=-1).reshape(A * B, -1)
    of_w = jnp.split(received.T @ of_gates.reshape(A * B, -1), cuts)
    of_x = _GateInputs(at_input.sum(axis=1), at_output.sum(axis=0), h)
    return of_x, _GateWeights(*of_w), of_c


_through_cells.defvjp(_kept_through_cells, _back_through_cells)


def sum_of_terms(x: jax.Array, w: jax.Array) -> jax.Array:
    """x @ w, [..., K] and [K, F] -> [..., F], which the compiler does not recognise as a product of
    matrices and computes where the result is used."""
    return jnp.sum(x[..., :, None] * w, axis=-2)


FEW = 16
"""Cells that are added one by one where bytes count."""


def added(h: jax.Array, axis: Literal[0, 1]) -> jax.Array:
    """The sum over a or b, [A, B, N] -> [B, N] or [A, N].

    For `jnp.sum`, and for a product with ones, which it knows to be the same, a GPU's compiler
    turns all states round in memory in every step.
    """
    cells = h.shape[axis]
    if cells <= FEW:
        return sum(jax.lax.index_in_dim(h, i, axis, keepdims=False) for i in range(cells))
    share = jnp.full(cells, 1 / cells, h.dtype)
    return cells * jnp.tensordot(share, h, axes=(0, axis), precision=jax.lax.Precision.HIGHEST)


Form = Literal["auto", "fast", "fused", "textbook"]
"""How a tick is computed, not what, so no record names it: `textbook` reads as the equations,
`fast` takes the fewest products, `fused` moves the fewest bytes (`fast`'s docstring). `auto` is
`fast` on a CPU and `fused` elsewhere, as the device decides which of the two is scarce."""


def in_form(form: Form, theta: Theta | Weights, reduce: Reduce, everywhere: Index = 0) -> Cells:
    """The cells of an LSTM's theta in one of the forms. `auto` asks JAX for its devices.

    Args:
        form: which.
        theta: as `lstm_theta` made it or, but for the textbook's form, `cut`.
        reduce: how messages are collected.
        everywhere: E, how many numbers every cell hears.
    """
    if form == "textbook":
        return textbook(lstm_cell(theta), reduce)
    fused = jax.default_backend() != "cpu" if form == "auto" else form == "fused"
    return fast(cut(theta, everywhere), reduce, fused)


def lstm_state(key: Key, layer: Sizes, hidden: Count, std: NotNegative) -> hk.LSTMState:
    """Initial states of the LSTM cells of one layer.

    Args:
        key: all that is random.
        layer: its sizes, A^(k) and B^(k).
        hidden: N.
        std: standard deviation of the i.i.d. normal entries; 0 makes all cells alike.

    Returns:
        Two arrays [A^(k), B^(k), N].
    """
    hidden, cell = std * jax.random.normal(key, (2, *layer, hidden))
    return hk.LSTMState(hidden, cell)


# K layers.


def chain(sizes: Sizes, hidden_layers: Sequence[Count]) -> list[Sizes]:
    """The sizes A^(k) and B^(k) of each layer.

    Args:
        sizes: A^(1) and B^(K).
        hidden_layers: units between the layers; none for K = 1.
    """
    units = (sizes.observation, *hidden_layers, sizes.action)
    return [Sizes(A, B) for A, B in zip(units[:-1], units[1:], strict=True)]


def forward_pass(
    cells: Cells, h: Sequence[State], m_fwd: jax.Array
) -> tuple[tuple[State, ...], tuple[jax.Array, ...]]:
    """Equations 6 and 7, layer after layer. Nothing has come back yet: m_bwd is zero.

    Args:
        cells: what all layers are made of.
        h: h^(1) ... h^(K); the arrays of h^(k) are [A^(k), B^(k), ...].
        m_fwd: what enters the first layer, m_fwd^(1), [A^(1), M].

    Returns:
        The new h^(1) ... h^(K), and m_fwd^(1) ... m_fwd^(K+1), [B^(K), M] the last.

    Raises:
        ValueError: layers that do not chain, a message that does not fit the first.
    """
    _check_chain(h, m_fwd)
    new, m_fwds = [], [m_fwd]
    for state in h:
        silence = jnp.zeros((_sizes(state).action, m_fwd.shape[-1]))
        new.append(cells.tick(state, CellInputs(m_fwds[-1], silence, jnp.zeros(0))))
        m_fwds.append(cells.forward(new[-1]))
    return tuple(new), tuple(m_fwds)


def backward_pass(
    cells: Cells, h: Sequence[State], m_fwds: Sequence[jax.Array], m_bwd: jax.Array
) -> tuple[tuple[State, ...], tuple[jax.Array, ...]]:
    """Equations 6 and 8, layer before layer, while the forward messages are still there.

    Args:
        cells: what all layers are made of.
        h: h^(1) ... h^(K).
        m_fwds: what `forward_pass` gave, m_fwd^(1) ... m_fwd^(K+1).
        m_bwd: what enters the last layer, m_bwd^(K), [B^(K), M].

    Returns:
        The new h^(1) ... h^(K), and m_bwd^(0) ... m_bwd^(K).

    Raises:
        ValueError: layers that do not chain, messages that do not fit them.
    """
    _check_chain(h, m_fwds[0])
    if len(m_fwds) != len(h) + 1:
        raise ValueError(
            f"{len(h)} layers pass {len(h) + 1} forward messages, not {len(m_fwds)}: give what "
            "`forward_pass` returned for them."
        )
    outputs = _sizes(h[-1]).action
    if m_bwd.ndim != 2 or m_bwd.shape[0] != outputs:
        raise ValueError(
            f"A backward message of shape {m_bwd.shape} does not fit {outputs} outputs: "
            f"give [{outputs}, M]."
        )
    new, m_bwds = [], [m_bwd]
    for state, m_fwd in zip(reversed(h), reversed(m_fwds[:-1]), strict=True):
        new.insert(0, cells.tick(state, CellInputs(m_fwd, m_bwds[0], jnp.zeros(0))))
        m_bwds.insert(0, cells.backward(new[0]))
    return tuple(new), tuple(m_bwds)


def message(size: Count, *entries: Annotated[jax.Array, "A"]) -> jax.Array:
    """A message from outside: its first entries [A] as given, the others zero, [A, size].

    Raises:
        ValueError: more entries than a message has, or entries that are not vectors of one length.
    """
    if not entries:
        raise ValueError("A message has no entries: give at least one vector.")
    if len(entries) > size:
        raise ValueError(f"{len(entries)} entries do not fit a message of {size}: make it larger.")
    return jnp.pad(jnp.stack(entries, axis=-1), ((0, 0), (0, size - len(entries))))


# The supervised learner.

FEEDBACK = 3
"""Entries of the message that tells of a label: the error (the softmax of the answer, less the
label), the label, and a 1 that says that there is one. No message is smaller."""


class SupervisedState(NamedTuple):
    """The cells of all layers, and the messages of the example whose label comes next."""

    h: tuple[State, ...]
    """h^(1) ... h^(K)."""
    m_fwd: tuple[jax.Array, ...]
    """m_fwd^(1) ... m_fwd^(K+1)."""


def supervised(
    name: Name,
    options: dict[str, Any],
    size: Annotated[int, Range(least=FEEDBACK)],
    hidden_layers: Sequence[Count],
    init_theta: Callable[[jax.Array, Sizes], Theta],
    init_layer: Callable[[Theta, jax.Array, Sizes], State],
    cells: Callable[[Theta], Cells],
) -> Learner:
    """The learner that any cells make in an environment of examples and labels.

    Its observation is an image x_t [A] and, behind it, the label [B] of the image before
    (zeros where there is none): see `environments.classification`. A step therefore begins with
    the backward pass that the label sets off, and ends with the forward pass of the new image.

    Args:
        name: a short name.
        options: what it was made with, in plain types.
        size: M, entries in a message.
        hidden_layers: units between the layers; none for K = 1.
        init_theta: as in `Learner`.
        init_layer: `(theta, key, sizes of the layer) -> h^(k)`.
        cells: `(theta) -> Cells`.

    Returns:
        A learner that reads an observation of A + B numbers.

    Raises:
        ValueError: a layer without units.
    """

    def init_state(theta: Theta, key: jax.Array, sizes: Sizes) -> SupervisedState:
        if sizes.observation <= sizes.action:
            raise ValueError(
                f"{name} reads an image and a label: an observation of {sizes.observation} numbers "
                f"has no room for an image beside {sizes.action} labels. Take an environment of "
                "`environments.classification`."
            )
        layers = chain(sizes._replace(observation=sizes.observation - sizes.action), hidden_layers)
        units = (layers[0].observation, *hidden_layers, sizes.action)
        keys = jax.random.split(key, len(layers))
        return SupervisedState(
            h=tuple(init_layer(theta, key, layer) for key, layer in zip(keys, layers, strict=True)),
            m_fwd=tuple(jnp.zeros((A, size)) for A in units),
        )

    def step(theta: Theta, state: SupervisedState, x: Input):
        shared = cells(theta)
        image, label = jnp.split(x.o, [x.o.size - x.a.size])
        given = jnp.sum(label)
        logits = state.m_fwd[-1][:, 0]
        delta = given * backprop.policy_gradient_error(logits, label, 1.0)
        feedback = message(size, delta, label, given * jnp.ones_like(label))
        h, _ = backward_pass(shared, state.h, state.m_fwd, feedback)
        h, m_fwd = forward_pass(shared, h, message(size, image))
        return m_fwd[-1][:, 0], SupervisedState(h, m_fwd)

    return Learner(name, options, init_theta, init_state, step)


def vsml(
    hidden: Count = 8,
    message: Annotated[int, Range(least=FEEDBACK)] = FEEDBACK,
    hidden_layers: Sequence[Count] = (),
    reduce: Reduce = "sum",
    initial_std: NotNegative = 0.0,
    forget_bias: float = 1.0,
    form: Form = "auto",
) -> Learner:
    """The meta-trained supervised learner: every cell is an LSTM with the same theta.

    Args:
        hidden: N, the size of a cell's LSTM.
        message: M, the size of forward and of backward messages, at least 3.
        hidden_layers: units between the layers; none for K = 1.
        reduce: messages are the sum over cells, as in Equations 7 and 8, or their mean.
        initial_std: standard deviation of the i.i.d. normal initial states. With hidden layers give
            more than zero, or all hidden units are alike for ever.
        forget_bias: the forget gate's bias when theta is initialised.
        form: how a tick is computed, not what; see `Form`.

    Returns:
        A learner whose theta fits all sizes; see `supervised` for what it reads.

    Raises:
        ValueError: a size that is too small, a negative `initial_std`, an unknown word.
    """

    def init_theta(key: jax.Array, sizes: Sizes) -> Theta:
        del sizes  # fits all
        return lstm_theta(key, 2 * message, hidden, message, forget_bias)

    def init_layer(theta: Theta, key: jax.Array, layer: Sizes) -> hk.LSTMState:
        del theta
        return lstm_state(key, layer, hidden, initial_std)

    def cells(theta: Theta) -> Cells:
        return in_form(form, theta, reduce)

    options = {
        "hidden": hidden,
        "message": message,
        "hidden_layers": list(hidden_layers),
        "reduce": reduce,
        "initial_std": initial_std,
        "forget_bias": forget_bias,
    }
    learner = supervised("vsml", options, message, hidden_layers, init_theta, init_layer, cells)
    return learner if form == "textbook" else dataclasses.replace(learner, prepare=cut)


def sgd(
    alpha: Positive,
    hidden_layers: Sequence[Count] = (),
    nonlinearity: backprop.Hidden = "tanh",
    scale: NotNegative = 1.0,
) -> Learner:
    """Stochastic gradient descent on the cross-entropy, one example at a time: `vsml` with the cell
    that is set by hand.

    Args:
        alpha: the learning rate.
        hidden_layers: units between the layers; without any it is logistic regression, which starts
            from zero weights.
        nonlinearity: g of the hidden layers.
        scale: of the initial weights where there are hidden layers, as in `backprop.init_weights`.

    Returns:
        A learner whose theta is its learning rate.

    Raises:
        ValueError: a learning rate that is not positive, an unknown nonlinearity.
    """

    def init_theta(key: jax.Array, sizes: Sizes) -> Theta:
        del key, sizes
        return {"alpha": jnp.asarray(alpha)}

    def init_layer(theta: Theta, key: jax.Array, layer: Sizes) -> BackpropState:
        del theta
        weights = backprop.init_weights(key, layer, scale if hidden_layers else 0.0)
        return backprop_states(weights)[0]

    def cells(theta: Theta) -> Cells:
        return textbook(backprop_cell(theta["alpha"], nonlinearity))

    options = {
        "alpha": alpha,
        "hidden_layers": list(hidden_layers),
        "nonlinearity": nonlinearity,
        "scale": scale,
    }
    return supervised("sgd", options, FEEDBACK, hidden_layers, init_theta, init_layer, cells)


# At the door.


def _sizes(state: State) -> Sizes:
    """A and B of the layer whose cells have these states."""
    return Sizes(*jax.tree.leaves(state)[0].shape[:2])


def _check_chain(h: Sequence[State], m_fwd: jax.Array) -> None:
    if not h:
        raise ValueError("A network has layers: h is empty, give at least one layer's states.")
    layers = [_sizes(state) for state in h]
    for k, (left, right) in enumerate(zip(layers[:-1], layers[1:], strict=True), start=1):
        if left.action != right.observation:
            raise ValueError(
                f"The layers do not chain: layer {k} has {left.action} outputs and layer {k + 1} "
                f"has {right.observation} inputs, make them equal."
            )
    inputs = layers[0].observation
    if m_fwd.ndim != 2 or m_fwd.shape[0] != inputs:
        raise ValueError(
            f"A forward message of shape {m_fwd.shape} does not fit {inputs} inputs: "
            f"give [{inputs}, M]."
        )
