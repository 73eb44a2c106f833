"""What is timed computes what it should, and the limits count right."""

import dataclasses
import functools
import os
import subprocess
import sys
from pathlib import Path

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import gpu_check, limits, timing
from benchmarks import paper_scale as gpu
from benchmarks.assembled import Wrapped, assembled
from benchmarks.printed import Printed, SymlaLayer, printed
from benchmarks.settings import BALANCE, SETTINGS, Setting, ours
from symla_lite import checkpoint, machine, studies
from symla_lite.environments import BANDITS, hearts
from symla_lite.evolution import ES
from symla_lite.learner import Input, Sizes
from symla_lite.symla import Layer, symla

TINY = Setting(BANDITS["easy"], population=8, lifetimes=4, length=40, hidden=4)


def some_state(key, sizes, hidden):
    """A state, an input and the previous action."""
    A, B = sizes
    keys = jax.random.split(key, 6)
    shapes = ((A, B, hidden), (A, B, hidden), (B, 8), (A, 8), (A,))
    h, c, m_fwd, m_bwd, o = (jax.random.normal(k, s) for k, s in zip(keys, shapes))
    x = Input(o=o, r=jnp.float32(0.7), a=jax.nn.one_hot(1, B), end=jnp.float32(1))
    return Layer(hk.LSTMState(h, c), m_fwd, m_bwd), x


def test_the_printed_layer_is_the_packages_learner():
    sizes = Sizes(3, 2)
    learner = symla(hidden=4)
    theta = learner.init_theta(jax.random.key(0), sizes)
    theta = jax.tree.map(lambda x: x + jnp.linspace(-0.5, 0.5, x.size).reshape(x.shape), theta)
    state, x = some_state(jax.random.key(1), sizes, 4)
    layer = hk.without_apply_rng(hk.transform(lambda *given: SymlaLayer(*sizes, 8, 4, 2)(*given)))
    names = {"lstm/linear": "lstm/linear", "m_fwd": "linear", "m_bwd": "linear_1"}
    params = {f"symla_layer/~/{names[name]}": leaves for name, leaves in theta.items()}
    logits, new = layer.apply(params, state, x.o, x.a, jnp.stack([x.r, x.end]))
    expected, (expected_state,) = learner.step(theta, (state,), x)
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    np.testing.assert_allclose(new[0].cell, expected_state.state.cell, atol=1e-5)
    np.testing.assert_allclose(new[2], expected_state.m_bwd, atol=1e-5)


@pytest.mark.parametrize("make", [ours, printed, assembled])
def test_every_contender_moves_its_theta_by_adams_first_step(make):
    """Which is the learning rate in every coordinate, whatever the gradient's length."""
    contender = make(TINY)
    before = contender.start(jax.random.key(0))
    after = jax.jit(contender.step)(before, jax.random.key(1))

    def theta(state):
        return jax.tree.leaves(state.mean if make is assembled else state[0])

    moved = np.concatenate(
        [np.abs(b - a).ravel() for a, b in zip(theta(before), theta(after), strict=True)]
    )
    assert np.median(moved) == pytest.approx(TINY.outer.learning_rate, rel=0.01)


def test_environments_in_other_protocols_step_as_they_do():
    world, key = hearts(2), jax.random.key(0)
    task = world.draw_task(key)
    state, o = world.reset(key, task)
    new = world.step(key, task, state, jnp.int32(1))
    wrapped = Wrapped(world)
    seen, inside = wrapped.reset_env(key, wrapped.draw(key))
    np.testing.assert_array_equal(seen, o)
    seen, _, reward, over, _ = wrapped.step_env(key, inside, jnp.int32(1), wrapped.draw(key))
    np.testing.assert_array_equal(seen, new.observation)
    assert (reward, over) == (new.reward, new.end)
    as_printed = Printed(world)
    stepped = as_printed.step(
        key, (task, state, o, jnp.zeros(()), jnp.zeros(())), jax.nn.one_hot(1, 4)
    )
    np.testing.assert_array_equal(as_printed.observation(stepped), new.observation)
    assert as_printed.reward(stepped) == new.reward


