"""Meta-training learns, stays within its memory, and survives being killed."""

import dataclasses
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from symla_lite import checkpoint, devices, meta_training
from symla_lite.checkpoint import FileTrouble
from symla_lite.environments.bandits import BANDITS, independent_arms
from symla_lite.environments.grids import hearts
from symla_lite.environments.mixture import Mixture, Part
from symla_lite.evolution import ES
from symla_lite.meta_training import (
    GIB,
    Outer,
    chunk_size,
    memory_in_words,
    meta_train,
    needs,
    outer_step,
    pairs_at_once,
    pairs_in_cache,
)
from symla_lite.metarnn import metarnn
from symla_lite.studies import named
from symla_lite.symla import symla

EASY, LEARNER = BANDITS["easy"], metarnn(hidden=4)  # of the same learner a step is compiled once
SMALL = Outer(ES(8, 0.1), learning_rate=0.05, steps=15, length=10, lifetimes=2)


def train(learner=None, outer=SMALL, seed=0, path=None, **options):
    """Meta-trains on the easy bandit without a progress bar."""
    learner = LEARNER if learner is None else learner
    return meta_train(learner, EASY, outer, seed, path, progress=False, **options)


def assert_equal(one, other):
    for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(x, y)


def assert_same_checkpoint(one, other):
    """Bit for bit, but for the seconds that they took."""
    (arrays, about), (others, about_others) = checkpoint.load(one), checkpoint.load(other)
    assert about == about_others and arrays.keys() == others.keys()
    for name in arrays.keys() - {"seconds"}:
        assert arrays[name].tobytes() == others[name].tobytes(), name


# Learning


def test_it_learns_the_easy_bandit():
    # Guessing earns 10 of 20 pulls; knowing the good arm from the start 18.
    outer = Outer(ES(64, 0.1), learning_rate=0.05, steps=60, length=20, lifetimes=8)
    fitness = train(metarnn(hidden=8), outer).curve["fitness"]
    assert abs(np.mean(fitness[:3]) - 10) < 0.7
    assert np.mean(fitness[-5:]) > 12.5


def test_the_curve_and_the_configuration_are_kept():
    trained = train()
    assert {name: column.shape for name, column in trained.curve.items()} == {
        "fitness": (15,),
        "spread": (15,),
        "gradient": (15,),
        "non-finite": (15,),
    }
    assert all(np.all(np.isfinite(column)) for column in trained.curve.values())
    assert trained.seconds > 0
    assert trained.about == {
        "learner": {"name": "metarnn", "hidden": 4, "end_flag": True, "forget_bias": 1.0},
        "environment": {"name": "easy", "arms": 2},
        "outer": {
            "es": {"population": 8, "sigma": 0.1, "shaping": "standardised"},
            "learning_rate": 0.05,
            "steps": 15,
            "length": 10,
            "lifetimes": 2,
        },
        "seed": 0,
        "start": "drawn",
    }


def test_the_seed_decides_everything():
    assert_equal(train(seed=1).theta, train(seed=1).theta)
    one, other = train(seed=1), train(seed=2)
    assert np.any(one.theta["action"]["w"] != other.theta["action"]["w"])
    assert np.any(one.curve["fitness"] != other.curve["fitness"])


def test_it_goes_on_from_a_given_theta():
    start = metarnn(hidden=4).init_theta(jax.random.key(99), EASY.sizes)
    outer = Outer(SMALL.es, learning_rate=1e-6, steps=2, length=10, lifetimes=2)
    trained = train(outer=outer, start=start)
    for x, y in zip(jax.tree.leaves(trained.theta), jax.tree.leaves(start), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)
    assert trained.about["start"] != "drawn"


def test_the_number_of_steps_in_a_call_does_not_change_the_outcome():
    one, seven = (train(steps_per_call=n) for n in (1, 7))
    assert_equal((one.theta, one.curve), (seven.theta, seven.curve))


# Mixtures


SHORT, LONG = BANDITS["hard"], independent_arms(3)
BOTH = Mixture((Part(SHORT, lifetimes=3), Part(LONG, share=3, length=5)))


