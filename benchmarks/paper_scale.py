"""python -m benchmarks.paper_scale: two runs at the paper's own size, for a GPU.

Study 1's easy bandit (N = 64) and Study 3's CartPole, each with seed 0, into data/. Stopped, it
goes on where it was. First it lets the same agent live on the GPU and on the CPU, and compares what
it earns: what a GPU finds must be what a CPU finds, within statistical error.
"""

import argparse
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from symla_lite import studies
from symla_lite.__main__ import answer
from symla_lite.lifetime import live
from symla_lite.meta_training import said_beforehand
from symla_lite.studies.run import run_training
from symla_lite.studies.study import Training

RUNS = (("bandits", "symla-easy"), ("observation_spaces", "symla-cartpole"))
"""Study and training."""
MANY = 1000
"""Lifetimes in the comparison."""


def earned(training: Training, device: jax.Device) -> np.ndarray:
    """What one drawn theta earns in each of many lifetimes on a device, [MANY]."""
    learner, environment = training.learner, training.environment

    @jax.jit
    def all_lives(key):
        key_theta, key_lives = jax.random.split(key)
        theta = learner.init_theta(key_theta, environment.sizes)
        theta = jax.tree.map(
            lambda x: x + 0.2 * jnp.cos(jnp.arange(x.size)).reshape(x.shape), theta
        )

        def reward(key):
            return live(learner, environment, training.outer.length, theta, key).reward.sum()

        return jax.vmap(reward)(jax.random.split(key_lives, MANY))

    with jax.default_device(device):
        return np.asarray(all_lives(jax.random.key(0)))


def apart(one: np.ndarray, other: np.ndarray) -> float:
    """How far two means are apart, in standard errors of their difference: lifetimes with the same
    luck are compared. Zero where no lifetime differs.
    """
    difference = one - other
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    return float(abs(difference.mean()) / error) if error else 0.0


def run(out: Path, memory: float) -> None:
    """Compares, then runs. Raises `ValueError` or `FileTrouble`."""
    if jax.default_backend() == "cpu":
        raise ValueError(
            "there is no GPU here, and on a CPU these runs take days: install jax[cuda12] where "
            "there is one, or take --scale standard."
        )
    for name, training_name in RUNS:
        study = studies.named(name)
        training = study.scale("paper").training(training_name)
        here, there = (earned(training, jax.devices(kind)[0]) for kind in (None, "cpu"))
        print(
            f"{training_name}: {here.mean():.3f} on {jax.devices()[0].device_kind}, "
            f"{there.mean():.3f} on the CPU, {apart(here, there):.1f} standard errors apart; "
            f"{np.mean(np.isclose(here, there)):.0%} of the lifetimes earn the same."
        )
        print(said_beforehand(training.learner, training.environment, training.outer, memory))
        path = run_training(study, "paper", training_name, 0, out, 0, memory)
        print(f"Recorded in {path}.")


def main() -> int:
    """Asks what is wanted, and does it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper_scale", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder of the records")
    parser.add_argument("--memory", type=float, default=8.0, help="GiB for the population")
    arguments = parser.parse_args()
    return answer(lambda: run(arguments.out, arguments.memory))


if __name__ == "__main__":
    sys.exit(main())
