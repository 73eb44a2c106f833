"""Reading what studies recorded."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np

from symla_lite import checkpoint
from symla_lite.checks import Seed
from symla_lite.learner import Theta
from symla_lite.studies import records
from symla_lite.studies.run import folder, record_path
from symla_lite.studies.study import Study, Training


def known(arrays: Mapping[str, Any], name: str) -> np.ndarray:
    """An array of a record. Raises `ValueError` if there is none of that name."""
    if name not in arrays:
        raise ValueError(f"There is no {name!r} in the record: take one of {', '.join(arrays)}.")
    return arrays[name]


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
        return np.stack(
            [known(self.records[training, seed][0], array) for seed in self.seeds(training)]
        )

    def reference(self, array: str) -> np.ndarray:
        """An array of the references' record, with one "seed": `NAME/TEST/blocks` [1, lifetimes,
        10], `NAME/TEST/mean` [1, L].
        """
        return known(self.references[0], array)[None]

    def settings(self, training: str) -> dict[str, str]:
        """The hyper-parameters that a training was recorded with, under readable names."""
        about = self.about(training)[0]["training"]
        return settings(about["learner"], about["outer"])

    def beside_paper(self, training: str) -> dict[str, dict[str, str]]:
        """The hyper-parameters that a training was recorded with, and the scale `paper`'s."""
        declared = declared_settings(self.study, "paper", training)
        return {"recorded": self.settings(training), "paper": declared}

    def provenance(self) -> list[tuple[str, str]]:
        """Where, when and with what all of it was recorded: what it is called, and what it was."""
        abouts = [about | about.get("meta_trained", {}) for _, about in self.records.values()]

        def every(read):
            """What it was, or all that it was."""
            return ", ".join(sorted({str(read(about)) for about in abouts}))

        seeds = sorted({seed for _, seed in self.records})
        hours = sum(sum(about["seconds"].values()) for about in abouts) / 3600
        dates = [min(about["date"] for about in abouts), max(about["date"] for about in abouts)]
        return [
            ("study and scale", f"{self.study.name}, {self.scale}"),
            ("runs", f"{len(abouts)}"),
            ("meta-training seeds", ", ".join(map(str, seeds))),
            (
                "test lifetimes",
                f"{every(lambda x: x['test_lifetimes'])} for each run and test, of "
                f"{every(lambda x: x['test_length'])} steps",
            ),
            ("commit", every(lambda x: x["commit"][:10] + "+" * x["commit"].endswith("+"))),
            ("device", f"{every(lambda x: x['device'])}, {every(lambda x: x['cores'])} cores"),
            (
                "versions",
                "Python "
                + every(lambda x: x["python"])
                + ", "
                + every(lambda x: ", ".join(f"{k} {v}" for k, v in x["versions"].items())),
            ),
            ("time", f"{hours:.1f} hours of single runs"),
            ("dates", " to ".join(date[:16].replace("T", " ") for date in dates) + " UTC"),
        ]

    def theta(self, training: str, seed: Seed) -> Theta:
        """The meta-parameters that a training found."""
        declared = self.study.scale(self.scale).training(training)
        return records.theta_of(self.records[training, seed][0], declared)


def settings(learner: Mapping[str, Any], outer: Mapping[str, Any]) -> dict[str, str]:
    """Hyper-parameters under readable names.

    Args:
        learner: a learner's options.
        outer: the fields of an `Outer`, with those of its estimate of the gradient under "es".
    """
    es = outer["es"]
    weights = {
        "evolution strategies": "{shaping} fitness",
        "policy gradients": "policy gradient, γ = {discount}",
        "imitation": "imitation of a teacher",
    }
    weight = weights[estimated_by(es)].format(**es)
    if es.get("baseline") == "past":
        weight += ", less what past rewards predict"
    return {
        "N, hidden units": str(learner.get("hidden", "none")),
        "population (members, two to a pair)": str(es.get("population", "θ itself")),
        "lifetimes of each member": str(outer["lifetimes"]),
        "outer steps": str(outer["steps"]),
        "σ, noise on θ": str(es["sigma"]),
        "α, Adam's learning rate": str(outer["learning_rate"]),
        "what weighs the noise": weight,
        "L, steps in a lifetime": str(outer["length"]),
    }


