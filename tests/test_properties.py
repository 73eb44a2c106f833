"""What holds for all sizes, orders, chunks and numbers of layers, on examples that are drawn.

Hypothesis draws them, the same ones in every run and more of them in CI, and shrinks one that fails
to the smallest that does. The oracles are NumPy loops and the statements themselves.
"""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symla_lite import backprop, evolution
from symla_lite.checks import Count, Share, door
from symla_lite.environments import Mixture, Part, independent_arms, linear_bandit, permuted
from symla_lite.environments.grids import distinct
from symla_lite.evolution import ES
from symla_lite.learner import Input, Sizes, count
from symla_lite.meta_training import Outer, parts
from symla_lite.studies.records import summarise
from symla_lite.symla import symla
from symla_lite.vsml import vsml

EXAMPLES = 25 if os.environ.get("CI") else 8
settings.register_profile("same", derandomize=True, deadline=None, max_examples=EXAMPLES)
settings.load_profile("same")

small = st.integers(1, 4)
seeds = st.integers(0, 2**32 - 1)
real = st.integers(-800, 800).map(lambda n: n / 8)


def normal(seed, *shape):
    """Numbers of a seed."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def order(seed, size):
    """A permutation of a seed."""
    return np.random.default_rng(seed).permutation(size)


# Backpropagation: sizes, K, batches, permutations.


@given(st.lists(small, min_size=2, max_size=4), st.integers(1, 3), seeds)
def test_permuting_inputs_and_outputs_permutes_the_update(units, batch, seed):
    weights = backprop.init_weights(jax.random.key(seed), units)
    x, R = normal(seed, batch, units[0]), normal(seed + 1, batch)
    a = np.eye(units[-1], dtype=np.float32)[order(seed, 3 * units[-1])[:batch] % units[-1]]
    rho, rho_out = order(seed, units[0]), order(seed + 1, units[-1])
    learn = jax.jit(backprop.learn)
    then_permuted = backprop.permute(learn(weights, x, a, R, 0.1), rho, rho_out)
    moved = backprop.permute(weights, rho, rho_out)
    after = learn(moved, x[:, rho], a[:, rho_out], R, 0.1)
    for one, other in zip(then_permuted, after, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@given(st.lists(small, min_size=2, max_size=4), st.integers(1, 3), seeds)
def test_the_three_passes_are_the_gradient(units, batch, seed):
    weights = backprop.init_weights(jax.random.key(seed), units)
    x, R = normal(seed, batch, units[0]), normal(seed + 1, batch)
    a = np.eye(units[-1], dtype=np.float32)[np.zeros(batch, int)]

    def J(weights):
        y = x
        for k, w in enumerate(weights):
            y = y @ w if k == len(weights) - 1 else jnp.tanh(y @ w)
        return -jnp.sum(R * jnp.sum(a * jax.nn.log_softmax(y), -1))

    after = jax.jit(backprop.learn)(weights, x, a, R, 0.1)
    for w, slope, new in zip(weights, jax.jit(jax.grad(J))(weights), after, strict=True):
        np.testing.assert_allclose(w - 0.1 * slope, new, rtol=1e-4, atol=1e-4)


# SymLA and VSML: sizes, permutations, K.


@settings(max_examples=10)
@given(small, st.integers(2, 4), st.integers(1, 3), st.sampled_from(["step", "tick"]), seeds)
def test_permuting_inputs_and_actions_permutes_symlas_logits(A, B, layers, exchange, seed):
    learner = symla(hidden=3, message=2, layers=layers, units=2, exchange=exchange)
    sizes, key = Sizes(A, B), jax.random.key(seed)
    theta = learner.init_theta(key, sizes)
    rho, rho_out = order(seed, A), order(seed + 1, B)
    x = Input(normal(seed, A), jnp.float32(1), jnp.asarray(np.eye(B)[seed % B]), jnp.float32(0))
    y = x._replace(o=x.o[rho], a=x.a[rho_out])
    h = h_moved = learner.init_state(theta, key, sizes)
    step = jax.jit(learner.step)
    for _ in range(3):
        logits, h = step(theta, h, x)
        moved, h_moved = step(theta, h_moved, y)
        np.testing.assert_allclose(logits[rho_out], moved, atol=1e-5)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=2, max_size=4))
def test_theta_has_the_same_shapes_at_all_sizes(pairs):
    for learner in (symla(hidden=3), symla(hidden=3, layers=3), vsml(hidden=3)):
        shapes = {
            str(jax.eval_shape(lambda s=s, f=learner.init_theta: f(jax.random.key(0), Sizes(*s))))
            for s in pairs
        }
        assert len(shapes) == 1


@given(st.integers(2, 5), st.integers(2, 5))
def test_theta_of_several_layers_fits_any_number_of_them_but_one(layers, others):
    one, other = symla(hidden=2, layers=layers), symla(hidden=2, layers=others)
    sizes = Sizes(2, 2)
    theta = one.init_theta(jax.random.key(0), sizes)
    assert len(other.init_state(theta, jax.random.key(0), sizes)) == others
    with pytest.raises(ValueError, match="theta does not fit"):
        symla(hidden=2).init_state(theta, jax.random.key(0), sizes)


# Evolution strategies: pairs, chunks, dimensions.


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 12), seeds)
def test_the_chunk_does_not_change_the_fitness(pairs, dimension, chunk, seed):
    theta, eps = normal(seed, dimension), normal(seed + 1, pairs, dimension)
    keys = jax.random.split(jax.random.key(seed), pairs)

    def fitness(phi, key):
        return jnp.sum(phi) * jax.random.uniform(key)

    found = evolution.pair_fitness(fitness, theta, eps, 0.5, keys, chunk)
    noise = [float(jax.random.uniform(key)) for key in keys]
    loop = [
        [(theta + s * e).sum() * u for s in (0.5, -0.5)] for e, u in zip(eps, noise, strict=True)
    ]
    np.testing.assert_allclose(found, loop, rtol=1e-4, atol=1e-4)


@given(st.integers(1, 2000), st.integers(1, 3000))
def test_a_chunk_leaves_no_rest_or_is_the_one_asked_for(whole, chunk):
    found = evolution.even_chunk(whole, chunk)
    assert 1 <= found <= min(whole, chunk)
    assert whole % found == 0 or found == chunk
    assert 2 * found > min(whole, chunk)


@given(st.integers(1, 6), st.integers(1, 6), st.floats(0.01, 10), seeds)
def test_the_gradient_is_the_mean_over_pairs(pairs, dimension, sigma, seed):
    eps, F = normal(seed, pairs, dimension), normal(seed + 1, pairs, 2)
    loop = sum((F[i, 0] - F[i, 1]) * eps[i] / (2 * sigma) for i in range(pairs)) / pairs
    np.testing.assert_allclose(evolution.gradient(eps, F, sigma), loop, rtol=1e-3, atol=1e-4)


@given(st.lists(st.tuples(real, real), min_size=1, max_size=8), st.sampled_from([0.5, 2.0, 4.0]))
def test_ranks_look_at_the_order_alone_and_sum_to_zero(fitness, scale):
    fitness = np.array(fitness, np.float32)
    ranks = np.asarray(evolution.shape(fitness, "ranks"))
    np.testing.assert_array_equal(ranks, evolution.shape(scale * fitness, "ranks"))
    np.testing.assert_allclose(ranks.sum(), 0, atol=1e-4)
    better = fitness.ravel()[:, None] > fitness.ravel()
    assert np.all(ranks.ravel()[:, None][better.any(1)] > -0.5)
    assert np.all((ranks.ravel()[:, None] > ranks.ravel()) == better)


# Environments, mixtures and records.


@given(st.integers(1, 5), st.integers(2, 5), seeds)
def test_a_permuted_environment_shows_the_same_entries_in_another_order(inputs, arms, seed):
    plain, shuffled = linear_bandit(inputs, arms), permuted(linear_bandit(inputs, arms))
    task = shuffled.draw_task(jax.random.key(seed))
    key = jax.random.key(seed + 1 if seed < 2**32 - 1 else 0)
    _, o = shuffled.reset(key, task)
    _, inside = plain.reset(key, task.task)
    np.testing.assert_array_equal(np.sort(o), np.sort(inside))
    assert sorted(np.asarray(task.change.actions).tolist()) == list(range(arms))


@given(st.integers(4, 40), st.integers(1, 4), seeds)
def test_distinct_cells_are_distinct(cells, n, seed):
    drawn = [int(cell) for cell in distinct(jax.random.key(seed), cells, n)]
    assert len(set(drawn)) == n and all(0 <= cell < cells for cell in drawn)


@given(st.lists(small, min_size=1, max_size=4), small)
def test_the_parts_of_a_mixture_share_out_the_whole_population(shares, times):
    mixture = Mixture(tuple(Part(independent_arms(2 + i), s) for i, s in enumerate(shares)))
    outer = Outer(ES(2 * times * sum(shares), 0.1), 0.1, 1, 5, 2)
    populations = [part.es.population for _, part in parts(mixture, outer)]
    assert sum(populations) == outer.es.population
    assert populations == [2 * times * share for share in shares]


@given(st.integers(1, 5), st.integers(1, 5), seeds)
def test_what_is_recorded_in_blocks_adds_up_to_the_lifetime(lifetimes, tens, seed):
    measures = normal(seed, lifetimes, 10 * tens)
    kept = summarise(measures)
    np.testing.assert_allclose(kept["blocks"].sum(1), measures.sum(1), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(kept["mean"], measures.mean(0), rtol=1e-3, atol=1e-4)


# Doors.


@given(st.one_of(st.integers(), st.floats(), st.booleans(), st.none(), st.text(), st.binary()))
def test_a_door_lets_in_what_its_annotation_says_and_nothing_else(value):
    def function(n: Count | None = None, p: Share | None = None):
        return n, p

    guarded = door(function)
    whole = isinstance(value, int) and not isinstance(value, bool) and 1 <= value < 2**31
    share = isinstance(value, float) and 2**-126 <= value < 1
    for name, suits in (("n", whole), ("p", share)):
        if suits or value is None:
            assert value in guarded(**{name: value})
        else:
            with pytest.raises(ValueError, match=f"^{name}="):
                guarded(**{name: value})
    assert count({"n": np.ones((2, 3))}) == 6
