"""Any environment of gymnax with discrete actions, as an environment of this package.

gymnax (Lange 2022, https://github.com/RobertTLange/gymnax) holds classic control, bsuite, MinAtar
and more, written in JAX. Its `step` resets by itself, so that the last reward of an episode arrives
beside the first observation of the next one. Here the terminal observation is seen first, as in all
environments of this package: `step_env` is taken, which does not reset.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from symla_lite.checks import Name
from symla_lite.environments.environment import Environment, Transition
from symla_lite.learner import Sizes


@functools.cache
def made(name: Name) -> tuple[Any, Any]:
    """An environment of gymnax and its parameters.

    gymnax takes seconds to import (it brings plotting along), so this happens when an environment
    is first used, which may be inside a traced function: hence the evaluation at compile time,
    without which arrays made by the import would belong to that trace.

    Args:
        name: gymnax's name for it.

    Raises:
        ValueError: gymnax has none of that name, or cannot download what it is made of.
    """
    with jax.ensure_compile_time_eval():
        import gymnax

        if name not in gymnax.registered_envs:
            known = ", ".join(gymnax.registered_envs)
            raise ValueError(f"gymnax has no environment {name!r}: take one of {known}.")
        try:
            return gymnax.make(name)
        except OSError as trouble:
            raise ValueError(
                f"gymnax does not make name={name!r} ({type(trouble).__name__}), which needs data "
                "from the internet: take it where there is a network, or another one."
            ) from trouble


def of_gymnax(name: Name, sizes: Sizes | None = None) -> Environment:
    """An environment of gymnax, such as "Catch-bsuite", with its default parameters.

    Rewards and physics are gymnax's. An episode ends where gymnax terminates or truncates it. The
    observation is flattened into one vector, one-hot where it is the number of a state; nothing is
    scaled (`transforms.standardised` does that). A task is empty: whatever gymnax draws, it draws
    at a reset, and so for an episode.

    Args:
        name: gymnax's name for it.
        sizes: A and B where they are known. gymnax is then imported when the environment is first
            used, and not before.

    Raises:
        ValueError: gymnax has none of that name or cannot make it, its actions are continuous, its
            sizes are others, or JAX computes in 64 bits and gymnax's code for it does not. With
            `sizes` given, this is raised when the environment is first used.
    """
    if sizes is not None:
        return _on_first_use(name, sizes)
    from gymnax.environments import spaces

    env, params = made(name)
    actions = env.action_space(params)
    if not isinstance(actions, spaces.Discrete):
        raise ValueError(
            f"The actions of name={name!r} are continuous, and learners here choose among a few: "
            "take an environment with discrete actions, such as Catch-bsuite."
        )
    seen = env.observation_space(params)

    def look(o):
        if isinstance(seen, spaces.Discrete):
            return jax.nn.one_hot(o, seen.n)
        return jnp.ravel(jnp.asarray(o, float))

    def reset(key, task):
        del task
        o, state = env.reset_env(key, params)
        return jax.tree.map(jnp.asarray, state), look(o)

    def step(key, task, state, action):
        del task
        o, new, reward, terminated, _ = env.step_env(key, state, action, params)
        # Some entries of a state begin as numbers of Python, whose type a step then changes.
        new = jax.tree.map(lambda x, before: jnp.asarray(x, before.dtype), new, state)
        end = jnp.asarray(terminated | env.is_truncated(new, params), float)
        return Transition(new, look(o), jnp.asarray(reward, float).reshape(()), end)

    def begin(key):
        state, o = reset(key, ())
        return o, step(key, (), state, jnp.zeros((), int))

    try:
        observation, _ = jax.eval_shape(begin, jax.random.key(0))
    except (TypeError, ValueError) as trouble:
        if not jax.config.jax_enable_x64:
            raise
        raise ValueError(
            f"gymnax's environment name={name!r} mixes numbers of 32 and 64 bits, which does not "
            "run: unset JAX_ENABLE_X64, or take another one."
        ) from trouble
    return Environment(
        name=f"gymnax-{name}",
        options={},
        sizes=Sizes(observation=observation.size, action=int(actions.n)),
        draw_task=lambda key: (),
        reset=reset,
        step=step,
    )


def _on_first_use(name: Name, sizes: Sizes) -> Environment:
    """An environment of gymnax that is made when it is first used."""

    @functools.cache
    def itself() -> Environment:
        found = of_gymnax(name)
        if found.sizes != sizes:
            raise ValueError(f"name={name!r} has {found.sizes}, and not sizes={sizes}: give those.")
        return found

    return Environment(
        name=f"gymnax-{name}",
        options={},
        sizes=sizes,
        draw_task=lambda key: itself().draw_task(key),
        reset=lambda key, task: itself().reset(key, task),
        step=lambda key, task, state, action: itself().step(key, task, state, action),
    )
