"""Grid worlds behave as a plain NumPy grid does, and pay as the paper says."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from symla_lite.environments import dense_grid, hearts
from symla_lite.environments.grids import distances, distinct, layouts

ALARM = 1e-3
"""A correct sampler would be doubted at one seed in a thousand; the seeds here are fixed."""
KEY = jax.random.key(0)
MOVES = [(-1, 0), (1, 0), (0, -1), (0, 1)]
"""Up, down, left, right."""
STEPS = 60


def walked(environment, seed):
    """A walk of random actions without resets: task, first observation, actions, transitions."""
    key_task, key_reset, key_actions = jax.random.split(jax.random.key(seed), 3)
    actions = jax.random.randint(key_actions, (STEPS,), 0, 4)

    @jax.jit
    def run():
        task = environment.draw_task(key_task)
        state, o = environment.reset(key_reset, task)

        def step(state, action):
            new = environment.step(KEY, task, state, action)
            return new.state, new

        return task, o, jax.lax.scan(step, state, actions)[1]

    task, o, new = jax.tree.map(np.asarray, run())
    return task, o, np.asarray(actions), new


def read(image, side):
    """Where the ones of each channel are: three lists of (row, column)."""
    channels = np.asarray(image).reshape(3, side, side)
    assert set(np.unique(channels)) <= {0.0, 1.0}
    return [[tuple(map(int, cell)) for cell in np.argwhere(channel)] for channel in channels]


def moved(cell, action, side, obstacles=()):
    to = cell[0] + MOVES[action][0], cell[1] + MOVES[action][1]
    inside = 0 <= to[0] < side and 0 <= to[1] < side
    return to if inside and to not in obstacles else cell


def ways(side, obstacles, start):
    """Steps from one cell to all that can be reached, by searching breadth first."""
    steps, queue = {start: 0}, collections.deque([start])
    while queue:
        cell = queue.popleft()
        for action in range(4):
            to = moved(cell, action, side, obstacles)
            if to not in steps:
                steps[to] = steps[cell] + 1
                queue.append(to)
    return steps


@pytest.mark.parametrize(("side", "seed"), [(2, 0), (3, 1), (5, 2)])
def test_hearts_pay_one_and_traps_cost_one(side, seed):
    _, o, actions, new = walked(hearts(side), seed)
    (agent,), (heart,), (trap,) = read(o, side)
    assert len({agent, heart, trap}) == 3
    for t, action in enumerate(actions):
        agent = moved(agent, action, side)
        assert read(new.observation[t], side) == [[agent], [heart], [trap]]
        assert new.reward[t] == (agent == heart) - (agent == trap)
        assert new.end[t] == (agent in (heart, trap))
    assert (new.reward != 0).any()


def test_the_clock_ends_an_episode_without_hearts():
    environment = hearts(5, episode=4)
    state, _ = environment.reset(KEY, ())
    up = jnp.int32(0)
    state = state._replace(agent=jnp.int32(0), heart=jnp.int32(7), trap=jnp.int32(8))
    ends = []
    for _ in range(4):
        new = environment.step(KEY, (), state, up)
        state, ends = new.state, [*ends, float(new.end)]
    assert ends == [0, 0, 0, 1]


@pytest.mark.parametrize(("side", "obstacles", "seed"), [(3, None, 0), (4, 0, 1), (5, 5, 2)])
def test_a_step_of_the_dense_grid_pays_what_it_gains_on_the_way_round_obstacles(
    side, obstacles, seed
):
    task, o, actions, new = walked(dense_grid(side, obstacles), seed)
    (agent,), blocked, (target,) = read(o, side)
    assert len(blocked) == (side**2 // 8 if obstacles is None else obstacles)
    assert agent != target and not {agent, target} & set(blocked)
    np.testing.assert_array_equal(task.obstacles, o.reshape(3, -1)[1])
    to_target = ways(side, blocked, target)
    assert len(to_target) == side**2 - len(blocked), "there is a way from everywhere"
    for t, action in enumerate(actions):
        before, agent = agent, moved(agent, action, side, blocked)
        assert read(new.observation[t], side) == [[agent], blocked, [target]]
        assert new.reward[t] == to_target[before] - to_target[agent]
        assert new.end[t] == (agent == target)
    assert {-1, 1} <= set(new.reward)


def test_distances_are_those_of_a_breadth_first_search():
    rng = np.random.default_rng(0)
    for _ in range(10):
        taken = np.zeros(16, bool)
        taken[rng.choice(16, 5, replace=False)] = True
        blocked = [divmod(int(cell), 4) for cell in np.flatnonzero(taken)]
        steps = distances(4, taken)
        for start in np.flatnonzero(~taken):
            found = ways(4, blocked, divmod(int(start), 4))
            for cell in range(16):
                assert steps[start, cell] == found.get(divmod(cell, 4), np.inf)


def test_layouts_are_different_leave_ways_and_use_every_cell():
    found = layouts(5, 3)
    assert len(np.unique(found.obstacles, axis=0)) == len(found.obstacles) == 256
    assert np.all(found.obstacles.sum(axis=1) == 3) and np.all(found.obstacles.sum(axis=0) > 0)
    for obstacles, free in zip(found.obstacles, found.free, strict=True):
        np.testing.assert_array_equal(np.flatnonzero(obstacles == 0), free)
    # Of the nine layouts with one obstacle on 3×3, each leaves the other eight cells connected.
    assert len(layouts(3, 1).free) == 9


@pytest.mark.parametrize(("cells", "n"), [(4, 3), (5, 2), (3, 3)])
def test_cells_are_drawn_without_repetition_and_all_alike(cells, n):
    keys = jax.random.split(KEY, 6000)
    drawn = np.array(jax.jit(jax.vmap(lambda key: jnp.stack(distinct(key, cells, n))))(keys))
    assert drawn.min() == 0 and drawn.max() == cells - 1
    outcomes, counts = np.unique(drawn, axis=0, return_counts=True)
    assert all(len(set(outcome)) == n for outcome in outcomes.tolist())
    assert len(outcomes) == np.prod(range(cells - n + 1, cells + 1))
    assert stats.chisquare(counts).pvalue > ALARM


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: hearts(1), "side=1 .*at least 2"),
        (lambda: hearts(3, episode=0), "episode=0 .*at least 1, or None"),
        (lambda: dense_grid(1), "side=1 .*at least 2"),
        (lambda: dense_grid(3, obstacles=8), "obstacles=8 leave no room .*give at most 7"),
        (lambda: dense_grid(3, obstacles=-1), "obstacles=-1 .*at least 0"),
        (lambda: dense_grid(6, obstacles=20), "cut it into pieces: give fewer"),
        (lambda: dense_grid(3, episode=-1), "episode=-1 .*at least 1"),
    ],
)
def test_bad_input_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()
