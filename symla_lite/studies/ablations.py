"""What the paper leaves open, one choice at a time.

Text, equations and printed code of the paper differ in some places and are silent in others
(`symla` names the options). Each study here takes the default, changes one option and nothing else,
and meta-trains where the option can matter:

- `ablations_bandits`: independent bandits with two arms, tested with 2, 8 and 12: sums and means of
  messages differ where the number of cells changes;
- `ablations_linear`: linear bandits with four inputs and four arms, tested with 4 and 16 inputs:
  what to do depends on what is seen, so cells have to talk;
- `ablations_cartpole`: CartPole with a sign of the reward that is drawn in each lifetime, tested as
  it is and permuted: episodes end, and the reward is needed.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated

from symla_lite.baselines import random_policy, win_stay
from symla_lite.checks import FILLED, Count
from symla_lite.controls import without_reward
from symla_lite.environments.bandits import independent_arms, regret_per_pull
from symla_lite.environments.control import cartpole
from symla_lite.environments.environment import Environment
from symla_lite.environments.linear import linear_bandit
from symla_lite.environments.transforms import permuted, reward_sign
from symla_lite.learner import Learner
from symla_lite.meta_training import Outer
from symla_lite.studies.study import Scale, Study, Test, Training, tested_on
from symla_lite.studies.systems import outer
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


def trainings(
    environment: Environment, loop: Outer, names: tuple[str, ...] = tuple(VARIANTS)
) -> tuple[Training, ...]:
    """Each variant with the same outer loop."""
    return tuple(Training(name, VARIANTS[name], environment, loop) for name in names)


def ablation(
    name: str,
    trained_on: Environment,
    tested: Mapping[str, Environment],
    loops: Annotated[Mapping[str, Outer], FILLED],
    test_length: Count,
    test_lifetimes: Count,
    variants: tuple[str, ...] = tuple(VARIANTS),
    measure=lambda lifetime: lifetime.reward,
) -> Study:
    """One study: the variants on one world, tested on some and, where trained, without reward.

    Args:
        name: the study's.
        trained_on: the world of meta-training.
        tested: worlds of meta-testing, by their names.
        loops: the outer loop for each scale; `quick` runs the default and the first variant alone.
        test_length: L of meta-testing.
        test_lifetimes: how many, but for `quick`.
        variants: names in `VARIANTS`.
        measure: as in `Study`.
    """
    standard = Scale(
        trainings(trained_on, loops["standard"], variants), (0, 1, 2), test_lifetimes, test_length
    )
    quick = trainings(trained_on, loops["quick"], variants[:2])
    references = {"random": random_policy(), "win_stay": win_stay()}
    return Study(
        name=name,
        figure="none: the paper leaves it open",
        measure=measure,
        tests=lambda training: (
            *tested_on(training.learner, tested),
            Test("without_reward", without_reward(training.learner), trained_on),
        ),
        references=tuple(
            Test(f"{reference}/{key}", learner, where)
            for reference, learner in references.items()
            for key, where in tested.items()
        ),
        scales={
            "quick": Scale(quick, (0,), 100, test_length),
            "standard": standard,
            "paper": dataclasses.replace(
                standard, trainings=trainings(trained_on, loops["paper"], variants)
            ),
        },
    )


PULLS = 100
BANDIT_ABLATIONS = ablation(
    "ablations_bandits",
    independent_arms(2),
    {f"{arms}": independent_arms(arms) for arms in (2, 8, 12)},
    {
        "quick": outer(64, 40, PULLS, lifetimes=8),
        "standard": outer(128, 1000, PULLS, lifetimes=16, learning_rate=0.05),
        "paper": outer(1024, 4000, PULLS, lifetimes=100, sigma=0.2, learning_rate=0.2),
    },
    test_length=PULLS,
    test_lifetimes=500,
    # No episode ends in a bandit: the flag is always zero there.
    variants=tuple(name for name in VARIANTS if name != "no_end_flag"),
    measure=lambda lifetime: regret_per_pull(lifetime.task, lifetime.action),
)

LINEAR_ABLATIONS = ablation(
    "ablations_linear",
    linear_bandit(4, 4),
    {f"{inputs}": linear_bandit(inputs, 4) for inputs in (4, 16)},
    {
        "quick": outer(64, 40, 50, lifetimes=4),
        "standard": outer(128, 400, 150, lifetimes=8),
        "paper": outer(1024, 4000, 500, lifetimes=10),
    },
    test_length=500,
    test_lifetimes=200,
    variants=("default", "sum", "exchange_tick", "random_states", "one_tick", "layers_2"),
)

SIGNED = reward_sign(cartpole("balance"))
CARTPOLE_ABLATIONS = ablation(
    "ablations_cartpole",
    SIGNED,
    {"original": SIGNED, "permuted": permuted(SIGNED)},
    {
        "quick": outer(32, 10, 250, lifetimes=1, sigma=0.05, learning_rate=0.02),
        "standard": outer(128, 600, 500, lifetimes=2, sigma=0.05, learning_rate=0.02),
        "paper": outer(1024, 20_000, 500, lifetimes=10, sigma=0.035, learning_rate=0.01),
    },
    test_length=500,
    test_lifetimes=200,
    variants=("default", "no_end_flag", "sum", "exchange_tick", "random_states", "forget_bias_3"),
)
