"""Generated worlds do what their tables and matrices say, and can be solved only by learning."""

import dataclasses
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage, stats

from symla_lite.environments import (
    ENVIRONMENTS,
    FAMILY,
    FURTHER,
    HARDER,
    LASTING,
    SUCCESSES,
    WIDER,
    cube,
    linear_bandit,
    linear_system,
    random_mdp,
    reward_noise,
    reward_pauses,
    reward_rare,
    reward_successes,
    unstable_system,
)
from symla_lite.environments.generated import WALL, System, Table, Unstable
from symla_lite.environments.transforms import Delayed, Pausing, Transformed

KEY = jax.random.key(0)
STEPS = 200


def followed(environment, key, steps=STEPS):
    """A task, its first state and observation, random actions [steps] and where they lead, without
    resets, in NumPy."""
    key_task, key_reset, key_actions, key_steps = jax.random.split(key, 4)
    actions = jax.random.randint(key_actions, (steps,), 0, environment.sizes.action)

    @jax.jit
    def run():
        task = environment.draw_task(key_task)
        state, o = environment.reset(key_reset, task)

        def step(state, x):
            new = environment.step(x[0], task, state, x[1])
            return new.state, new

        return (
            task,
            state,
            o,
            jax.lax.scan(step, state, (jax.random.split(key_steps, steps), actions))[1],
        )

    task, state, o, new = jax.tree.map(np.asarray, run())
    return task, state, o, np.asarray(actions), new


def drawn(environment, n, seed=0):
    """n tasks."""
    return jax.jit(jax.vmap(environment.draw_task))(jax.random.split(jax.random.key(seed), n))


# Random Markov decision processes.


@pytest.mark.parametrize("goals", [False, True])
@pytest.mark.parametrize("inputs", [None, 3])
def test_without_noise_an_mdp_follows_its_table(goals, inputs):
    environment = random_mdp(5, 3, inputs, goals=goals, episode=7)
    task, place, o, actions, new = followed(environment, KEY)
    state = int(place.state)
    np.testing.assert_array_equal(o, task.shown[state])
    for t, action in enumerate(actions):
        old, state = state, int(task.next[state, action])
        assert new.state.state[t] == state and new.state.time[t] == t + 1
        np.testing.assert_array_equal(new.observation[t], task.shown[state])
        if goals:
            assert new.reward[t] == {0: 1, 1: -1}.get(state, 0)
            assert new.end[t] == (state in (0, 1) or t >= 6)
        else:
            assert new.reward[t] == task.pay[old, action]
            assert new.end[t] == (t >= 6)


def test_an_episode_of_an_mdp_begins_in_any_state_that_is_no_goal():
    for goals, first in ((False, 0), (True, 2)):
        environment = random_mdp(6, 2, 4, goals=goals)
        task = environment.draw_task(KEY)
        places, _ = jax.vmap(environment.reset, (0, None))(jax.random.split(KEY, 3000), task)
        counts = np.bincount(places.state, minlength=6)
        assert not counts[:first].any() and stats.chisquare(counts[first:]).pvalue > 1e-3


def test_with_noise_a_step_leads_to_any_state_as_often_as_the_task_says():
    environment = random_mdp(4, 2, 3, noise=0.8)
    noise = np.asarray(drawn(environment, 2000).noise)
    assert stats.kstest(noise, stats.uniform(0, 0.8).cdf).pvalue > 1e-3
    task, place, _, actions, new = followed(environment, jax.random.key(2), 8000)
    before = np.concatenate([place.state[None], new.state.state[:-1]])
    off = (new.state.state - task.next[before, actions]) % 4
    counts = np.bincount(off, minlength=4)
    noise = float(task.noise)
    share = noise / 4 + (np.arange(4) == 0) * (1 - noise)
    assert 0.2 < noise < 0.7 and stats.chisquare(counts, 8000 * share).pvalue > 1e-3


