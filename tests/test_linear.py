"""What an arm of a linear contextual bandit pays depends on what was seen before it was pulled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from symla_lite.environments import linear_bandit

STEPS = 4000


def lived(inputs, arms, seed=0):
    """Observations [STEPS + 1, inputs], arms pulled at random, payouts, and the weights."""
    environment = linear_bandit(inputs, arms)
    key_task, key_reset, key_actions, key_steps = jax.random.split(jax.random.key(seed), 4)
    actions = jax.random.randint(key_actions, (STEPS,), 0, arms)

    @jax.jit
    def run():
        w = environment.draw_task(key_task)
        state, o = environment.reset(key_reset, w)

        def step(state, x):
            new = environment.step(x[0], w, state, x[1])
            return new.state, new

        return w, o, jax.lax.scan(step, state, (jax.random.split(key_steps, STEPS), actions))[1]

    w, o, new = jax.tree.map(np.asarray, run())
    return w, np.concatenate([o[None], new.observation]), np.asarray(actions), new


@pytest.mark.parametrize(("inputs", "arms"), [(1, 2), (4, 4), (16, 3)])
def test_an_arm_pays_a_clipped_linear_function_of_what_was_seen(inputs, arms):
    w, seen, actions, new = lived(inputs, arms)
    assert w.shape == (arms, inputs)
    for t in range(0, STEPS, 37):
        by_hand = sum(w[actions[t], k] * seen[t, k] for k in range(inputs)) / inputs**0.5
        assert new.reward[t] == pytest.approx(min(max(by_hand, -1), 1), abs=1e-5)
    assert new.reward.min() == -1 and new.reward.max() == 1
    assert not new.end.any()
    # Whoever does not look earns nothing, up to the error of a mean.
    assert abs(new.reward.mean()) < 4 * new.reward.std() / STEPS**0.5


def test_observations_are_fresh_gaussians_at_every_step():
    _, seen, _, _ = lived(4, 2, seed=1)
    assert stats.kstest(seen.ravel(), "norm").pvalue > 1e-3
    assert abs(stats.pearsonr(seen[:-1, 0], seen[1:, 0]).statistic) < 4 / STEPS**0.5


def test_weights_are_gaussian_and_of_the_task():
    environment = linear_bandit(3, 2)
    w = jax.vmap(environment.draw_task)(jax.random.split(jax.random.key(0), 1000))
    assert stats.kstest(np.ravel(w), "norm").pvalue > 1e-3


def test_arms_without_a_context_or_a_choice_are_refused():
    with pytest.raises(ValueError, match="inputs=0 .*at least 1"):
        linear_bandit(0, 2)
    with pytest.raises(ValueError, match="arms=1 .*at least 2"):
        linear_bandit(4, 1)
    assert linear_bandit(4, 2).reset(jax.random.key(0), jnp.zeros((2, 4)))[1].shape == (4,)
