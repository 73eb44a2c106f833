"""The one abstraction: a learner is a map from a history to an action.

The paper (section "Meta Reinforcement Learning") writes an agent that learns over its lifetime as

    a_t, h_t = f(h_{t-1}, o_t, r_{t-1}, a_{t-1}).

Whatever the agent changes within a lifetime is in its state h; whatever stays fixed is in its
meta-parameters theta. A black-box learner keeps h in recurrent units; REINFORCE keeps a
policy's weights in h; a bandit algorithm keeps counts. Everything else in this package is written
once, against this type.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Theta = Any
"""Meta-parameters: any tree of arrays (empty for a learner that has none)."""

State = Any
"""What a learner remembers: any tree of arrays."""


class Sizes(NamedTuple):
    """Sizes of what a learner is connected to."""

    observation: int
    """A, the length of an observation."""
    action: int
    """B, the number of discrete actions."""


class Input(NamedTuple):
    """What a learner receives at step t."""

    o: jax.Array
    """Observation o_t, [A]."""
    r: jax.Array
    """Reward r_{t-1} of the step before, []. Zero at the first step."""
    a: jax.Array
    """Action a_{t-1} of the step before, one-hot, [B]. All zeros at the first step."""
    end: jax.Array
    """1.0 where o_t is the last observation of an episode, else 0.0, []."""


@dataclasses.dataclass(frozen=True, eq=False)
class Learner:
    """A history-dependent map f, as three pure functions.

    They describe one learner in one lifetime; many are had by `jax.vmap`. A fourth, `prepare`, only
    saves work.
    """

    name: str
    """A short name for tables and files."""
    options: Mapping[str, Any]
    """The options it was made with, in plain types, so that a recorded run can name them."""
    init_theta: Callable[[jax.Array, Sizes], Theta]
    """`(key, sizes) -> theta`: meta-parameters before meta-training."""
    init_state: Callable[[Theta, jax.Array, Sizes], State]
    """`(theta, key, sizes) -> h`: the initial state. Raises `ValueError` where theta does not fit
    the sizes."""
    step: Callable[[Theta, State, Input], tuple[jax.Array, State]]
    """`(theta, h, input) -> (logits [B], h)`: one step of f. The action is drawn from
    softmax(logits) by the caller."""
    prepare: Callable[[Theta], Theta] = lambda theta: theta
    """`(theta) -> theta`: what a step needs of theta and depends on nothing else. Whoever takes
    many steps calls it once before the first; `step` takes theta in either form. A learner made of
    another one, with a theta of another form, needs one of its own."""


def first_input(o: jax.Array, sizes: Sizes) -> Input:
    """The input of the first step: `o` [A], and zeros for the previous action and reward."""
    return Input(o=o, r=jnp.zeros(()), a=jnp.zeros(sizes.action), end=jnp.zeros(()))


def count(theta: Theta) -> int:
    """The number of meta-parameters in `theta`."""
    return sum(leaf.size for leaf in jax.tree.leaves(theta))