def test_all_orders_of_the_states_are_equally_likely_and_inputs_are_standardised_over_them():
    tasks = drawn(random_mdp(5, 3, 7), 300)
    assert np.all(np.sort(tasks.next, axis=1) == np.arange(5)[:, None])
    leads = np.asarray(drawn(random_mdp(3, 2), 3000).next)
    for action in (0, 1):
        orders, counts = np.unique(leads[:, :, action], axis=0, return_counts=True)
        assert len(orders) == 6 and stats.chisquare(counts).pvalue > 1e-3
    both = np.mean(np.all(leads[:, :, 0] == leads[:, :, 1], axis=1))
    assert abs(both - 1 / 6) < 0.04, "each action has an order of its own"
    np.testing.assert_array_equal(
        np.sort(tasks.next, axis=1), np.tile(np.arange(5)[:, None], 3)[None].repeat(300, 0)
    )
    orders, counts = np.unique(
        np.asarray(drawn(random_mdp(3, 2), 3000).next[:, :, 1]), axis=0, return_counts=True
    )
    assert stats.kstest(np.ravel(tasks.pay), "norm").pvalue > 1e-3
    for shown in (tasks.shown, drawn(random_mdp(5, 3), 300).shown):
        np.testing.assert_allclose(shown.mean(axis=1), 0, atol=1e-6)
        np.testing.assert_allclose(shown.var(axis=1), 1, atol=1e-5)
    on = np.argmax(drawn(random_mdp(5, 3), 3000).shown, axis=2)
    assert stats.chisquare(np.bincount(on[:, 0], minlength=5)).pvalue > 1e-3, "labels are hidden"
    assert not np.any(drawn(random_mdp(1, 3, 2), 5).shown), "of one state there is nothing to see"


# Linear systems.


@pytest.mark.parametrize("second_order", [False, True])
@pytest.mark.parametrize("target", [False, True])
@pytest.mark.parametrize("change", [False, True])
def test_without_noise_a_system_follows_its_equations(second_order, target, change):
    environment = linear_system(
        5, 3, second_order=second_order, target=target, change=change, episode=9
    )
    task, motion, o, actions, new = followed(environment, jax.random.key(1))
    p, x = float(task.persistence), [row.astype(np.float64) for row in motion.x]

    def seen():
        return [sum(row[k] @ x[k] for k in range(len(x))) for row in task.projection]

    def worth():
        along = sum(task.paid * x[0])
        return 1 - abs(along - task.target) if target else along

    np.testing.assert_allclose(o, seen(), atol=1e-5)
    for t, action in enumerate(actions):
        before, pushed = worth(), (1 - p * p) ** 0.5 * task.pushes[action]
        if second_order:
            velocity = p * x[1] + pushed
            x = [p * x[0] + (1 - p * p) / (1 + p * p) ** 0.5 * velocity, velocity]
        else:
            x = [p * x[0] + pushed]
        np.testing.assert_allclose(new.observation[t], seen(), atol=1e-4)
        assert new.reward[t] == pytest.approx(worth() - before * change, abs=1e-4)
        assert new.end[t] == (t >= 8)


@pytest.mark.parametrize("second_order", [False, True])
def test_a_random_policy_sees_inputs_of_variance_1_in_every_system(second_order):
    environment = linear_system(3, 3, second_order=second_order, persistence=0.8, noise=1.0)
    run = jax.jit(
        jax.vmap(lambda task, key: under(environment, lambda plan, state, o, a: a, (), task, key))
    )
    keys = jax.random.split(KEY, 2000)
    seen = np.asarray(run(drawn(environment, 2000), keys)[1])[:, 50:]
    # Systems differ in how far their pushes reach; it is their mean that is one.
    square = (seen**2).mean(axis=(1, 2))
    assert abs(square.mean() - 1) < 4 * square.std() / 2000**0.5
    assert abs(seen.mean(axis=(1, 2)).mean()) < 0.02


def test_a_share_of_each_push_is_left_to_chance():
    environment = linear_system(2, 3, noise=1.0)
    task, motion, _, actions, new = followed(environment, jax.random.key(3), 4000)
    p, x = task.persistence, np.concatenate([motion.x[None], new.state.x])[:, 0]
    push = (x[1:] - p * x[:-1]) / np.sqrt(1 - p**2)
    left = (push - np.sqrt(1 - task.noise**2) * task.pushes[actions]) / task.noise
    assert task.noise > 0.1 and stats.kstest(left.ravel(), "norm").pvalue > 1e-3


