"""The one abstraction: a learner is a map from a history to an action.

The paper (section "Meta Reinforcement Learning") writes an agent that learns over its lifetime as

    a_t, h_t = f(h_{t-1}, o_t, r_{t-1}, a_{t-1}).

Whatever the agent changes within a lifetime is in its state h; whatever stays fixed is in its
meta-parameters theta. A black-box learner keeps h in recurrent units; REINFORCE keeps a
policy's weights in h; a bandit algorithm keeps counts. Everything else in this package is written
once, against this type.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from symla_lite import checks
from symla_lite.checks import Count, Key, Name, Tree

Theta = Tree
"""Meta-parameters: any tree of arrays (empty for a learner that has none)."""

State = Tree
"""What a learner remembers: any tree of arrays."""


class Sizes(NamedTuple):
    """Sizes of what a learner is connected to."""

    observation: Count
    """A, the length of an observation."""
    action: Count
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

    Raises:
        ValueError: (also when one of the functions is called) an argument that does not suit, such
            as the theta of another learner or of other sizes.
    """

    name: Name
    """A short name for tables and files."""
    options: Mapping[str, Any]
    """The options it was made with, in plain types, so that a recorded run can name them."""
    init_theta: Callable[[jax.Array, Sizes], Theta]
    """`(key, sizes) -> theta`: meta-parameters before meta-training."""
    init_state: Callable[[Theta, jax.Array, Sizes], State]
    """`(theta, key, sizes) -> h`: the initial state."""
    step: Callable[[Theta, State, Input], tuple[jax.Array, State]]
    """`(theta, h, input) -> (logits [B], h)`: one step of f. The action is drawn from
    softmax(logits) by the caller."""
    prepare: Callable[[Theta], Theta] = lambda theta: theta
    """`(theta) -> theta`: what a step needs of theta and depends on nothing else. Whoever takes
    many steps calls it once before the first; `step` takes theta in either form. A learner made of
    another one, with a theta of another form, needs one of its own, and an `init_theta`."""

    def __post_init__(self):
        for name, function in _checked(self).items():
            object.__setattr__(self, name, function)


def _checked(learner: Learner) -> dict[str, Callable]:
    """A learner's functions, which refuse arguments that do not fit one another."""
    init_theta, init_state, step = checks.unchecked(
        learner.init_theta, learner.init_state, learner.step
    )

    @functools.cache
    def theta_at(sizes: Sizes, prepared: bool = False) -> Theta:
        """The shapes that theta has."""
        prepare = learner.prepare if prepared else lambda theta: theta
        return jax.eval_shape(lambda: prepare(init_theta(jax.random.key(0), sizes)))

    @functools.cache
    def state_at(sizes: Sizes) -> State:
        """The shapes that the state has."""
        return jax.eval_shape(lambda x: init_state(x, jax.random.key(0), sizes), theta_at(sizes))

    def check(what: str, found: Any, sizes: Sizes, *wanted: Any) -> None:
        unlike = [checks.unlike(found, tree, kinds=what == "theta") for tree in wanted]
        if all(unlike):
            raise ValueError(
                f"This {what} does not fit {learner.name} with {sizes.observation} inputs and "
                f"{sizes.action} actions: {unlike[0]}. Give one that this learner made, with the "
                "same options and for the same sizes."
            )

    def checked_init_theta(key: Key, sizes: Sizes) -> Theta:
        size = checks.size_in_bytes(theta_at(sizes))
        checks.check_memory(f"A theta of {learner.name} {learner.options} with {sizes}", size)
        return init_theta(key, sizes)

    def checked_init_state(theta: Theta, key: Key, sizes: Sizes) -> State:
        check("theta", theta, sizes, theta_at(sizes))
        size = checks.size_in_bytes(state_at(sizes))
        checks.check_memory(f"A state of {learner.name} {learner.options} with {sizes}", size)
        return init_state(theta, key, sizes)

    def checked_step(theta: Theta, h: State, x: Input) -> tuple[jax.Array, State]:
        shapes = [jnp.shape(part) for part in x]
        if [len(shape) for shape in shapes] != [1, 0, 1, 0]:
            raise ValueError(
                f"A step takes the input of one moment, o [A], r [], a [B] and end [], and not "
                f"arrays of shapes {shapes}: give these, and use jax.vmap for many lifetimes."
            )
        sizes = Sizes(*shapes[0], *shapes[2])
        check("theta", theta, sizes, theta_at(sizes), theta_at(sizes, prepared=True))
        check("state", h, sizes, state_at(sizes))
        made = step(theta, h, x)
        if not isinstance(made, tuple) or len(made) != 2:
            raise ValueError(
                f"The step of {learner.name} gave {checks.shown(made)}: give a pair, the logits "
                "[B] and the state."
            )
        logits, new = checks.as_numbers(made[0]), made[1]
        wrong = checks.unlike(new, h, kinds=True)
        if logits is None or logits.shape != (sizes.action,) or wrong:
            known = logits is not None
            found = list(logits.shape) if known else "that are no real numbers"
            raise ValueError(
                f"The step of {learner.name} gave logits {found} for {sizes.action} actions and a "
                f"state of which {wrong or 'all is well'}: give logits [B] and a state of the "
                "shapes and kinds that it had."
            )
        return logits, new

    return checks.with_checks(
        init_theta=(checked_init_theta, init_theta),
        init_state=(checked_init_state, init_state),
        step=(checked_step, step),
    )


def first_input(o: Annotated[jax.Array, "A"], sizes: Sizes) -> Input:
    """The input of the first step: `o` [A], and zeros for the previous action and reward."""
    return Input(o=o, r=jnp.zeros(()), a=jnp.zeros(sizes.action), end=jnp.zeros(()))


def count(theta: Theta) -> int:
    """The number of meta-parameters in `theta`."""
    return sum(leaf.size for leaf in jax.tree.leaves(theta))


def is_real(leaf: Any) -> bool:
    """Whether a leaf of a tree is made of real numbers, which may be NaN or infinite."""
    dtype = np.dtype(float) if isinstance(leaf, float) else getattr(leaf, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jnp.floating)
