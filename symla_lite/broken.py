"""SymLA without some of its symmetries.

Each learner here is SymLA with additional meta-parameters, whose first values leave SymLA as it is.
Meta-training may move them, and what they then break is as little as possible:

- `untied`: every cell has a theta of its own. No rule is shared, so theta also fits one pair of
  sizes, and places matter;
- `embedded`: every action has a vector that its cells receive. The order of actions matters, and
  their number is fixed; inputs may still come in any number and order;
- `fixed_size`: messages are not the mean over cells but a weighted sum of the sorted values, with a
  weight for each rank. No order matters, but the numbers of inputs and of actions are fixed.
"""

from collections.abc import Callable

import haiku as hk
import jax
import jax.numpy as jnp

from symla_lite import vsml
from symla_lite.checks import Count
from symla_lite.learner import Input, Learner, Sizes, Theta
from symla_lite.symla import Options, pass_messages, symla
from symla_lite.vsml import Cells

EVERYWHERE = 2
"""What every cell receives: the reward and the end flag."""


def untied(hidden: Count = 16, message: Count = 8) -> Learner:
    """SymLA whose cells (a, b) each have a theta of their own; all begin with the same.

    Args:
        hidden: N, as in `symla`.
        message: M, as in `symla`.

    Returns:
        A learner; its theta has the arrays of SymLA's, with [A, B] in front.
    """
    plain = symla(hidden, message)

    def init_theta(key: jax.Array, sizes: Sizes) -> Theta:
        each = lambda x: jnp.broadcast_to(x, (*sizes, *x.shape))  # noqa: E731
        return jax.tree.map(each, plain.init_theta(key, sizes))

    def cells(theta: Theta) -> Cells:
        def over_a_and_b(part: str, *axes: tuple[int | None, int | None]):
            """One of a cell's functions, with theta [A, B] and further arguments that have an axis
            of a and one of b where `axes` say so."""

            def one(theta, *arguments):
                return getattr(vsml.lstm_cell(theta), part)(*arguments)

            over_b = jax.vmap(one, in_axes=(0, *(b for _, b in axes)))
            return jax.vmap(over_b, in_axes=(0, *(a for a, _ in axes)))

        rnn = over_a_and_b("rnn", (0, 0), (0, None), (None, 0), (None, None))
        m_fwd, m_bwd = over_a_and_b("m_fwd", (0, 0)), over_a_and_b("m_bwd", (0, 0))
        return Cells(
            tick=lambda state, inputs: rnn(theta, state, *inputs),
            forward=lambda state: m_fwd(theta, state).mean(axis=0),
            backward=lambda state: m_bwd(theta, state).mean(axis=1),
        )

    return _of_cells("untied", plain, init_theta, cells)


def embedded(hidden: Count = 16, message: Count = 8, embedding: Count = 8) -> Learner:
    """SymLA with a learned vector for each action, which the cells (., b) receive beside all else;
    it begins at zero.

    Args:
        hidden: N, as in `symla`.
        message: M, as in `symla`.
        embedding: E, the length of the vectors.

    Returns:
        A learner; its theta is `{"cell": theta of an LSTM cell, "embedding": [B, E]}`.
    """
    plain = symla(hidden, message)
    inputs = 2 * (message + 1) + EVERYWHERE + embedding

    def init_theta(key: jax.Array, sizes: Sizes) -> Theta:
        cell = vsml.lstm_theta(key, inputs, hidden, message, plain.options["forget_bias"])
        return {"cell": cell, "embedding": jnp.zeros((sizes.action, embedding))}

    def cells(theta: Theta) -> Cells:
        shared = vsml.textbook(vsml.lstm_cell(theta["cell"]), "mean")

        def tick(state, inputs):
            at_output = jnp.concatenate([inputs.at_output, theta["embedding"]], axis=-1)
            return shared.tick(state, inputs._replace(at_output=at_output))

        return shared._replace(tick=tick)

    return _of_cells("embedded", plain, init_theta, cells, embedding=embedding)


def fixed_size(hidden: Count = 16, message: Count = 8) -> Learner:
    """SymLA whose messages weigh what cells send by its rank: the largest, the second, and so on.
    The weights begin with 1 / A and 1 / B, which make the mean.

    Args:
        hidden: N, as in `symla`.
        message: M, as in `symla`.

    Returns:
        A learner; its theta is `{"cell": SymLA's, "forward": weights [A], "backward": [B]}`.
    """
    plain = symla(hidden, message)

    def init_theta(key: jax.Array, sizes: Sizes) -> Theta:
        A, B = sizes
        forward, backward = jnp.full(A, 1 / A), jnp.full(B, 1 / B)
        return {"cell": plain.init_theta(key, sizes), "forward": forward, "backward": backward}

    def cells(theta: Theta) -> Cells:
        cell = vsml.lstm_cell(theta["cell"])
        shared = vsml.textbook(cell)
        sent = lambda part, state: jax.vmap(jax.vmap(part))(state)  # noqa: E731

        def by_rank(values: jax.Array, weights: jax.Array) -> jax.Array:
            return jnp.tensordot(weights, -jnp.sort(-values, axis=0), axes=1)

        def backward(state: hk.LSTMState) -> jax.Array:
            return by_rank(sent(cell.m_bwd, state).swapaxes(0, 1), theta["backward"])

        return shared._replace(
            forward=lambda state: by_rank(sent(cell.m_fwd, state), theta["forward"]),
            backward=backward,
        )

    return _of_cells("fixed_size", plain, init_theta, cells)


def _of_cells(
    name: str,
    plain: Learner,
    init_theta: Callable[[jax.Array, Sizes], Theta],
    cells: Callable[[Theta], Cells],
    **more: int,
) -> Learner:
    """SymLA with other cells, and a theta that fits them."""
    options = Options(**plain.options)

    def init_state(theta: Theta, key: jax.Array, sizes: Sizes):
        return plain.init_state(plain.init_theta(key, sizes), key, sizes)

    def step(theta: Theta, state, x: Input):
        return pass_messages(cells(theta), options, state, x)

    return Learner(name, {**plain.options, **more}, init_theta, init_state, step)
