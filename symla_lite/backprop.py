"""Backpropagation, written out as three sums.

Equations 1 to 3 of the paper for dense layers k = 1 ... K, with the nonlinearities that it omits:

    z_b^(k)     = sum_a x_a^(k) w_ab^(k),   x_b^(k+1) = g(z_b^(k))       forward pass (1)
    delta_a^(k-1) = g'(z_a^(k-1)) sum_b delta_b^(k) w_ab^(k)             backward pass (2)
    Delta w_ab^(k) = -alpha x_a^(k) delta_b^(k)                          update (3)

x^(1) is the network's input and y = x^(K+1) its output; the last layer is linear. delta_b^(k) is
dJ/dz_b^(k), so that Equation 3 is the paper's own whatever g is. The first error to be known is
that at the output, delta^(K) = dJ/dy. J is minimised.

Arrays may have leading axes (a batch, the steps of an episode): J is then the sum over them. There
are no biases: where one is wanted, feed an input that is always 1.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from symla_lite import checks
from symla_lite.checks import Count, Index, Key, NotNegative, Range

Weights = tuple[jax.Array, ...]
"""w^(1), ..., w^(K), where w^(k) is [A^(k), B^(k)] and B^(k) = A^(k+1)."""

Activations = tuple[jax.Array, ...]
"""x^(1), ..., x^(K+1), where x^(k) is [..., A^(k)] and x^(K+1) is [..., B^(K)]."""

Errors = tuple[jax.Array, ...]
"""delta^(1), ..., delta^(K), where delta^(k) is [..., B^(k)]."""

LearningRate = Annotated[jax.Array, Range(above=0)]

Outputs = Annotated[jax.Array, "... B"]
"""A number for each output of a network; the other axes are a batch or the steps of an episode."""

Returns = Annotated[jax.Array, "..."]
"""A number for each of the batch or for each step."""

Objective = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]
"""`(y [..., B], a [..., B], R [...]) -> J [...]`: what a network with outputs y should make small,
given what the outputs led to: the action taken, one-hot, and the return R that followed."""


class Nonlinearity(NamedTuple):
    """A function g, and its slope as the unit itself can tell it from its output x = g(z)."""

    value: Callable[[jax.Array], jax.Array]
    """`z -> g(z)`, element by element."""
    slope: Callable[[jax.Array], jax.Array]
    """`g(z) -> g'(z)`, element by element."""


Hidden = Literal["tanh", "relu", "linear"]
"""The name of the hidden layers' g."""

NONLINEARITIES: dict[Hidden, Nonlinearity] = {
    "tanh": Nonlinearity(jnp.tanh, lambda x: 1 - x**2),
    "relu": Nonlinearity(jax.nn.relu, lambda x: jnp.where(x > 0, 1.0, 0.0)),
    "linear": Nonlinearity(lambda z: z, jnp.ones_like),
}
"""The hidden layers' g, by name."""


# The learning rule: Equations 1 to 3.


def init_weights(key: Key, sizes: Sequence[Count], scale: NotNegative = 1.0) -> Weights:
    """Independent normal weights of variance scale^2 / A^(k), identically distributed in a layer.

    Args:
        key: all that is random.
        sizes: units per layer, inputs first: A^(1), B^(1), ..., B^(K); at least two numbers.
        scale: the standard deviation of a layer's sums z for inputs of unit variance. Zero is
            allowed, and leaves a network with hidden layers unable to learn.

    Raises:
        ValueError: fewer than two sizes, a size that is not positive, a negative scale.
    """
    sizes = tuple(sizes)
    if len(sizes) < 2:
        raise ValueError(
            f"A network has units in its inputs and in its outputs: sizes={sizes}, "
            "give at least two positive numbers."
        )
    keys = jax.random.split(key, len(sizes) - 1)
    return tuple(
        scale / np.sqrt(A) * jax.random.normal(key, (A, B))
        for key, A, B in zip(keys, sizes[:-1], sizes[1:])
    )


def forward(weights: Weights, x: jax.Array, nonlinearity: Hidden = "tanh") -> Activations:
    """Forward pass (Equation 1), with all that the other two passes need.

    Args:
        weights: w^(1) ... w^(K).
        x: the network's inputs x^(1), [..., A^(1)].
        nonlinearity: g of the hidden layers, a name in `NONLINEARITIES`.

    Returns:
        x^(1), ..., x^(K+1); the last is the output y.

    Raises:
        ValueError: weights that are no chain of matrices, inputs of another length, an unknown g.
    """
    g = NONLINEARITIES[nonlinearity]
    _check_chain(weights)
    x = jnp.asarray(x)
    if x.ndim < 1 or x.shape[-1] != weights[0].shape[0]:
        raise ValueError(
            f"Inputs of shape {x.shape} do not fit the first layer: "
            f"their last axis must be {weights[0].shape[0]} long."
        )
    xs = [x]
    for k, w in enumerate(weights, start=1):
        z = xs[-1] @ w
        xs.append(z if k == len(weights) else g.value(z))
    return tuple(xs)


