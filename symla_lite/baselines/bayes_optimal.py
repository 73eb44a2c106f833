"""The best that any learner can do on a two-armed bandit: an exact dynamic programme.

Meta-training on a distribution of bandits searches for the policy that earns most over a lifetime,
on average over the distribution. With two arms and 0/1 payouts that policy can be computed. All
that matters of a history are four counts: s_i payouts and f_i misses of arm i. They number few
enough to go through all of them, backwards from the last pull (Bellman 1956, "A
Problem in the Sequential Design of Experiments", Sankhya 16):

    Q_t(c, i) = m_i(c) (1 + V_{t+1}(c, arm i paid)) + (1 - m_i(c)) V_{t+1}(c, arm i missed),
    V_t(c)    = max_i Q_t(c, i),    V_T = 0.

The belief enters only through m_i(c) = E[p_i | c], the mean payout of arm i given the counts, so
that is all in which the five distributions of `environments.bandits` differ here.

Arrays over the counts after t pulls have the axes [s_1, f_1, s_2], each of length t + 1, and f_2 is
the rest, t - s_1 - f_1 - s_2. Entries for which that rest is negative stand for no history: they
are computed along with the others and never reached.
"""

from collections.abc import Callable
from typing import Annotated, NamedTuple

import jax.numpy as jnp
import numpy as np
from scipy.special import expit, logit

from symla_lite.baselines.counts import NEVER, count_pull, no_counts
from symla_lite.checks import Range, Share
from symla_lite.environments.bandits import EITHER
from symla_lite.learner import Learner, Sizes

MOST_PULLS = 200
"""Time and memory grow as the fourth power of the horizon; 200 pulls take 40 s and 1.2 GB."""

TIE = 1e-9
"""Arms whose values differ by less than this count as equally good. Rounding errors in values stay
below 1e-12, and choosing wrongly among such arms costs at most this much a pull."""

# What a pull does to the counts, as slices of an array of t + 2 along each axis at t + 1 pulls that
# are seen from an array of t + 1 at t pulls. A miss of arm 2 moves no axis: it is in the rest f_2.
PAID_1, MISSED_1 = np.s_[1:, :-1, :-1], np.s_[:-1, 1:, :-1]
PAID_2, MISSED_2 = np.s_[:-1, :-1, 1:], np.s_[:-1, :-1, :-1]

Pulls = Annotated[int, Range(least=1, most=MOST_PULLS)]
"""A horizon that the exact solution can have."""

Mean = Callable[..., tuple[np.ndarray, np.ndarray]]


class Prior(NamedTuple):
    """A distribution over the payout probabilities p of two arms, as far as the DP has to know."""

    best: float
    """E[max_i p_i], what one pull of the better arm pays on average."""
    mean: Mean
    """`(s_1, f_1, s_2, f_2) -> (m_1, m_2)`: E[p_i | counts], arrays that broadcast together."""


class BayesOptimal(NamedTuple):
    """The optimal policy for one distribution and one horizon."""

    regret: np.ndarray
    """Its exact expected cumulative regret after each pull, [pulls], in units of payouts."""
    learner: Learner
    """The policy as a learner of `pulls` steps with two actions; its theta is the table."""


def independent_prior() -> Prior:
    """p_1 and p_2 independent and uniform on [0, 1]: two Beta posteriors."""

    def mean(s_1, f_1, s_2, f_2):
        return (s_1 + 1) / (s_1 + f_1 + 2), (s_2 + 1) / (s_2 + f_2 + 2)

    return Prior(best=2 / 3, mean=mean)


def uniform_prior() -> Prior:
    """p_1 uniform on [0, 1] and p_2 = 1 - p_1: a miss of arm 2 is as good as a payout of arm 1."""

    def mean(s_1, f_1, s_2, f_2):
        m_1 = (s_1 + f_2 + 1) / (s_1 + f_1 + s_2 + f_2 + 2)
        return m_1, 1 - m_1

    return Prior(best=3 / 4, mean=mean)


def either_prior(p: Share) -> Prior:
    """p_1 is p or 1 - p with equal probability and p_2 = 1 - p_1; 0 < p < 1."""

    def mean(s_1, f_1, s_2, f_2):
        # Each piece of evidence multiplies the odds of p_1 = p against p_1 = 1 - p by p / (1 - p)
        # or its inverse. In logarithms, since the odds themselves overflow.
        is_p = expit(((s_1 + f_2) - (f_1 + s_2)) * logit(p))
        m_1 = is_p * p + (1 - is_p) * (1 - p)
        return m_1, 1 - m_1

    return Prior(best=max(p, 1 - p), mean=mean)


PRIORS: dict[str, Prior] = {
    "independent": independent_prior(),
    "uniform": uniform_prior(),
    **{name: either_prior(p) for name, p in EITHER.items()},
}
"""The priors of `environments.bandits.BANDITS`, by the same names."""


