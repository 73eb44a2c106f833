"""The policy gradient points where the expected reward grows, and meta-trains."""

import dataclasses
import functools
import itertools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from symla_lite import card, meta_training, policy_gradient, studies
from symla_lite.controls import without_reward
from symla_lite.environments.bandits import BANDITS, independent_arms
from symla_lite.environments.environment import Environment, Transition
from symla_lite.environments.grids import hearts
from symla_lite.environments.linear import linear_bandit
from symla_lite.environments.mixture import Mixture, Part
from symla_lite.environments.transforms import reward_zero
from symla_lite.evolution import ES
from symla_lite.imitation import Imitation
from symla_lite.learner import Input, Learner, Sizes
from symla_lite.lstm import for_gates, through_gates
from symla_lite.meta_training import Outer, meta_train
from symla_lite.metarnn import metarnn
from symla_lite.policy_gradient import (
    MEMORIES,
    PolicyGradient,
    advantages,
    beyond_past,
    cut_back,
    differentiable,
    past,
    to_go,
)
from symla_lite.studies import results
from symla_lite.symla import symla

gradient = jax.jit(policy_gradient.gradient, static_argnums=range(5))
"""As in an outer step. Each operation by itself would be compiled alone."""

PAYS = np.array([0.3, -0.5, 1.0])
"""What the three arms of the test's bandit pay, always."""
MEMORY = np.array([[0.6, -0.4, 0.3], [-0.2, 0.5, 0.1]])
"""How an action and its reward enter the test learner's memory of two."""


def fixed_arms(ends: bool = False) -> Environment:
    """Arms that always pay the same; with `ends` an episode ends after each pull."""
    return Environment(
        name="fixed",
        options={},
        sizes=Sizes(1, 3),
        draw_task=lambda key: jnp.zeros(()),
        reset=lambda key, task: (jnp.zeros(()), jnp.zeros(1)),
        step=lambda key, task, state, action: Transition(
            state, jnp.zeros(1), jnp.asarray(PAYS, float)[action], jnp.asarray(ends)
        ),
    )


def remembering() -> Learner:
    """A recurrent learner of two units: h <- tanh(w h + MEMORY a r), logits v h + b."""

    def init_theta(key, sizes):
        del sizes
        return {"w": 0.9 * jnp.eye(2), "v": jnp.ones((3, 2)), "b": jnp.zeros(3)}

    def step(theta, h, x):
        h = jnp.tanh(theta["w"] @ h + jnp.asarray(MEMORY, float) @ x.a * (1 + x.r))
        return theta["v"] @ h + theta["b"], h

    return Learner("remembering", {}, init_theta, lambda theta, key, sizes: jnp.zeros(2), step)


def log_probabilities(flat: np.ndarray, actions, pays) -> np.ndarray:
    """Of each action of a sequence, given those before it and what they paid, in NumPy; theta as w,
    v and b one after the other."""
    w, v, b = flat[:4].reshape(2, 2), flat[4:10].reshape(3, 2), flat[10:]
    h, last, r, found = np.zeros(2), np.zeros(3), 0.0, []
    for a, pay in zip(actions, pays, strict=True):
        h = np.tanh(w @ h + MEMORY @ last * (1 + r))
        logits = v @ h + b
        found.append(logits[a] - np.log(np.exp(logits).sum()))
        last, r = np.eye(3)[a], pay
    return np.array(found)


def expected_reward(flat: np.ndarray, length: int, ends: bool = False) -> float:
    """Over all sequences of actions. With `ends` every second action is not taken, and the learner
    still receives it."""
    total = 0.0
    for actions in itertools.product(range(3), repeat=length):
        pays = PAYS[list(actions)] * (np.arange(length) % 2 == 0 if ends else 1)
        total += np.exp(log_probabilities(flat, actions, pays).sum()) * pays.sum()
    return total


THETA = {
    "w": jnp.array([[0.9, 0.2], [-0.3, 0.7]]),
    "v": jnp.array([[1.0, -0.5], [0.3, 0.8], [-0.7, 0.4]]),
    "b": jnp.array([0.1, -0.2, 0.3]),
}


