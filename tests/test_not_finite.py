"""NaN means no: what is not finite is counted and comes last, and never reaches theta."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symla_lite import checkpoint, evolution
from symla_lite.environments.bandits import BANDITS
from symla_lite.environments.environment import Environment, Transition
from symla_lite.environments.mixture import Mixture, Part
from symla_lite.evolution import ES, gradient, mean_and_spread, noise, norm, shape
from symla_lite.learner import Learner, Sizes
from symla_lite.lifetime import is_finite, live, live_until
from symla_lite.meta_testing import meta_test
from symla_lite.meta_training import Outer, meta_train
from symla_lite.metarnn import metarnn
from symla_lite.symla import symla

NAN, INF = np.nan, np.inf
SHAPINGS = ("raw", "standardised", "ranks", "differences")


# The shape of fitness


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_a_member_without_a_finite_fitness_has_the_lowest_rank(bad):
    np.testing.assert_allclose(
        shape(jnp.array([[1.0, 2.0], [bad, 0.0]]), "ranks"),
        [[1 / 6, 1 / 2], [-1 / 2, -1 / 6]],
        atol=1e-6,
    )


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
@pytest.mark.parametrize("shaping", ["raw", "standardised"])
def test_elsewhere_it_has_the_worst_fitness_of_all(shaping, bad):
    earned = np.array([[1.0, 2.0], [bad, 5.0], [7.0, -3.0]], np.float32)
    replaced = np.where(np.isfinite(earned), earned, -3.0)
    expected = shape(jnp.asarray(replaced), shaping)
    np.testing.assert_allclose(shape(jnp.asarray(earned), shaping), expected, rtol=1e-6)


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_where_differences_count_it_loses_by_the_largest_of_them(bad):
    earned = np.array([[1.0, 2.0], [bad, 500.0], [-70.0, -73.0], [NAN, bad]], np.float32)
    replaced = np.array([[1.0, 2.0], [497.0, 500.0], [-70.0, -73.0], [0.0, 0.0]], np.float32)
    expected = shape(jnp.asarray(replaced), "differences")
    np.testing.assert_allclose(shape(jnp.asarray(earned), "differences"), expected, atol=1e-4)


@pytest.mark.parametrize("shaping", SHAPINGS)
def test_where_nothing_is_finite_all_are_alike(shaping):
    np.testing.assert_array_equal(shape(jnp.full((3, 2), NAN), shaping), np.zeros((3, 2)))


@pytest.mark.parametrize("shaping", SHAPINGS)
@pytest.mark.parametrize("largest", [1e20, 3e38])
def test_fitness_too_large_to_be_squared_is_shaped_as_any_other(shaping, largest):
    earned = np.random.default_rng(0).uniform(-1, 1, size=(8, 2)).astype(np.float32)
    found = np.asarray(shape(jnp.asarray(largest * earned, jnp.float32), shaping))
    expected = shape(jnp.asarray(earned), shaping) * (largest if shaping == "raw" else 1)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert found.max() > found.min()


@pytest.mark.parametrize("shaping", SHAPINGS)
def test_the_gradient_leads_away_from_a_member_without_a_finite_fitness(shaping):
    eps = noise(jax.random.key(0), 4, 6)
    earned = jnp.array([[3.0, 2.0], [1.0, 2.0], [5.0, NAN], [4.0, 4.5]])
    found, alike = (
        gradient(eps, shape(each, shaping), 0.1) for each in (earned, earned.at[2, 1].set(5.0))
    )
    assert np.dot(found - alike, eps[2]) > 0


def test_the_curve_is_of_the_members_that_are_finite():
    earned = np.array([[3.0, NAN], [-INF, 5.0], [1.0, INF]], np.float32)
    mean, spread = mean_and_spread(jnp.asarray(earned))
    np.testing.assert_allclose([mean, spread], [3.0, np.std([3.0, 5.0, 1.0])], rtol=1e-6)
    large = jnp.array([[1e30, 3e30]], jnp.float32)
    np.testing.assert_allclose(mean_and_spread(large), [2e30, 1e30], rtol=1e-6)
    np.testing.assert_allclose(norm(jnp.array([3e30, -4e30], jnp.float32)), 5e30, rtol=1e-6)


# A lifetime


def paying(reward=1.0, o=0.0, first=0.0):
    """Two arms that pay the same, beside an observation; `first` is seen at the beginning."""

    def step(key, task, state, action):
        del key, task, action
        observation = jnp.full(2, o)
        return Transition(state, observation, jnp.asarray(reward), jnp.zeros(()))

    return Environment(
        f"paying {reward}",
        {},
        Sizes(2, 2),
        lambda key: (),
        lambda *_: ((), jnp.full(2, first)),
        step,
    )


def linear():
    """Logits theta o, whatever happened before: a learner that compiles at once."""
    return Learner(
        "linear",
        {},
        lambda key, sizes: {"w": jax.random.normal(key, (2, 2))},
        lambda *_: (),
        lambda theta, h, x: (theta["w"] @ x.o + x.o, h),
    )


def earned_by(learner, environment, theta=None, length=4):
    """The rewards of a lifetime, [L]."""
    if theta is None:
        theta = learner.init_theta(jax.random.key(0), environment.sizes)
    run = jax.jit(lambda theta, key: live(learner, environment, length, theta, key).reward)
    return np.asarray(run(theta, jax.random.key(1)))


def test_a_healthy_lifetime_is_as_it_was():
    np.testing.assert_array_equal(earned_by(linear(), paying()), np.ones(4))


@functools.cache
def seeing(learner):
    """`(first, o) -> rewards`: of a lifetime that begins with one observation and goes on with the
    other."""
    theta = learner.init_theta(jax.random.key(0), Sizes(2, 2))

    @jax.jit
    def rewards(first, o):
        return live(learner, paying(o=o, first=first), 4, theta, jax.random.key(1)).reward

    return rewards


SEEING = (linear(), metarnn(hidden=2), symla(hidden=2, message=2))


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_an_observation_that_is_not_finite_leaves_no_reward(bad):
    assert np.all(np.isnan(seeing(SEEING[0])(bad, 0.0)[:1]))
    for learner in SEEING:
        assert np.all(np.isnan(seeing(learner)(0.0, bad)[1:]))
        assert np.all(np.isfinite(seeing(learner)(0.0, 0.0)))


@pytest.mark.parametrize("name", ["m_fwd", "m_bwd"])
def test_messages_that_overflow_leave_no_fitness(name):
    learner, environment = symla(hidden=2, message=2, reduce="sum"), paying()
    theta = learner.init_theta(jax.random.key(0), environment.sizes)
    theta |= {name: theta[name] | {"b": theta[name]["b"] + 3e38}}  # two of them are infinite
    lifetime, h = live_until(learner, environment, 4, theta, jax.random.key(1))
    assert np.isnan(lifetime.reward).any() or not is_finite(h)


def test_theta_that_is_not_finite_is_refused():
    learner, environment = metarnn(hidden=2), BANDITS["easy"]
    theta = learner.init_theta(jax.random.key(0), environment.sizes)
    bad = theta | {"action": theta["action"] | {"w": theta["action"]["w"].at[0, 0].set(NAN)}}
    outer = Outer(ES(2, 0.1), 0.1, steps=1, length=2, lifetimes=1)
    for call, words in (
        (lambda: live(learner, environment, 3, bad, jax.random.key(0)), "theta.*action.*holds NaN"),
        (lambda: meta_test(learner, bad, environment, 3, 2, 0), "theta.*action.*holds NaN"),
        (lambda: meta_train(learner, environment, outer, 0, start=bad), "start.*action.*holds NaN"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


# Meta-training

PAIRS, STEPS = 3, 100
OUTER = {"learning_rate": 0.01, "steps": STEPS, "length": 2, "lifetimes": 1}


def spoil(monkeypatch, *bad, how_often=0.5):
    """Lets members of a population earn NaN at random steps: `bad` says which, [P, 2]; of several,
    one is drawn at each of them."""
    healthy = evolution.pair_fitness

    def pair_fitness(fitness, theta, eps, sigma, keys, chunk):
        earned, finite = healthy(fitness, theta, eps, sigma, keys, chunk)
        now = jax.random.bernoulli(jax.random.fold_in(keys[0], 7), how_often)
        one = jax.random.randint(jax.random.fold_in(keys[0], 8), (), 0, len(bad))
        return jnp.where(now & jnp.asarray(bad)[one], NAN, earned), finite

    monkeypatch.setattr(evolution, "pair_fitness", pair_fitness)


def train(path=None, learner=None, environment=None, es=None, seed=0, **changes):
    outer = Outer(es or ES(2 * PAIRS, 0.1), **(OUTER | changes))
    return meta_train(learner or linear(), environment or SECOND, outer, seed, path, progress=False)


def one_good_arm():
    """A learner that sees 1 is paid for the second arm."""
    environment = paying()

    def step(key, task, state, action):
        return environment.step(key, task, state, action)._replace(
            observation=jnp.ones(2), reward=action.astype(float)
        )

    return dataclasses.replace(
        environment, name="second", step=step, reset=lambda *_: ((), jnp.ones(2))
    )


SECOND = one_good_arm()
MEMBER, PAIR = np.zeros((2, PAIRS, 2), bool)
MEMBER[1, 0] = PAIR[1] = True


@pytest.mark.parametrize("shaping", SHAPINGS)
def test_nan_at_fifty_random_steps_is_counted_and_theta_stays_finite(monkeypatch, shaping):
    """Of one member, or of both of a pair."""
    spoil(monkeypatch, MEMBER, PAIR)
    trained = train(es=ES(2 * PAIRS, 0.1, shaping))
    lost = trained.curve["non-finite"]
    assert set(lost) == {0, 1, 2} and 35 <= np.sum(lost > 0) <= 65
    assert all(np.isfinite(column).all() for column in trained.curve.values())
    assert np.isfinite(trained.theta["w"]).all()


@pytest.mark.parametrize("shaping", SHAPINGS)
def test_a_step_at_which_all_are_nan_is_not_taken(monkeypatch, tmp_path, shaping):
    path = tmp_path / "run.checkpoint"
    spoil(monkeypatch, np.ones((PAIRS, 2), bool), how_often=0.1)
    stopped_at, learner = [], linear()
    for seed in range(2):
        for _ in range(2 - seed):  # and again when it is resumed
            with pytest.raises(FloatingPointError) as stopped:
                train(path, learner, es=ES(2 * PAIRS, 0.1, shaping), seed=seed)
            arrays, _ = checkpoint.load(path)
            done = len(arrays["curve"])
            sentence = str(stopped.value)
            assert f"before outer step {done + 1} of {STEPS}: no member has a finite" in sentence
            assert f"The last finite checkpoint, after step {done}, is in {path}." in sentence
            assert all(np.isfinite(array).all() for array in arrays.values())
        stopped_at.append(done)
        path.unlink()
    assert stopped_at[0] != stopped_at[1]


def test_the_steps_before_are_those_of_a_run_that_ends_there(monkeypatch, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    learner = linear()
    spoil(monkeypatch, np.ones((PAIRS, 2), bool), how_often=0.1)
    with pytest.raises(FloatingPointError):
        train(one, learner)
    done = len(checkpoint.load(one)[0]["curve"])
    assert done > 0
    train(other, learner, steps=done)
    kept, expected = checkpoint.load(one)[0], checkpoint.load(other)[0]
    for name in expected.keys() - {"seconds"}:
        np.testing.assert_array_equal(kept[name], expected[name])


def test_one_part_of_a_mixture_without_a_finite_fitness_stops_it():
    both = Mixture((Part(paying()), Part(paying(NAN))))
    with pytest.raises(FloatingPointError, match="step 1 of 5: no member .* on paying nan"):
        train(environment=both, es=ES(8, 0.1), steps=5)


def test_rewards_too_large_to_be_squared_are_learned_from_or_stop_the_run():
    def times(factor):
        def step(*arguments):
            new = SECOND.step(*arguments)
            return new._replace(reward=new.reward * factor)

        return dataclasses.replace(SECOND, step=step)

    for shaping in ("standardised", "ranks", "differences"):
        es = ES(2 * PAIRS, 0.1, shaping)
        large, ordinary = (train(environment=times(x), es=es, steps=20) for x in (1e20, 1.0))
        np.testing.assert_allclose(large.theta["w"], ordinary.theta["w"], atol=1e-3)
        assert np.isfinite(large.curve["spread"]).all()
    with pytest.raises(FloatingPointError, match="theta would not be finite .* norm is .*e"):
        train(environment=times(1e21), es=ES(2 * PAIRS, 0.1, "raw"), steps=20)


def test_a_step_that_would_make_theta_infinite_is_not_taken(tmp_path):
    path, linear_only = tmp_path / "run.checkpoint", linear()
    bounded = dataclasses.replace(
        linear_only, step=lambda theta, h, x: (jnp.tanh(theta["w"]) @ x.o + x.o, h)
    )
    with pytest.raises(FloatingPointError, match="step 2 of 3: theta would not be finite"):
        train(path, bounded, learning_rate=3e38, steps=3, lifetimes=16)
    arrays, _ = checkpoint.load(path)
    assert len(arrays["curve"]) == 1 and np.isfinite(arrays["theta"]).all()


@pytest.mark.parametrize("sigma", [1e-300, 1e-50])
def test_noise_that_float32_takes_for_zero_is_refused(sigma):
    with pytest.raises(ValueError, match=f"sigma={sigma}"):
        ES(8, sigma)


def test_the_bar_shows_how_many_members_were_not_finite(monkeypatch, capsys):
    spoil(monkeypatch, MEMBER, how_often=1.0)
    outer = Outer(ES(2 * PAIRS, 0.1), **(OUTER | {"steps": 10}))
    meta_train(linear(), SECOND, outer, 0, progress=True)
    assert "10 non-finite" in capsys.readouterr().err
