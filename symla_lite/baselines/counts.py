"""What a bandit algorithm remembers, how it learns of a payout, and how it names its choice."""

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from symla_lite.learner import Input, Sizes

NEVER = -1e9
"""Logit of an arm that is not chosen: its softmax is exactly 0, and unlike -inf it stays finite in
a product with 0 (an entropy, a log-likelihood)."""


class Counts(NamedTuple):
    """How often each arm has paid and missed: all that matters of a history of 0/1 payouts."""

    paid: Annotated[jax.Array, "B"]
    """Pulls that paid 1, [B]."""
    missed: Annotated[jax.Array, "B"]
    """Pulls that paid 0, [B]."""


def no_counts(sizes: Sizes) -> Counts:
    """Counts before the first pull, zeros [B] and [B]."""
    return Counts(paid=jnp.zeros(sizes.action), missed=jnp.zeros(sizes.action))


def count_pull(counts: Counts, x: Input) -> Counts:
    """Counts after the pull that `x` reports.

    Args:
        counts: [B] and [B], before it.
        x: the arm pulled at the step before, `x.a` [B], and its payout `x.r` [], 0 or 1. At the
            first step `x.a` is all zeros, so nothing is counted.

    Returns:
        Counts after it.
    """
    return Counts(paid=counts.paid + x.a * x.r, missed=counts.missed + x.a * (1 - x.r))


def choose(chosen: Annotated[jax.Array, "B"]) -> jax.Array:
    """Logits [B] that spread the choice evenly over the arms marked in `chosen`, bool [B]."""
    return jnp.where(chosen, 0.0, NEVER)
