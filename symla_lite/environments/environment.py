"""What a learner lives in: a distribution of tasks, and episodes within a task.

Two levels of randomness are kept apart. A *task* is drawn once a lifetime (arm probabilities, a
permutation, the meaning of the rewards) and must be learned about. An *episode* is drawn at every
reset within the lifetime (a start position) and can only be reacted to.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax

from symla_lite.learner import Sizes

Task = Any
"""What is fixed for a lifetime: any tree of arrays."""

EnvState = Any
"""What changes within an episode: any tree of arrays."""


class Transition(NamedTuple):
    """What one step leads to."""

    state: EnvState
    observation: jax.Array
    """o_{t+1}, [A]. At the end of an episode it is the terminal observation."""
    reward: jax.Array
    """r_t, []."""
    end: jax.Array
    """1.0 where the episode is over, else 0.0, []."""


@dataclasses.dataclass(frozen=True, eq=False)
class Environment:
    """A distribution of tasks p(e), as three pure functions.

    No step resets by itself: `lifetime` resets, so that a terminal observation is seen together
    with its reward before the next episode begins.
    """

    name: str
    """A short name for tables and files."""
    options: Mapping[str, Any]
    """The options it was made with, in plain types."""
    sizes: Sizes
    """A and B: observation length and number of actions."""
    draw_task: Callable[[jax.Array], Task]
    """`(key) -> task`: drawn once a lifetime."""
    reset: Callable[[jax.Array, Task], tuple[EnvState, jax.Array]]
    """`(key, task) -> (state, o [A])`: the first state and observation of an episode."""
    step: Callable[[jax.Array, Task, EnvState, jax.Array], Transition]
    """`(key, task, state, action []) -> Transition`."""
