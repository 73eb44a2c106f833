"""Classic control: CartPole, Acrobot and MountainCar (the paper's Figures 5 and 7).

The physics is gymnax's. What is chosen here is what the paper leaves open: how observations are
scaled, what is paid, and when an episode ends. In a lifetime of fixed length with resets inside, a
reward that is the same at every step carries no signal, whatever the policy does; so each reward
here says what it depends on.

Observations are of order one: each is divided by a typical size, which stands beside it.
"""

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp

from symla_lite.checks import Count, Name, Positive, Range
from symla_lite.environments.environment import Environment, EnvState, Task, Transition
from symla_lite.environments.gymnax import made as physics
from symla_lite.learner import Sizes

CARTPOLE_REWARDS: dict[str, str] = {
    "upright": "upright and near the target after dm_control, in [0, 1]",
    "balance": "0.1 a step, -1 at the step that falls",
    "standard": "1 a step: the same at every step, so it carries no signal in a lifetime",
    "nearer": "1 for a step towards balance, -1 for one away from it, as the dense grid pays",
}
"""What `cartpole` may pay."""

MOUNTAIN_CAR_REWARDS: dict[str, str] = {
    "height": "1 at the goal, and HEIGHT times the height of the car, in [0, 1], at every step",
    "goal": "1 at the goal, else 0",
}
"""What `mountain_car` may pay."""

HEIGHT = 0.02
"""MountainCar: what a step on the summit earns beside the goal's 1. Small, so that no policy does
well by the height alone: 50 steps at the very top are worth one arrival."""

X_LIMIT = 2.4
"""CartPole: half the track's length, in m."""

HALF_POLE = 0.5
"""CartPole: from the joint to the pole's centre, in m."""

TIME_STEP = 0.02
"""CartPole: from step to step, in s."""

AHEAD = 0.3
"""CartPole: how far ahead the lean is looked at that "nearer" pays for, in s. A push changes the
turning at once and the angle only later; without a look ahead the step would not be paid for its
push."""


def control(
    name: Name,
    options: Mapping[str, Any],
    body: Literal["CartPole-v1", "Acrobot-v1", "MountainCar-v0"],
    sizes: Sizes,
    episode: Count,
    look: Callable[[EnvState], jax.Array],
    pay: Callable[[Task, EnvState, EnvState, jax.Array], jax.Array],
    draw_task: Callable[[jax.Array], Task] = lambda key: (),
    correct: Callable[[EnvState, EnvState], EnvState] | None = None,
) -> Environment:
    """One of gymnax's bodies with an observation, a reward and an end of its own.

    Args:
        name: the environment's name.
        options: the options that it was made with.
        body: gymnax's name for it.
        sizes: A and B.
        episode: steps after which an episode ends.
        look: `(state) -> o [A]`.
        pay: `(task, state, new state, stopped) -> r []`; `stopped` tells whether the body ended the
            episode (a fall, a goal) and not the clock.
        draw_task: `(key) -> task`.
        correct: `(state, new state) -> new state`, a change to gymnax's step. An episode of a
            corrected body ends by the clock alone.

    Raises:
        ValueError: an episode without steps.
    """

    def reset(key, task):
        del task
        env, params = physics(body)
        _, state = env.reset_env(key, params)
        state = state.replace(time=jnp.int32(0))
        return state, look(state)

    def step(key, task, state, action):
        # Nothing is random here. A constant key keeps gymnax's unused noise (Acrobot's torque) from
        # being drawn for every lifetime of a batch.
        del key
        env, params = physics(body)
        _, new, _, _, _ = env.step_env(jax.random.key(0), state, action, params)
        if correct is None:
            stopped = env.is_terminated(new, params)
        else:
            new = correct(state, new)
            stopped = jnp.zeros((), bool)
        return Transition(
            state=new,
            observation=look(new),
            reward=jnp.asarray(pay(task, state, new, stopped), float),
            end=jnp.asarray(stopped | (new.time >= episode), float),
        )

    return Environment(
        name=name,
        options={**options, "episode": episode},
        sizes=sizes,
        draw_task=draw_task,
        reset=reset,
        step=step,
    )


