"""What a study is, as data: who is meta-trained on what, tested on what, at which scale."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax

from symla_lite.environments.environment import Environment
from symla_lite.learner import Learner, without_reward
from symla_lite.lifetime import Lifetime
from symla_lite.meta_training import Outer


@dataclasses.dataclass(frozen=True)
class Training:
    """One meta-training, to be run with several seeds."""

    name: str
    """Unique in its study; names the files."""
    learner: Learner
    environment: Environment
    outer: Outer
    start: str | None = None
    """The training of the same scale, declared before this one, from whose theta (of the same seed)
    it starts: a step of a curriculum. None draws theta."""
    tested: bool = True
    """False for a step that only leads to the next one, of which theta is kept and no more."""


@dataclasses.dataclass(frozen=True)
class Test:
    """Lifetimes that a learner is tested in."""

    name: str
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


def tested_with_and_without_reward(
    training: Training, environments: Mapping[Any, Environment]
) -> tuple[Test, ...]:
    """A training's learner, tested on those of the environments that it fits, with its reward input
    and without it (`KEY_without_reward`).

    A MetaRNN fits the sizes that it was meta-trained with, SymLA all.
    """
    learner, sizes = training.learner, training.environment.sizes
    fitting = {
        key: where
        for key, where in environments.items()
        if learner.name != "metarnn" or where.sizes == sizes
    }
    blind = {f"{key}_without_reward": where for key, where in fitting.items()}
    return (*tested_on(learner, fitting), *tested_on(without_reward(learner), blind))


@dataclasses.dataclass(frozen=True)
class Scale:
    """How much of a study is run.

    Raises:
        ValueError: a training that starts from one that is not declared before it.
    """

    trainings: tuple[Training, ...]
    seeds: tuple[int, ...]
    """Meta-training seeds, chosen before the run."""
    test_lifetimes: int
    """Meta-test lifetimes for each seed and test."""
    test_length: int
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
    """One of the paper's experiments."""

    name: str
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

    def scale(self, name: str) -> Scale:
        """The scale of that name. Raises `ValueError` if there is none."""
        if name not in self.scales:
            raise ValueError(f"There is no scale {name!r}: take one of {', '.join(self.scales)}.")
        return self.scales[name]

    def __reduce__(self):
        """Learners hold functions, which do not travel to another process; the name does."""
        from symla_lite import studies

        return studies.named, (self.name,)