def test_a_mixture_adds_the_gradients_of_its_parts():
    learner = symla(hidden=2, message=2)
    theta, unravel = ravel_pytree(learner.init_theta(jax.random.key(0), SHORT.sizes))
    both = Mixture((Part(SHORT, lifetimes=20), Part(LONG, share=3, length=5)))
    outer = dataclasses.replace(SMALL, es=ES(8, 3.0), lifetimes=30)  # enough for pairs to differ
    optimiser = optax.adam(outer.learning_rate).init(theta)
    key = jax.random.key(1)
    _, after, row = jax.jit(outer_step(learner, both, outer, unravel, 2))(theta, optimiser, key)

    # Adam's first moment is a tenth of the first gradient that it descends.
    def alone(environment, key, **changes):
        own = dataclasses.replace(outer, **changes)
        step = jax.jit(outer_step(learner, environment, own, unravel, 1))
        _, state, row = step(theta, optimiser, key)
        return state[0].mu, row[0]

    keys = jax.random.split(key)
    short, paid_short = alone(SHORT, keys[0], es=ES(2, 3.0), lifetimes=20)
    long, paid_long = alone(LONG, keys[1], es=ES(6, 3.0), length=5)
    assert min(np.abs(short).max(), np.abs(long).max()) > 1e-3
    np.testing.assert_allclose(after[0].mu, short + long, atol=1e-6)
    np.testing.assert_allclose(row[3:5], [paid_short, paid_long], rtol=1e-6)
    np.testing.assert_allclose(row[0], (2 * paid_short + 6 * paid_long) / 8, rtol=1e-6)


def test_a_mixture_is_meta_trained_resumed_and_described(tmp_path):
    learner = symla(hidden=2, message=2)
    outer = dataclasses.replace(SMALL, steps=4)

    def on_both(path=None, steps_per_call=2):
        return meta_train(
            learner, BOTH, outer, 0, path, progress=False, steps_per_call=steps_per_call
        )

    whole = on_both(tmp_path / "whole")
    assert_equal(on_both(tmp_path / "whole").theta, whole.theta)  # there is nothing left to do
    assert_equal(on_both(steps_per_call=3).theta, whole.theta)
    names = ["fitness", "spread", "gradient", "fitness hard", "fitness independent-3"]
    assert list(whole.curve) == [*names, "non-finite"]
    first, second = whole.about["environment"]["parts"]
    assert first | {"share": 1, "length": None, "lifetimes": 3} == first
    assert second | {"share": 3, "length": 5, "lifetimes": None} == second


def test_a_mixture_whose_shares_do_not_fit_is_refused():
    with pytest.raises(ValueError, match="4 pairs.*3 equal shares: give a multiple of 6"):
        meta_train(symla(), Mixture((Part(SHORT), Part(LONG, share=2))), SMALL, 0)
    with pytest.raises(ValueError, match="hard twice: give each .* once, with a larger share"):
        Mixture((Part(SHORT), Part(SHORT, lifetimes=2)))
    with pytest.raises(ValueError, match="parts=.*not empty"):
        Mixture(())
    with pytest.raises(ValueError, match="share=0 .*at least 1"):
        Part(SHORT, share=0)


def test_parts_of_one_name_and_different_options_are_to_be_given_other_names():
    larger = dataclasses.replace(LONG, name=SHORT.name)
    with pytest.raises(ValueError, match=r"name hard and different .*replace\(environment, name="):
        Mixture((Part(SHORT), Part(larger)))
    mixture = Mixture((Part(SHORT), Part(dataclasses.replace(larger, name="hard-3"))))
    assert mixture.name == "hard + hard-3"


# Memory


def test_more_memory_holds_more_pairs_and_never_more_than_there_are():
    outer = Outer(ES(256, 0.1), learning_rate=0.1, steps=1, length=100, lifetimes=16)
    budgets = [*np.geomspace(0.01, 1, 30), 1e6]
    pairs = [pairs_at_once(symla(), independent_arms(4), outer, m) for m in budgets]
    assert pairs == sorted(pairs) and len(set(pairs)) > 5
    assert min(pairs) >= 1 and pairs[-1] == outer.es.pairs


