"""Generated worlds: one family of tasks to meta-train a single theta on.

Not in the paper, which meta-trains on the worlds that it tests on or on their neighbours. That a
rule learned on drawn worlds alone can work on others was shown by Oh et al. (2020,
https://arxiv.org/abs/2007.08794). Here four makers and the linear bandit span the way from bandits
to control:

- `random_mdp`: a few states behind random features. With one state it is a bandit without context;
  with much noise it is nearly a contextual bandit; with goals reward is rare.
- `linear_system`: pushes whose effect lasts, seen through a random projection;
- `unstable_system`: what is not pushed against runs away;
- `cube`: a place to go to, near or farther, which is drawn anew in every episode and can be seen.

`transforms` change the reward: `delayed`, `reward_noise`, `reward_pauses`, `reward_rare`,
`reward_sign`, `reward_scale`, `reward_successes`, `reward_zero`. Sizes belong to an environment;
all else is drawn with the task. Under a random policy inputs have mean 0 and variance 1 over tasks
(between 0.2 and 2.5 in what runs away), and rewards are of order one, so that no world needs
`transforms.standardised`.

Whoever knows the task can say which action is best, or nearly so: in a table by action values with
a discount, in a system with a target by plans of a few steps, in what runs away one step ahead, on
a cube by the shortest way (`Environment.teacher`). A theta can be meta-trained on that, too
(`imitation`).
"""

import functools
import itertools
import math
from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp

from symla_lite.checks import Count, Range
from symla_lite.environments.bandits import Arms
from symla_lite.environments.environment import Environment, Transition
from symla_lite.environments.grids import distinct, over
from symla_lite.environments.linear import linear_bandit
from symla_lite.environments.transforms import (
    delayed,
    reward_noise,
    reward_pauses,
    reward_rare,
    reward_scale,
    reward_sign,
    reward_successes,
    reward_zero,
    to_unit,
)
from symla_lite.learner import Sizes

UpToOne = Annotated[float, Range(least=0, most=1)]
"""The most that is drawn of something that cannot pass one."""


TEACHER_DISCOUNT = 0.9
"""gamma of the action values by which a table's teacher judges."""
TEACHER_HORIZON = 40
"""Steps that these values look ahead."""
TEACHER_PLANS = 32
"""Plans that the teacher of a system with a target compares, at the most, if it has fewer actions.
"""


class Table(NamedTuple):
    """A task of `random_mdp`."""

    next: jax.Array
    """The state that an action leads to, [states, actions]."""
    pay: jax.Array
    """What an action pays in a state, [states, actions]; with goals, what arriving in a state pays,
    [states]."""
    shown: jax.Array
    """What is seen of a state, [states, A]."""
    noise: jax.Array
    """The probability that a step leads anywhere, []."""


class Place(NamedTuple):
    """An episode of `random_mdp`."""

    state: jax.Array
    """Its number, []."""
    time: jax.Array
    """Steps so far, []."""


