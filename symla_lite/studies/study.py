"""What a study is, as data: who is meta-trained on what, tested on what, at which scale."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import jax

from symla_lite.checks import FILLED, Count, FileName, Name, Seed
from symla_lite.controls import reward_off_after, wiped_every, without_observation, without_reward
from symla_lite.environments.environment import Environment
from symla_lite.learner import Learner
from symla_lite.lifetime import Lifetime
from symla_lite.meta_training import Environments, Outer

BLOCKS = 10
"""Parts into which a lifetime is cut when it is recorded."""


def once(what: str, names: Sequence[Any]) -> None:
    """Raises `ValueError` if a name stands among others twice."""
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{what} has {', '.join(twice)} twice: give each a name of its own.")


@dataclasses.dataclass(frozen=True)
class Training:
    """One meta-training, to be run with several seeds."""

    name: FileName
    """Unique in its study; names the files."""
    learner: Learner
    environment: Environments
    outer: Outer
    start: str | None = None
    """The training of the same scale, declared before this one, from whose theta (of the same seed)
    it starts: a step of a curriculum. None draws theta."""
    tested: bool = True
    """False for a step that only leads to the next one, of which theta is kept and no more."""


@dataclasses.dataclass(frozen=True)
class Test:
    """Lifetimes that a learner is tested in."""

    name: Name
    """Unique among a training's tests."""
    learner: Learner
    """Who takes the meta-trained theta: the learner of the training, or a variant of it."""
    environment: Environment


def each_on_each(
    learners: Mapping[Learner, Outer], environments: Mapping[Any, Environment]
) -> tuple[Training, ...]:
    """Every learner, with its outer loop, meta-trained on every environment; `LEARNER-KEY`."""
    return tuple(
        Training(f"{learner.name}-{key}", learner, environment, loop)
        for learner, loop in learners.items()
        for key, environment in environments.items()
    )


def tested_on(
    learner: Learner, environments: Mapping[Any, Environment], prefix: str = ""
) -> tuple[Test, ...]:
    """A learner, tested on every environment; the tests are named `prefix` and key."""
    return tuple(Test(f"{prefix}{key}", learner, where) for key, where in environments.items())


def references_on(
    references: Mapping[str, Learner], environments: Mapping[Any, Environment]
) -> tuple[Test, ...]:
    """Learners that need no training, each on every environment; the tests are named
    `REFERENCE/KEY`."""
    return tuple(
        Test(f"{name}/{key}", learner, where)
        for name, learner in references.items()
        for key, where in environments.items()
    )


WIPED = 10
"""Steps between two wipes of the state, in the control that asks what memory is worth."""


def tested_with_controls(
    training: Training,
    environments: Mapping[Any, Environment],
    length: Count,
    needed: Sequence[Any],
) -> tuple[Test, ...]:
    """A training's learner, tested on those of the environments that it fits, with its reward input
    and without it (`KEY_without_reward`); and where a claim of learning is made, with the other
    controls, too: `KEY_without_observation`, `KEY_reward_off` from the middle on, `KEY_wiped`.

    A MetaRNN fits the sizes that it was meta-trained with, SymLA all.

    Args:
        training: whose learner.
        environments: by their keys.
        length: L, steps in a meta-test lifetime.
        needed: the keys of those that all controls are needed on.
    """
    learner, sizes = training.learner, training.environment.sizes
    fitting = {
        key: where
        for key, where in environments.items()
        if learner.name != "metarnn" or where.sizes == sizes
    }
    blind = {f"{key}_without_reward": where for key, where in fitting.items()}
    return (
        *tested_on(learner, fitting),
        *tested_on(without_reward(learner), blind),
        *controls(learner, {key: fitting[key] for key in needed if key in fitting}, length),
    )


def controls(
    learner: Learner, environments: Mapping[Any, Environment], length: Count
) -> tuple[Test, ...]:
    """A learner, tested on every environment with each control but that of the reward, which is
    older: `KEY_without_observation`, `KEY_reward_off` from the middle of the lifetime on, and
    `KEY_wiped` every `WIPED` steps."""
    changed = {
        "without_observation": without_observation(learner),
        "reward_off": reward_off_after(learner, length // 2),
        "wiped": wiped_every(learner, WIPED),
    }
    return tuple(
        Test(f"{key}_{name}", control, where)
        for key, where in environments.items()
        for name, control in changed.items()
    )


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of a study is run.

    Raises:
        ValueError: a training that starts from one that is not declared before it, the same
            training or seed twice, or a `test_length` that cannot be recorded in `BLOCKS` parts.
    """

    trainings: Annotated[tuple[Training, ...], FILLED]
    seeds: Annotated[tuple[Seed, ...], FILLED]
    """Meta-training seeds, chosen before the run."""
    test_lifetimes: Count
    """Meta-test lifetimes for each seed and test."""
    test_length: Count
    """L, steps in a meta-test lifetime."""

    def __post_init__(self):
        before = {None}
        for training in self.trainings:
            if training.start not in before:
                raise ValueError(
                    f"{training.name} starts from {training.start!r}, which is not declared before "
                    "it: declare a curriculum in the order in which it is run."
                )
            before.add(training.name)
        once("trainings", [training.name for training in self.trainings])
        once("seeds", self.seeds)
        if self.test_length % BLOCKS:
            raise ValueError(
                f"test_length={self.test_length} cannot be recorded in {BLOCKS} equal parts: give "
                f"a multiple of {BLOCKS}."
            )

    @property
    def curricula(self) -> list[list[str]]:
        """The names of the trainings, those together that start from one another."""
        found: dict[str, list[str]] = {}
        first: dict[str, str] = {}
        for training in self.trainings:
            first[training.name] = first.get(training.start, training.name)
            found.setdefault(first[training.name], []).append(training.name)
        return list(found.values())

    @property
    def testing(self) -> dict[str, int]:
        """How it is meta-tested, as records have it."""
        return {"test_lifetimes": self.test_lifetimes, "test_length": self.test_length}

    def training(self, name: str) -> Training:
        """The training of that name. Raises `ValueError` if there is none."""
        for training in self.trainings:
            if training.name == name:
                return training
        names = ", ".join(training.name for training in self.trainings)
        raise ValueError(f"This study trains no {name!r}: take one of {names}.")


@dataclasses.dataclass(frozen=True)
class Study:
    """One of the paper's experiments.

    Raises:
        ValueError: a training has two tests of the same name, or there are two such references.
    """

    name: FileName
    figure: str
    """Which of the paper's figures it reruns."""
    measure: Callable[[Lifetime], jax.Array]
    """What is recorded of a lifetime at every step, [L], such as regret or reward."""
    tests: Callable[[Training], tuple[Test, ...]]
    """What a training is tested on."""
    references: tuple[Test, ...]
    """Learners that need no training, on what they are tested."""
    scales: Mapping[str, Scale]
    """`quick`, `standard` and `paper`, and what else was tried."""

    def __post_init__(self):
        once("references", [test.name for test in self.references])
        for scale in self.scales.values():
            for training in scale.trainings:
                names = [test.name for test in self.tests(training)]
                once(f"tests of {training.name}", names)

    def scale(self, name: str) -> Scale:
        """The scale of that name. Raises `ValueError` if there is none."""
        if name not in self.scales:
            raise ValueError(f"There is no scale {name!r}: take one of {', '.join(self.scales)}.")
        return self.scales[name]

    def __reduce__(self):
        """Learners hold functions, which do not travel to another process; the name does."""
        from symla_lite import studies

        return studies.named, (self.name,)
