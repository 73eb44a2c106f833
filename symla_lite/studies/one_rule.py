"""One rule: a theta that is meta-trained on generated worlds alone, and tested on all others
(Chapter 14).

Not in the paper, whose studies each train a theta on the world that it is tested on, or next to it.
Here SymLA goes from linear bandits to all members of `generated.FAMILY` at once, by evolution
strategies, by policy gradients or by imitation, and is then tested on every other world of this
book and on two of bsuite's. Hand-made rules whose constants are tuned on the same members stand
beside it, and so does win-stay, lose-shift.
"""

import dataclasses

from symla_lite.baselines import actor_critic, random_policy, thompson, win_stay
from symla_lite.checks import Count, Positive
from symla_lite.controls import reward_held_at
from symla_lite.environments.bandits import BANDITS, independent_arms
from symla_lite.environments.control import acrobot, mountain_car
from symla_lite.environments.environment import Environment
from symla_lite.environments.generated import (
    FAMILY,
    FURTHER,
    HARDER,
    LASTING,
    SUCCESSES,
    WIDER,
)
from symla_lite.environments.gymnax import of_gymnax
from symla_lite.environments.linear import linear_bandit
from symla_lite.environments.mixture import Mixture, Part
from symla_lite.environments.transforms import standardised
from symla_lite.imitation import Imitation
from symla_lite.inputs import standardising_rewards
from symla_lite.learner import Sizes
from symla_lite.meta_training import Outer
from symla_lite.policy_gradient import PolicyGradient
from symla_lite.studies import environments, tasks
from symla_lite.studies.observation_spaces import PAPER
from symla_lite.studies.study import (
    Scale,
    Study,
    Test,
    Training,
    references_on,
    tested_with_controls,
)
from symla_lite.studies.systems import TUNED
from symla_lite.symla import symla

ALL_MEMBERS = Mixture(tuple(Part(member) for member in FAMILY.values()))
"""The generated worlds, each with the same share of the population."""
WITH_FURTHER = Mixture(tuple(Part(member) for member in (FAMILY | FURTHER).values()))
"""The same with `generated.FURTHER`."""
WITH_WIDER = Mixture((*WITH_FURTHER.parts, *map(Part, WIDER.values())))
"""The same with `generated.WIDER`, too."""
LEFT_OUT = (
    # smaller than others that stay
    "linear-1-2",
    "mdp-3-2-4",
    "linear-2-3-delayed-1",
    # like others in what they teach, though no run has shown it
    "linear-4-2-delayed-4",
    "linear-6-3-rare",
    "mdp-1-4-1-noisy-rare",
    "mdp-1-5-1-noisy-scaled-zero",
    "system-4-2-second-order-target-signed-zero",
)
"""Members that long lifetimes do without, so that an outer step costs less."""
WITH_HARDER = Mixture(
    tuple(part for part in WITH_WIDER.parts if part.environment.name not in LEFT_OUT)
    + tuple(map(Part, HARDER.values()))
)
"""The same with `generated.HARDER`, too, and without those of `LEFT_OUT`."""
WITH_LASTING = Mixture(
    (*WITH_HARDER.parts, *(Part(member, share=2) for member in LASTING.values()))
)
"""The same with `generated.LASTING`, too, each with twice as many lifetimes as another."""
WITH_SUCCESSES = Mixture(
    tuple(
        part
        for part in WITH_LASTING.parts
        if part.environment.name != "mdp-1-40-1-noisy-zero-pausing"
    )
    + tuple(Part(member, share=2) for member in SUCCESSES.values())
)
"""The same with `generated.SUCCESSES`, too, in place of the forty arms of `generated.LASTING`."""

STANDARDISING = standardising_rewards(symla())
"""SymLA that receives standardised rewards."""

STEPS = 1000
"""L, steps in a meta-test lifetime."""

