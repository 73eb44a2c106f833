"""MAML: REINFORCE from a meta-learned beginning.

Finn, Abbeel & Levine (2017), "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks",
ICML, https://arxiv.org/abs/1703.03400. Theta is the policy's first weights, and what a lifetime
changes are the weights, by the policy gradient (their Algorithm 3, with the inner update of their
section 3.2 and the loss of Equation 4):

    w_0 = theta,    w_{i+1} = w_i + alpha (R_i - baseline) sum_t grad_w log pi_{w_i}(a_t | o_t).

That is REINFORCE, and nothing of it is written again here. The outer gradient with respect to theta
is that of an evolution strategy, which needs no second derivative of the inner update: ES-MAML
(Song et al. 2020, https://arxiv.org/abs/1910.01215).

What is simpler, and why. A lifetime here has as many updates as episodes, and all its rewards
count; in the paper a few updates are made and what comes after them counts. One lifetime is what
all learners of this package are compared in. Each update follows one episode and not a batch of
them, because a lifetime has one environment. Alpha and the horizon belong to theta, so that they
are tuned by the same budget as those of REINFORCE; the paper sets them by hand.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from symla_lite.backprop import Hidden, Weights
from symla_lite.baselines.reinforce import (
    Constants,
    constants_of,
    init_policy,
    policy_gradient_learner,
)
from symla_lite.checks import Count, Positive
from symla_lite.learner import Learner, Sizes, Theta


def maml(
    hidden: Sequence[Count] = (32,),
    learning_rate: Positive = 0.1,
    horizon: Count = 20,
    baseline: bool = True,
    nonlinearity: Hidden = "tanh",
    output_scale: Positive = 0.1,
) -> Learner:
    """The MAML learner.

    Args:
        hidden, learning_rate, horizon, baseline, nonlinearity, output_scale: those of `reinforce`,
            from whose beginning meta-training begins.

    Returns:
        A learner whose theta is the first weights, `weights`, and the logarithms of learning rate
        and horizon, `log_constants`. It fits one pair of sizes only, and says so when given others.

    Raises:
        ValueError: as `reinforce` does.
    """
    hidden = tuple(hidden)

    def init_theta(key: jax.Array, sizes: Sizes) -> Theta:
        return {
            "weights": init_policy(key, sizes.observation, hidden, sizes.action, output_scale),
            "log_constants": jnp.log(jnp.array(Constants(learning_rate, horizon))),
        }

    def first_weights(theta: Theta, key: jax.Array, sizes: Sizes) -> Weights:
        del key, sizes
        return tuple(theta["weights"])

    options = {
        "hidden": list(hidden),
        "learning_rate": learning_rate,
        "horizon": horizon,
        "baseline": baseline,
        "nonlinearity": nonlinearity,
        "output_scale": output_scale,
    }
    return policy_gradient_learner(
        "maml", options, init_theta, first_weights, constants_of, baseline, nonlinearity
    )
