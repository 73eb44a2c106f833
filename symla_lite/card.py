"""A model card for every recorded theta: what it was meta-trained on, and what it earned where.

After Mitchell et al. (2019), "Model Cards for Model Reporting". Every number is read from `data/`
when the card is written.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np

from symla_lite import agent, play
from symla_lite.agent import REFERENCES, Record
from symla_lite.checks import Count, Name
from symla_lite.environments.environment import Environment
from symla_lite.environments.mixture import Mixture
from symla_lite.figures import bracketed
from symla_lite.learner import count
from symla_lite.meta_testing import Estimate
from symla_lite.meta_training import Environments
from symla_lite.play import WITHOUT_REWARD
from symla_lite.studies import Study, records, results
from symla_lite.studies.study import BLOCKS

LATE = 2
"""Blocks at the end of a lifetime, of `BLOCKS`, that say what was learned: its last fifth."""

NOT_MEASURED = "–"

CONTROLS = ("_without_reward", "_without_observation", "_reward_off", "_reward_held", "_wiped")
"""Ends the name of a test that is a control."""


def late(blocks: Annotated[np.ndarray, "n 10"], length: Count) -> Estimate:
    """The mean of a step in the last fifth of lifetimes, with its 95% interval over lifetimes; see
    `play.of_lifetimes`.

    Args:
        blocks: sums over ten equal parts of each lifetime, [lifetimes, 10].
        length: L.
    """
    return play.of_lifetimes(blocks[:, -LATE:].sum(axis=-1) / (LATE * length / BLOCKS))


def measured(arrays: Mapping[str, np.ndarray], test: str) -> tuple[np.ndarray, int]:
    """The blocks of a test or an agent, [lifetimes, 10], and L.

    Raises:
        ValueError: a record does not have them.
    """
    for name in (f"{test}/blocks", f"{test}/mean"):
        if name not in arrays:
            raise ValueError(f"arrays has no {name!r}: give those of a record that has it.")
    return arrays[f"{test}/blocks"], len(arrays[f"{test}/mean"])


def entry(arrays: Mapping[str, np.ndarray], test: str) -> str:
    """What a test came to in the last fifth, `mean [low, high]`, or a dash where nothing is
    recorded."""
    if f"{test}/blocks" not in arrays:
        return NOT_MEASURED
    return bracketed(late(*measured(arrays, test)), 3)


def compared(name: Name) -> tuple[str, ...]:
    """Those beside an agent that it has to be better than where it learns."""
    return (name + WITHOUT_REWARD, "random", "win-stay")


def learned(arrays: Mapping[str, np.ndarray], name: Name) -> bool:
    """Whether an agent's reward in the last fifth lies above its own without its reward, a random
    agent's, and that of the reflex win-stay, lose-shift: the 95% intervals do not touch.

    Args:
        arrays: of a record of `play.record`.
        name: of the agent.
    """

    def end(agent):
        return late(*measured(arrays, agent))

    low = end(name).low
    # Of a single lifetime the ends are NaN, and no number lies above NaN.
    return all(low > end(other).high for other in compared(name))


def verdict(arrays: Mapping[str, np.ndarray], name: Name) -> str:
    """Whether an agent `learned`, yes or no. A dash where one of those that it is compared with is
    not recorded, or where one of them has a single lifetime, and so no interval."""
    lifetimes = [len(arrays.get(f"{who}/blocks", ())) for who in (name, *compared(name))]
    if min(lifetimes) < 2:
        return NOT_MEASURED
    return "yes" if learned(arrays, name) else "no"


def first(arrays: Mapping[str, np.ndarray], test: str) -> str:
    """The mean of a step in the first tenth."""
    blocks, length = measured(arrays, test)
    return f"{blocks[:, 0].mean() * BLOCKS / length:.3f}"


def lines(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table in Markdown."""
    return "\n".join(
        "| " + " | ".join(map(str, row)) + " |" for row in [header, ["---"] * len(header), *rows]
    )


def shortly(environment: Environments) -> str:
    """Its name; a mixture of many would have a line for each, so they are counted."""
    parts = environment.parts if isinstance(environment, Mixture) else ()
    return f"{len(parts)} environments at once" if len(parts) > 4 else environment.name


def way(record: Record) -> list[str]:
    """The environments that theta was meta-trained on, one after the other."""
    trainings = record.study.scale(record.scale)
    training, names = record.training, []
    while training is not None:
        names.insert(0, shortly(training.environment))
        training = trainings.training(training.start) if training.start else None
    # Two stages in a row may differ in nothing but the step size.
    return [name for name, _ in itertools.groupby(names)]


class Table(NamedTuple):
    """A part of a card."""

    title: str
    says: str
    """What its numbers are."""
    header: list[str]
    rows: list[list[Any]]


