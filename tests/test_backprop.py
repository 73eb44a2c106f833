"""Backpropagation written out is the gradient, and knows neither sizes nor order."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symla_lite.backprop import (
    NONLINEARITIES,
    backward,
    check_permutation,
    equation_5_error,
    favour,
    forward,
    init_weights,
    initial_error,
    learn,
    permute,
    policy_gradient,
    policy_gradient_error,
    update,
)

EXACT = 1e-5
SHAPES = [((4, 3), ()), ((5, 7, 3), (2, 5)), ((2, 6, 5, 8, 4), (9,))]
"""Units per layer, and leading axes."""


def some(sizes, leading=(), seed=0):
    """Weights, inputs, one-hot actions and returns."""
    rng = np.random.default_rng(seed)
    shapes = zip(sizes[:-1], sizes[1:])
    weights = tuple(jnp.asarray(rng.normal(size=s) / np.sqrt(s[0]), jnp.float32) for s in shapes)
    x = rng.normal(size=(*leading, sizes[0])).astype(np.float32)
    a = np.eye(sizes[-1], dtype=np.float32)[rng.integers(sizes[-1], size=leading)]
    R = rng.normal(size=leading).astype(np.float32)
    return weights, x, a, R


def furthest(one, other):
    """The largest difference between two lists of arrays."""
    return max(np.max(np.abs(np.subtract(p, q))) for p, q in zip(one, other))


# The gradient


@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
@pytest.mark.parametrize("sizes, leading", SHAPES)
def test_the_update_is_minus_alpha_times_the_gradient_that_jax_finds(sizes, nonlinearity, leading):
    weights, x, a, R = some(sizes, leading, seed=3)
    alpha = 0.3

    def J(weights):
        return jnp.sum(policy_gradient(forward(weights, x, nonlinearity)[-1], a, R))

    rule = jax.jit(functools.partial(learn, nonlinearity=nonlinearity))
    after = rule(weights, x, a, R, alpha)
    steps = [new - old for new, old in zip(after, weights)]
    assert max(float(np.max(np.abs(step))) for step in steps) > 100 * EXACT
    assert furthest(steps, [-alpha * g for g in jax.jit(jax.grad(J))(weights)]) < EXACT


@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
def test_a_hundred_updates_stay_with_jax(nonlinearity):
    sizes = (5, 8, 6, 3)
    alpha = 0.03
    weights, x, a, R = some(sizes, leading=(100,))

    def ours(weights, example):
        return learn(weights, *example, alpha, nonlinearity=nonlinearity), None

    def jaxs(weights, example):
        x, a, R = example
        J = lambda w: policy_gradient(forward(w, x, nonlinearity)[-1], a, R)  # noqa: E731
        return jax.tree.map(lambda w, g: w - alpha * g, weights, jax.grad(J)(weights)), None

    one, other = (jax.lax.scan(rule, weights, (x, a, R))[0] for rule in (ours, jaxs))
    assert furthest(one, weights) > 0.1
    assert furthest(one, other) < EXACT


def test_the_three_passes_by_hand():
    """Two inputs, one tanh unit, one output: every number on paper."""
    w1, w2, x, error, alpha = np.array([[0.5], [-1.0]]), np.array([[2.0]]), [1.0, 0.25], 3.0, 0.1
    hidden = np.tanh(0.5 * 1.0 - 1.0 * 0.25)
    delta = (1 - hidden**2) * error * 2.0
    xs = forward((w1, w2), jnp.array(x))
    assert furthest(xs, (x, [hidden], [2 * hidden])) < EXACT
    deltas = backward((w1, w2), xs, jnp.array([error]))
    assert furthest(deltas, ([delta], [error])) < EXACT
    after = update((w1, w2), xs, deltas, alpha)
    expected = ([[0.5 - 0.1 * delta], [-1 - 0.1 * 0.25 * delta]], [[2 - 0.1 * hidden * error]])
    assert furthest(after, [np.array(w) for w in expected]) < EXACT


def test_the_equations_by_loops_over_a_and_b():
    sizes, alpha = (3, 4, 5, 2), 0.2
    weights, x, a, R = some(sizes)
    ws = [np.asarray(w, np.float64) for w in weights]
    xs = [np.asarray(x, np.float64)]
    for k, w in enumerate(ws):
        z = [sum(xs[k][i] * w[i, b] for i in range(w.shape[0])) for b in range(w.shape[1])]
        xs.append(np.array(z) if k == 2 else np.tanh(z))
    p = np.exp(xs[-1]) / np.sum(np.exp(xs[-1]))
    deltas = [R * (p - a)]
    for k in (2, 1):
        w = ws[k]
        sums = [sum(deltas[0][b] * w[i, b] for b in range(w.shape[1])) for i in range(w.shape[0])]
        deltas.insert(0, (1 - xs[k] ** 2) * sums)
    for k in range(3):
        for i, b in itertools.product(*map(range, ws[k].shape)):
            ws[k][i, b] -= alpha * xs[k][i] * deltas[k][b]

    recorded = forward(weights, x)
    assert furthest(recorded, xs) < EXACT
    assert (
        furthest(backward(weights, recorded, policy_gradient_error(recorded[-1], a, R)), deltas)
        < EXACT
    )
    assert furthest(learn(weights, x, a, R, alpha), ws) < EXACT


@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
def test_a_unit_can_tell_its_slope_from_its_output(nonlinearity):
    g = NONLINEARITIES[nonlinearity]
    for z in (-2.0, -0.3, 0.4, 1.7):
        assert abs(g.slope(g.value(jnp.array(z))) - jax.grad(g.value)(z)) < EXACT


def test_an_episode_is_learned_from_as_the_sum_of_its_steps():
    weights, x, a, R = some((4, 6, 3), leading=(7,))
    together = learn(weights, x, a, R, 0.1)
    apart = [jax.jit(learn)(weights, *step, 0.1) for step in zip(x, a, R)]
    summed = [w + sum(one[k] - w for one in apart) for k, w in enumerate(weights)]
    assert furthest(together, summed) < EXACT


def test_the_rule_works_inside_jit_vmap_and_scan():
    weights, x, a, R = some((4, 5, 3), leading=(6,))

    def live(alpha):
        step = lambda w, example: (learn(w, *example, alpha), None)  # noqa: E731
        return jax.lax.scan(step, weights, (x, a, R))[0]

    alphas = jnp.array([0.1, 0.2])
    many = jax.jit(jax.vmap(live))(alphas)
    for i, alpha in enumerate((0.1, 0.2)):
        by_hand = weights
        for example in zip(x, a, R):
            by_hand = learn(by_hand, *example, alpha)
        assert furthest([w[i] for w in many], by_hand) < EXACT


# Objectives and Equation 5


def test_the_policy_gradient_sends_back_R_times_policy_minus_action():
    _, _, a, R = some((4, 5), leading=(8,))
    y = np.random.default_rng(3).normal(size=(8, 5)).astype(np.float32)
    error = policy_gradient_error(y, a, R)
    assert furthest(error, initial_error(policy_gradient, y, a, R)) < EXACT
    policy = np.exp(y) / np.exp(y).sum(-1, keepdims=True)
    assert furthest(error, R[:, None] * (policy - a)) < EXACT


def test_the_expected_update_is_that_of_expected_reward():
    """REINFORCE's own claim: over actions drawn from the policy, -delta is the gradient of E[r]."""
    y, r = jnp.array([0.3, -1.0, 0.5]), jnp.array([1.0, 0.0, 0.4])
    policy = jax.nn.softmax(y)
    errors = jax.vmap(policy_gradient_error, in_axes=(None, 0, 0))(y, jnp.eye(3), r)
    expected_reward = jax.grad(lambda y: jax.nn.softmax(y) @ r)(y)
    assert furthest([policy @ errors], [-expected_reward]) < EXACT


