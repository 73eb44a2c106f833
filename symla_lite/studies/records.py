"""Recorded runs: what came out, and all that is needed to judge and repeat it.

A record is one file, written once and never over another: arrays, and an `about` of plain types
with the configuration and the provenance.
"""

import datetime
import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.tree_util import keystr, tree_flatten_with_path

from symla_lite import checkpoint, machine
from symla_lite.learner import Theta
from symla_lite.studies.criteria import checksums
from symla_lite.studies.study import Study, Training

BLOCKS = 10
"""Parts into which a lifetime is cut when it is recorded."""


def commit() -> str:
    """The commit of the code that runs, with a + if the package was changed since; "unknown" when
    it does not run from a repository.
    """
    package = Path(__file__).parents[1]

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(package), *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--", ".")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


COMMIT = commit()
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
        "seconds": {part: round(time, 1) for part, time in seconds.items()},
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


def summarise(measures: np.ndarray) -> dict[str, np.ndarray]:
    """What is kept of a measure taken at every step of many lifetimes, [lifetimes, L].

    Returns:
        `blocks`, each lifetime's sums over ten equal parts of it, [lifetimes, 10]; `mean`, the mean
        over lifetimes at every step, [L].
    """
    lifetimes, length = measures.shape
    if length % BLOCKS:
        raise ValueError(f"A lifetime of {length} steps cannot be cut into {BLOCKS} equal parts.")
    return {
        "blocks": measures.reshape(lifetimes, BLOCKS, -1).sum(-1).astype(np.float32),
        "mean": measures.mean(0).astype(np.float32),
    }


def flatten(theta: Theta, prefix: str) -> dict[str, np.ndarray]:
    """The leaves of theta under readable names, for a file."""
    leaves, _ = tree_flatten_with_path(theta)
    return {prefix + keystr(path, simple=True, separator="."): np.asarray(x) for path, x in leaves}


def unflatten(arrays: Mapping[str, np.ndarray], prefix: str, like: Theta) -> Theta:
    """Theta again, in the shape of `like`."""
    leaves, tree = tree_flatten_with_path(like)
    names = [prefix + keystr(path, simple=True, separator=".") for path, _ in leaves]
    return jax.tree.unflatten(tree, [arrays[name] for name in names])


def further(path: Path) -> list[Path]:
    """The files beside a record, in their order, that hold tests which its study was given later: a
    record is never changed."""
    number = lambda file: int(file.suffixes[0][1:])  # noqa: E731
    return sorted(path.parent.glob(f"{path.stem}.[0-9]*{path.suffix}"), key=number)


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
    """The meta-parameters in the record of a training."""
    sizes = training.environment.sizes
    like = jax.eval_shape(lambda: training.learner.init_theta(jax.random.key(0), sizes))
    return unflatten(arrays, "theta/", like)
