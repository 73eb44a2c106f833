"""Every learner works in every environment, with nothing changed."""

import jax
import numpy as np
import pytest

from symla_lite import baselines, broken
from symla_lite.environments import ENVIRONMENTS, cartpole
from symla_lite.lifetime import live
from symla_lite.metarnn import metarnn
from symla_lite.symla import symla

LEARNERS = [
    baselines.random_policy(),
    baselines.win_stay(),
    baselines.actor_critic(),
    baselines.reinforce(),
    baselines.reinforce(tuned=True),
    baselines.maml(),
    baselines.lpg(),
    baselines.metagenrl(),
    metarnn(8),
    symla(4),
    symla(4, layers=2, units=3, initial_std=1.0),
    broken.untied(4),
    broken.embedded(4),
    broken.fixed_size(4),
]


def lifetime(learner, environment, length):
    def run(key):
        theta = learner.init_theta(key, environment.sizes)
        return live(learner, environment, length, theta, key)

    return run


# All that a learner notices of an environment before it acts are the sizes.
OF_EACH_SIZE = {x.sizes: x for x in reversed(ENVIRONMENTS.values())}.values()


OFTEN = "symla", "metarnn", "vsml", "reinforce", "actor_critic"


@pytest.mark.parametrize(
    "learner",
    [pytest.param(x, marks=() if x.name in OFTEN else pytest.mark.slow) for x in LEARNERS],
    ids=lambda x: x.name,
)
def test_it_fits_environments_of_every_size(learner):
    for environment in OF_EACH_SIZE:
        lived = jax.eval_shape(lifetime(learner, environment, 9), jax.random.key(0))
        assert lived.logits.shape == (9, environment.sizes.action), environment.name


@pytest.mark.slow
def test_every_environment_is_one_that_a_learner_of_its_sizes_fits():
    """REINFORCE reads all that an environment gives, and takes it only as it should be."""
    for environment in ENVIRONMENTS.values():
        lived = jax.eval_shape(lifetime(baselines.reinforce(), environment, 9), jax.random.key(0))
        assert lived.observation.shape == (9, environment.sizes.observation), environment.name
        dtypes = {lived.observation.dtype, lived.reward.dtype, lived.end.dtype}
        assert dtypes == {np.dtype("float32")}


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda x: x.name)
def test_its_answers_are_finite_over_many_episodes_and_updates(learner):
    lived = jax.jit(lifetime(learner, cartpole("balance"), 200))(jax.random.key(1))
    assert lived.end.sum() > 2
    assert np.all(np.isfinite(lived.logits))
