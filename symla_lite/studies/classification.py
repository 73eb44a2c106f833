"""Learning to classify: chapter 3's meta-trained VSML, beside an LSTM that does not share.

Not one of the paper's studies, which are about reinforcement learning; a small one after Kirsch and
Schmidhuber (2021). Both are meta-trained on the same tasks, two of the digits 0 to 5 as images of
4 x 4 pixels that always stand in their places, and tested on what they never saw: other digits,
pixels in another order, other data sets. VSML is tested on other sizes as well, which the LSTM does
not fit. Beside them stands SGD, with the learning rate that is best on the tasks of meta-training.
"""

import dataclasses
import functools
import operator
from collections.abc import Mapping
from typing import Annotated

import jax

from symla_lite.checks import FILLED, Count, Seed
from symla_lite.controls import without_reward
from symla_lite.environments.classification import classification, clusters, digits, table
from symla_lite.environments.environment import Environment
from symla_lite.evolution import ES
from symla_lite.learner import Learner, Theta
from symla_lite.meta_training import Outer
from symla_lite.metarnn import metarnn
from symla_lite.studies.study import Scale, Study, Test, Training
from symla_lite.vsml import sgd, vsml

EXAMPLES = 100
"""Examples in a lifetime of meta-testing. Those of meta-training are half as long."""
ALPHAS = (0.01, 0.03, 0.1, 0.3)
"""Learning rates that SGD is tried with on the tasks of meta-training."""
ALPHA = 0.1
"""The best of them there; with it SGD is tested on all tasks."""

small_digits = functools.partial(digits, 4)
TRAINED = classification("trained", small_digits, range(6), ways=2, inputs=16)
UNLABELLED = classification("unlabelled", small_digits, range(6), ways=2, inputs=16, labels=False)

SAME_SIZES: dict[str, Environment] = {
    environment.name: environment
    for environment in (
        TRAINED,
        classification("held_out", small_digits, range(6, 10), ways=2, inputs=16),
        classification("permuted", small_digits, range(6), ways=2, inputs=16, view="permuted"),
        classification(
            "wine",
            functools.partial(table, "wine"),
            range(3),
            ways=2,
            inputs=16,
            view="projected",
        ),
        classification(
            "breast_cancer",
            functools.partial(table, "breast_cancer"),
            range(2),
            ways=2,
            inputs=16,
            view="projected",
        ),
        classification("clusters", clusters, range(40), ways=2, inputs=16),
    )
}
"""Tasks with 16 inputs and 2 outputs: all learners fit. The tables have other sizes, and are
projected to 16 inputs by a matrix drawn for each lifetime.
"""

OTHER_SIZES: dict[str, Environment] = {
    environment.name: environment
    for environment in (
        classification("wine_13", functools.partial(table, "wine"), range(3), ways=3, inputs=13),
        classification(
            "breast_cancer_30",
            functools.partial(table, "breast_cancer"),
            range(2),
            ways=2,
            inputs=30,
        ),
        classification("digits_64", digits, range(10), ways=10, inputs=64),
    )
}
"""The tables as they are, wine with its 3 classes, and the whole digits: 64 inputs, 10 classes."""


def greedy(learner: Learner) -> Learner:
    """The same learner, which gives the answer that it holds most probable and draws none."""

    def step(theta: Theta, h, x):
        logits, h = learner.step(theta, h, x)
        return 1e9 * jax.nn.one_hot(logits.argmax(), logits.size), h

    return dataclasses.replace(learner, step=step)


@functools.cache  # the same learners for every seed, so that they are compiled once
def tests(training: Training) -> tuple[Test, ...]:
    """All tasks that the learner fits, and the control: the training tasks without labels."""
    learner = greedy(training.learner)
    fitting = SAME_SIZES if learner.name == "metarnn" else SAME_SIZES | OTHER_SIZES
    control = Test("unlabelled", without_reward(learner), UNLABELLED)
    return (*(Test(name, learner, where) for name, where in fitting.items()), control)


def references() -> tuple[Test, ...]:
    """SGD with every learning rate on the tasks of meta-training, with the best on the others."""
    learners = {alpha: greedy(sgd(alpha)) for alpha in ALPHAS}
    tuning = [Test(f"sgd-{alpha}/trained", learner, TRAINED) for alpha, learner in learners.items()]
    others = {name: x for name, x in (SAME_SIZES | OTHER_SIZES).items() if name != "trained"}
    tested = [Test(f"sgd-{ALPHA}/{name}", learners[ALPHA], x) for name, x in others.items()]
    return (*tuning, *tested)


def scale(
    learners: Annotated[Mapping[Learner, Outer], FILLED],
    seeds: tuple[Seed, ...],
    test_lifetimes: Count,
) -> Scale:
    """Every learner, with its outer loop, meta-trained on the same tasks."""
    return Scale(
        trainings=tuple(
            Training(learner.name, learner, TRAINED, loop) for learner, loop in learners.items()
        ),
        seeds=seeds,
        test_lifetimes=test_lifetimes,
        test_length=EXAMPLES,
    )


def outer(
    population: Count, steps: Count, lifetimes: Count, length: Count = EXAMPLES // 2
) -> Outer:
    """The outer loop, the same for all but for its size."""
    return Outer(ES(population, sigma=0.1), 0.05, steps, length, lifetimes)


def quick() -> Scale:
    """Seconds: VSML alone."""
    return scale({vsml(): outer(64, steps=120, lifetimes=2)}, seeds=(0,), test_lifetimes=100)


def standard() -> Scale:
    """Minutes on a CPU core. The LSTM, which has five times as many meta-parameters and a cheaper
    step, is given eight times as many lifetimes in an outer step, and four times as many steps.
    """
    loops = {
        vsml(): outer(64, steps=300, lifetimes=2),
        metarnn(hidden=16): outer(256, steps=1200, lifetimes=4),
    }
    return scale(loops, seeds=(0, 1, 2), test_lifetimes=500)


def paper() -> Scale:
    """With the population and the sizes of the paper's studies, for a GPU."""
    loops = {
        vsml(hidden=16, message=8): outer(1024, steps=4000, lifetimes=10, length=EXAMPLES),
        metarnn(hidden=48): outer(1024, steps=4000, lifetimes=10, length=EXAMPLES),
    }
    return scale(loops, seeds=(0, 1, 2), test_lifetimes=1000)


CLASSIFICATION_STUDY = Study(
    name="classification",
    figure="chapter 3",
    measure=operator.attrgetter("reward"),
    tests=tests,
    references=references(),
    scales={"quick": quick(), "standard": standard(), "paper": paper()},
)