def test_where_a_core_is_a_device_the_states_that_live_at_once_fit_its_cache(monkeypatch):
    """Twice the lifetimes or four times the cells leave a half or a quarter of the pairs."""
    outer = Outer(ES(2**16, 0.1), learning_rate=0.1, steps=1, length=100, lifetimes=4)
    monkeypatch.setattr(devices, "cores_each", lambda: 1)
    twice = dataclasses.replace(outer, lifetimes=8)
    small, large = (independent_arms(arms) for arms in (8, 32))
    pairs = pairs_in_cache(symla(), small, outer)
    assert pairs_in_cache(symla(), small, twice) == pytest.approx(pairs / 2, abs=1)
    assert pairs_in_cache(symla(), large, outer) == pytest.approx(pairs / 4, rel=0.15)
    state = pairs * 2 * 4 * 8 * 2 * 16 * 4  # h and c of 8 cells, 4 lifetimes of 2 members each
    assert 2**20 / 16 < state < 2**21
    assert pairs_in_cache(symla(), independent_arms(50_000), outer) == 1
    assert chunk_size(symla(), small, outer, 1e6) == pairs
    for cores in (0, 2):  # a GPU; threads that share a device
        monkeypatch.setattr(devices, "cores_each", lambda cores=cores: cores)
        assert chunk_size(symla(), small, outer, 1e6) == outer.es.pairs


def test_memory_that_holds_no_pair_is_refused():
    with pytest.raises(ValueError, match="memory=1e-09 GiB does not hold one pair .* give more"):
        train(memory=1e-9)


def test_the_memory_does_not_change_the_outcome_beyond_rounding():
    outer = Outer(SMALL.es, learning_rate=0.05, steps=2, length=10, lifetimes=50)
    learner = metarnn(hidden=4)
    little = needs(learner, EASY, outer).of(1)
    assert pairs_at_once(learner, EASY, outer, little) == 1
    one, all_at_once = train(learner, outer, memory=little), train(learner, outer)
    for x, y in zip(jax.tree.leaves(one.theta), jax.tree.leaves(all_at_once.theta), strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)
    np.testing.assert_allclose(one.curve["fitness"], all_at_once.curve["fitness"], rtol=1e-5)


ALLOCATING = [
    (symla(), independent_arms(2), 100, 16),
    (metarnn(), independent_arms(2), 500, 4),
    (symla(), hearts(5), 300, 4),
    (symla(hidden=8), independent_arms(100), 50, 2),
]
POPULATIONS = [(128, 16), (128, 64), (512, 32)]
QUICK = {(0, 0), (1, 1), (2, 2), (3, 0)}
"""Every learner and world, and every population, once; each of them compiles for seconds."""


@pytest.mark.parametrize(
    ("learner", "environment", "length", "lifetimes", "population", "pairs"),
    [
        pytest.param(*one, *population, marks=() if (i, k) in QUICK else pytest.mark.slow)
        for i, one in enumerate(ALLOCATING)
        for k, population in enumerate(POPULATIONS)
    ],
    ids=lambda x: getattr(x, "name", str(x)),
)
def test_what_xla_allocates_for_a_population_is_the_budget_and_at_most_a_third_less(
    learner, environment, length, lifetimes, population, pairs
):
    outer = Outer(ES(population, 0.1), 0.05, steps=1, length=length, lifetimes=lifetimes)
    budget = needs(learner, environment, outer).of(pairs)
    theta, unravel = ravel_pytree(learner.init_theta(jax.random.key(0), environment.sizes))
    step = jax.jit(outer_step(learner, environment, outer, unravel, pairs))
    lowered = step.lower(theta, optax.adam(0.1).init(theta), jax.random.key(0))
    allocated = lowered.compile().memory_analysis().temp_size_in_bytes
    assert allocated < budget * GIB < 1.3 * allocated


@pytest.mark.parametrize("pairs", [1, 5, 63])
def test_as_many_pairs_live_at_once_as_the_memory_holds(pairs):
    outer = Outer(ES(128, 0.1), 0.05, steps=1, length=10, lifetimes=500)
    needed = needs(metarnn(hidden=4), EASY, outer)
    assert needed.of(1) > needed.noise
    for part in (0.01, 0.5, 0.99):
        memory = needed.kept + (pairs + part) * needed.one_pair
        assert pairs_at_once(metarnn(hidden=4), EASY, outer, memory) == pairs
    assert pairs_at_once(metarnn(hidden=4), EASY, outer, 2 * needed.of(64)) == 64


def test_the_memory_that_one_pair_needs_holds_one(monkeypatch):
    monkeypatch.setattr(meta_training, "SHARES_MEMORY", False)  # where this is rounded downwards
    learner, outer = metarnn(hidden=3), Outer(ES(2, 0.1), 0.05, steps=1, length=3, lifetimes=36)
    needed = needs(learner, EASY, outer)
    assert (needed.of(1) - needed.kept) / needed.one_pair < 1
    assert pairs_at_once(learner, EASY, outer, needed.of(1)) == 1


