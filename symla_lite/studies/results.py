"""Reading what studies recorded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from symla_lite import checkpoint
from symla_lite.learner import Theta
from symla_lite.studies import records
from symla_lite.studies.run import folder, record_path
from symla_lite.studies.study import Study


class Results(NamedTuple):
    """All records of one study at one scale."""

    study: Study
    scale: str
    records: Mapping[tuple[str, int], tuple[Mapping[str, np.ndarray], Mapping[str, Any]]]
    """Arrays and `about` for each (training, seed)."""
    references: tuple[Mapping[str, np.ndarray], Mapping[str, Any]]
    """Arrays and `about` of the learners that need no training."""

    def seeds(self, training: str) -> list[int]:
        """The meta-training seeds that are recorded. Raises `ValueError` if there are none."""
        seeds = sorted(seed for name, seed in self.records if name == training)
        if not seeds:
            names = sorted({name for name, _ in self.records})
            raise ValueError(f"Nothing is recorded of {training!r}: take one of {names}.")
        return seeds

    def about(self, training: str) -> list[Mapping[str, Any]]:
        """Configuration and provenance, for each seed."""
        return [self.records[training, seed][1] for seed in self.seeds(training)]

    def stack(self, training: str, array: str) -> np.ndarray:
        """An array of every seed's record, [seeds, ...]: `TEST/blocks` [seeds, lifetimes, 10] and
        `TEST/mean` [seeds, L] of a test, `curve/fitness` [seeds, steps].
        """
        return np.stack([self.records[training, seed][0][array] for seed in self.seeds(training)])

    def reference(self, array: str) -> np.ndarray:
        """An array of the references' record, with one "seed": `NAME/TEST/blocks` [1, lifetimes,
        10], `NAME/TEST/mean` [1, L].
        """
        return self.references[0][array][None]

    def theta(self, training: str, seed: int) -> Theta:
        """The meta-parameters that a training found."""
        declared = self.study.scale(self.scale).training(training)
        return records.theta_of(self.records[training, seed][0], declared)


def recorded() -> Path:
    """The folder of the records that come with the package: `data/` in the repository, and within
    the package where it was installed from a wheel.
    """
    package = Path(__file__).parents[1]
    inside = package / "data"
    return inside if inside.exists() else package.parent / "data"


def load(study: Study, scale: str = "standard", out: Path | None = None) -> Results:
    """Reads all records of a study.

    Args:
        study: which.
        scale: the name of its scale.
        out: the folder of all records; None takes those that come with the package.

    Raises:
        FileTrouble: one is missing or damaged; the message says how to make it.
    """
    out = recorded() if out is None else Path(out)
    sized = study.scale(scale)
    found = {}
    for training in sized.trainings:
        for seed in sized.seeds:
            path = record_path(out, study, scale, training.name, seed)
            found[training.name, seed] = read(path, study, scale)
    references = read(folder(out, study, scale) / "references.safetensors", study, scale)
    return Results(study, scale, found, references)


def read(path: Path, study: Study, scale: str):
    """One record. Raises `FileTrouble` with the command that makes it."""
    if not path.exists():
        raise checkpoint.FileTrouble(
            f"{path} is not recorded yet: run python -m symla_lite study {study.name} --scale "
            f"{scale} --out {path.parents[2]}"
        )
    return checkpoint.load(path)