def test_work_is_counted_as_in_a_loop_over_cells():
    setting = Setting(BALANCE, population=2, lifetimes=3, length=5, hidden=7, ticks=2)
    A, B, N, M = 4, 2, 7, 8
    products = activations = 0
    for _ in range(setting.ticks):
        products += sum(2 * N * 4 * N for _ in range(A * B))
        products += sum(2 * (M + 1) * 4 * N for _ in range(A + B)) + 2 * 2 * 4 * N
        activations += sum(N * len("ifo" + "gc") for _ in range(A * B))
    products += sum(2 * N * M for _ in range(A + B))
    steps = 2 * 3 * 5
    needs = limits.needed(setting)
    assert needs["products"] == steps * products
    assert needs["activations"] == steps * activations
    assert needs["memory"] == steps * 2 * (2 * A * B * N) * 4, "h and c, read and written, floats"
    assert needs["launches"] == 5


def test_a_ratio_is_taken_within_turns():
    slow = timing.Ready(None, 0.0, 0, seconds=[2.0, 40.0, 6.0])
    fast = timing.Ready(None, 0.0, 0, seconds=[1.0, 20.0, 3.0])
    assert timing.ratio(slow, fast) == 2.0


def test_every_setting_can_be_dealt_out_and_fits_a_laptop():
    for setting in SETTINGS.values():
        assert setting.population % 4 == 0
        assert 4 * limits.state_size(setting) * setting.all_lifetimes < 2**28