def test_the_policy_gradient_satisfies_equation_5_for_every_permutation():
    y, R = jnp.array([0.3, -1.2, 2.0, 0.7]), 1.7
    every = jnp.array(list(itertools.permutations(range(4))))
    errors = [
        jax.vmap(functools.partial(equation_5_error, policy_gradient, y, a, R))(every)
        for a in jnp.eye(4)
    ]
    assert np.max(errors) < EXACT


@pytest.mark.parametrize("bonus", [0.01, 1.0])
def test_an_objective_that_favours_an_output_breaks_equation_5_as_much_as_it_favours(bonus):
    y, a, R = jnp.array([0.3, -1.2, 2.0, 0.7]), jnp.eye(4)[2], 1.7
    for rho_out in ([0, 3, 1, 2], [2, 3, 1, 0], [1, 0, 2, 3]):
        error = equation_5_error(favour(0, bonus), y, a, R, rho_out)
        # -bonus log softmax(y)_0 has gradient bonus (softmax(y) - e_0): only e_0 does not permute.
        assert abs(error - (0.0 if rho_out[0] == 0 else bonus)) < EXACT


def test_any_objective_can_be_asked():
    y, a = jnp.array([0.3, -1.2, 2.0]), jnp.eye(3)[1]
    squares = lambda y, a, R: jnp.sum((y - a) ** 2, axis=-1)  # noqa: E731
    weighed = lambda y, a, R: jnp.sum(jnp.arange(3) * (y - a) ** 2, axis=-1)  # noqa: E731
    assert equation_5_error(squares, y, a, 0.0, [2, 0, 1]) < EXACT
    assert equation_5_error(weighed, y, a, 0.0, [2, 0, 1]) > 0.1


