"""What all LSTMs here share: their first forget bias, and their gates for less work.

`hk.LSTM` is the reference. Its gates come in the order i, g, f, o, and it adds 1 to the forget gate
whatever its weights are.
"""

from typing import Any

import jax
import jax.numpy as jnp

FAR = 4.25
"""Beyond tanh(2 · FAR) there is nothing between tanh and 1 that a float could show."""


def with_forget_bias(theta: Any, name: str, forget_bias: float) -> Any:
    """Fresh LSTM weights with another initial bias of the forget gate.

    What is missing to `forget_bias` is put into the third quarter of the LSTM's bias.

    Args:
        theta: Haiku's parameters.
        name: of the LSTM's linear layer among them.
        forget_bias: the bias in all.
    """
    i, g, f, o = jnp.split(theta[name]["b"], 4)
    return theta | {name: theta[name] | {"b": jnp.concatenate([i, g, f + forget_bias - 1, o])}}


def through_gates(gates: jax.Array, c: jax.Array) -> tuple[jax.Array, jax.Array]:
    """An LSTM's new state, with two divisions where three sigmoids and two tanh would take five.

    Each activation is kept as a fraction, and the fractions are brought to a common denominator:

        c' = sigmoid(f + 1) c + sigmoid(i) tanh(g),    h' = sigmoid(o) tanh(c').

    Equal to `jax.nn.sigmoid` and `jnp.tanh` to 1e-6.

    Args:
        gates: i, g, f, o side by side, [..., 4 N].
        c: the memory, [..., N].

    Returns:
        h' and c', [..., N] each.
    """
    i, g, f, o = jnp.split(gates, 4, axis=-1)
    (write, over_i), (new, over_g), (keep, over_f) = sigmoid(i), tanh(g), sigmoid(f + 1)
    over_ig = over_i * over_g
    c = (keep * over_ig * c + write * new * over_f) / (over_f * over_ig)
    (show, over_o), (value, over_c) = sigmoid(o), tanh(c)
    return show * value / (over_o * over_c), c


def tanh(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Numerator and denominator of tanh(x) = 2 t / (1 + t²), where t = tanh(x / 2)."""
    p, q = lambert(x / 2)
    return 2 * p * q, p * p + q * q


def sigmoid(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Numerator and denominator of sigmoid(x) = (1 + t)² / (2 (1 + t²)), where t = tanh(x / 4)."""
    p, q = lambert(x / 4)
    return (p + q) * (p + q), 2 * (p * p + q * q)


def lambert(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Numerator and denominator of tanh x by Lambert's continued fraction of 1761,

        tanh x = x / (1 + x² / (3 + x² / (5 + ...))),

    cut after the 13. Its error grows with x, to 5e-4 at `FAR`, where x is cut; doubling the angle,
    as both callers do, shrinks it below a float's rounding, because there tanh hardly changes.
    """
    x = jnp.clip(x, -FAR, FAR)
    x2 = x * x
    p = x * (1 + x2 * (17325 / 135135 + x2 * (378 / 135135 + x2 / 135135)))
    q = 1 + x2 * (62370 / 135135 + x2 * (3150 / 135135 + x2 * (28 / 135135)))
    return p, q
