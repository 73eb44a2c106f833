"""Every learner works in every environment, with nothing changed."""

import jax
import numpy as np
import pytest

from symla_lite import baselines
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
]


def lifetime(learner, environment, length):
    def run(key):
        theta = learner.init_theta(key, environment.sizes)
        return live(learner, environment, length, theta, key)

    return run


def signature(environment):
    """The shapes and types of all that a learner could notice of an environment."""

    def one_step(key):
        task = environment.draw_task(key)
        state, o = environment.reset(key, task)
        return o, environment.step(key, task, state, jax.numpy.zeros((), int))[1:]

    return environment.sizes, str(jax.eval_shape(one_step, jax.random.key(0)))


@pytest.fixture(scope="module")
def kinds():
    """One environment of each kind that looks different to a learner."""
    return {signature(environment): environment for environment in ENVIRONMENTS.values()}.values()


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda x: x.name)
def test_it_fits_every_environment(learner, kinds):
    for environment in kinds:
        lived = jax.eval_shape(lifetime(learner, environment, 9), jax.random.key(0))
        assert lived.logits.shape == (9, environment.sizes.action), environment.name


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda x: x.name)
def test_its_answers_are_finite_over_many_episodes_and_updates(learner):
    lived = jax.jit(lifetime(learner, cartpole("balance"), 200))(jax.random.key(1))
    assert lived.end.sum() > 2
    assert np.all(np.isfinite(lived.logits))
