"""Distributions of tasks."""

from symla_lite.environments.bandits import BANDITS, independent_arms
from symla_lite.environments.control import acrobot, cartpole, mountain_car
from symla_lite.environments.environment import Environment, Transition
from symla_lite.environments.generated import (
    FAMILY,
    FURTHER,
    HARDER,
    LASTING,
    SUCCESSES,
    WIDER,
    cube,
    linear_system,
    random_mdp,
    unstable_system,
)
from symla_lite.environments.grids import dense_grid, hearts
from symla_lite.environments.gymnax import of_gymnax
from symla_lite.environments.linear import linear_bandit
from symla_lite.environments.mixture import Mixture, Part
from symla_lite.environments.transforms import (
    delayed,
    permuted,
    projected,
    reset_at_once,
    reward_noise,
    reward_pauses,
    reward_rare,
    reward_scale,
    reward_sign,
    reward_successes,
    reward_zero,
    rewards_standardised,
    rewards_swapped,
    spare_actions,
    standardised,
)

__all__ = [
    "BANDITS",
    "ENVIRONMENTS",
    "FAMILY",
    "FURTHER",
    "HARDER",
    "LASTING",
    "SUCCESSES",
    "WIDER",
    "Environment",
    "Mixture",
    "Part",
    "Transition",
    "acrobot",
    "cartpole",
    "cube",
    "delayed",
    "dense_grid",
    "hearts",
    "independent_arms",
    "linear_bandit",
    "linear_system",
    "mountain_car",
    "named",
    "of_gymnax",
    "permuted",
    "projected",
    "random_mdp",
    "reset_at_once",
    "reward_noise",
    "reward_pauses",
    "reward_rare",
    "reward_scale",
    "reward_sign",
    "reward_successes",
    "reward_zero",
    "rewards_standardised",
    "rewards_swapped",
    "spare_actions",
    "standardised",
    "unstable_system",
]


def standard() -> list[Environment]:
    """Those of the studies, and the ones that a reader may want by name."""
    control = [cartpole(), cartpole("balance"), acrobot(), mountain_car()]
    free = [
        cartpole(free=True),
        cartpole(free=True, target_range=1.0),
        cartpole("nearer", free=True),
    ]
    worlds = [hearts(2), hearts(3), hearts(5)]
    dense = [dense_grid(3), dense_grid(5)]
    return [
        *control,
        *map(permuted, control),
        cartpole(target_range=1.0),
        *free,
        *worlds,
        *map(rewards_swapped, worlds),
        *dense,
        *map(standardised, [*worlds, *map(rewards_swapped, worlds)]),
        *map(projected, [*worlds, *map(rewards_swapped, worlds), *dense, *free]),
        *[linear_bandit(inputs, arms) for inputs, arms in [(1, 2), (4, 4), (16, 4)]],
    ]


ENVIRONMENTS: dict[str, Environment] = {
    **BANDITS,
    **{environment.name: environment for environment in standard()},
    **FAMILY,
    **FURTHER,
    **WIDER,
    **HARDER,
    **LASTING,
    **SUCCESSES,
}
"""All that have a name on the command line or in a record."""


def named(name: str) -> Environment:
    """The environment that a name on the command line or in a record stands for.

    Raises:
        ValueError: no environment has that name.
    """
    if name not in ENVIRONMENTS:
        raise ValueError(f"There is no environment {name!r}: take {', '.join(ENVIRONMENTS)}.")
    return ENVIRONMENTS[name]
