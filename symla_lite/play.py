"""An agent in any environment of gymnasium, beside one without reward and a random one.

gymnasium (Towers et al. 2024, https://gymnasium.farama.org) is what most environments are written
for. What suits: observations that are a vector, a number of a state, or several of these, and a
finite number of actions.
"""

import copy
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from symla_lite import figures
from symla_lite.agent import Agent, begin
from symla_lite.agent import _steps as steps_of
from symla_lite.checks import Count, Name, Seed
from symla_lite.learner import Sizes
from symla_lite.meta_testing import Estimate, estimate

BLOCKS = 20
"""Parts into which a lifetime is cut to be drawn."""

BARS = "▁▂▃▄▅▆▇█"
"""A curve in one line of text is made of these."""


class Played(NamedTuple):
    """Lifetimes in an environment of gymnasium, step by step as `lifetime.Lifetime` has them."""

    reward: np.ndarray
    """r_t, what the action led to, [lifetimes, steps]."""
    end: np.ndarray
    """Whether o_t ended an episode: the action there is not taken, the next step begins a new
    episode, and its reward is 0, [lifetimes, steps]."""

    def returns(self) -> list[np.ndarray]:
        """The sum of the rewards of every episode that came to its end, [episodes] of each
        lifetime."""
        sums = np.cumsum(self.reward, axis=1)
        return [np.diff(row[end], prepend=0.0) for row, end in zip(sums, self.end)]


def suited(environment: Any) -> Any:
    """An environment of gymnasium whose observations are vectors.

    Args:
        environment: one that `gymnasium.make` returned, or its ID.

    Returns:
        The environment, in gymnasium's `FlattenObservation` where its observations are no vectors
        already: the number of a state becomes one-hot, and of several parts one vector is made.

    Raises:
        ValueError: gymnasium is not installed or has no such environment; its observations are
            images or texts; its actions are not one choice among a few.
    """
    try:
        import gymnasium
        from gymnasium import spaces
    except ImportError as missing:
        raise ValueError(
            "gymnasium is not installed, and the environments are its: give pip install gymnasium "
            "a try, and run this again."
        ) from missing
    if isinstance(environment, str):
        try:
            environment = gymnasium.make(environment)
        except (gymnasium.error.Error, ImportError) as trouble:
            said = str(trouble).split("\n")[0].rstrip(".")
            raise ValueError(
                f"gymnasium does not make environment={environment!r} ({said}): take an ID that "
                "gymnasium.pprint_registry() lists, and install what it needs."
            ) from trouble
    if not isinstance(environment, gymnasium.Env):
        raise ValueError(
            f"environment={environment!r:.60} is none of gymnasium: give one that gymnasium.make "
            "returned, or its ID."
        )
    if not isinstance(environment.action_space, spaces.Discrete):
        raise ValueError(
            f"The actions of environment={name_of(environment)!r} are {environment.action_space}, "
            "and learners here choose one of a few: take an environment with a Discrete action "
            "space, such as CartPole-v1."
        )
    seen = environment.observation_space
    if not is_vector(seen):
        raise ValueError(
            f"The observations of environment={name_of(environment)!r} are {seen!s:.80}, and "
            "learners here see a vector: take an environment without images or texts, or put it "
            "into gymnasium.wrappers.FlattenObservation if they are small."
        )
    if isinstance(seen, spaces.Box):
        return environment
    return gymnasium.wrappers.FlattenObservation(environment)


def is_vector(space: Any) -> bool:
    """Whether an observation space of gymnasium is a vector, a number, or made of such parts."""
    from gymnasium import spaces

    if isinstance(space, spaces.Dict):
        return all(is_vector(part) for part in space.values())
    if isinstance(space, spaces.Tuple):
        return all(is_vector(part) for part in space)
    if isinstance(space, spaces.Box):
        return len(space.shape) == 1
    return isinstance(space, (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary))


def name_of(environment: Any) -> str:
    """The ID of an environment of gymnasium, or its class where it has none."""
    return environment.spec.id if environment.spec else type(environment.unwrapped).__name__


def sizes_of(environment: Any) -> Sizes:
    """A and B of an environment that suits."""
    return Sizes(environment.observation_space.shape[0], int(environment.action_space.n))


