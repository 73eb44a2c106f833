"""The uniformly random policy: what is earned without knowing or learning anything."""

import jax.numpy as jnp

from symla_lite.learner import Learner


def random_policy() -> Learner:
    """Every action with the same probability, at every step, in any environment.

    Returns:
        A learner without meta-parameters and without a state; its logits are zeros [B].
    """

    def init_theta(key, sizes):
        del key, sizes
        return {}

    def init_state(theta, key, sizes):
        del theta, key, sizes
        return ()

    def step(theta, h, x):
        del theta
        return jnp.zeros_like(x.a), h

    return Learner("random", {}, init_theta, init_state, step)
