"""The linear actor-critic does what its five formulas say, and learns."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from histories import SIZES, lifetime

from symla_lite.baselines import actor_critic, random_policy
from symla_lite.controls import without_reward
from symla_lite.environments.grids import hearts
from symla_lite.environments.transforms import standardised
from symla_lite.learner import count
from symla_lite.meta_testing import meta_test
from symla_lite.meta_training import ES, Outer, meta_train

RATES = dict(actor_rate=0.8, critic_rate=0.3, discount=0.7, trace=0.6)


def by_loops(told):
    """Logits of the actor-critic [L, B], in NumPy and double precision, an episode at a time."""
    inputs = SIZES.observation + 1
    W, w = np.zeros((inputs, SIZES.action)), np.zeros(inputs)
    trace_W, trace_w = np.zeros_like(W), np.zeros_like(w)
    gamma, lam = RATES["discount"], RATES["trace"]
    before, logits = None, []
    for t in range(len(told.r)):
        x = np.append(told.o[t], 1.0)
        if before is not None:
            pi = np.exp(before @ W) / np.exp(before @ W).sum()
            value = 0.0 if told.end[t] else w @ x
            delta = told.r[t] + gamma * value - w @ before
            for b in range(SIZES.action):
                trace_W[:, b] = gamma * lam * trace_W[:, b] + before * (told.a[t, b] - pi[b])
            trace_w = gamma * lam * trace_w + before
            W = W + RATES["actor_rate"] / inputs * delta * trace_W
            w = w + RATES["critic_rate"] / inputs * delta * trace_w
        logits.append(x @ W)
        before = x
        if told.end[t]:
            before, trace_W, trace_w = None, np.zeros_like(W), np.zeros_like(w)
    return np.array(logits)


def answers(learner, theta, told):
    def step(h, x):
        logits, h = learner.step(theta, h, x)
        return h, logits

    return jax.lax.scan(step, learner.init_state(theta, jax.random.key(0), SIZES), told)[1]


def test_it_is_the_formulas():
    told, _, _ = lifetime((6, 7, 15, 28))
    learner = actor_critic(**RATES)
    theta = learner.init_theta(jax.random.key(0), SIZES)
    expected = by_loops(told)
    assert np.abs(expected[-1]).max() > 0.1
    np.testing.assert_allclose(answers(learner, theta, told), expected, atol=1e-5)


def test_permuting_inputs_and_actions_permutes_its_answers():
    (told, _, _), learner = lifetime((6, 15, 38)), actor_critic(**RATES)
    theta = learner.init_theta(jax.random.key(0), SIZES)
    seen, acted = np.array([2, 0, 1]), np.array([1, 3, 0, 2])
    moved = told._replace(o=told.o[:, seen], a=told.a[:, acted])
    plain = answers(learner, theta, told)
    np.testing.assert_allclose(answers(learner, theta, moved), plain[:, acted], atol=1e-6)


HEARTS = standardised(hearts(2))


def late(learner, theta):
    """Reward per step in the last fifth of a lifetime."""
    return meta_test(learner, theta, HEARTS, 1000, 100, seed=0)[:, 800:].mean()


def test_it_learns_to_collect_hearts_from_its_reward():
    learner = actor_critic()
    theta = learner.init_theta(jax.random.key(0), HEARTS.sizes)
    assert late(learner, theta) > 0.2
    assert abs(late(without_reward(learner), theta)) < 0.03
    assert abs(late(random_policy(), {})) < 0.03


@pytest.mark.slow
def test_meta_training_tunes_its_four_constants():
    slow = actor_critic(actor_rate=0.02)
    outer = Outer(ES(16, sigma=0.3), learning_rate=0.3, steps=15, length=100, lifetimes=8)
    tuned = meta_train(slow, HEARTS, outer, seed=0, progress=False).theta
    assert count(tuned) == 4
    untuned = slow.init_theta(jax.random.key(0), HEARTS.sizes)
    assert late(slow, tuned) > late(slow, untuned) + 0.05


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"actor_rate": 0.0}, "actor_rate=0.0 .*above 0"),
        ({"critic_rate": -1.0}, "critic_rate=-1.0"),
        ({"discount": 1.0}, "discount=1.0 .*below 1"),
        ({"trace": float("nan")}, "trace=nan"),
    ],
)
def test_bad_options_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        actor_critic(**options)


def test_its_constants_are_those_of_its_options():
    theta = actor_critic(**RATES).init_theta(jax.random.key(0), SIZES)
    np.testing.assert_allclose(jnp.exp(theta[:2]), [0.8, 0.3], rtol=1e-6)
    np.testing.assert_allclose(jax.nn.sigmoid(theta[2:]), [0.7, 0.6], rtol=1e-6)
