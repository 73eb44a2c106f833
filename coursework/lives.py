"""Assignment 5's task: what meta-parameters earn on the easy bandit.

The agent is a small SymLA. One arm pays with probability 0.9, the other with 0.1, and nobody says
which. A life is 100 pulls; the fitness of a member is its mean payout over four lives.
"""

import functools

import jax
import numpy as np
from jax.flatten_util import ravel_pytree

from symla_lite.environments.bandits import BANDITS, expected_regret
from symla_lite.lifetime import live
from symla_lite.symla import symla

AGENT = symla(hidden=8, message=4, ticks=1)
BANDIT = BANDITS["easy"]
PULLS = 100
LIVES = 4


def drawn(seed):
    """Fresh meta-parameters as one vector [D], and the function that makes their tree of it."""
    return ravel_pytree(AGENT.init_theta(jax.random.key(seed), BANDIT.sizes))


def theta_0(seed: int) -> np.ndarray:
    """Meta-parameters before meta-training, [D]."""
    return np.asarray(drawn(seed)[0], float)


def lifetime(phi, key):
    """One life with meta-parameters `phi` [D], in a task of its own."""
    return live(AGENT, BANDIT, PULLS, drawn(0)[1](phi), key)


@jax.jit
def earned(members, lucks):
    """`fitness`, compiled."""

    def one(phi, luck):
        keys = jax.random.split(jax.random.key(luck), LIVES)
        return jax.vmap(lambda key: lifetime(phi, key).reward.sum())(keys).mean()

    return jax.vmap(one)(members, lucks)


def fitness(members: np.ndarray, lucks: np.ndarray) -> np.ndarray:
    """What each member earns in its lives.

    Args:
        members: meta-parameters, [n, D].
        lucks: a whole number for each member, [n]: two members with the same luck meet the same
            tasks and the same chance in them.

    Returns:
        Mean payout of a life, [n], at most 100.
    """
    members, lucks = np.asarray(members, np.float32), np.asarray(lucks)
    if members.ndim != 2 or lucks.shape != members.shape[:1]:
        raise ValueError(
            f"members has shape {members.shape} and lucks {lucks.shape}: give [n, D] and [n]."
        )
    return np.asarray(earned(members, (lucks % 2**31).astype(np.int32)), float)


@functools.partial(jax.jit, static_argnums=2)
def regrets(theta, seed, lifetimes):
    """The expected regret of each of so many lives, [lifetimes]."""

    def one(key):
        lived = lifetime(theta, key)
        return expected_regret(lived.task, lived.action)[-1]

    return jax.vmap(one)(jax.random.split(jax.random.key(seed), lifetimes))


def regret(theta: np.ndarray, seed: int = 0, lifetimes: int = 1000) -> float:
    """Expected regret of a life with these meta-parameters, a mean over fresh lifetimes."""
    return float(np.mean(regrets(np.asarray(theta, np.float32), seed, lifetimes)))