def random_mdp(
    states: Count,
    actions: Arms,
    inputs: Count | None = None,
    *,
    noise: UpToOne = 0.0,
    goals: bool = False,
    episode: Count | None = None,
) -> Environment:
    """A Markov decision process whose transitions, rewards and observations are all drawn.

    Each action is a drawn permutation of the states: every state can be left and reached, and a
    random policy is in all of them equally often. With a probability drawn from U(0, noise) a step
    leads to any state instead, all equally likely. An episode begins in any state.

    An action in a state pays a number drawn from N(0, 1). With `goals` only arriving pays: 1 in one
    state, -1 in another, and either ends the episode, which begins elsewhere.

    A state is shown as a vector of Gaussian features, or as one input that is on, where `inputs` is
    None. Over the states of a task each input has mean 0 and variance 1; of a single state there is
    nothing to see (zeros).

    A policy that does without the reward earns 0 on average over tasks.

    Args:
        states: how many.
        actions: B, at least 2.
        inputs: A; None: one for each state.
        noise: the largest probability of a step that leads anywhere.
        goals: whether only two of the states pay, and end an episode.
        episode: steps after which an episode ends, or None.

    Raises:
        ValueError: goals, and no state besides.
    """
    if goals and states < 3:
        raise ValueError(
            f"states={states} leave nowhere to begin beside the two goals: give at least 3."
        )

    def draw_task(key):
        key_next, key_pay, key_shown, key_noise = jax.random.split(key, 4)
        if inputs is None:
            shown = jnp.eye(states)[jnp.argsort(jax.random.uniform(key_shown, (states,)))]
        else:
            shown = jax.random.normal(key_shown, (states, inputs))
        if goals:  # The first two states, which tells nothing: all else about them is drawn.
            pay = jnp.zeros(states).at[:2].set(jnp.array([1.0, -1.0]))
        else:
            pay = jax.random.normal(key_pay, (states, actions))
        return Table(
            # One sort, where `jax.random.permutation` takes several.
            next=jnp.argsort(jax.random.uniform(key_next, (states, actions)), axis=0),
            pay=pay,
            shown=(shown - shown.mean(axis=0)) * to_unit(shown.var(axis=0)),
            noise=jax.random.uniform(key_noise, maxval=noise),
        )

    def reset(key, task):
        state = jax.random.randint(key, (), 2 if goals else 0, states)
        return Place(state, time=jnp.int32(0)), task.shown[state]

    def step(key, task, place, action):
        state = task.next[place.state, action]
        if noise:
            u = jax.random.uniform(key)
            # Where u < noise, u / noise is uniform again, and one number decides both.
            anywhere = jnp.int32(u / task.noise * states)
            state = jnp.where(u < task.noise, anywhere.clip(0, states - 1), state)
        time = place.time + 1
        return Transition(
            state=Place(state, time),
            observation=task.shown[state],
            reward=task.pay[state] if goals else task.pay[place.state, action],
            end=over(goals & (state < 2), time, episode),
        )

    def teacher(task, sign):
        pay = sign * task.pay
        discount = jnp.where(goals & (jnp.arange(states) < 2), 0.0, TEACHER_DISCOUNT)

        def back(_, Q):
            """Bellman's equation, once."""
            V = Q.max(axis=1)
            arrive = discount * V + (pay if goals else 0.0)
            Q = (1 - task.noise) * arrive[task.next] + task.noise * arrive.mean()
            return Q if goals else Q + pay

        Q = jax.lax.fori_loop(0, TEACHER_HORIZON, back, jnp.zeros((states, actions)))
        return lambda place: Q[place.state]

    return Environment(
        name=f"mdp-{states}-{actions}-{'one-hot' if inputs is None else inputs}" + "-goals" * goals,
        options=dict(
            states=states, actions=actions, inputs=inputs, noise=noise, goals=goals, episode=episode
        ),
        sizes=Sizes(observation=inputs or states, action=actions),
        draw_task=draw_task,
        reset=reset,
        step=step,
        teacher=teacher,
    )


class System(NamedTuple):
    """A task of `linear_system`, n = its dimension."""

    persistence: jax.Array
    """The share of x that is left after a step, []."""
    noise: jax.Array
    """The share of a push that is left to chance, []."""
    pushes: jax.Array
    """Of each action, [B, n]. Their mean is 0."""
    projection: jax.Array
    """Of x and, in a system of second order, the velocity, [A, order, n]."""
    paid: jax.Array
    """The direction that is paid for, of length one, [n]."""
    target: jax.Array
    """Where in that direction, []."""


class Motion(NamedTuple):
    """An episode of `linear_system`."""

    x: jax.Array
    """The hidden vector and, in a system of second order, its velocity, [order, n]."""
    time: jax.Array
    """Steps so far, []."""


