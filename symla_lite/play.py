"""An agent in any environment of gymnasium, beside one without reward and a random one.

gymnasium (Towers et al. 2024, https://gymnasium.farama.org) is what most environments are written
for. What suits: observations that are a vector, a number of a state, or several of these, and a
finite number of actions.
"""

import contextlib
import copy
import importlib.metadata
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from symla_lite import checkpoint, figures, stop
from symla_lite.agent import (
    ALIASES,
    NOT_FINITE,
    REFERENCES,
    Agent,
    Reward,
    begin,
    check_memory,
    check_name,
    check_sizes,
    compiled,
    finite,
    in_32_bits,
)
from symla_lite.checks import FILLED, Count, Name, Range, Seed
from symla_lite.figures import bracketed
from symla_lite.learner import Sizes
from symla_lite.meta_testing import Estimate, estimate
from symla_lite.studies import records, results
from symla_lite.studies.study import BLOCKS

PARTS = 20
"""Into which a lifetime is cut to be drawn."""

WITHOUT_REWARD = " without reward"
"""Ends the name of an agent that is its own control."""

BARS = "▁▂▃▄▅▆▇█"
"""A curve in one line of text is made of these."""

Copies = Annotated[int, Range(least=1, most=10**5)]
"""Of an environment."""


class Played(NamedTuple):
    """Lifetimes in an environment of gymnasium, step by step as `lifetime.Lifetime` has them."""

    reward: Annotated[np.ndarray, "n T"]
    """r_t, what the action led to, [lifetimes, steps]."""
    end: Annotated[np.ndarray, "n T"]
    """Whether o_t ended an episode: the action there is not taken, the next step begins a new
    episode, and its reward is 0, [lifetimes, steps]."""

    def returns(self) -> list[np.ndarray]:
        """The sum of the rewards of every episode that came to its end, [episodes] of each
        lifetime."""
        # Each by itself and in 64 bits: of a sum over the lifetime, 32 bits keep too little.
        return [
            np.array(
                [part.sum(dtype=float) for part in np.split(row, np.flatnonzero(end) + 1)[:-1]]
            )
            for row, end in zip(self.reward, self.end)
        ]


def suited(environment: Any) -> Any:
    """An environment of gymnasium whose observations are vectors.

    Args:
        environment: one that `gymnasium.make` returned, or its ID.

    Returns:
        The environment, in gymnasium's `FlattenObservation` where its observations are no vectors
        already: the number of a state becomes one-hot, and of several parts one vector is made.
        The caller has to close it, also where it was made of an ID.

    Raises:
        ValueError: gymnasium is not installed or has no such environment; its observations are
            images or texts, or empty; its actions are not one choice among a few.
    """
    try:
        import gymnasium
    except ImportError as missing:
        raise ValueError(
            "gymnasium is not installed, and the environments are its: run pip install gymnasium "
            "and then take the same call again."
        ) from missing
    if not isinstance(environment, str):
        return _seen_as_vectors(environment)
    try:
        made = gymnasium.make(environment)
    except Exception as trouble:  # an ID may lead to any code
        raise ValueError(
            f"gymnasium does not make environment={environment!r} ({said(trouble)}): take an ID "
            "that gymnasium.pprint_registry() lists, and install what it needs."
        ) from trouble
    try:
        return _seen_as_vectors(made)
    except BaseException:
        close_quietly(made)
        raise


def _seen_as_vectors(environment: Any) -> Any:
    """`suited` of what is no ID."""
    import gymnasium
    from gymnasium import spaces

    if not isinstance(environment, gymnasium.Env):
        raise ValueError(
            f"environment={in_one_line(repr(environment))} is none of gymnasium: give one that "
            "gymnasium.make returned, or its ID."
        )
    with naming(environment, "when asked for its spaces"):
        choices, seen = environment.action_space, environment.observation_space
    named = f"environment={name_of(environment)!r}"
    if not isinstance(choices, spaces.Discrete):
        raise ValueError(
            f"The actions of {named} are {in_one_line(str(choices))}, and learners here choose one "
            "of a few: take an environment with a Discrete action space, such as CartPole-v1."
        )
    if not is_vector(seen):
        raise ValueError(
            f"The observations of {named} are {in_one_line(str(seen))}, and learners here see a "
            "vector: take an environment without images or texts, or put it into "
            "gymnasium.wrappers.FlattenObservation if they are small."
        )
    entries = spaces.flatdim(seen)
    if entries == 0:
        raise ValueError(
            f"The observations of {named} are {in_one_line(str(seen))}, which is empty: take an "
            "environment in which something is seen."
        )
    check_sizes(named, Sizes(int(entries), int(choices.n)))
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
    return getattr(environment.spec, "id", None) or type(environment.unwrapped).__name__


