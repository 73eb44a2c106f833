"""Grid worlds: hearts and traps (Figure 6), and a dense reward among obstacles (Figure 7).

An agent on a square grid moves up, down, left or right (actions 0 to 3); a move off the grid or
into an obstacle leaves it where it is. The observation is an image with one binary channel for the
agent and one for each kind of thing, flattened channel after channel, row after row.

The paper gives rewards and observations. It is silent about sizes, about what ends an episode, and
about obstacles; what was chosen is said at each function.
"""

from typing import Annotated, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from symla_lite.checks import Count, Index, Key, Range, Seed
from symla_lite.environments.environment import Environment, Transition
from symla_lite.learner import Sizes

ACTIONS = ("up", "down", "left", "right")
"""What the four actions are called."""

Side = Annotated[int, Range(least=2, most=12)]
"""Of a grid. In a larger one the ways between all cells take long to find."""

LAYOUTS = 256
"""`dense_grid` draws among at most this many layouts of obstacles."""


class Hearts(NamedTuple):
    """An episode of `hearts`. Cells are numbered row after row."""

    agent: jax.Array
    """[]."""
    heart: jax.Array
    """[]."""
    trap: jax.Array
    """[]."""
    time: jax.Array
    """Steps so far, []."""


class Walk(NamedTuple):
    """An episode of `dense_grid`. Cells are numbered row after row."""

    agent: jax.Array
    """[]."""
    target: jax.Array
    """[]."""
    time: jax.Array
    """Steps so far, []."""


class Layout(NamedTuple):
    """Where the obstacles are: a task of `dense_grid`, n = side² cells."""

    obstacles: jax.Array
    """1.0 where one is, [n]."""
    free: jax.Array
    """The cells without one, [n - obstacles]."""
    distance: jax.Array
    """Steps from cell to cell around the obstacles, [n, n] (0 where there is no way)."""


def move(side: Count, agent: jax.Array, action: jax.Array) -> jax.Array:
    """The cell that a move leads to; at the edge it is the cell it came from.

    Args:
        side: of the grid.
        agent: its cell, [].
        action: 0 to 3, [].
    """
    row, column = agent // side, agent % side
    row = jnp.clip(row + (action == 1) - (action == 0), 0, side - 1)
    column = jnp.clip(column + (action == 3) - (action == 2), 0, side - 1)
    return row * side + column


def distinct(key: Key, cells: Count, n: Count) -> list[jax.Array]:
    """Draws n of the numbers 0 to cells - 1, no two the same, all outcomes equally likely.

    Each is drawn among as many as are left, and then steps over those that were drawn before it,
    the smallest first: n uniform numbers, where shuffling all cells would take a sort.
    """
    drawn = []
    for i, u in enumerate(jax.random.uniform(key, (n,))):
        number = jnp.minimum((u * (cells - i)).astype(jnp.int32), cells - i - 1)
        taken = jnp.sort(jnp.stack(drawn)) if len(drawn) > 1 else drawn
        for smaller in taken:
            number = number + (number >= smaller)
        drawn.append(number)
    return drawn


def at(cells: Count, cell: jax.Array) -> jax.Array:
    """A channel that is 1.0 at one cell, [cells]."""
    return (jnp.arange(cells) == cell).astype(float)


def over(stopped: jax.Array, time: jax.Array, episode: Count | None) -> jax.Array:
    """1.0 where something or the clock ended the episode, []."""
    late = False if episode is None else time >= episode
    return (stopped | late).astype(float)


def hearts(side: Side = 5, episode: Count | None = None) -> Environment:
    """A heart (+1) and a trap (-1) on a grid (the paper's Figure 6).

    After the paper: the agent, one heart and one trap begin every episode at random; collecting the
    heart pays 1, the trap -1, and all else 0; channels are agent, heart, trap.

    Where it is silent: they begin on three different cells; whichever is collected first ends the
    episode, and so the reset that follows puts both back. The terminal observation still shows the
    thing that the agent stands on. There is no limit of time, unless `episode` sets one.

    There is no task beyond the rewards, which are the same in all lifetimes;
    `transforms.rewards_swapped` exchanges them.

    Args:
        side: of the grid, at least 2.
        episode: steps after which an episode ends with nothing collected, or None.

    Raises:
        ValueError: a grid that is too small, or an episode without steps.
    """
    cells = side**2

    def look(state):
        return jnp.concatenate(
            [at(cells, state.agent), at(cells, state.heart), at(cells, state.trap)]
        )

    def reset(key, task):
        del task
        state = Hearts(*distinct(key, cells, 3), time=jnp.int32(0))
        return state, look(state)

    def step(key, task, state, action):
        del key, task
        new = state._replace(agent=move(side, state.agent, action), time=state.time + 1)
        heart, trap = new.agent == new.heart, new.agent == new.trap
        return Transition(
            state=new,
            observation=look(new),
            reward=heart.astype(float) - trap.astype(float),
            end=over(heart | trap, new.time, episode),
        )

    return Environment(
        name=f"hearts-{side}",
        options={"side": side, "episode": episode},
        sizes=Sizes(observation=3 * cells, action=len(ACTIONS)),
        draw_task=lambda key: (),
        reset=reset,
        step=step,
    )


