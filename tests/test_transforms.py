"""Transforms change what they name, once a lifetime, and nothing else."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from symla_lite import environments
from symla_lite.baselines import random_policy
from symla_lite.environments import (
    Environment,
    Transition,
    delayed,
    dense_grid,
    hearts,
    independent_arms,
    linear_bandit,
    permuted,
    projected,
    reset_at_once,
    reward_noise,
    reward_scale,
    reward_sign,
    reward_zero,
    rewards_standardised,
    rewards_swapped,
    spare_actions,
    standardised,
)
from symla_lite.environments.transforms import Permutation, Transformed, moments
from symla_lite.learner import Sizes
from symla_lite.lifetime import live

KEY = jax.random.key(0)
STEPS = 30


def tell_all():
    """Sees the task, the episode, the steps so far and the last action (A = 5, B = 3); the reward
    is the action plus one, and an episode has four steps."""

    def look(task, state):
        episode, time, action = state
        return jnp.stack([task, episode, time, action, jnp.float32(1)])

    def reset(key, task):
        state = (jax.random.uniform(key), jnp.zeros(()), jnp.zeros(()))
        return state, look(task, state)

    def step(key, task, state, action):
        new = (state[0], state[1] + 1, action.astype(jnp.float32))
        end = (new[1] >= 4).astype(jnp.float32)
        return Transition(new, look(task, new), action + 1.0, end)

    return Environment("tell", {"all": True}, Sizes(5, 3), jax.random.uniform, reset, step)


def follow(environment, task, seed=0):
    """The first observation, and the transitions of STEPS given actions without resets."""
    actions = jnp.arange(STEPS) % environment.sizes.action
    state, o = environment.reset(jax.random.key(seed), task)

    def step(state, action):
        new = environment.step(KEY, task, state, action)
        return new.state, new

    return o, jax.jit(lambda: jax.lax.scan(step, state, actions)[1])()


def test_permuting_twice_with_the_inverse_gives_the_original():
    o, a = np.array([3, 1, 4, 0, 2]), np.array([2, 0, 1])
    there = Permutation(jnp.array(o), jnp.array(a))
    back = Permutation(jnp.array(np.argsort(o)), jnp.array(np.argsort(a)))
    inside = jnp.float32(0.3)
    plain = follow(tell_all(), inside)
    twice = follow(permuted(permuted(tell_all())), Transformed(Transformed(inside, there), back))
    for ours, theirs in zip(jax.tree.leaves(twice), jax.tree.leaves(plain), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    once = follow(permuted(tell_all()), Transformed(inside, there))
    assert not np.array_equal(once[1].observation, plain[1].observation)


def test_an_input_shows_and_an_action_does_what_the_permutation_says():
    task = Transformed(
        jnp.float32(0.3), Permutation(jnp.array([4, 0, 1, 2, 3]), jnp.array([1, 2, 0]))
    )
    o, new = follow(permuted(tell_all()), task)
    assert o[0] == 1 and o[1] == np.float32(0.3), "input 0 shows the last, input 1 the first"
    np.testing.assert_array_equal(new.reward[:3], [2, 3, 1])


@pytest.mark.parametrize("which", [(True, True), (True, False), (False, True)])
def test_all_permutations_are_equally_likely_and_only_of_what_was_asked(which):
    environment = permuted(tell_all(), *which)
    drawn = jax.vmap(environment.draw_task)(jax.random.split(KEY, 3000)).change
    for wanted, orders, n in zip(which, drawn, (120, 6), strict=True):
        found, counts = np.unique(np.asarray(orders), axis=0, return_counts=True)
        assert len(found) == (n if wanted else 1)
        assert not wanted or stats.chisquare(counts).pvalue > 1e-3
    assert environment.options["of"] == {"name": "tell", "all": True}


def test_the_change_is_drawn_once_a_lifetime_and_the_end_is_seen_with_its_reward():
    environment = permuted(tell_all(), actions=False)
    learner = random_policy()
    lived = jax.jit(jax.vmap(lambda key: live(learner, environment, 20, {}, key)))(
        jax.random.split(KEY, 8)
    )
    inverse = np.argsort(lived.task.change.observations, axis=1)
    seen = np.take_along_axis(np.asarray(lived.observation), inverse[:, None, :], axis=2)
    np.testing.assert_array_equal(seen[..., 0], np.repeat(lived.task.task[:, None], 20, axis=1))
    np.testing.assert_array_equal(seen[..., 2], np.tile(np.arange(20) % 5, (8, 1)))
    np.testing.assert_array_equal(lived.end, seen[..., 2] == 4)
    np.testing.assert_array_equal(lived.reward == 0, lived.end == 1)
    assert len(np.unique(seen[0, :, 1])) == 4, "four episodes, each drawn anew"
    assert len(np.unique(lived.task.change.observations, axis=0)) > 4, "lifetimes differ"


def test_the_same_key_draws_the_same_task_traced_or_not():
    draw = projected(permuted(linear_bandit(2, 2)), to=3).draw_task
    traced, plain = jax.jit(draw)(KEY), draw(KEY)
    for ours, theirs in zip(jax.tree.leaves(traced), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_moments_are_those_of_what_a_random_policy_sees():
    def look(state):
        return jnp.stack([state, 2 * state + 1, jnp.float32(3)])

    def reset(key, task):
        return jax.random.normal(key), look(jax.random.normal(key))

    def step(key, task, state, action):
        new = task + 2.0 * action - 1.0 + 0 * state
        return Transition(new, look(new), jnp.zeros(()), jnp.zeros(()))

    environment = Environment("coin", {}, Sizes(3, 2), jax.random.normal, reset, step)
    met = moments(environment, lifetimes=4000, steps=50)
    np.testing.assert_allclose(met.mean, [0, 1, 3], atol=0.1)
    # Tasks and coins each have variance 1, and both are seen.
    np.testing.assert_allclose(met.covariance, [[2, 4, 0], [4, 8, 0], [0, 0, 0]], atol=0.25)
    assert met.reward_mean == met.reward_variance == 0


def pays_after_the_end():
    """`tell_all`, but whoever goes on after an episode's end would be paid a thousand."""
    inside = tell_all()

    def step(key, task, state, action):
        new = inside.step(key, task, state, action)
        return new._replace(reward=jnp.where(state[1] >= 4, 1000.0, new.reward))

    return dataclasses.replace(inside, step=step)