@pytest.mark.parametrize("lifetimes", [1, 50, 501, 7000])
def test_the_memory_that_a_refusal_asks_for_is_enough(lifetimes):
    outer = Outer(ES(128, 0.1), 0.05, steps=1, length=10, lifetimes=lifetimes)
    needed = needs(LEARNER, EASY, outer).of(1)
    with pytest.raises(ValueError) as refused:
        pairs_at_once(LEARNER, EASY, outer, 0.9 * needed)
    figure = float(re.search(r"needs (\S+) GiB", str(refused.value))[1])
    assert needed <= figure < 1.1 * needed
    assert pairs_at_once(LEARNER, EASY, outer, figure) >= 1


@pytest.mark.slow
def test_hearts_at_the_papers_size_fit_a_t4():
    """All pairs at once on 5 × 5, in the 15 GiB of the smallest GPU that is lent for nothing."""
    training = named("tasks").scale("paper").training("symla-hearts_5")
    learner, environment, outer = training.learner, training.environment, training.outer
    assert pairs_at_once(learner, environment, outer, memory=12) == outer.es.pairs
    theta, unravel = ravel_pytree(learner.init_theta(jax.random.key(0), environment.sizes))
    step = jax.jit(outer_step(learner, environment, outer, unravel, outer.es.pairs))
    lowered = step.lower(theta, optax.adam(0.1).init(theta), jax.random.key(0))
    assert lowered.compile().memory_analysis().temp_size_in_bytes < 12 * GIB


def test_what_it_will_need_is_said_beforehand():
    outer = Outer(ES(8, 0.1), 0.05, steps=1, length=10, lifetimes=20)
    needed = needs(metarnn(hidden=4), EASY, outer)
    enough_for_two = needed.kept + 2.5 * needed.one_pair
    said = memory_in_words(metarnn(hidden=4), EASY, outer, enough_for_two)
    assert said.startswith("metarnn on easy: 2 of 4 pairs at a time in at most ")
    two, all_four = (needed.kept + n * needed.one_pair for n in (2, 4))
    said_two, said_all = (float(x) for x in re.findall(r"([\d.e+-]+) GiB", said))
    assert two <= said_two < 1.12 * two and all_four <= said_all < 1.12 * all_four  # rounded up


def test_a_long_run_says_after_a_few_steps_how_long_it_will_take(monkeypatch, capsys):
    options = {"label": "long", "steps_per_call": 5}
    meta_train(metarnn(hidden=4), EASY, SMALL, 0, **options)
    assert "to go" not in capsys.readouterr().out, "nothing is said of a run of seconds"
    monkeypatch.setattr(meta_training, "LONG", 0.0)
    meta_train(metarnn(hidden=4), EASY, SMALL, 0, **options)
    assert "long: 5 steps to go, about 0 min." in capsys.readouterr().out
    assert meta_training.duration_in_words(2400) == "40 min"
    assert meta_training.duration_in_words(19_800) == "5.5 h"


# Killed and resumed

STEPS = 600
COMMAND = [
    *("--learner", "metarnn", "--hidden", "4", "--population", "8", "--lifetimes", "2"),
    *("--length", "10", "--steps", str(STEPS), "--seed", "5"),
]
# The command line with a checkpoint after every call to the device, not every ten seconds.
EAGER = """
import functools, sys
from symla_lite import __main__ as command_line
command_line.meta_train = functools.partial(command_line.meta_train, save_every=0.0)
sys.exit(command_line.main())
"""


def steps_done(path):
    """Outer steps in a checkpoint; -1 where there is none."""
    return len(checkpoint.load(path)[0]["curve"]) if path.exists() else -1


@pytest.mark.slow
def test_a_run_killed_twice_and_resumed_ends_as_one_left_alone(tmp_path):
    chance = random.Random(0)
    path, whole = tmp_path / "killed.safetensors", tmp_path / "whole.safetensors"
    command = [sys.executable, "-c", EAGER, "train", str(path), *COMMAND]
    done = -1
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            patience = time.monotonic() + 120
            while steps_done(path) <= max(done, 0) and process.poll() is None:
                assert time.monotonic() < patience
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.05))
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert process.returncode == -signal.SIGKILL, process.stderr.read().decode()
        assert done < steps_done(path) < STEPS  # killed on the way, further on than before
        done = steps_done(path)
    last = subprocess.run(command, capture_output=True, text=True)
    assert last.returncode == 0, last.stderr
    assert steps_done(path) == STEPS

    outer = Outer(ES(8, 0.1), learning_rate=0.05, steps=STEPS, length=10, lifetimes=2)
    trained = train(outer=outer, seed=5, path=whole)
    assert_same_checkpoint(path, whole)
    assert f"fitness {trained.curve['fitness'][-1]:.3f}" in last.stdout


