"""An index that explores less and less as the end comes near: a strong rule for short bandits.

An arm's index is what it is believed to pay plus a bonus for what is not known about it. Kaufmann,
Cappé & Garivier (2012), "On Bayesian Upper Confidence Bounds for Bandit Problems", AISTATS, take
the belief's quantile at a level that rises with the time. With few pulls to come, knowledge is
worth less, not more: here the bonus falls to zero with the pulls that are left, as in indices for a
known horizon (Lattimore 2016, "Regret Analysis of the Finite-Horizon Gittins Index Strategy for
Multi-Armed Bandits", COLT). The formula itself is made by hand, and has no constant to tune.
"""

import jax.numpy as jnp

from symla_lite.baselines.counts import choose, count_pull, no_counts
from symla_lite.checks import Count
from symla_lite.learner import Learner


def index_policy(pulls: Count = 100) -> Learner:
    """Always an arm with the largest

        mean_i + std_i (1 - t / T),

    where mean_i and std_i are those of the belief p_i ~ Beta(1 + paid_i, 1 + missed_i), t is the
    number of pulls so far, and T that of the lifetime. Rewards must be 0 or 1; observations are
    ignored.

    Args:
        pulls: T. After T pulls it is greedy.

    Returns:
        A learner without meta-parameters, for any number of arms, whose state is `Counts`. The
        logits [B] spread the choice evenly over all arms that tie for the largest index.

    Raises:
        ValueError: `pulls` is no whole number of 1 or more.
    """

    def init_theta(key, sizes):
        del key, sizes
        return {}

    def init_state(theta, key, sizes):
        del theta, key
        return no_counts(sizes)

    def step(theta, h, x):
        del theta
        h = count_pull(h, x)
        alpha, beta = 1 + h.paid, 1 + h.missed
        n = alpha + beta
        std = jnp.sqrt(alpha * beta / (n + 1)) / n
        left = jnp.maximum(0.0, 1 - jnp.sum(n - 2) / pulls)
        index = alpha / n + left * std
        return choose(index == jnp.max(index)), h

    return Learner("index", {"pulls": pulls}, init_theta, init_state, step)