def backward(
    weights: Weights, xs: Activations, delta: jax.Array, nonlinearity: Hidden = "tanh"
) -> Errors:
    """Backward pass (Equation 2).

    Args:
        weights: w^(1) ... w^(K).
        xs: what `forward` gave with these weights.
        delta: the initial error delta^(K) = dJ/dy, [..., B^(K)].
        nonlinearity: as in `forward`.

    Returns:
        delta^(1), ..., delta^(K).

    Raises:
        ValueError: weights that are no chain of matrices, activations or an error that do not fit
            them, an unknown g.
    """
    g = NONLINEARITIES[nonlinearity]
    _check_chain(weights)
    _check_activations(weights, xs)
    delta = jnp.asarray(delta)
    if delta.shape != xs[-1].shape:
        raise ValueError(
            f"An initial error of shape {delta.shape} does not fit outputs of shape "
            f"{xs[-1].shape}: give one error for each output."
        )
    deltas = [delta]
    for w, x in zip(weights[:0:-1], xs[-2:0:-1]):
        deltas.insert(0, g.slope(x) * (deltas[0] @ w.T))
    return tuple(deltas)


def update(weights: Weights, xs: Activations, deltas: Errors, alpha: LearningRate) -> Weights:
    """Update (Equation 3): one rule, applied to every weight alike.

    Args:
        weights: w^(1) ... w^(K).
        xs: what `forward` gave.
        deltas: what `backward` gave.
        alpha: the learning rate, positive.

    Returns:
        The weights after the update. Leading axes of `xs` and `deltas` are summed over.

    Raises:
        ValueError: weights that are no chain of matrices, activations or errors that do not fit
            them, a learning rate that is not positive.
    """
    _check_chain(weights)
    _check_activations(weights, xs)
    if tuple(d.shape for d in deltas) != tuple(x.shape for x in xs[1:]):
        raise ValueError(
            f"Errors of shapes {[d.shape for d in deltas]} do not fit activations of shapes "
            f"{[x.shape for x in xs[1:]]}: give what `backward` returned for them."
        )
    return tuple(
        w - alpha * jnp.einsum("...a,...b->ab", x, delta)
        for w, x, delta in zip(weights, xs[:-1], deltas)
    )


# Objectives, and the initial error that they send back.


def policy_gradient(
    y: Outputs,
    a: Outputs,
    R: Returns,
) -> jax.Array:
    """J = -R log softmax(y)_a, whose gradient is that of REINFORCE (Williams, 1992).

    With R = 1 and the right answer in the place of the action it is the cross-entropy of a
    classifier.

    Args:
        y: outputs, the logits of a policy, [..., B].
        a: the action taken, one-hot, [..., B].
        R: its return, less a baseline if there is one, [...].

    Returns:
        J, [...].
    """
    return -R * jnp.sum(a * jax.nn.log_softmax(y), axis=-1)


def policy_gradient_error(
    y: Outputs,
    a: Outputs,
    R: Returns,
) -> jax.Array:
    """The initial error of `policy_gradient` worked out: R (softmax(y) - a), [..., B]."""
    return jnp.asarray(R)[..., None] * (jax.nn.softmax(y) - a)


def favour(output: Index, bonus: float) -> Objective:
    """An objective that treats one output specially: J - bonus log softmax(y)_output.

    It raises the probability of that output at every step, whatever was done and earned: what a
    search could find in environments where that action is mostly the right one.

    Args:
        output: index of the favoured output, counted from 0.
        bonus: how much it is favoured; 0 gives `policy_gradient`.

    Raises:
        ValueError: a negative index.
    """

    def objective(y, a, R):
        if output >= y.shape[-1]:
            raise ValueError(
                f"There is no output {output} among {y.shape[-1]}: favour one that exists."
            )
        return policy_gradient(y, a, R) - bonus * jax.nn.log_softmax(y)[..., output]

    return objective


def initial_error(
    objective: Objective,
    y: Outputs,
    a: Outputs,
    R: Returns,
) -> jax.Array:
    """delta^(K) = dJ/dy, for any objective.

    Args:
        objective: J, which must keep the leading axes apart.
        y: outputs, [..., B].
        a: the action taken, one-hot, [..., B].
        R: its return, [...].

    Returns:
        [..., B].

    Raises:
        ValueError: shapes that do not fit one another.
    """

    def total(y):
        J = objective(y, a, R)
        if J is None or jnp.shape(J) != R.shape:
            raise ValueError(
                f"objective gave {checks.shown(J)} for returns of shape {list(R.shape)}: give one "
                "that returns J of the same shape."
            )
        return jnp.sum(J)

    return jax.grad(total)(y)