def test_moments_of_rewards_count_no_step_that_is_not_taken():
    met = moments(pays_after_the_end(), lifetimes=400, steps=200)
    np.testing.assert_allclose([met.reward_mean, met.reward_variance], [2, 2 / 3], atol=0.02)


@pytest.mark.slow
def test_standardised_rewards_have_mean_0_and_variance_1_for_a_random_policy():
    environment = rewards_standardised(dense_grid(3))
    lived = jax.vmap(lambda key: live(random_policy(), environment, 300, {}, key))(
        jax.random.split(KEY, 200)
    )
    paid = np.asarray(lived.reward)[np.asarray(lived.end) == 0]
    np.testing.assert_allclose([paid.mean(), paid.var()], [0, 1], atol=0.03)
    plain = follow(tell_all(), 0.3)[1].reward
    np.testing.assert_allclose(
        follow(rewards_standardised(tell_all()), Transformed(0.3, ()))[1].reward,
        (plain - 2) / np.sqrt(2 / 3),
        atol=0.03,
    )


def test_the_rewards_zero_is_drawn_once_a_lifetime_and_hidden():
    environment = reward_zero(tell_all(), spread=3)
    zeros = jax.vmap(environment.draw_task)(jax.random.split(KEY, 2000)).change
    assert stats.kstest(np.asarray(zeros), stats.uniform(-3, 6).cdf).pvalue > 1e-3
    plain, moved = (follow(environment, Transformed(0.3, jnp.float32(zero))) for zero in (0, -1.5))
    np.testing.assert_allclose(moved[1].reward, plain[1].reward - 1.5, rtol=1e-6)
    np.testing.assert_array_equal(moved[1].observation, plain[1].observation)


def test_the_rewards_unit_is_drawn_once_a_lifetime_and_hidden():
    environment = reward_scale(tell_all(), most=4)
    scales = jax.vmap(environment.draw_task)(jax.random.split(KEY, 2000)).change
    assert stats.kstest(np.log(scales) / np.log(4), stats.uniform(-1, 2).cdf).pvalue > 1e-3
    plain, more = (follow(environment, Transformed(0.3, jnp.float32(scale))) for scale in (1, 2.5))
    np.testing.assert_allclose(more[1].reward, plain[1].reward * 2.5, rtol=1e-6)
    np.testing.assert_array_equal(more[1].observation, plain[1].observation)