def distances(side: Side, obstacles: np.ndarray) -> np.ndarray:
    """Steps from cell to cell around obstacles, inf where there is no way, [..., side², side²].

    All pairs at once: a way through cell k may be shorter than the one known so far, for one k
    after the other (Floyd 1962, Warshall 1962).

    Args:
        side: of the grid.
        obstacles: True where one is, [..., side²].
    """
    cell = np.arange(side**2)
    row, column = cell // side, cell % side
    apart = abs(row[:, None] - row) + abs(column[:, None] - column)
    blocked = obstacles[..., :, None] | obstacles[..., None, :]
    steps = np.where((apart <= 1) & ~blocked, apart, np.inf).astype(np.float32)
    for k in cell:
        steps = np.minimum(steps, steps[..., :, k, None] + steps[..., None, k, :])
    return steps


def layouts(side: Side, obstacles: Index, seed: Seed = 0) -> Layout:
    """Layouts of obstacles that leave a way from every free cell to every other.

    Args:
        side: of the grid.
        obstacles: how many.
        seed: decides which are tried.

    Returns:
        Up to `LAYOUTS` different ones, with a leading axis, as NumPy arrays.

    Raises:
        ValueError: no such layout was found.
    """
    rng = np.random.default_rng(seed)
    cells = side**2
    order = np.argsort(rng.random((2 * LAYOUTS, cells)), axis=1)
    taken = order < obstacles
    _, first = np.unique(taken, axis=0, return_index=True)
    taken = taken[np.sort(first)]
    steps = distances(side, taken)
    no_way = np.isinf(steps) & ~taken[:, :, None] & ~taken[:, None, :]
    whole = np.flatnonzero(~no_way.any(axis=(1, 2)))[:LAYOUTS]
    if not whole.size:
        raise ValueError(
            f"obstacles={obstacles} on a grid of side {side} cut it into pieces: give fewer."
        )
    taken, steps = taken[whole], steps[whole]
    return Layout(
        obstacles=taken.astype(np.float32),
        free=np.nonzero(~taken)[1].reshape(len(whole), cells - obstacles).astype(np.int32),
        distance=np.where(np.isinf(steps), 0, steps).astype(np.float32),
    )


def dense_grid(
    side: Side = 5, obstacles: Index | None = None, episode: Count | None = None
) -> Environment:
    """A target among obstacles, and a reward at every step (the paper's Figure 7).

    After the paper: agent and target begin every episode at random; the reward is proportional to
    the change in distance towards the target; channels are agent, obstacles, target.

    Where it is silent: they begin on different cells. The distance is the number of steps around
    the obstacles, so that a step pays 1 (nearer), -1 (farther) or 0 (against an obstacle or the
    edge) and no detour is punished. Reaching the target ends the episode. The obstacles are the
    task: they stay where they are for a lifetime, and leave a way from everywhere to everywhere.

    A task is a `Layout`.

    Args:
        side: of the grid, at least 2.
        obstacles: how many; None: an eighth of the cells, rounded down (1 on 3×3, 3 on 5×5).
        episode: steps after which an episode ends away from the target, or None.

    Raises:
        ValueError: a grid that is too small, obstacles that leave no room or cut it into pieces, or
            an episode without steps.
    """
    if obstacles is None:
        obstacles = side**2 // 8
    if obstacles > side**2 - 2:
        raise ValueError(
            f"obstacles={obstacles} leave no room for agent and target on a grid of side {side}: "
            f"give at most {side**2 - 2}."
        )
    cells = side**2
    choices = layouts(side, obstacles)

    def draw_task(key):
        chosen = jax.random.randint(key, (), 0, len(choices.free))
        return jax.tree.map(lambda choice: jnp.asarray(choice)[chosen], choices)

    def look(task, state):
        return jnp.concatenate([at(cells, state.agent), task.obstacles, at(cells, state.target)])

    def reset(key, task):
        agent, target = distinct(key, cells - obstacles, 2)
        state = Walk(task.free[agent], task.free[target], time=jnp.int32(0))
        return state, look(task, state)

    def step(key, task, state, action):
        del key
        agent = move(side, state.agent, action)
        agent = jnp.where(task.obstacles[agent] > 0, state.agent, agent)
        new = state._replace(agent=agent, time=state.time + 1)
        to_target = task.distance[state.target]
        return Transition(
            state=new,
            observation=look(task, new),
            reward=to_target[state.agent] - to_target[agent],
            end=over(agent == state.target, new.time, episode),
        )

    return Environment(
        name=f"dense-grid-{side}",
        options={"side": side, "obstacles": obstacles, "episode": episode},
        sizes=Sizes(observation=3 * cells, action=len(ACTIONS)),
        draw_task=draw_task,
        reset=reset,
        step=step,
    )