def said(trouble: Exception) -> str:
    """What went wrong, in one line."""
    first = str(trouble).partition("\n")[0]
    return f"{type(trouble).__name__}: {first}".rstrip(".: ")


def in_one_line(text: str) -> str:
    """The first 80 letters of a text that may have several lines, such as an array's."""
    return " ".join(text.split())[:80]


@contextlib.contextmanager
def naming(environment: Any, when: str) -> Iterator[None]:
    """Makes one sentence of whatever an environment raises, a `ValueError`."""
    try:
        yield
    except Exception as trouble:
        raise ValueError(
            f"environment={name_of(environment)!r} failed {when} ({said(trouble)}): take one that "
            "gymnasium.utils.env_checker.check_env accepts, and whose numbers are finite."
        ) from trouble


def close_quietly(environment: Any) -> None:
    """Closes an environment where another error is on its way, which must not be hidden."""
    with contextlib.suppress(Exception):
        environment.close()


@contextlib.contextmanager
def closing(environment: Any) -> Iterator[Any]:
    """Closes an environment in the end, whatever happens. Raises `ValueError` where that fails."""
    try:
        yield environment
    except BaseException:  # also Ctrl-C
        close_quietly(environment)
        raise
    with naming(environment, "when it was closed"):
        environment.close()


@contextlib.contextmanager
def opened(environment: Any) -> Iterator[Any]:
    """An environment that suits (`suited`). What was made of an ID is closed in the end; what was
    given stays open."""
    found = suited(environment)
    with closing(found) if isinstance(environment, str) else contextlib.nullcontext():
        yield found


def sizes_of(environment: Any) -> Sizes:
    """A and B of an environment that suits."""
    return Sizes(environment.observation_space.shape[0], int(environment.action_space.n))


def outcome(
    shape: tuple[int, ...],
    observation: Annotated[np.ndarray, "A"],
    reward: Reward = 0.0,
    terminated: bool = False,
    truncated: bool = False,
) -> tuple[np.ndarray, float, bool]:
    """What an environment returned: o_t [A], r_t and whether an episode ended.

    Raises:
        ValueError: it is of another kind or shape, not finite, or too large.
    """
    if observation.shape != shape:
        raise ValueError(
            f"observation has the shape {list(observation.shape)}, and its space has {list(shape)}:"
            " give one of its space"
        )
    return in_32_bits(observation), reward, terminated or truncated


def reset(environment: Any, **options: Any) -> tuple[np.ndarray, float, bool]:
    """The first `outcome` of an episode."""
    o, _ = environment.reset(**options)
    return outcome(environment.observation_space.shape, o)


def step(environment: Any, action: Any) -> tuple[np.ndarray, float, bool]:
    """The `outcome` of an action."""
    o, r, terminated, truncated, _ = environment.step(action)
    return outcome(environment.observation_space.shape, o, r, terminated, truncated)


def play(
    environment: Any,
    agent: Agent,
    steps: Count = 1000,
    lifetimes: Copies = 1,
    seed: Seed = 0,
) -> Played:
    """Lifetimes of an agent in an environment of gymnasium.

    At the end of an episode the agent sees the terminal observation with its reward; the step after
    that resets, as in `lifetime.live` and in gymnasium's vectors of environments (its mode
    NEXT_STEP).

    Args:
        environment: one that `gymnasium.make` returned, which stays open, or its ID.
        agent: each lifetime is a new one, and its own `memory` stays as it is.
        steps: L, in a lifetime, episodes and resets together.
        lifetimes: side by side, each in its own copy of the environment, which is closed in the
            end.
        seed: decides everything random, in the environment and in the agent.

    Raises:
        ValueError: the environment does not suit (see `suited`) or fails, the agent's theta does
            not fit its sizes, something is not finite, or all of it does not fit into memory.
    """
    with opened(environment) as suits:
        return _played(suits, agent, steps, lifetimes, seed)