def test_a_finished_run_is_not_run_again(tmp_path):
    path = tmp_path / "run.safetensors"
    first = train(path=path)
    again = train(path=path)
    assert_equal((first.theta, first.curve), (again.theta, again.curve))
    assert again.about == first.about and again.seconds >= first.seconds


class Killed(BaseException):
    """Stands for a kill, within the process."""


@pytest.mark.parametrize("saves", [1, 2, 4])
def test_a_run_stopped_at_any_checkpoint_ends_as_one_left_alone(tmp_path, monkeypatch, saves):
    path, whole = tmp_path / "stopped.safetensors", tmp_path / "whole.safetensors"
    left, real = iter(range(saves)), checkpoint.save

    def save(*arguments):
        if next(left, None) is None:
            raise Killed
        real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save", save)
        with pytest.raises(Killed):
            train(path=path, steps_per_call=2, save_every=0.0)
    assert steps_done(path) == 2 * (saves - 1)
    train(path=path, steps_per_call=2)
    train(path=whole, steps_per_call=2)
    assert_same_checkpoint(path, whole)


OTHER_START = metarnn(hidden=4).init_theta(jax.random.key(99), EASY.sizes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seed": 1}, "seed: 0 there, 1 here"),
        ({"learner": metarnn(hidden=5)}, "learner.hidden: 4 there, 5 here"),
        ({"outer": Outer(ES(8, 0.2), 0.05, 15, 10, 2)}, "outer.es.sigma: 0.1 there, 0.2 here"),
        ({"outer": Outer(ES(8, 0.1), 0.05, 14, 10, 2)}, "outer.steps: 15 there, 14 here"),
        (
            {"outer": Outer(ES(8, 0.1), 0.05, 20, 9, 2)},
            "outer.length: 10 there, 9 here, outer.steps: 15 there, 20 here",
        ),
        ({"start": OTHER_START}, "start: 'drawn' there, '[0-9a-f]{64}' here"),
    ],
    ids=["seed", "learner", "outer", "fewer steps", "more steps", "start"],
)
def test_a_checkpoint_of_another_configuration_is_refused(tmp_path, change, words):
    path = tmp_path / "run.safetensors"
    train(path=path, outer=Outer(SMALL.es, 0.05, 15, 10, 2))
    before = path.read_bytes()
    with pytest.raises(FileTrouble, match=rf"another configuration \(it differs in {words}\)"):
        train(path=path, **change)
    assert path.read_bytes() == before


def test_more_steps_go_on_from_the_same_checkpoint(tmp_path):
    path, whole = tmp_path / "run.safetensors", tmp_path / "whole.safetensors"
    train(path=path, outer=dataclasses.replace(SMALL, steps=7))
    train(path=path)
    train(path=whole)
    assert_same_checkpoint(path, whole)


def test_options_that_json_changes_do_not_keep_a_run_from_going_on(tmp_path):
    path = tmp_path / "run.safetensors"
    options = {"shape": (3, 3), "names": {1: "a"}}
    learner = dataclasses.replace(LEARNER, options=options)
    environment = dataclasses.replace(EASY, options=options)
    for steps in (2, 2, 4):
        outer = dataclasses.replace(SMALL, steps=steps)
        trained = meta_train(learner, environment, outer, 0, path, progress=False)
        assert steps_done(path) == steps and trained.about == checkpoint.load(path)[1]
    with pytest.raises(ValueError, match="learner=.* is not of plain types .*: give numbers"):
        train(dataclasses.replace(LEARNER, options={"shape": {3, 4}}))


# A checkpoint whose checksum is right and whose contents are wrong


def without(arrays, name):
    return {key: x for key, x in arrays.items() if key != name}


