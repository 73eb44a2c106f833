"""The finite-horizon index is worked out by scipy, and is better than Thompson sampling."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from symla_lite.baselines import index_policy, thompson
from symla_lite.environments.bandits import expected_regret, independent_arms
from symla_lite.learner import Input, Sizes, first_input
from symla_lite.meta_testing import meta_test


def lost(learner, arms, lifetimes):
    def at_the_end(lived):
        return expected_regret(lived.task, lived.action)[-1]

    return meta_test(learner, {}, independent_arms(arms), 100, lifetimes, 0, at_the_end)


@pytest.mark.parametrize("arms", [2, 5])
def test_it_chooses_the_largest_mean_and_share_of_the_deviation(arms):
    T = 12
    learner, sizes, rng = index_policy(T), Sizes(1, arms), np.random.default_rng(arms)
    h = learner.init_state({}, jax.random.key(0), sizes)
    x, paid, missed = first_input(jnp.zeros(1), sizes), np.zeros(arms), np.zeros(arms)
    step = jax.jit(learner.step)
    for t in range(T + 5):  # past its horizon, too
        logits, h = step({}, h, x)
        belief = stats.beta(1 + paid, 1 + missed)
        index = belief.mean() + max(0, 1 - t / T) * belief.std()
        chosen = np.isclose(index, index.max(), rtol=1e-6)
        np.testing.assert_allclose(jax.nn.softmax(logits), chosen / chosen.sum(), atol=1e-6)
        arm, payout = rng.integers(arms), rng.integers(2)
        paid[arm] += payout
        missed[arm] += 1 - payout
        x = Input(jnp.zeros(1), jnp.float32(payout), jax.nn.one_hot(arm, arms), jnp.zeros(()))


def simulated(arms, pulls=100, lifetimes=1000):
    """Expected regret of each lifetime, by a loop in NumPy over pulls."""
    rng = np.random.default_rng(0)
    p, every = rng.uniform(size=(lifetimes, arms)), np.arange(lifetimes)
    paid, missed = np.zeros((2, lifetimes, arms))
    regret = np.zeros(lifetimes)
    for t in range(pulls):
        belief = stats.beta(1 + paid, 1 + missed)
        index = belief.mean() + (1 - t / pulls) * belief.std()
        arm = np.argmax(index + 1e-9 * rng.uniform(size=index.shape), axis=1)  # ties at random
        payout = rng.uniform(size=lifetimes) < p[every, arm]
        paid[every, arm] += payout
        missed[every, arm] += ~payout
        regret += p.max(1) - p[every, arm]
    return regret


def test_its_regret_is_that_of_a_plain_simulation():
    ours, plain = lost(index_policy(100), 8, 1000), simulated(8)
    error = np.hypot(ours.std(), plain.std()) / np.sqrt(1000)
    assert abs(ours.mean() - plain.mean()) < 4 * error


@pytest.mark.slow
def test_at_this_horizon_it_is_much_better_than_thompson_sampling():
    assert lost(index_policy(100), 8, 400).mean() < 0.75 * lost(thompson(), 8, 400).mean()


@pytest.mark.parametrize("pulls", [0, -1, 2.5])
def test_a_horizon_is_a_number_of_pulls(pulls):
    with pytest.raises(ValueError, match=f"pulls={pulls} .*a whole number, at least 1"):
        index_policy(pulls)