@pytest.mark.parametrize(
    ("length", "ends", "baseline"), [(3, False, "others"), (4, True, "others"), (3, False, "past")]
)
def test_it_points_where_the_expected_reward_grows(length, ends, baseline):
    flat = np.concatenate([np.ravel(THETA[name]) for name in "wvb"]).astype(float)
    small = 1e-5 * np.eye(len(flat))
    slope = np.array(
        [
            expected_reward(flat + e, length, ends) - expected_reward(flat - e, length, ends)
            for e in small
        ]
    )
    found, earned = gradient(
        remembering(),
        fixed_arms(ends),
        length,
        200_000,
        PolicyGradient(discount=1.0, cut=1e9, baseline=baseline),
        THETA,
        jax.random.key(0),
    )
    found = np.concatenate([np.ravel(found[name]) for name in "wvb"])
    assert abs(np.mean(earned) - expected_reward(flat, length, ends)) < 0.02
    # In units of the rewards' deviation: all but its length can be compared.
    slope, found = slope / np.linalg.norm(slope), found / np.linalg.norm(found)
    # At ends the term of the action that is not taken is left out, which is about 4% here.
    assert np.linalg.norm(found - slope) < (0.06 if ends else 0.02)
    # w acts through the memory alone, and is not lost.
    assert np.linalg.norm(found[:4] - slope[:4]) < 0.5 * np.linalg.norm(slope[:4])


def test_with_a_discount_each_action_is_weighed_by_its_discounted_return():
    """Over all sequences: the slopes of the log-probabilities times the returns, in NumPy."""
    length, discount = 3, 0.4
    flat = np.concatenate([np.ravel(THETA[name]) for name in "wvb"]).astype(float)
    wanted = np.zeros(len(flat))
    for actions in itertools.product(range(3), repeat=length):
        pays = PAYS[list(actions)]
        R = [sum(discount ** (j - i) * pays[j] for j in range(i, length)) for i in range(length)]
        slopes = [
            (
                log_probabilities(flat + e, actions, pays)
                - log_probabilities(flat - e, actions, pays)
            )
            / 2e-5
            for e in 1e-5 * np.eye(len(flat))
        ]
        wanted += np.exp(log_probabilities(flat, actions, pays).sum()) * (np.array(slopes) @ R)
    how = PolicyGradient(discount=discount, cut=1e9)
    found, _ = gradient(remembering(), fixed_arms(), length, 200_000, how, THETA, jax.random.key(2))
    found = np.concatenate([np.ravel(found[name]) for name in "wvb"])
    wanted, found = wanted / np.linalg.norm(wanted), found / np.linalg.norm(found)
    assert np.linalg.norm(found - wanted) < 0.02


def test_the_cut_is_in_units_of_what_one_step_weighs():
    """A derivative is as long as before with a cut that is longer than any, and has lost the way
    through the memory, and only it, with one that is next to nothing."""

    def at(cut, lifetimes=64):
        key, how = jax.random.key(0), PolicyGradient(cut=cut)
        return gradient(remembering(), fixed_arms(), 20, lifetimes, how, THETA, key)[0]

    whole, loose, tight = at(1e9), at(20.0), at(1e-6)
    for name in "wvb":
        np.testing.assert_allclose(loose[name], whole[name], atol=1e-6)
    np.testing.assert_allclose(tight["v"], whole["v"], atol=1e-6)
    assert np.linalg.norm(tight["w"] - whole["w"]) > 0.1 * np.linalg.norm(whole["w"])
    half = at(0.3)["w"]  # 0.3 / (64 · 20) in all: without the unit it would cut nothing
    assert np.linalg.norm(half - whole["w"]) > 0.01 * np.linalg.norm(whole["w"])