KINDS: dict[str, dict[str, Environment]] = {
    "bandits": {
        "bandit_2": independent_arms(2),
        "bandit_10": independent_arms(10),
        "bandit_50": independent_arms(50),
        "bandit_easy": BANDITS["easy"],
    },
    "linear bandits": {
        "linear_16": linear_bandit(16, 4),
        "linear_8_10": linear_bandit(8, 10),
    },
    **{
        f"hearts {side}×{side}": {
            key: grid
            for key, grid in (tasks.ORIGINAL | tasks.SWAPPED).items()
            if key.startswith(f"hearts_{side}")
        }
        for side in (2, 3, 5)
    },
    "dense grid": {"grid": environments.GRID},
    "dense grid, hidden sign": {"grid_signed": environments.GRID_SIGNED},
    "CartPole, free": {"cartpole": environments.WORLDS["cartpole"]},
    "CartPole, hidden sign": {"cartpole_signed": environments.WORLDS["cartpole_signed"]},
    "CartPole, standardised": {
        "cartpole_standardised": environments.WORLDS["cartpole_standardised"]
    },
    "CartPole, nearer": {"cartpole_nearer": environments.WORLDS["cartpole_nearer"]},
    "Acrobot": {"acrobot": standardised(acrobot())},
    "MountainCar": {"mountain_car": standardised(mountain_car())},
    "Catch": {"catch": standardised(of_gymnax("Catch-bsuite", Sizes(50, 3)))},
    "UmbrellaChain": {"umbrella": standardised(of_gymnax("UmbrellaChain-bsuite", Sizes(3, 2)))},
}
"""The worlds by kinds. None is a member of the family. Trial thetas were tested on hearts, the grid
and the pole before the first run at `standard`, on all kinds but Acrobot, MountainCar and
UmbrellaChain before the runs at `gradient`, on all but MountainCar before those at `imitation`, and
on bandits, poles and the 3×3 hearts before those at `lasting` and `successes`. All results of a
scale were known before the next one was made."""
WORLDS: dict[str, Environment] = {key: x for kind in KINDS.values() for key, x in kind.items()}
"""All that is meta-tested on."""
SEEN_NOTHING = tuple(KINDS["bandits"])
"""Worlds that show nothing, in which the control without observation changes nothing."""


def on_members(
    pairs: Count,
    learning_rate: Positive,
    steps: Count,
    length: Count = 300,
    members: Mixture = ALL_MEMBERS,
) -> Outer:
    """The outer loop on all members, each with so many antithetic pairs, and one lifetime for each
    member of the population."""
    population = 2 * pairs * len(members.parts)
    return tasks.outer(population, learning_rate, steps, length, 1, shaping="differences")


def of_members(name: str, learning_rate: Positive, steps: Count, start: str) -> Training:
    """SymLA on all members."""
    return Training(name, symla(), ALL_MEMBERS, on_members(16, learning_rate, steps), start)


def standard() -> Scale:
    """An hour and a half of one CPU core. Linear bandits come first, and for longer than elsewhere:
    most members need actions that depend on what is seen. Then come all members at once, at last
    in smaller steps."""
    on_bandits = tasks.outer(128, 0.004, steps=8000, length=150, lifetimes=1, shaping="differences")
    one_input, four_inputs = tasks.bandits_first()
    four_inputs_longer = Training(
        "symla-linear_4b", symla(), four_inputs.environment, on_bandits, four_inputs.name
    )
    tuned = on_members(8, 0.03, steps=300)
    return Scale(
        trainings=(
            *(
                dataclasses.replace(step, tested=False)
                for step in (
                    one_input,
                    four_inputs,
                    four_inputs_longer,
                    of_members("symla-family", 0.005, 800, four_inputs_longer.name),
                )
            ),
            of_members("symla-one_rule", 0.002, 1000, "symla-family"),
            *(Training(f"{rule.name}-family", rule, ALL_MEMBERS, tuned) for rule in TUNED),
        ),
        seeds=(0, 1, 2),
        test_lifetimes=100,
        test_length=STEPS,
    )


