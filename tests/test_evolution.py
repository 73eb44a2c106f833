"""The evolution strategy estimates Equation 10, and agrees with evosax."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from evosax.algorithms.distribution_based.open_es import Open_ES
from evosax.core.fitness_shaping import (
    centered_rank_fitness_shaping_fn,
    identity_fitness_shaping_fn,
    standardize_fitness_shaping_fn,
)
from jax.flatten_util import ravel_pytree
from scipy import stats

from symla_lite.environments.bandits import BANDITS
from symla_lite.evolution import ES, even_chunk, gradient, noise, pair_fitness, shape
from symla_lite.lifetime import live
from symla_lite.meta_training import Outer, outer_step
from symla_lite.metarnn import metarnn

SHAPINGS = {
    "raw": identity_fitness_shaping_fn,
    "standardised": standardize_fitness_shaping_fn,
    "ranks": centered_rank_fitness_shaping_fn,
}
"""Ours, and what evosax has in its place."""
CENTRE = jnp.array([0.5, -1.0, 2.0, 0.0, 1.5])
CURVED = jnp.array([1.0, 2.0, 0.5, 3.0, 1.0])


def quadratic(phi, key):
    """A noisy fitness whose expectation, and whose smoothed expectation, has a known gradient."""
    return 3.0 - jnp.sum(CURVED * phi**2) + 20 * jax.random.normal(key)


def estimate(key, theta, fitness=quadratic, pairs=16, sigma=0.5, chunk=16):
    """One raw estimate of the gradient, [D]."""
    key_noise, key_fitness = jax.random.split(key)
    eps = noise(key_noise, pairs, theta.size)
    keys = jax.random.split(key_fitness, pairs)
    return gradient(eps, pair_fitness(fitness, theta, eps, sigma, keys, chunk), sigma)


# Equation 10


def test_the_estimate_is_the_gradient_of_a_quadratic_within_its_standard_error():
    replications = 4000
    keys = jax.random.split(jax.random.key(0), replications)
    estimates = np.asarray(jax.jit(jax.vmap(lambda key: estimate(key, CENTRE)))(keys), np.float64)
    exact = np.asarray(-2 * CURVED * CENTRE)  # smoothing adds a constant to a quadratic
    error = estimates.std(axis=0, ddof=1) / np.sqrt(replications)
    assert np.all(error < 0.1)  # the bound below says something
    assert np.all(np.abs(estimates.mean(axis=0) - exact) < 4 * error)


def test_the_estimate_is_the_gradient_of_the_smoothed_objective():
    # E |theta + sigma eps|_1 has the gradient 2 Phi(theta / sigma) - 1; without smoothing: sign.
    sigma, replications = 1.0, 4000
    keys = jax.random.split(jax.random.key(1), replications)

    def one(key):
        return estimate(key, CENTRE, lambda phi, _: jnp.sum(jnp.abs(phi)), sigma=sigma)

    estimates = np.asarray(jax.jit(jax.vmap(one))(keys), np.float64)
    exact = 2 * stats.norm.cdf(np.asarray(CENTRE) / sigma) - 1
    error = estimates.std(axis=0, ddof=1) / np.sqrt(replications)
    assert np.all(np.abs(estimates.mean(axis=0) - exact) < 4 * error)


def test_noise_is_standard_normal_and_independent():
    eps = np.asarray(noise(jax.random.key(2), 5000, 3), np.float64)
    assert stats.kstest(eps.ravel(), "norm").pvalue > 1e-3
    assert np.all(np.abs(np.corrcoef(eps.T) - np.eye(3)) < 0.06)


# Pairs


def test_a_pair_is_evaluated_at_plus_and_minus_with_the_same_key():
    eps, keys = noise(jax.random.key(0), 3, 5), jax.random.split(jax.random.key(1), 3)
    earned = pair_fitness(quadratic, CENTRE, eps, 0.5, keys, 3)
    expected = [
        [quadratic(CENTRE + 0.5 * e, key), quadratic(CENTRE - 0.5 * e, key)]
        for e, key in zip(eps, keys, strict=True)
    ]
    np.testing.assert_allclose(earned, expected, rtol=1e-5)


def test_common_random_numbers_leave_no_noise_where_fitness_is_noise_alone():
    def only_noise(phi, key):
        return 1e6 * jax.random.normal(key)

    eps, keys = noise(jax.random.key(0), 8, 5), jax.random.split(jax.random.key(1), 8)
    earned = pair_fitness(only_noise, CENTRE, eps, 0.1, keys, 8)
    assert np.std(earned) > 1e5
    for shaping in SHAPINGS:
        np.testing.assert_array_equal(gradient(eps, shape(earned, shaping), 0.1), np.zeros(5))


@pytest.mark.parametrize(
    ("whole", "chunk", "even"), [(32, 19, 16), (32, 64, 32), (30, 7, 6), (31, 7, 7), (5, 1, 1)]
)
def test_a_chunk_leaves_no_rest_where_one_that_does_not_is_near(whole, chunk, even):
    assert even_chunk(whole, chunk) == even


@pytest.mark.parametrize("chunk", [1, 3, 8, 100])
def test_chunks_do_not_change_the_fitness(chunk):
    eps, keys = noise(jax.random.key(0), 8, 5), jax.random.split(jax.random.key(1), 8)
    whole = jax.vmap(
        lambda e, k: jnp.stack([quadratic(CENTRE + 0.1 * e, k), quadratic(CENTRE - 0.1 * e, k)])
    )(eps, keys)
    np.testing.assert_allclose(
        pair_fitness(quadratic, CENTRE, eps, 0.1, keys, chunk), whole, rtol=1e-6
    )


# Shaping


@pytest.fixture(scope="module")
def fitness():
    """A population with ties."""
    rng = np.random.default_rng(0)
    return np.round(rng.normal(5, 2, size=(20, 2)), 1).astype(np.float32)


def test_raw_fitness_is_left_as_it_is(fitness):
    np.testing.assert_array_equal(shape(fitness, "raw"), fitness)


def test_standardised_fitness_has_zero_mean_and_unit_variance(fitness):
    expected = (fitness - fitness.mean()) / fitness.std()
    np.testing.assert_allclose(shape(jnp.asarray(fitness), "standardised"), expected, atol=1e-5)


def test_ranks_are_centred_and_ties_share_theirs(fitness):
    assert len(np.unique(fitness)) < fitness.size
    ranks = stats.rankdata(fitness).reshape(fitness.shape)  # 1 ... 40, ties averaged
    expected = (ranks - 1) / (fitness.size - 1) - 0.5
    np.testing.assert_allclose(shape(jnp.asarray(fitness), "ranks"), expected, atol=1e-6)


def test_differences_have_unit_variance_whatever_the_tasks_pay():
    rng = np.random.default_rng(0)
    tasks, difference = 100 * rng.normal(size=(50, 1)), rng.normal(size=50) * 3 + 1
    earned = tasks + np.stack([difference / 2, -difference / 2], axis=1)
    shaped = np.asarray(shape(jnp.asarray(earned), "differences"))
    np.testing.assert_allclose(
        shaped[:, 0] - shaped[:, 1], difference / difference.std(), rtol=1e-4
    )
    np.testing.assert_allclose(shaped.sum(axis=1), 0, atol=1e-4)


@pytest.mark.parametrize("shaping", ["standardised", "ranks", "differences"])
def test_a_population_that_is_all_alike_gives_no_gradient(shaping):
    alike = jnp.full((4, 2), 3.0)
    np.testing.assert_allclose(shape(alike, shaping), 0, atol=1e-6)


# A second opinion


def evosax_strategy(population, sigma, optimizer, shaping, centre):
    """Open_ES and its state at `centre`."""
    strategy = Open_ES(
        population,
        centre,
        optimizer=optimizer,
        std_schedule=optax.constant_schedule(sigma),
        fitness_shaping_fn=SHAPINGS[shaping],
    )
    params = strategy.default_params
    return strategy, strategy.init(jax.random.key(0), centre, params), params


# Adam forgets the gradient's scale, so that only plain descent tells a wrong factor.
@pytest.mark.parametrize(
    ("shaping", "optimizer"),
    [
        ("raw", optax.sgd(0.02)),
        ("standardised", optax.sgd(0.1)),
        ("standardised", optax.adam(0.05)),
        ("ranks", optax.sgd(0.3)),
    ],
    ids=["raw, sgd", "standardised, sgd", "standardised, adam", "ranks, sgd"],
)
def test_updates_are_those_of_evosax_given_the_same_noise(shaping, optimizer):
    pairs, sigma = 16, 0.3
    strategy, state, params = evosax_strategy(2 * pairs, sigma, optimizer, shaping, CENTRE)

    @jax.jit
    def update(theta, optimiser, key_noise, keys):
        eps = noise(key_noise, pairs, theta.size)
        earned = pair_fitness(quadratic, theta, eps, sigma, keys, pairs)
        ascent = gradient(eps, shape(earned, shaping), sigma)
        updates, optimiser = optimizer.update(-ascent, optimiser)
        return optax.apply_updates(theta, updates), optimiser

    theta, optimiser = CENTRE, optimizer.init(CENTRE)
    for step in range(4):
        key_noise, key_fitness = jax.random.split(jax.random.fold_in(jax.random.key(7), step))
        keys = jax.random.split(key_fitness, pairs)
        population, state = strategy.ask(key_noise, state, params)
        costs = -jax.vmap(quadratic)(population, jnp.concatenate([keys, keys]))  # it minimises
        state, _ = strategy.tell(key_noise, population, costs, state, params)
        theta, optimiser = update(theta, optimiser, key_noise, keys)
        np.testing.assert_allclose(theta, state.mean, atol=1e-5)
    assert np.max(np.abs(theta - CENTRE)) > 0.05


def test_an_outer_step_is_one_of_evosax_on_lifetimes_of_a_bandit():
    learner, environment = metarnn(hidden=4), BANDITS["easy"]
    outer = Outer(ES(8, 0.2), learning_rate=0.05, steps=1, length=10, lifetimes=3)
    start, unravel = ravel_pytree(learner.init_theta(jax.random.key(0), environment.sizes))
    strategy, state, params = evosax_strategy(8, 0.2, optax.adam(0.05), "standardised", start)
    step = jax.jit(outer_step(learner, environment, outer, unravel, chunk=4))

    @jax.jit
    @jax.vmap
    def reward(phi, keys):
        lives = jax.vmap(lambda key: live(learner, environment, 10, unravel(phi), key))(keys)
        return lives.reward.sum(axis=1).mean()

    theta, optimiser = start, optax.adam(0.05).init(start)
    for t in range(3):
        key = jax.random.fold_in(jax.random.key(1), t)
        theta, optimiser, (mean, spread, norm, lost) = step(theta, optimiser, key)

        key_noise, key_lives = jax.random.split(key)
        keys = jax.vmap(lambda k: jax.random.split(k, 3))(jax.random.split(key_lives, 4))
        population, state = strategy.ask(key_noise, state, params)
        earned = reward(population, jnp.concatenate([keys, keys]))
        before = state.mean
        assert lost == 0
        state, _ = strategy.tell(key_noise, population, -earned, state, params)
        np.testing.assert_allclose(theta, state.mean, atol=1e-5)

        standardised = (earned - earned.mean()) / earned.std()
        ascent = standardised @ ((population - before) / 0.2) / (8 * 0.2)
        np.testing.assert_allclose(
            [mean, spread, norm],
            [np.mean(earned), np.std(earned), np.linalg.norm(ascent)],
            rtol=1e-4,
        )


# The door


@pytest.mark.parametrize("population", [7, 1, 0, -2])
def test_a_population_that_makes_no_pairs_is_refused(population):
    with pytest.raises(ValueError, match=f"population={population} .*at least 2"):
        ES(population, 0.1)


@pytest.mark.parametrize("sigma", [0.0, -0.1, float("nan")])
def test_noise_without_a_scale_is_refused(sigma):
    eps = jnp.ones((2, 3))
    keys = jax.random.split(jax.random.key(0), 2)
    for use in (
        lambda: ES(8, sigma),
        lambda: pair_fitness(quadratic, CENTRE[:3], eps, sigma, keys, 2),
        lambda: gradient(eps, jnp.ones((2, 2)), sigma),
    ):
        with pytest.raises(ValueError, match=f"sigma={sigma} .*above 0"):
            use()


def test_an_unknown_shaping_is_refused():
    for use in (lambda: ES(8, 0.1, "squashed"), lambda: shape(jnp.ones((2, 2)), "squashed")):
        with pytest.raises(ValueError, match="shaping='squashed' .*: give 'raw', 'standardised'"):
            use()


@pytest.mark.parametrize("shaping", ["raw", "standardised", "ranks"])
def test_only_differences_need_pairs(shaping):
    fitness = jnp.array([0.3, 2.0, -1.0, 0.5, 4.0, 0.1])
    by_pairs = shape(fitness.reshape(3, 2), shaping)
    np.testing.assert_allclose(shape(fitness, shaping), by_pairs.ravel(), atol=1e-6)
    with pytest.raises(ValueError, match="cannot be shaped by 'differences'"):
        shape(fitness, "differences")


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "fitness",
    [
        [[0.1, 0.4], [NAN, 0.2], [0.3, 0.25]],
        [[0.1, NAN], [INF, 0.2], [0.3, 0.5], [0.7, 0.75]],
        [[NAN, NAN], [0.2, 0.3], [-INF, 0.5]],
        [[NAN, 0.3], [0.2, INF]],
    ],
)
def test_a_member_without_fitness_is_the_largest_difference_below_its_partner(fitness):
    """By loops. A pair of which neither has a fitness is as if both had the same."""
    differences = [abs(a - b) for a, b in fitness if np.isfinite(a) and np.isfinite(b)]
    largest, filled = max(differences, default=0.0), []
    for pair in fitness:
        has = np.isfinite(pair)
        alone = pair[0] if has[0] else pair[1]
        worst = alone - largest if has.any() else 0.0
        filled.append(np.where(has, pair, worst))
    filled = np.array(filled)
    expected = filled - filled.mean(axis=1, keepdims=True)
    expected = expected / (np.std(filled[:, 0] - filled[:, 1]) + 1e-8)
    np.testing.assert_allclose(shape(jnp.array(fitness), "differences"), expected, atol=1e-4)