def test_what_is_drawn_of_a_system():
    tasks = drawn(linear_system(4, 5, persistence=0.7, noise=0.4), 2000)
    assert stats.kstest(np.asarray(tasks.persistence), stats.uniform(0, 0.7).cdf).pvalue > 1e-3
    assert stats.kstest(np.asarray(tasks.noise), stats.uniform(0, 0.4).cdf).pvalue > 1e-3
    assert stats.kstest(np.asarray(tasks.target), "norm").pvalue > 1e-3
    assert stats.kstest(np.asarray(tasks.pushes[:, 0, 0]), "norm").pvalue > 1e-3
    np.testing.assert_allclose(tasks.pushes.sum(axis=1), 0, atol=1e-5)
    for rows in (tasks.paid, tasks.projection.reshape(2000, 4, -1)):
        np.testing.assert_allclose(np.linalg.norm(rows, axis=-1), 1, atol=1e-5)


# Systems that run away.


def test_an_unstable_system_follows_its_equations_and_stays_at_a_wall():
    environment = unstable_system(3, 4, episode=25)
    task, motion, o, actions, new = followed(environment, jax.random.key(4))
    k, (x, v) = float(task.rate), motion.x.astype(np.float64)
    np.testing.assert_allclose(o, task.projection @ [x, v / k], atol=1e-5)
    np.testing.assert_allclose(np.sort(task.pushes), [-1, -1 / 3, 1 / 3, 1], atol=1e-6)
    for t, action in enumerate(actions[:60]):
        v += k * k * (x + task.pushes[action])
        x += v
        if abs(x) >= WALL:
            x, v = np.sign(x) * WALL, 0.0
        np.testing.assert_allclose(new.state.x[t], [x, v], atol=1e-4)
        np.testing.assert_allclose(new.observation[t], task.projection @ [x, v / k], atol=1e-3)
        assert new.reward[t] == pytest.approx(1 - abs(x), abs=1e-4)
        assert new.end[t] == (t >= 24)
    assert np.all(np.abs(new.state.x[60:, 0]) == WALL) and np.all(new.reward[60:] == -1)


def test_what_is_drawn_of_an_unstable_system():
    environment = unstable_system(4, 3, rate=0.2)
    tasks = drawn(environment, 2000)
    assert stats.kstest(np.asarray(tasks.rate), stats.uniform(0.05, 0.15).cdf).pvalue > 1e-3
    np.testing.assert_allclose(np.linalg.norm(tasks.projection, axis=2), 1, atol=1e-5)
    orders, counts = np.unique(np.asarray(tasks.pushes), axis=0, return_counts=True)
    assert len(orders) == 6 and stats.chisquare(counts).pvalue > 1e-3
    first = jax.tree.map(lambda leaf: leaf[0], tasks)
    begins, _ = jax.vmap(environment.reset, (0, None))(jax.random.split(KEY, 2000), first)
    assert stats.kstest(np.asarray(begins.x[:, 0]), stats.uniform(-0.2, 0.4).cdf).pvalue > 1e-3
    assert not np.any(begins.x[:, 1])


# A cube.


