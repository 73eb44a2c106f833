"""References on bandits that need no training."""

import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from symla_lite.baselines import bayes_optimal, random_policy, thompson, ucb
from symla_lite.baselines.bayes_optimal import MOST_PULLS, PRIORS, means, solve
from symla_lite.baselines.counts import Counts
from symla_lite.environments.bandits import BANDITS, expected_regret, independent_arms
from symla_lite.learner import Input, Sizes, first_input
from symla_lite.lifetime import live

PULLS = 100
LEARNERS = {"thompson": thompson(), "ucb1": ucb(), "random": random_policy()}
MEAN_OF_BEST = {"independent": 2 / 3, "uniform": 0.75, "easy": 0.9, "medium": 0.75, "hard": 0.6}
"""What the better arm pays on average."""


def told(arms, arm, payout):
    """The input after pulling `arm` (None: the first step) and being paid `payout`."""
    if arm is None:
        return first_input(jnp.zeros(1), Sizes(1, arms))
    return Input(jnp.zeros(1), jnp.float32(payout), jax.nn.one_hot(arm, arms), jnp.zeros(()))


def tell_history(learner, arms, history, key=0):
    """Logits and state after a history of (arm, payout) pairs."""
    sizes = Sizes(1, arms)
    theta = learner.init_theta(jax.random.key(0), sizes)
    h = learner.init_state(theta, jax.random.key(key), sizes)
    step = jax.jit(learner.step)
    for arm, payout in [(None, 0.0), *history]:
        logits, h = step(theta, h, told(arms, arm, payout))
    return logits, h


def random_history(seed, arms, length):
    rng = np.random.default_rng(seed)
    return [(int(rng.integers(arms)), float(rng.integers(2))) for _ in range(length)]


def regrets(learner, environment, lifetimes, pulls=PULLS, seed=0):
    """Expected cumulative regret of simulated lifetimes, [lifetimes, pulls]."""
    theta = learner.init_theta(jax.random.key(0), environment.sizes)

    @jax.jit
    @jax.vmap
    def run(key):
        lived = live(learner, environment, pulls, theta, key)
        return expected_regret(lived.task, lived.action)

    return np.asarray(run(jax.random.split(jax.random.key(seed), lifetimes)), np.float64)


def assert_mean(samples, expected, standard_errors=4.0):
    error = samples.std(ddof=1) / math.sqrt(samples.size)
    assert abs(samples.mean() - expected) < standard_errors * error + 1e-6


# Any learner of this room


@pytest.mark.parametrize("arms", [2, 3, 7])
@pytest.mark.parametrize("name", LEARNERS)
def test_it_lives_with_any_number_of_arms(name, arms):
    learner = LEARNERS[name]
    theta = learner.init_theta(jax.random.key(0), Sizes(1, arms))
    keys = jax.random.split(jax.random.key(1), 5)
    lived = jax.jit(jax.vmap(lambda k: live(learner, independent_arms(arms), 30, theta, k)))(keys)
    assert lived.logits.shape == (5, 30, arms)
    assert np.all(np.isfinite(lived.logits))
    np.testing.assert_allclose(jax.nn.softmax(lived.logits).sum(-1), 1, rtol=1e-6)
    assert set(np.unique(lived.action)) == set(range(arms))


@pytest.mark.parametrize("name", LEARNERS)
def test_jit_changes_nothing(name):
    learner = LEARNERS[name]
    h, step = learner.init_state({}, jax.random.key(0), Sizes(1, 4)), jax.jit(learner.step)
    for arm, payout in [(None, 0.0), *random_history(0, 4, 6)]:
        x = told(4, arm, payout)
        plain, jitted = learner.step({}, h, x), step({}, h, x)
        np.testing.assert_array_equal(plain[0], jitted[0])
        h = plain[1]


# Random policy


@pytest.mark.parametrize("name", BANDITS)
def test_random_policy_loses_half_the_gap_at_every_pull(name):
    # It earns E[(p_1 + p_2) / 2] = 1/2 a pull, whatever the distribution.
    lost = regrets(random_policy(), BANDITS[name], 2000)[:, -1]
    assert_mean(lost, PULLS * (MEAN_OF_BEST[name] - 0.5))


def test_random_policy_favours_no_arm():
    for arms in [2, 5]:
        logits, _ = tell_history(random_policy(), arms, random_history(0, arms, 8))
        np.testing.assert_allclose(jax.nn.softmax(logits), 1 / arms, rtol=1e-6)


