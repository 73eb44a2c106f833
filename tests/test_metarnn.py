"""The MetaRNN is one LSTM over observation, action, reward and end flag."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symla_lite.controls import without_reward
from symla_lite.environments.bandits import independent_arms
from symla_lite.learner import Input, Sizes, count, first_input
from symla_lite.lifetime import live
from symla_lite.metarnn import metarnn
from symla_lite.symla import symla


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def random_theta(learner, sizes, scale=0.4):
    """Initial theta with noise on all of it: initial biases are zero, and would hide mistakes."""
    rng = np.random.default_rng(0)
    theta = learner.init_theta(jax.random.key(0), sizes)
    return jax.tree.map(lambda x: x + scale * rng.normal(size=x.shape).astype(np.float32), theta)


def random_inputs(sizes, length):
    """Inputs of a lifetime, stacked over time."""
    rng = np.random.default_rng(0)
    o, r = rng.normal(size=(length, sizes.observation)), rng.normal(size=length)
    a = np.eye(sizes.action)[rng.integers(sizes.action, size=length)]
    end = rng.integers(2, size=length)
    return Input(*(np.asarray(x, np.float32) for x in (o, r, a, end)))


@functools.partial(jax.jit, static_argnames=("learner", "sizes"))
def answers(learner, theta, sizes, inputs):
    """Logits at every step, [L, B]."""

    def step(h, x):
        logits, h = learner.step(theta, h, x)
        return h, logits

    h = learner.init_state(theta, jax.random.key(0), sizes)
    return jax.lax.scan(step, h, inputs)[1]


@pytest.mark.parametrize("end_flag", [True, False])
@pytest.mark.parametrize("sizes", [Sizes(1, 2), Sizes(4, 3)])
def test_it_is_an_lstm_and_a_linear_layer(sizes, end_flag):
    N = 6
    learner = metarnn(hidden=N, end_flag=end_flag, forget_bias=2.0)
    theta = random_theta(learner, sizes)
    w, b = (np.asarray(theta["lstm/linear"][name], np.float64) for name in "wb")
    w_out, b_out = (np.asarray(theta["action"][name], np.float64) for name in "wb")
    h, c, expected = np.zeros(N), np.zeros(N), []
    inputs = random_inputs(sizes, 20)
    for t in range(20):
        told = [*inputs.o[t], *inputs.a[t], inputs.r[t]] + ([inputs.end[t]] if end_flag else [])
        gates = np.array([*told, *h], np.float64) @ w + b
        i, g, f, o = gates[:N], gates[N : 2 * N], gates[2 * N : 3 * N], gates[3 * N :]
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        expected.append(h @ w_out + b_out)
    logits = answers(learner, theta, sizes, inputs)
    np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5)


def test_its_size_is_that_of_an_lstm_and_a_linear_layer():
    N, A, B = 48, 1, 2
    theta = metarnn(hidden=N).init_theta(jax.random.key(0), Sizes(A, B))
    assert count(theta) == 4 * N * (A + B + 2 + N) + 4 * N + B * (N + 1)


def test_the_end_of_an_episode_is_heard_with_the_end_flag_only():
    sizes = Sizes(2, 3)
    for end_flag in (True, False):
        learner = metarnn(hidden=5, end_flag=end_flag)
        theta = random_theta(learner, sizes)
        inputs = random_inputs(sizes, 10)
        silent = inputs._replace(end=np.zeros_like(inputs.end))
        heard, unheard = (answers(learner, theta, sizes, xs) for xs in (inputs, silent))
        assert (np.max(np.abs(heard - unheard)) > 1e-3) == end_flag


@pytest.mark.parametrize("sizes", [Sizes(1, 3), Sizes(2, 2), Sizes(3, 1)])
def test_theta_of_other_sizes_is_refused(sizes):
    learner = metarnn(hidden=4)
    theta = learner.init_theta(jax.random.key(0), Sizes(1, 2))
    with pytest.raises(
        ValueError,
        match=f"does not fit metarnn with {sizes.observation} inputs and {sizes.action} actions",
    ):
        learner.init_state(theta, jax.random.key(0), sizes)


def test_theta_of_other_sizes_is_refused_by_a_lifetime():
    learner = metarnn(hidden=4)
    theta = learner.init_theta(jax.random.key(0), Sizes(1, 2))
    with pytest.raises(ValueError, match="does not fit metarnn with 1 inputs and 5 actions"):
        live(learner, independent_arms(5), 10, theta, jax.random.key(0))


@pytest.mark.parametrize("hidden", [0, -2])
def test_it_needs_units(hidden):
    with pytest.raises(ValueError, match=f"hidden={hidden}"):
        metarnn(hidden=hidden)


@pytest.mark.parametrize("make", [metarnn, symla])
def test_a_learner_without_reward_answers_as_if_nothing_was_ever_paid(make):
    sizes = Sizes(2, 3)
    learner = make(hidden=5)
    theta = random_theta(learner, sizes)
    inputs = random_inputs(sizes, 15)
    poor = inputs._replace(r=np.zeros_like(inputs.r))
    rich = inputs._replace(r=10 * inputs.r)
    unpaid = answers(learner, theta, sizes, poor)
    assert np.max(np.abs(answers(learner, theta, sizes, rich) - unpaid)) > 0.01

    control = without_reward(learner)
    for inputs in (rich, poor):
        np.testing.assert_array_equal(answers(control, theta, sizes, inputs), unpaid)
    assert control.name == f"{learner.name} without reward"


def test_at_the_first_step_nothing_was_done_or_earned():
    x = first_input(jnp.array([1.0, 2.0]), Sizes(2, 3))
    assert [list(np.ravel(part)) for part in x] == [[1, 2], [0], [0, 0, 0], [0]]
