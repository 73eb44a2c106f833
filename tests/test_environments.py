"""Bandits pay as the appendix of the paper says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from symla_lite import environments
from symla_lite.environments.bandits import (
    BANDITS,
    bandit,
    expected_regret,
    independent_arms,
    regret_per_pull,
)

TASKS = 4000
ALARM = 1e-3
"""A correct sampler would be doubted at one seed in a thousand; the seeds here are fixed."""
DEPENDENT = ["uniform", "easy", "medium", "hard"]


def tasks(environment, n=TASKS, seed=0):
    """Payout probabilities of many tasks, [n, arms]."""
    keys = jax.random.split(jax.random.key(seed), n)
    return np.asarray(jax.vmap(environment.draw_task)(keys), np.float64)


@pytest.mark.parametrize("arms", [2, 3, 10])
def test_independent_arms_are_uniform_and_independent(arms):
    p = tasks(independent_arms(arms))
    assert p.shape == (TASKS, arms)
    for arm in range(arms):
        assert stats.kstest(p[:, arm], "uniform").pvalue > ALARM
    for arm in range(1, arms):
        cells, _, _ = np.histogram2d(p[:, 0], p[:, arm], bins=4, range=[[0, 1], [0, 1]])
        assert stats.chisquare(cells.ravel()).pvalue > ALARM


@pytest.mark.parametrize("name", DEPENDENT)
def test_dependent_arms_pay_one_together(name):
    p = tasks(BANDITS[name])
    assert p.shape == (TASKS, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)


def test_the_uniform_bandits_first_arm_is_uniform():
    assert stats.kstest(tasks(BANDITS["uniform"])[:, 0], "uniform").pvalue > ALARM


@pytest.mark.parametrize(("name", "p"), [("easy", 0.1), ("medium", 0.25), ("hard", 0.4)])
def test_the_good_arm_is_either_one_equally_often(name, p):
    first = tasks(BANDITS[name])[:, 0]
    values, counts = np.unique(np.round(first, 6), return_counts=True)
    np.testing.assert_allclose(values, [p, 1 - p], atol=1e-6)
    assert stats.binomtest(int(counts[0]), TASKS, 0.5).pvalue > ALARM


def test_the_five_bandits_stand_in_the_appendix_order():
    assert list(BANDITS) == ["independent", *DEPENDENT]


@pytest.mark.parametrize("arm", [0, 1, 2])
def test_an_arm_pays_one_with_its_probability_and_else_nothing(arm):
    p = jnp.array([0.1, 0.55, 0.95])
    environment = independent_arms(3)
    state, o = environment.reset(jax.random.key(0), p)
    keys = jax.random.split(jax.random.key(arm), TASKS)
    new = jax.vmap(lambda key: environment.step(key, p, state, jnp.int32(arm)))(keys)
    payouts = np.asarray(new.reward)
    assert set(np.unique(payouts)) == {0.0, 1.0}
    assert stats.binomtest(int(payouts.sum()), TASKS, float(p[arm])).pvalue > ALARM
    assert np.all(new.end == 0) and np.all(new.observation == 0)
    assert new.observation.shape == (TASKS, environment.sizes.observation) == (TASKS, len(o))


def test_payouts_of_a_lifetime_are_independent():
    environment = BANDITS["hard"]
    p = jnp.array([0.4, 0.6])
    keys = jax.random.split(jax.random.key(0), TASKS)
    paid = np.asarray(jax.vmap(lambda k: environment.step(k, p, (), jnp.int32(1)).reward)(keys))
    table = np.zeros((2, 2))
    np.add.at(table, (paid[:-1].astype(int), paid[1:].astype(int)), 1)
    assert stats.chi2_contingency(table).pvalue > ALARM


@pytest.mark.parametrize("arms", [2, 5])
def test_regret_is_what_the_best_arm_would_have_paid_more(arms):
    rng = np.random.default_rng(arms)
    p, pulled = rng.uniform(size=(6, arms)), rng.integers(arms, size=(6, 30))
    per_pull, so_far = np.zeros((6, 30)), np.zeros((6, 30))
    for lifetime in range(6):
        lost = 0.0
        for t in range(30):
            per_pull[lifetime, t] = max(p[lifetime]) - p[lifetime, pulled[lifetime, t]]
            lost += per_pull[lifetime, t]
            so_far[lifetime, t] = lost
    p, pulled = jnp.asarray(p, jnp.float32), jnp.asarray(pulled)
    np.testing.assert_allclose(regret_per_pull(p, pulled), per_pull, atol=1e-6)
    np.testing.assert_allclose(expected_regret(p, pulled), so_far, atol=1e-5)
    np.testing.assert_allclose(expected_regret(p[0], pulled[0]), so_far[0], atol=1e-5)


@pytest.mark.parametrize("arms", [1, 0, -4])
def test_a_bandit_without_a_choice_is_refused(arms):
    with pytest.raises(ValueError, match=f"arms={arms} .*, at least 2"):
        independent_arms(arms)
    with pytest.raises(ValueError, match=f"arms={arms}"):
        bandit("lonely", lambda key: jnp.ones(1), arms)


def test_environments_are_found_by_name_and_others_are_refused():
    for name in environments.ENVIRONMENTS:
        assert environments.named(name) is environments.ENVIRONMENTS[name]
    with pytest.raises(ValueError, match="no environment 'casino': take independent, uniform"):
        environments.named("casino")