def gradient() -> Scale:
    """An hour of one CPU core for each seed: policy gradients, once evolution strategies have
    learned the linear bandits, on four members more. A step takes 8 lifetimes of each member. At
    last come smaller steps, of 16."""

    def by_policy(
        name: str, learning_rate: Positive, steps: Count, each: Count, start: str
    ) -> Training:
        how = PolicyGradient(discount=0.8, cut=3.0, sigma=0.1, baseline="past")
        lifetimes = each * len(WITH_FURTHER.parts)
        loop = Outer(how, learning_rate, steps=steps, length=300, lifetimes=lifetimes)
        return Training(name, symla(), WITH_FURTHER, loop, start)

    before = standard()
    family = by_policy("symla-family", 0.002, 900, 8, "symla-linear_4b")
    tuned = on_members(8, 0.03, steps=300, members=WITH_FURTHER)
    return dataclasses.replace(
        before,
        trainings=(
            *before.trainings[:3],
            dataclasses.replace(family, tested=False),
            by_policy("symla-one_rule", 0.0006, 600, 16, family.name),
            *(Training(f"{rule.name}-family", rule, WITH_FURTHER, tuned) for rule in TUNED),
        ),
        seeds=(0, 1, 2, 3),
    )


def by_imitation(
    name: str,
    learning_rate: Positive,
    steps: Count,
    start: str,
    members: Mixture = WITH_WIDER,
    length: Count = 300,
) -> Training:
    """SymLA on members that have teachers. An outer step takes four lifetimes of every member."""
    shares = sum(part.share for part in members.parts)
    loop = Outer(Imitation(), learning_rate, steps, length, lifetimes=4 * shares)
    return Training(name, symla(), members, loop, start)


def imitation() -> Scale:
    """Half an hour of one CPU core for each seed: a teacher who knows the task says which action is
    best, on `generated.WIDER`, too. First come two linear bandits, then all members at once, at
    last in smaller steps."""
    two = Mixture((Part(linear_bandit(1, 2)), Part(linear_bandit(4, 4))))
    on_two = Outer(Imitation(), 0.005, steps=800, length=150, lifetimes=64)
    bandits = Training("symla-linear", symla(), two, on_two)
    family = by_imitation("symla-family", 0.003, 2000, bandits.name)
    tuned = on_members(8, 0.03, steps=300, members=WITH_WIDER)
    return dataclasses.replace(
        gradient(),
        trainings=(
            dataclasses.replace(bandits, tested=False),
            dataclasses.replace(family, tested=False),
            by_imitation("symla-one_rule", 0.0005, 500, family.name),
            *(Training(f"{rule.name}-family", rule, WITH_WIDER, tuned) for rule in TUNED),
        ),
    )


def by_standardised(
    name: str, learning_rate: Positive, steps: Count, start: str, members: Mixture
) -> Training:
    """The same with standardised rewards, in lifetimes as long as those of the tests."""
    training = by_imitation(name, learning_rate, steps, start, members, STEPS)
    return dataclasses.replace(training, learner=STANDARDISING)


def standardised() -> Scale:
    """Three quarters of an hour of one CPU core more for each seed of `imitation`: the learner
    receives standardised rewards, lifetimes become as long as those of the tests, and
    `generated.HARDER` comes in. The actor-critic receives standardised rewards, too, and is tuned
    with them on the same members, in shorter lifetimes."""
    before = imitation()
    short = [dataclasses.replace(training, tested=False) for training in before.trainings[:3]]
    family = by_standardised("symla-family_standardised", 0.002, 350, short[-1].name, WITH_HARDER)
    by_hand = Training(
        "actor-critic-standardised",
        standardising_rewards(actor_critic()),
        WITH_HARDER,
        on_members(8, 0.03, steps=300, members=WITH_HARDER),
    )
    return dataclasses.replace(
        before,
        trainings=(
            *short,
            dataclasses.replace(family, tested=False),
            by_standardised("symla-one_rule_standardised", 0.0005, 120, family.name, WITH_HARDER),
            by_hand,
        ),
        test_lifetimes=200,
    )


