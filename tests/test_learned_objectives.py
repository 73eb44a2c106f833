"""LPG and MetaGenRL hold the policy gradient: theta can be set so that they are it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from histories import SIZES, lifetime

from symla_lite.baselines import lpg, metagenrl
from symla_lite.environments.grids import hearts
from symla_lite.learner import Input, Sizes
from symla_lite.lifetime import live
from symla_lite.symmetry import other_sizes, shared_rule

ALPHA, H = 0.5, 7
KEY = jax.random.key(0)
SMALL = 1e-3
"""Where tanh is a straight line and the slope of a sigmoid is 1/4."""
OPEN = 30.0
"""A gate's bias at which it is open, and with a minus closed."""


def lpg_as_policy_gradient():
    """An LSTM of one unit that adds up rewards, from the end on: pi_hat is the return to come."""
    learner = lpg((5,), 1, horizon=H, learning_rate=ALPHA, output_scale=1.0)
    theta = jax.tree.map(jnp.zeros_like, learner.init_theta(KEY, SIZES))
    i, g, f, o = 0, 1, 2, 3
    w = jnp.zeros((7, 4)).at[0, g].set(SMALL)
    b = jnp.zeros(4).at[jnp.array([i, f, o])].set(OPEN)
    theta["rule"]["lstm/linear"] = {"w": w, "b": b}
    theta["rule"]["pi_hat"] = {"w": jnp.full((1, 1), 1 / SMALL), "b": jnp.zeros(1)}
    theta["log_rates"] = jnp.log(jnp.array([ALPHA, 0.3]))
    return learner, theta


def metagenrl_as_policy_gradient():
    """Two units. The first adds up rewards. The second multiplies that sum by the log-probability
    of the action taken, which opens its input gate: the product's gradient is what is wanted."""
    learner = metagenrl((5,), 2, horizon=H, learning_rate=ALPHA, output_scale=1.0)
    theta = jax.tree.map(jnp.zeros_like, learner.init_theta(KEY, SIZES))
    taken, C = 0, 50.0  # relu(log pi + C a) is log pi + C for the action taken, 0 for the others
    theta["objective"]["action"]["w"] = jnp.zeros((2, 8)).at[:, taken].set(jnp.array([C, 1.0]))
    r, sum_before = 8, 12  # rows of what the LSTM reads: 8 of the actions, r, t, V, V', and h
    i, g, f, o = ((2 * gate, 2 * gate + 1) for gate in range(4))
    w, b = np.zeros((14, 8), np.float32), np.zeros(8, np.float32)
    b[i[0]] = b[f[0]] = b[o[0]] = b[o[1]] = OPEN
    w[r, g[0]] = SMALL
    w[taken, i[1]], b[i[1]] = SMALL, -SMALL * C
    w[r, g[1]], w[sum_before, g[1]], b[f[1]] = SMALL, 1.0, -OPEN
    theta["objective"]["lstm/linear"] = {"w": jnp.asarray(w), "b": jnp.asarray(b)}
    theta["objective"]["error"]["w"] = jnp.array([[0.0], [-4 / SMALL**2]])
    theta["log_rates"] = jnp.log(jnp.array([ALPHA, 0.2]))
    return learner, theta


def rewards_to_come(reward, end_after):
    """Within an episode and a segment, [H]."""
    found, to_come = np.zeros(len(reward)), 0.0
    for t in reversed(range(len(reward))):
        to_come = reward[t] + (0.0 if end_after[t] else to_come)
        found[t] = to_come
    return found


@jax.jit
def policy_gradient(policy, o, action, weight):
    """Ascent of the mean of weight_t log pi(a_t | o_t), by autodiff."""

    def objective(weights):
        y = jnp.tanh(jnp.c_[o, jnp.ones(len(o))] @ weights[0]) @ weights[1]
        return jnp.mean(weight * jax.nn.log_softmax(y)[jnp.arange(len(o)), action])

    return jax.tree.map(lambda w, g: w + ALPHA * g, policy, jax.grad(objective)(policy))


def states(learner, theta, told, sizes=SIZES):
    """The states at the beginning and after every step."""
    h = learner.init_state(theta, jax.random.key(3), sizes)
    step, found = jax.jit(learner.step), [h]
    for t in range(len(told.r)):
        h = step(theta, h, Input(*(x[t] for x in told)))[1]
        found.append(h)
    return found


@pytest.mark.parametrize("make", [lpg_as_policy_gradient, metagenrl_as_policy_gradient])
def test_with_its_networks_set_to_say_so_it_is_the_policy_gradient(make):
    told, action, reward = lifetime((3, 9, 18, 30))
    learner, theta = make()
    found = states(learner, theta, told)
    policy = found[0].policy
    for first in range(0, 4 * H, H):
        rows = slice(first, first + H)
        acted, end_after = 1 - told.end[rows], told.end[first + 1 : first + H + 1]
        weight = acted * rewards_to_come(reward[rows], end_after)
        before, policy = policy, policy_gradient(policy, told.o[rows], action[rows], weight)
        for held in found[first + 1 : first + H + 1]:  # nothing changes before the segment is full
            np.testing.assert_array_equal(held.policy[0], found[first + 1].policy[0])
        # The step after the last of a segment is the first that knows its reward.
        for one, other in zip(found[first + H + 1].policy, policy):
            np.testing.assert_allclose(one, other, atol=1e-5)
    assert max(np.abs(w - b).max() for w, b in zip(policy, before)) > 0.01