def test_with_noise_it_climbs_the_smoothed_objective():
    """Of a reward that only the bias b decides, by the mean slope over many noisy theta."""
    zeros = {"w": jnp.zeros((2, 2)), "v": jnp.zeros((3, 2)), "b": jnp.array([2.0, -1.0, 0.0])}
    rng = np.random.default_rng(0)

    def slope(b):
        pi = np.exp(b) / np.exp(b).sum()
        return pi * (PAYS - pi @ PAYS)

    smoothed = np.mean(
        [slope(np.array(zeros["b"]) + 1.5 * rng.normal(size=3)) for _ in range(9999)], 0
    )
    how = PolicyGradient(discount=1.0, cut=1e9, sigma=1.5)

    @jax.jit
    def estimate(key):
        return gradient(remembering(), fixed_arms(), 1, 64, how, zeros, key)[0]["b"]

    found = np.mean(jax.vmap(estimate)(jax.random.split(jax.random.key(1), 2000)), axis=0)
    sharp = slope(np.array(zeros["b"]))

    def cosine(x, y):
        return x @ y / np.linalg.norm(x) / np.linalg.norm(y)

    assert cosine(found, smoothed) > cosine(found, sharp)


def test_returns_and_advantages_by_loops():
    rewards = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    G = np.array(
        [[sum(0.9 ** (j - i) * r[j] for j in range(i, 7)) for i in range(7)] for r in rewards]
    )
    np.testing.assert_allclose(jax.vmap(to_go, (0, None))(rewards, 0.9), G, atol=1e-5)
    A = np.array([G[k] - np.delete(G, k, axis=0).mean(axis=0) for k in range(5)])
    np.testing.assert_allclose(advantages(G), A / np.sqrt((A**2).mean()), atol=1e-5)
    with_nan = np.insert(G, 2, np.nan, axis=0)
    found = advantages(with_nan)
    assert not np.any(found[2])
    np.testing.assert_allclose(np.delete(found, 2, axis=0), advantages(G), atol=1e-5)
    assert not np.any(advantages(np.full((2, 3), np.nan)))
    np.testing.assert_allclose(advantages(1e20 * G), advantages(G), atol=1e-5)


@pytest.mark.parametrize("reward", [0.1, 0.3, 1.0])
def test_where_all_earn_the_same_or_one_is_left_there_is_no_gradient(reward):
    rewards = np.full((7, 50), reward, np.float32)
    G = jax.vmap(to_go, (0, None))(rewards, 0.9)
    one = np.where(np.arange(7)[:, None] == 3, G, np.nan)
    for returns in (G, one, beyond_past(G, rewards), beyond_past(one, rewards)):
        assert not np.any(advantages(returns))


def test_what_past_rewards_predict_is_taken_away_and_nothing_else():
    """Returns that are a sum of running means, by loops, of what all have in common, and of what
    no earlier reward tells."""
    rng = np.random.default_rng(1)
    rewards = (rng.normal(size=(40, 1)) + rng.normal(size=(40, 60))).astype(np.float32)
    means = np.zeros((40, 60, len(MEMORIES)))
    for t in range(1, 60):
        for m, keep in enumerate(MEMORIES):
            means[:, t, m] = keep * means[:, t - 1, m] + (1 - keep) * rewards[:, t - 1]
    np.testing.assert_allclose(past(rewards), means, atol=1e-5)
    expected = means @ [0.5, -1.0, 2.0, 3.0]
    common, new = rng.normal(size=60), 0.3 * rng.normal(size=(40, 60))
    for unit in (1e-20, 1e-6, 1.0, 1e6, 1e20):
        left = beyond_past(unit * (expected + common + new), unit * rewards) / unit
        assert np.var(expected - expected.mean(axis=0)) > 1
        np.testing.assert_allclose(left - left.mean(axis=0), new - new.mean(axis=0), atol=0.12)
    returns = expected + common + new
    with_nan = np.insert(returns, 3, np.nan, axis=0), np.insert(rewards, 3, np.nan, axis=0)
    found = advantages(beyond_past(*with_nan))
    assert not np.any(found[3])
    without = advantages(beyond_past(returns, rewards))
    np.testing.assert_allclose(np.delete(found, 3, axis=0), without, atol=1e-3)


