"""Bandits: the five two-armed distributions of Wang et al. (2016), and K independent arms.

The paper's appendix "Bandits from Wang et al. (2016)". A task is the vector p of payout
probabilities; pulling arm a pays 1 with probability p_a and 0 otherwise. There is nothing to see
(o is one zero) and no episode ends before the lifetime does.
"""

from collections.abc import Callable
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np

from symla_lite import checks
from symla_lite.checks import Name, Range, Share
from symla_lite.environments.environment import Environment, Transition
from symla_lite.learner import Sizes

Arms = Annotated[int, Range(least=2)]
"""How many: a bandit is a choice."""


def bandit(name: Name, draw_task: Callable[[jax.Array], jax.Array], arms: Arms) -> Environment:
    """A Bernoulli bandit.

    Args:
        name: its name.
        draw_task: `(key) -> p [arms]`, payout probabilities in [0, 1].
        arms: the number of arms, at least 2.

    Returns:
        The environment, with sizes A = 1 and B = arms.

    Raises:
        ValueError: fewer than two arms.
    """

    def nothing():
        return jnp.zeros(1)

    def reset(key, task):
        del key, task
        return (), nothing()

    def step(key, task, state, action):
        reward = jax.random.bernoulli(key, task[action]).astype(float)
        return Transition(state=state, observation=nothing(), reward=reward, end=jnp.zeros(()))

    return Environment(
        name=name,
        options={"arms": arms},
        sizes=Sizes(observation=1, action=arms),
        draw_task=draw_task,
        reset=reset,
        step=step,
        teacher=lambda task, sign: lambda state: sign * task,
    )


def independent_arms(arms: Arms) -> Environment:
    """K independent arms, p_i ~ U[0, 1] each (the paper's Figure 4; with two arms, its "uniform
    independent" bandit).

    Args:
        arms: K, at least 2.
    """
    return bandit(f"independent-{arms}", lambda key: jax.random.uniform(key, (arms,)), arms)


def dependent(name: Name, draw_first: Callable[[jax.Array], jax.Array]) -> Environment:
    """Two arms of which one tells all about the other: p_2 = 1 - p_1.

    Args:
        name: its name.
        draw_first: `(key) -> p_1 []`.
    """

    def draw_task(key):
        p_1 = draw_first(key)
        return jnp.stack([p_1, 1 - p_1])

    return bandit(name, draw_task, arms=2)


def either(p: Share) -> Callable[[jax.Array], jax.Array]:
    """p_1 ~ U{p, 1 - p}: which arm is the good one, and nothing else, is unknown."""
    return lambda key: jnp.where(jax.random.bernoulli(key), p, 1 - p)


def biased(swapped: bool = False) -> Environment:
    """Two arms of which the first is never the worse one: p_1 ~ U[1/2, 1] and p_2 ~ U[0, 1/2].

    The paper's thought experiment (section "Insufficient Symmetries in Black-box Meta RL") asks for
    a first arm that pays much more; here it pays 3/4 on average and the second 1/4. No learner can
    earn more than one that pulls the first arm and never looks at a payout.

    Args:
        swapped: exchanges the arms: now it is the second that is never the worse one.

    """

    def draw_task(key):
        lower = jnp.array([0.0, 0.5] if swapped else [0.5, 0.0])
        return lower + jax.random.uniform(key, (2,), maxval=0.5)

    return bandit("biased-swapped" if swapped else "biased", draw_task, arms=2)


EITHER: dict[str, float] = {"easy": 0.1, "medium": 0.25, "hard": 0.4}
"""p of the dependent bandits whose p_1 is either p or 1 - p."""

BANDITS: dict[str, Environment] = {
    "independent": independent_arms(2),
    "uniform": dependent("uniform", jax.random.uniform),
    **{name: dependent(name, either(p)) for name, p in EITHER.items()},
}
"""The five two-armed distributions of Wang et al. (2016), in the order of the paper's appendix."""


def regret_per_pull(
    task: Annotated[jax.Array, "... B"], actions: Annotated[jax.Array, "... T"]
) -> jax.Array:
    """Expected regret of each pull: max_i p_i - p_a.

    The expectation is over payouts, given the arms pulled, which takes the payouts' own noise out
    of the measurement.

    Args:
        task: payout probabilities p, [..., arms].
        actions: arms pulled, [..., T].

    Returns:
        [..., T], in units of payouts.
    """
    if not isinstance(actions, jax.core.Tracer):
        arms = np.unique(actions)
        if arms.dtype.kind not in "iu" or arms.min() < 0 or arms.max() >= task.shape[-1]:
            raise ValueError(
                f"actions holds {checks.shown(arms.tolist())}: give whole numbers from 0 to "
                f"{task.shape[-1] - 1}, one for each arm."
            )
    best = jnp.max(task, axis=-1, keepdims=True)
    return best - jnp.take_along_axis(task, actions, axis=-1)


def expected_regret(
    task: Annotated[jax.Array, "... B"], actions: Annotated[jax.Array, "... T"]
) -> jax.Array:
    """Expected cumulative regret: the sum of `regret_per_pull` over the pulls so far, [..., T]. The
    last entry is the regret of the lifetime.
    """
    return jnp.cumsum(regret_per_pull(task, actions), axis=-1)
