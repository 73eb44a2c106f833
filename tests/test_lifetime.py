"""A lifetime has one task, many episodes, and shows the end of each with its reward."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from symla_lite import checks
from symla_lite.baselines import random_policy
from symla_lite.environments.bandits import BANDITS
from symla_lite.environments.environment import Environment, Transition
from symla_lite.learner import Learner, Sizes
from symla_lite.lifetime import live

EPISODE, ACTIONS = 3, 7
"""Steps of an episode of the counting environment, and its actions."""


def counting():
    """Counts the steps of an episode. An observation is (count, what the task drew, what the
    episode drew); the reward of the step to count k is 10 k + action."""

    def observe(state, task):
        count, drawn = state
        return jnp.stack([count, task, drawn])

    def reset(key, task):
        state = (jnp.zeros(()), jax.random.uniform(key))
        return state, observe(state, task)

    def step(key, task, state, action):
        state = (state[0] + 1, state[1])
        end = (state[0] == EPISODE).astype(jnp.float32)
        return Transition(state, observe(state, task), 10 * state[0] + action, end)

    return Environment("counting", {}, Sizes(3, ACTIONS), jax.random.uniform, reset, step)


def spy():
    """Answers with all that it was told, and with the number of steps it has lived."""

    def step(theta, h, x):
        told = jnp.stack([x.r, x.end, *x.o, jnp.sum(x.a * jnp.arange(1, ACTIONS + 1)), h])
        return told, h + 1

    return Learner("spy", {}, lambda key, sizes: {}, lambda *_: jnp.zeros(()), step)


def constant(logits):
    """Answers the same whatever happens."""
    return Learner(
        "constant", {}, lambda *_: {}, lambda *_: (), lambda theta, h, x: (jnp.asarray(logits), h)
    )


LENGTH = 40
lived_with = jax.jit(lambda key: live(spy(), counting(), LENGTH, {}, key))


@pytest.fixture(scope="module")
def lived():
    """A lifetime of the spy, as NumPy arrays."""
    return jax.tree.map(np.asarray, lived_with(jax.random.key(0)))


@pytest.fixture(scope="module")
def told(lived):
    """What the learner was told at each step: the reward before, end flag, count, task, episode,
    the number of the action before (from 1; 0 is none), steps lived."""
    names = ("r", "end", "count", "task", "episode", "action", "age")
    return dict(zip(names, lived.logits.T, strict=True))


def test_an_episode_of_three_steps_is_seen_with_its_terminal_observation(told):
    np.testing.assert_array_equal(told["count"], np.arange(LENGTH) % (EPISODE + 1))
    np.testing.assert_array_equal(told["end"], told["count"] == EPISODE)


def test_the_terminal_observation_is_shown_beside_the_reward_it_brought(lived, told):
    last = np.flatnonzero(told["end"])
    assert len(last) == LENGTH // (EPISODE + 1)
    np.testing.assert_array_equal(told["r"][last], 10 * EPISODE + lived.action[last - 1])


def test_the_step_after_the_end_resets_and_pays_nothing(lived, told):
    last = np.flatnonzero(told["end"])
    np.testing.assert_array_equal(lived.reward[last], 0)
    after = last[last + 1 < LENGTH] + 1
    for name in ("r", "end", "count"):
        np.testing.assert_array_equal(told[name][after], 0)


def test_a_reward_belongs_to_the_step_that_earned_it(lived, told):
    taken = told["end"] == 0
    expected = np.where(taken, 10 * (told["count"] + 1) + lived.action, 0)
    np.testing.assert_array_equal(lived.reward, expected)
    np.testing.assert_array_equal(told["r"][1:], lived.reward[:-1])


def test_the_action_before_is_told_one_hot(lived, told):
    np.testing.assert_array_equal(told["action"][1:], lived.action[:-1] + 1)


def test_at_the_first_step_nothing_was_done_or_earned(told):
    for name in ("r", "end", "count", "action", "age"):
        assert told[name][0] == 0


def test_the_learners_state_survives_the_end_of_an_episode(told):
    np.testing.assert_array_equal(told["age"], np.arange(LENGTH))


def test_the_task_is_drawn_once_and_the_episode_at_every_reset(lived, told):
    assert set(told["task"].tolist()) == {float(lived.task)}
    episodes = told["episode"].reshape(-1, EPISODE + 1)
    assert np.all(episodes == episodes[:, :1])
    assert len(np.unique(episodes[:, 0])) == len(episodes)


def test_what_is_recorded_is_what_the_learner_saw(lived, told):
    np.testing.assert_array_equal(
        lived.observation.T, [told[n] for n in ("count", "task", "episode")]
    )
    np.testing.assert_array_equal(lived.end, told["end"])


def test_the_key_decides_everything(lived):
    again, other = lived_with(jax.random.key(0)), lived_with(jax.random.key(1))
    for one, two in zip(jax.tree.leaves(lived), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, two)
    assert lived.task != other.task
    assert np.any(lived.observation[:, 2] != other.observation[:, 2])


def test_actions_are_drawn_from_the_softmax_of_the_logits():
    logits = np.array([0.0, 1.0, -1.0, 2.0, 0.5, -2.0, 0.0], np.float32)
    length = 6000
    lived = live(constant(logits), counting(), length, {}, jax.random.key(5))
    expected = np.exp(logits.astype(np.float64))
    expected *= length / expected.sum()
    drawn = np.bincount(np.asarray(lived.action), minlength=ACTIONS)
    assert stats.chisquare(drawn, expected).pvalue > 1e-3
    np.testing.assert_array_equal(lived.logits, np.tile(logits, (length, 1)))


def test_actions_are_drawn_anew_at_every_step_and_in_every_lifetime():
    run = jax.jit(jax.vmap(lambda key: live(constant(jnp.zeros(ACTIONS)), counting(), 50, {}, key)))
    actions = np.asarray(run(jax.random.split(jax.random.key(0), 200)).action)
    pairs = np.zeros((ACTIONS, ACTIONS))
    np.add.at(pairs, (actions[:, :-1].ravel(), actions[:, 1:].ravel()), 1)
    assert stats.chi2_contingency(pairs).pvalue > 1e-3
    assert len(np.unique(actions, axis=0)) == 200


@pytest.mark.parametrize("length", [0, -1])
def test_a_lifetime_without_a_step_is_refused(length):
    with pytest.raises(ValueError, match=f"length={length} .*at least 1"):
        live(spy(), counting(), length, {}, jax.random.key(0))


@pytest.mark.parametrize(
    ("functions", "sentence"),
    [
        ({"step": lambda key, task, s, a: (s, jnp.zeros(1), 0.0, 0.0)}, "give a Transition"),
        ({"step": lambda key, task, s, a: None}, "step of .* gave None: give a Transition"),
        ({"reset": lambda key, task: jnp.zeros(3)}, "reset of .* gave .*: give a pair"),
        (
            {"step": lambda key, task, s, a: Transition(s, jnp.zeros(1), None, 0.0)},
            "reward of .* is None: give an environment whose functions make real numbers",
        ),
        (
            {"step": lambda key, task, s, a: Transition(s, jnp.zeros(1), 1j, 0.0)},
            "reward of .* is 1j: give an environment whose functions make real numbers",
        ),
    ],
)
def test_an_environment_of_another_make_is_a_sentence(functions, sentence):
    other = dataclasses.replace(BANDITS["easy"], **functions)
    with pytest.raises(ValueError, match=sentence):
        live(random_policy(), other, 3, {}, jax.random.key(0))


def test_a_state_of_plain_numbers_is_a_state():
    counted = dataclasses.replace(
        BANDITS["easy"],
        reset=lambda key, task: (0, jnp.zeros(1)),
        step=lambda key, task, s, a: Transition(s + 1, jnp.zeros(1), 1.0 * s, False),
    )
    lived = live(random_policy(), counted, 4, {}, jax.random.key(0))
    np.testing.assert_array_equal(lived.reward, [0, 1, 2, 3])


@pytest.mark.parametrize("end", [0.5, -1.0, 7])
def test_an_end_is_yes_or_no(end):
    def step(key, task, s, a):
        return Transition(s, jnp.zeros(1), 1.0, end)

    odd = dataclasses.replace(
        BANDITS["easy"], reset=lambda key, task: (jnp.zeros(()), jnp.zeros(1)), step=step
    )
    with pytest.raises(ValueError, match="end of easy is .*: give an environment whose steps say"):
        odd.step(jax.random.key(0), odd.draw_task(jax.random.key(0)), jnp.zeros(()), 0)


@pytest.mark.parametrize(
    ("step", "sentence"),
    [
        (lambda theta, h, x: (jnp.zeros(2), h + 0.5), "is of real numbers, not of whole numbers"),
        (lambda theta, h, x: ([0.0, 0.0, 0.0], h), "gave logits .3. for 2 actions"),
        (lambda theta, h, x: (["a", "b"], h), "gave logits that are no real numbers"),
        (lambda theta, h, x: jnp.zeros(2), "gave .*: give a pair, the logits"),
    ],
)
def test_a_learner_of_another_make_is_a_sentence(step, sentence):
    other = Learner("other", {}, lambda *_: {}, lambda *_: jnp.int32(0), step)
    with pytest.raises(ValueError, match=sentence):
        live(other, BANDITS["easy"], 3, {}, jax.random.key(0))


def test_logits_may_be_a_list():
    plain = Learner("plain", {}, lambda *_: {}, lambda *_: (), lambda t, h, x: ([9e9, 0.0], h))
    assert not live(plain, BANDITS["easy"], 5, {}, jax.random.key(0)).action.any()


def test_the_shortest_lifetime_is_one_step():
    lived = live(spy(), counting(), 1, {}, jax.random.key(0))
    assert lived.action.shape == lived.reward.shape == (1,)


WATCHED = spy(), counting()
in_rounds = jax.jit(live, static_argnums=(0, 1, 2, 5))


@pytest.mark.parametrize("unroll", [3, 7, 40])
def test_steps_in_one_round_of_the_loop_change_nothing(unroll):
    one_by_one, together = (
        in_rounds(*WATCHED, 20, {}, jax.random.key(3), steps) for steps in (1, unroll)
    )
    jax.tree.map(np.testing.assert_array_equal, one_by_one, together)


def test_a_round_of_no_steps_is_refused():
    with pytest.raises(
        ValueError, match=r"unroll=0 does not suit live\(\): give a whole number, at least 1"
    ):
        live(spy(), counting(), 5, {}, jax.random.key(0), unroll=0)


def test_a_lifetime_for_which_there_is_no_memory_is_refused_before_anything_is_drawn(monkeypatch):
    """40 bytes a step for keys and noise, and those of an episode's beginning: a state of two
    numbers and an observation of three, which are 20."""

    def lived(length):
        return jax.eval_shape(
            lambda key: live(random_policy(), counting(), length, {}, key), jax.random.key(0)
        )

    monkeypatch.setattr(checks, "memory", lambda: 60 * 1000)
    assert lived(1000).reward.shape == (1000,)
    with pytest.raises(ValueError, match="length=1001 would take .* GiB, and the memory has"):
        lived(1001)


def test_what_an_environment_draws_is_independent_of_the_action():
    """An environment that draws as the action is drawn: from one key both would always agree."""

    def drawn(key):
        return jnp.argmax(jax.random.gumbel(key, (ACTIONS,)))

    def reset(key, task):
        return jnp.zeros(()), jnp.zeros(1)

    def step(key, task, state, action):
        agrees = jnp.float32(drawn(key) == action)
        return Transition(state, jnp.zeros(1), agrees, jnp.zeros(()))

    guessing = Environment("guessing", {}, Sizes(1, ACTIONS), lambda key: (), reset, step)
    agreed = live(random_policy(), guessing, 2000, {}, jax.random.key(0)).reward.sum()
    assert stats.binomtest(int(agreed), 2000, 1 / ACTIONS).pvalue > 1e-3
