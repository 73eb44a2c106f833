"""What the paper leaves open, one choice at a time; and its symmetries, broken one at a time.

Text, equations and printed code of the paper differ in some places and are silent in others
(`symla` names the options). Each study here takes the default, changes one thing and nothing else,
and meta-trains where the change can matter:

- `ablations_bandits`: independent bandits with two arms, tested with 2, 8 and 12: sums and means of
  messages differ where the number of cells changes;
- `ablations_cartpole`: CartPole, tested as it is and permuted: what to do depends on what is seen,
  so cells have to talk, and episodes end;
- `ablations_order`: the biased bandit, tested as it is and with its arms swapped, where SymLA with
  a broken symmetry (`broken`) can learn the order of the arms by heart.
"""

import dataclasses
from collections.abc import Callable, Mapping

import jax

from symla_lite import broken
from symla_lite.baselines import random_policy, win_stay
from symla_lite.checks import Count, Name
from symla_lite.controls import without_reward
from symla_lite.environments.bandits import biased, independent_arms
from symla_lite.environments.environment import Environment
from symla_lite.environments.transforms import reset_at_once
from symla_lite.learner import Learner
from symla_lite.lifetime import Lifetime
from symla_lite.meta_training import Outer
from symla_lite.studies.study import Scale, Study, Test, Training, references_on, tested_on
from symla_lite.studies.systems import (
    PAPER,
    POLE,
    POLE_PERMUTED,
    PULLS,
    of_pole,
    of_pulls,
    outer,
    regret,
)
from symla_lite.symla import symla

DEEP = {"initial_std": 1.0, "units": 4}
"""Of several layers: from equal initial states, hidden units would stay alike."""

VARIANTS: dict[str, Learner] = {
    "default": symla(),
    "sum": symla(reduce="sum"),
    "exchange_tick": symla(exchange="tick"),
    "random_states": symla(initial_std=1.0),
    "no_end_flag": symla(end_flag=False),
    "forget_bias_0": symla(forget_bias=0.0),
    "forget_bias_3": symla(forget_bias=3.0),
    "one_tick": symla(ticks=1),
    "four_ticks": symla(ticks=4),
    "layers_2": symla(layers=2, **DEEP),
    "layers_3": symla(layers=3, **DEEP),
}
"""SymLA with one option changed; the layers need random initial states as well, so compare them
with `random_states`."""

BROKEN: dict[str, Learner] = {
    "untied": broken.untied(),
    "embedded": broken.embedded(),
    "fixed_size": broken.fixed_size(),
}
"""SymLA with one symmetry broken; their theta fits one number of actions."""


def trainings(environment: Environment, loop: Outer, *names: Name) -> tuple[Training, ...]:
    """Variants, by their names, on one world with the same outer loop.

    Args:
        environment: the world.
        loop: the outer loop.
        names: in `VARIANTS` or `BROKEN`.

    Raises:
        ValueError: a name that is in neither.
    """
    learners = VARIANTS | BROKEN
    for name in names:
        if name not in learners:
            raise ValueError(f"There is no variant {name!r}: take one of {', '.join(learners)}.")
    return tuple(Training(name, learners[name], environment, loop) for name in names)


def ablation(
    name: Name,
    tested: Mapping[str, Environment],
    quick: tuple[Training, ...],
    standard: tuple[Training, ...],
    paper: tuple[Training, ...],
    test_length: Count,
    test_lifetimes: Count,
    measure: Callable[[Lifetime], jax.Array] = lambda lifetime: lifetime.reward,
) -> Study:
    """One study: variants, tested on worlds that their theta fits and, where trained, without
    reward.

    Args:
        name: the study's.
        tested: worlds of meta-testing, by their names.
        quick: trainings of that scale.
        standard: trainings of that scale.
        paper: trainings of that scale.
        test_length: L of meta-testing.
        test_lifetimes: how many, but for `quick`.
        measure: as in `Study`.
    """

    def tests(training: Training) -> tuple[Test, ...]:
        learner, where = training.learner, training.environment
        fitting = {
            key: world
            for key, world in tested.items()
            if learner.name == "symla" or world.sizes == where.sizes
        }
        blind = Test("without_reward", without_reward(learner), where)
        return (*tested_on(learner, fitting), blind)

    seeds = (0, 1, 2)
    references = {"random": random_policy(), "win_stay": win_stay()}
    return Study(
        name=name,
        figure="none: the paper leaves it open",
        measure=measure,
        tests=tests,
        references=references_on(references, tested),
        scales={
            "quick": Scale(quick, seeds[:1], 100, test_length),
            "standard": Scale(standard, seeds, test_lifetimes, test_length),
            "paper": Scale(paper, seeds, test_lifetimes, test_length),
        },
    )


# Bandits. No episode ends in a bandit: the flag is always zero there.

TWO_ARMS = independent_arms(2)
ON_BANDITS = tuple(name for name in VARIANTS if name != "no_end_flag")


def on_bandits(loop: Outer) -> tuple[Training, ...]:
    """All variants, and the default with a population that counts pairs and not members: the
    paper's 512 in its printed code."""
    pairs = dataclasses.replace(
        loop, es=dataclasses.replace(loop.es, population=2 * loop.es.population)
    )
    return (
        *trainings(TWO_ARMS, loop, *ON_BANDITS),
        Training("pairs", VARIANTS["default"], TWO_ARMS, pairs),
    )


BANDIT_ABLATIONS = ablation(
    "ablations_bandits",
    {f"{arms}": independent_arms(arms) for arms in (2, 8, 12)},
    quick=trainings(TWO_ARMS, of_pulls(64, 40, 8), "default", "sum"),
    standard=on_bandits(of_pulls(128, 600, 4, learning_rate=0.05)),
    paper=on_bandits(outer(1024, 4000, PULLS, lifetimes=100, sigma=0.2, learning_rate=0.2)),
    test_length=PULLS,
    test_lifetimes=500,
    measure=regret,
)

# CartPole.

ON_POLE = (
    "default",
    "sum",
    "exchange_tick",
    "random_states",
    "no_end_flag",
    *BROKEN,
)


def on_pole(loop: Outer) -> tuple[Training, ...]:
    """Variants, and one that never sees how an episode ends; compare it with `no_end_flag`."""
    at_once = Training("reset_at_once", VARIANTS["no_end_flag"], reset_at_once(POLE), loop)
    return (*trainings(POLE, loop, *ON_POLE), at_once)


CARTPOLE_ABLATIONS = ablation(
    "ablations_cartpole",
    {"original": POLE, "permuted": POLE_PERMUTED},
    quick=trainings(
        POLE, outer(32, 10, 250, lifetimes=1, sigma=0.05, learning_rate=0.02), "default", "sum"
    ),
    standard=on_pole(of_pole(700)),
    paper=on_pole(PAPER),
    test_length=500,
    test_lifetimes=200,
)

# The biased bandit, for what a broken symmetry buys and costs.

ORDER = biased()
ORDER_ABLATIONS = ablation(
    "ablations_order",
    {"original": ORDER, "swapped": biased(swapped=True)},
    quick=trainings(ORDER, of_pulls(64, 60, 8), "default", "embedded"),
    standard=trainings(ORDER, of_pulls(128, 200, 8, learning_rate=0.05), "default", *BROKEN),
    paper=trainings(ORDER, of_pulls(1024, 4000, 100), "default", *BROKEN),
    test_length=PULLS,
    test_lifetimes=1000,
    measure=regret,
)
