"""The SymLA that runs in the reader's browser is the one of `symla_lite`, to the numbers."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from symla_lite import checkpoint, symmetry
from symla_lite.baselines import random_policy
from symla_lite.environments.bandits import independent_arms
from symla_lite.environments.control import cartpole
from symla_lite.environments.transforms import permuted, standardised
from symla_lite.learner import Input, Sizes
from symla_lite.lifetime import live as lifetime
from symla_lite.studies import named, records
from symla_lite.studies.results import recorded
from symla_lite.symla import symla

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "book" / "_tools"))

import live  # noqa: E402

SCRIPTS = ROOT / "book" / "_static" / "live"
STEPS = 200


def theta_of(name):
    """The meta-parameters of a live SymLA, past `live.exported`."""
    source = live.SOURCES[name]
    arrays, _ = checkpoint.load(live.path_of(source, recorded()))
    return records.theta_of(
        arrays, named(source.study).scale(source.scale).training(source.training)
    )


def told_in(environment, learner, theta, seed):
    """A lifetime, and what the learner was told in it, [STEPS, ...] each."""
    run = jax.jit(lambda key: lifetime(learner, environment, STEPS, theta, key))
    lived = run(jax.random.key(seed))
    before = jax.nn.one_hot(lived.action, environment.sizes.action)
    told = Input(
        o=lived.observation,
        r=np.concatenate([[0.0], lived.reward[:-1]]),
        a=np.concatenate([np.zeros_like(before[:1]), before[:-1]]),
        end=lived.end,
    )
    return lived, told


HISTORIES = {
    "two arms": ("bandit", independent_arms(2)),
    "twelve arms": ("bandit", independent_arms(12)),
    "a made-up history": ("bandit", Sizes(3, 5)),
    "CartPole": ("cartpole", cartpole("balance")),
    "CartPole, its wires permuted": ("cartpole", permuted(cartpole("balance"))),
    "hearts": ("hearts", standardised(live.GRID)),
}


@pytest.fixture(scope="module")
def page(browser):
    """An empty page with the learner and its worlds."""
    page = browser.new_page()
    for name in ("symla.js", "worlds.js"):
        page.add_script_tag(path=SCRIPTS / name)
    yield page
    page.close()


@pytest.mark.parametrize("case", HISTORIES)
def test_the_browsers_logits_are_those_of_python(page, case):
    name, where = HISTORIES[case]
    learner, theta, data = symla(), theta_of(name), live.exported(name)
    if isinstance(where, Sizes):
        told = symmetry.history(jax.random.key(0), where, STEPS)
    else:
        _, told = told_in(where, learner, theta, seed=1)
    logits = page.evaluate(
        """([data, o, r, a, end]) => {
            const learner = new SymLA(data, o[0].length, a[0].length);
            return o.map((_, t) => learner.step({ o: o[t], r: r[t], a: a[t], end: end[t] }));
        }""",
        [data, *(np.asarray(x).tolist() for x in told)],
    )
    expected = np.asarray(symmetry.replay_logits(learner, theta, jax.random.key(0), told))
    assert np.ptp(expected) > 1, "the logits move, so that there is something to compare"
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    # What is left is rounding, and gates kept as fractions as exact as single precision needs: with
    # as many digits as the browser has and the gates as the paper has them, nothing is left.
    double = {
        layer: {key: np.array(values) for key, values in weights.items()}
        for layer, weights in data["theta"].items()
    }
    with jax.enable_x64(True):
        told = jax.tree.map(lambda x: np.asarray(x, np.float64), told)
        precise = symmetry.replay_logits(symla(form="textbook"), double, jax.random.key(0), told)
    np.testing.assert_allclose(logits, precise, rtol=0, atol=1e-8)


def test_the_browsers_cartpole_lives_through_the_same_episodes(page):
    """The same pushes from the same first states: observations, rewards and ends of a lifetime."""
    lived, told = told_in(cartpole("balance"), random_policy(), {}, seed=2)
    first = np.concatenate([[True], np.asarray(lived.end[:-1]) > 0])
    states = np.asarray(lived.observation)[first] * [1, 1, 0.1, 1]
    assert first.sum() > 5, "there are several episodes"
    happened = page.evaluate(
        """([actions, drawn]) => {
            const next = () => drawn.shift();
            const learner = { A: 4, B: 2, step: () => actions.shift() ? [-1e9, 0] : [0, -1e9] };
            const life = new Lifetime(learner, new CartPole(next), () => 0.5);
            return actions.map((x) => x).map(() => {
                const { told } = life;
                life.step();
                return told;
            });
        }""",
        [lived.action.tolist(), ((states + 0.05) / 0.1).ravel().tolist()],
    )
    for name in ("r", "a", "end"):
        expected = np.asarray(getattr(told, name))
        np.testing.assert_allclose([x[name] for x in happened], expected, atol=1e-6, err_msg=name)
    np.testing.assert_allclose([x["o"] for x in happened], told.o, rtol=0, atol=1e-4)


def test_a_step_of_the_browsers_cartpole_is_gymnaxs_from_any_state_of_a_long_episode(page):
    lived, _ = told_in(cartpole("balance"), symla(), theta_of("cartpole"), seed=3)
    steps = np.flatnonzero(np.asarray(lived.end[:-1]) == 0)
    seen = np.asarray(lived.observation)
    assert np.abs(seen).max() > 1, "it gets about"
    after = page.evaluate(
        """([states, actions]) => {
            const world = new CartPole();
            return states.map(([x, v, angle, turning], t) => {
                world.reset();
                world.state = { x, v, angle: 0.1 * angle, turning };
                return world.step(actions[t]).o;
            });
        }""",
        [seen[steps].tolist(), np.asarray(lived.action)[steps].tolist()],
    )
    np.testing.assert_allclose(after, seen[steps + 1], rtol=0, atol=1e-5)


def test_the_clock_ends_an_episode_without_a_fall(page):
    last = page.evaluate(
        """() => {
            const world = new CartPole(() => 0.5);
            world.reset();
            world.time = 498;
            return [world.step(0), world.step(1)];
        }"""
    )
    assert [(step["r"], step["end"]) for step in last] == [(0.1, 0), (0.1, 1)]


def test_the_browsers_grid_goes_through_the_same_episodes(page):
    """The same actions from the same first cells: observations, rewards and ends of a lifetime."""
    lived, told = told_in(standardised(live.GRID), random_policy(), {}, seed=4)
    _, plain = told_in(live.GRID, random_policy(), {}, seed=4)
    first = np.concatenate([[True], np.asarray(lived.end[:-1]) > 0])
    cells = np.argmax(np.asarray(plain.o)[first].reshape(-1, 3, 9), axis=-1)
    assert first.sum() > 10 and {-1.0, 0.0, 1.0} == set(np.asarray(lived.reward).tolist())
    happened = page.evaluate(
        """([data, actions, cells]) => {
            const draws = cells.flatMap(([agent, heart, trap]) => {
                const free = [...Array(9).keys()];
                return [agent, heart, trap].map((cell) => {
                    const u = (free.indexOf(cell) + 0.5) / free.length;
                    free.splice(free.indexOf(cell), 1);
                    return u;
                });
            });
            const wanted = [...actions];
            const logits = () => [0, 1, 2, 3].map((b) => (b === wanted[0] ? 0 : -1e9));
            const world = new Hearts(data.side, data.seen, () => draws.shift());
            const life = new Lifetime({ A: 27, B: 4, step: logits }, world, () => 0.5);
            return actions.map(() => {
                const { told } = life;
                life.step();
                wanted.shift();
                return told;
            });
        }""",
        [live.exported("hearts"), lived.action.tolist(), cells.tolist()],
    )
    for name in ("r", "a", "end"):
        expected = np.asarray(getattr(told, name))
        np.testing.assert_allclose([x[name] for x in happened], expected, atol=1e-6, err_msg=name)
    np.testing.assert_allclose([x["o"] for x in happened], told.o, rtol=0, atol=1e-4)


def test_walls_are_not_entered_things_stay_where_they_are_put_and_rewards_are_swapped(page):
    seen = page.evaluate(
        """(data) => {
            const world = new Hearts(data.side, data.seen);
            world.walls[4] = true;
            Object.assign(world, { heart: 0, trap: 8, placed: true });
            const starts = Array.from({ length: 300 }, () => (world.reset(), world.agent));
            const from = (agent, action) => {
                Object.assign(world, { agent, time: 0 });
                const { r, end } = world.step(action);
                return [world.agent, r, end];
            };
            const straight = [from(1, 1), from(1, 2), from(5, 1), from(2, 3)];
            world.swapped = true;
            const swapped = [from(1, 2), from(5, 1)];
            return { starts: [...new Set(starts)].sort(), straight, swapped };
        }""",
        live.exported("hearts"),
    )
    assert seen["starts"] == [1, 2, 3, 5, 6, 7]  # neither the wall, the heart nor the trap
    # Into the wall, onto the heart, onto the trap, off the grid.
    assert seen["straight"] == [[1, 0, 0], [0, 1, 1], [8, -1, 1], [2, 0, 0]]
    assert seen["swapped"] == [[0, -1, 1], [8, 1, 1]]


def test_arms_pay_as_they_are_set_and_the_reward_reaches_the_learner_only_where_it_may(page):
    heard = page.evaluate(
        """() => {
            const heard = [];
            const learner = { A: 1, B: 2, step: ({ r }) => (heard.push(r), [-1e9, 0]) };
            const life = new Lifetime(learner, new Bandit([0, 1]));
            for (let t = 0; t < 6; t++) {
                life.rewarded = t < 4;
                life.step();
            }
            return heard;
        }"""
    )
    assert heard == [0, 1, 1, 1, 0, 0]


def test_what_is_exported_is_the_record_to_the_last_bit():
    for name in live.SOURCES:
        exported = json.loads(json.dumps(live.exported(name)))
        for layer, weights in theta_of(name).items():
            for key, array in weights.items():
                again = np.asarray(exported["theta"][layer][key], np.float32)
                np.testing.assert_array_equal(again, array)


def test_a_record_with_options_that_the_script_lacks_is_refused(tmp_path):
    source = live.SOURCES["bandit"]
    arrays, about = checkpoint.load(live.path_of(source, recorded()))
    about["training"]["learner"]["reduce"] = "sum"
    checkpoint.save(live.path_of(source, tmp_path), arrays, about)
    with pytest.raises(ValueError, match="recorded with {'reduce': 'sum'}: symla.js is written"):
        live.exported("bandit", tmp_path)
    with pytest.raises(
        ValueError, match="no live 'pendulum': take one of bandit, cartpole, hearts"
    ):
        live.exported("pendulum")


def test_no_text_in_the_data_can_close_the_pages_script():
    assert "</" not in live.script({"about": "</script><p>"}).removesuffix("</script>")