def linear_system(
    inputs: Count,
    actions: Arms,
    *,
    dimension: Count = 2,
    second_order: bool = False,
    persistence: Annotated[float, Range(least=0, below=1)] = 0.9,
    noise: UpToOne = 0.0,
    target: bool = False,
    change: bool = False,
    episode: Count | None = None,
) -> Environment:
    """A hidden vector that actions push, and whose past lasts.

    With p the persistence and u the push of an action, the hidden vector x [n] becomes
    p x + √(1 - p²) u. In a system of second order this is the velocity v, and x becomes
    p x + (1 - p²) / √(1 + p²) v: a push moves nothing at once, and much later. In both x keeps
    variance 1 under a random policy. The persistence of a task is drawn from U(0, persistence).

    Pushes are drawn from N(0, 1) and sum to 0 over the actions; a share of each, drawn from
    U(0, noise), is left to chance at every step. An episode begins with x from N(0, 1). The
    observation is a drawn projection of x (and v), each input of variance 1.

    A step pays h(x'), or with `change` h(x') - h(x). Without `target`, h is how far x reaches in a
    drawn direction w, so that one action is best everywhere, and the reward tells it late. With
    `target`, h is `1 - |w·x - target|`, so that the best action depends on what is seen; the target
    is drawn from N(0, 1).

    Without target, or with `transforms.reward_sign`, a policy that does without the reward earns 0
    on average over tasks.

    Args:
        inputs: A.
        actions: B, at least 2.
        dimension: n, of x.
        second_order: whether actions push the velocity of x, and not x.
        persistence: the largest share of x that is left after a step, below 1.
        noise: the largest share of a push that is left to chance.
        target: whether being near a target is paid.
        change: whether only changes are paid. Over a long episode they come to nothing.
        episode: steps after which an episode ends, or None.
    """
    order = 2 if second_order else 1
    kinds = {"second_order": second_order, "target": target, "change": change}

    def draw_task(key):
        keys = jax.random.split(key, 6)
        pushes = jax.random.normal(keys[2], (actions, dimension))
        pushes = (pushes - pushes.mean(axis=0)) * jnp.sqrt(actions / (actions - 1))
        projection = jax.random.normal(keys[3], (inputs, order, dimension))
        paid = jax.random.normal(keys[4], (dimension,))
        return System(
            persistence=jax.random.uniform(keys[0], maxval=persistence),
            noise=jax.random.uniform(keys[1], maxval=noise),
            pushes=pushes,
            projection=projection / jnp.linalg.norm(projection, axis=(1, 2), keepdims=True),
            paid=paid / jnp.linalg.norm(paid),
            target=jax.random.normal(keys[5]),
        )

    def pushed(task, x, push):
        p = task.persistence
        new = p * x[-1:] + jnp.sqrt(1 - p**2) * push
        if not second_order:
            return new
        return jnp.concatenate([p * x[:1] + (1 - p**2) / jnp.sqrt(1 + p**2) * new, new])

    def height(task, x):
        along = task.paid @ x[0]
        return 1 - jnp.abs(along - task.target) if target else along

    def look(task, x):
        return jnp.einsum("aon,on->a", task.projection, x)

    def reset(key, task):
        x = jax.random.normal(key, (order, dimension))
        return Motion(x, time=jnp.int32(0)), look(task, x)

    def step(key, task, motion, action):
        push = task.pushes[action]
        if noise:
            chance = jax.random.normal(key, (dimension,))
            push = jnp.sqrt(1 - task.noise**2) * push + task.noise * chance
        x = pushed(task, motion.x, push)
        time = motion.time + 1
        before = height(task, motion.x) if change else 0.0
        return Transition(
            state=Motion(x, time),
            observation=look(task, x),
            reward=height(task, x) - before,
            end=over(jnp.zeros((), bool), time, episode),
        )

    def teacher(task, sign):
        if not target:  # the farther in one direction, the better, now and later
            return lambda motion: sign * (task.pushes @ task.paid)
        steps = max(1, int(math.log(TEACHER_PLANS) / math.log(actions)))
        plans = jnp.array(list(itertools.product(range(actions), repeat=steps)))
        counted = jnp.inf if episode is None else episode
        pushes = jnp.sqrt(1 - task.noise**2) * task.pushes

        def earns(motion, plan):
            """What some steps earn as planned, if chance does nothing, up to an episode's end."""

            def go(motion, action):
                x = pushed(task, motion.x, pushes[action])
                more = height(task, x) - (height(task, motion.x) if change else 0.0)
                new = Motion(x, motion.time + 1)
                return new, jnp.where(new.time <= counted, sign * more, 0.0)

            return jax.lax.scan(go, motion, plan)[1].sum()

        def worth(motion):
            return jax.vmap(earns, (None, 0))(motion, plans).reshape(actions, -1).max(axis=1)

        return worth

    return Environment(
        name="-".join([f"system-{inputs}-{actions}", *filter(kinds.get, kinds)]).replace("_", "-"),
        options=kinds
        | dict(dimension=dimension, persistence=persistence, noise=noise, episode=episode),
        sizes=Sizes(observation=inputs, action=actions),
        draw_task=draw_task,
        reset=reset,
        step=step,
        teacher=teacher,
    )


class Unstable(NamedTuple):
    """A task of `unstable_system`."""

    rate: jax.Array
    """How fast x runs away, a step, []."""
    pushes: jax.Array
    """Of each action, [B]."""
    projection: jax.Array
    """Of x and the velocity over the rate, [A, 2]."""


WALL = 2.0
"""Where x cannot go on in an `unstable_system`, in units of what the strongest push can hold."""


