"""Classic control moves as gymnasium does, and pays and ends as its docstrings say."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.envs.classic_control import AcrobotEnv, CartPoleEnv, MountainCarEnv
from scipy import stats

from symla_lite.baselines import random_policy
from symla_lite.environments import acrobot, cartpole, mountain_car
from symla_lite.environments.control import HEIGHT, X_LIMIT, between_walls, physics
from symla_lite.lifetime import live

STATES = 300
KEY = jax.random.key(0)
SCALES = {
    "cartpole": [1, 1, 0.1, 1],
    "acrobot": [1, 1, 1, 1, 2, 4],
    "mountain-car": [0.5, 0.03],
}
"""What the observations of gymnasium are divided by."""


def body(environment, states):
    """gymnax's states [STATES, ...] from NumPy's [STATES, numbers]."""
    state, _ = environment.reset(KEY, environment.draw_task(KEY))
    names = [name for name in state.__dataclass_fields__ if name != "time"]
    time = jnp.zeros(len(states), jnp.int32)
    columns = jnp.asarray(states, jnp.float32).T
    return state.replace(time=time, **dict(zip(names, columns, strict=True)))


def taken(environment, states, actions, task=None):
    """The transitions from many states."""
    task = environment.draw_task(KEY) if task is None else task

    def one(state, action):
        return environment.step(KEY, task, state, action)

    return jax.jit(jax.vmap(one))(body(environment, states), jnp.asarray(actions, jnp.int32))


def by_gymnasium(make, states, actions, **attributes):
    """Observations and terminal flags after one step, from a second implementation."""
    env = make()
    env.reset(seed=0)
    seen, ended = [], []
    for state, action in zip(states, actions, strict=True):
        env.state = np.array(state)
        for name, value in {"steps_beyond_terminated": None, **attributes}.items():
            setattr(env, name, value)
        o, _, end, _, _ = env.step(int(action))
        seen.append(o)
        ended.append(end)
    return np.array(seen), np.array(ended)


def uniform_states(seed, *limits):
    return np.random.default_rng(seed).uniform(
        [-limit for limit in limits], limits, (STATES, len(limits))
    )


def some_actions(seed, n):
    return np.random.default_rng(seed).integers(n, size=STATES)


def test_cartpole_moves_and_falls_as_gymnasiums():
    states, actions = uniform_states(0, 2.4, 3, 0.21, 3), some_actions(0, 2)
    new = taken(cartpole(), states, actions)
    seen, fell = by_gymnasium(CartPoleEnv, states, actions)
    np.testing.assert_allclose(new.observation * np.array(SCALES["cartpole"]), seen, atol=1e-5)
    np.testing.assert_array_equal(new.end, fell)
    assert 10 < fell.sum() < STATES - 10


def test_a_free_cartpole_swings_as_gymnasiums_does_with_its_semi_implicit_rule():
    states, actions = uniform_states(1, 2, 3, np.pi, 6), some_actions(1, 2)
    new = taken(cartpole(free=True), states, actions)
    seen, _ = by_gymnasium(
        CartPoleEnv, states, actions, kinematics_integrator="semi-implicit euler"
    )
    x, cos, sin, velocity, turning = np.asarray(new.observation).T
    theirs = [seen[:, 0], np.cos(seen[:, 2]), np.sin(seen[:, 2]), seen[:, 1], seen[:, 3]]
    np.testing.assert_allclose([x, cos, sin, velocity, 5 * turning], theirs, atol=2e-5)
    assert not np.any(new.end)


def test_acrobot_moves_and_arrives_as_gymnasiums():
    states, actions = uniform_states(2, np.pi, np.pi, 6, 12), some_actions(2, 3)
    new = taken(acrobot(), states, actions)
    seen, arrived = by_gymnasium(AcrobotEnv, states, actions)
    np.testing.assert_allclose(new.observation * np.array(SCALES["acrobot"]), seen, atol=1e-4)
    np.testing.assert_array_equal(new.end, arrived)
    assert 5 < arrived.sum() < STATES - 5
    np.testing.assert_array_equal(new.reward, np.where(arrived, 0, -1))


def test_mountain_car_moves_and_arrives_as_gymnasiums():
    states = uniform_states(3, 0.55, 0.07)
    actions = some_actions(3, 3)
    new = taken(mountain_car(), states, actions)
    seen, arrived = by_gymnasium(MountainCarEnv, states, actions)
    ours = new.observation * np.array(SCALES["mountain-car"]) - np.array([0.5, 0])
    np.testing.assert_allclose(ours, seen, atol=1e-6)
    np.testing.assert_array_equal(new.end, arrived)
    assert 5 < arrived.sum() < STATES - 5
    height = (1 + np.sin(3 * seen[:, 0])) / 2
    np.testing.assert_allclose(new.reward, arrived + HEIGHT * height, atol=1e-5)
    assert HEIGHT * height.max() <= HEIGHT
    bare = taken(mountain_car("goal"), states, actions)
    np.testing.assert_array_equal(bare.reward, arrived)


@pytest.mark.parametrize(
    ("make", "environment"),
    [
        (CartPoleEnv, cartpole()),
        (AcrobotEnv, acrobot()),
        (MountainCarEnv, mountain_car()),
    ],
)
def test_episodes_begin_where_gymnasiums_do(make, environment):
    keys = jax.random.split(KEY, STATES)
    _, ours = jax.jit(jax.vmap(lambda key: environment.reset(key, environment.draw_task(key))))(
        keys
    )
    ours = np.asarray(ours) * np.array(SCALES[environment.name])
    ours -= np.array([0.5, 0]) if environment.name == "mountain-car" else 0
    env = make()
    theirs = np.array([env.reset(seed=i)[0] for i in range(STATES)])
    for entry in range(ours.shape[1]):
        if np.ptp(theirs[:, entry]) > 0:
            assert stats.ks_2samp(ours[:, entry], theirs[:, entry]).pvalue > 1e-3
        else:
            np.testing.assert_array_equal(ours[:, entry], theirs[:, entry])


def upright_by_hand(x, angle, target, margin=2.0):
    """dm_control's factors, in NumPy; its tolerance is a bell that is 0.1 at the margin."""
    scale = np.sqrt(-2 * np.log(0.1))
    tolerance = np.exp(-0.5 * ((x - target) / margin * scale) ** 2)
    return (np.cos(angle) + 1) / 2 * (1 + tolerance) / 2