def test_noise_is_added_to_each_reward_and_to_nothing_else():
    environment, inside = reward_noise(independent_arms(3), std=0.5), jnp.array([1.0, 0, 1])
    state, _ = environment.reset(KEY, inside)
    new = jax.vmap(lambda key: environment.step(key, inside, state, 2))(jax.random.split(KEY, 3000))
    assert stats.kstest((np.asarray(new.reward) - 1) / 0.5, "norm").pvalue > 1e-3
    plain, noisy = follow(tell_all(), 0.3), follow(reward_noise(tell_all(), std=0.5), 0.3)
    for ours, theirs in zip(
        jax.tree.leaves(noisy[1]._replace(reward=0)),
        jax.tree.leaves(plain[1]._replace(reward=0)),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("steps", [1, 2, 3, 6])
def test_a_delayed_reward_comes_that_much_later_or_at_the_end_of_its_episode(steps):
    lived = live(random_policy(), delayed(tell_all(), steps), 101, {}, KEY)
    by_hand, earned = np.zeros(101), np.asarray(lived.action) + 1.0
    for t in np.flatnonzero(lived.end == 0):
        last = t - t % 5 + 3  # an episode has four steps, and a fifth that resets
        if min(t + steps, last) <= 100:
            by_hand[min(t + steps, last)] += earned[t]
    np.testing.assert_allclose(lived.reward, by_hand)
    assert by_hand[:3].any() == (steps < 3)
    plain = live(random_policy(), tell_all(), 101, {}, KEY)
    np.testing.assert_array_equal(lived.observation, plain.observation)


def test_without_an_end_the_last_rewards_are_never_paid():
    environment = delayed(reward_noise(linear_bandit(2, 3), 1.0), 4)
    task = environment.draw_task(KEY)
    plain = follow(reward_noise(linear_bandit(2, 3), 1.0), task)[1].reward
    np.testing.assert_array_equal(follow(environment, task)[1].reward[4:], plain[:-4])
    assert not follow(environment, task)[1].reward[:4].any()


def test_projected_inputs_have_unit_variance_under_a_random_policy():
    inside = dense_grid(3)
    environment, learner = projected(inside, to=6), random_policy()
    task = environment.draw_task(jax.random.key(5))
    fixed = Environment(
        "fixed projection",
        {},
        environment.sizes,
        lambda key: task._replace(task=inside.draw_task(key)),
        environment.reset,
        environment.step,
    )
    run = jax.jit(jax.vmap(lambda key: live(learner, fixed, 400, {}, key).observation))
    seen = np.asarray(run(jax.random.split(KEY, 150))).reshape(-1, 6)
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(seen.var(axis=0), 1, atol=0.1)


@pytest.mark.parametrize("inside", [hearts(2), hearts(3)], ids=lambda inside: inside.name)
def test_standardised_inputs_have_unit_variance_under_a_random_policy(inside):
    environment = standardised(inside)
    run = jax.jit(jax.vmap(lambda key: live(random_policy(), environment, 400, {}, key)))
    seen = np.asarray(run(jax.random.split(KEY, 300)).observation)
    seen = seen.reshape(-1, environment.sizes.observation)
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=0.1)
    np.testing.assert_allclose(seen.var(axis=0), 1, atol=0.1)
    assert all(len(np.unique(entry.round(4))) == 2 for entry in seen.T), "each by itself"


def test_what_never_changes_is_standardised_to_zero():
    environment = standardised(independent_arms(2))
    _, o = environment.reset(KEY, environment.draw_task(KEY))
    np.testing.assert_array_equal(o, np.zeros_like(o))


def test_a_plain_projection_is_glorot_normal_and_linear():
    environment = projected(linear_bandit(4, 3), unit_variance=False)
    tasks = jax.vmap(environment.draw_task)(jax.random.split(KEY, 200))
    weights = np.asarray(tasks.change.weights)
    assert weights.shape == (200, 16, 4) and not np.any(tasks.change.offset)
    assert stats.kstest(weights.ravel() / np.sqrt(2 / 20), "norm").pvalue > 1e-3
    task = jax.tree.map(lambda leaf: leaf[0], tasks)
    _, o = environment.reset(KEY, task)
    _, inside = linear_bandit(4, 3).reset(KEY, task.task)
    np.testing.assert_allclose(o, weights[0] @ np.asarray(inside), rtol=1e-4, atol=1e-5)
    assert environment.sizes == Sizes(16, 3)


def test_a_projection_with_a_seed_is_the_same_in_all_lifetimes():
    keys = jax.random.split(KEY, 20)
    one, same, other = (
        jax.vmap(projected(dense_grid(3), unit_variance=False, seed=seed).draw_task)(keys)
        for seed in (7, 7, 8)
    )
    for leaf in jax.tree.leaves(one.change):
        np.testing.assert_array_equal(leaf, np.broadcast_to(leaf[0], leaf.shape))
    np.testing.assert_array_equal(one.change.weights, same.change.weights)
    assert not np.any(np.isclose(one.change.weights, other.change.weights))
    drawn = jax.vmap(projected(dense_grid(3), unit_variance=False).draw_task)(keys)
    for leaf, as_before in zip(*map(jax.tree.leaves, (one.task, drawn.task)), strict=True):
        np.testing.assert_array_equal(leaf, as_before)