def test_what_is_predicted_takes_little_of_what_actions_do_away():
    """The mean product of an action and what follows it, over many draws of 8 lifetimes of 300
    steps: rewards are the action and the task's own. Of two short lifetimes much of it is lost."""

    def share(lifetimes, length, discount):
        @jax.jit
        @jax.vmap
        def products(key):
            of_action, of_task = jax.random.split(key)
            a = jax.random.normal(of_action, (lifetimes, length))
            rewards = a + 2 * jax.random.normal(of_task, (lifetimes, 1))
            R = jax.vmap(to_go, (0, None))(rewards, discount)
            both = jnp.stack([R, beyond_past(R, rewards)])
            both = both - both.mean(axis=1, keepdims=True)
            return jnp.mean(both * a, axis=(1, 2))

        without, beyond = products(jax.random.split(jax.random.key(5), 1000)).mean(axis=0)
        return beyond / without

    assert 0.97 < share(8, 300, 0.8) < 1.02
    assert share(2, 3, 1.0) < 0.7


def test_a_single_huge_reward_leaves_the_others_finite():
    rewards = np.random.default_rng(2).normal(size=(8, 20)).astype(np.float32)
    rewards[3, 5] = 1e20
    R = jax.vmap(to_go, (0, None))(rewards, 0.9)
    A = np.asarray(advantages(beyond_past(R, rewards)))
    assert np.isfinite(A).all() and np.abs(A[3]).max() > 1


def test_where_tasks_pay_differently_fewer_lifetimes_tell_the_direction():
    """The mean cosine of estimates from 8 lifetimes with one from very many. In each lifetime a
    large number of its own is added to all rewards."""
    environment = reward_zero(fixed_arms(), 5.0)

    @functools.partial(jax.jit, static_argnums=(1, 2))
    def estimate(key, baseline, lifetimes):
        how = PolicyGradient(discount=0.5, cut=1e9, baseline=baseline)
        found, _ = gradient(remembering(), environment, 40, lifetimes, how, THETA, key)
        flat = ravel_pytree(found)[0]
        return flat / jnp.linalg.norm(flat)

    direction = estimate(jax.random.key(99), "others", 100_000)

    def agreement(baseline):
        found = [estimate(jax.random.key(i), baseline, 8) for i in range(30)]
        return np.mean([one @ direction for one in found])

    assert agreement("past") > agreement("others") + 0.1


def test_a_derivative_is_cut_and_the_state_is_not():
    h = {"a": jnp.array([1.0, 2.0]), "b": jnp.array(3.0)}

    def derivative(weight, most=5.0):
        return jax.grad(
            lambda h: sum(jnp.sum(weight * x) for x in jax.tree.leaves(cut_back(h, most)))
        )(h)

    assert jax.tree.all(jax.tree.map(np.array_equal, cut_back(h, 5.0), h))
    counted = jax.grad(lambda x: cut_back({"x": x, "n": jnp.int32(3)}, 5.0)["x"] ** 2)(1.0)
    assert counted == 2.0
    np.testing.assert_allclose(derivative(2.0)["a"], [2.0, 2.0])  # its length is √12
    np.testing.assert_allclose(derivative(20.0)["b"], 5 / np.sqrt(3), rtol=1e-6)
    assert not np.any(derivative(jnp.inf)["a"]) and not np.any(derivative(jnp.nan)["b"])