WRONG = {
    "theta is missing": (lambda a: without(a, "theta"), "no array 'theta'"),
    "a moment is missing": (lambda a: without(a, "optimiser/1"), "no array 'optimiser/1'"),
    "there is no time": (lambda a: without(a, "seconds"), "no array 'seconds'"),
    "one too many": (lambda a: a | {"phi": np.ones(2)}, "an array 'phi' that does not belong"),
    "theta is NaN": (lambda a: a | {"theta": a["theta"] * np.nan}, "NaN or infinity in 'theta'"),
    "a moment is infinite": (
        lambda a: a | {"optimiser/2": a["optimiser/2"] + np.inf},
        "NaN or infinity in 'optimiser/2'",
    ),
    "theta is cut": (lambda a: a | {"theta": a["theta"][:-1]}, "'theta' of shape "),
    "theta has two axes": (lambda a: a | {"theta": a["theta"][None]}, "'theta' of shape "),
    "the curve is flat": (lambda a: a | {"curve": a["curve"][:, 0]}, "'curve' of shape "),
    "the curve is wide": (lambda a: a | {"curve": np.ones((15, 9))}, "'curve' of shape "),
    "the curve is long": (
        lambda a: a | {"curve": np.tile(a["curve"], (2, 1)), "optimiser/0": np.array(30, np.int32)},
        "a curve of 30 steps",
    ),
    "the curve is short": (lambda a: a | {"curve": a["curve"][:3]}, "a curve of 3 steps"),
    "the time runs backwards": (lambda a: a | {"seconds": np.array(-1.0)}, "-1 seconds"),
    "another precision": (
        lambda a: a | {"theta": a["theta"].astype(np.float64)},
        "another precision .'theta' is float64 there and float32 here.*JAX_ENABLE_X64",
    ),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The arrays of a finished checkpoint, and what is known about it."""
    path = tmp_path_factory.mktemp("finished") / "run.checkpoint"
    train(path=path)
    return checkpoint.load(path)


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG)
def test_wrong_contents_are_refused_by_name(finished, tmp_path, change, words):
    arrays, about = finished
    path = tmp_path / "run.checkpoint"
    checkpoint.save(path, change(arrays), about)
    before = path.read_bytes()
    with pytest.raises(FileTrouble, match=words) as trouble:
        train(path=path)
    assert str(path) in str(trouble.value) and "\n" not in str(trouble.value)
    assert path.read_bytes() == before


def test_a_checkpoint_of_before_nan_was_counted_goes_on(finished, tmp_path):
    arrays, about = finished
    path = tmp_path / "run.checkpoint"
    checkpoint.save(path, arrays | {"curve": arrays["curve"][:, :3]}, about)
    trained = train(path=path, outer=dataclasses.replace(SMALL, steps=17))
    whole = train(outer=dataclasses.replace(SMALL, steps=17))
    assert_equal((trained.theta, trained.curve), (whole.theta, whole.curve))


@pytest.mark.slow
def test_a_checkpoint_of_one_precision_does_not_go_on_in_another(finished, tmp_path):
    """And a start of one precision does."""
    path = tmp_path / "run.checkpoint"
    checkpoint.save(path, *finished)
    script = f"""
import jax
from test_meta_training import *
try:
    train(path={str(path)!r})
except FileTrouble as trouble:
    print(trouble)
start = jax.tree.map(lambda x: np.asarray(x, np.float32), metarnn(hidden=4).init_theta(
    jax.random.key(0), EASY.sizes))
theta = train(outer=dataclasses.replace(SMALL, steps=1), start=start).theta
print({{leaf.dtype.name for leaf in jax.tree.leaves(theta)}})
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"JAX_ENABLE_X64": "1"},
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    refused, trained = done.stdout.splitlines()
    assert "another precision" in refused and "is float32 there and float64 here" in refused
    assert trained == "{'float64'}"


@pytest.mark.parametrize("seed", [-1, 2**32, 2**40])
def test_a_seed_that_would_be_another_ones_run_is_refused(seed):
    with pytest.raises(ValueError, match=f"seed={seed}"):
        train(seed=seed)


def test_a_folder_that_cannot_be_written_to_is_found_out_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("mine")
    monkeypatch.setattr(
        meta_training, "compiled", lambda *_: lambda *_: pytest.fail("it worked before")
    )
    with pytest.raises(FileTrouble, match="Cannot write"):
        train(path=tmp_path / "taken" / "run.safetensors")


# The door


@pytest.mark.parametrize("field", ["learning_rate", "steps", "length", "lifetimes"])
@pytest.mark.parametrize("value", [0, -1])
def test_a_number_that_is_not_positive_is_refused(field, value):
    options = {"learning_rate": 0.1, "steps": 1, "length": 1, "lifetimes": 1, field: value}
    with pytest.raises(ValueError, match=f"{field}={value} .*(above 0|at least 1)"):
        Outer(ES(8, 0.1), **options)