def unstable_system(
    inputs: Count,
    actions: Arms,
    *,
    rate: Annotated[float, Range(above=0, below=1)] = 0.25,
    episode: Count | None = None,
) -> Environment:
    """A hidden number x that runs away from zero, faster the farther it is, and pushes that can
    hold it.

    With k the rate and u the push of an action, the velocity v becomes v + k² (x + u), and then x
    becomes x + v. The pushes are spread evenly from -1 to 1, in drawn order. As long as x + v / k
    lies between -1 and 1, the strongest push can still turn it round; soon after, x is at a wall at
    ±`WALL` and stays there. The rate of a task is drawn from U(rate / 4, rate). An episode begins
    with x from U(-0.2, 0.2) and at rest; the observation is a drawn projection of x and v / k.

    A step pays 1 less the distance of the new x from zero: from 1 down to -1 at the walls. With
    `transforms.reward_sign` a policy that does without the reward earns 0 on average over tasks.

    Args:
        inputs: A.
        actions: B, at least 2.
        rate: the largest share of its distance from zero that x gains in a step, about, below 1.
        episode: steps after which an episode ends, or None.
    """

    def draw_task(key):
        key_rate, key_pushes, key_projection = jax.random.split(key, 3)
        order = jnp.argsort(jax.random.uniform(key_pushes, (actions,)))
        projection = jax.random.normal(key_projection, (inputs, 2))
        return Unstable(
            rate=jax.random.uniform(key_rate, minval=rate / 4, maxval=rate),
            pushes=jnp.linspace(-1.0, 1.0, actions)[order],
            projection=projection / jnp.linalg.norm(projection, axis=1, keepdims=True),
        )

    def look(task, x):
        return task.projection @ (x / jnp.stack([1.0, task.rate]))

    def reset(key, task):
        x = jnp.stack([jax.random.uniform(key, minval=-0.2, maxval=0.2), 0.0])
        return Motion(x, time=jnp.int32(0)), look(task, x)

    def teacher(task, sign):
        def worth(motion):
            """It is held where x + v / k is zero. At a wall no push does anything."""
            place, velocity = motion.x
            velocity = velocity + task.rate**2 * (place + task.pushes)
            away = jnp.abs(place + velocity + velocity / task.rate)
            return jnp.where(jnp.abs(place) < WALL, -sign * away, 0.0)

        return worth

    def step(key, task, motion, action):
        del key
        place, velocity = motion.x
        velocity = velocity + task.rate**2 * (place + task.pushes[action])
        place = place + velocity
        stopped = jnp.abs(place) >= WALL
        x = jnp.stack([jnp.clip(place, -WALL, WALL), jnp.where(stopped, 0.0, velocity)])
        time = motion.time + 1
        return Transition(
            state=Motion(x, time),
            observation=look(task, x),
            reward=1 - jnp.abs(x[0]),
            end=over(jnp.zeros((), bool), time, episode),
        )

    return Environment(
        name=f"unstable-{inputs}-{actions}",
        options=dict(rate=rate, episode=episode),
        sizes=Sizes(observation=inputs, action=actions),
        draw_task=draw_task,
        reset=reset,
        step=step,
        teacher=teacher,
    )


class Corners(NamedTuple):
    """An episode of `cube`. A place has coordinates from 0 to `side` - 1, [dimension]."""

    agent: jax.Array
    good: jax.Array
    bad: jax.Array
    time: jax.Array
    """Steps so far, []."""