def test_the_objective_decides_what_is_learned():
    weights, x, a, R = some((4, 5, 3))
    plain = learn(weights, x, a, R, 0.1)
    assert furthest(plain, learn(weights, x, a, R, 0.1, objective=favour(1, 0.0))) < EXACT
    favoured = learn(weights, x, a, R, 0.1, objective=favour(1, 1.0))
    p, p_plain = (jax.nn.softmax(forward(w, x)[-1])[1] for w in (favoured, plain))
    assert p > p_plain + 0.001


# Permutations


def lifetime(weights, x, a, R, objective=policy_gradient):
    """Outputs at every step, [T, B]; the rule learns after each."""

    def step(weights, example):
        y = forward(weights, example[0])[-1]
        return learn(weights, *example, 0.2, objective=objective), y

    return np.asarray(jax.lax.scan(step, weights, (x, a, R))[1])


@pytest.mark.parametrize("sizes", [(6, 4), (6, 5, 4), (6, 5, 7, 4)])
def test_with_weights_moved_along_a_permuted_lifetime_is_the_same_lifetime(sizes):
    weights, x, a, R = some(sizes, leading=(30,))
    rho, rho_out = [3, 0, 5, 1, 2, 4], [2, 3, 1, 0]
    moved = permute(weights, rho, rho_out)
    ys = lifetime(weights, x, a, R)
    permuted = lifetime(moved, x[:, rho], a[:, rho_out], R)
    assert furthest(permuted, ys[:, rho_out]) < EXACT
    left = lifetime(weights, x[:, rho], a[:, rho_out], R)
    assert furthest(left, ys[:, rho_out]) > 0.1


def test_an_objective_with_a_favourite_ends_that():
    weights, x, a, R = some((6, 5, 4), leading=(30,))
    rho_out = [2, 3, 1, 0]
    ys = lifetime(weights, x, a, R, favour(0, 0.5))
    permuted = lifetime(permute(weights, rho_out=rho_out), x, a[:, rho_out], R, favour(0, 0.5))
    assert furthest(permuted, ys[:, rho_out]) > 0.1


def test_weights_are_moved_to_where_their_input_and_output_went():
    (w,) = init_weights(jax.random.key(0), (3, 4))
    rho, rho_out = (2, 0, 1), (1, 3, 0, 2)
    w, moved = map(np.asarray, (w, permute((w,), rho, rho_out)[0]))
    for i, b in itertools.product(range(3), range(4)):
        assert moved[i, b] == w[rho[i], rho_out[b]]
    first, last = permute(init_weights(jax.random.key(0), (3, 2, 4)), rho, rho_out)
    assert (first.shape, last.shape) == ((3, 2), (2, 4))


# Initial weights


def test_initial_weights_are_independent_normal_numbers_of_the_stated_variance():
    weights = init_weights(jax.random.key(0), (400, 100, 50), scale=2.0)
    for w, A in zip(weights, (400, 100)):
        w = np.asarray(w) * np.sqrt(A) / 2.0
        assert abs(w.std() - 1) < 0.05 and abs(w.mean()) < 0.05
        assert abs((w**4).mean() - 3) < 0.4  # a normal distribution's kurtosis
        # Rows are alike and columns are alike: their means and squares scatter as chance has it.
        for axis in (0, 1):
            n = w.shape[axis]
            assert np.abs(w.mean(axis)).max() < 5 / np.sqrt(n)
            assert np.abs((w**2).mean(axis) - 1).max() < 7 / np.sqrt(n)


