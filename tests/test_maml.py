"""MAML's inner update is REINFORCE's, and both are what an episode worked out by hand says."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from histories import SIZES, lifetime

from symla_lite.baselines import maml, reinforce
from symla_lite.environments.bandits import biased
from symla_lite.evolution import ES
from symla_lite.learner import Input, Sizes, count
from symla_lite.meta_testing import meta_test
from symla_lite.meta_training import Outer, meta_train

ALPHA = 0.3
OPTIONS = dict(hidden=(5,), learning_rate=ALPHA, horizon=50, baseline=False, output_scale=1.0)
KEY = jax.random.key(0)


def by_hand(weights, o, action, reward):
    """The weights after one episode, in NumPy and double precision, an action at a time."""
    first, last = (np.asarray(w, np.float64) for w in weights)
    change_first, change_last = np.zeros_like(first), np.zeros_like(last)
    for t in range(len(action)):
        x = np.append(o[t], 1.0)
        hidden = np.tanh(x @ first)
        y = hidden @ last
        pi = np.exp(y - y.max()) / np.exp(y - y.max()).sum()
        error = np.eye(len(y))[action[t]] - pi
        change_last += np.outer(hidden, error)
        change_first += np.outer(x, (1 - hidden**2) * (last @ error))
    R = float(np.sum(reward, dtype=np.float64))
    return first + ALPHA * R * change_first, last + ALPHA * R * change_last


def by_autodiff(weights, o, action, reward):
    """The same by `jax.grad` of the episode's surrogate."""

    def surrogate(weights):
        y = jnp.tanh(jnp.c_[o, jnp.ones(len(o))] @ weights[0]) @ weights[1]
        log_pi = jax.nn.log_softmax(y)[jnp.arange(len(action)), action]
        return reward.sum() * log_pi.sum()

    return jax.tree.map(lambda w, g: w + ALPHA * g, weights, jax.grad(surrogate)(weights))


@pytest.mark.parametrize("oracle", [by_hand, by_autodiff])
@pytest.mark.parametrize(
    "make",
    [reinforce, functools.partial(reinforce, tuned=True), maml],
    ids=["fixed", "tuned", "maml"],
)
def test_the_inner_update_is_that_of_the_policy_gradient(make, oracle):
    ends = (4, 12)
    told, action, reward = lifetime(ends)
    learner = make(**OPTIONS)
    theta = learner.init_theta(jax.random.key(1), SIZES)
    h = learner.init_state(theta, KEY, SIZES)
    step, weights, found = jax.jit(learner.step), h.weights, []
    for t in range(len(told.r)):
        _, h = step(theta, h, Input(*(x[t] for x in told)))
        found.append(h.weights)
    for episode in (slice(0, 4), slice(5, 12)):  # nothing is done at the terminal observation
        before = weights
        weights = oracle(weights, told.o[episode], action[episode], reward[episode])
        for one, other in zip(found[episode.stop], weights):
            np.testing.assert_allclose(one, other, atol=1e-5)
    assert max(np.abs(w - b).max() for w, b in zip(weights, before)) > 0.05


def test_a_lifetime_begins_with_the_weights_in_theta():
    learner = maml((5, 6))
    theta = learner.init_theta(jax.random.key(1), SIZES)
    for key in (KEY, jax.random.key(7)):
        for w, first in zip(learner.init_state(theta, key, SIZES).weights, theta["weights"]):
            np.testing.assert_array_equal(w, first)


def test_theta_holds_the_constants_too_and_they_are_used():
    assert count(maml((5,)).init_theta(KEY, SIZES)) == 4 * 5 + 5 * 4 + 2
    tuned = reinforce((), 0.1, horizon=20, tuned=True)
    other = {"log_constants": jnp.log(jnp.array([1.0, 1.0]))}
    asked = functools.partial(meta_test, environment=biased(), length=50, lifetimes=50, seed=0)
    same = asked(reinforce((), 1.0, horizon=1), {})
    np.testing.assert_array_equal(asked(tuned, other), same)
    assert np.any(asked(tuned, tuned.init_theta(KEY, Sizes(1, 2))) != same)


def test_meta_training_finds_a_beginning_where_the_first_arm_is_the_better_one():
    """The paper's biased bandit: REINFORCE has to find out each time, MAML begins with it."""
    outer = Outer(ES(32, sigma=0.1), learning_rate=0.1, steps=30, length=20, lifetimes=8)
    learner = maml((), 0.1)
    theta = meta_train(learner, biased(), outer, seed=0, progress=False).theta
    earned = meta_test(learner, theta, biased(), 20, 200, seed=0)
    swapped = meta_test(learner, theta, biased(swapped=True), 20, 200, seed=0)
    assert earned[:, 0].mean() > 0.65 and swapped[:, 0].mean() < 0.35


def test_theta_fits_one_pair_of_sizes():
    learner = maml()
    theta = learner.init_theta(KEY, SIZES)
    for sizes in (Sizes(2, 4), Sizes(3, 5)):
        with pytest.raises(ValueError, match="theta does not fit maml"):
            learner.init_state(theta, KEY, sizes)


def test_bad_options_are_refused():
    with pytest.raises(ValueError, match="horizon=0"):
        maml(horizon=0)
    with pytest.raises(ValueError, match=r"hidden\[0\]=0"):
        maml(hidden=(0,))
