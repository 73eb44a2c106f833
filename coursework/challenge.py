"""Assignment 5's task: meta-train a small SymLA on one bandit, and see what it does on others.

It is trained on two arms of which the first is never the worse one. It is scored where the arms are
swapped, and on other numbers of arms, each of which pays with a probability of its own.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from symla_lite.environments.bandits import biased, expected_regret, independent_arms
from symla_lite.lifetime import live
from symla_lite.symla import symla

AGENT = symla(hidden=8, message=4, ticks=1)
BANDIT = biased()
PULLS = 100
LIFETIMES = 4
"""Lifetimes of a member whose fitness is asked for."""
BLOCK = 16
"""Members that are evaluated at once: one shape to compile, and small enough for a cache."""


def initial(seed):
    """Fresh meta-parameters as one vector [D], and the function that makes their tree of it."""
    return ravel_pytree(AGENT.init_theta(jax.random.key(seed), BANDIT.sizes))


def theta_0(seed: int) -> np.ndarray:
    """Meta-parameters before meta-training, [D]."""
    return np.asarray(initial(seed)[0], float)


def lifetime(theta, environment, key):
    """One lifetime with meta-parameters `theta` [D], in a task of its own."""
    return live(AGENT, environment, PULLS, initial(0)[1](theta), key)


@jax.jit
def earned(members, seeds):
    """`fitness`, compiled."""

    def one(theta, seed):
        keys = jax.random.split(jax.random.key(seed), LIFETIMES)
        return jax.vmap(lambda key: lifetime(theta, BANDIT, key).reward.sum())(keys).mean()

    return jax.vmap(one)(members, seeds)


def fitness(members: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """What each member earns in its lifetimes.

    Args:
        members: meta-parameters, [n, D].
        seeds: a whole number for each member, [n]: two members with the same seed meet the same
            tasks, and the same random numbers in them.

    Returns:
        Mean payout of a lifetime, [n], at most 100.

    Raises:
        ValueError: other shapes.
    """
    members, seeds = np.asarray(members, np.float32), np.asarray(seeds)
    if members.ndim != 2 or seeds.shape != members.shape[:1]:
        raise ValueError(
            f"members has shape {members.shape} and seeds {seeds.shape}: give [n, D] and [n]."
        )
    size = -len(members) % BLOCK
    members = np.concatenate([members, np.zeros((size, members.shape[1]), np.float32)])
    seeds = np.concatenate([seeds, np.zeros(size, seeds.dtype)])
    seeds = (seeds % 2**31).astype(np.int32)
    starts = range(0, len(members), BLOCK)
    blocks = [earned(members[n : n + BLOCK], seeds[n : n + BLOCK]) for n in starts]
    return np.concatenate([np.zeros(0), *blocks])[: len(members) - size].astype(float)


@functools.lru_cache
def world(name: str):
    """The trained bandit, the swapped one, or so many arms: "trained", "swapped", "3", ..."""
    if name in ("trained", "swapped"):
        return biased(swapped=name == "swapped")
    return independent_arms(int(name))


@functools.partial(jax.jit, static_argnums=(2, 3))
def regrets(theta, seed, lifetimes, name):
    """Mean regret of lifetimes in a world, of this agent and of one that pulls at random, [2]."""

    def one(key):
        lived = lifetime(theta, world(name), key)
        regret = expected_regret(lived.task, lived.action)[-1]
        return jnp.stack([regret, PULLS * (lived.task.max() - lived.task.mean())])

    return jax.vmap(one)(jax.random.split(jax.random.key(seed), lifetimes)).mean(axis=0)


def scores(
    theta: np.ndarray, worlds: Sequence[str], seed: int = 0, lifetimes: int = 500
) -> dict[str, float]:
    """The share of a random player's regret that is left, in each world: 1 is no better than random
    pulls, 0 is always the best arm.

    Args:
        theta: meta-parameters, [D].
        worlds: "trained", "swapped", or numbers of arms as text.
        seed: of the lifetimes.
        lifetimes: how many in each world.
    """
    found = {}
    for name in worlds:
        regret, random = regrets(np.asarray(theta, np.float32), seed, lifetimes, name)
        found[name] = float(regret / random)
    return found


def score(shares: dict[str, float]) -> float:
    """One number of the shares in several worlds: half the worst and half the mean."""
    return 0.5 * max(shares.values()) + 0.5 * sum(shares.values()) / len(shares)
