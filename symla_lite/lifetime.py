"""The inner loop: one lifetime of a learner in one task (the paper's section "Learning").

L steps with many episodes in them. The learner's state is carried over from episode to episode,
and so is the task; only the environment's state is reset.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from symla_lite.environments.environment import Environment, Task
from symla_lite.learner import Learner, Theta, first_input


class Lifetime(NamedTuple):
    """What happened at the steps t = 1 ... L."""

    task: Task
    """The task of the lifetime."""
    observation: jax.Array
    """o_t, [L, A]."""
    logits: jax.Array
    """The learner's logits, [L, B]."""
    action: jax.Array
    """a_t, drawn from softmax(logits), [L]."""
    reward: jax.Array
    """r_t, what the action led to, [L]."""
    end: jax.Array
    """1.0 where o_t ended an episode: the action there is not taken, the next step begins a new
    episode, and its reward is 0, [L]."""


def live(
    learner: Learner,
    environment: Environment,
    length: int,
    theta: Theta,
    key: jax.Array,
    unroll: int = 1,
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
            sizes.
    """
    if length < 1:
        raise ValueError(f"A lifetime takes time: length={length}, give at least 1.")
    if unroll < 1:
        raise ValueError(f"A round of the loop takes a step: unroll={unroll}, give at least 1.")
    sizes = environment.sizes
    key_task, key_state, key_reset, key_steps = jax.random.split(key, 4)
    task = environment.draw_task(key_task)
    h = learner.init_state(theta, key_state, sizes)
    theta = learner.prepare(theta)
    env_state, o = environment.reset(key_reset, task)

    # All that is random and does not depend on what happens is drawn before the first step, for all
    # steps at once: in the loop, generating random numbers would take longer than a small learner.
    keys = jax.vmap(lambda key: jax.random.split(key, 3))(jax.random.split(key_steps, length))
    key_action, key_step, key_reset = keys[:, 0], keys[:, 1], keys[:, 2]
    luck = jax.vmap(lambda key: jax.random.gumbel(key, (sizes.action,)))(key_action)
    resets = jax.vmap(environment.reset, in_axes=(0, None))(key_reset, task)

    def step(carry, drawn):
        h, env_state, x = carry
        luck, key, (reset_state, reset_o) = drawn
        logits, h = learner.step(theta, h, x)
        action = jnp.argmax(logits + luck)  # a sample of softmax(logits)

        new = environment.step(key, task, env_state, action)
        env_state, o, r, end = jax.tree.map(
            lambda reset, step: jnp.where(x.end > 0, reset, step),
            (reset_state, reset_o, jnp.zeros(()), jnp.zeros(())),
            (new.state, new.observation, new.reward, new.end),
        )
        happened = (x.o, logits, action, r, x.end)
        a = jax.nn.one_hot(action, sizes.action)
        return (h, env_state, x._replace(o=o, r=r, a=a, end=end)), happened

    first = (h, env_state, first_input(o, sizes))
    _, happened = jax.lax.scan(step, first, (luck, key_step, resets), unroll=unroll)
    return Lifetime(task, *happened)
