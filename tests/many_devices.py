"""Meta-trains for a few steps on the devices that there are: run by `test_devices.py`.

python many_devices.py OUTCOME CHECKPOINT STEPS [COORDINATOR PROCESSES PROCESS]
"""

import sys
from pathlib import Path

import numpy as np
from jax.flatten_util import ravel_pytree

from symla_lite import devices
from symla_lite.baselines import random_policy
from symla_lite.environments import BANDITS
from symla_lite.evolution import ES
from symla_lite.meta_training import Outer, meta_train
from symla_lite.studies import Scale, Study, Training, run_study
from symla_lite.studies.study import tested_on
from symla_lite.symla import symla

OUTER = {"learning_rate": 0.05, "length": 10, "lifetimes": 2}
POPULATION = 32


def trained(steps, path=None, on=None):
    """Theta [D] and the curve's fitness after so many outer steps."""
    outer = Outer(ES(POPULATION, 0.1), steps=steps, **OUTER)
    found = meta_train(symla(hidden=4), BANDITS["easy"], outer, 0, path, progress=False, on=on)
    return np.asarray(ravel_pytree(found.theta)[0]), found.curve["fitness"]


def keep(outcome, found):
    """Writes what `trained` found into a file."""
    theta, fitness = found
    np.savez(outcome, theta=theta, fitness=fitness)


def small_study():
    """A study of one training, a moment long."""
    outer = Outer(ES(POPULATION, 0.1), steps=2, **OUTER)
    training = Training("symla-easy", symla(hidden=4), BANDITS["easy"], outer)
    scale = Scale((training,), seeds=(0,), test_lifetimes=2, test_length=10)
    return Study(
        name="small",
        figure="none",
        measure=lambda lifetime: lifetime.reward,
        tests=lambda training: tested_on(training.learner, {"easy": BANDITS["easy"]}),
        references=tested_on(random_policy(), {"easy": BANDITS["easy"]}, "random/"),
        scales={"quick": scale},
    )


if __name__ == "__main__":
    outcome, path, steps, *others = sys.argv[1:]
    if others:
        devices.join(others[0], int(others[1]), int(others[2]))
        run_study(small_study(), "quick", Path(others[3]))
    keep(outcome, trained(int(steps), path))