def _played(environment: Any, agent: Agent, steps: int, lifetimes: int, seed: int) -> Played:
    """`play` in an environment that suits. Its copies are closed in the end."""
    sizes = sizes_of(environment)
    check_memory(agent.learner, agent.theta, sizes, lifetimes, steps)
    keys = jax.random.split(jax.random.key(seed), lifetimes)
    memory = jax.vmap(lambda key: begin(agent.learner, agent.theta, key, sizes))(keys)
    theta, act = agent.learner.prepare(agent.theta), compiled(agent.learner, many=True)

    start = environment.action_space.start
    rewards, ends = np.zeros((2, lifetimes, steps), np.float32)
    with contextlib.ExitStack() as stack:
        with naming(environment, "before its first step"):
            copies = [
                stack.enter_context(closing(copy.deepcopy(environment))) for _ in range(lifetimes)
            ]
            found = [reset(each, seed=seed + i) for i, each in enumerate(copies)]
        for t in range(steps):
            stop.check()
            o, r, end = (np.array(x, np.float32) for x in zip(*found))
            actions, logits, memory = act(theta, memory, o, r, end)
            if not finite((logits, memory)):
                where = f"At step {t + 1} in environment={name_of(environment)!r}"
                raise ValueError(f"{where}, agent has {NOT_FINITE}")
            with naming(environment, f"at step {t + 1}"):
                found = [
                    reset(each) if over else step(each, action)
                    for each, action, over in zip(copies, np.asarray(actions) + start, end)
                ]
            rewards[:, t], ends[:, t] = [r for _, r, _ in found], end
    return Played(rewards, ends > 0)


def compare(
    environment: Any,
    agents: Annotated[Mapping[str, Agent], FILLED],
    steps: Count = 1000,
    lifetimes: Copies = 20,
    seed: Seed = 0,
) -> dict[str, Played]:
    """Several agents in the same environment, with the same seed.

    Args:
        environment: one that `gymnasium.make` returned, or its ID.
        agents: by name.
        steps: L, in a lifetime.
        lifetimes: of each agent.
        seed: decides everything random.

    Raises:
        ValueError: see `play`.
    """
    with opened(environment) as suits:
        return {name: play(suits, agent, steps, lifetimes, seed) for name, agent in agents.items()}


def beside(name: Name) -> dict[str, Agent]:
    """An agent, the same without its reward, a random one and the hand-made rules, by name: what it
    takes to see whether the first one learns, and what that is worth.

    Raises:
        ValueError: there is no agent of that name.
        FileTrouble: its record is damaged.
    """
    agent = Agent.load(name)
    references = {reference: Agent.load(reference) for reference in REFERENCES}
    return {name: agent, name + WITHOUT_REWARD: agent.without_reward()} | references


