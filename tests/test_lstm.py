"""The cheap gates are an LSTM's gates, for every input that a float can hold."""

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import expit

from symla_lite.lstm import for_gates, half_tanh, lambert, through_gates, twice_sigmoid

EVERYWHERE = np.concatenate(
    [np.linspace(-40, 40, 200_001), [0, -0.0, 1e-30, -1e-30, 1e4, -1e4, 3e38, -3e38]]
).astype(np.float32)


def quotient(fraction):
    numerator, denominator = fraction
    return np.asarray(numerator, np.float64) / np.asarray(denominator, np.float64)


def test_the_fractions_are_tanh_and_sigmoid_to_a_floats_precision():
    exact, half, quarter = EVERYWHERE.astype(np.float64), EVERYWHERE / 2, EVERYWHERE / 4
    np.testing.assert_allclose(2 * quotient(half_tanh(half)), np.tanh(exact), atol=3e-7)
    np.testing.assert_allclose(quotient(twice_sigmoid(quarter)) / 2, expit(exact), atol=3e-7)
    few = half[np.abs(exact) < 1e-3]
    tanh = np.tanh(2 * few.astype(np.float64))
    np.testing.assert_allclose(2 * quotient(half_tanh(few)), tanh, rtol=1e-6)


def test_the_fraction_is_lamberts_cut_after_the_13():
    x = np.float32(0.7)
    value = 13.0
    for odd in (11, 9, 7, 5, 3, 1):
        value = odd + float(x) ** 2 / value
    np.testing.assert_allclose(quotient(lambert(x)), x / value, rtol=1e-6)


def test_through_the_gates_as_haikus_lstm():
    """With an identity in place of its weights, its input is its gates."""
    gates = jax.random.normal(jax.random.key(0), (500, 4, 5)) * jnp.array([1, 3, 10, 100])[:, None]
    gates = gates.reshape(500, 20)
    c = 3 * jax.random.normal(jax.random.key(1), (500, 5))
    lstm = hk.without_apply_rng(hk.transform(lambda x, state: hk.LSTM(5, name="lstm")(x, state)[1]))
    weights = jnp.concatenate([jnp.eye(20), jnp.zeros((5, 20))])
    theta = {"lstm/linear": {"w": weights, "b": jnp.zeros(20)}}
    with jax.default_matmul_precision("highest"):
        theirs = lstm.apply(theta, gates, hk.LSTMState(hidden=jnp.zeros((500, 5)), cell=c))
    w, b = for_gates(jnp.eye(20), jnp.zeros(20))
    h, c = through_gates(gates @ w + b, c)
    np.testing.assert_allclose(h, theirs.hidden, atol=1e-6)
    np.testing.assert_allclose(c, theirs.cell, atol=5e-6)


def test_weights_of_numpy_take_jaxs_own_precision_without_a_warning(recwarn):
    w, b = for_gates(np.ones((3, 8)), np.ones(8))
    assert w.dtype == b.dtype == jnp.float32
    assert not recwarn.list
