"""The reflex repeats what paid and leaves what did not; it knows nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symla_lite.baselines import win_stay
from symla_lite.environments.bandits import BANDITS
from symla_lite.environments.environment import Environment, Transition
from symla_lite.learner import Input, Sizes, first_input
from symla_lite.lifetime import live
from symla_lite.meta_testing import meta_test


def probabilities(told, arms):
    """Of the actions after each input of a list of (action, reward, end), [steps, arms]."""
    learner, sizes = win_stay(), Sizes(1, arms)
    h = learner.init_state({}, jax.random.key(0), sizes)
    found = []
    for action, reward, end in told:
        x = first_input(jnp.zeros(1), sizes)
        if action is not None:
            x = x._replace(r=jnp.float32(reward), a=jax.nn.one_hot(action, arms))
        logits, h = learner.step({}, h, x._replace(end=jnp.float32(end)))
        found.append(jax.nn.softmax(logits))
    return np.array(found)


def test_it_repeats_after_a_reward_and_draws_another_action_after_none():
    told = [(None, 0, 0), (2, 0.1, 0), (2, 0.0, 0), (1, -1.0, 0), (3, 5.0, 0)]
    third = 1 / 3
    expected = [[0.25] * 4, [0, 0, 1, 0], [third, third, 0, third], [third, 0, third, third]]
    np.testing.assert_allclose(probabilities(told, 4), [*expected, [0, 0, 0, 1]], atol=1e-6)


def test_an_episode_begins_with_what_followed_from_the_last_action_taken():
    # The action at the terminal observation is not taken, and the zero beside it is no reward.
    told = [(None, 0, 0), (0, 1.0, 1), (2, 0.0, 0), (0, 0.0, 1), (2, 0.0, 0)]
    expected = [[1, 0, 0], [1, 0, 0], [0, 0.5, 0.5], [0, 0.5, 0.5]]
    np.testing.assert_allclose(probabilities(told, 3)[1:], expected, atol=1e-6)


def test_with_one_action_there_is_no_other():
    np.testing.assert_allclose(probabilities([(None, 0, 0), (0, -1.0, 0)], 1), 1)


@pytest.mark.parametrize(("name", "p"), [("easy", 0.1), ("hard", 0.4)])
def test_it_earns_what_a_markov_chain_says(name, p):
    # On arms that pay p and q = 1 - p: it leaves the better arm with probability p and the other
    # with q, so it is q of its time at the better one and earns q q + p p a pull.
    earned = meta_test(win_stay(), {}, BANDITS[name], 200, 400, seed=0)[:, 50:].mean()
    assert abs(earned - ((1 - p) ** 2 + p**2)) < 0.01


def test_it_never_looks():
    """An environment in which what is seen says which action pays: the reflex earns as if blind."""

    def draw(key):
        return jax.random.randint(key, (), 0, 2)

    def step(key, task, state, action):
        good = draw(key)
        return Transition(good, good[None].astype(float), 1.0 * (action == state), jnp.zeros(()))

    def reset(key, task):
        good = draw(key)
        return good, good[None].astype(float)

    shown = Environment("shown", {}, Sizes(1, 2), lambda key: (), reset, step)
    earned = meta_test(win_stay(), {}, shown, 200, 400, seed=0).mean()
    assert abs(earned - 0.5) < 0.01


def test_permuting_the_actions_permutes_its_choice():
    lived = live(win_stay(), BANDITS["easy"], 50, {}, jax.random.key(0))
    learner, h = win_stay(), win_stay().init_state({}, jax.random.key(1), Sizes(1, 2))
    a, r = jnp.zeros(2), jnp.zeros(())
    for t in range(50):
        x = Input(lived.observation[t], r, a, lived.end[t])
        logits, h = learner.step({}, h, x)
        np.testing.assert_array_equal(logits[::-1], lived.logits[t])
        a, r = jax.nn.one_hot(1 - lived.action[t], 2), lived.reward[t]