def means(
    prior: Prior, t: Annotated[int, Range(least=0, most=MOST_PULLS)]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean payouts (m_1, m_2) for all counts after t pulls, broadcasting to [t+1, t+1, t+1]."""
    s_1, f_1, s_2 = np.ogrid[: t + 1, : t + 1, : t + 1]
    f_2 = np.maximum(t - s_1 - f_1 - s_2, 0)  # keeps the entries that stand for no history finite
    return prior.mean(s_1, f_1, s_2, f_2)


def solve(prior: Prior, pulls: Pulls) -> tuple[float, list[np.ndarray]]:
    """Backward induction: the optimal policy and what it earns.

    Args:
        prior: the distribution of tasks.
        pulls: T, the length of a lifetime.

    Returns:
        Expected payouts over the lifetime, and for each t < T the arm to pull, int8
        [t+1, t+1, t+1]: 1 for the first arm, -1 for the second, 0 where both are equally good.
    """
    value = np.zeros((pulls + 1,) * 3)
    policy = []
    for t in reversed(range(pulls)):
        m_1, m_2 = means(prior, t)
        q_1 = m_1 * (1 + value[PAID_1]) + (1 - m_1) * value[MISSED_1]
        q_2 = m_2 * (1 + value[PAID_2]) + (1 - m_2) * value[MISSED_2]
        value = np.maximum(q_1, q_2)
        policy.append((q_1 > q_2 + TIE).astype(np.int8) - (q_2 > q_1 + TIE).astype(np.int8))
    return value.item(), policy[::-1]


def regret_of(prior: Prior, policy: list[np.ndarray]) -> np.ndarray:
    """Expected cumulative regret of a policy, by following all histories forwards.

    Args:
        prior: the distribution of tasks.
        policy: T arrays as `solve` returns them; at a 0 either arm is pulled with probability 1/2.

    Returns:
        sum over the pulls so far of E[max_i p_i - p_a], [T].
    """
    paid = np.zeros(len(policy))
    reached = np.ones((1, 1, 1))  # the probability of each of the counts after t pulls
    for t, arm in enumerate(policy):
        m_1, m_2 = means(prior, t)
        pull_1 = reached * (1 + arm) / 2
        pull_2 = reached - pull_1
        paid[t] = np.sum(pull_1 * m_1) + np.sum(pull_2 * m_2)
        reached = np.zeros((t + 2,) * 3)
        reached[PAID_1] += pull_1 * m_1
        reached[MISSED_1] += pull_1 * (1 - m_1)
        reached[PAID_2] += pull_2 * m_2
        reached[MISSED_2] += pull_2 * (1 - m_2)
    return np.cumsum(prior.best - paid)


def follow(name: str, policy: list[np.ndarray]) -> Learner:
    """The learner that looks each pull up in the table `policy` (T arrays, see `solve`).

    Its theta is the table, flattened to int8 [(T (T + 1) / 2)^2]: here it comes from the prior,
    where a black-box learner's comes from meta-training. Its state is `Counts`. Where both arms are
    equally good, both logits are 0. After T pulls the table ends, and the logits are NaN.
    """
    table = np.concatenate([arm.ravel() for arm in policy])

    def two_arms(sizes: Sizes) -> None:
        if sizes.action != 2:
            raise ValueError(
                f"The Bayes-optimal policy is for two arms, not {sizes.action}: "
                "use thompson() or ucb() with other numbers of arms."
            )

    def init_theta(key, sizes):
        del key
        two_arms(sizes)
        return jnp.asarray(table)

    def init_state(theta, key, sizes):
        del theta, key
        two_arms(sizes)
        return no_counts(sizes)

    def step(theta, h, x):
        h = count_pull(h, x)
        (s_1, s_2), (f_1, f_2) = h.paid.astype(jnp.int32), h.missed.astype(jnp.int32)
        t = s_1 + f_1 + s_2 + f_2
        before = (t * (t + 1) // 2) ** 2  # 1^3 + ... + t^3, the entries for fewer pulls
        arm = theta.at[before + (s_1 * (t + 1) + f_1) * (t + 1) + s_2].get(mode="clip")
        logits = jnp.where(jnp.stack([arm >= 0, arm <= 0]), 0.0, NEVER)
        pulls = jnp.sum(h.paid + h.missed)  # NaN after an answer that was NaN
        return jnp.where(pulls < len(policy), logits, jnp.nan), h

    options = {"bandit": name, "pulls": len(policy)}
    return Learner("bayes-optimal", options, init_theta, init_state, step)


def bayes_optimal(name: str, pulls: Pulls = 100) -> BayesOptimal:
    """The Bayes-optimal policy for a distribution of two-armed bandits and its exact regret.

    Args:
        name: one of `environments.bandits.BANDITS`.
        pulls: the horizon T, the number of pulls in a lifetime, from 1 to `MOST_PULLS`.

    Returns:
        The regret curve [pulls] and the policy as a learner. 100 pulls take a few seconds.

    Raises:
        ValueError: an unknown name or a horizon out of range.
    """
    if name not in PRIORS:
        raise ValueError(f"There is no bandit {name!r}: choose one of {', '.join(PRIORS)}.")
    _, policy = solve(PRIORS[name], pulls)
    return BayesOptimal(regret_of(PRIORS[name], policy), follow(name, policy))
