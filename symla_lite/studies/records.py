"""Recorded runs: what came out, and all that is needed to judge and repeat it.

A record is one file, written once and never over another: arrays, and an `about` of plain types
with the configuration and the provenance.
"""

import datetime
import functools
import importlib.metadata
import os
import platform
import re
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
from jax.tree_util import keystr, tree_flatten_with_path

from symla_lite import checkpoint, machine
from symla_lite.checks import MAY_BE_NAN, Seed
from symla_lite.learner import Learner, Sizes, Theta
from symla_lite.meta_training import CURVE, curve_names
from symla_lite.studies.criteria import checksums
from symla_lite.studies.study import BLOCKS, Scale, Study, Training


def commit(package: Path) -> str:
    """The commit of the code that runs, with a + if the package was changed since; "unknown" when
    it does not run from its own repository.

    Args:
        package: the package's folder. A repository around it is its own if it stands at the top of
            it and is named in the `pyproject.toml` there: not one that somebody installed it in.
    """
    # In a git hook these name the repository that the hook is of.
    environment = {name: x for name, x in os.environ.items() if not name.startswith("GIT_")}

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(package), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
            env=environment,
        ).stdout.removesuffix("\n")

    try:
        top = Path(git("rev-parse", "--show-toplevel"))
        project = tomllib.loads((top / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        if project["name"] != PROJECT or not os.path.samefile(top, package.parent):
            return "unknown"
        git("ls-files", "--error-unmatch", "__init__.py")
        changed = git("status", "--porcelain", "--", ".")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError, KeyError, TypeError, ValueError):
        return "unknown"


PROJECT = "symla-lite"
"""The package's name where it is installed."""

COMMIT = commit(Path(__file__).parents[1])
"""Asked for when the code is read, since a repository may move on while a run is under way."""


def about(study: Study, scale: str, seconds: Mapping[str, float]) -> dict[str, Any]:
    """What was run, and where, when and with what.

    Args:
        study: which.
        scale: the name of its scale.
        seconds: wall time that each part took.
    """
    return study.scale(scale).testing | {
        "study": study.name,
        "scale": scale,
        **provenance(),
        "seconds": {part: round(time, 3) for part, time in seconds.items()},
        "criteria": checksums(),
    }


def provenance() -> dict[str, Any]:
    """Where, when and with what something is run."""
    return {
        "commit": COMMIT,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "device": f"{jax.devices()[0].device_kind} ({jax.default_backend()})"
        + (f" × {jax.device_count()}" if jax.device_count() > 1 else ""),
        "cores": machine.cores(),
        "python": platform.python_version(),
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("jax", "jaxlib", "dm-haiku", "optax", "numpy")
        },
    }


def meta_trained(path: Path, about: Mapping[str, Any]) -> dict[str, Any]:
    """Where, when and with what the theta of a record was meta-trained, which is elsewhere where
    its record says so.

    Args:
        path: its file, for the message.
        about: what it says.

    Raises:
        FileTrouble: it does not say.
    """
    if "meta_trained" not in about:
        check_made(path, about, PROVIDED)
        return {name: about[name] for name in PROVIDED}
    check_made(path, about, {"meta_trained": Mapping})
    return dict(about["meta_trained"])


def summarise(measures: Annotated[np.ndarray, "n L"]) -> dict[str, np.ndarray]:
    """What is kept of a measure taken at every step of many lifetimes, [lifetimes, L].

    Returns:
        `blocks`, each lifetime's sums over ten equal parts of it, [lifetimes, 10]; `mean`, the mean
        over lifetimes at every step, [L].

    Raises:
        ValueError: another shape, or lifetimes that cannot be cut into ten equal parts.
    """
    lifetimes, length = measures.shape
    if length % BLOCKS:
        raise ValueError(f"A lifetime of {length} steps cannot be cut into {BLOCKS} equal parts.")
    return {
        "blocks": measures.reshape(lifetimes, BLOCKS, -1).sum(-1).astype(np.float32),
        "mean": measures.mean(0).astype(np.float32),
    }


