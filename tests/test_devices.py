"""A population shared by many devices or hosts moves theta as on one, and little crosses."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from many_devices import OUTER, POPULATION, small_study, trained

from symla_lite import devices, meta_training
from symla_lite.environments import BANDITS
from symla_lite.evolution import ES
from symla_lite.meta_training import Outer, meta_train, outer_step
from symla_lite.studies import results
from symla_lite.symla import symla

STEPS = 20
SCRIPT = Path(__file__).with_name("many_devices.py")


def begin(devices_each, *arguments):
    """Another process with so many virtual devices."""
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.Popen(
        command, env=with_devices(devices_each), stderr=subprocess.PIPE, text=True
    )


def with_devices(number):
    """The environment of a process with so many virtual devices."""
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={number}"
    return {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}


def free_address():
    """An address on this machine where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def end(*processes):
    for process in processes:
        _, said = process.communicate(timeout=240)
        assert process.returncode == 0, said


@pytest.fixture(scope="module")
def alone():
    return trained(STEPS)


def assert_same(outcome, alone):
    found, (theta, fitness) = np.load(outcome), alone
    np.testing.assert_allclose(found["theta"], theta, atol=1e-5)
    np.testing.assert_allclose(found["fitness"], fitness, rtol=1e-5)


ON_EIGHT = """
import sys
import jax
from many_devices import keep, trained
from test_devices import STEPS, sent_in_one_step

folder = sys.argv[1]
assert jax.device_count() == 8
keep(f"{folder}/8.npz", trained(STEPS))
keep(f"{folder}/5.npz", trained(STEPS, on=jax.devices()[:5]))
keep(f"{folder}/resumed.npz", trained(STEPS, f"{folder}/run.checkpoint"))
for sizes in ((4, 16), (16, 16), (4, 32)):
    print(*sent_in_one_step(*sizes))
"""


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    """The folder of what a process with eight virtual devices found, and what it printed."""
    folder = tmp_path_factory.mktemp("eight")
    half = Outer(ES(POPULATION, 0.1), steps=STEPS, **OUTER)
    stop_after(folder / "run.checkpoint", half, STEPS // 2)
    done = subprocess.run(
        [sys.executable, "-c", ON_EIGHT, folder],
        env=with_devices(8),
        cwd=SCRIPT.parent,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", [8, 5])  # 16 pairs are two for each, or four and a rest
def test_many_devices_find_what_one_finds(number, alone, eight):
    assert_same(eight[0] / f"{number}.npz", alone)


@pytest.mark.slow
def test_two_processes_find_what_one_finds(alone, tmp_path):
    coordinator = free_address()
    outcomes = [tmp_path / f"{process}.npz" for process in (0, 1)]
    # Only the first has the checkpoint's folder: nothing but messages is shared.
    paths = [tmp_path / "first" / "run.checkpoint", tmp_path / "second" / "run.checkpoint"]
    end(
        *(
            begin(2, outcome, path, STEPS, coordinator, 2, process, tmp_path / "records")
            for process, (outcome, path) in enumerate(zip(outcomes, paths))
        )
    )
    for outcome in outcomes:
        assert_same(outcome, alone)
    assert paths[0].exists() and not paths[1].exists()
    recorded = results.load(small_study(), "quick", tmp_path / "records")
    assert "× 4" in recorded.about("symla-easy")[0]["device"]


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_devices(alone, eight):
    assert_same(eight[0] / "resumed.npz", alone)


def stop_after(path, outer, steps):
    """Leaves the checkpoint of a run that was killed after so many steps."""

    class Killed(Exception):
        pass

    save, saves = meta_training.checkpoint.save, []

    def save_and_stop(*arguments):
        save(*arguments)
        saves.append(arguments)
        if len(saves) > steps:
            raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(meta_training.checkpoint, "save", save_and_stop)
        meta_train(
            symla(hidden=4),
            BANDITS["easy"],
            outer,
            0,
            path,
            progress=False,
            steps_per_call=1,
            save_every=0,
        )


def sent_in_one_step(hidden, pairs):
    """Bytes, on eight virtual devices; run in a process that has them."""
    learner, outer = symla(hidden=hidden), Outer(ES(2 * pairs, 0.1), 0.05, 1, 10, 2)
    theta, unravel = ravel_pytree(learner.init_theta(jax.random.key(0), BANDITS["easy"].sizes))
    step = outer_step(learner, BANDITS["easy"], outer, unravel, 1, devices.mesh())
    optimiser = optax.adam(0.05).init(theta)
    compiled = jax.jit(step).lower(theta, optimiser, jax.random.key(0)).compile()
    return theta.size, devices.exchanged(compiled)


@pytest.mark.slow
def test_what_crosses_is_fitness_whatever_the_size_of_theta(eight):
    (small, sent), (large, as_many), (_, more) = (
        map(int, line.split()) for line in eight[1].splitlines()
    )
    print(f"theta of {small} numbers: {sent} bytes; of {large}: {as_many}; twice the pairs: {more}")
    assert large > 5 * small
    assert sent == as_many == 16 * 2 * 4, "two numbers of four bytes for each pair"
    assert more == 2 * sent


@pytest.mark.slow
def test_reading_the_package_asks_nothing_of_a_device():
    """Else a process could not join others any more."""
    join = f"from symla_lite import __main__, devices; devices.join('{free_address()}', 1, 0)"
    done = subprocess.run([sys.executable, "-c", join], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr


def test_bytes_are_counted_over_all_kinds_of_collectives():
    compiled = mock.Mock(spec=jax.stages.Compiled)
    compiled.as_text.return_value = (
        "%a = f32[16,2]{1,0} all-gather(%x), dimensions={0}\n"
        "%b = (f32[3]{0}, s8[5]{0}) all-reduce(%y, %z), to_apply=%add\n"
        "%c = f32[100]{0} add(%a, %b)\n"
        "%d = (f32[7]{0}, f32[7]{0}) all-reduce-start(%c)\n"
        "%e = pred[] all-reduce-done(%d)"
    )
    assert devices.exchanged(compiled) == 16 * 2 * 4 + 3 * 4 + 5 + 1


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="devices is empty, give at least one"):
        devices.mesh([])
    with pytest.raises(ValueError, match="no process 2 of 2: count from 0 to 1"):
        devices.join("127.0.0.1:1", 2, 2)


def test_alone_nothing_is_broadcast():
    tree = {"x": jnp.arange(3), "n": 2}
    assert devices.from_first(tree) is tree
    assert devices.is_first()
    devices.wait_for_all("nobody")