def origin(record: Record, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> Table:
    """Where a theta comes from.

    Args:
        record: where it is.
        arrays: what is in it.
        about: what is known about it.

    Raises:
        ValueError: `arrays` or `about` is none of a training.
    """
    training = record.training
    theta = records.theta_of(arrays, training)
    options = ", ".join(f"{key} {value}" for key, value in training.learner.options.items())
    try:
        outer, made = about["training"]["outer"], about | about.get("meta_trained", {})
        done = (
            f"{outer['steps']:,} outer steps {by(outer['es'])}, "
            f"lifetimes of each: {outer['lifetimes']}, steps in a lifetime: {outer['length']}"
        )
        where = f"{made['date'][:10]}, commit {made['commit'][:10]}, on {made['device']}"
    except (KeyError, TypeError, ValueError) as missing:
        raise ValueError(
            f"about={about!r:.60} is none of a training ({missing!r}): give what records.read "
            "returns beside the arrays."
        ) from missing
    rows = [
        ["record", f"data/{record.path.relative_to(results.recorded())}"],
        ["learner", f"{training.learner.name}, {count(theta):,} meta-parameters ({options})"],
        ["meta-trained on", ", then ".join(way(record))],
        ["in the last of these", done],
        ["seed", record.seed],
        ["made", where],
    ]
    return Table("Where it comes from", "What was run.", ["what", "which"], rows)


def by(estimate: Mapping[str, Any]) -> str:
    """How the gradient was estimated, in words, from the fields of `ES`, `PolicyGradient` or
    `Imitation`."""
    how = results.estimated_by(estimate)
    return f"with {estimate['population']} members" if "population" in estimate else f"by {how}"


def in_usual_order(environment: Environment) -> dict[str, Any]:
    """The name and the options of an environment, or of what it permutes."""
    about = {"name": environment.name, **environment.options}
    while about["name"].endswith("permuted") and "of" in about:
        about = about["of"]
    return about


def chance(study: Study, environment: Environment) -> str | None:
    """The name of the reference that acts at random in an environment; None where a study has none.

    A uniformly random policy looks at nothing and prefers no action. So it earns the same where
    inputs and actions are permuted, and its reference is then that of the usual order.
    """
    at_random = [test for test in study.references if test.learner.name == "random"]
    order = in_usual_order(environment)
    same = [test.name for test in at_random if test.environment is environment]
    alike = [test.name for test in at_random if in_usual_order(test.environment) == order]
    return next(iter(same + alike), None)


def in_its_study(record: Record, arrays: Mapping[str, np.ndarray]) -> Table:
    """What a theta earned, or lost, in the environments of its study."""
    path = results.references_path(results.recorded(), record.study, record.scale)
    others = records.read(path)[0] if path.exists() else {}
    rows = []
    for test in record.study.tests(record.training):
        name, at_random = test.name, chance(record.study, test.environment)
        if f"{name}/blocks" in arrays and not name.endswith(CONTROLS):
            rows.append(
                [
                    name,
                    first(arrays, name),
                    entry(arrays, name),
                    entry(arrays, f"{name}_without_reward"),
                    entry(others, at_random) if at_random else NOT_MEASURED,
                ]
            )
    says = (
        "What the study measures, per step: regret in bandits, reward in all else. Means over "
        "lifetimes, with 95% intervals over lifetimes of this one theta."
    )
    header = ["tested on", "first tenth", "last fifth", "without reward", "random"]
    return Table("In the environments of its study", says, header, rows)


def in_gymnasium(name: Name) -> Table:
    """What a theta earned in those environments of gymnasium in which that is recorded."""
    rows = []
    for environment, (arrays, about) in play.recorded(name).items():
        own = about["agent"]
        found = [entry(arrays, who) for who in (own, own + WITHOUT_REWARD)]
        rows.append([environment, verdict(arrays, own), first(arrays, own), *found])
    says = (
        "Reward per step, with observations standardised as they come in. It learns where the "
        "interval of the last fifth lies above those of the same agent without its reward, of a "
        "random one, and of win-stay, lose-shift."
    )
    header = ["environment", "learns", "first tenth", "last fifth", "without reward"]
    return Table("In environments of gymnasium", says, header, rows)


def beside_in_gymnasium(name: Name) -> Table:
    """What agents without meta-training earned in the same environments."""
    rows = []
    for environment, (arrays, about) in play.recorded(name).items():
        blocks, steps = measured(arrays, about["agent"])
        found = [entry(arrays, who) for who in REFERENCES]
        rows.append([f"{environment}, {len(blocks)} × {steps:,}", *found])
    says = (
        "Reward per step in the last fifth of the same lifetimes × steps. The actor-critic was "
        "tuned by hand, on 2×2 hearts."
    )
    return Table("Beside it there", says, ["environment", *REFERENCES], rows)


def tables(name: Name) -> list[Table]:
    """The card of a recorded theta, part by part. Those without a row are left out.

    Args:
        name: as `agent.Agent.load` takes it.

    Raises:
        ValueError: no record has that name.
        FileTrouble: a record is damaged.
    """
    record = agent.record(name)
    arrays, about = record.read()
    found = (
        origin(record, arrays, about),
        in_its_study(record, arrays),
        in_gymnasium(name),
        beside_in_gymnasium(name),
    )
    return [table for table in found if table.rows]


def card(name: Name) -> str:
    """The card of a recorded theta, in Markdown; see `tables`."""
    parts = [
        f"## {table.title}\n\n{table.says}\n\n{lines(table.header, table.rows)}\n"
        for table in tables(name)
    ]
    return "\n".join([f"# {name}\n", *parts])