def last_fifth(reward: Annotated[np.ndarray, "n T"]) -> Estimate:
    """The mean reward of a step in the last fifth of lifetimes [lifetimes, steps], with its 95%
    interval over lifetimes; with no interval (NaN) where there is only one."""
    return of_lifetimes(reward[:, -max(1, reward.shape[1] // 5) :].mean(axis=1))


def of_lifetimes(each: Annotated[np.ndarray, "n"]) -> Estimate:
    """The mean of one number for each lifetime, [lifetimes], with its 95% interval over lifetimes;
    with no interval (NaN) where there is only one."""
    if len(each) == 1:
        return Estimate(float(each[0]), np.nan, np.nan)
    return estimate(each[None])


def in_parts(reward: Annotated[np.ndarray, "n T"]) -> np.ndarray:
    """The mean reward of a step in equal parts of lifetimes [lifetimes, steps]: [lifetimes,
    `PARTS`], or as many parts as there are steps."""
    parts = np.array_split(reward, min(PARTS, reward.shape[1]), axis=1)
    return np.stack([part.mean(axis=1) for part in parts], axis=1)


def as_text(played: Annotated[Mapping[str, Played], FILLED]) -> str:
    """A line for each agent: its curve, reward of a step from the start of a lifetime to its end,
    and the mean in the last fifth with its 95% interval. All curves have the same scale."""
    curves = {name: in_parts(one.reward).mean(axis=0) for name, one in played.items()}
    low, high = (end(map(end, curves.values())) for end in (min, max))
    width = max(map(len, curves))
    lines = []
    for name, curve in curves.items():
        heights = (curve - low) / ((high - low) or 1.0)
        bars = "".join(BARS[round(float(height) * (len(BARS) - 1))] for height in heights)
        lines.append(f"{name:{width}}  {bars}  {bracketed(last_fifth(played[name].reward), 3)}")
    return "\n".join(lines)


@figures.styled
def curves(played: Annotated[Mapping[str, Played], FILLED], title: str) -> Figure:
    """Reward of a step over the lifetime, the mean over lifetimes with its standard error.

    Args:
        played: by name; a name followed by " without reward" is that agent's control, drawn dashed.
        title: above the axes.
    """
    fig, axes = plt.subplots(figsize=(6.6, 3.4))
    plt.close(fig)
    for name, one in played.items():
        agent, control, _ = name.partition(WITHOUT_REWARD)
        other = figures.COLOURS["neutral" if agent in REFERENCES else "symla"]
        colour = figures.COLOURS.get(agent, other)
        parts = in_parts(one.reward)
        mean, error = parts.mean(axis=0), parts.std(axis=0) / np.sqrt(len(parts))
        steps = (np.arange(len(mean)) + 0.5) * one.reward.shape[1] / len(mean)
        axes.plot(steps, mean, "--" if control else "-", color=colour, label=agent + control)
        axes.fill_between(steps, mean - error, mean + error, color=colour, alpha=0.15, lw=0)
    axes.set(title=title, xlabel="step", ylabel="reward of a step")
    axes.set_xlim(left=0)
    figures.end_labels(axes)
    return fig


# What was found where.


def check_new(path: Path) -> None:
    """Raises `ValueError` where there is a file already: no record is written over another."""
    if os.path.lexists(path):
        raise ValueError(
            f"Cannot write path={str(path)!r}: it is there already, and no record is written over "
            "another; give another name, or move it away."
        )


def record(
    path: Path,
    environment: Name,
    name: Name,
    seed: Seed,
    played: Annotated[Mapping[str, Played], FILLED],
) -> None:
    """Records what came of an agent and of those `beside` it.

    Args:
        path: the file, which is not there yet.
        environment: an ID of gymnasium.
        name: of the agent.
        seed: that `compare` was given.
        played: what it returned; the number of steps is a multiple of 10.

    Raises:
        ValueError: another number of steps, a name that `Agent.load` or `played` does not know, or
            a file that is there already.
        FileTrouble: the file cannot be written.
    """
    check_new(path)
    check_name(name)
    if name not in played:
        raise ValueError(f"played has no name={name!r}: give one of {', '.join(played)}.")
    arrays = {}
    for agent, one in played.items():
        for what, array in records.summarise(one.reward).items():
            arrays[f"{agent}/{what}"] = array
        arrays[f"{agent}/returns"] = np.concatenate(one.returns()).astype(np.float32)
    about = records.provenance() | {
        "environment": environment,
        "agent": name,
        "record": ALIASES.get(name, name),
        "seed": seed,
    }
    about["versions"]["gymnasium"] = importlib.metadata.version("gymnasium")
    checkpoint.save(path, arrays, about)


def recorded(name: Name) -> dict[str, tuple[dict[str, np.ndarray], dict[str, Any]]]:
    """What `record` wrote of an agent into the records that come with the package, by the
    environment's ID: `AGENT/blocks` [lifetimes, 10], the sums over ten equal parts of each
    lifetime, `AGENT/mean` [steps] and `AGENT/returns` [episodes], and what is known about them.

    Raises:
        ValueError: there is no agent of that name.
        FileTrouble: one of them is damaged or something else, or two are of this agent in the same
            environment.
    """
    check_name(name)
    files = sorted((results.recorded() / "play").glob("*.safetensors"))
    found: dict[str, tuple[dict[str, np.ndarray], dict[str, Any]]] = {}
    first: dict[str, Path] = {}
    for file in files:
        arrays, about = checkpoint.load(file)
        _check_record(file, arrays, about)
        if about["record"] != ALIASES.get(name, name):
            continue
        environment = about["environment"]
        if environment in found:
            raise checkpoint.FileTrouble(
                f"{first[environment]} and {file} are both records of {about['record']} in "
                f"{environment!r}, and only one can be shown: move one of them away."
            )
        found[environment], first[environment] = (arrays, about), file
    return found


def _check_record(path: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """Raises `FileTrouble` where a file is none that `record` wrote."""
    for name in ("environment", "agent", "record"):
        if not isinstance(about.get(name), str):
            raise checkpoint.wrong(path, f"no {name!r} in what it says of itself")
    everybody = {about["agent"], *(name.rpartition("/")[0] for name in arrays)}
    shapes = {"blocks": (None, BLOCKS), "mean": (None,), "returns": (None,)}
    wanted = {f"{who}/{what}": shape for who in everybody for what, shape in shapes.items()}
    checkpoint.check(path, arrays, wanted)
