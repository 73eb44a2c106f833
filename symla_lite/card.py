"""A model card for every recorded theta: what it was meta-trained on, and what it earned where.

After Mitchell et al. (2019), "Model Cards for Model Reporting". Every number is read from `data/`
when the card is written.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symla_lite import agent, play
from symla_lite.agent import REFERENCES, Record
from symla_lite.checks import Count, Name
from symla_lite.figures import bracketed
from symla_lite.learner import count
from symla_lite.meta_testing import Estimate, estimate
from symla_lite.play import WITHOUT_REWARD
from symla_lite.studies import records, results
from symla_lite.studies.study import BLOCKS

LATE = 2
"""Blocks at the end of a lifetime, of `BLOCKS`, that say what was learned: its last fifth."""

NOT_MEASURED = "–"


def late(blocks: np.ndarray, length: Count) -> Estimate:
    """The mean of a step in the last fifth of lifetimes, with its 95% interval over lifetimes.

    Args:
        blocks: sums over ten equal parts of each lifetime, [lifetimes, 10].
        length: L.
    """
    return estimate(blocks[None, :, -LATE:].sum(axis=-1) / (LATE * length / BLOCKS))


def entry(arrays: Mapping[str, np.ndarray], test: str) -> str:
    """What a test came to in the last fifth, `mean [low, high]`, or a dash where nothing is
    recorded."""
    if f"{test}/blocks" not in arrays:
        return NOT_MEASURED
    return bracketed(late(arrays[f"{test}/blocks"], len(arrays[f"{test}/mean"])), 3)


def learned(arrays: Mapping[str, np.ndarray], name: Name) -> bool:
    """Whether an agent's reward in the last fifth is clear of a random agent's and of its own
    without its reward: the 95% intervals do not touch.

    Args:
        arrays: of a record of `play.record`.
        name: of the agent.
    """

    def end(agent):
        return late(arrays[f"{agent}/blocks"], len(arrays[f"{agent}/mean"]))

    return end(name).low > max(end(name + WITHOUT_REWARD).high, end("random").high)


def first(arrays: Mapping[str, np.ndarray], test: str) -> str:
    """The mean of a step in the first tenth."""
    blocks, length = arrays[f"{test}/blocks"], len(arrays[f"{test}/mean"])
    return f"{blocks[:, 0].mean() * BLOCKS / length:.3f}"


def lines(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown."""
    return "\n".join(
        "| " + " | ".join(map(str, row)) + " |" for row in [header, ["---"] * len(header), *rows]
    )


def way(record: Record) -> list[str]:
    """The environments that theta was meta-trained on, one after the other."""
    trainings = record.study.scale(record.scale)
    training, names = record.training, []
    while training is not None:
        names.insert(0, training.environment.name)
        training = trainings.training(training.start) if training.start else None
    return names


def in_its_study(record: Record, arrays: Mapping[str, np.ndarray]) -> str:
    """What it earned, or lost, in the environments of its study."""
    path = results.references_path(results.recorded(), record.study, record.scale)
    others = records.read(path)[0]
    names = [test.name for test in record.study.tests(record.training)]
    tested = [name for name in names if f"{name}/blocks" in arrays]
    controls = ("_without_reward", "_without_observation", "_reward_off", "_wiped")
    rows = [
        [
            name,
            first(arrays, name),
            entry(arrays, name),
            entry(arrays, f"{name}_without_reward"),
            entry(others, f"random/{name}"),
        ]
        for name in tested
        if not name.endswith(controls)
    ]
    return lines(["tested on", "first tenth", "last fifth", "without reward", "random"], rows)


def in_gymnasium(name: Name) -> str:
    """What it earned in those environments of gymnasium in which that is recorded."""
    rows = []
    for environment, (arrays, about) in play.recorded(name).items():
        own = about["agent"]
        lifetimes, steps = len(arrays[f"{own}/blocks"]), len(arrays[f"{own}/mean"])
        everybody = [own, own + WITHOUT_REWARD, *REFERENCES]
        found = [entry(arrays, agent) for agent in everybody]
        verdict = "yes" if learned(arrays, own) else "no"
        what = environment, verdict, f"{lifetimes} × {steps:,}", first(arrays, own)
        rows.append([*what, *found])
    header = ["environment", "learns", "lifetimes × steps", "first tenth", "last fifth"]
    header.append("without reward")
    return lines([*header, *REFERENCES], rows) if rows else "None is recorded."


def card(name: Name) -> str:
    """The card of a recorded theta, in Markdown.

    Args:
        name: as `agent.Agent.load` takes it.

    Raises:
        ValueError: no record has that name.
        FileTrouble: a record is damaged.
    """
    record = agent.record(name)
    arrays, about = records.read(record.path)
    training = record.training
    outer = about["training"]["outer"]
    theta = records.theta_of(arrays, training)
    options = ", ".join(f"{key} {value}" for key, value in training.learner.options.items())
    made = about | about.get("meta_trained", {})
    facts = [
        ["record", f"`data/{record.path.relative_to(results.recorded())}`"],
        ["learner", f"{training.learner.name}, {count(theta):,} meta-parameters ({options})"],
        ["meta-trained on", ", then ".join(way(record))],
        [
            "in the last of these",
            f"{outer['steps']:,} outer steps with {outer['es']['population']} members of "
            f"{outer['lifetimes']} lifetimes each, {outer['length']} steps long",
        ],
        ["seed", record.seed],
        ["made", f"{made['date'][:10]}, commit {made['commit'][:10]}, on {made['device']}"],
    ]
    return f"""\
# {name}

{lines(["", ""], facts)}

## In the environments of its study

What the study measures, per step: regret in bandits, reward in all else; means over lifetimes, with
95% intervals over lifetimes of this one theta. *Without reward*: its reward input held at zero.

{in_its_study(record, arrays)}

## In environments of gymnasium

Reward per step, with observations standardised as they come in. *Learns*: the interval in the last
fifth lies above that of the same agent without its reward and above that of a random one.
*actor-critic* learns at every step and was tuned by hand on 2×2 hearts.

{in_gymnasium(name)}
"""