def test_what_never_changes_is_projected_to_zero():
    environment = projected(independent_arms(2))
    _, o = environment.reset(KEY, environment.draw_task(KEY))
    np.testing.assert_array_equal(o, np.zeros(16))


def test_spare_actions_do_what_the_others_do():
    task = Transformed(jnp.float32(0.3), ())
    environment = spare_actions(tell_all(), to=7)
    assert environment.sizes == Sizes(5, 7)
    state, _ = environment.reset(KEY, task)
    done = [environment.step(KEY, task, state, jnp.int32(action)).reward for action in range(7)]
    np.testing.assert_array_equal(done, [1, 2, 3, 1, 2, 3, 1])


def test_swapping_the_rewards_changes_only_their_sign():
    task = Transformed(jnp.float32(0.3), ())
    plain, swapped = follow(tell_all(), task.task), follow(rewards_swapped(tell_all()), task)
    np.testing.assert_array_equal(swapped[1].reward, -plain[1].reward)
    for ours, theirs in zip(
        jax.tree.leaves((swapped[0], swapped[1]._replace(reward=0))),
        jax.tree.leaves((plain[0], plain[1]._replace(reward=0))),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_the_rewards_sign_is_drawn_once_a_lifetime_either_way_and_hidden():
    environment = reward_sign(tell_all())
    signs = jax.vmap(environment.draw_task)(jax.random.split(KEY, 2000)).change
    assert set(np.unique(signs)) == {-1, 1}
    assert stats.binomtest(int((signs > 0).sum()), 2000, 0.5).pvalue > 1e-3
    good, bad = (follow(environment, Transformed(0.3, jnp.float32(sign))) for sign in (1, -1))
    np.testing.assert_array_equal(good[1].reward, -bad[1].reward)
    np.testing.assert_array_equal(good[1].observation, bad[1].observation)


def test_names_and_records_tell_what_was_done_in_which_order():
    environment = projected(rewards_swapped(hearts(2)), to=8)
    assert environment.name == "hearts-2-swapped-projected-8"
    assert environment.options["of"]["of"] == {"name": "hearts-2", "side": 2, "episode": None}
    assert permuted(hearts(2), actions=False).name == "hearts-2-observations-permuted"
    assert projected(hearts(2), unit_variance=False).name == "hearts-2-projected-16-glorot"
    plain, fixed = projected(hearts(2)), projected(hearts(2), seed=4)
    assert fixed.name == "hearts-2-projected-16-fixed-4" and fixed.options["seed"] == 4
    assert "seed" not in plain.options, "records from before it are those of the same environment"
    for name, environment in environments.ENVIRONMENTS.items():
        assert name in environments.BANDITS or environment.name == name


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: permuted(hearts(2), False, False), "Nothing of hearts-2 would be permuted"),
        (lambda: permuted(hearts(2), actions="yes"), "='yes' .*: give True or False"),
        (lambda: spare_actions(hearts(2), to=3), "has 4 actions: to=3, give at least 4"),
        (lambda: projected(hearts(2), to=0), "to=0 .*at least 1"),
        (lambda: projected(hearts(2), unit_variance=1), "unit_variance=1 .*: give True or False"),
        (lambda: reward_zero(hearts(2), spread=0), "spread=0 .*above 0"),
        (lambda: reward_scale(hearts(2), most=1), "most=1 .*above 1"),
        (lambda: reward_noise(hearts(2), std=0), "std=0 .*above 0"),
        (lambda: delayed(hearts(2), steps=0), "steps=0 .*at least 1"),
    ],
)
def test_bad_input_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_a_reset_at_once_shows_the_next_episode_beside_the_last_reward_and_no_end():
    environment, inside = reset_at_once(tell_all()), jnp.float32(0.3)
    first, new = follow(environment, inside)
    plain_first, plain = follow(tell_all(), inside)
    np.testing.assert_array_equal(first, plain_first)
    ends = np.arange(3, STEPS, 4)  # an episode has four steps
    assert plain.observation[3, 2] == 4 and plain.end[3] == 1
    assert not np.any(new.end)
    np.testing.assert_array_equal(new.observation[ends, 2:4], 0)  # no time has passed, no action
    assert new.observation[3, 1] != new.observation[2, 1]  # another episode
    np.testing.assert_array_equal(new.observation[:3], plain.observation[:3])
    np.testing.assert_array_equal(new.reward, plain.reward)