# Thompson sampling


@pytest.mark.parametrize("arms", [2, 5])
def test_thompson_counts_what_each_arm_has_paid(arms):
    history = random_history(arms, arms, 40)
    _, h = tell_history(thompson(), arms, history)
    paid, missed = [0] * arms, [0] * arms
    for arm, payout in history:
        if payout == 1:
            paid[arm] += 1
        else:
            missed[arm] += 1
    np.testing.assert_array_equal(h.counts.paid, paid)
    np.testing.assert_array_equal(h.counts.missed, missed)


def test_thompson_has_counted_nothing_at_its_first_step():
    logits, h = tell_history(thompson(), 3, [])
    np.testing.assert_array_equal(h.counts, Counts(np.zeros(3), np.zeros(3)))
    assert np.sum(np.asarray(logits) == 0) == 1


def test_thompson_pulls_an_arm_as_often_as_it_is_believed_best():
    history = [(0, 1), (0, 0), (1, 1), (2, 0), (2, 1), (2, 1), (2, 0)]
    beliefs = [stats.beta(2, 2), stats.beta(2, 1), stats.beta(3, 3)]

    def believed_best(arm):
        others = [b for i, b in enumerate(beliefs) if i != arm]
        density = lambda p: beliefs[arm].pdf(p) * np.prod([b.cdf(p) for b in others])  # noqa: E731
        return integrate.quad(density, 0, 1)[0]

    learner = thompson()
    _, h = tell_history(learner, 3, history[:-1])
    x = told(3, *history[-1])
    keys = jax.random.split(jax.random.key(3), 20_000)
    logits = jax.jit(jax.vmap(lambda key: learner.step({}, h._replace(key=key), x)[0]))(keys)
    pulled = np.asarray(jax.nn.softmax(logits))
    assert np.all(pulled.max(-1) == 1)
    for arm in range(3):
        assert_mean(pulled[:, arm], believed_best(arm))


def test_thompson_draws_anew_at_every_step():
    # A reward of nothing for nothing done leaves the belief as it was: only the draw is new.
    learner = thompson()
    h = learner.init_state({}, jax.random.key(0), Sizes(1, 4))
    step = jax.jit(learner.step)
    drawn = set()
    for _ in range(30):
        logits, h = step({}, h, told(4, None, 0.0))
        drawn.add(int(np.argmax(logits)))
    assert drawn == {0, 1, 2, 3}


@pytest.mark.slow
def test_thompson_does_better_than_chance_and_worse_than_the_optimum():
    for name in ["easy", "independent"]:
        lost = regrets(LEARNERS["thompson"], BANDITS[name], 200)[:, -1].mean()
        chance = PULLS * (MEAN_OF_BEST[name] - 0.5)
        assert bayes_optimal(name, PULLS).regret[-1] < lost < 0.5 * chance


# UCB1


@pytest.mark.parametrize("arms", [2, 3, 6])
def test_ucb_chooses_as_a_plain_loop_does(arms):
    learner = ucb()
    h = learner.init_state({}, jax.random.key(0), Sizes(1, arms))
    step = jax.jit(learner.step)
    rng = np.random.default_rng(arms)
    p = rng.uniform(size=arms)
    pulls, paid = [0] * arms, [0.0] * arms
    x = told(arms, None, 0.0)
    for t in range(80):
        logits, h = step({}, h, x)
        if 0 in pulls:
            allowed = [i for i in range(arms) if pulls[i] == 0]
        else:
            index = [r / n + math.sqrt(2 * math.log(t) / n) for r, n in zip(paid, pulls)]
            allowed = [i for i in range(arms) if math.isclose(index[i], max(index))]
        assert np.flatnonzero(np.asarray(logits) == 0).tolist() == allowed
        arm = int(rng.choice(allowed)) if t % 5 else int(rng.integers(arms))  # off its path too
        payout = float(rng.uniform() < p[arm])
        pulls[arm] += 1
        paid[arm] += payout
        x = told(arms, arm, payout)


def test_ucb_pulls_each_arm_once_first():
    lived = live(ucb(), independent_arms(6), 6, {}, jax.random.key(2))
    assert sorted(np.asarray(lived.action).tolist()) == list(range(6))