def test_the_same_learner_to_be_differentiated():
    """Kept, cut and computed again, a step still gives what it gave."""
    learner, sizes = symla(), Sizes(3, 2)
    theta = learner.init_theta(jax.random.key(0), sizes)
    h = learner.init_state(theta, jax.random.key(1), sizes)
    x = Input(jnp.ones(3), jnp.ones(()), jnp.ones(2), jnp.zeros(()))
    for one, other in zip(
        jax.tree.leaves(learner.step(theta, h, x)),
        jax.tree.leaves(differentiable(learner, 1.0).step(theta, h, x)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_the_gates_derivative_is_that_of_haikus_lstm():
    gates = jax.random.normal(jax.random.key(0), (50, 4, 5)) * jnp.array([1, 2, 3, 10])[:, None]
    gates, c = gates.reshape(50, 20), 3 * jax.random.normal(jax.random.key(1), (50, 5))
    lstm = hk.without_apply_rng(hk.transform(lambda x, state: hk.LSTM(5, name="lstm")(x, state)[1]))
    weights = jnp.concatenate([jnp.eye(20), jnp.zeros((5, 20))])
    theta = {"lstm/linear": {"w": weights, "b": jnp.zeros(20)}}
    w, b = for_gates(jnp.eye(20), jnp.zeros(20))

    def haikus(gates, c):
        state = lstm.apply(theta, gates, hk.LSTMState(hidden=jnp.zeros((50, 5)), cell=c))
        return jnp.sum(jnp.sin(state.hidden) + state.cell**2)

    def ours(gates, c):
        h, c = through_gates(gates @ w + b, c)
        return jnp.sum(jnp.sin(h) + c**2)

    with jax.default_matmul_precision("highest"):
        for one, other in zip(
            jax.grad(ours, (0, 1))(gates, c), jax.grad(haikus, (0, 1))(gates, c), strict=True
        ):
            np.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize("far", [100.0, 1e4, 1e30])
def test_far_out_the_gates_derivative_is_finite_and_nothing(far):
    gates = far * jnp.sign(jax.random.normal(jax.random.key(0), (50, 20)))
    found = jax.grad(lambda gates: jnp.sum(through_gates(gates, jnp.ones((50, 5)))[0]))(gates)
    np.testing.assert_allclose(found, 0, atol=1e-6)


LEARNER = symla(hidden=4, message=2)
SMALL = Outer(PolicyGradient(), learning_rate=0.01, steps=6, length=12, lifetimes=4)


def test_it_meta_trains():
    """A black box on two arms of which one pays nine times as often as the other."""
    outer = Outer(PolicyGradient(), learning_rate=0.01, steps=100, length=40, lifetimes=32)
    trained = meta_train(metarnn(hidden=8), BANDITS["easy"], outer, 0, progress=False)
    earned = trained.curve["fitness"] / outer.length
    assert np.mean(earned[:5]) < 0.6 and np.mean(earned[-10:]) > 0.8  # 0.5 by chance
    assert trained.about["outer"]["es"] == {"discount": 0.95, "cut": 30.0, "sigma": 0.0}
    assert outer.cost == 32 * 40


def test_a_killed_run_goes_on_to_the_same_bits(tmp_path):
    whole = meta_train(LEARNER, linear_bandit(1, 2), SMALL, 0, progress=False)
    path = tmp_path / "run.checkpoint"
    for steps in (2, 6):
        outer = dataclasses.replace(SMALL, steps=steps)
        parts = meta_train(LEARNER, linear_bandit(1, 2), outer, 0, path, progress=False)
    for one, other in zip(jax.tree.leaves(whole.theta), jax.tree.leaves(parts.theta), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(whole.curve["fitness"], parts.curve["fitness"])


def test_a_mixtures_lifetimes_are_dealt_out_and_none_drowns_another():
    """One part pays a thousand times as much, which its learner does not receive: theta moves to
    the same place."""

    def paid(scale):
        fixed = fixed_arms()

        def step(*args):
            new = fixed.step(*args)
            return new._replace(reward=scale * new.reward)

        return dataclasses.replace(fixed, step=step)

    def trained(scale):
        parts = Part(paid(scale)), Part(dataclasses.replace(paid(1.0), name="other"), share=2)
        mixture, outer = Mixture(parts), dataclasses.replace(SMALL, lifetimes=6, steps=1)
        assert [part.lifetimes for _, part in meta_training.parts(mixture, outer)] == [2, 4]
        learner = without_reward(remembering())
        return meta_train(learner, mixture, outer, 0, start=THETA, progress=False)

    one, thousand = trained(1.0), trained(1000.0)
    for x, y in zip(jax.tree.leaves(one.theta), jax.tree.leaves(thousand.theta), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-3)
    ratio = thousand.curve["fitness fixed"] / one.curve["fitness fixed"]
    np.testing.assert_allclose(ratio, 1000, rtol=1e-3)
    np.testing.assert_allclose(thousand.curve["fitness other"], one.curve["fitness other"])


def test_lifetimes_that_cannot_be_dealt_out_are_refused():
    mixture = Mixture((Part(linear_bandit(1, 2)), Part(independent_arms(3), share=2)))
    with pytest.raises(ValueError, match="lifetimes=4 cannot be .* multiple of 3, at least 6"):
        meta_train(LEARNER, mixture, SMALL, 0, progress=False)


def test_its_settings_and_its_memory_are_said():
    said = results.settings(LEARNER.options, dataclasses.asdict(SMALL))
    assert said["what weighs the noise"] == "policy gradient, γ = 0.95"
    noise = results.declared_settings(studies.named("tasks"), "night", "symla-hearts_2")
    assert said.keys() == noise.keys()  # they can stand beside each other
    words = meta_training.memory_in_words(LEARNER, linear_bandit(1, 2), SMALL, 1.0)
    assert words.startswith("symla on linear-1-2: 4 lifetimes in at most")


@pytest.mark.parametrize(
    ("where", "how", "hidden"),
    [(hearts(2), SMALL.es, 16), (linear_bandit(4, 4), Imitation(), 16)]
    + [(linear_bandit(1, 12), Imitation(), 4)],
)
def test_the_memory_that_is_said_is_enough(where, how, hidden):
    """XLA's own figure for the whole step, of a size at which states are most of it."""
    outer = dataclasses.replace(SMALL, es=how, length=200, lifetimes=32)
    learner = symla(hidden=hidden)
    theta, unravel = ravel_pytree(learner.init_theta(jax.random.key(0), where.sizes))
    begin = meta_training.initial_progress(where, outer, theta)
    step = meta_training.outer_step(learner, where, outer, unravel, chunk=1)
    compiled = jax.jit(step).lower(theta, begin.optimiser, jax.random.key(0)).compile()
    found = compiled.memory_analysis().temp_size_in_bytes / 2**30
    assert found < meta_training.kept_for_gradient(learner, where, outer) < 4 * found


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="discount"):
        PolicyGradient(discount=0.0)
    with pytest.raises(ValueError, match="lifetimes=1 leave none to compare"):
        dataclasses.replace(SMALL, lifetimes=1)
    with pytest.raises(ValueError, match="memory=1e-06 GiB does not hold 4 lifetimes of 12 steps"):
        meta_train(LEARNER, linear_bandit(1, 2), SMALL, 0, memory=1e-6, progress=False)
    with pytest.raises(ValueError, match="on has 2: give one"):
        meta_train(
            LEARNER, linear_bandit(1, 2), SMALL, 0, on=2 * jax.local_devices()[:1], progress=False
        )


def test_numbers_that_are_not_finite_stop_it_before_theta_is_lost():
    """As everywhere, the step is not taken and the message names it; but of single lifetimes that
    are lost, the others are used."""
    fixed = fixed_arms()
    never = dataclasses.replace(
        fixed,
        step=lambda *args: fixed.step(*args)._replace(reward=jnp.asarray(jnp.nan)),
    )
    with pytest.raises(FloatingPointError, match="no member has a finite fitness"):
        meta_train(remembering(), never, SMALL, 0, progress=False)

    once = dataclasses.replace(
        fixed,
        draw_task=lambda key: jnp.where(jax.random.uniform(key) < 0.2, jnp.nan, 0.0),
        step=lambda key, task, *rest: fixed.step(key, task, *rest)._replace(reward=1.0 + task),
    )
    trained = meta_train(remembering(), once, SMALL, 3, progress=False)
    assert 0 < trained.curve["non-finite"].sum() < 4 * SMALL.steps
    assert np.isfinite(trained.curve["fitness"]).all()


def test_every_declared_training_says_how_much_memory_it_takes():
    """The command line asks all of them for the largest. Several scales have the same one."""
    declared = {}
    for study in studies.STUDIES.values():
        for scale in study.scales.values():
            for training in scale.trainings:
                args = learner, environment, outer = (
                    training.learner,
                    training.environment,
                    training.outer,
                )
                known = learner.name, learner.options, environment.name, environment.options
                declared[str(known), outer] = args
    assert len(declared) > 100
    for args in declared.values():
        assert 0 < meta_training.memory_of_one(*args) < 64


def test_a_card_says_how_the_gradient_was_estimated():
    assert card.by(dataclasses.asdict(SMALL.es)) == "by policy gradients"
    assert card.by(dataclasses.asdict(ES(64, 0.1))) == "with 64 members"
