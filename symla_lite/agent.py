"""A learner as an agent that anybody can put into their own loop.

Everything before this module runs a learner and an environment together, inside one compiled loop.
An `Agent` is the learner alone: it holds the state h, is given what the environment says, and
answers with an action, one step at a time::

    agent = Agent.load("one-rule")
    agent.reset(Sizes(observation=4, action=2), seed=0)    # a new lifetime: everything is forgotten
    action = agent.act(observation)
    ...
    action = agent.act(observation, reward, end)           # what that action led to

Nothing is tuned and theta does not change: whatever it learns within a lifetime, it learns in h.
`play` runs it in any environment of gymnasium.

A learner of this book expects inputs of order one. What an environment shows may be of any size, so
an agent standardises it while it sees it (`inputs.standardising`).
"""

import dataclasses
import difflib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from symla_lite import checks, studies
from symla_lite.baselines import actor_critic, random_policy, win_stay
from symla_lite.checks import Count, Key, Name, Range, Seed
from symla_lite.controls import without_reward
from symla_lite.inputs import KEPT, scaling_rewards, standardising
from symla_lite.learner import Input, Learner, Sizes, State, Theta
from symla_lite.lifetime import is_finite
from symla_lite.studies import Study, Training, records, results
from symla_lite.studies.run import record_path

ALIASES: dict[str, str] = {
    "one-rule": "one_rule/standardised/symla-one_rule_standardised-0",
    "hearts": "tasks/night/symla-hearts_2-0",
    "bandits": "bandits/standard/symla-uniform-0",
    "linear-bandits": "tasks/standard/symla-linear_4-0",
    "cartpole": "observation_spaces/standard/symla-cartpole-0",
}
"""Short names of records. "one-rule" is Chapter 14's, with standardised rewards; it learns most in
gymnasium's environments so far."""

