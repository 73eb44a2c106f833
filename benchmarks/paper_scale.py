"""python -m benchmarks.paper_scale: what a GPU is for, in parts of ten minutes.

Three parts, in this order, each of which may be asked for alone:

- `agree`: recorded agents act on the GPU and on the CPU with the same keys, and what they earn is
  compared: what a GPU finds must be what a CPU finds, within statistical error;
- `time`: every world at the paper's size, beside the printed method and the one assembled from
  evosax;
- `train`: the runs that the studies need at sizes for a GPU, into data/.

A run that is stopped, or a machine that is taken away, costs ten seconds of it: the same command
goes on. `--minutes` stops by itself.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from symla_lite import studies
from symla_lite.__main__ import answer
from symla_lite.learner import Theta
from symla_lite.lifetime import live
from symla_lite.meta_training import memory_in_words
from symla_lite.studies import results
from symla_lite.studies.run import record_path, run_training
from symla_lite.studies.study import Training

PARTS = ("agree", "time", "train")
RECORDED = (("bandits", "symla-easy"), ("observation_spaces", "symla-cartpole"))
"""Agents of the scale `standard` that are compared. A drawn theta would be nearly blind: it hardly
acts on what it sees, so errors in what it sees would not show."""
RUNS = (
    ("bandits", "paper", "symla-easy", 0),
    ("observation_spaces", "paper", "symla-cartpole", 0),
    ("environments", "gpu", "symla-grid", 0),
    *(
        ("tasks", "gpu", training.name, seed)
        for seed in (0, 1, 2)
        for training in studies.named("tasks").scale("gpu").trainings
    ),
)
"""Study, scale, training and seed; those that start from others come after them."""
MANY = 1000
"""Lifetimes in a comparison."""
MOST = 4.0
"""Standard errors from which on two devices disagree."""


def earned(training: Training, theta: Theta, device: jax.Device, lifetimes: int) -> np.ndarray:
    """What theta earns in each of so many lifetimes on a device, [lifetimes]."""

    @jax.jit
    def all_lifetimes(theta, keys):
        def reward(key):
            length = training.outer.length
            return live(training.learner, training.environment, length, theta, key).reward.sum()

        return jax.vmap(reward)(keys)

    given = theta, jax.random.split(jax.random.key(0), lifetimes)
    return np.asarray(all_lifetimes(*jax.device_put(given, device)))


def standard_errors(one: np.ndarray, other: np.ndarray) -> float:
    """How far two means are apart, in standard errors of their difference: lifetimes with the same
    key are compared. Zero where no lifetime differs.
    """
    difference = one - other
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    return float(abs(difference.mean()) / error) if error else 0.0


def agree(lifetimes: int = MANY) -> None:
    """Compares this device with the CPU. Raises `ValueError` where they disagree."""
    for name, training_name in RECORDED:
        runs = results.load(studies.named(name))
        training = runs.study.scale("standard").training(training_name)
        theta = runs.theta(training_name, 0)
        here, there = (
            earned(training, theta, jax.devices(kind)[0], lifetimes) for kind in (None, "cpu")
        )
        print(
            f"{training_name}: {here.mean():.3f} on {jax.devices()[0].device_kind}, "
            f"{there.mean():.3f} on the CPU, "
            f"{standard_errors(here, there):.1f} standard errors apart; "
            f"{np.mean(np.isclose(here, there)):.0%} of the lifetimes earn the same."
        )
        if standard_errors(here, there) > MOST:
            raise ValueError(
                f"The devices disagree on {training_name}: make no runs here before the cause is "
                "known."
            )


def train(out: Path, memory: float, runs: Sequence[tuple[str, str, str, int]] = RUNS) -> None:
    """Makes the runs that are not recorded. Raises `ValueError` or `FileTrouble`."""
    for name, scale, training_name, seed in runs:
        study = studies.named(name)
        training = study.scale(scale).training(training_name)
        path = record_path(out, study, scale, training_name, seed)
        if not path.exists():
            print(memory_in_words(training.learner, training.environment, training.outer, memory))
            run_training(study, scale, training_name, seed, out, 0, memory)
        print(f"Recorded in {path}.", flush=True)


def run(asked: argparse.Namespace) -> None:
    """Does the parts that were asked for. Raises `ValueError` or `FileTrouble`."""
    if jax.default_backend() == "cpu":
        raise ValueError(
            "There is no GPU here, or JAX has none of its parts for CUDA (`make gpu` installs "
            "them), and on a CPU these runs take days: take --scale standard."
        )
    for part in asked.parts or PARTS:
        if part == "agree":
            agree()
        elif part == "time":
            command = [sys.executable, "-m", "benchmarks", "--paper", "--memory", str(asked.memory)]
            if subprocess.run(command).returncode:
                raise ValueError("The benchmark stopped; see above.")
        else:
            train(asked.out, asked.memory)


def in_time(command: Sequence[str], minutes: float) -> int:
    """Runs a command and ends it, with all that it started, after so many minutes. It is killed:
    what compiles may not hear an interrupt, and a run that is killed goes on from its checkpoint.

    Returns:
        Its exit status; 0 where it was ended.
    """
    process = subprocess.Popen(command, start_new_session=True)
    try:
        return process.wait(60 * minutes)
    except subprocess.TimeoutExpired:
        print(f"\nStopped after {minutes:g} min. The same command goes on.")
        return 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Asks what is wanted, and does it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper_scale", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="agree, time, train; all of them")
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder of the records")
    parser.add_argument("--memory", type=float, default=8.0, help="GiB for the population")
    parser.add_argument("--minutes", type=float, help="stop after so many")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}: give some of {', '.join(PARTS)}")
    if asked.minutes is None:
        return answer(lambda: run(asked))
    same = ["--out", str(asked.out), "--memory", str(asked.memory)]
    return in_time(
        [sys.executable, "-m", "benchmarks.paper_scale", *asked.parts, *same], asked.minutes
    )


if __name__ == "__main__":
    sys.exit(main())
