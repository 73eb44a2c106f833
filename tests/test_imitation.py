"""Imitation moves theta towards what a teacher says, and the learner does not hear the teacher."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symla_lite import card, imitation
from symla_lite.environments import (
    BANDITS,
    Mixture,
    Part,
    cartpole,
    cube,
    delayed,
    linear_bandit,
    linear_system,
    permuted,
    random_mdp,
    reward_noise,
    reward_rare,
    reward_scale,
    reward_sign,
    reward_successes,
    reward_zero,
    rewards_swapped,
)
from symla_lite.environments.environment import Environment
from symla_lite.environments.generated import Corners, Motion, Place
from symla_lite.environments.transforms import transformed
from symla_lite.imitation import AS_GOOD, Imitation, best, log_probability
from symla_lite.learner import Learner
from symla_lite.lifetime import live, live_taught
from symla_lite.meta_training import Outer, meta_train
from symla_lite.studies import results
from symla_lite.symla import symla

gradient = jax.jit(imitation.gradient, static_argnums=range(5))
"""As in an outer step. Each operation by itself would be compiled alone."""
taught = jax.jit(live_taught, static_argnums=range(3))

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
    lived, _, said = taught(learner, TEACHER, 30, theta, KEY)
    pays = np.clip(lived.observation @ np.asarray(lived.task).T / 3**0.5, -1, 1)
    np.testing.assert_allclose(said, pays, atol=1e-5)
    alone = jax.jit(live, static_argnums=range(3))(learner, TEACHER, 30, theta, KEY)
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

    pays, said = jax.jit(jax.vmap(one))(jax.random.split(KEY, 200))
    # Rewards are clipped, so that several may pay as much: the best ones are these and no others.
    less = np.max(pays, axis=1, keepdims=True) - pays
    assert np.all(best(said) >= (less < AS_GOOD / 2)) and np.all(best(said) <= (less < 2 * AS_GOOD))


@pytest.mark.parametrize(
    "change", [lambda e: delayed(e, 2), lambda e: reward_noise(e, 0.5), reward_successes]
)
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
        lived, _, said = taught(habit(), TEACHER, 20, theta, one)
        p = np.exp(theta) / np.exp(theta).sum()
        for values in np.asarray(said):
            among = values == values.max()
            derivative += (among * p / p[among].sum() - p) / (6 * 20)
        rewards.append(np.sum(lived.reward))
    np.testing.assert_allclose(found, derivative, atol=1e-6)
    np.testing.assert_allclose(earned, rewards, rtol=1e-5)


def test_a_reward_that_is_changed_nobody_knows_how_has_no_teacher():
    assert transformed(TEACHER, "squared", {}, earn=lambda change, r: r**2).teacher is None
    assert transformed(TEACHER, "seen", {}, see=lambda change, o: 2 * o).teacher is not None
    assert reward_zero(cartpole()).teacher is None


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(("side", "dimension"), [(2, 3), (3, 2), (4, 2)])
def test_on_a_cube_the_best_actions_begin_the_shortest_ways(side, dimension, sign):
    """Found by search from where to go, around the place that costs something."""
    environment = cube(9, dimension, side=side)
    task = environment.draw_task(KEY)
    teach = jax.jit(lambda place: best(environment.teacher(task, sign)(place)))

    def moves(place):
        return [
            tuple(
                min(max(x + (i == a // 2) * (2 * (a % 2) - 1), 0), side - 1)
                for i, x in enumerate(place)
            )
            for a in range(2 * dimension)
        ]

    places = list(itertools.product(range(side), repeat=dimension))
    for agent, good, bad in itertools.permutations(places, 3):
        there, off = (good, bad) if sign > 0 else (bad, good)
        far, border = {there: 0}, [there]
        while border:
            new = {m for c in border for m in moves(c) if m not in far and m != off}
            far |= {m: far[border[0]] + 1 for m in new}
            border = sorted(new)
        ways = [far.get(m, 99) for m in moves(agent)]
        place = Corners(*map(jnp.array, (agent, good, bad)), time=jnp.int32(0))
        found = teach(place)
        np.testing.assert_array_equal(found, np.array(ways) == min(ways))


@pytest.mark.parametrize("goals", [False, True])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_in_a_table_the_best_actions_have_the_largest_value(goals, sign):
    environment = random_mdp(5, 3, noise=0.4, goals=goals)
    task = environment.draw_task(KEY)
    pay, follow = sign * np.asarray(task.pay), np.asarray(task.next)
    V = np.zeros(5)
    for _ in range(40):
        Q = np.zeros((5, 3))
        for s, a, (to, chance) in itertools.product(
            range(5), range(3), enumerate(np.full(5, float(task.noise) / 5))
        ):
            p = chance + (to == follow[s, a]) * (1 - float(task.noise))
            over = goals and to < 2
            Q[s, a] += p * ((pay[to] if goals else pay[s, a]) + 0.9 * V[to] * (not over))
        V = Q.max(axis=1)
    teach = jax.jit(lambda state: environment.teacher(task, sign)(Place(state, jnp.int32(0))))
    for state in range(5):
        found = teach(jnp.int32(state))
        np.testing.assert_allclose(found, Q[state], atol=1e-4)


def test_a_plan_stops_where_its_episode_does_and_counts_what_is_paid():
    """With one step left, what is best is what that step pays; of two, what both pay."""
    environment = linear_system(2, 3, target=True, change=True, episode=8)
    teach = jax.jit(lambda task, motion: environment.teacher(task, 1.0)(motion))
    for key in jax.random.split(KEY, 20):
        task = environment.draw_task(key)
        x = jax.random.normal(key, (1, 2))
        p, pushes = float(task.persistence), np.asarray(task.pushes)

        def height(y, task=task):
            return 1 - abs(float(np.dot(task.paid, y) - task.target))

        def after(y, action, p=p, pushes=pushes):
            return p * y + np.sqrt(1 - p**2) * pushes[action]

        here = height(x[0])
        one = [height(after(x[0], a)) - here for a in range(3)]
        found = teach(task, Motion(x, jnp.int32(7)))
        np.testing.assert_allclose(found, one, atol=1e-5)
        two = [max(height(after(after(x[0], a), b)) - here for b in range(3)) for a in range(3)]
        found = teach(task, Motion(x, jnp.int32(6)))
        np.testing.assert_allclose(found, two, atol=1e-5)


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


def test_without_a_teacher_there_is_nothing_to_imitate(tmp_path):
    with pytest.raises(ValueError, match="environment=cartpole has no teacher: give one"):
        gradient(habit(), cartpole(), 5, 2, Imitation(), jnp.zeros(2), KEY)
    outer = Outer(Imitation(), 0.01, steps=1, length=5, lifetimes=2)
    for on in (permuted(cartpole()), Mixture((Part(TEACHER), Part(cartpole())))):
        with pytest.raises(ValueError, match="has no teacher"):
            meta_train(symla(hidden=2, message=1), on, outer, 0, tmp_path / "run", progress=False)
    assert not list(tmp_path.iterdir())


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
