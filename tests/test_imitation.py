"""Imitation moves theta towards what a teacher says, and the learner does not hear the teacher."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symla_lite import card
from symla_lite.environments import (
    BANDITS,
    Mixture,
    Part,
    cartpole,
    delayed,
    linear_bandit,
    permuted,
    reward_noise,
    reward_rare,
    reward_scale,
    reward_sign,
    reward_zero,
    rewards_swapped,
)
from symla_lite.environments.environment import Environment
from symla_lite.imitation import AS_GOOD, Imitation, best, gradient, log_probability
from symla_lite.learner import Learner
from symla_lite.lifetime import live, live_taught
from symla_lite.meta_training import Outer, meta_train
from symla_lite.studies import results
from symla_lite.symla import symla

KEY = jax.random.key(3)
TEACHER = linear_bandit(3, 4)


def habit():
    """A learner that always has the same logits, which are its theta."""
    return Learner(
        name="habit",
        options={},
        init_theta=lambda key, sizes: jnp.zeros(sizes.action),
        init_state=lambda theta, key, sizes: jnp.zeros(()),
        step=lambda theta, h, x: (theta, h),
    )


def mostly_first(share: float) -> Environment:
    """A bandit whose first arm is better in such a share of the tasks."""
    inside = BANDITS["easy"]

    def draw_task(key):
        return jnp.where(
            jax.random.uniform(key) < share, jnp.array([0.9, 0.1]), jnp.array([0.1, 0.9])
        )

    return dataclasses.replace(inside, name="mostly-first", draw_task=draw_task)


def test_all_that_is_as_good_as_the_best_may_be_taken():
    values = np.array([[1.0, 3.0, 2.0], [0.0, 0.0, -1.0], [-5.0, -5.0, -5.0], [2e6, 2e6 + 1, 0.0]])
    wanted = np.array([[0, 1, 0], [1, 1, 0], [1, 1, 1], [1, 1, 0]], bool)
    np.testing.assert_array_equal(best(jnp.asarray(values)), wanted)
    logits = jnp.array([0.5, -1.0, 2.0])
    p = np.exp(logits) / np.exp(logits).sum()
    for among in wanted:
        found, derivative = jax.value_and_grad(log_probability)(logits, jnp.asarray(among))
        assert found == pytest.approx(np.log(p[among].sum()), abs=1e-6)
        np.testing.assert_allclose(derivative, among * p / p[among].sum() - p, atol=1e-6)


def test_nothing_is_asked_for_where_no_action_is_better():
    indifferent = dataclasses.replace(
        TEACHER, name="indifferent", teacher=lambda task, sign: lambda state: jnp.ones(4)
    )
    theta = jnp.array([1.0, 0.0, -2.0, 0.5])
    found, _ = gradient(habit(), indifferent, 10, 4, Imitation(), theta, KEY)
    np.testing.assert_array_equal(found, np.zeros(4))


def test_a_teacher_speaks_of_the_state_in_which_the_learner_acts():
    learner = symla(hidden=4, message=2)
    theta = learner.init_theta(KEY, TEACHER.sizes)
    lived, _, said = live_taught(learner, TEACHER, 30, theta, KEY)
    pays = np.clip(lived.observation @ np.asarray(lived.task).T / 3**0.5, -1, 1)
    np.testing.assert_allclose(said, pays, atol=1e-5)
    alone = live(learner, TEACHER, 30, theta, KEY)
    jax.tree.map(np.testing.assert_array_equal, lived, alone)


@pytest.mark.parametrize(
    "change",
    [permuted, reward_sign, reward_zero, reward_scale, rewards_swapped, lambda e: e]
    + [lambda e: reward_sign(reward_zero(permuted(reward_sign(e))))],
)
def test_the_best_action_pays_most_through_every_transform(change):
    environment = change(TEACHER)
    B = environment.sizes.action

    def one(key):
        key_task, key_reset, key_step = jax.random.split(key, 3)
        task = environment.draw_task(key_task)
        state, _ = environment.reset(key_reset, task)
        pays = [environment.step(key_step, task, state, jnp.int32(b)).reward for b in range(B)]
        return jnp.stack(pays), environment.teacher(task, 1.0)(state)

    pays, said = jax.vmap(one)(jax.random.split(KEY, 200))
    # Rewards are clipped, so that several may pay as much: the best ones are these and no others.
    less = np.max(pays, axis=1, keepdims=True) - pays
    assert np.all(best(said) >= (less < AS_GOOD / 2)) and np.all(best(said) <= (less < 2 * AS_GOOD))


@pytest.mark.parametrize("change", [lambda e: delayed(e, 2), lambda e: reward_noise(e, 0.5)])
def test_what_comes_later_or_by_chance_changes_nothing_about_what_is_best(change):
    environment = change(reward_rare(TEACHER, 0.5))
    task = environment.draw_task(KEY)
    state, o = environment.reset(KEY, task)
    pays = np.clip(task @ o / 3**0.5, -1, 1)
    np.testing.assert_allclose(environment.teacher(task, 1.0)(state), pays, atol=1e-6)
    np.testing.assert_allclose(environment.teacher(task, -1.0)(state), -pays, atol=1e-6)


def test_the_gradient_is_that_of_the_log_probability_of_the_best_actions():
    theta = jnp.array([0.3, -0.2, 0.5, 0.0])
    key = jax.random.key(5)
    found, earned = gradient(habit(), TEACHER, 20, 6, Imitation(), theta, key)
    derivative, rewards = np.zeros(4), []
    for one in jax.random.split(key, 6):
        lived, _, said = live_taught(habit(), TEACHER, 20, theta, one)
        p = np.exp(theta) / np.exp(theta).sum()
        for values in np.asarray(said):
            among = values == values.max()
            derivative += (among * p / p[among].sum() - p) / (6 * 20)
        rewards.append(np.sum(lived.reward))
    np.testing.assert_allclose(found, derivative, atol=1e-6)
    np.testing.assert_allclose(earned, rewards, rtol=1e-5)


def test_who_cannot_know_better_takes_each_action_as_often_as_it_is_best():
    environment = mostly_first(0.75)
    at_rest = jnp.log(jnp.array([0.75, 0.25]))
    derivative, _ = gradient(habit(), environment, 1, 20_000, Imitation(), at_rest, KEY)
    assert np.all(np.abs(derivative) < 4 * (0.75 * 0.25 / 20_000) ** 0.5)
    greedy = jnp.log(jnp.array([0.97, 0.03]))
    derivative, _ = gradient(habit(), environment, 1, 20_000, Imitation(), greedy, KEY)
    assert derivative[0] < -0.15 and derivative[1] > 0.15


def test_at_the_end_of_an_episode_nothing_is_best():
    inside = TEACHER

    def step(key, task, state, action):
        return inside.step(key, task, state, action)._replace(end=jnp.ones(()))

    environment = dataclasses.replace(inside, name="short", step=step)
    theta = jnp.array([1.0, 0.0, 0.0, 0.0])
    found, _ = gradient(habit(), environment, 11, 400, Imitation(), theta, KEY)
    # Every second step is an end, so that six of eleven count.
    whole, _ = gradient(habit(), TEACHER, 11, 400, Imitation(), theta, KEY)
    np.testing.assert_allclose(found, 6 / 11 * np.asarray(whole), atol=0.03)


def test_without_a_teacher_there_is_nothing_to_imitate():
    with pytest.raises(ValueError, match="environment=cartpole has no teacher: give one"):
        gradient(habit(), cartpole(), 5, 2, Imitation(), jnp.zeros(2), KEY)
    outer = Outer(Imitation(), 0.01, steps=1, length=5, lifetimes=2)
    with pytest.raises(ValueError, match="has no teacher"):
        meta_train(symla(hidden=2, message=1), permuted(cartpole()), outer, 0, progress=False)


def test_a_teacher_is_asked_about_tasks_and_states_of_its_own_world():
    task = TEACHER.draw_task(KEY)
    other = linear_bandit(2, 3)
    with pytest.raises(ValueError, match="This task is none of linear-3-4"):
        TEACHER.teacher(other.draw_task(KEY), 1.0)
    state, _ = other.reset(KEY, other.draw_task(KEY))
    with pytest.raises(ValueError, match="This state is none of linear-3-4"):
        TEACHER.teacher(task, 1.0)(state)
    silent = dataclasses.replace(TEACHER, teacher=lambda task, sign: lambda state: jnp.zeros(2))
    with pytest.raises(ValueError, match=r"The teacher of linear-3-4 has shape \[2\]"):
        silent.teacher(task, 1.0)(jnp.zeros(3))


def test_a_record_says_in_words_that_a_teacher_was_imitated():
    outer = dataclasses.asdict(Outer(Imitation(), 0.01, steps=1, length=5, lifetimes=2))
    rows = results.settings({}, outer)
    assert rows["what weighs the noise"] == "imitation of a teacher"
    assert rows["population (members, two to a pair)"] == "θ itself"
    assert card.by(outer["es"]) == "by imitation"


def test_theta_moves_towards_the_teacher_in_a_mixture(tmp_path):
    on = Mixture((Part(mostly_first(0.9)), Part(linear_bandit(2, 2))))
    outer = Outer(Imitation(sigma=0.01), 0.05, steps=40, length=10, lifetimes=16)
    learned = meta_train(habit(), on, outer, 0, tmp_path / "run", progress=False)
    p = jax.nn.softmax(learned.theta)
    assert 0.6 < p[0] < 0.95  # between 0.9 of the one and 0.5 of the other
    assert learned.about["outer"]["es"] == {"cut": 10.0, "sigma": 0.01}
    assert set(learned.curve) >= {"fitness mostly-first", "fitness linear-2-2"}


@pytest.mark.slow
def test_symla_learns_a_linear_bandit_from_a_teacher():
    environment = linear_bandit(1, 2)
    outer = Outer(Imitation(), 0.005, steps=300, length=100, lifetimes=32)
    curve = meta_train(symla(), environment, outer, 0, progress=False).curve["fitness"] / 100
    assert np.mean(curve[:10]) < 0.05 and np.mean(curve[-10:]) > 0.2