def play(
    environment: Any,
    agent: Agent,
    steps: Count = 1000,
    lifetimes: Count = 1,
    seed: Seed = 0,
) -> Played:
    """Lifetimes of an agent in an environment of gymnasium.

    At the end of an episode the agent sees the terminal observation with its reward; the step after
    that resets, as in `lifetime.live` and in gymnasium's vectors of environments (its mode
    NEXT_STEP).

    Args:
        environment: one that `gymnasium.make` returned, or its ID.
        agent: each lifetime is a new one, and its own `memory` stays as it is.
        steps: L, in a lifetime, episodes and resets together.
        lifetimes: side by side, each in its own copy of the environment.
        seed: decides everything random, in the environment and in the agent.

    Raises:
        ValueError: the environment does not suit (see `suited`), the agent's theta does not fit its
            sizes, or an observation is not finite.
    """
    environment = suited(environment)
    from gymnasium.vector import SyncVectorEnv

    together = SyncVectorEnv([lambda: copy.deepcopy(environment)] * lifetimes)
    keys = jax.random.split(jax.random.key(seed), lifetimes)
    sizes = sizes_of(environment)
    memory = jax.vmap(lambda key: begin(agent.learner, agent.theta, key, sizes))(keys)
    theta = agent.learner.prepare(agent.theta)

    o, _ = together.reset(seed=seed)
    r = end = np.zeros(lifetimes, np.float32)
    rewards, ends = [], []
    for _ in range(steps):
        if not np.isfinite(o).all():
            raise ValueError(
                f"An observation of environment={name_of(environment)!r} holds NaN or infinity: "
                "take an environment whose observations are finite."
            )
        actions, _, memory = steps_of(agent.learner, theta, memory, np.float32(o), r, end)
        ends.append(end)
        o, r, terminated, truncated, _ = together.step(np.asarray(actions) + environment.action_space.start)
        r, end = np.float32(r), np.float32(terminated | truncated)
        rewards.append(r)
    together.close()
    return Played(np.stack(rewards, axis=1), np.stack(ends, axis=1) > 0)


def compare(
    environment: Any,
    agents: Mapping[str, Agent],
    steps: Count = 1000,
    lifetimes: Count = 20,
    seed: Seed = 0,
) -> dict[str, np.ndarray]:
    """Several agents in the same environment, with the same seed.

    Args:
        environment: one that `gymnasium.make` returned, or its ID.
        agents: by name.
        steps: L, in a lifetime.
        lifetimes: of each agent.
        seed: decides everything random.

    Returns:
        The rewards of each agent, [lifetimes, steps].

    Raises:
        ValueError: see `play`.
    """
    return {
        name: play(environment, agent, steps, lifetimes, seed).reward
        for name, agent in agents.items()
    }


def with_controls(name: Name) -> dict[str, Agent]:
    """An agent, the same without its reward, and a random one: what `compare` needs to say whether
    the first one learns."""
    agent = Agent.load(name)
    return {
        name: agent,
        f"{name} without reward": agent.without_reward(),
        "random": Agent.load("random"),
    }


def last_fifth(rewards: Annotated[np.ndarray, "n T"]) -> Estimate:
    """The mean reward of a step in the last fifth of the lifetimes [lifetimes, steps], with its 95%
    interval over lifetimes."""
    return estimate(rewards[:, -max(1, rewards.shape[1] // 5) :].mean(axis=1)[None])


def blocks(rewards: Annotated[np.ndarray, "n T"]) -> np.ndarray:
    """The mean reward of a step in equal parts of the lifetimes [lifetimes, steps]: [lifetimes,
    `BLOCKS`], or as many as there are steps."""
    parts = np.array_split(rewards, min(BLOCKS, rewards.shape[1]), axis=1)
    return np.stack([part.mean(axis=1) for part in parts], axis=1)


def as_text(rewards: Mapping[str, Annotated[np.ndarray, "n T"]]) -> str:
    """A curve in one line of text for each agent: reward of a step over the lifetime, all curves at
    the same scale, and its mean in the last fifth with the 95% interval over lifetimes."""
    curves = {name: blocks(values).mean(axis=0) for name, values in rewards.items()}
    low = min(curve.min() for curve in curves.values())
    high = max(curve.max() for curve in curves.values())
    width = max(map(len, curves))
    lines = []
    for name, curve in curves.items():
        heights = (curve - low) / (high - low) if high > low else np.zeros_like(curve)
        bars = "".join(BARS[round(height * (len(BARS) - 1))] for height in heights)
        end = last_fifth(rewards[name])
        lines.append(f"{name:{width}}  {bars}  {figures.bracketed(end, 3)}")
    return "\n".join(lines)


def curves(rewards: Mapping[str, Annotated[np.ndarray, "n T"]], title: str) -> Figure:
    """Reward of a step over the lifetime, mean and standard error over lifetimes.

    Args:
        rewards: of each agent, [lifetimes, steps].
        title: of the picture.
    """
    figures.style()
    fig, axes = plt.subplots(figsize=(6.6, 3.4))
    for name, values in rewards.items():
        steps = values.shape[1]
        parts = blocks(values)
        at = (np.arange(parts.shape[1]) + 0.5) * steps / parts.shape[1]
        mean = parts.mean(axis=0)
        error = parts.std(axis=0, ddof=1) / np.sqrt(len(parts)) if len(parts) > 1 else 0 * mean
        (line,) = axes.plot(at, mean, label=name)
        axes.fill_between(at, mean - error, mean + error, color=line.get_color(), alpha=0.2, lw=0)
    axes.set(title=title, xlabel="step of the environment", ylabel="reward of a step")
    figures.end_labels(axes)
    return fig
