"""Controls take away what they say, and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symla_lite.controls import (
    reward_held_at,
    reward_off_after,
    wiped_every,
    without_observation,
    without_reward,
)
from symla_lite.learner import Input, Learner, Sizes
from symla_lite.metarnn import metarnn
from symla_lite.symla import symla

SIZES = Sizes(observation=2, action=3)
STEPS = 12


def everything(seed=0):
    """Inputs of all steps, in which everything changes from step to step."""
    rng = np.random.default_rng(seed)
    return Input(
        o=jnp.asarray(rng.normal(size=(STEPS, 2)), jnp.float32),
        r=jnp.asarray(rng.normal(size=STEPS), jnp.float32),
        a=jax.nn.one_hot(rng.integers(3, size=STEPS), 3),
        end=jnp.asarray(rng.integers(2, size=STEPS), jnp.float32),
    )


def answers(learner, theta, xs):
    """Logits at every step, [STEPS, B], by a loop."""
    h, logits = learner.init_state(theta, jax.random.key(1), SIZES), []
    theta = learner.prepare(theta)
    for t in range(STEPS):
        logit, h = learner.step(theta, h, jax.tree.map(lambda x: x[t], xs))  # noqa: B023
        logits.append(logit)
    return np.stack(logits)


def sum_of_all() -> Learner:
    """Its state is the sum of all that it received, and its logits are that sum."""

    def step(theta, h, x):
        h = h + x.o.sum() + 10 * x.r + 100 * x.a.argmax() + 1000 * x.end
        return jnp.full(3, h), h

    return Learner("sum", {}, lambda key, sizes: {}, lambda theta, key, sizes: jnp.zeros(()), step)


def summed(xs, wiped=None):
    """What `sum_of_all` answers, in NumPy."""
    parts = xs.o.sum(-1) + 10 * xs.r + 100 * xs.a.argmax(-1) + 1000 * xs.end
    sums = [np.sum(parts[(t // wiped * wiped if wiped else 0) : t + 1]) for t in range(STEPS)]
    return np.repeat(np.array(sums)[:, None], 3, axis=1)


def changed(xs, **changes):
    return xs._replace(**{name: jnp.asarray(x) for name, x in changes.items()})


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        (without_reward, lambda xs: summed(changed(xs, r=np.zeros(STEPS)))),
        (lambda x: reward_held_at(x, -1.0), lambda xs: summed(changed(xs, r=-np.ones(STEPS)))),
        (without_observation, lambda xs: summed(changed(xs, o=np.zeros((STEPS, 2))))),
        (
            lambda x: without_observation(x, 0.5),
            lambda xs: summed(changed(xs, o=np.full((STEPS, 2), 0.5))),
        ),
        (
            lambda x: reward_off_after(x, 5),
            lambda xs: summed(changed(xs, r=np.where(np.arange(STEPS) < 5, xs.r, 0))),
        ),
        (lambda x: wiped_every(x, 5), lambda xs: summed(xs, wiped=5)),
        (lambda x: wiped_every(x, 1), lambda xs: summed(xs, wiped=1)),
    ],
    ids=["no reward", "reward held", "no observation", "held", "reward off", "wiped", "always"],
)
def test_a_control_takes_away_what_it_says_and_nothing_else(control, expected):
    xs = everything()
    found = answers(control(sum_of_all()), {}, xs)
    np.testing.assert_allclose(found, expected(xs), rtol=1e-5)
    assert np.abs(found - summed(xs)).max() > 0.1, "the control changes something"


@pytest.mark.parametrize("make", [lambda: symla(hidden=4, message=2), lambda: metarnn(hidden=4)])
def test_controls_take_the_theta_of_their_learner_and_keep_its_name(make):
    learner, xs = make(), everything()
    theta = learner.init_theta(jax.random.key(0), SIZES)
    for control in (
        without_reward(learner),
        without_observation(learner),
        reward_off_after(learner, 5),
        wiped_every(learner, 5),
    ):
        assert control.name.startswith(learner.name) and control.options == learner.options
        assert answers(control, theta, xs).shape == (STEPS, 3)
    late = answers(reward_off_after(learner, STEPS), theta, xs)
    np.testing.assert_array_equal(late, answers(learner, theta, xs))
    never = answers(reward_off_after(learner, 0), theta, xs)
    np.testing.assert_array_equal(never, answers(without_reward(learner), theta, xs))


def test_numbers_of_steps_that_mean_nothing_are_refused():
    with pytest.raises(ValueError, match="steps=-1 .*at least 0"):
        reward_off_after(symla(), -1)
    with pytest.raises(ValueError, match="steps=0 .*at least 1"):
        wiped_every(symla(), 0)