def test_permuting_the_arms_permutes_the_choice_of_ucb():
    to = [2, 0, 4, 1, 3]
    for length in range(0, 30, 3):
        history = random_history(length, 5, length)
        logits, _ = tell_history(ucb(), 5, history)
        moved, _ = tell_history(ucb(), 5, [(to[arm], payout) for arm, payout in history])
        np.testing.assert_array_equal(np.asarray(moved)[to], logits)


def test_ucb_does_better_than_chance():
    lost = regrets(ucb(), BANDITS["easy"], 200)[:, -1].mean()
    assert lost < 0.5 * PULLS * 0.4


# The exact Bayes-optimal policy


@pytest.mark.parametrize(
    "name",
    [pytest.param(x, marks=() if x == "independent" else pytest.mark.slow) for x in BANDITS],
)
def test_the_expected_regret_over_100_pulls(name):
    optimum = bayes_optimal(name, PULLS)
    expected = dict(independent=1.748, uniform=1.221, easy=0.625, medium=1.000, hard=2.312)
    assert optimum.regret.shape == (PULLS,)
    assert round(optimum.regret[-1], 3) == expected[name]


@pytest.mark.parametrize("name", BANDITS)
def test_simulated_lifetimes_lose_what_was_computed(name):
    optimum = bayes_optimal(name, 50)
    lost = regrets(optimum.learner, BANDITS[name], 4000, pulls=50, seed=5)
    for pull in [0, 1, 2, 9, 49]:
        assert_mean(lost[:, pull], optimum.regret[pull])


def likelihood(name, s_1, f_1, s_2, f_2):
    """Probability of a sequence of payouts with these counts, over the prior, as a fraction."""

    def beta(s, f):  # integral of p^s (1 - p)^f over [0, 1]
        return Fraction(math.factorial(s) * math.factorial(f), math.factorial(s + f + 1))

    if name == "independent":
        return beta(s_1, f_1) * beta(s_2, f_2)
    if name == "uniform":
        return beta(s_1 + f_2, f_1 + s_2)
    p = {"easy": Fraction(1, 10), "medium": Fraction(1, 4), "hard": Fraction(2, 5)}[name]
    k, n = s_1 + f_2, s_1 + f_1 + s_2 + f_2
    return (p**k * (1 - p) ** (n - k) + (1 - p) ** k * p ** (n - k)) / 2


def best_payouts(name, pulls, history=()):
    """What the best policy is paid at each pull after `history`, times the history's probability.

    Goes through all sequences of (arm, payout) one by one, without a belief or a posterior mean.
    Between equally good arms it averages.
    """
    if len(history) == pulls:
        return []
    arms = []
    for arm in (1, 2):
        hit, miss = (*history, (arm, 1)), (*history, (arm, 0))
        now = likelihood(name, *(hit.count(c) for c in [(1, 1), (1, 0), (2, 1), (2, 0)]))
        later = zip(best_payouts(name, pulls, hit), best_payouts(name, pulls, miss), strict=True)
        arms.append([now, *(a + b for a, b in later)])
    first, second = arms
    if sum(first) == sum(second):
        return [(a + b) / 2 for a, b in zip(first, second, strict=True)]
    return max(arms, key=sum)


BEST = {
    "independent": Fraction(2, 3),
    "uniform": Fraction(3, 4),
    "easy": Fraction(9, 10),
    "medium": Fraction(3, 4),
    "hard": Fraction(3, 5),
}


@pytest.mark.parametrize("pulls", [1, 2, 3, 6])
@pytest.mark.parametrize("name", BANDITS)
def test_it_is_the_best_over_all_histories(name, pulls):
    paid = best_payouts(name, pulls)
    curve = [float(sum(BEST[name] - r for r in paid[: t + 1])) for t in range(pulls)]
    np.testing.assert_allclose(bayes_optimal(name, pulls).regret, curve, rtol=1e-12)
    assert math.isclose(solve(PRIORS[name], pulls)[0], float(sum(paid)), rel_tol=1e-12)


@pytest.mark.parametrize("name", BANDITS)
def test_backward_values_and_forward_regret_agree(name):
    value, _ = solve(PRIORS[name], 40)
    regret = bayes_optimal(name, 40).regret
    assert math.isclose(40 * PRIORS[name].best - value, regret[-1], rel_tol=1e-9)


