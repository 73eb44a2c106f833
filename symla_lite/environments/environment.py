"""What a learner lives in: a distribution of tasks, and episodes within a task.

Two levels of randomness are kept apart. A *task* is drawn once a lifetime (arm probabilities, a
permutation, the meaning of the rewards) and must be learned about. An *episode* is drawn at every
reset within the lifetime (a start position) and can only be reacted to.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from symla_lite import checks
from symla_lite.checks import Key, Name
from symla_lite.learner import Sizes

Task = Any
"""What is fixed for a lifetime: any tree of arrays."""

EnvState = Any
"""What changes within an episode: any tree of arrays."""


Teacher = Callable[[Task, jax.Array], Callable[[EnvState], jax.Array]]
"""An expert who knows the task: `(task, sign) -> (state -> values [B])`. The best action, or nearly
the best, has the largest value; nothing else about them counts. With a `sign` of -1 what is paid is
to be avoided, with 1 it is to be earned."""


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

    Raises:
        ValueError: (also when one of the functions is called) an argument that does not suit, such
            as the task of another environment.
    """

    name: Name
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
    teacher: Teacher | None = None
    """Who could say which action is best, where that is known (`imitation`). Another `step` may
    want another teacher."""

    def __post_init__(self):
        for name, function in _checked(self).items():
            object.__setattr__(self, name, function)


def _checked(environment: Environment) -> dict[str, Callable]:
    """An environment's functions, which refuse arguments that do not fit one another."""
    draw_task, reset, step, teacher = checks.unchecked(
        environment.draw_task, environment.reset, environment.step, environment.teacher
    )

    @functools.cache
    def shapes() -> tuple[Task, EnvState]:
        """Those of a task and of a state."""

        def begin():
            task = draw_task(jax.random.key(0))
            return task, reset(jax.random.key(0), task)[0]

        return jax.eval_shape(begin)

    def check(what: str, found: Any, wanted: Any) -> None:
        if unlike := checks.unlike(found, wanted):
            raise ValueError(
                f"This {what} is none of {environment.name}: {unlike}. Give one that this "
                "environment made."
            )

    def check_made(**made: tuple[Any, tuple[int, ...]]) -> None:
        for name, (found, shape) in made.items():
            whose = f"The {name} of {environment.name}"
            array = checks.as_numbers(found)
            if array is None:
                raise ValueError(
                    f"{whose} is {checks.shown(found)}: give an environment whose functions make "
                    "real numbers."
                )
            if array.shape != shape:
                raise ValueError(
                    f"{whose} has shape {list(array.shape)} and should have {list(shape)}: give an "
                    "environment whose functions make that."
                )

    def check_memory(what: str, tree: Any) -> None:
        size = checks.size_in_bytes(tree)
        checks.check_memory(f"A {what} of {environment.name} {environment.options}", size)

    def checked_draw_task(key: Key) -> Task:
        check_memory("task", shapes()[0])
        return draw_task(key)

    def checked_reset(key: Key, task: Task) -> tuple[EnvState, jax.Array]:
        check("task", task, shapes()[0])
        check_memory("state", shapes()[1])
        made = reset(key, task)
        if not isinstance(made, tuple) or len(made) != 2:
            raise ValueError(
                f"The reset of {environment.name} gave {checks.shown(made)}: give a pair, the "
                "state and the observation [A]."
            )
        state, o = made
        check_made(observation=(o, environment.sizes[:1]))
        return state, o

    def checked_step(key: Key, task: Task, state: EnvState, action: jax.Array) -> Transition:
        check("task", task, shapes()[0])
        check("state", state, shapes()[1])
        actions = environment.sizes.action
        known = not isinstance(action, jax.core.Tracer)
        if (
            jnp.shape(action) != ()
            or not jnp.issubdtype(jnp.result_type(action), jnp.integer)
            or (known and not 0 <= action < actions)
        ):
            raise ValueError(
                f"action={checks.shown(action)} is none of {environment.name}: give a whole number "
                f"from 0 to {actions - 1}."
            )
        new = step(key, task, state, action)
        if not isinstance(new, Transition):
            raise ValueError(
                f"The step of {environment.name} gave {checks.shown(new)}: give a Transition "
                "(state, observation, reward, end)."
            )
        check("new state", new.state, shapes()[1])
        o = new.observation, environment.sizes[:1]
        check_made(observation=o, reward=(new.reward, ()), end=(new.end, ()))
        if not isinstance(new.end, jax.core.Tracer) and new.end not in (0, 1):
            raise ValueError(
                f"The end of {environment.name} is {checks.shown(new.end)}: give an environment "
                "whose steps say 1.0 where the episode is over, else 0.0."
            )
        return new

    def checked_teacher(task: Task, sign: jax.Array) -> Callable[[EnvState], jax.Array]:
        check("task", task, shapes()[0])
        worth = teacher(task, sign)

        def checked_worth(state: EnvState) -> jax.Array:
            check("state", state, shapes()[1])
            said = worth(state)
            check_made(teacher=(said, environment.sizes[1:]))
            return said

        return checked_worth

    taught = {} if teacher is None else {"teacher": (checked_teacher, teacher)}
    return checks.with_checks(
        draw_task=(checked_draw_task, draw_task),
        reset=(checked_reset, reset),
        step=(checked_step, step),
        **taught,
    )
