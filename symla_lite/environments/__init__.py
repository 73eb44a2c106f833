"""Distributions of tasks."""

from symla_lite.environments.bandits import BANDITS, independent_arms
from symla_lite.environments.environment import Environment, Transition

__all__ = ["BANDITS", "Environment", "Transition", "independent_arms", "named"]

ENVIRONMENTS: dict[str, Environment] = {**BANDITS}


def named(name: str) -> Environment:
    """The environment that a name on the command line or in a record stands for.

    Raises:
        ValueError: no environment has that name.
    """
    if name not in ENVIRONMENTS:
        raise ValueError(f"There is no environment {name!r}: take {', '.join(ENVIRONMENTS)}.")
    return ENVIRONMENTS[name]