@pytest.mark.parametrize("name", BANDITS)
def test_the_prior_is_that_of_the_bandit(name):
    p = np.asarray(jax.vmap(BANDITS[name].draw_task)(jax.random.split(jax.random.key(0), 20_000)))
    prior = PRIORS[name]
    np.testing.assert_allclose(p.max(1).mean(), prior.best, atol=0.01)
    for counts in [(0, 0, 0, 0), (1, 0, 0, 0), (0, 0, 0, 2), (2, 1, 1, 0)]:
        s_1, f_1, s_2, f_2 = counts
        weight = p[:, 0] ** s_1 * (1 - p[:, 0]) ** f_1 * p[:, 1] ** s_2 * (1 - p[:, 1]) ** f_2
        posterior = np.average(p, axis=0, weights=weight)
        np.testing.assert_allclose(posterior, prior.mean(*map(float, counts)), atol=0.015)


def of_histories(t):
    """Which entries of an array over the counts after t pulls stand for a history."""
    return np.indices((t + 1,) * 3).sum(0) <= t


@pytest.mark.parametrize("name", BANDITS)
def test_neither_arm_is_favoured(name):
    for t, arm in enumerate(solve(PRIORS[name], 12)[1]):
        s_1, f_1, s_2 = np.nonzero(of_histories(t))
        f_2 = t - s_1 - f_1 - s_2
        np.testing.assert_array_equal(arm[s_1, f_1, s_2], -arm[s_2, f_2, s_1])
        assert t > 0 or arm.item() == 0


@pytest.mark.parametrize("name", ["uniform", "easy", "medium", "hard"])
def test_greed_is_optimal_where_either_arm_tells_as_much(name):
    for t, arm in enumerate(solve(PRIORS[name], 30)[1]):
        m_1, m_2 = np.broadcast_arrays(*means(PRIORS[name], t))
        greedy = np.where(np.isclose(m_1, m_2), 0, np.sign(m_1 - m_2))
        np.testing.assert_array_equal(arm[of_histories(t)], greedy[of_histories(t)])


def test_greed_is_not_optimal_with_independent_arms():
    _, policy = solve(PRIORS["independent"], 10)
    # One payout and one miss of arm 1 leave the means equal; arm 2, never pulled, has more to tell.
    assert policy[2][1, 1, 0] == -1


def test_the_learner_pulls_by_the_table():
    _, policy = solve(PRIORS["independent"], 9)
    learner = bayes_optimal("independent", 9).learner
    for seed in range(6):
        history = random_history(seed, 2, 2 + seed)
        s_1, f_1, s_2 = (history.count(c) for c in [(0, 1.0), (0, 0.0), (1, 1.0)])
        arm = policy[len(history)][s_1, f_1, s_2]
        logits, _ = tell_history(learner, 2, history)
        assert (np.asarray(logits) == 0).tolist() == [arm >= 0, arm <= 0]


def test_the_learner_spreads_its_choice_over_equally_good_arms():
    learner = bayes_optimal("independent", 9).learner
    for history in [[], [(0, 1.0), (1, 1.0)], [(1, 0.0), (0, 0.0), (0, 1.0), (1, 1.0)]]:
        logits, _ = tell_history(learner, 2, history)
        np.testing.assert_array_equal(logits, [0, 0])


def test_the_learner_has_no_answer_after_its_horizon():
    learner = bayes_optimal("easy", 3).learner
    theta = learner.init_theta(jax.random.key(0), Sizes(1, 2))
    logits = live(learner, BANDITS["easy"], 500, theta, jax.random.key(0)).logits
    assert np.all(np.isfinite(logits[:3])) and np.all(np.isnan(logits[3:]))


def test_bad_input_fails_at_the_door():
    with pytest.raises(ValueError, match="no bandit 'simple': choose one of independent, uniform"):
        bayes_optimal("simple")
    for pulls in [0, -1, 2.5, MOST_PULLS + 1]:
        with pytest.raises(ValueError, match=f"pulls={pulls} .* at most {MOST_PULLS}"):
            bayes_optimal("easy", pulls)
    learner = bayes_optimal("easy", 2).learner
    with pytest.raises(ValueError, match="for two arms, not 3"):
        learner.init_theta(jax.random.key(0), Sizes(1, 3))
    with pytest.raises(ValueError, match="for two arms, not 3"):
        learner.init_state({}, jax.random.key(0), Sizes(1, 3))
