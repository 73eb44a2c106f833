"""Study 2: generalising to unseen action spaces (the paper's Figure 4).

SymLA is meta-trained on 2, 8, 10 or 12 independent arms and tested on all of them and beyond, from
2 arms to 50, with the same theta. The MetaRNN can be tested only on as many arms as it was
meta-trained on: its theta has the number of arms in its shapes.
"""

from symla_lite.baselines import index_policy, random_policy, thompson, ucb
from symla_lite.controls import without_reward
from symla_lite.environments.bandits import independent_arms, regret_per_pull
from symla_lite.metarnn import metarnn
from symla_lite.studies.bandits import PULLS, outer
from symla_lite.studies.study import Scale, Study, Test, Training, each_on_each, tested_on
from symla_lite.symla import symla

TRAINED = (2, 8, 10, 12)
"""Arms in meta-training, and on both axes of the paper's figure."""
ARMS = {arms: independent_arms(arms) for arms in sorted({*TRAINED, 4, 16, 25, 50})}
"""Arms in meta-testing, and their distributions."""
HOMES = {arms: ARMS[arms] for arms in TRAINED}
"""Those of them that learners are meta-trained on."""


def quick() -> Scale:
    """Under a minute: SymLA on eight arms alone, enough to see it go on to other numbers."""
    small = outer(64, sigma=0.1, learning_rate=0.05, steps=120, lifetimes=8)
    return Scale(
        trainings=each_on_each({symla(): small}, {8: ARMS[8]}),
        seeds=(0,),
        test_lifetimes=200,
        test_length=PULLS,
    )


def standard() -> Scale:
    """About an hour on a CPU core. Learners and populations are those of Study 1."""
    for_symla = outer(128, sigma=0.1, learning_rate=0.05, steps=600, lifetimes=16)
    for_metarnn = outer(256, sigma=0.1, learning_rate=0.05, steps=600, lifetimes=16)
    return Scale(
        trainings=each_on_each({symla(): for_symla, metarnn(hidden=16): for_metarnn}, HOMES),
        seeds=(0, 1, 2),
        test_lifetimes=1000,
        test_length=PULLS,
    )


def paper() -> Scale:
    """As in Study 1, for a GPU."""
    large = outer(1024, sigma=0.2, learning_rate=0.2, steps=4000, lifetimes=100)
    return Scale(
        trainings=each_on_each({symla(hidden=64): large, metarnn(hidden=48): large}, HOMES),
        seeds=(0, 1, 2),
        test_lifetimes=1000,
        test_length=PULLS,
    )


def tests(training: Training) -> tuple[Test, ...]:
    """All numbers of arms that the learner fits, and the one trained on without reward."""
    arms = training.environment.sizes.action
    fitting = tested_on(training.learner, ARMS)
    if training.learner.name == "metarnn":
        fitting = tuple(test for test in fitting if test.environment is training.environment)
    return (*fitting, Test("without_reward", without_reward(training.learner), ARMS[arms]))


ACTION_SPACE_STUDY = Study(
    name="action_spaces",
    figure="Figure 4",
    measure=lambda lifetime: regret_per_pull(lifetime.task, lifetime.action),
    tests=tests,
    references=(
        *tested_on(thompson(), ARMS, "thompson/"),
        *tested_on(ucb(), ARMS, "ucb/"),
        *tested_on(random_policy(), ARMS, "random/"),
        *tested_on(index_policy(PULLS), ARMS, "index/"),
    ),
    scales={"quick": quick(), "standard": standard(), "paper": paper()},
)