def cartpole(
    reward: Literal["upright", "balance", "standard", "nearer"] = "upright",
    free: bool = False,
    target_range: Annotated[float, Range(least=0, below=X_LIMIT)] = 0.0,
    margin: Positive = 2.0,
    episode: Count | None = None,
) -> Environment:
    """CartPole: a pole on a cart that is pushed left (action 0) or right (action 1) by 10 N.

    Rewards (`CARTPOLE_REWARDS`), each for the state that a step leads to:

    - "upright", after the smooth reward of dm_control's cart-pole (Tunyasuvunakool et al. 2020):
      (1 + cos(pole's angle)) / 2 times (1 + 0.1^((x - target)² / margin²)) / 2. dm_control has two
      more factors. One punishes large forces, which is constant here where a push has one size. The
      other punishes fast turning; the paper asks for "upright and centered" alone.
    - "balance": 0.1 a step, -1 at a fall.
    - "standard": 1 a step.
    - "nearer": the dense grid's reward on a pole. 1 if the step brought the pole nearer to balance,
      -1 if it brought it farther away; `far_from_balance` says what near is.

    A *fall* is a cart 2.4 m off the centre or a pole 12° off the vertical; it ends the episode.

    `free=True` is for Figure 7: nothing ends an episode but the clock, and the pole may swing
    round. Two things then need care. The track ends in walls at ±2.4 m, as dm_control's ends in
    stops (see `between_walls`). And positions are advanced with the new velocities, gymnasium's
    "semi-implicit euler": the explicit rule of the standard task is for poles that hardly move, and
    feeds energy into one that swings. Episodes begin upright in either form.

    Observation: x / 1 m, velocity / (1 m/s), angle / 0.1 rad, turning / (1 rad/s); if free, A = 5:
    x / 1 m, cos(angle), sin(angle), velocity / (1 m/s), turning / (5 rad/s).

    A task is the target position, [] in m, drawn uniformly from ±target_range and never observed:
    only the reward tells where to stand.

    Args:
        reward: what is paid.
        free: whether falls go unnoticed.
        target_range: the largest distance of the target from the centre, in m, less than 2.4.
        margin: the distance from the target, in m, at which the closeness 0.1^(...) is 0.1.
        episode: steps after which an episode ends; None: 500, and 100 if free.

    Raises:
        ValueError: an unknown reward, one that cannot tell policies apart in the free form, a
            target that the reward does not depend on or that is off the track, or no steps.
    """
    if free and reward in ("balance", "standard"):
        raise ValueError(
            f"In the free form nothing falls, and reward={reward!r} would pay the same at every "
            "step: take 'upright' or 'nearer'."
        )
    if target_range > 0 and reward != "upright":
        raise ValueError(
            f"reward={reward!r} does not depend on the target: take 'upright', or target_range=0."
        )
    if episode is None:
        episode = 100 if free else 500

    def draw_task(key):
        if target_range == 0:
            return jnp.zeros(())
        return jax.random.uniform(key, minval=-target_range, maxval=target_range)

    def look(state):
        if free:
            seen = [state.x, jnp.cos(state.theta), jnp.sin(state.theta)]
            return jnp.stack([*seen, state.x_dot, state.theta_dot / 5])
        return jnp.stack([state.x, state.x_dot, state.theta / 0.1, state.theta_dot])

    def pay(target, state, new, fell):
        if reward == "standard":
            return jnp.ones(())
        if reward == "balance":
            return jnp.where(fell, -1.0, 0.1)
        if reward == "nearer":
            return jnp.sign(far_from_balance(state) - far_from_balance(new))
        upright = (1 + jnp.cos(new.theta)) / 2
        close = jnp.exp(math.log(0.1) * ((new.x - target) / margin) ** 2)
        return upright * (1 + close) / 2

    parts = [
        "cartpole",
        "free" * free,
        reward * (reward != "upright"),
        "target" * (target_range > 0),
    ]
    return control(
        name="-".join(filter(None, parts)),
        options={"reward": reward, "free": free, "target_range": target_range, "margin": margin},
        body="CartPole-v1",
        sizes=Sizes(observation=5 if free else 4, action=2),
        episode=episode,
        look=look,
        pay=pay,
        draw_task=draw_task,
        correct=between_walls if free else None,
    )


