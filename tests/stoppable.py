"""A study of seconds that is stopped on the way: run by `test_stop.py`, as the command line is.

python stoppable.py study small --scale tiny ...

With EAGER in the environment it saves after every fifth step, and with SLOW a save takes its time.
"""

import os
import sys
import time

from symla_lite import stop

if __name__ == "__main__":
    stop.listen()

import functools

from symla_lite import __main__ as command_line
from symla_lite import studies
from symla_lite.baselines import random_policy
from symla_lite.environments import BANDITS
from symla_lite.evolution import ES
from symla_lite.meta_training import Outer, meta_train
from symla_lite.metarnn import metarnn
from symla_lite.studies import Scale, Study, Training, run
from symla_lite.studies.study import tested_on

STEPS = 20_000
EASY = {"easy": BANDITS["easy"]}


def small():
    """Two trainings that have nothing to do with one another."""
    outer = Outer(ES(4, 0.1), learning_rate=0.01, steps=STEPS, length=5, lifetimes=1)
    trainings = tuple(Training(name, metarnn(hidden=3), EASY["easy"], outer) for name in "ab")
    return Small(
        name="small",
        figure="none",
        measure=lambda lifetime: lifetime.reward,
        tests=lambda training: tested_on(training.learner, EASY),
        references=tested_on(random_policy(), EASY, "random/"),
        scales={"tiny": Scale(trainings, seeds=(0,), test_lifetimes=2, test_length=10)},
    )


class Small(Study):
    """One that other processes find here."""

    def __reduce__(self):
        return small, ()


if "EAGER" in os.environ:
    run.meta_train = functools.partial(meta_train, save_every=0.0, steps_per_call=5)

if "SLOW" in os.environ:
    fsync = os.fsync

    def slow_fsync(descriptor):
        time.sleep(0.3)
        fsync(descriptor)

    os.fsync = slow_fsync

if __name__ == "__main__":
    studies.STUDIES["small"] = small()
    sys.exit(command_line.main())
