"""Win-stay, lose-shift: repeat what has just paid, and do something else after what has not.

Robbins (1952), "Some aspects of the sequential design of experiments", Bulletin of the American
Mathematical Society 58, for two arms. It is a reflex and not a learning
rule: it looks at no observation and remembers nothing but one action and whether that paid.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from symla_lite.baselines.counts import choose
from symla_lite.learner import Learner


class WinStayState(NamedTuple):
    """The state h of the reflex."""

    logits: jax.Array
    """What followed from the last action that was taken and its reward, [B]."""
    acted: jax.Array
    """1.0 where the action of the step before was taken, 0.0 before the first step and where an
    episode was over, []."""


def win_stay() -> Learner:
    """Win-stay, lose-shift, in any environment.

    After a reward above zero it repeats the action. After any other, and so also after a reward of
    exactly zero, it draws one of the other actions, each with the same probability. Its first
    action is drawn from all of them. Where an episode ends, the action chosen there is not taken
    (see `lifetime`): the next episode begins with what followed from the last one that was.

    Returns:
        A learner without meta-parameters, for all sizes. Permuting the actions permutes its logits
        [B].
    """

    def init_theta(key, sizes):
        del key, sizes
        return {}

    def init_state(theta, key, sizes):
        del theta, key
        return WinStayState(logits=jnp.zeros(sizes.action), acted=jnp.zeros(()))

    def step(theta, h, x):
        del theta
        reflex = choose(jnp.where(x.r > 0, x.a > 0, x.a == 0))
        logits = jnp.where(h.acted > 0, reflex, h.logits)
        return logits, WinStayState(logits, acted=1.0 - x.end)

    return Learner("win-stay", {}, init_theta, init_state, step)
