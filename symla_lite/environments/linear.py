"""Linear contextual bandits: what an arm pays depends on what is seen.

Not in the paper. In a grid world reward is rare and the right action depends on the observation,
which is too much to begin with; this is the simplest task distribution in which a learner must tie
its actions to its observations at all, and every single step pays something. Its inputs are
Gaussian and of unit variance, like randomly projected ones.
"""

import jax
import jax.numpy as jnp

from symla_lite.checks import Count
from symla_lite.environments.bandits import Arms
from symla_lite.environments.environment import Environment, Transition
from symla_lite.learner import Sizes


def linear_bandit(inputs: Count, arms: Arms) -> Environment:
    """Arms that pay a linear function of the observation, clipped.

    A task is the weights w [arms, inputs], each from N(0, 1). The observation x [inputs] is drawn
    anew at every step, each entry from N(0, 1). Arm b pays clip(w_b · x / √inputs, -1, 1), where x
    is what was seen before the arm was pulled. No arm is better than another on average, so a
    policy that does not look earns 0. No episode ends before the lifetime does.

    Args:
        inputs: K, at least 1.
        arms: B, at least 2.

    Raises:
        ValueError: nothing to see, or no choice.
    """

    def reset(key, task):
        del task
        x = jax.random.normal(key, (inputs,))
        return x, x

    def pays(product):
        return jnp.clip(product / jnp.sqrt(inputs), -1, 1)

    def step(key, task, state, action):
        reward = pays(task[action] @ state)
        x = jax.random.normal(key, (inputs,))
        return Transition(state=x, observation=x, reward=reward, end=jnp.zeros(()))

    def teacher(task, sign):
        return lambda state: sign * pays(task @ state)

    return Environment(
        name=f"linear-{inputs}-{arms}",
        options={"inputs": inputs, "arms": arms},
        sizes=Sizes(observation=inputs, action=arms),
        draw_task=lambda key: jax.random.normal(key, (arms, inputs)),
        reset=reset,
        step=step,
        teacher=teacher,
    )