@pytest.mark.parametrize(("side", "key"), [(2, 5), (3, 5), (4, 6)])
def test_an_agent_walks_from_place_to_place_of_its_cube(side, key):
    environment = cube(10, 3, side=side, episode=12)
    task, place, o, actions, new = followed(environment, jax.random.key(key))
    agent, good, bad = (list(map(int, there)) for there in (place.agent, place.good, place.bad))
    deviation = np.std(np.arange(side))
    ends = 0
    for t, action in enumerate(actions):
        if ends:  # `followed` goes on after an end, as an environment may be asked to
            break
        along = agent[action // 2] + (1 if action % 2 else -1)
        if 0 <= along < side:
            agent[action // 2] = along
        at = (np.array([*agent, *good, *bad]) - (side - 1) / 2) / deviation
        np.testing.assert_allclose(new.observation[t], task @ at, atol=1e-5)
        assert new.reward[t] == (agent == good) - (agent == bad)
        ends = new.end[t]
        assert ends == (agent in (good, bad) or t >= 11)
    assert ends


def test_a_cube_of_more_places_than_random_numbers_tell_apart_is_refused():
    assert cube(4, 6, side=12).sizes == (4, 12)
    with pytest.raises(ValueError, match="side=12 and dimension=7 make 35831808 places: give"):
        cube(4, 7, side=12)


@pytest.mark.parametrize("side", [2, 3])
def test_the_places_of_an_episode_differ_and_all_are_as_likely(side):
    environment = cube(5, 2, side=side)
    task = environment.draw_task(KEY)
    places, seen = jax.vmap(environment.reset, (0, None))(jax.random.split(KEY, 20000), task)
    numbers = [np.asarray(there) @ [1, side] for there in (places.agent, places.good, places.bad)]
    _, counts = np.unique(np.stack(numbers), axis=1, return_counts=True)
    n = side**2
    assert len(counts) == n * (n - 1) * (n - 2) and stats.chisquare(counts).pvalue > 1e-3
    assert set(np.unique(places.agent)) == set(range(side)) and abs(seen.mean()) < 0.1
    many = jax.jit(jax.vmap(lambda key: environment.reset(key, environment.draw_task(key))[1]))
    assert np.asarray(many(jax.random.split(KEY, 4000))).var() == pytest.approx(1, abs=0.05)


def test_rewards_that_pause_are_paid_for_some_steps_and_then_not():
    environment = reward_pauses(reward_noise(random_mdp(1, 3, 1), 0.5), 20)
    *_, new = followed(environment, jax.random.key(8), 8000)
    paying = new.reward != 0
    assert paying[0] and abs(paying.mean() - 0.5) < 0.1
    changes = np.flatnonzero(np.diff(paying))
    assert abs(len(changes) - 400) < 4 * 20  # a binomial number, n = 8000 and p = 1 / 20
    # How long it stays as it is: geometric, whose standard deviation is nearly its mean.
    runs = np.diff(changes)
    assert abs(runs.std() / runs.mean() - (19 / 20) ** 0.5) < 0.2


def test_an_episode_begins_with_rewards_as_often_as_was_said():
    environment = reward_pauses(random_mdp(4, 3, episode=30), 10**6, first=0.4)
    task = environment.draw_task(KEY)
    states, seen = jax.vmap(environment.reset, (0, None))(jax.random.split(KEY, 4000), task)
    assert stats.binomtest(int(states.paying.sum()), 4000, 0.4).pvalue > 1e-3
    # Whether it is paid says nothing of where it begins.
    places = np.asarray(states.state.state)
    table = [np.bincount(places[np.asarray(states.paying) == on], minlength=4) for on in (0, 1)]
    assert stats.chi2_contingency(table).pvalue > 1e-3
    assert np.all(np.asarray(table) > 100) and np.isfinite(seen).all()


def test_where_all_episodes_begin_with_rewards_nothing_has_changed():
    """Records of members from before `first` was an option still match."""
    environment = reward_pauses(random_mdp(4, 3), 20)
    assert environment.options["steps"] == 20 and "first" not in environment.options
    within = random_mdp(4, 3)
    task = environment.draw_task(KEY)
    for key in jax.random.split(KEY, 5):
        state, o = environment.reset(key, task)
        np.testing.assert_array_equal(o, within.reset(key, task)[1])
        assert state.paying == 1


def test_a_reward_that_is_no_number_does_not_come_through_a_pause():
    within = random_mdp(4, 3)
    broken = dataclasses.replace(
        within, step=lambda *x: within.step(*x)._replace(reward=jnp.float32(jnp.inf))
    )
    *_, new = followed(reward_pauses(broken, 5), KEY, 50)
    assert set(new.reward) == {0.0, np.inf}


def test_while_rewards_pause_the_world_goes_on_and_the_best_action_is_the_same():
    within = random_mdp(4, 3, noise=0.1)
    environment = reward_pauses(within, 5)
    task = environment.draw_task(KEY)
    state, o = environment.reset(KEY, task)
    place, seen = within.reset(KEY, task)
    np.testing.assert_array_equal(o, seen)
    paid = 0
    step, step_within = jax.jit(environment.step), jax.jit(within.step)
    teach, teach_within = (
        jax.jit(lambda state, world=world: world.teacher(task, -1.0)(state))
        for world in (environment, within)
    )
    for t, key in enumerate(jax.random.split(KEY, 60)):
        np.testing.assert_array_equal(teach(state), teach_within(place))
        new = step(key, task, state, t % 3)
        own = step_within(jax.random.split(key)[0], task, place, t % 3)
        np.testing.assert_array_equal(new.observation, own.observation)
        assert new.reward == (own.reward if state.paying else 0)
        paid += state.paying
        state, place = new.state, own.state
    assert 5 < paid < 55


def test_a_rare_reward_is_paid_as_often_as_was_said_and_else_is_zero():
    inside = linear_bandit(2, 3)
    environment = reward_rare(inside, 0.3)
    task, *_, actions, new = followed(environment, jax.random.key(6), 4000)
    paid = new.reward != 0
    assert abs(paid.mean() - 0.3) < 4 * (0.21 / 4000) ** 0.5
    # What is paid is what the context that was seen before pays for that action.
    before = np.concatenate([np.zeros((1, 2)), new.observation[:-1]])[1:]
    of_all = np.clip(before @ np.asarray(task).T / 2**0.5, -1, 1)
    by_hand = np.take_along_axis(of_all, actions[1:, None], axis=1)[:, 0]
    np.testing.assert_allclose(new.reward[1:][paid[1:]], by_hand[paid[1:]], atol=1e-5)


@pytest.mark.parametrize("steepness", [0.5, 4.0])
def test_a_reward_becomes_a_success_as_often_as_the_logistic_curve_says(steepness):
    environment = reward_successes(linear_bandit(2, 3), steepness)
    task, *_, actions, new = followed(environment, jax.random.key(6), 4000)
    assert set(np.unique(new.reward)) == {0.0, 1.0}
    before = new.observation[:-1]
    inside = np.clip(before @ np.asarray(task).T / 2**0.5, -1, 1)
    r = np.take_along_axis(inside, actions[1:, None], axis=1)[:, 0]
    p = 1 / (1 + np.exp(-steepness * r))
    more = new.reward[1:] - p
    for some in (r < -0.5, np.abs(r) <= 0.5, r > 0.5):
        assert some.sum() > 300
        assert abs(more[some].mean()) < 4 * (0.25 / some.sum()) ** 0.5


# The family. Whether a world can be solved, and by learning only.


def under(environment, choose, plan, task, key, steps=STEPS):
    """What a policy `(plan, state, o, random action) -> action` earns a step, [], and sees,
    [steps, A]; after an end the next step is the first of another episode."""
    key_reset, key_steps = jax.random.split(key)

    def step(carry, key):
        key_action, key_step, key_reset = jax.random.split(key, 3)
        at_random = jax.random.randint(key_action, (), 0, environment.sizes.action)
        new = environment.step(key_step, task, carry[0], choose(plan, *carry, at_random))
        again = environment.reset(key_reset, task)
        carry = jax.tree.map(
            lambda a, b: jnp.where(new.end > 0, a, b), again, (new.state, new.observation)
        )
        return carry, (new.reward, new.observation)

    first = environment.reset(key_reset, task)
    reward, seen = jax.lax.scan(step, first, jax.random.split(key_steps, steps))[1]
    return reward.mean(), seen


def bare(task):
    """A task without its transforms, and the sign of its rewards."""
    sign = 1.0
    while isinstance(task, Transformed):
        change = np.asarray(task.change)
        sign = sign * np.where(np.abs(change) == 1, change, 1.0) if change.size else sign
        task = task.task
    return jax.tree.map(np.asarray, task), sign


def inside(state):
    """A state without the rewards that are owed, or whether any are paid."""
    return inside(state.state) if isinstance(state, Delayed | Pausing) else state


WORTH = 0.95
"""Discount of the plans; they are judged without."""
NODES = np.linspace(-6, 6, 61)
"""Where plans for systems know their value."""


def plan_mdp(task):
    """The best action in each state, by value iteration."""
    S, B = task.next.shape
    goals = task.pay.ndim == 1
    lead = (1 - task.noise) * np.eye(S)[task.next] + task.noise / S
    pay = lead @ task.pay if goals else task.pay
    value = np.zeros(S)
    for _ in range(200):
        after = np.where(np.arange(S) < 2, value[2:].mean(), value) if goals else value
        q = pay + WORTH * lead @ after
        value = q.max(axis=1)
    return q.argmax(axis=1)


def plan_system(task, sign, target, change):
    """The best action in each place, by value iteration over what is paid for: the place along w
    and, in a system of second order, the velocity along it. As if there were no noise."""
    p, pushed = task.persistence, np.sqrt(1 - task.persistence**2) * (task.pushes @ task.paid)
    second_order = task.projection.shape[1] == 2

    def worth(y):
        return sign * (1 - np.abs(y - task.target) if target else y)

    if second_order:
        y, v = np.meshgrid(NODES, NODES, indexing="ij")
        v = p * v + pushed[:, None, None]
        new = np.stack([p * y + (1 - p**2) / np.sqrt(1 + p**2) * v, v])
    else:
        y = NODES
        new = (p * y + pushed[:, None])[None]
    pay = worth(new[0]) - worth(y) * change
    where = (new - NODES[0]) / (NODES[1] - NODES[0])
    value = np.zeros_like(pay[0])
    for _ in range(100):
        q = pay + WORTH * ndimage.map_coordinates(value, where, order=1, mode="nearest")
        value = q.max(axis=0)
    return q.argmax(axis=0)


def best(environment, tasks):
    """A policy that knows each of some tasks, and its plans for them."""
    n = len(jax.tree.leaves(tasks)[0])
    tasks = jax.tree.map(np.asarray, tasks)
    each = [bare(jax.tree.map(operator.itemgetter(i), tasks)) for i in range(n)]
    if isinstance(each[0][0], Table):
        plans = np.stack([plan_mdp(task) for task, _ in each])
        return lambda plan, state: plan[state.state], plans
    if isinstance(each[0][0], System):
        options = environment.options
        while "of" in options:
            options = options["of"]
        kind = options["target"], options["change"]
        plans = np.stack([plan_system(task, sign, *kind) for task, sign in each])

        def choose(plan, state):
            actions, paid = plan
            node = (state.x @ paid - NODES[0]) / (NODES[1] - NODES[0])
            return actions[tuple(jnp.round(node).astype(int).clip(0, len(NODES) - 1))]

        return choose, (plans, np.stack([task.paid for task, _ in each]))
    if isinstance(each[0][0], Unstable):
        rates, pushes = (
            np.stack([getattr(task, name) for task, _ in each]) for name in ("rate", "pushes")
        )

        def hold(plan, state):
            """Against where x is going; or with it, where far away is what pays."""
            rate, pushes, sign = plan
            going = state.x[0] + state.x[1] / rate
            return jnp.argmin(sign * going * pushes)

        return hold, (rates, pushes, np.stack([sign for _, sign in each]))
    if environment.name.startswith("cube"):

        def towards(sign, state):
            """One step nearer to the good corner, not onto the bad one; or, where it costs to come
            nearer, one step away."""
            n = state.agent.size
            ways = jnp.stack([-jnp.eye(n), jnp.eye(n)], axis=1).reshape(2 * n, n)
            side = 3 if "side-3" in environment.name else 2
            moved = jnp.clip(state.agent + ways, 0, side - 1)
            far = jnp.abs(moved - state.good).sum(axis=1)
            off = 0 if "dense" in environment.name else 9 * jnp.all(moved == state.bad, axis=1)
            return jnp.argmin(sign * far + off)

        return towards, np.stack([sign for _, sign in each])
    return lambda w, state: jnp.argmax(w @ state), np.stack([task for task, _ in each])


MEMBERS = FAMILY | FURTHER | WIDER | HARDER | LASTING | SUCCESSES

POLICIES = ("best", "random", "the first action", "by sight", "taught")
"""Those in the middle do without the reward. The last does what the environment's teacher says."""


def earned(environment, n, seed=7):
    """What each of POLICIES earns a step in each of n tasks, [n, 5]."""
    tasks = drawn(environment, n, seed)
    knowing, plans = best(environment, tasks)

    def choose(plan, state, o, at_random):
        plan, task, policy = plan
        known = knowing(plan, inside(state)).astype(at_random.dtype)
        sight = (o[0] > 0).astype(at_random.dtype)
        taught = jnp.argmax(environment.teacher(task, 1.0)(state)).astype(at_random.dtype)
        return jnp.stack([known, at_random, jnp.zeros_like(at_random), sight, taught])[policy]

    def each(plan, task, key):
        def run(policy):
            return under(environment, choose, (plan, task, policy), task, key)[0]

        return jax.vmap(run)(jnp.arange(len(POLICIES)))

    keys = jax.random.split(jax.random.key(seed + 1), n)
    return np.asarray(jax.jit(jax.vmap(each))(plans, tasks, keys))


EARNS = {
    "linear-1-2": (0.28, 0.93),
    "mdp-1-3-1-noisy": (0.81, 0.99),
    "linear-4-4": (0.68, 1.0),
    "mdp-4-3-6": (0.91, 1.0),
    "mdp-1-5-1-noisy-scaled-zero": (1.55, 1.0),
    "mdp-1-3-1-noisy-delayed-1": (0.81, 0.99),
    "linear-2-3-delayed-1": (0.51, 1.0),
    "linear-4-2-delayed-2": (0.38, 1.0),
    "linear-4-2-delayed-4": (0.38, 1.0),
    "system-4-4": (2.03, 1.0),
    "mdp-3-2-4": (0.72, 1.0),
    "mdp-6-3-one-hot": (1.15, 1.0),
    "mdp-6-4-12-goals": (0.63, 1.0),
    "system-2-3-target-change-signed": (0.137, 0.94),
    "system-4-2-second-order-target-signed-zero": (1.22, 0.99),
    "mdp-12-4-16-goals": (0.52, 1.0),
    "mdp-1-4-1-noisy-rare": (0.30, 1.0),
    "linear-6-3-rare": (0.17, 1.0),
    "mdp-1-10-1-noisy": (1.53, 1.0),
    "mdp-1-2-1-noisy-zero": (0.56, 0.98),
    "cube-9-6": (0.58, 1.0),
    "cube-9-6-dense-signed": (0.56, 1.0),
    "unstable-4-2-signed": (0.90, 1.0),
    "unstable-5-3-signed-zero": (0.77, 1.0),
    "mdp-1-24-1-noisy": (1.98, 1.0),
    "linear-12-5": (0.80, 1.0),
    "mdp-1-2-1-noisy": (0.51, 0.975),
    "cube-12-6-side-3": (0.32, 1.0),
    "linear-3-3-scaled-zero": (0.74, 1.0),
    "system-3-3-target-signed-zero": (1.20, 1.0),
    "unstable-4-2-signed-zero": (0.75, 0.995),
    "unstable-5-2-signed-scaled-zero": (1.20, 1.0),
    "linear-3-4-pausing": (0.47, 1.0),
    "mdp-1-6-1-noisy-pausing": (0.89, 1.0),
    "mdp-1-40-1-noisy-zero-pausing": (1.68, 1.0),
    "unstable-5-2-signed-scaled-zero-pausing": (0.52, 0.69),
    "unstable-4-2-signed-zero-pausing": (0.34, 0.875),
    "linear-3-4-successes-pausing": (0.26, 0.985),
    "mdp-3-5-4-successes-pausing": (0.28, 0.98),
    "mdp-1-40-1-noisy-pausing": (1.52, 1.0),
}
"""What planning earns a step in each member beyond a random policy, and the share of tasks in which
that is more than 0.02; over 200 tasks."""


def by_chance(name):
    """What all policies that do without the reward earn a step: nothing, or half of the successes
    in as many steps as are paid. Of two states that change into each other with probability q, the
    first has (1 + (1 - 2q)^t) / 2 after t steps."""
    if "successes" not in name:
        return 0.0
    return 0.5 * np.mean((1 + (1 - 2 / 300) ** np.arange(STEPS)) / 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_can_be_solved_but_not_without_its_reward(name):
    earns = earned(MEMBERS[name], 100)
    gain = earns[:, 0] - earns[:, 1]
    more, share = EARNS[name]
    assert gain.mean() > 0.8 * more and (gain > 0.02).mean() > share - 0.05
    taught = earns[:, 4] - earns[:, 1]
    assert taught.mean() > 0.95 * gain.mean() and (taught > 0.02).mean() > share - 0.05
    blind = earns[:, 1:4] - by_chance(name)
    assert np.all(np.abs(blind.mean(axis=0)) < 4 * blind.std(axis=0) / 100**0.5)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_key_draws_one_world_and_other_keys_draw_others(name):
    draw_task = MEMBERS[name].draw_task
    draw = jax.jit(lambda keys: (jax.vmap(draw_task)(keys), draw_task(keys[1])))
    keys = jax.random.split(KEY, 3)
    (once, alone), again = (jax.tree.map(np.asarray, draw(keys)) for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, (once, alone), again)
    for leaf, one in zip(jax.tree.leaves(once), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(leaf[1], one, atol=1e-6)
    assert any(np.all(leaf[0] != leaf[1]) for leaf in jax.tree.leaves(once))


def test_the_family_has_many_sizes_and_none_of_the_worlds_of_the_studies():
    sizes = {environment.sizes for environment in MEMBERS.values()}
    assert len(FAMILY) == 16 and len(FURTHER) == 4 and len(WIDER) == 6
    assert len(HARDER) == 6 and len(LASTING) == len(SUCCESSES) == 3 and len(MEMBERS) == 38
    assert len(sizes) >= 15 and all(1 <= A <= 16 and 2 <= B <= 40 for A, B in sizes)
    for name, environment in MEMBERS.items():
        assert environment.name == name and ENVIRONMENTS[name] is environment
        assert name.startswith(("linear-", "mdp-", "system-", "cube-", "unstable-"))