def learn(
    weights: Weights,
    x: jax.Array,
    a: jax.Array,
    R: jax.Array,
    alpha: LearningRate,
    objective: Objective = policy_gradient,
    nonlinearity: Hidden = "tanh",
) -> Weights:
    """The three passes in a row: one step of gradient descent on the objective.

    Args:
        weights: w^(1) ... w^(K).
        x: inputs, [..., A^(1)].
        a: the action taken, one-hot, [..., B^(K)].
        R: its return, [...].
        alpha: the learning rate, positive.
        objective: J.
        nonlinearity: as in `forward`.

    Returns:
        The weights after the update.

    Raises:
        ValueError: as `forward`, `initial_error` and `update` do.
    """
    xs = forward(weights, x, nonlinearity)
    delta = initial_error(objective, xs[-1], a, R)
    return update(weights, xs, backward(weights, xs, delta, nonlinearity), alpha)


# Permutations, and Equation 5.


def check_permutation(
    permutation: Annotated[jax.Array, "n"], size: Count, name: str = "permutation"
) -> jax.Array:
    """`permutation` as an array [size], if it is one of 0 ... size - 1.

    Args:
        permutation: what may be one.
        size: of what things.
        name: what it is called in the message.

    Raises:
        ValueError: if it is not.
    """
    if isinstance(permutation, jax.core.Tracer):
        return permutation  # its values are not known yet
    given = np.asarray(permutation)
    if given.dtype.kind not in "iu" or sorted(given.tolist()) != list(range(size)):
        raise ValueError(
            f"{name}={given.tolist()} is no permutation of {size} things: give each of 0 to "
            f"{size - 1} once."
        )
    return jnp.asarray(given)


def permute(
    weights: Weights,
    rho: Annotated[jax.Array, "A"] | None = None,
    rho_out: Annotated[jax.Array, "B"] | None = None,
) -> Weights:
    """The weights moved along with permuted inputs and outputs.

    What inputs x and outputs y are to `weights`, x[rho] and y[rho_out] are to the result: with one
    layer, w_ab becomes w_{rho(a) rho'(b)}. The order of hidden units stays.

    Args:
        weights: w^(1) ... w^(K).
        rho: which old input stands at each place, a permutation of 0 ... A^(1) - 1; left out, all
            stay where they are.
        rho_out: rho', the same for the outputs.

    Raises:
        ValueError: weights that are no chain of matrices, a permutation that is none.
    """
    _check_chain(weights)
    weights = list(weights)
    if rho is not None:
        weights[0] = weights[0][check_permutation(rho, weights[0].shape[0], "rho")]
    if rho_out is not None:
        weights[-1] = weights[-1][:, check_permutation(rho_out, weights[-1].shape[1], "rho_out")]
    return tuple(weights)


def equation_5_error(
    objective: Objective,
    y: jax.Array,
    a: jax.Array,
    R: jax.Array,
    rho_out: Annotated[jax.Array, "B"],
) -> jax.Array:
    """How far an objective is from Equation 5: is the gradient of the permuted output the permuted
    gradient?

    Args:
        objective: any J.
        y: outputs, [..., B].
        a: the action taken, one-hot, [..., B]; it is permuted along, as the paper asks of the
            environment.
        R: its return, [...].
        rho_out: rho', a permutation of 0 ... B - 1.

    Returns:
        The largest |dJ(y')/dy'_b - [dJ(y)/dy]_rho'(b)| with y'_b = y_rho'(b), []: zero up to
        rounding where the equation holds.

    Raises:
        ValueError: shapes that do not fit one another, a permutation that is none.
    """
    permuted_gradient = initial_error(objective, y, a, R)
    rho_out = check_permutation(rho_out, y.shape[-1], "rho_out")
    gradient_of_permuted = initial_error(objective, y[..., rho_out], a[..., rho_out], R)
    return jnp.max(jnp.abs(gradient_of_permuted - permuted_gradient[..., rho_out]))


# At the door.


def _check_chain(weights: Weights) -> None:
    shapes = [jnp.shape(w) for w in weights]
    if not shapes or any(len(shape) != 2 for shape in shapes):
        raise ValueError(
            f"A network is a chain of matrices: its weights have shapes {shapes}, "
            "give at least one, each [inputs, outputs]."
        )
    for k, (left, right) in enumerate(zip(shapes[:-1], shapes[1:]), start=1):
        if left[1] != right[0]:
            raise ValueError(
                f"The layers do not chain: layer {k} has {left[1]} outputs and "
                f"layer {k + 1} has {right[0]} inputs, make them equal."
            )


def _check_activations(weights: Weights, xs: Activations) -> None:
    sizes = [w.shape[0] for w in weights] + [weights[-1].shape[1]]
    shapes = [jnp.shape(x) for x in xs]
    if [shape[-1:] for shape in shapes] != [(size,) for size in sizes] or (
        len({shape[:-1] for shape in shapes}) > 1
    ):
        raise ValueError(
            f"Activations of shapes {shapes} do not fit layers of sizes {sizes}: "
            "give what `forward` returned for these weights."
        )