def cube(
    inputs: Count,
    dimension: Annotated[int, Range(least=2, most=12)] = 3,
    *,
    side: Annotated[int, Range(least=2, most=12)] = 2,
    dense: bool = False,
    episode: Count | None = None,
) -> Environment:
    """A good and a bad place in a cube, and an agent that walks from place to place.

    The places are the points of a lattice with `side` of them along each axis; where these are two,
    they are the corners. An action moves the agent one place up or down along one axis; at the end
    of an axis it stays. Arriving at the good place pays 1, at the bad one -1, and either ends the
    episode. With `dense` the bad place pays nothing and ends nothing; a step pays 1 if it comes
    nearer to the good one, and -1 if it goes away. Three different places are drawn at the
    beginning of each episode. The observation is a projection, drawn with the task, of the
    coordinates of all three, so that nothing but the reward tells good from bad; each input has
    mean 0 and variance 1. A policy that does without the reward earns 0 on average over tasks, if
    `dense` only with `transforms.reward_sign`.

    Args:
        inputs: A.
        dimension: of the cube; B is twice that.
        side: places along an axis.
        dense: whether every step is paid.
        episode: steps after which an episode ends with nothing reached, or None.

    Raises:
        ValueError: more places than a random number can tell apart, 2^23.
    """
    places = side**dimension
    if places > 2**23:
        raise ValueError(
            f"side={side} and dimension={dimension} make {places} places: give at most {2**23}."
        )
    actions = 2 * dimension

    def place_of(number):
        return number // side ** jnp.arange(dimension) % side

    def look(task, now):
        """Coordinates of mean 0 and variance 1."""
        at = jnp.concatenate([now.agent, now.good, now.bad])
        return task @ ((2.0 * at - (side - 1)) / math.sqrt((side**2 - 1) / 3))

    def draw_task(key):
        weights = jax.random.normal(key, (inputs, 3 * dimension))
        return weights / jnp.linalg.norm(weights, axis=1, keepdims=True)

    def reset(key, task):
        now = Corners(*map(place_of, distinct(key, places, 3)), time=jnp.int32(0))
        return now, look(task, now)

    def moved(agent, action):
        along = jnp.arange(dimension) == action // 2
        return jnp.where(along, jnp.clip(agent + 2 * (action % 2) - 1, 0, side - 1), agent)

    def far(agent, there):
        return jnp.abs(agent - there).sum().astype(float)

    def step(key, task, now, action):
        del key
        agent = moved(now.agent, action)
        new = now._replace(agent=agent, time=now.time + 1)
        good, bad = (jnp.all(agent == there) for there in (now.good, now.bad))
        reward = good.astype(float) - bad.astype(float)
        return Transition(
            state=new,
            observation=look(task, new),
            reward=far(now.agent, now.good) - far(agent, now.good) if dense else reward,
            end=over(good if dense else good | bad, new.time, episode),
        )

    def teacher(task, sign):
        def worth(now):
            """How much is left of the shortest way. Where the place that costs something lies on
            the straight line to the other one, the way around it takes two steps more."""
            agents = jax.vmap(moved, (None, 0))(now.agent, jnp.arange(actions))
            to = functools.partial(jax.vmap(far, (0, None)), agents)
            if dense:
                return -sign * to(now.good)
            good, bad = (jnp.where(sign > 0, *two) for two in (now[1:3], now[2:0:-1]))
            straight = jnp.sum(agents != good, axis=1) == 1
            between = straight & (to(bad) + far(bad, good) == to(good))
            return -to(good) - 2 * between - 9 * (to(bad) == 0)

        return worth

    return Environment(
        name=f"cube-{inputs}-{actions}" + f"-side-{side}" * (side > 2) + "-dense" * dense,
        # Older records have no `side`; it is left out where it is 2, so that they still match.
        options=dict(dimension=dimension, dense=dense, episode=episode)
        | ({"side": side} if side > 2 else {}),
        sizes=Sizes(observation=inputs, action=actions),
        draw_task=draw_task,
        reset=reset,
        step=step,
        teacher=teacher,
    )


def family() -> list[Environment]:
    """The members of `FAMILY`."""
    arms = reward_noise(random_mdp(1, 3, 1), 0.5)
    return [
        # What an action does is paid at once.
        linear_bandit(1, 2),
        arms,
        linear_bandit(4, 4),
        random_mdp(4, 3, 6, noise=1.0),
        reward_zero(reward_scale(reward_noise(random_mdp(1, 5, 1), 0.5))),
        # It is paid later, or in part.
        delayed(arms, 1),
        delayed(linear_bandit(2, 3), 1),
        delayed(linear_bandit(4, 2), 2),
        delayed(linear_bandit(4, 2), 4),
        linear_system(4, 4, dimension=3, noise=0.5),
        # It changes what can be done next.
        random_mdp(3, 2, 4, noise=0.1),
        random_mdp(6, 3, noise=0.1),
        random_mdp(6, 4, 12, goals=True, episode=15),
        reward_sign(linear_system(2, 3, target=True, change=True, episode=8)),
        reward_zero(reward_sign(linear_system(4, 2, second_order=True, target=True))),
        random_mdp(12, 4, 16, goals=True, episode=30),
    ]


