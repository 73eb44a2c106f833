"""Several environments that one theta is meta-trained on at the same time.

Not in the paper. A theta that is meta-trained on one environment after another may unlearn the
first. A learner whose theta fits all sizes can be meta-trained on both in every outer step: each
environment gets a share of the antithetic pairs, its fitness is shaped within that share, so that
no environment's scale of rewards drowns another's, and the gradients are added.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

from symla_lite.checks import FILLED, Count
from symla_lite.environments.environment import Environment
from symla_lite.learner import Sizes


@dataclasses.dataclass(frozen=True)
class Part:
    """An environment of a mixture, and what differs from the rest of the outer loop there.

    Raises:
        ValueError: a share, length or number of lifetimes that is not positive.
    """

    environment: Environment
    share: Count = 1
    """How many of the mixture's shares it gets: of the population, or of theta's lifetimes where
    the learner is differentiated."""
    length: Count | None = None
    """L, steps in a lifetime; None takes the outer loop's."""
    lifetimes: Count | None = None
    """Lifetimes of each member, or of theta where the learner is differentiated; None takes the
    outer loop's, or its share of them."""


@dataclasses.dataclass(frozen=True)
class Mixture:
    """Environments to meta-train on together.

    Raises:
        ValueError: no environment at all, or two of the same name.
    """

    parts: Annotated[tuple[Part, ...], FILLED]

    def __post_init__(self):
        names = [part.environment.name for part in self.parts]
        twice = sorted({name for name in names if names.count(name) > 1})
        for name in twice:
            first, *others = [
                part.environment.options for part in self.parts if part.environment.name == name
            ]
            if any(other != first for other in others):
                raise ValueError(
                    f"parts has two environments with the name {name} and different options: give "
                    "each a name of its own with dataclasses.replace(environment, name=...)."
                )
        if twice:
            raise ValueError(
                f"parts has {', '.join(twice)} twice: give each environment once, with a larger "
                "share."
            )

    @property
    def name(self) -> str:
        """The names of all parts."""
        return " + ".join(part.environment.name for part in self.parts)

    @property
    def options(self) -> Mapping[str, Any]:
        """What each part is, in plain types."""
        return {
            "parts": [
                {"name": part.environment.name, **part.environment.options}
                | {"share": part.share, "length": part.length, "lifetimes": part.lifetimes}
                for part in self.parts
            ]
        }

    @property
    def sizes(self) -> Sizes:
        """A and B of the first part; theta must fit those of all."""
        return self.parts[0].environment.sizes