@pytest.mark.slow
def test_the_whole_of_a_benchmark_in_small(tmp_path):
    """Everything that `make bench` does, once, on almost nothing."""
    script = (
        "import dataclasses, sys\n"
        "from benchmarks import __main__ as bench\n"
        "from symla_lite.environments import BANDITS\n"
        "tiny = bench.Setting(BANDITS['easy'], 4, 1, 3, hidden=2)\n"
        "bench.SETTINGS = {'CartPole': tiny, 'projected grid': tiny}\n"
        "bench.ladder.RUNGS = {'one': bench.printed, 'two': bench.ours}\n"
        "bench.scaled = lambda: {'L': [(3, tiny), (6, dataclasses.replace(tiny, length=6))]}\n"
        f"sys.argv = ['bench', '--turns', '1', '--kept', '--out', {str(tmp_path)!r}]\n"
        "sys.exit(bench.main())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for words in ("printed", "assembled", "binds", "The ladder, CartPole", "Scaling"):
        assert words in done.stdout
    assert len(list(tmp_path.glob("*.json"))) == 1


# Compiled for a GPU that is not here


@functools.cache
def largest_of(study):
    """Of a study by its name; to find it, every training's sizes are asked for."""
    return gpu_check.largest(studies.named(study))


@pytest.mark.parametrize(
    ("study", "form"),
    [
        pytest.param(study, form, marks=() if study == "bandits" else pytest.mark.slow)
        for form in gpu_check.FORMS
        for study in studies.STUDIES
    ],
)
def test_every_studys_outer_step_at_the_papers_size_is_lowered_for_cuda(study, form):
    text = gpu_check.lowered(largest_of(study), form).as_text()
    assert "stablehlo.while" in text


PLAN = """\
HloModule jit_several_steps

%inside (p: (f32[6,4], s32[])) -> (f32[6,4], s32[]) {
  %p = (f32[6,4]{1,0}, s32[]) parameter(0)
  %h = f32[6,4]{1,0} get-tuple-element(%p), index=0
  %i = s32[] get-tuple-element(%p), index=1
  %drawn = f32[50,6]{1,0} constant({...})
  %gates = f32[6,16]{1,0} fusion(%h), kind=kCustom, calls=%product
  %new = f32[6,4]{1,0} fusion(%gates, %h, %drawn), kind=kLoop, calls=%through
  ROOT %out = (f32[6,4]{1,0}, s32[]) tuple(%new, %i)
}

ENTRY %main (x: f32[6,4]) -> f32[6,4] {
  %x = f32[6,4]{1,0} parameter(0)
  %first = (f32[6,4]{1,0}, s32[]) tuple(%x)
  ROOT %w = (f32[6,4]{1,0}, s32[]) while(%first), condition=%more, body=%inside, \
backend_config={"known_trip_count":{"n":"50"}}
}
"""


def test_kernels_and_bytes_of_a_step_are_read_off_the_plan():
    """Two kernels. The product reads 24 numbers and writes 96; the other reads 96, 24 and one
    step's 6 of what is stacked over 50, and writes 24."""
    assert gpu_check.a_step(PLAN, length=50) == (2, 4 * (24 + 96 + 96 + 24 + 6 + 24))
    with pytest.raises(ValueError, match="no loop of 49 steps"):
        gpu_check.a_step(PLAN, length=49)


def test_two_devices_are_compared_by_lifetimes_with_the_same_keys():
    rewards = np.array([1.0, 2.0, 3.0, 4.0])
    assert gpu.standard_errors(rewards, rewards) == 0.0
    # Differences 1, 1, 1, 5: mean 2, standard error 2 / sqrt(4) = 1.
    assert gpu.standard_errors(rewards + np.array([1, 1, 1, 5]), rewards) == pytest.approx(2.0)


def test_the_papers_size_is_refused_where_there_is_no_gpu(monkeypatch, capsys):
    monkeypatch.setattr(gpu.jax, "default_backend", lambda: "cpu")
    assert gpu.main([]) == 2
    assert "There is no GPU here" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        gpu.main(["tarin"])
    assert "no part tarin: give some of agree, time, train" in capsys.readouterr().err


def test_a_recorded_agent_earns_the_same_twice_and_a_disagreement_stops(monkeypatch, capsys):
    monkeypatch.setattr(gpu, "RECORDED", gpu.RECORDED[:1])
    gpu.agree(lifetimes=20)
    assert "0.0 standard errors apart; 100% of the lifetimes" in capsys.readouterr().out
    wrong = iter((np.arange(20.0), np.zeros(20)))
    monkeypatch.setattr(gpu, "earned", lambda *_: next(wrong))
    with pytest.raises(ValueError, match="disagree on symla-easy"):
        gpu.agree(lifetimes=20)


def test_the_runs_for_a_gpu_exist_and_come_after_what_they_start_from():
    before = set()
    for name, scale, training, seed in gpu.RUNS:
        start = studies.named(name).scale(scale).training(training).start
        assert start is None or (name, scale, start, seed) in before
        before.add((name, scale, training, seed))


def test_a_run_for_a_gpu_is_recorded_once_and_gone_on_with(tmp_path, monkeypatch, capsys):
    """In small, on the CPU: stopped on the way, it goes on; recorded, it is left."""
    study = studies.named("bandits")
    quick = study.scale("quick")
    (training, *_) = quick.trainings
    small = dataclasses.replace(
        training,
        outer=dataclasses.replace(training.outer, es=ES(4, 0.1), steps=4, length=10, lifetimes=1),
    )
    scale = dataclasses.replace(quick, trainings=(small,), test_lifetimes=2, test_length=10)
    study = dataclasses.replace(study, scales={"quick": scale}, tests=lambda _: ())
    monkeypatch.setattr(gpu.studies, "named", lambda _: study)
    runs, save = [("bandits", "quick", small.name, 0)], checkpoint.save

    def save_and_stop(*arguments):
        save(*arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(checkpoint, "save", save_and_stop)
        gpu.train(tmp_path, 1.0, runs)
    (unfinished,) = (tmp_path / "bandits" / "quick").iterdir()
    gpu.train(tmp_path, 1.0, runs)
    (record,) = (tmp_path / "bandits" / "quick").iterdir()
    assert record != unfinished
    written = record.stat().st_mtime_ns
    gpu.train(tmp_path, 1.0, runs)
    assert record.stat().st_mtime_ns == written
    assert capsys.readouterr().out.count(f"Recorded in {record}.") == 2


def test_a_part_is_ended_after_its_minutes(capsys):
    forever = [sys.executable, "-c", "import time; time.sleep(600)"]
    assert gpu.in_time(forever, minutes=0.01) == 0
    assert "Stopped after 0.01 min. The same command goes on." in capsys.readouterr().out
    assert gpu.in_time([sys.executable, "-c", "raise SystemExit(2)"], minutes=5) == 2


def test_programs_are_compiled_as_in_a_run_and_those_of_others_as_xla_would():
    """In a process of its own, which imports the benchmarks before anything else."""
    code = (
        "import benchmarks.settings as settings, os; "
        "print(os.environ.get('XLA_FLAGS', '')); print(settings.as_xla_comes())"
    )
    clean = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=clean,
        cwd=Path(__file__).parents[1],
    )
    flags, options = done.stdout.splitlines()
    for name, value in machine.QUICKLY.items():
        assert (f"{name}={value}" in flags) == (name.removeprefix("--") in options)
