"""A learner as an agent that anybody can put into their own loop.

Everything before this module runs a learner and an environment together, inside one compiled loop.
An `Agent` is the learner alone: it holds the state h, is given what the environment says, and
answers with an action, one step at a time::

    agent = Agent.load("one-rule")
    agent.reset(Sizes(observation=4, action=2), seed=0)    # a new lifetime: everything is forgotten
    action = agent.act(observation)
    ...
    action = agent.act(observation, reward, end)           # what that action led to

It does not learn by gradients, and nothing has to be tuned: whatever it learns, it learns in h, as
its theta has it. `play` runs it in any environment of gymnasium.
"""

import dataclasses
import difflib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from symla_lite import studies
from symla_lite.baselines import actor_critic, random_policy, win_stay
from symla_lite.checks import Key, Name, Seed, Tree
from symla_lite.controls import without_reward
from symla_lite.learner import Input, Learner, Sizes, State, Theta
from symla_lite.studies import Study, Training, records, results
from symla_lite.studies.run import record_path

ALIASES: dict[str, str] = {
    "one-rule": "tasks/night/symla-hearts_2-0",
    "bandits": "bandits/standard/symla-uniform-0",
    "linear-bandits": "tasks/standard/symla-linear_4-0",
    "cartpole": "observation_spaces/standard/symla-cartpole-0",
}
"""Short names of records. "one-rule" is the most general theta on record, whichever that is."""

REFERENCES: dict[str, Callable[[], Learner]] = {
    "random": random_policy,
    "win-stay": win_stay,
    "actor-critic": actor_critic,
}
"""Agents that need no record."""

FARTHEST = 5.0
"""Standard deviations beyond which a standardised observation is cut off."""


class Record(NamedTuple):
    """Where a recorded theta comes from."""

    study: Study
    scale: str
    training: Training
    seed: Seed

    @property
    def path(self) -> Path:
        """Its file among the records that come with the package."""
        *where, seed = self.study, self.scale, self.training.name, self.seed
        return record_path(results.recorded(), *where, seed)


@functools.cache
def recorded() -> dict[str, Record]:
    """All recorded thetas, by the name of their file in `data/`: STUDY/SCALE/TRAINING-SEED."""
    found = (
        Record(study, scale, training, seed)
        for study in studies.STUDIES.values()
        for scale, sized in study.scales.items()
        for training in sized.trainings
        for seed in sized.seeds
    )
    return {
        f"{record.study.name}/{record.scale}/{record.training.name}-{record.seed}": record
        for record in found
        if record.path.exists()
    }


def names() -> list[str]:
    """All names that `Agent.load` knows, the short ones first."""
    return [*ALIASES, *REFERENCES, *recorded()]


def record(name: Name) -> Record:
    """The record that a name stands for, a short one or that of a file.

    Raises:
        ValueError: no record has that name.
    """
    known = recorded()
    full = ALIASES.get(name, name)
    if full not in known:
        near = difflib.get_close_matches(name, names(), n=3, cutoff=0.4)
        short = ", ".join([*ALIASES, *REFERENCES, *near])
        raise ValueError(
            f"There is no agent {name!r}: take {short}, or another of the {len(names())} that "
            "symla_lite.agent.names() lists."
        )
    return known[full]


# What comes in.


class Running(NamedTuple):
    """Mean and variance of all that came so far, without keeping any of it: Welford (1962), "Note on
    a method for calculating corrected sums of squares and products", Technometrics 4."""

    n: jax.Array
    """How many came, []."""
    mean: jax.Array
    """[...]."""
    squares: jax.Array
    """The sum of squared deviations from the mean, [...]."""

    @property
    def variance(self) -> jax.Array:
        """Of what came, not of what it was drawn from: the sum is divided by n, [...]."""
        return self.squares / jnp.maximum(self.n, 1)


def nothing_yet(like: Annotated[jax.Array, "..."]) -> Running:
    """Before anything came of this shape [...]."""
    return Running(jnp.zeros(()), jnp.zeros_like(like), jnp.zeros_like(like))


def and_then(before: Running, x: jax.Array) -> Running:
    """What is known after x [...] came, too."""
    n = before.n + 1
    deviation = x - before.mean
    mean = before.mean + deviation / n
    return Running(n, mean, before.squares + deviation * (x - mean))


def standardised(known: Running, x: jax.Array) -> jax.Array:
    """x [...] with the mean and variance of what came so far brought to 0 and 1, and cut off at
    ±`FARTHEST`. An entry that never changed is 0."""
    spread = jnp.sqrt(known.variance)
    z = jnp.where(spread > 0, (x - known.mean) / jnp.where(spread > 0, spread, 1.0), 0.0)
    return jnp.clip(z, -FARTHEST, FARTHEST)


class Memory(NamedTuple):
    """All that changes in an agent's lifetime."""

    h: State
    """The learner's state."""
    a: jax.Array
    """The last action, one-hot, [B]; zeros before the first."""
    end: jax.Array
    """1.0 where the last observation was a terminal one, []. The reward beside the next one is
    none."""
    seen: Running
    """Of the observations, [A]."""
    paid: Running
    """Of the rewards, []."""
    key: Key
    """Of the actions to come."""