def going_on(before: Scale, name: str, large: Count, small: Count, members: Mixture) -> Scale:
    """The theta of a scale, meta-trained further on other members: `large` outer steps, and then
    `small` ones at a lower learning rate. Rules by hand stay as they are. Tests have 400 lifetimes:
    on the poles one differs much from another."""
    of_symla = [x for x in before.trainings if x.learner.name.startswith("symla")]
    by_hand = [x for x in before.trainings if x not in of_symla]
    start, family, last = of_symla[-1].name, f"symla-family_{name}", f"symla-one_rule_{name}"
    return dataclasses.replace(
        before,
        trainings=(
            *(dataclasses.replace(training, tested=False) for training in of_symla),
            dataclasses.replace(
                by_standardised(family, 0.001, large, start, members), tested=False
            ),
            by_standardised(last, 0.0003, small, family, members),
            *by_hand,
        ),
        test_lifetimes=400,
    )


def lasting() -> Scale:
    """Half an hour of one CPU core more for each seed of `standardised`: `generated.LASTING` comes
    in."""
    return going_on(standardised(), "lasting", 480, 140, WITH_LASTING)


def successes() -> Scale:
    """Half an hour more for each seed of `lasting`: `generated.SUCCESSES` comes in."""
    return going_on(lasting(), "successes", 400, 120, WITH_SUCCESSES)


def quick() -> Scale:
    """About a minute: the actor-critic, tuned on all members."""
    small = on_members(1, 0.03, steps=20, length=100)
    return Scale(
        trainings=(Training("actor-critic-family", actor_critic(), ALL_MEMBERS, small),),
        seeds=(0,),
        test_lifetimes=10,
        test_length=STEPS,
    )


def paper() -> Scale:
    """All members with the numbers that the paper has for worlds that are not bandits, for a GPU.
    The linear bandits of `standard` still come first."""
    before = standard()
    large = dataclasses.replace(PAPER, length=300)
    last = Training("symla-one_rule", symla(), ALL_MEMBERS, large, "symla-linear_4b")
    tuned = [training for training in before.trainings if training.learner.name != "symla"]
    return dataclasses.replace(before, trainings=(*before.trainings[:3], last, *tuned))


def tests(training: Training) -> tuple[Test, ...]:
    """All worlds, with the reward and without; SymLA also with all other controls, but for bandits,
    which show nothing that could be hidden. On Acrobot a reward of zero says that the goal was
    reached, so that there the reward is also held at -1."""
    learner = training.learner
    if not learner.name.startswith("symla"):
        return tested_with_controls(training, WORLDS, STEPS, ())
    unneeded = {f"{key}_without_observation" for key in SEEN_NOTHING}
    found = tested_with_controls(training, WORLDS, STEPS, tuple(WORLDS))
    held = Test("acrobot_reward_held", reward_held_at(learner, -1.0), WORLDS["acrobot"])
    return (*(test for test in found if test.name not in unneeded), held)


ONE_RULE_STUDY = Study(
    name="one_rule",
    figure="Chapter 14",
    measure=lambda lifetime: lifetime.reward,
    tests=tests,
    references=references_on({"random": random_policy(), "win_stay": win_stay()}, WORLDS)
    + references_on({"thompson": thompson()}, KINDS["bandits"]),
    scales={
        "quick": quick(),
        "standard": standard(),
        "paper": paper(),
        "gradient": gradient(),
        "imitation": imitation(),
        "standardised": standardised(),
        "lasting": lasting(),
        "successes": successes(),
    },
)
