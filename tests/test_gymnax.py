"""gymnax's environments are what they are in gymnax, and show how an episode ends."""

import subprocess
import sys
from urllib.error import URLError

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symla_lite.baselines import random_policy
from symla_lite.environments.gymnax import of_gymnax
from symla_lite.learner import Sizes
from symla_lite.lifetime import live
from symla_lite.metarnn import metarnn

KEY = jax.random.key(3)
CONTINUOUS = {
    "Pendulum-v1",
    "MountainCarContinuous-v0",
    "PointRobot-misc",
    "Reacher-misc",
    "Swimmer-misc",
}
FROM_FILES = {"MNISTBandit-bsuite"}
"""It needs images that are not installed."""
DISCRETE = sorted(set(gymnax.registered_envs) - CONTINUOUS - FROM_FILES)


def by_gymnax(name, actions):
    """gymnax's own stepping, which resets at once: what each action led to, with the last
    observation of an episode in its `info`."""
    env, params = gymnax.make(name)
    key, key_reset = jax.random.split(KEY)
    o, state = env.reset(key_reset, params)
    first, steps = o, []
    for action in actions:
        key, key_step = jax.random.split(key)
        o, state, reward, terminated, truncated, info = env.step(key_step, state, action, params)
        steps.append((info["final_observation"], o, reward, terminated | truncated))
    return first, steps


@pytest.mark.parametrize(
    ("name", "length"),
    [("Catch-bsuite", 25), ("CartPole-v1", 60), ("FrozenLake-misc", 60), ("Breakout-MinAtar", 60)],
)
def test_it_steps_as_gymnax_does_and_shows_the_terminal_observation_first(name, length):
    environment = of_gymnax(name)
    actions = np.random.default_rng(0).integers(0, environment.sizes.action, length)
    first, steps = by_gymnax(name, actions)
    states = name == "FrozenLake-misc"  # its observations are numbers of states

    def flat(o):
        return np.eye(environment.sizes.observation)[int(o)] if states else np.ravel(o)

    key, key_reset = jax.random.split(KEY)
    step = jax.jit(environment.step)
    state, o = jax.jit(environment.reset)(key_reset, ())
    np.testing.assert_array_equal(o, flat(first))
    ends = 0
    for action, (seen, next_o, reward, end) in zip(actions, steps):
        key, key_step = jax.random.split(key)
        # gymnax's step splits its key: one part for the step, one for a reset that may follow.
        key_inside, key_reset = jax.random.split(key_step)
        new = step(key_inside, (), state, action)
        np.testing.assert_allclose(new.observation, flat(seen), rtol=1e-5, atol=1e-6)
        assert float(new.reward) == pytest.approx(float(reward))
        assert float(new.end) == float(end)
        state, o = new.state, new.observation
        if end:
            ends += 1
            state, o = environment.reset(key_reset, ())
        np.testing.assert_allclose(o, flat(next_o), rtol=1e-5, atol=1e-6)
    assert ends >= 2, "no episode ended, so nothing of that was tested"


def test_a_ball_that_falls_past_the_paddle_is_seen_on_the_ground():
    """In a lifetime of Catch, every reward arrives beside the observation that it is for."""
    environment = of_gymnax("Catch-bsuite")
    lived = live(random_policy(), environment, 100, {}, KEY)
    ended = np.flatnonzero(lived.end)
    np.testing.assert_array_equal(ended, np.arange(9, 100, 10))  # nine steps fall, one resets
    np.testing.assert_array_equal(np.flatnonzero(lived.reward), ended - 1)
    ground = np.asarray(lived.observation).reshape(100, 10, 5)[ended, -1]
    caught = np.asarray(lived.reward)[ended - 1] > 0
    np.testing.assert_array_equal(ground.sum(axis=1), np.where(caught, 1, 2))


@pytest.mark.parametrize("name", DISCRETE)
def test_every_one_with_discrete_actions_is_an_environment_for_any_learner(name):
    environment = of_gymnax(name)

    def lifetime(key):
        theta = metarnn(4).init_theta(key, environment.sizes)
        return live(metarnn(4), environment, 5, theta, key)

    lived = jax.eval_shape(lifetime, KEY)
    assert lived.logits.shape == (5, environment.sizes.action)
    assert lived.observation.shape == (5, environment.sizes.observation)
    assert {lived.observation.dtype, lived.reward.dtype, lived.end.dtype} == {jnp.dtype("float32")}


@pytest.mark.parametrize("name", sorted(CONTINUOUS))
def test_continuous_actions_are_refused(name):
    with pytest.raises(ValueError, match=f"'{name}' are continuous.*take"):
        of_gymnax(name)


def test_a_name_that_gymnax_does_not_know_is_refused_with_those_that_it_does():
    with pytest.raises(ValueError, match="no environment 'Casino-v0': take one of .*Catch-bsuite"):
        of_gymnax("Casino-v0")


def test_without_a_network_there_are_no_images(monkeypatch):
    def unreachable(name):
        raise URLError("no route")

    monkeypatch.setattr(gymnax, "make", unreachable)
    with pytest.raises(ValueError, match="'MNISTBandit-bsuite' .*internet: take it where"):
        of_gymnax("MNISTBandit-bsuite")


@pytest.mark.parametrize("name", ["Catch-bsuite", "Freeway-MinAtar", "FourRooms-misc"])
def test_what_does_not_run_in_64_bits_is_refused_there(name):
    with jax.enable_x64(True):
        with pytest.raises(ValueError, match=f"'{name}' mixes .*: unset JAX_ENABLE_X64"):
            of_gymnax(name)
    of_gymnax(name)


def test_what_runs_in_64_bits_is_made_there():
    with jax.enable_x64(True):
        assert of_gymnax("CartPole-v1").sizes == (4, 2)


@pytest.mark.slow
def test_with_its_sizes_known_gymnax_waits_until_the_environment_is_used(monkeypatch):
    known = of_gymnax("Catch-bsuite", Sizes(50, 3))
    whole = of_gymnax("Catch-bsuite")
    assert (known.name, known.options, known.sizes) == (whole.name, whole.options, whole.sizes)
    key = jax.random.key(3)
    for environment in (known, whole):
        state, o = environment.reset(key, environment.draw_task(key))
        after = environment.step(key, (), state, jnp.int32(2))
        assert o.shape == (50,) and jax.tree.all(
            jax.tree.map(lambda x, y: bool(jnp.all(x == y)), after, whole.step(key, (), state, 2))
        )
    with pytest.raises(ValueError, match=r"has Sizes\(observation=50, action=3\), and not sizes="):
        of_gymnax("Catch-bsuite", Sizes(50, 4)).reset(key, ())
    program = "import sys, symla_lite.studies; assert 'gymnax' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