def test_other_keys_give_other_weights_in_every_layer():
    one, other = (init_weights(jax.random.key(seed), (5, 5, 5)) for seed in (0, 1))
    assert all(np.all(p != q) for p, q in zip(one, other))
    assert np.all(one[0] != one[1])


# Bad input


@pytest.mark.parametrize("sizes", [(), (3,), (3, 0), (3, -1, 2)])
def test_a_network_has_units(sizes):
    with pytest.raises(ValueError, match="sizes.*at least"):
        init_weights(jax.random.key(0), sizes)


def test_a_scale_is_not_negative():
    with pytest.raises(ValueError, match="scale=-1"):
        init_weights(jax.random.key(0), (2, 2), scale=-1)


def test_sizes_must_chain():
    with pytest.raises(ValueError, match="layer 1 has 4 outputs and layer 2 has 5 inputs"):
        forward((jnp.ones((3, 4)), jnp.ones((5, 2))), jnp.ones(3))


@pytest.mark.parametrize("weights", [(), (jnp.ones(3),), (jnp.ones((2, 3, 4)),)])
def test_weights_are_matrices(weights):
    with pytest.raises(ValueError, match="chain of matrices"):
        forward(weights, jnp.ones(3))


@pytest.mark.parametrize("x", [jnp.ones(()), jnp.ones(4), jnp.ones((3, 4))])
def test_inputs_must_fit_the_first_layer(x):
    with pytest.raises(ValueError, match="last axis must be 3 long"):
        forward((jnp.ones((3, 4)),), x)


def test_nonlinearities_have_names():
    with pytest.raises(ValueError, match="nonlinearity='swish' .*'tanh', 'relu' or 'linear'"):
        forward((jnp.ones((3, 4)),), jnp.ones(3), "swish")


def test_errors_and_activations_must_fit():
    weights, x, a, R = some((4, 5, 3))
    xs = forward(weights, x)
    deltas = backward(weights, xs, policy_gradient_error(xs[-1], a, R))
    with pytest.raises(ValueError, match="one error for each output"):
        backward(weights, xs, jnp.ones(4))
    with pytest.raises(ValueError, match="Activations of shapes"):
        backward(weights, xs[1:], jnp.ones(3))
    with pytest.raises(ValueError, match="Errors of shapes"):
        update(weights, xs, deltas[::-1], 0.1)
    with pytest.raises(ValueError, match="Activations of shapes"):
        update(weights, xs[::-1], deltas, 0.1)


@pytest.mark.parametrize("alpha", [0, -0.1, float("nan"), jnp.array(-1.0)])
def test_the_learning_rate_is_positive(alpha):
    weights, x, a, R = some((4, 3))
    with pytest.raises(ValueError, match=r"alpha=.*(above 0|finite)"):
        learn(weights, x, a, R, alpha)


def test_every_action_has_a_return():
    with pytest.raises(ValueError, match="R=.* give an array"):
        initial_error(policy_gradient, jnp.ones((5, 3)), jnp.ones((5, 3)), 1.0)
    with pytest.raises(ValueError, match="a=.* give an array .*B = 3"):
        initial_error(policy_gradient, jnp.ones(3), jnp.ones(4), 1.0)


@pytest.mark.parametrize("none", [[0, 1], [0, 0, 1], [1, 2, 3], [0.0, 1.0, 2.0], [[0, 1, 2]]])
def test_a_permutation_names_each_place_once(none):
    for use in (
        lambda: check_permutation(none, 3),
        lambda: permute((jnp.ones((3, 3)),), rho=none),
        lambda: permute((jnp.ones((3, 3)),), rho_out=none),
        lambda: equation_5_error(policy_gradient, jnp.ones(3), jnp.eye(3)[0], 1.0, none),
    ):
        with pytest.raises(ValueError, match="=.*(no permutation of 3 things|give an array)"):
            use()


@pytest.mark.parametrize("output", [-1, 3])
def test_only_an_output_that_exists_can_be_favoured(output):
    with pytest.raises(ValueError, match=f"output[= ]{output}"):
        favour(output, 1.0)(jnp.ones(3), jnp.eye(3)[0], 1.0)