# Compiled once for each learner and each pair of sizes.
@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _act(
    learner: Learner, standardise: bool, scale_rewards: bool, theta: Theta, memory: Memory, o, r, end
) -> tuple[jax.Array, jax.Array, Memory]:
    """Action [], logits [B] and what is remembered after one step."""
    seen = and_then(memory.seen, o)
    o = standardised(seen, o) if standardise else o
    acted = (memory.end == 0) & jnp.any(memory.a > 0)
    r = jnp.where(acted, r, 0.0)
    paid = jax.tree.map(
        lambda new, old: jnp.where(acted, new, old), and_then(memory.paid, r), memory.paid
    )
    if scale_rewards:
        size = jnp.sqrt(paid.mean**2 + paid.variance)  # the root of the mean square
        r = jnp.where(size > 0, r / jnp.where(size > 0, size, 1.0), 0.0)
    logits, h = learner.step(theta, memory.h, Input(o, r, memory.a, end))
    key, key_action = jax.random.split(memory.key)
    action = jax.random.categorical(key_action, logits)
    a = jax.nn.one_hot(action, logits.size)
    return action, logits, Memory(h, a, end, seen, paid, key)


@dataclasses.dataclass(eq=False)
class Agent:
    """A learner that acts step by step, in whatever loop it is put.

    Observations can be standardised while they come in, each entry by the mean and the variance of
    all that came so far in this lifetime, the present one among them (`standardised`). So the first
    observation is all zeros. A theta that was meta-trained on inputs of order one needs that where
    an environment's are not; an agent whose inputs are of order one already, or which has to know
    them as they are from the first step on, does better without.

    Rewards can be divided by the root of the mean of their squares so far: zero stays zero, and no
    sign changes.

    Raises:
        ValueError: an argument that does not suit.
    """

    learner: Learner
    theta: Tree | None = None
    """Its meta-parameters. None, for learners that need no meta-training, takes those that the
    learner begins with."""
    standardise: bool = True
    """Whether observations are standardised."""
    scale_rewards: bool = False
    """Whether rewards are scaled."""

    def __post_init__(self):
        self.memory: Memory | None = None
        self.logits: np.ndarray | None = None
        """Of the last step, [B]."""

    @classmethod
    def load(cls, name: str, **options: bool) -> "Agent":
        """An agent by its name: a short one (`ALIASES`), a reference (`REFERENCES`) or that of any
        record; `names` lists them all.

        Args:
            name: of the agent.
            options: `standardise` and `scale_rewards`.

        Raises:
            ValueError: there is none of that name.
            FileTrouble: its record is damaged.
        """
        if name in REFERENCES:
            return cls(REFERENCES[name](), **options)
        found = record(name)
        theta = records.theta_of(records.read(found.path)[0], found.training)
        return cls(found.training.learner, theta, **options)

    def without_reward(self) -> "Agent":
        """The same agent with its reward input held at zero. What it earns it has not learned from
        reward (`controls`)."""
        return dataclasses.replace(self, learner=without_reward(self.learner))

    def reset(self, sizes: Sizes, seed: Seed = 0) -> None:
        """Begins a new lifetime. All that was learned before is forgotten.

        Between the episodes of a lifetime there is nothing to be reset: `act` is told of their
        ends.

        Args:
            sizes: the length of an observation and the number of actions.
            seed: of the initial state and of the actions.

        Raises:
            ValueError: theta does not fit the sizes.
        """
        key_theta, key_state, key = jax.random.split(jax.random.key(seed), 3)
        theta = self.theta
        if theta is None:
            theta = self.learner.init_theta(key_theta, sizes)
        h = self.learner.init_state(theta, key_state, sizes)
        self.prepared = self.learner.prepare(jax.tree.map(jnp.asarray, theta))
        zero = jnp.zeros(())
        seen, paid = nothing_yet(jnp.zeros(sizes.observation)), nothing_yet(zero)
        self.memory = Memory(h, jnp.zeros(sizes.action), zero, seen, paid, key)
        self.logits = None

    def act(
        self, observation: Annotated[np.ndarray, "A"], reward: float = 0.0, end: bool = False
    ) -> int:
        """One step: what the last action led to, and the action that follows.

        An episode's last observation is given together with its reward and `end=True`. The action
        that is returned for it is not to be taken; the next call begins the next episode, with its
        first observation and no reward.

        Args:
            observation: o_t, [A].
            reward: what the last action earned. At the first step of an episode nothing was, and
                what is given is not looked at.
            end: whether this observation is the last of an episode, be it terminated or truncated.

        Returns:
            The action, 0 ... B - 1, drawn from softmax(logits); `logits` keeps these.

        Raises:
            ValueError: no lifetime was begun, or an argument does not suit.
        """
        if self.memory is None:
            raise ValueError(
                "This agent has not begun a lifetime: give reset() the sizes of the environment "
                "first, as in agent.reset(Sizes(observation=4, action=2))."
            )
        wanted = self.memory.seen.mean.shape
        if observation.shape != wanted:
            raise ValueError(
                f"observation has {observation.size} entries, and this lifetime was begun for "
                f"{wanted[0]}: give as many, or begin another one with reset()."
            )
        o, r, ended = (jnp.asarray(x, float) for x in (observation, reward, end))
        options = self.learner, self.standardise, self.scale_rewards
        action, logits, self.memory = _act(*options, self.prepared, self.memory, o, r, ended)
        self.logits = np.asarray(logits)
        return int(action)