def named_leaves(theta: Theta, prefix: str) -> dict[str, Any]:
    """The leaves of theta under readable names, in their order."""
    leaves, _ = tree_flatten_with_path(theta)
    return {prefix + keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def flatten(theta: Theta, prefix: str) -> dict[str, np.ndarray]:
    """The leaves of theta under readable names, for a file."""
    return {name: np.asarray(leaf) for name, leaf in named_leaves(theta, prefix).items()}


def unflatten(arrays: Mapping[str, np.ndarray], prefix: str, like: Theta) -> Theta:
    """Theta again, in the shape of `like`. Raises `ValueError` where an array of it is missing, has
    another shape or holds anything but real numbers."""
    found = []
    for name, leaf in named_leaves(like, prefix).items():
        array = arrays.get(name)
        if array is None or array.shape != leaf.shape:
            what = "missing" if array is None else f"of shape {list(array.shape)}"
            raise ValueError(f"{name!r} is {what}: give a record that has it, {list(leaf.shape)}.")
        if not np.issubdtype(array.dtype, np.floating):
            raise ValueError(f"{name!r} is of type {array.dtype}: give a record with real numbers.")
        found.append(array)
    return jax.tree.unflatten(jax.tree.structure(like), found)


def further(path: Path) -> list[Path]:
    """The files beside a record, in their order, that hold tests which its study was given later: a
    record is never changed."""
    named = re.compile(re.escape(path.stem) + r"\.([0-9]+)" + re.escape(path.suffix))
    found = ((named.fullmatch(file.name), file) for file in path.parent.glob("*"))
    return [file for _, file in sorted((int(match[1]), file) for match, file in found if match)]


def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays of a record and of the files of later tests beside it, and the record's `about`.

    Raises:
        FileTrouble: one of them is missing, damaged or something else.
    """
    arrays, about = checkpoint.load(path)
    for file in further(path):
        arrays = checkpoint.load(file)[0] | arrays
    return arrays, about


def theta_of(arrays: Mapping[str, np.ndarray], training: Training) -> Theta:
    """The meta-parameters in the record of a training. Raises `ValueError` as `unflatten` does."""
    return unflatten(arrays, "theta/", theta_like(training))


def theta_like(training: Training) -> Theta:
    """The shapes of a training's meta-parameters."""
    return theta_at(training.learner, training.environment.sizes)


@functools.lru_cache(maxsize=512)
def theta_at(learner: Learner, sizes: Sizes) -> Theta:
    """The shapes of a learner's meta-parameters, asked for once however many records have them."""
    return jax.eval_shape(lambda: learner.init_theta(jax.random.key(0), sizes))


Shapes = dict[str, checkpoint.Shape]
"""Of arrays, by name."""


def shapes_of_training(training: Training) -> tuple[Shapes, Shapes]:
    """What a record has of theta and its curve: what has to be there, and what may be."""
    shapes = {
        name: leaf.shape for name, leaf in named_leaves(theta_like(training), "theta/").items()
    }
    columns = {f"curve/{column}": (None,) for column in curve_names(training.environment)}
    return shapes | {f"curve/{column}": (None,) for column in CURVE}, columns


def check(
    path: Path,
    arrays: Mapping[str, Annotated[np.ndarray, MAY_BE_NAN]],
    study: Study,
    sized: Scale,
    training: Training | None,
    tested: bool = True,
) -> None:
    """Looks whether a record holds what it should.

    Args:
        path: its file, for the message.
        arrays: what was loaded from it.
        study: of which study it is.
        sized: at which scale.
        training: of which training; None for the references.
        tested: whether it has to have all tests.

    Raises:
        FileTrouble: an array is missing, does not belong there, has another shape, or holds NaN or
            infinity.
    """
    if training is None:
        (shapes, optional), tests = ({}, {}), study.references
    else:
        (shapes, optional), tests = shapes_of_training(training), study.tests(training)
    of_tests = {
        f"{test.name}/{name}": shape
        for test in tests
        for name, shape in (
            ("blocks", (sized.test_lifetimes, BLOCKS)),
            ("mean", (sized.test_length,)),
        )
    }
    if tested and (training is None or training.tested):
        shapes |= of_tests
    checkpoint.check(path, arrays, shapes, optional | of_tests)
    if training is not None:
        check_curve(path, arrays, training)


PROVIDED = {
    "commit": str,
    "date": str,
    "device": str,
    "cores": int,
    "python": str,
    "versions": Mapping,
}
"""What `provenance` says, and the type of each."""

PROVENANCE = PROVIDED | {"seconds": Mapping, "test_lifetimes": int, "test_length": int}
"""What every record says of how it was made, and the type of each."""


def check_made(path: Path, about: Mapping[str, Any], kinds: Mapping[str, type]) -> None:
    """Raises `FileTrouble` where a record does not say something of some type."""
    for name, kind in kinds.items():
        if not isinstance(about.get(name), kind):
            raise checkpoint.wrong(path, f"no {name!r} in what it says of itself")


def check_about(
    path: Path,
    about: Mapping[str, Any],
    study: Study,
    training: Training | None,
    seed: Seed | None = None,
) -> None:
    """Looks whether a record says that it is what its place in the folder says.

    Args:
        path: its file, for the message.
        about: what it says.
        study: of which study it is.
        training: of which training; None for the references.
        seed: of meta-training, where there is a training.

    Raises:
        FileTrouble: it says something else, or does not say how it was made.
    """
    check_made(path, about, PROVENANCE)
    wanted: dict[str, Any] = {"study": study.name}
    if training is not None:
        wanted["training"] = {
            "seed": seed,
            "learner": {"name": training.learner.name},
            "environment": {"name": training.environment.name},
        }
    if differs := checkpoint.differences(_like(wanted, about), wanted):
        raise checkpoint.wrong(path, f"a record of something else ({differs})")


def _like(wanted: Any, about: Any) -> Any:
    """The part of what a record says that has the names of `wanted`."""
    if not isinstance(wanted, Mapping):
        return about
    known = about if isinstance(about, Mapping) else {}
    return {name: _like(part, known.get(name)) for name, part in wanted.items()}


def check_curve(
    path: Path, arrays: Mapping[str, Annotated[np.ndarray, MAY_BE_NAN]], training: Training
) -> None:
    """Raises `FileTrouble` where a record's curve has more steps than its training."""
    done, steps = len(arrays["curve/fitness"]), training.outer.steps
    if done > steps:
        raise checkpoint.wrong(path, f"a curve of {done} steps of {steps}")
