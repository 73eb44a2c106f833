"""What all LSTMs here share: their first forget bias, and their gates for less work.

`hk.LSTM` is the reference. Its gates come in the order i, g, f, o, and it adds 1 to the forget gate
whatever its weights are.
"""

from typing import Annotated, Any

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


def for_gates(
    w: Annotated[jax.Array, "I G"], b: Annotated[jax.Array, "G"]
) -> tuple[jax.Array, jax.Array]:
    """Weights and bias that make gates as `through_gates` takes them, from Haiku's.

    Haiku's 1 goes into the forget gate's bias, and every gate is divided by what its fraction wants
    divided: once for each lifetime and not in every step. Powers of two divide without rounding.

    Args:
        w: the weights, [inputs, 4 N], gates in the order i, g, f, o.
        b: the bias, [4 N].
    """
    N = b.shape[-1] // 4
    dtype = jnp.result_type(b)  # JAX's own, also where b is a NumPy array of more bits
    remembered = jnp.repeat(jnp.array([0.0, 0.0, 1.0, 0.0], dtype), N)
    share = jnp.repeat(jnp.array([1 / 4, 1 / 2, 1 / 4, 1 / 4], dtype), N)
    return share * w, share * (b + remembered)


@jax.custom_vjp
def through_gates(
    gates: Annotated[jax.Array, "... G"], c: Annotated[jax.Array, "... N"]
) -> tuple[jax.Array, jax.Array]:
    """An LSTM's new state, with two divisions where three sigmoids and two tanh would take five.

    Each activation is kept as a fraction, and the fractions are brought to a common denominator:

        c' = sigmoid(f + 1) c + sigmoid(i) tanh(g),    h' = sigmoid(o) tanh(c').

    Equal to `jax.nn.sigmoid` and `jnp.tanh` to 1e-6. Can be differentiated in reverse
    (`jax.grad`, `jax.vjp`), and not forward (`jax.jvp`).

    Args:
        gates: i / 4, g / 2, (f + 1) / 4 and o / 4 side by side (`for_gates`), [..., 4 N].
        c: the memory, [..., N].

    Returns:
        h' and c', [..., N] each.
    """
    if gates.shape[-1] != 4 * c.shape[-1]:
        raise ValueError(
            f"gates has {gates.shape[-1]} entries for {c.shape[-1]} of c: give four times as many."
        )
    i, g, f, o = jnp.split(gates, 4, axis=-1)
    (write, over_i), (new, over_g) = twice_sigmoid(i), half_tanh(g)
    keep, over_f = twice_sigmoid(f)
    over_ig = over_i * over_g
    c = (keep * (c / 2) * over_ig + write * new * over_f) / (over_f * over_ig)
    (show, over_o), (value, over_c) = twice_sigmoid(o), half_tanh(c / 2)
    return show * value / (over_o * over_c), c


def _through_gates(gates: jax.Array, c: jax.Array):
    h, new = through_gates(gates, c)
    return (h, new), (gates, c, new)


def _back_through_gates(kept: tuple[jax.Array, ...], derivative: tuple[jax.Array, jax.Array]):
    """The derivative by the activations. That of the fractions takes several times as long."""
    gates, c, new = kept
    of_h, of_c = derivative
    i, g, f, o = jnp.split(gates, 4, axis=-1)
    i, g, f, o = sigmoid_of_4x(i), tanh_of_2x(g), sigmoid_of_4x(f), sigmoid_of_4x(o)
    value = tanh_of_2x(new / 2)
    of_c = of_c + of_h * o * (1 - value**2)
    of_gates = [
        4 * i * (1 - i) * of_c * g,
        2 * (1 - g**2) * of_c * i,
        4 * f * (1 - f) * of_c * c,
        4 * o * (1 - o) * of_h * value,
    ]
    return jnp.concatenate(of_gates, axis=-1), of_c * f


through_gates.defvjp(_through_gates, _back_through_gates)


def sigmoid_of_4x(x: jax.Array) -> jax.Array:
    """sigmoid(4 x), entry by entry."""
    p, q = twice_sigmoid(x)
    return p / (2 * q)


def tanh_of_2x(x: jax.Array) -> jax.Array:
    """tanh(2 x), entry by entry."""
    p, q = half_tanh(x)
    return 2 * p / q


def half_tanh(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Numerator and denominator of tanh(2 x) / 2 = t / (1 + t²), where t = tanh x."""
    p, q = lambert(x)
    return p * q, p * p + q * q


def twice_sigmoid(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Numerator and denominator of 2 sigmoid(4 x) = (1 + t)² / (1 + t²), where t = tanh x."""
    p, q = lambert(x)
    return (p + q) * (p + q), p * p + q * q


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