REFERENCES: dict[str, Callable[[], Learner]] = {
    "random": random_policy,
    "win-stay": win_stay,
    "actor-critic": actor_critic,
}
"""Agents that need no record."""


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

    def read(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Its arrays and what is known about them. Raises `FileTrouble` where the file is damaged,
        or says that it is something else."""
        arrays, about = records.read(self.path)
        records.check_about(self.path, about, self.study, self.training, self.seed)
        return arrays, about


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
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        raise ValueError(
            f"No record has the name {name!r}: take {', '.join([*ALIASES, *near])}, or another of "
            f"the {len(known)} that symla_lite.agent.names() lists."
        )
    return known[full]


def check_name(name: Name) -> None:
    """Raises `ValueError` if `Agent.load` knows no agent of that name."""
    if name not in REFERENCES:
        record(name)


# What comes in.

LARGEST = 1e18
"""Observations and rewards lie between this and its negative: the square of a larger one, which the
running variance needs, is infinite in 32 bits."""

Reward = Annotated[float, Range(least=-LARGEST, most=LARGEST, rounded=True)]


def in_32_bits(observation: Annotated[np.ndarray, "A"]) -> np.ndarray:
    """An observation [A] as a learner receives it.

    Raises:
        ValueError: an entry of it is masked, is not finite or is beyond `LARGEST`.
    """
    if np.ma.is_masked(observation):
        raise ValueError(
            f"observation={observation!s:.60} has masked entries, and learners see none: give it "
            "as observation.filled(value), with a value of your choice."
        )
    largest = np.abs(np.asarray(observation, float)).max()
    if largest > LARGEST:
        raise ValueError(
            f"observation holds a number of size {largest:.3g}, and the squares of numbers beyond "
            f"{LARGEST:g} do not fit into 32 bits: give it in larger units."
        )
    return np.asarray(observation, np.float32)


# The agent.


class Memory(NamedTuple):
    """All that changes in an agent's lifetime."""

    h: State
    """The learner's state."""
    a: jax.Array
    """The last action, one-hot, [B]; zeros before the first."""
    acted: jax.Array
    """1.0 where that action was taken, 0.0 before the first step and where an episode was over,
    []."""
    key: Key
    """Of the actions to come."""


def begin(learner: Learner, theta: Theta, key: Key, sizes: Sizes) -> Memory:
    """The memory of a new lifetime.

    Args:
        learner: whose.
        theta: its meta-parameters.
        key: of the initial state and of all actions.
        sizes: A and B.
    """
    key_state, key = jax.random.split(key)
    h = learner.init_state(theta, key_state, sizes)
    return Memory(h, jnp.zeros(sizes.action), jnp.zeros(()), key)


def act(
    learner: Learner,
    theta: Theta,
    memory: Memory,
    o: Annotated[jax.Array, "A"],
    r: jax.Array,
    end: jax.Array,
) -> tuple[jax.Array, jax.Array, Memory]:
    """One step of an agent, as a pure function.

    Args:
        learner: whose.
        theta: its meta-parameters, also as `prepare` returned them.
        memory: before the step.
        o: the observation, [A].
        r: the reward, [].
        end: 1.0 where the observation is the last of an episode, [].

    Returns:
        Action [], logits [B] and the memory after the step.
    """
    r = jnp.where(memory.acted > 0, r, 0.0)
    logits, h = learner.step(theta, memory.h, Input(o, r, memory.a, end))
    key, key_action = jax.random.split(memory.key)
    action = jax.random.categorical(key_action, logits)
    return action, logits, Memory(h, jax.nn.one_hot(action, logits.size), 1.0 - end, key)


MOST_ENTRIES = 10**7
"""Of an observation and actions together. With more, one step takes seconds and gigabytes."""


def check_sizes(whose: str, sizes: Sizes) -> None:
    """Raises `ValueError` where sizes are larger than an agent can work with."""
    if sum(sizes) > MOST_ENTRIES:
        raise ValueError(
            f"{whose} has observations of {sizes.observation:,} entries and {sizes.action:,} "
            f"actions, and both together may be {MOST_ENTRIES:,}: give fewer."
        )


def check_memory(
    learner: Learner, theta: Theta, sizes: Sizes, lifetimes: Count = 1, steps: Count = 1
) -> None:
    """Raises `ValueError` where lifetimes side by side do not fit into the memory that there is:
    what they remember before and after a step, and the record of all their steps."""
    memory = jax.eval_shape(lambda key: begin(learner, theta, key, sizes), jax.random.key(0))
    each = 2 * checks.size_in_bytes(memory) + 4 * (sum(sizes) + 2 * steps)
    checks.check_memory(
        f"An agent of {learner.name} with {sizes}, lifetimes={lifetimes} and steps={steps}",
        lifetimes * each,
    )


finite = jax.jit(is_finite)
"""Apart from the step, whose program stays as it is."""

NOT_FINITE = (
    "logits or a memory that are not finite: give observations and rewards of order one, and an "
    "agent with a theta of order one."
)
"""Ends what is said where they are not."""


@functools.lru_cache(maxsize=KEPT)
def compiled(learner: Learner, many: bool = False) -> Callable:
    """`act` of a learner, or of many lifetimes side by side, compiled once for each pair of sizes
    however many agents have that learner."""
    step = functools.partial(act, learner)
    return jax.jit(jax.vmap(step, in_axes=(None, 0, 0, 0, 0)) if many else step)


unrewarded = functools.lru_cache(maxsize=KEPT)(without_reward)
"""`without_reward`, the same control for the same learner."""


@functools.lru_cache(maxsize=KEPT)
def _reference(name: str) -> Learner:
    """The learner of a reference (`REFERENCES`), the same at every call."""
    return REFERENCES[name]()


@dataclasses.dataclass(eq=False)
class Agent:
    """A learner with its theta, which acts step by step in whatever loop it is put.

    Raises:
        ValueError: an argument that does not suit.
    """

    learner: Learner
    theta: Theta

    def __post_init__(self):
        self.memory: Memory | None = None
        """What it remembers; None before the first `reset`."""
        self.logits: jax.Array | None = None
        """Of the last step, [B]."""

    @classmethod
    def load(cls, name: str, standardise: bool = True, scale_rewards: bool = False) -> "Agent":
        """An agent by its name: a short one (`ALIASES`), a reference (`REFERENCES`) or that of any
        record; `names` lists them all.

        Args:
            name: of the agent.
            standardise: whether it standardises what it sees (`inputs.standardising`). Switch it
                off where observations are of order one already.
            scale_rewards: whether it scales what it is paid (`inputs.scaling_rewards`).

        Raises:
            ValueError: there is none of that name.
            FileTrouble: its record is damaged.
        """
        return load(name, standardise, scale_rewards)

    def without_reward(self) -> "Agent":
        """The same agent with its reward input held at zero. What it earns it has not learned from
        reward (`controls`)."""
        return Agent(unrewarded(self.learner), self.theta)

    def reset(self, sizes: Sizes, seed: Seed = 0) -> None:
        """Begins a new lifetime. All that was learned before is forgotten.

        Between the episodes of a lifetime there is nothing to be reset: `act` hears of their ends.

        Args:
            sizes: the length of an observation and the number of actions.
            seed: of the initial state and of the actions.

        Raises:
            ValueError: theta does not fit the sizes, or they are too large.
        """
        check_sizes("sizes", sizes)
        check_memory(self.learner, self.theta, sizes)
        self.memory = begin(self.learner, self.theta, jax.random.key(seed), sizes)
        self.prepared = self.learner.prepare(self.theta)
        self.sizes, self.logits = sizes, None

    def act(
        self, observation: Annotated[np.ndarray, "A"], reward: Reward = 0.0, end: bool = False
    ) -> int:
        """One step: what the last action led to, and the action that follows.

        An episode's last observation is given together with its reward and `end=True`. The action
        that is returned for it is not to be taken; the next call begins the next episode, with its
        first observation.

        Args:
            observation: o_t, [A].
            reward: what the last action earned. At the first step of an episode nothing was, and
                what is given is not looked at.
            end: whether this observation is the last of an episode, be it terminated or truncated.

        Returns:
            The action, 0 ... B - 1, drawn from softmax(logits); `logits` keeps these.

        Raises:
            ValueError: no lifetime was begun, an argument does not suit, or the step leads to
                numbers that are not finite. The step is then not taken, and the agent goes on from
                where it was.
        """
        if self.memory is None:
            raise ValueError(
                "This agent has not begun a lifetime: give reset() the sizes of the environment "
                "first, as in agent.reset(Sizes(observation=4, action=2))."
            )
        if len(observation) != self.sizes.observation:
            raise ValueError(
                f"observation has {len(observation)} entries, and this lifetime was begun for "
                f"{self.sizes.observation}: give as many, or begin another one with reset()."
            )
        o, r, ended = in_32_bits(observation), np.float32(reward), np.float32(end)
        step = compiled(self.learner)
        action, logits, memory = step(self.prepared, self.memory, o, r, ended)
        if not finite((logits, memory)):
            raise ValueError(
                f"A step with numbers up to {np.abs(o).max():g} in observation and with "
                f"reward={reward:g} was not taken, since it leads to {NOT_FINITE}"
            )
        self.logits, self.memory = logits, memory
        return int(action)


def load(name: Name, standardise: bool = True, scale_rewards: bool = False) -> Agent:
    """`Agent.load`."""
    if name in REFERENCES:
        learner = _reference(name)
        # Theirs are constants, the same for all sizes.
        theta = learner.init_theta(jax.random.key(0), Sizes(1, 2))
    else:
        found = record(name)
        learner = found.training.learner
        theta = records.theta_of(found.read()[0], found.training)
    learner = standardising(learner) if standardise else learner
    learner = scaling_rewards(learner) if scale_rewards else learner
    return Agent(learner, jax.tree.map(jnp.asarray, theta))
