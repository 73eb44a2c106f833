"""UCB1: pull the arm that could be the best one, given how little is known about it.

Auer, Cesa-Bianchi & Fischer (2002), "Finite-time Analysis of the Multiarmed Bandit Problem",
Machine Learning 47, Figure 1.
"""

import jax.numpy as jnp

from symla_lite.baselines.counts import choose, count_pull, no_counts
from symla_lite.learner import Learner


def ucb() -> Learner:
    """UCB1: each arm once, then always an arm with the largest

        paid_i / n_i + sqrt(2 ln t / n_i),

    n_i pulls of arm i out of t pulls so far. It knows no prior, only that rewards lie in [0, 1];
    observations are ignored.

    Returns:
        A learner without meta-parameters, for any number of arms, whose state is `Counts`. The
        logits [B] spread the choice evenly over all arms that tie for the largest index (and over
        all arms not pulled yet), so that permuting the arms permutes the choice.
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
        n = h.paid + h.missed
        t = jnp.maximum(jnp.sum(n), 1)
        once = jnp.maximum(n, 1)  # no 0/0 where an arm has not been pulled: its index is set below
        index = jnp.where(n == 0, jnp.inf, h.paid / once + jnp.sqrt(2 * jnp.log(t) / once))
        return choose(index == jnp.max(index)), h

    return Learner("ucb1", {}, init_theta, init_state, step)
