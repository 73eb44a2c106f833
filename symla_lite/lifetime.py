"""The inner loop: one lifetime of a learner in one task (the paper's section "Learning").

L steps with many episodes in them. The learner's state is carried over from episode to episode,
and so is the task; only the environment's state is reset.
"""

from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp

from symla_lite import checks
from symla_lite.checks import MAY_BE_NAN, Count, Key
from symla_lite.environments.environment import Environment, Task, Teacher
from symla_lite.learner import Learner, State, Theta, first_input, is_real


class Lifetime(NamedTuple):
    """What record at the steps t = 1 ... L."""

    task: Task
    """The task of the lifetime."""
    observation: jax.Array
    """o_t, [L, A]."""
    logits: jax.Array
    """The learner's logits, [L, B]."""
    action: jax.Array
    """a_t, drawn from softmax(logits), [L]."""
    reward: jax.Array
    """r_t, what the action led to, [L]. NaN where the logits are no numbers, which choose no
    action."""
    end: jax.Array
    """1.0 where o_t ended an episode: the action there is not taken, the next step begins a new
    episode, and its reward is 0, [L]."""


def live(
    learner: Learner,
    environment: Environment,
    length: Count,
    theta: Theta,
    key: Key,
    unroll: Count = 1,
) -> Lifetime:
    """Runs one lifetime of a learner.

    At the end of an episode the learner receives the terminal observation beside its reward and the
    end flag; the step after that resets (dm_env's convention, and that of the
    paper's code). So no reward ever arrives beside an observation that has nothing to do with it.

    Args:
        learner: the learner to run.
        environment: its environment.
        length: L, the number of steps, at least 1.
        theta: the learner's meta-parameters.
        key: all that is random in this lifetime: the task, the first state, episodes, actions.
        unroll: steps in one round of the loop. More compile longer; on a GPU they are launched
            together. Does not change the outcome beyond rounding.

    Raises:
        ValueError: `length` or `unroll` is not positive, or theta does not fit the environment's
            sizes or is not finite.
    """
    return live_until(learner, environment, length, theta, key, unroll)[0]


def live_taught(
    learner: Learner,
    environment: Environment,
    length: Count,
    theta: Theta,
    key: Key,
    unroll: Count = 1,
) -> tuple[Lifetime, State, jax.Array]:
    """`live`, the learner's state in the end, and what the environment's teacher says of each
    action at each step, [L, B]. The learner does not hear it.

    Raises:
        ValueError: the environment has no teacher.
    """
    check_taught(environment)
    return _live(learner, environment, environment.teacher, length, theta, key, unroll)


def check_taught(environment: Environment) -> None:
    """Raises `ValueError` where it is not known which action is best."""
    if environment.teacher is None:
        raise ValueError(
            f"environment={environment.name} has no teacher: give one whose best action is known, "
            "such as a member of `environments.FAMILY`."
        )


def live_until(
    learner: Learner,
    environment: Environment,
    length: Count,
    theta: Theta,
    key: Key,
    unroll: Count = 1,
) -> tuple[Lifetime, State]:
    """`live`, and the learner's state in the end."""
    silent = lambda task, sign: lambda state: ()  # noqa: E731
    return _live(learner, environment, silent, length, theta, key, unroll)[:2]


def _live(
    learner: Learner,
    environment: Environment,
    teacher: Teacher,
    length: int,
    theta: Theta,
    key: jax.Array,
    unroll: int,
) -> tuple[Lifetime, State, Any]:
    """`live`, the learner's state in the end, and what a teacher says at each step."""
    theta = jax.tree.map(in_default_precision, theta)
    sizes = environment.sizes
    key_task, key_state, key_reset, key_steps = jax.random.split(key, 4)
    task = environment.draw_task(key_task)
    worth = teacher(task, jnp.ones(()))
    h = learner.init_state(theta, key_state, sizes)
    theta = learner.prepare(theta)
    env_state, o = environment.reset(key_reset, task)
    o = observed(o)
    checks.check_memory(
        f"What is drawn for a lifetime with length={length}",
        length * (40 + checks.size_in_bytes((env_state, o))),
    )

    # All that is random and does not depend on what happens is drawn before the first step, for all
    # steps at once: in the loop, generating random numbers would take longer than a small learner.
    keys = jax.vmap(lambda key: jax.random.split(key, 3))(jax.random.split(key_steps, length))
    key_action, key_step, key_reset = keys[:, 0], keys[:, 1], keys[:, 2]
    gumbel = jax.vmap(lambda key: jax.random.gumbel(key, (sizes.action,)))(key_action)
    resets = jax.vmap(environment.reset, in_axes=(0, None))(key_reset, task)

    def step(carry, drawn):
        h, env_state, x = carry
        gumbel, key, (reset_state, reset_o) = drawn
        said = worth(env_state)
        logits, h = learner.step(theta, h, x)
        action = jnp.argmax(logits + gumbel)  # a sample of softmax(logits)

        new = environment.step(key, task, env_state, action)
        env_state, o, r, end = jax.tree.map(
            lambda reset, step: jnp.where(x.end > 0, reset, step),
            (reset_state, reset_o, jnp.zeros(()), jnp.zeros(())),
            (new.state, new.observation, new.reward, new.end),
        )
        o, r, end = observed(o), jnp.asarray(r, float), jnp.asarray(end != 0, float)
        r = jnp.where(jnp.isfinite(logits[action]), r, jnp.nan)
        record = (x.o, logits, action, r, x.end)
        a = jax.nn.one_hot(action, sizes.action)
        return (h, env_state, x._replace(o=o, r=r, a=a, end=end)), (record, said)

    first = (h, env_state, first_input(o, sizes))
    (h, _, _), (record, said) = jax.lax.scan(step, first, (gumbel, key_step, resets), unroll=unroll)
    return Lifetime(task, *record), h, said


def in_default_precision(x: Any) -> Any:
    """Real numbers as JAX takes them by default: a theta may come from a record of another
    precision, and what a step returns must be of the type that it was given."""
    return jnp.asarray(x, float) if is_real(x) else x


def observed(o: Annotated[jax.Array, MAY_BE_NAN]) -> jax.Array:
    """An observation with NaN in place of infinity, which a learner would squash into an ordinary
    number: NaN reaches its logits."""
    o = jnp.asarray(o, float)
    return jnp.where(jnp.isfinite(o), o, jnp.nan)


def is_finite(tree: Any) -> jax.Array:
    """Whether the real numbers of a tree are all finite, []."""
    leaves = filter(is_real, jax.tree.leaves(tree))
    return jnp.all(jnp.array([jnp.all(jnp.isfinite(leaf)) for leaf in leaves], bool))
