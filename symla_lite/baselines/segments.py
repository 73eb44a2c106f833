"""What learned objectives learn from: the last H steps of a lifetime, cut at fixed intervals.

LPG and MetaGenRL read a piece of experience from its end to its beginning, so it has to be kept. A
piece may hold the end of one episode and the beginning of another. All lifetimes of a population
are cut at the same steps, so that all of them take the same branch of the program (`jax.lax.cond`
under `vmap`), and learning is paid for once in H steps.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from symla_lite.checks import Count
from symla_lite.learner import Input, Sizes


class Segment(NamedTuple):
    """H steps, one after the other."""

    x: jax.Array
    """What was seen: the observation, and a 1, [H, A + 1]."""
    a: jax.Array
    """The action, one-hot, [H, B]."""
    r: jax.Array
    """The reward that it led to, [H]."""
    end: jax.Array
    """1.0 where it ended the episode, [H]."""
    acted: jax.Array
    """1.0 where it was taken, 0.0 where an episode was over (`lifetime`), [H]."""


class Recorder(NamedTuple):
    """A segment in the making."""

    segment: Segment
    t: jax.Array
    """Steps of the lifetime so far, []."""


def new_recorder(horizon: Count, sizes: Sizes) -> Recorder:
    """Nothing recorded yet.

    Args:
        horizon: H.
        sizes: A and B.
    """
    lengths = (sizes.observation + 1,), (sizes.action,), (), (), ()
    segment = Segment(*(jnp.zeros((horizon, *length)) for length in lengths))
    return Recorder(segment, jnp.zeros((), jnp.int32))


def record(
    recorder: Recorder,
    x: Input,
    learn: Callable[[Segment, jax.Array], tuple],
    otherwise: tuple,
) -> tuple[Recorder, jax.Array, tuple]:
    """Records a step, and learns where a segment is full.

    Args:
        recorder: what was recorded before.
        x: what the learner receives at this step, which completes the step before.
        learn: `(segment, what is seen after it [A + 1]) -> what was learned`, any tree of arrays.
        otherwise: what there is where the segment is not full, such a tree.

    Returns:
        The recorder, what is seen now [A + 1], and what was learned.
    """
    (segment, t), seen = recorder, jnp.append(x.o, 1.0)
    H = segment.r.size
    before, now = (t - 1) % H, t % H
    segment = segment._replace(
        a=segment.a.at[before].set(x.a),
        r=segment.r.at[before].set(x.r),
        end=segment.end.at[before].set(x.end),
    )
    full = (t > 0) & (now == 0)
    learned = jax.lax.cond(full, lambda: learn(segment, seen), lambda: otherwise)
    segment = segment._replace(
        x=segment.x.at[now].set(seen), acted=segment.acted.at[now].set(1.0 - x.end)
    )
    return Recorder(segment, t + 1), seen, learned