def estimated_by(
    estimate: Mapping[str, Any],
) -> Literal["evolution strategies", "policy gradients", "imitation"]:
    """What the recorded fields of an estimate of the gradient belong to: an `ES`, a
    `PolicyGradient` or an `Imitation`."""
    kinds = {"population": "evolution strategies", "discount": "policy gradients"}
    if set(estimate) == {"cut", "sigma"}:
        return "imitation"
    return next(kind for field, kind in kinds.items() if field in estimate)


def declared_settings(study: Study, scale: str, training: str) -> dict[str, str]:
    """The hyper-parameters that a scale declares for a training, whether it was run or not."""
    declared = study.scale(scale).training(training)
    return settings(declared.learner.options, dataclasses.asdict(declared.outer))


UNFINISHED = 0.02
"""A curve of meta-training whose `late_rise` is larger than this was cut while it rose."""


def late_rise(fitness: Annotated[np.ndarray, "S T"], none: float = 0.0) -> float:
    """By how much meta-training still gained at its end: the rise of a straight line through the
    last fifth of its curve, as a share of what it has there above `none`.

    Args:
        fitness: of each seed at each outer step, [seeds, steps], at least ten steps.
        none: the fitness of a random policy.

    Returns:
        The share; negative where the curve falls.

    Raises:
        ValueError: fewer than ten outer steps, or no gap between the last fifth and `none`.
    """
    steps = fitness.shape[-1]
    if steps < 10:
        raise ValueError(f"A curve of {steps} outer steps has no last fifth: give at least 10.")
    last = np.mean(fitness[..., -(steps // 5) :], axis=0)
    # Curves have 32 bits: what is left of equal numbers after rounding is no gap.
    if np.isclose(last.mean(), none, rtol=1e-6, atol=0.0):
        raise ValueError(
            f"none={none} is the mean of the last fifth of `fitness`: give two levels with a gap."
        )
    slope, _ = np.polyfit(np.arange(len(last)), last, 1)
    return float(slope * len(last) / (last.mean() - none))


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
        FileTrouble: one is missing, damaged or has wrong contents; the message says which.
    """
    out = recorded() if out is None else Path(out)
    sized = study.scale(scale)
    found = {}
    for training in sized.trainings:
        for seed in sized.seeds:
            path = record_path(out, study, scale, training.name, seed)
            if not training.tested and not path.exists():
                continue  # a step that only leads to the next one
            found[training.name, seed] = read(path, study, scale, training, seed)
    references = read(references_path(out, study, scale), study, scale)
    return Results(study, scale, found, references)


def references_path(out: Path, study: Study, scale: str) -> Path:
    """The record of the learners that need no training: the scale's own, or that of another scale
    which tests as many lifetimes of the same length, since nothing else would differ."""
    testing = study.scale(scale).testing
    alike = [name for name, other in study.scales.items() if other.testing == testing]
    paths = [folder(out, study, name) / "references.safetensors" for name in (scale, *alike)]
    return next((path for path in paths if path.exists()), paths[0])


def read(
    path: Path,
    study: Study,
    scale: str,
    training: Training | None = None,
    seed: Seed | None = None,
):
    """One record, of the references where no training is given. Raises `FileTrouble` where it is
    missing, with the command that makes it, and where its contents are wrong."""
    if not path.exists():
        raise checkpoint.FileTrouble(
            f"{path} is not recorded yet: run python -m symla_lite study {study.name} --scale "
            f"{scale} --out {path.parents[2]}"
        )
    arrays, about = records.read(path)
    records.check(path, arrays, study, study.scale(scale), training)
    records.check_about(path, about, study, training, seed)
    return arrays, about
