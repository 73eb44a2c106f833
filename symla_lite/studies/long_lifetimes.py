"""Studies 4 and 5 in lifetimes of 5,000 steps, beside hand-made rules that are tuned where SymLA is
meta-trained.

Not in the paper. 500 or 1,000 steps may be too short for any learner, however good its rule. So the
thetas of Studies 4 and 5 are tested in lifetimes that are ten times as long as those of Study 5. A
linear actor-critic and REINFORCE are tested beside them. Their constants are tuned by the
outer loop on the grids of Studies 4 and 5, each with as many environment steps as SymLA has from a
drawn theta in Study 5, and not on the CartPoles in which they are tested.

The scale `one_rule` has thetas that never met these environments (Chapter 14), beside an
actor-critic that is tuned on the same generated worlds; both receive standardised rewards.
"""

import dataclasses

from symla_lite.baselines import random_policy, win_stay
from symla_lite.controls import without_observation, without_reward
from symla_lite.environments.environment import Environment
from symla_lite.environments.mixture import Mixture
from symla_lite.learner import Learner
from symla_lite.meta_training import Outer
from symla_lite.studies import environments, one_rule, systems, tasks
from symla_lite.studies.study import Scale, Study, Test, Training, references_on, tested_on

STEPS = 5000
"""L, steps in a meta-test lifetime."""

ON_POLES: dict[str, Environment] = {
    name: environments.WORLDS[name]
    for name in ("grid", "cartpole", "cartpole_signed", "cartpole_nearer")
}
"""What learners of Study 5 are tested on."""
ON_HEARTS: dict[str, Environment] = tasks.ORIGINAL | tasks.SWAPPED
"""What learners of Study 4 are tested on."""


def tuned(
    name: str, environment: Environment, loop: Outer, rules: tuple[Learner, ...] = systems.TUNED
) -> tuple[Training, ...]:
    """Hand-made rules, their constants tuned on a world."""
    return systems.on(name, environment, loop, rules)


def standard() -> Scale:
    """Half an hour of a CPU core, where Studies 4 and 5 are recorded."""
    study_5 = environments.ENVIRONMENT_STUDY.scale("standard").trainings
    by_symla = tuple(x for x in study_5 if x.learner.name == "symla")
    on_grid = next(x for x in by_symla if x.name == "symla-grid").outer
    study_4 = tasks.TASK_STUDY.scale("night").training("symla-hearts_2")
    on_hearts = dataclasses.replace(on_grid, length=study_4.outer.length)
    return Scale(
        trainings=(
            *by_symla,
            study_4,
            *tuned("grid", environments.GRID, on_grid),
            *tuned("hearts_2", tasks.ORIGINAL["hearts_2"], on_hearts),
        ),
        seeds=(0, 1, 2),
        test_lifetimes=100,
        test_length=STEPS,
    )


def quick() -> Scale:
    """Under a minute: the actor-critic, tuned on the grid."""
    small = tasks.outer(32, learning_rate=0.03, steps=20, length=100, lifetimes=1)
    return Scale(
        trainings=tuned("grid", environments.GRID, small, systems.TUNED[:1]),
        seeds=(0,),
        test_lifetimes=10,
        test_length=STEPS,
    )


def paper() -> Scale:
    """The grid with the numbers of the paper's appendix, for a GPU; the hand-made rules have as
    many environment steps."""
    by_symla = environments.ENVIRONMENT_STUDY.scale("paper").training("symla-grid")
    return Scale(
        trainings=(by_symla, *tuned("grid", by_symla.environment, by_symla.outer)),
        seeds=(0, 1, 2),
        test_lifetimes=100,
        test_length=STEPS,
    )


def of_one_rule() -> Scale:
    """The thetas of Chapter 14 with standardised rewards, and the actor-critic beside them: half an
    hour of a CPU core, where Study `one_rule` is recorded."""
    return dataclasses.replace(one_rule.standardised(), test_lifetimes=100, test_length=STEPS)


def tests(training: Training) -> tuple[Test, ...]:
    """The worlds of its study, or all if it was meta-trained on a mixture, with reward and
    without (`KEY_without_reward`); SymLA also without observation (`KEY_without_observation`)."""
    learner = training.learner
    if isinstance(training.environment, Mixture):
        worlds = ON_POLES | ON_HEARTS
    else:
        worlds = ON_HEARTS if "hearts" in training.name else ON_POLES
    changed = {"": learner, "_without_reward": without_reward(learner)}
    if learner.name.startswith("symla"):
        changed["_without_observation"] = without_observation(learner)
    return tuple(
        test
        for suffix, who in changed.items()
        for test in tested_on(who, {key + suffix: where for key, where in worlds.items()})
    )


LONG_LIFETIME_STUDY = Study(
    name="long_lifetimes",
    figure="Figures 6 and 7, in longer lifetimes",
    measure=lambda lifetime: lifetime.reward,
    tests=tests,
    references=references_on(
        {"random": random_policy(), "win_stay": win_stay()}, ON_POLES | ON_HEARTS
    ),
    scales={
        "quick": quick(),
        "standard": standard(),
        "paper": paper(),
        "one_rule": of_one_rule(),
    },
)
