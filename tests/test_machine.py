"""Cores are those that are granted, and what was compiled for them is found again."""

import os
import shutil
import subprocess
import sys

import pytest

from symla_lite import machine

PINNED = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="cores are not granted one by one here"
)


def run(code, folder=None, pinned=False, **environment):
    """What a new process prints; it sees none of this one's compiled programs."""
    inherited = {
        name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"
    }
    core = {min(os.sched_getaffinity(0))} if pinned else None
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=folder,
        env=inherited | environment,
        preexec_fn=(lambda: os.sched_setaffinity(0, core)) if pinned else None,  # as taskset does
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.slow
@PINNED
def test_with_one_core_granted_one_job_runs_on_one_device():
    code = (
        "from symla_lite import devices, machine, notebook; "
        "from symla_lite.studies import records; "
        "devices.one_for_each_core(); import jax; "
        "print(machine.cores(), notebook.jobs(), devices.cores_each(), jax.local_device_count())"
    )
    assert run(code, pinned=True) == ["1"] * 4


@PINNED
def test_cores_that_are_granted_are_counted():
    assert run("from symla_lite import machine; print(machine.cores())") == [
        str(len(os.sched_getaffinity(0)))
    ]


@pytest.fixture
def before_jax(monkeypatch):
    """`(jaxlib's version, installed packages, XLA_FLAGS) -> XLA_FLAGS` after `compile_quickly`."""

    def flags(version="0.10.1", installed=(), chosen=""):
        monkeypatch.delitem(sys.modules, "jax", raising=False)
        monkeypatch.setattr(machine.metadata, "version", {"jaxlib": version}.__getitem__)
        monkeypatch.setattr(machine.util, "find_spec", lambda name: name in installed or None)
        monkeypatch.setenv("XLA_FLAGS", chosen)
        machine.compile_quickly()
        return os.environ["XLA_FLAGS"].split()

    return flags


def test_xla_compiles_quickly_for_a_cpu_where_it_can(before_jax):
    quickly = ["--xla_backend_optimization_level=1", "--xla_cpu_use_fusion_emitters=false"]
    assert before_jax() == quickly
    assert before_jax("0.7.2") == quickly
    assert before_jax("0.11.2") == []
    assert before_jax(installed=["jax_cuda12_plugin"]) == []
    assert before_jax(chosen="--xla_cpu_use_fusion_emitters=true --other") == [
        "--xla_cpu_use_fusion_emitters=true",
        "--other",
        "--xla_backend_optimization_level=1",
    ]


def test_xla_is_left_alone_where_jax_has_been_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", pytest)
    monkeypatch.setenv("XLA_FLAGS", "")
    machine.compile_quickly()
    assert os.environ["XLA_FLAGS"] == ""


def test_xla_is_left_alone_outside_a_clone(before_jax, monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "ROOT", tmp_path)
    assert before_jax() == []


TRAINED = """
import symla_lite, jax, hashlib
asked = []
jax.monitoring.register_event_listener(lambda name, **_: asked.append(name.split("/")[-1]))
from symla_lite.environments import BANDITS
from symla_lite.evolution import ES
from symla_lite.meta_training import Outer, meta_train
from symla_lite.metarnn import metarnn
outer = Outer(ES(4, 0.1), learning_rate=0.05, steps=3, length=5, lifetimes=1)
trained = meta_train(metarnn(hidden=2), BANDITS["easy"], outer, seed=0, progress=False)
bits = b"".join(x.tobytes() for x in jax.device_get(jax.tree.leaves(trained.theta)))
print(hashlib.sha256(bits).hexdigest(), asked.count("cache_hits"), asked.count("cache_misses"))
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The package in a clone of its own, where nothing is kept yet."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(machine.ROOT / "symla_lite", folder / "symla_lite")
    shutil.copy(machine.ROOT / "pyproject.toml", folder)
    return folder


@pytest.mark.slow
def test_a_second_process_compiles_nothing_and_computes_the_same_bits(clone):
    alone, hits, misses = run(TRAINED, clone, JAX_ENABLE_COMPILATION_CACHE="false")
    assert (hits, misses) == ("0", "0")
    assert not list(clone.glob("_build/compiled/*/*"))
    first, hits, misses = run(TRAINED, clone)
    assert int(hits) < int(misses) and int(misses) > 5
    programs = {path.name for path in clone.glob("_build/compiled/*/*-cache")}
    second, hits, new = run(TRAINED, clone)
    assert new == "0" and int(hits) >= int(misses)
    assert {path.name for path in clone.glob("_build/compiled/*/*-cache")} == programs
    assert alone == first == second


def test_programs_for_other_cores_or_another_processor_are_kept_apart(monkeypatch):
    here = machine.fingerprint()
    assert here == machine.fingerprint()
    monkeypatch.setattr(machine, "cores", lambda: 64)
    other = machine.fingerprint()
    monkeypatch.setattr(machine.platform, "machine", lambda: "aarch64")
    assert len({here, other, machine.fingerprint()}) == 3


WHERE = "import symla_lite, os; print(os.environ.get('JAX_COMPILATION_CACHE_DIR'))"


@pytest.mark.slow
def test_another_folder_that_was_chosen_is_left(clone):
    assert run(WHERE, clone, JAX_COMPILATION_CACHE_DIR="/elsewhere") == ["/elsewhere"]
    (folder,) = run(WHERE, clone)
    assert folder.startswith(str(clone / "_build" / "compiled"))
    assert run(f"import jax; {WHERE}", clone) == ["None"], "JAX has read its settings"
