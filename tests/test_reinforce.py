"""REINFORCE climbs the gradient of its return, by what it is told and nothing else."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from histories import SIZES, lifetime
from scipy import stats

from symla_lite.baselines import random_policy, reinforce
from symla_lite.controls import without_reward
from symla_lite.environments.bandits import BANDITS
from symla_lite.environments.environment import Environment, Transition
from symla_lite.learner import Input, Sizes, count
from symla_lite.lifetime import live
from symla_lite.meta_testing import meta_test

ALPHA = 0.3
ALARM = 1e-3
"""A correct sampler would be doubted at one seed in a thousand; the seeds here are fixed."""


def states(learner, told, key=0, sizes=SIZES):
    """The states h at birth and after every step, as a list of L + 1."""
    step = jax.jit(functools.partial(learner.step, {}))
    h = learner.init_state({}, jax.random.key(key), sizes)
    found = [h]
    for t in range(len(told.r)):
        _, h = step(h, Input(*(x[t] for x in told)))
        found.append(h)
    return found


def log_pi(weights, o, action):
    """log pi(action | o), written without the package."""
    x = jnp.append(o, 1.0)
    for w in weights[:-1]:
        x = jnp.tanh(x @ w)
    y = x @ weights[-1]
    return y[action] - jax.scipy.special.logsumexp(y)


def replayed(weights, o, action):
    """sum_t grad log pi(a_t | o_t) by autodiff."""
    return jax.grad(lambda w: sum(log_pi(w, o[t], action[t]) for t in range(len(action))))(weights)


def assert_trees_close(one, other, **tolerances):
    for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(x, y, **tolerances)


@pytest.mark.parametrize("hidden", [(), (5,), (5, 6)])
@pytest.mark.parametrize("baseline", [True, False])
def test_it_climbs_the_gradient_of_the_log_probabilities_times_the_return(hidden, baseline):
    ends = (4, 11, 16)
    told, action, reward = lifetime(ends)
    learner = reinforce(hidden, ALPHA, horizon=50, baseline=baseline, output_scale=1.0)
    h = states(learner, told)
    weights, returns, first = h[0].weights, [], 0
    for end in ends:
        acted = slice(first, end)  # the action at the terminal observation is not taken
        R = reward[acted].sum()
        usual = (np.mean(returns) if returns else R) if baseline else 0.0
        gradient = replayed(weights, told.o[acted], action[acted])
        step = ALPHA * (R - usual)
        weights = jax.tree.map(lambda w, g, step=step: w + step * g, weights, gradient)
        assert_trees_close(h[end + 1].weights, weights, atol=2e-5)
        returns.append(R)
        first = end + 1
    np.testing.assert_allclose(h[-1].baseline, np.mean(returns), atol=1e-5)
    assert np.abs(weights[-1] - h[0].weights[-1]).max() > 0.05


def test_within_an_episode_the_policy_stands_still():
    told, _, _ = lifetime((6, 13))
    h = states(reinforce((5,), ALPHA, baseline=False), told)
    for first, last in ((1, 6), (7, 13)):
        for t in range(first, last):
            assert_trees_close(h[t].weights, h[t + 1].weights, atol=0)
    assert np.any(h[6].weights[0] != h[7].weights[0])


def test_an_episode_that_does_not_end_is_cut_at_the_horizon():
    told, action, reward = lifetime((30,))
    h = states(reinforce((), ALPHA, horizon=7, baseline=False, output_scale=1.0), told)
    gradient = replayed(h[0].weights, told.o[:7], action[:7])
    expected = h[0].weights[0] + ALPHA * reward[:7].sum() * gradient[0]
    np.testing.assert_allclose(h[7].weights[0], h[0].weights[0], atol=0)
    np.testing.assert_allclose(h[8].weights[0], expected, atol=2e-5)
    assert h[8].actions == h[8].R == 0
    assert h[-1].episodes == 5  # 7 + 7 + 7 + 7 actions, and 2 until the end at step 30


def test_the_answer_of_a_step_is_that_of_the_weights_it_leaves():
    told, _, _ = lifetime((4, 9))
    learner = reinforce((5,), ALPHA, baseline=False)
    h = learner.init_state({}, jax.random.key(0), SIZES)
    for t in range(len(told.r)):
        logits, h = learner.step({}, h, Input(*(x[t] for x in told)))
        expected = [log_pi(h.weights, told.o[t], b) for b in range(SIZES.action)]
        np.testing.assert_allclose(jax.nn.log_softmax(logits), expected, atol=1e-5)


def test_the_first_episode_is_what_the_second_is_compared_with():
    told, _, _ = lifetime((4, 9))
    h = states(reinforce((5,), ALPHA), told)
    assert_trees_close(h[0].weights, h[6].weights, atol=0)
    assert np.any(h[0].weights[0] != h[-1].weights[0])


def test_it_learns_the_easy_bandit_much_better_than_chance():
    def of(learner):
        return meta_test(learner, {}, BANDITS["easy"], 100, 400, seed=0).mean(axis=1)

    learned, chance = of(reinforce((), 1.0, horizon=1)), of(random_policy())
    assert abs(chance.mean() - 0.5) < 0.02
    assert learned.mean() > 0.8  # of 0.9, what the better arm pays


def corridor():
    """Five cells; the task says which end pays 1. Both ends end the episode, which begins in the
    middle. Seen: the cell, one-hot."""

    def observe(cell):
        return jax.nn.one_hot(cell, 5)

    def reset(key, task):
        return jnp.int32(2), observe(2)

    def step(key, task, cell, action):
        cell = cell + 2 * action - 1
        end = ((cell == 0) | (cell == 4)).astype(jnp.float32)
        return Transition(cell, observe(cell), (cell == task).astype(jnp.float32), end)

    def draw(key):
        return 4 * jax.random.bernoulli(key).astype(jnp.int32)

    return Environment("corridor", {}, Sizes(5, 2), draw, reset, step)


@pytest.mark.parametrize("hidden", [(), (16,)])
def test_it_learns_from_a_reward_at_the_end_of_an_episode_and_not_without_it(hidden):
    def share_at_the_goal(learner):
        lived = jax.jit(jax.vmap(lambda key: live(learner, corridor(), 200, {}, key)))(
            jax.random.split(jax.random.key(0), 200)
        )
        late = np.s_[:, 100:]
        return np.asarray(lived.reward)[late].sum() / np.asarray(lived.end)[late].sum()

    learner = reinforce(hidden, 0.5)
    assert share_at_the_goal(learner) > 0.9
    assert abs(share_at_the_goal(without_reward(learner)) - 0.5) < 0.06  # four standard errors


def test_its_weights_are_born_independent_and_alike():
    learner = reinforce((5,), output_scale=0.2)
    keys = jax.random.split(jax.random.key(0), 3000)
    born = jax.vmap(lambda key: learner.init_state({}, key, SIZES).weights)(keys)
    for w, scale in zip(born, (1 / np.sqrt(SIZES.observation + 1), 0.2 / np.sqrt(5))):
        w = np.asarray(w, np.float64).reshape(len(keys), -1)
        p = [stats.kstest(column, stats.norm(0, scale).cdf).pvalue for column in w.T]
        assert min(p) > ALARM / w.shape[1]
        between = np.corrcoef(w.T)[np.triu_indices(w.shape[1], 1)]
        assert np.abs(between).max() < 5 / np.sqrt(len(keys))


@pytest.mark.parametrize("sizes", [Sizes(1, 2), Sizes(6, 3), Sizes(2, 12)])
def test_it_lives_at_any_sizes_and_has_no_meta_parameters(sizes):
    learner = reinforce((4,))
    assert count(learner.init_theta(jax.random.key(0), sizes)) == 0
    told, _, _ = lifetime((4, 9), sizes=sizes)
    assert states(learner, told, sizes=sizes)[-1].weights[-1].shape == (4, sizes.action)


def test_its_options_are_plain():
    options = reinforce((4, 5), horizon=3).options
    assert options["hidden"] == [4, 5]
    assert all(isinstance(x, (int, float, bool, str, list)) for x in options.values())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"hidden": (3, 0)}, r"hidden\[1\]=0 .*at least 1"),
        ({"learning_rate": 0.0}, "learning_rate=0.0 .*above 0"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"output_scale": -1.0}, "output_scale=-1.0"),
        ({"horizon": 0}, "horizon=0 .*at least 1"),
        ({"horizon": 2.5}, "horizon=2.5"),
        ({"nonlinearity": "step"}, "nonlinearity='step' .*: give 'tanh'"),
    ],
)
def test_bad_options_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        reinforce(**options)