@pytest.mark.parametrize("target", [0.0, -0.8])
def test_upright_pays_as_dm_control_does(target):
    environment = cartpole(free=True, target_range=1.0)
    states, actions = uniform_states(4, 2.2, 2, np.pi, 4), some_actions(4, 2)
    new = taken(environment, states, actions, task=jnp.float32(target))
    by_hand = upright_by_hand(np.asarray(new.state.x), np.asarray(new.state.theta), target)
    np.testing.assert_allclose(new.reward, by_hand, atol=1e-5)
    assert 0 <= by_hand.min() and by_hand.max() <= 1


@pytest.mark.parametrize(
    ("x", "angle", "pays"),
    [(0.0, 0.0, 1.0), (2.0, 0.0, 0.55), (0.0, np.pi, 0.0), (0, np.pi / 2, 0.5)],
)
def test_upright_pays_one_at_best_and_nothing_to_a_pole_that_hangs(x, angle, pays):
    still = [[x, 0.0, angle, 0.0]]
    np.testing.assert_allclose(taken(cartpole(free=True), still, [0]).reward, [pays], atol=2e-2)


def test_falls_cost_one_under_balance_and_nothing_under_standard():
    states, actions = uniform_states(5, 2.4, 3, 0.21, 3), some_actions(5, 2)
    _, fell = by_gymnasium(CartPoleEnv, states, actions)
    np.testing.assert_allclose(
        taken(cartpole("balance"), states, actions).reward, np.where(fell, -1, 0.1), rtol=1e-6
    )
    np.testing.assert_array_equal(taken(cartpole("standard"), states, actions).reward, 1)


def lean_by_hand(state):
    """How far from upright the pole will be in 0.3 s, by the angle between two directions."""
    lean = np.asarray(state.theta) + 0.3 * np.asarray(state.theta_dot)
    return np.arccos(np.clip(np.cos(lean), -1, 1))


