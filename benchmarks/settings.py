"""What is timed: the worlds, and how much of them."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh

from symla_lite import devices
from symla_lite.environments import BANDITS, cartpole, dense_grid, hearts, projected, standardised
from symla_lite.environments.environment import Environment
from symla_lite.evolution import ES
from symla_lite.learner import Learner
from symla_lite.meta_training import Outer, chunk_size, outer_step
from symla_lite.symla import symla


class Contender(NamedTuple):
    """A program that meta-trains."""

    start: Callable[[jax.Array], Any]
    """`(key) -> state`: theta and whatever else it carries from step to step."""
    step: Callable[[Any, jax.Array], Any]
    """`(state, key) -> state`: one outer step."""
    options: dict = {}
    """What the compiler is told."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """One outer step to be timed."""

    environment: Environment
    population: int
    """Members, two to a pair."""
    lifetimes: int
    """Of each member."""
    length: int
    """L."""
    hidden: int = 16
    """N."""
    ticks: int = 2
    memory: float = 1.0
    """GiB for the pairs that are evaluated at the same time."""

    @property
    def all_lifetimes(self) -> int:
        """Lifetimes in one outer step."""
        return self.population * self.lifetimes

    @property
    def steps(self) -> int:
        """Environment steps in one outer step."""
        return self.all_lifetimes * self.length

    @property
    def cells(self) -> int:
        """A · B."""
        A, B = self.environment.sizes
        return A * B

    @property
    def outer(self) -> Outer:
        """The outer loop."""
        es = ES(self.population, sigma=0.05)
        return Outer(es, 0.02, steps=1, length=self.length, lifetimes=self.lifetimes)


BALANCE = cartpole("balance")
SETTINGS = {
    "bandit, N = 16": Setting(BANDITS["easy"], population=128, lifetimes=16, length=100),
    "bandit, N = 64": Setting(BANDITS["easy"], population=128, lifetimes=8, length=50, hidden=64),
    "CartPole": Setting(BALANCE, population=128, lifetimes=4, length=250),
    "hearts 3×3": Setting(standardised(hearts(3, 10)), population=64, lifetimes=2, length=50),
    "hearts 5×5": Setting(standardised(hearts(5, 20)), population=32, lifetimes=2, length=50),
    "projected grid": Setting(projected(dense_grid(3)), population=128, lifetimes=2, length=50),
}
"""The studies' worlds, each with an outer step of about half a second on two cores."""


USUAL = {"xla_backend_optimization_level": 3, "xla_cpu_use_fusion_emitters": True}
"""XLA's own values of the flags that `machine.compile_quickly` sets for this package's programs."""


def as_xla_comes() -> dict[str, Any]:
    """Options of the compiler for the methods of others, which come with no wish to compile
    quickly: XLA's own, where this process has others."""
    flags = os.environ.get("XLA_FLAGS", "")
    return {name: value for name, value in USUAL.items() if f"--{name}=" in flags}


def at_papers_size(setting: Setting, memory: float) -> Setting:
    """The same world with the paper's population, lifetimes and their length."""
    bandit = setting.environment.name in BANDITS
    return dataclasses.replace(
        setting,
        population=1024,
        lifetimes=100 if bandit else 10,
        length=100 if bandit else 500,
        memory=memory,
    )


def ours(
    setting: Setting,
    learner: Learner | None = None,
    mesh: Mesh | None = None,
    chunk: int | None = None,
) -> Contender:
    """This package's outer step, as `meta_train` takes it; for the ladder, with another learner or
    another number of pairs at a time."""
    learner = symla(hidden=setting.hidden) if learner is None else learner
    environment, outer = setting.environment, setting.outer
    like = learner.init_theta(jax.random.key(0), environment.sizes)
    _, unravel = ravel_pytree(like)
    chunk = chunk or chunk_size(learner, environment, outer, setting.memory)
    one_step = outer_step(learner, environment, outer, unravel, chunk, mesh)

    def start(key):
        theta, _ = ravel_pytree(learner.init_theta(key, environment.sizes))
        state = theta, optax.adam(outer.learning_rate).init(theta)
        return state if mesh is None else devices.to_all(state, mesh)

    def step(state, key):
        theta, optimiser, _ = one_step(*state, key)
        return theta, optimiser

    return Contender(start, step, devices.compiler_options())
