"""Inputs come out of order one, whatever they were."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symla_lite.agent import REFERENCES, Agent
from symla_lite.environments import FAMILY
from symla_lite.imitation import Imitation, gradient
from symla_lite.inputs import (
    FARTHEST,
    Running,
    scaling_rewards,
    standardising,
    standardising_rewards,
)
from symla_lite.learner import Input, Sizes
from symla_lite.symla import symla
from symla_lite.symmetry import random_theta


def test_running_moments_are_those_of_numpy():
    x = np.random.default_rng(1).normal([3, -1e3, 0], [1e-3, 50, 0], (400, 3)).astype(np.float32)
    known = Running(jnp.zeros(()), jnp.zeros(3), jnp.zeros(3))
    for t, row in enumerate(x, start=1):
        known = known.and_then(row)
        if t in (1, 2, 7, 400):
            seen = x[:t].astype(np.float64)
            np.testing.assert_allclose(known.mean, seen.mean(axis=0), rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(known.variance(), seen.var(axis=0), rtol=2e-3, atol=1e-12)
            square = (seen**2).mean(axis=0)
            np.testing.assert_allclose(known.mean_square(), square, rtol=1e-4, atol=1e-12)


def heard(wrap):
    """A learner that answers with what it received, behind a wrap: its logits are o, r."""
    echo = dataclasses.replace(
        REFERENCES["random"](), step=lambda theta, h, x: (jnp.append(x.o, x.r), h)
    )
    return wrap(echo)


def test_what_an_agent_sees_is_standardised_with_what_came_so_far():
    rng = np.random.default_rng(2)
    x = np.stack([rng.normal(40, 3, 80), np.full(80, 7.0), rng.random(80) < 0.03], axis=1)
    agent = Agent(heard(standardising), {})
    agent.reset(Sizes(3, 4))
    for t in range(80):
        agent.act(x[t])
        so_far = np.float32(x[: t + 1])
        spread = so_far.std(axis=0)
        wanted = (x[t] - so_far.mean(axis=0)) / np.where(spread > 0, spread, np.inf)
        wanted = np.clip(wanted, -FARTHEST, FARTHEST)
        np.testing.assert_allclose(agent.logits[:3], wanted, rtol=1e-3, atol=1e-4)
    rare = np.flatnonzero(x[:, 2])
    assert len(rare), "nothing was cut off"


def test_rewards_are_divided_by_the_root_of_their_mean_square():
    agent = Agent(heard(scaling_rewards), {})
    agent.reset(Sizes(1, 2))
    ends = [False, False, True, False, False, False]
    rewards = [9.0, -3.0, 4.0, 9.0, 0.0, 12.0]  # the nines are none: nothing was done for them
    earned, wanted = [], []
    for t, r in enumerate(rewards):
        counts = t > 0 and not ends[t - 1]
        earned += [r] if counts else []
        wanted.append(r / np.sqrt(np.mean(np.square(earned))) if counts and r else 0.0)
    for r, end, scaled in zip(rewards, ends, wanted):
        agent.act([0.0], r, end)
        assert float(agent.logits[1]) == pytest.approx(scaled, rel=1e-5)


def weights(n, memory):
    """What each of n rewards counts, the newest last."""
    w = np.array([])
    for known in range(1, n + 1):
        share = 1 / min(known, memory)
        w = np.append((1 - share) * w, share)
    return w


@pytest.mark.parametrize("memory", [3, 100])
def test_rewards_are_standardised_with_the_last_ones(memory):
    rng = np.random.default_rng(3)
    rewards = np.float32(np.where(np.arange(80) % 40 == 38, 57, rng.normal(50, 0.2, 80)))
    ends = rng.random(80) < 0.1
    agent = Agent(heard(lambda learner: standardising_rewards(learner, memory)), {})
    agent.reset(Sizes(1, 2))
    earned, cut = [], 0
    for t, r in enumerate(rewards):
        wanted = 0.0
        if t > 0 and not ends[t - 1]:  # the others are none: nothing was done for them
            earned.append(np.float64(r))
            w = weights(len(earned), memory)
            spread = np.sqrt(w @ (earned - w @ earned) ** 2)
            wanted = (r - w @ earned) / spread if spread else 0.0
            cut += abs(wanted) > FARTHEST
        agent.act([0.0], r, ends[t])
        assert float(agent.logits[1]) == pytest.approx(
            np.clip(wanted, -FARTHEST, FARTHEST), rel=1e-3, abs=1e-3
        )
    assert earned and (cut or memory == 3)


@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0])
@pytest.mark.parametrize("zero", [-2.0, 0.0, 5.0])
def test_neither_a_constant_nor_a_factor_changes_what_it_receives(scale, zero):
    rewards = np.random.default_rng(4).normal(0, 1, 200)

    def received(rewards):
        agent = Agent(heard(standardising_rewards), {})
        agent.reset(Sizes(1, 2))
        heard_of = []
        for r in rewards:
            agent.act([0.0], r)
            heard_of.append(float(agent.logits[1]))
        return heard_of

    np.testing.assert_allclose(
        received(scale * (rewards + zero)), received(rewards), rtol=2e-3, atol=2e-3
    )


def test_when_rewards_stop_what_it_receives_goes_to_zero():
    learner = heard(standardising_rewards)
    paid = np.float32(np.random.default_rng(5).random(300) < 0.8)

    def step(h, r):
        x = Input(o=jnp.zeros(1), r=r, a=jnp.zeros(2), end=jnp.zeros(()))
        logits, h = learner.step({}, h, x)
        return h, logits[1]

    h = learner.init_state({}, jax.random.key(0), Sizes(1, 2))
    rewards = jnp.append(paid, jnp.zeros(20_000))
    received = np.asarray(jax.jit(lambda h: jax.lax.scan(step, h, rewards)[1])(h))
    assert np.isfinite(received).all() and received[:300].std() > 0.5
    after = np.abs(received[300:])
    assert after[0] > 1 > 0.5 > after[500] > 0.02 > after[1500] and after[-1] == 0


def test_a_derivative_through_it_is_that_of_rewards_taken_as_given():
    """Before anything was paid the variance is zero, where a root has no derivative."""
    learner = standardising_rewards(symla(hidden=4, message=2))
    environment = FAMILY["linear-4-4"]
    theta = random_theta(learner, jax.random.key(0), environment.sizes)
    of_theta = jax.jit(gradient, static_argnums=range(5))
    found, _ = of_theta(learner, environment, 30, 4, Imitation(), theta, jax.random.key(1))
    assert all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(found))
    assert any(float(jnp.abs(x).max()) > 0 for x in jax.tree.leaves(found))


def test_a_wrapped_learner_says_how_it_was_wrapped():
    learner = standardising_rewards(symla(), memory=50)
    assert learner.name == "symla, standardising rewards"
    assert learner.options == symla().options | {"reward_memory": 50}


def test_without_reward_it_hears_none():
    agent = Agent(heard(lambda learner: learner), {}).without_reward()
    agent.reset(Sizes(1, 2))
    for _ in range(3):
        agent.act([0.5], 3.0)
        np.testing.assert_allclose(agent.logits, [0.5, 0.0])
