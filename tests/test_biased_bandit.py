"""The bandit whose first arm always pays more, and the same with its arms exchanged."""

import jax
import numpy as np
import pytest
from scipy import stats

from symla_lite.environments.bandits import biased

TASKS = 4000
ALARM = 1e-3
"""A correct sampler would be doubted at one seed in a thousand; the seeds here are fixed."""


def tasks(environment, seed=0):
    """Payout probabilities of many tasks, [TASKS, 2]."""
    keys = jax.random.split(jax.random.key(seed), TASKS)
    return np.asarray(jax.vmap(environment.draw_task)(keys), np.float64)


@pytest.mark.parametrize(("swapped", "better", "worse"), [(False, 0, 1), (True, 1, 0)])
def test_one_arm_pays_in_the_upper_half_and_the_other_in_the_lower(swapped, better, worse):
    p = tasks(biased(swapped))
    assert stats.kstest(p[:, better], stats.uniform(0.5, 0.5).cdf).pvalue > ALARM
    assert stats.kstest(p[:, worse], stats.uniform(0.0, 0.5).cdf).pvalue > ALARM
    assert np.all(p[:, better] >= p[:, worse])


def test_how_much_one_arm_pays_tells_nothing_of_the_other():
    p = tasks(biased())
    cells, _, _ = np.histogram2d(p[:, 0], p[:, 1], bins=4, range=[[0.5, 1], [0, 0.5]])
    assert stats.chisquare(cells.ravel()).pvalue > ALARM


def test_exchanging_the_arms_changes_their_names_and_nothing_else():
    p, q = tasks(biased(), seed=0), tasks(biased(swapped=True), seed=1)
    for arm in range(2):
        assert stats.ks_2samp(p[:, arm], q[:, 1 - arm]).pvalue > ALARM


def test_it_is_a_bernoulli_bandit_of_two_arms_with_a_name_of_its_own():
    assert biased().sizes == biased(swapped=True).sizes == (1, 2)
    assert biased().name != biased(swapped=True).name


@pytest.mark.parametrize("swapped", [0.5, "yes", None])
def test_arms_that_are_half_exchanged_are_refused(swapped):
    with pytest.raises(ValueError, match="give True or False"):
        biased(swapped)