def test_nearer_pays_one_for_a_step_towards_balance():
    environment = cartpole("nearer", free=True)
    states, actions = uniform_states(7, 2.2, 2, np.pi, 6), some_actions(7, 2)
    new = taken(environment, states, actions)
    nearer = lean_by_hand(body(environment, states)) - lean_by_hand(new.state)
    sure = np.abs(nearer) > 1e-4
    assert sure.mean() > 0.9
    np.testing.assert_array_equal(np.asarray(new.reward)[sure], np.sign(nearer)[sure])


@pytest.mark.parametrize(("choose", "stands"), [(np.argmax, True), (np.argmin, False)])
def test_whoever_goes_for_nearer_balances_and_whoever_goes_against_it_does_not(choose, stands):
    environment = cartpole("nearer", free=True)
    state, _ = environment.reset(KEY, jnp.zeros(()))
    step = jax.jit(environment.step)
    upright = []
    for _ in range(100):
        both = [step(KEY, jnp.zeros(()), state, jnp.int32(action)) for action in (0, 1)]
        state = both[choose([new.reward for new in both])].state
        upright.append(float(jnp.cos(state.theta)))
    assert (min(upright) > 0.95) == stands


def pole_momentum(x_dot, theta, theta_dot):
    """The momentum that belongs to the angle, by the pole's mass times half its length."""
    return np.cos(theta) * x_dot + 4 / 3 * 0.5 * theta_dot


def energy(x_dot, theta, theta_dot, cart=1.0, pole=0.1, half=0.5):
    """Of motion: of the cart, and of a rod whose centre is half a length from the joint."""
    sideways, up = x_dot + half * np.cos(theta) * theta_dot, half * np.sin(theta) * theta_dot
    turning = pole * half**2 / 3 * theta_dot**2 / 2
    return cart * x_dot**2 / 2 + pole * (sideways**2 + up**2) / 2 + turning


def test_a_wall_stops_the_cart_takes_energy_and_leaves_the_poles_momentum():
    states = uniform_states(6, 0.01, 4, np.pi, 6)
    states[:, 1] = abs(states[:, 1]) + 1
    states[:, 0] += 2.395
    new = body(cartpole(free=True), states)
    after = between_walls(new, new)
    before = states.T[1], np.asarray(after.theta), states.T[3]
    then = np.asarray(after.x_dot), np.asarray(after.theta), np.asarray(after.theta_dot)
    np.testing.assert_allclose(after.x, X_LIMIT, rtol=1e-6)
    np.testing.assert_array_equal(after.x_dot, 0)
    np.testing.assert_allclose(pole_momentum(*then), pole_momentum(*before), atol=1e-5)
    assert np.all(energy(*then) < energy(*before))


def test_a_cart_leaves_the_wall_when_it_is_pushed_away():
    environment = cartpole(free=True)
    at_wall = [[X_LIMIT, 0.0, np.pi, 0.0], [-X_LIMIT, 0.0, np.pi, 0.0]]
    away = taken(environment, at_wall, [0, 1])
    assert np.all(np.abs(away.state.x) < X_LIMIT)
    into = taken(environment, at_wall, [1, 0])
    np.testing.assert_allclose(np.abs(into.state.x), X_LIMIT, rtol=1e-6)
    np.testing.assert_array_equal(into.state.x_dot, 0)


@functools.cache
def random_lives(name, length=401, lifetimes=20):
    learner, environment = random_policy(), LIVED_IN[name]
    run = jax.jit(jax.vmap(lambda key: live(learner, environment, length, {}, key)))
    return jax.tree.map(np.asarray, run(jax.random.split(KEY, lifetimes)))


LIVED_IN = {
    "free": cartpole(free=True, episode=400),
    "balance": cartpole("balance"),
    "acrobot": acrobot(),
    "mountain-car": mountain_car(episode=99),
}


