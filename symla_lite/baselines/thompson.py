"""Thompson sampling: pull an arm as often as it is believed to be the best one.

Thompson (1933), "On the likelihood that one unknown probability exceeds another in view of the
evidence of two samples", Biometrika 25; for Bernoulli arms, Agrawal & Goyal (2012), Algorithm 1,
https://arxiv.org/abs/1111.1797.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from symla_lite.baselines.counts import Counts, choose, count_pull, no_counts
from symla_lite.learner import Learner


class ThompsonState(NamedTuple):
    """The state h of Thompson sampling."""

    counts: Counts
    """The belief: arm i pays with probability p_i ~ Beta(1 + paid_i, 1 + missed_i)."""
    key: jax.Array
    """Source of the draws from the belief."""


def thompson() -> Learner:
    """Thompson sampling with a uniform prior, p_i ~ Beta(1, 1), on each of B independent arms.

    At every step it draws one p from its belief and pulls that p's best arm. Rewards must be 0 or
    1; observations are ignored.

    Returns:
        A learner without meta-parameters, for any number of arms. The logits [B] put all mass on
        the arm it has drawn. Two equal draws have probability zero, so no arm is favoured.
    """

    def init_theta(key, sizes):
        del key, sizes
        return {}

    def init_state(theta, key, sizes):
        del theta
        return ThompsonState(counts=no_counts(sizes), key=key)

    def step(theta, h, x):
        del theta
        counts = count_pull(h.counts, x)
        key, key_draw = jax.random.split(h.key)
        p = jax.random.beta(key_draw, 1 + counts.paid, 1 + counts.missed)
        return choose(jnp.arange(p.size) == jnp.argmax(p)), ThompsonState(counts, key)

    return Learner("thompson", {}, init_theta, init_state, step)