def further() -> list[Environment]:
    """The members of `FURTHER`."""
    return [
        # Most rewards are missing, or there are many arms, or two whose rewards have a hidden zero.
        reward_rare(reward_noise(random_mdp(1, 4, 1), 0.5), 0.3),
        reward_rare(linear_bandit(6, 3), 0.3),
        reward_noise(random_mdp(1, 10, 1), 0.5),
        reward_zero(reward_noise(random_mdp(1, 2, 1), 0.5)),
    ]


def wider() -> list[Environment]:
    """The members of `WIDER`."""
    return [
        # Where to go is drawn anew again and again, and can be seen.
        cube(9, episode=20),
        reward_sign(cube(9, dense=True, episode=20)),
        # What is not held runs away.
        reward_sign(unstable_system(4, 2, episode=60)),
        reward_zero(reward_sign(unstable_system(5, 3, episode=60))),
        # There are many arms, or much is seen.
        reward_noise(random_mdp(1, 24, 1), 0.5),
        linear_bandit(12, 5),
    ]


def harder() -> list[Environment]:
    """The members of `HARDER`."""
    return [
        # It takes long to find out what pays.
        reward_noise(random_mdp(1, 2, 1), 2.0),
        cube(12, 3, side=3, episode=30),
        # What is paid has a hidden zero and a hidden scale.
        reward_zero(reward_scale(linear_bandit(3, 3))),
        reward_zero(reward_scale(reward_sign(unstable_system(5, 2, episode=100)))),
        # Nothing is paid for a while, again and again.
        reward_pauses(linear_bandit(3, 4), 150),
        reward_pauses(reward_noise(random_mdp(1, 6, 1), 0.5), 150),
    ]


def lasting() -> list[Environment]:
    """The members of `LASTING`."""
    held = [
        reward_zero(reward_scale(reward_sign(unstable_system(5, 2, episode=100)))),
        reward_zero(reward_sign(unstable_system(4, 2, episode=60)), spread=2.0),
    ]
    return [
        # Nothing is paid for a while, where paying nothing is not what the mean reward is.
        reward_pauses(reward_zero(reward_noise(random_mdp(1, 40, 1), 0.5)), 300),
        *(reward_pauses(system, 300, first=0.4) for system in held),
    ]


def successes() -> list[Environment]:
    """The members of `SUCCESSES`."""
    return [
        # Bernoulli rewards, whose probability depends on what is seen, stop for a while.
        reward_pauses(reward_successes(linear_bandit(3, 4), 3.0), 300),
        reward_pauses(reward_successes(random_mdp(3, 5, 4, noise=1.0)), 300),
        # There are many arms, behind much noise.
        reward_pauses(reward_noise(random_mdp(1, 40, 1), 1.0), 150),
    ]


FAMILY: dict[str, Environment] = {environment.name: environment for environment in family()}
"""Members of the family to meta-train on, from easy to hard."""
FURTHER: dict[str, Environment] = {environment.name: environment for environment in further()}
"""Four more members: rewards that are mostly missing (two), ten arms, and two arms whose rewards
have a hidden zero. Of Study `one_rule`, `standard` has none of them, and its later scales have; the
last trainings of `standardised` do without the two whose rewards are mostly missing."""
WIDER: dict[str, Environment] = {environment.name: environment for environment in wider()}
"""Six more, which the scales `imitation` and `standardised` have: places to go to that can be seen,
what runs away, many arms, and many inputs. They were made when it was known on which worlds a theta
of the others failed, and with an eye on these."""
HARDER: dict[str, Environment] = {environment.name: environment for environment in harder()}
"""Six more, from the last trainings of the scale `standardised` on: two arms behind much noise, a
cube with three places along each axis, rewards with a hidden zero and scale (two), and rewards that
stop for a while (two). They, too, were made with an eye on where theta still failed."""
LASTING: dict[str, Environment] = {environment.name: environment for environment in lasting()}
"""Three more, from the scale `lasting` on: forty arms and two systems that run away, whose rewards
have a hidden zero and stop for a while. They were made when it was known that theta did not keep
what it had learned on the CartPole with a hidden sign, nor, for one seed, with fifty arms."""
SUCCESSES: dict[str, Environment] = {environment.name: environment for environment in successes()}
"""Three more, for the scale `successes`, which does without the forty arms of `LASTING`: two whose
rewards are 0 or 1 and depend on what is seen, and forty arms behind more noise. In all three,
rewards stop for a while. They were made when it was known that one of four theta leaves the better
arm of a bandit that pays 0 or 1 when its rewards are switched off, and another keeps nothing."""
