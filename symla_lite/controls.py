"""Controls: the same learner with something taken from it.

Before a number is said to be learning, it is compared with what a learner earns that cannot have
learned. Each control here rules out one way to earn without learning, and leaves the environment
and theta as they are:

- `without_reward`: what remains was not learned from reward;
- `reward_held_at`: the same, where a reward of zero would itself say something;
- `without_observation`: what remains needs no look at the environment, as in a reflex that repeats
  what was just rewarded;
- `reward_off_after`: what remains was kept in the state, and is not a reaction to the last reward;
- `wiped_every`: what remains needs no memory beyond a few steps.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp

from symla_lite.checks import Count, Index
from symla_lite.learner import Input, Learner, State, Theta


def with_input(learner: Learner, name: str, change: Callable[[Input], Input]) -> Learner:
    """The same learner, with every input changed on its way in."""

    def step(theta: Theta, h: State, x: Input) -> tuple[jax.Array, State]:
        return learner.step(theta, h, change(x))

    return dataclasses.replace(learner, name=f"{learner.name} {name}", step=step)


def without_reward(learner: Learner) -> Learner:
    """The same learner with its reward input held at zero."""
    return with_input(learner, "without reward", lambda x: x._replace(r=jnp.zeros_like(x.r)))


def reward_held_at(learner: Learner, value: float) -> Learner:
    """The same learner with its reward input held at one value.

    Where every step pays the same but for the goal, such as Acrobot's -1, an input of zero is a
    signal that the learner never saw in meta-training, and the usual reward is the better control.
    """
    change = lambda x: x._replace(r=jnp.full_like(x.r, value))  # noqa: E731
    return with_input(learner, f"with reward {value:g}", change)


def without_observation(learner: Learner, value: float = 0.0) -> Learner:
    """The same learner with every entry of its observation held at one value, such as its mean."""
    change = lambda x: x._replace(o=jnp.full_like(x.o, value))  # noqa: E731
    return with_input(learner, "without observation", change)


def reward_off_after(learner: Learner, steps: Index) -> Learner:
    """The same learner with its reward input held at zero after its first `steps` steps.

    Its state is `(h, t)`, where t counts the steps that it took.

    Raises:
        ValueError: `steps` is negative.
    """

    def init_state(theta, key, sizes):
        return learner.init_state(theta, key, sizes), jnp.int32(0)

    def step(theta, state, x):
        h, t = state
        logits, h = learner.step(theta, h, x._replace(r=jnp.where(t < steps, x.r, 0.0)))
        return logits, (h, t + 1)

    name = f"{learner.name}, reward off after {steps}"
    return dataclasses.replace(learner, name=name, init_state=init_state, step=step)


def wiped_every(learner: Learner, steps: Count) -> Learner:
    """The same learner, put back into its initial state every `steps` steps.

    What it receives in a step it still receives, and so the last action with its reward. Its state
    is `(h, initial h, t)`, where t counts the steps that it took.

    Raises:
        ValueError: `steps` is not positive.
    """

    def init_state(theta, key, sizes):
        h = learner.init_state(theta, key, sizes)
        return h, h, jnp.int32(0)

    def step(theta, state, x):
        h, initial, t = state
        wipe = t % steps == 0
        h = jax.tree.map(lambda new, old: jnp.where(wipe, new, old), initial, h)
        logits, h = learner.step(theta, h, x)
        return logits, (h, initial, t + 1)

    name = f"{learner.name}, wiped every {steps}"
    return dataclasses.replace(learner, name=name, init_state=init_state, step=step)
