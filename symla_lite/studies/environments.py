"""Study 5: generalising to unseen environments (the paper's Figure 7).

Meta-training is on a grid world with a dense reward, and meta-testing on that and on a CartPole
whose pole may swing round. Observations of both go through a random projection in every lifetime.

The paper asks whether SymLA earns more than a random policy, and more and more. That can be done
without a look at the reward: so each test is made with reward and without. A theta that began with
linear bandits, where nothing but the reward helps, is compared to one that was drawn; and there are
worlds in which the reward is needed: CartPoles whose reward has a hidden sign or a hidden target.

A MetaRNN learns nothing on the grid under a new projection in every lifetime, so that its failure
elsewhere says nothing. Under one projection that all lifetimes share it learns the grid, and then
it can be asked what that is worth on CartPole.

CartPole's reward differs from the grid's in two ways. It is never negative, and a push shows in it
only later. So there is a grid whose reward has a hidden zero, to learn in, and two more CartPoles:
one is paid around zero, the other at once, as the grid pays.
"""

from symla_lite.baselines import actor_critic, random_policy, win_stay
from symla_lite.environments.control import cartpole
from symla_lite.environments.environment import Environment
from symla_lite.environments.grids import dense_grid
from symla_lite.environments.transforms import (
    projected,
    reward_sign,
    reward_zero,
    rewards_standardised,
    spare_actions,
)
from symla_lite.metarnn import metarnn
from symla_lite.studies.observation_spaces import PAPER
from symla_lite.studies.study import (
    Scale,
    Study,
    Test,
    Training,
    tested_on,
    tested_with_controls,
)
from symla_lite.studies.tasks import bandits_first, outer
from symla_lite.symla import symla

STEPS = 500
"""L, steps in a meta-test lifetime."""

GRID = projected(dense_grid(3))
"""What is meta-trained on."""
GRID_SIGNED = reward_sign(GRID)
"""To come nearer to the target is good in half of the lifetimes, and bad in the others."""
GRID_ZERO = reward_zero(GRID)
"""A number that the learner does not receive is added to all rewards of a lifetime."""
CARTPOLE = cartpole(free=True)
"""The pole may swing round; it begins upright."""
WORLDS: dict[str, Environment] = {
    "grid": GRID,
    "grid_signed": GRID_SIGNED,
    "cartpole": projected(CARTPOLE),
    # A grid has four actions and CartPole two, so that a MetaRNN fits one of them only.
    "cartpole_4": projected(spare_actions(CARTPOLE, to=GRID.sizes.action)),
    "cartpole_signed": reward_sign(projected(CARTPOLE)),
    "cartpole_target": projected(cartpole(free=True, target_range=1.5)),
    "cartpole_standardised": reward_sign(rewards_standardised(projected(CARTPOLE))),
    "cartpole_nearer": reward_sign(projected(cartpole("nearer", free=True))),
}
"""All that is meta-tested on."""
FIXED: dict[str, Environment] = {
    "grid_fixed": projected(dense_grid(3), seed=0),
    "cartpole_4_fixed": projected(spare_actions(CARTPOLE, to=GRID.sizes.action), seed=0),
}
"""Worlds whose projection is the same in all lifetimes."""
CONTROLLED = (
    *("grid", "grid_signed", "cartpole", "cartpole_signed", "cartpole_nearer"),
    "grid_fixed",
)
"""Those on which learning is claimed, and all controls are needed."""


def quick() -> Scale:
    """Under a minute: the MetaRNN on the grid, enough to see what it makes of CartPole."""
    small = outer(128, learning_rate=0.03, steps=80, length=200, lifetimes=2)
    return Scale(
        trainings=(Training("metarnn-grid", metarnn(hidden=16), GRID, small),),
        seeds=(0,),
        test_lifetimes=100,
        test_length=STEPS,
    )


def standard() -> Scale:
    """Under an hour on two CPU cores."""
    from_nothing = outer(128, learning_rate=0.03, steps=400, length=300, lifetimes=2)
    from_bandits = outer(128, learning_rate=0.03, steps=150, length=300, lifetimes=2)
    black_box = outer(256, learning_rate=0.03, steps=300, length=300, lifetimes=4)
    start = "symla-linear_4"
    return Scale(
        trainings=(
            Training("symla-grid", symla(), GRID, from_nothing),
            *bandits_first(),
            Training("symla-linear_4-grid", symla(), GRID, from_bandits, start),
            Training("symla-linear_4-grid_signed", symla(), GRID_SIGNED, from_bandits, start),
            Training("symla-linear_4-grid_zero", symla(), GRID_ZERO, from_bandits, start),
            Training("metarnn-grid", metarnn(hidden=32), GRID, black_box),
        ),
        seeds=(0, 1, 2),
        test_lifetimes=200,
        test_length=STEPS,
    )


def gpu() -> Scale:
    """Minutes of one GPU: the paper's own setting with sixty times the budget of `standard`."""
    from_nothing = outer(512, learning_rate=0.03, steps=3000, length=300, lifetimes=4)
    return Scale(
        trainings=(Training("symla-grid", symla(), GRID, from_nothing),),
        seeds=(0,),
        test_lifetimes=200,
        test_length=STEPS,
    )


def fixed() -> Scale:
    """Minutes of one CPU core for each seed: the MetaRNN on a grid whose projection never changes,
    so that theta can store what each input means."""
    small = outer(128, 0.01, steps=4000, length=300, lifetimes=1, shaping="differences")
    return Scale(
        trainings=(Training("metarnn-grid_fixed", metarnn(hidden=32), FIXED["grid_fixed"], small),),
        seeds=(0, 1, 2),
        test_lifetimes=200,
        test_length=STEPS,
    )


def paper() -> Scale:
    """The numbers of the paper's appendix, for a GPU; standardised fitness and a projection to unit
    variance are ours. The paper does not say how large its grid is; this one has side 5."""
    grid = projected(dense_grid(5))
    return Scale(
        trainings=(
            Training("symla-grid", symla(), grid, PAPER),
            Training("metarnn-grid", metarnn(hidden=32), grid, PAPER),
        ),
        seeds=(0, 1, 2),
        test_lifetimes=200,
        test_length=STEPS,
    )


def tests(training: Training) -> tuple[Test, ...]:
    """All worlds that the learner fits, and those with a fixed projection where it was
    meta-trained on one of them."""
    at_home = training.environment in FIXED.values()
    worlds = WORLDS | FIXED if at_home else WORLDS
    return tested_with_controls(training, worlds, STEPS, CONTROLLED)


ENVIRONMENT_STUDY = Study(
    name="environments",
    figure="Figure 7",
    measure=lambda lifetime: lifetime.reward,
    tests=tests,
    references=(
        *tested_on(random_policy(), WORLDS, "random/"),
        *tested_on(win_stay(), WORLDS, "win_stay/"),
        *tested_on(actor_critic(), WORLDS, "actor_critic/"),
    ),
    scales={
        "quick": quick(),
        "standard": standard(),
        "paper": paper(),
        "gpu": gpu(),
        "fixed": fixed(),
    },
)