def test_lpgs_predictions_move_towards_what_the_rule_asks_for():
    """Read-outs of zero ask for a uniform y."""
    told, _, _ = lifetime((3, 9))
    learner, theta = lpg_as_policy_gradient()
    found = states(learner, theta, told)
    before, after = found[0].prediction, found[H + 1].prediction

    def kl(weights):
        x = jnp.c_[told.o[:H], jnp.ones(H)]
        log_y = jax.nn.log_softmax(jnp.tanh(x @ weights[0]) @ weights[1])
        to_uniform = jnp.sum(jnp.exp(log_y) * (log_y + jnp.log(log_y.shape[1])), axis=1)
        return jnp.mean((1 - told.end[:H]) * to_uniform)

    for w, g, new in zip(before, jax.grad(kl)(before), after):
        np.testing.assert_allclose(new, w - ALPHA * 0.3 * g, atol=1e-6)
        assert np.abs(new - w).max() > 1e-4


def test_metagenrls_critic_moves_towards_the_discounted_rewards_to_come():
    told, _, reward = lifetime((3, 20))
    learner, theta = metagenrl_as_policy_gradient()
    found = states(learner, theta, told)
    before, after = found[0].critic, found[H + 1].critic

    def value(weights, o):
        return (jnp.tanh(jnp.append(o, 1.0) @ weights[0]) @ weights[1])[0]

    to_come, wanted = value(before, told.o[H]), np.zeros(H)
    for t in reversed(range(H)):
        to_come = reward[t] + 0.95 * (0.0 if told.end[t + 1] else to_come)
        wanted[t] = to_come

    def loss(weights):
        errors = [(value(weights, told.o[t]) - wanted[t]) ** 2 for t in range(H) if not told.end[t]]
        return sum(errors) / H / 2

    for w, g, new in zip(before, jax.grad(loss)(before), after):
        np.testing.assert_allclose(new, w - 0.2 * g, atol=1e-6)
        assert np.abs(new - w).max() > 1e-4


@pytest.mark.parametrize("make", [lpg, metagenrl])
def test_permuting_inputs_and_actions_permutes_what_is_learned(make):
    """Where the first weights are permuted along, any theta learns the permuted weights."""
    told, _, _ = lifetime((4, 11, 40))
    learner = make((5,), horizon=H, output_scale=1.0)
    theta = learner.init_theta(jax.random.key(1), SIZES)
    seen, acted = np.array([2, 0, 1]), np.array([1, 3, 0, 2])
    moved = told._replace(o=told.o[:, seen], a=told.a[:, acted])
    rows = np.append(seen, 3)  # the 1 stays where it is
    h = learner.init_state(theta, KEY, SIZES)

    def first_rows(weights):
        return (weights[0][rows], *weights[1:])

    first, last = first_rows(h.policy)
    too = h._replace(policy=(first, last[:, acted]))
    name = "prediction" if make is lpg else "critic"
    too = too._replace(**{name: first_rows(getattr(h, name))})
    step = jax.jit(learner.step)
    for t in range(len(told.r)):
        plain, h = step(theta, h, Input(*(x[t] for x in told)))
        logits, too = step(theta, too, Input(*(x[t] for x in moved)))
        np.testing.assert_allclose(logits, plain[acted], atol=1e-5)
    first = learner.init_state(theta, KEY, SIZES).policy
    assert np.abs(h.policy[0] - first[0]).max() > 1e-3


@pytest.mark.parametrize("make", [lpg, metagenrl])
def test_a_population_pays_for_learning_once_in_a_segment(make):
    """All its lifetimes are cut at the same steps, so a branch stays a branch under `vmap`."""
    learner, environment = make(), hearts(2)

    def run(theta, key):
        return live(learner, environment, 30, theta, key).reward

    theta = learner.init_theta(KEY, environment.sizes)
    members = jax.tree.map(lambda x: jnp.stack([x, x]), theta)
    program = jax.make_jaxpr(jax.vmap(run))(members, jax.random.split(KEY, 2))
    assert " cond[" in str(program)


@pytest.mark.parametrize("make", [lpg, metagenrl])
def test_theta_fits_all_sizes(make):
    learner = make()
    theta, others = learner.init_theta(KEY, SIZES), [Sizes(1, 2), Sizes(5, 3)]
    assert shared_rule(learner).holds and other_sizes(learner, theta, KEY, others).holds


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (lambda: lpg(units=0), "units=0 .*at least 1"),
        (lambda: lpg(predictions=0), "predictions=0"),
        (lambda: lpg(prediction_rate=-1), "prediction_rate=-1"),
        (lambda: lpg(horizon=0), "horizon=0"),
        (lambda: metagenrl(units=-1), "units=-1"),
        (lambda: metagenrl(critic_rate=0), "critic_rate=0"),
        (lambda: metagenrl(discount=1.5), "discount=1.5 .*at most 1"),
        (lambda: metagenrl(nonlinearity="sine"), "nonlinearity='sine'"),
    ],
)
def test_bad_options_are_refused(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        wrong()