def far_from_balance(state: EnvState) -> jax.Array:
    """How far from upright the pole will be `AHEAD` seconds from now if it goes on turning as it
    does, in radians, between 0 and pi."""
    lean = state.theta + AHEAD * state.theta_dot
    return jnp.abs(jnp.arctan2(jnp.sin(lean), jnp.cos(lean)))


def between_walls(state: EnvState, new: EnvState) -> EnvState:
    """CartPole's step for a pole that swings round on a track with walls at ±2.4 m.

    A wall stops the cart and does not touch the pole: of the two momenta, the one that belongs to
    the angle, cos(angle) · velocity + 4/3 · half the pole's length · turning, stays as it was. What
    the cart loses in velocity, the pole gains in turning.

    Args:
        state: before the step.
        new: after gymnax's step; only its velocities are used.
    """
    x = state.x + TIME_STEP * new.x_dot
    theta = state.theta + TIME_STEP * new.theta_dot
    blocked = (jnp.abs(x) >= X_LIMIT) & (x * new.x_dot > 0)
    pushed = 3 * jnp.cos(theta) * new.x_dot / (4 * HALF_POLE)
    return new.replace(
        x=jnp.clip(x, -X_LIMIT, X_LIMIT),
        x_dot=jnp.where(blocked, 0.0, new.x_dot),
        theta=theta,
        theta_dot=new.theta_dot + jnp.where(blocked, pushed, 0.0),
    )


def acrobot(episode: Count = 500) -> Environment:
    """Acrobot: two links hang from a joint; a torque of -1, 0 or 1 N m (actions 0, 1, 2) between
    them swings the tip up to one link's length above the joint.

    Reward: -1 a step, 0 at the step that reaches the goal, which ends the episode. It differs from
    policy to policy as it is: whoever is faster reaches more goals in a lifetime.

    Observation: cos and sin of the first link's angle, cos and sin of the second's against the
    first, their turning / (2 rad/s) and / (4 rad/s).

    Args:
        episode: steps after which an episode ends.

    Raises:
        ValueError: an episode without steps.
    """

    def look(state):
        first, second = state.joint_angle1, state.joint_angle2
        angles = [jnp.cos(first), jnp.sin(first), jnp.cos(second), jnp.sin(second)]
        return jnp.stack([*angles, state.velocity_1 / 2, state.velocity_2 / 4])

    def pay(task, state, new, arrived):
        del task, state, new
        return jnp.where(arrived, 0.0, -1.0)

    return control(
        name="acrobot",
        options={},
        body="Acrobot-v1",
        sizes=Sizes(observation=6, action=3),
        episode=episode,
        look=look,
        pay=pay,
    )


def mountain_car(reward: Literal["height", "goal"] = "height", episode: Count = 200) -> Environment:
    """MountainCar: a car too weak for the slope is pushed left, not at all, or right (actions 0, 1,
    2) and must swing to reach the summit, which ends the episode.

    Rewards (`MOUNTAIN_CAR_REWARDS`), each for the state that a step leads to:

    - "height": 1 at the goal, and at every step `HEIGHT` · (1 + sin(3 x)) / 2, the height of the
      car between the valley (0) and the top (1).
    - "goal": 1 at the goal, else 0. A random policy hardly ever gets there, so there is little for
      an evolution strategy to begin with.

    The standard -1 a step differs from "goal" only by the time that it takes, and is not offered.

    Observation: (x + 0.5) / 0.5, which is 0 near the valley's bottom and 2 at the goal, and
    velocity / 0.03, in the task's own units.

    Args:
        reward: what is paid.
        episode: steps after which an episode ends.

    Raises:
        ValueError: an unknown reward, or an episode without steps.
    """

    def look(state):
        return jnp.stack([(state.position + 0.5) / 0.5, state.velocity / 0.03])

    def pay(task, state, new, arrived):
        del task, state
        goal = jnp.where(arrived, 1.0, 0.0)
        if reward == "goal":
            return goal
        return goal + HEIGHT * (1 + jnp.sin(3 * new.position)) / 2

    return control(
        name="mountain-car" if reward == "height" else f"mountain-car-{reward}",
        options={"reward": reward},
        body="MountainCar-v0",
        sizes=Sizes(observation=2, action=3),
        episode=episode,
        look=look,
        pay=pay,
    )