def test_a_free_cart_stays_on_its_track_while_its_pole_swings_round():
    lived = random_lives("free")
    x, cos, sin, _, turning = np.moveaxis(lived.observation, -1, 0)
    assert np.abs(x).max() <= X_LIMIT * (1 + 1e-6) and (np.abs(x) > X_LIMIT - 1e-3).any()
    assert cos.min() < -0.99 and cos.max() > 0.99
    np.testing.assert_allclose(cos**2 + sin**2, 1, atol=1e-5)
    assert 5 * np.abs(turning).max() < 40, "rad/s: the integrator feeds no energy in"
    assert np.all(lived.end[:, :400] == 0) and np.all(lived.end[:, 400] == 1)


def test_a_fall_is_seen_beside_what_it_costs_and_then_a_new_episode_begins():
    lived = random_lives("balance")
    fallen = lived.end[:, 1:-1] == 1
    assert fallen.sum() > 50
    x, _, angle, _ = np.moveaxis(lived.observation, -1, 0)
    down = (np.abs(x) > 2.4) | (np.abs(angle) * 0.1 > np.deg2rad(12))
    np.testing.assert_array_equal(down, lived.end == 1)
    np.testing.assert_array_equal(lived.reward[:, :-2][fallen], -1)  # earned by the step to it
    np.testing.assert_array_equal(lived.reward[:, 1:-1][fallen], 0)  # the reset earns nothing
    begun = lived.observation[:, 2:][fallen] * SCALES["cartpole"]
    assert np.abs(begun).max() <= 0.05 + 1e-6


def test_the_clock_ends_an_episode():
    end = random_lives("mountain-car").end
    np.testing.assert_array_equal(np.flatnonzero(end[0]), [99, 199, 299, 399])


@pytest.mark.parametrize("name", LIVED_IN)
def test_observations_are_of_order_one(name):
    seen = random_lives(name).observation.reshape(-1, LIVED_IN[name].sizes.observation)
    spread = seen.std(axis=0)
    assert np.all((0.05 < spread) & (spread < 2)), spread
    assert np.quantile(np.abs(seen), 0.99) < 5


def test_a_target_is_drawn_once_a_lifetime_and_only_the_reward_tells_it():
    environment = cartpole(target_range=1.0)
    drawn = jax.vmap(environment.draw_task)(jax.random.split(KEY, 2000))
    assert stats.kstest(drawn, "uniform", (-1, 2)).pvalue > 1e-3
    states, actions = uniform_states(7, 1, 1, 0.1, 1), some_actions(7, 2)
    left = taken(environment, states, actions, task=jnp.float32(-1))
    right = taken(environment, states, actions, task=jnp.float32(1))
    np.testing.assert_array_equal(left.observation, right.observation)
    np.testing.assert_array_equal(left.reward > right.reward, left.state.x < 0)
    np.testing.assert_array_equal(environment.reset(KEY, -1.0)[1], environment.reset(KEY, 1.0)[1])
    assert cartpole().draw_task(KEY) == 0


def test_the_physics_is_made_once_and_outlives_the_trace_that_made_it():
    physics.cache_clear()
    jax.jit(lambda x: (physics("Acrobot-v1"), x)[1])(0.0)
    _, params = physics("Acrobot-v1")
    np.testing.assert_array_equal(params.available_torque, [-1, 0, 1])
    assert physics("Acrobot-v1") is physics("Acrobot-v1")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: cartpole("sparse"),
            "reward='sparse' .*: give 'upright', 'balance', 'standard' or 'nearer'",
        ),
        (lambda: cartpole(free="yes"), "free='yes' .*: give True or False"),
        (lambda: cartpole("balance", free=True), "'balance' would pay the same at every step"),
        (lambda: cartpole(target_range=2.4), "target_range=2.4 .*at least 0 and below 2.4"),
        (lambda: cartpole(target_range=-1), "target_range=-1 .*at least 0"),
        (lambda: cartpole("balance", target_range=1), "does not depend on the target"),
        (lambda: cartpole(margin=0), "margin=0 .*above 0"),
        (lambda: cartpole(episode=0), "episode=0 .*at least 1"),
        (lambda: acrobot(episode=-3), "episode=-3 .*at least 1"),
        (lambda: mountain_car("standard"), "reward='standard' .*: give 'height' or 'goal'"),
        (lambda: mountain_car(episode=0), "episode=0 .*at least 1"),
    ],
)
def test_bad_input_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
