"""The machine that a process runs on: its cores, and where programs compiled for it are kept.

This module is imported before JAX, which reads its settings once, and imports nothing of it.
"""

import hashlib
import os
import platform
import sys
from importlib import metadata, util
from pathlib import Path

ROOT = Path(__file__).parents[1]
"""The clone of the repository, where this is one."""

KEPT = ROOT / "_build" / "compiled"
"""In a clone: the folder of the compiled programs, one folder in it for each kind of machine."""


def is_clone() -> bool:
    """Whether the package stands in a clone of the repository, and not in an environment."""
    return (ROOT / "pyproject.toml").exists()


def cores() -> int:
    """CPU cores that this process is granted, which may be fewer than there are (`taskset`, a
    container's or a cluster's share)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def fingerprint() -> str:
    """A short hash of all that a program for the CPU is compiled for: the versions of JAX and of
    its compiler, the processor's model and features, and the cores that it shares its work among.
    """
    parts = [metadata.version("jax"), metadata.version("jaxlib"), str(cores())]
    parts += [platform.system(), platform.machine(), platform.processor()]
    try:
        about = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        parts += [line for line in about if line.startswith(("model name", "flags", "Features"))]
    except OSError:
        pass  # not on Linux
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


QUICKLY = {
    "--xla_backend_optimization_level": "1",
    "--xla_cpu_use_fusion_emitters": "false",
}
"""XLA's flags that compile a program for the CPU in a third of the time, which runs as fast: LLVM's
first level of optimisation instead of its third, after XLA's older way of writing loops."""


def compile_quickly() -> None:
    """In a clone of the repository, asks XLA to compile quickly for the CPU: most of what short
    runs take is its compiler's. Elsewhere it would speak for programs that are not this package's,
    such as TensorFlow's, whose XLA may not know these flags and then ends the process.

    Measured on two cores of an EPYC by `make bench-before`: outer steps compile in 2.0 to 4.1 s
    instead of 4.4 to 10.0, and run 0.94 to 1.06 times as fast. The first level alone makes them
    slower by a sixth to a quarter, so jaxlib from 0.11 on, which has lost the older way, is left as
    it is. So is JAX with CUDA, which would compile a GPU's programs at that level, too.

    Flags that `XLA_FLAGS` names already are not touched. Nothing is done where JAX has been
    imported already.
    """
    jaxlib = tuple(int(part) for part in metadata.version("jaxlib").split(".")[:2])
    cuda = any(util.find_spec(f"jax_cuda{version}_plugin") for version in (12, 13))
    if "jax" in sys.modules or not is_clone() or jaxlib >= (0, 11) or cuda:
        return
    chosen = os.environ.get("XLA_FLAGS", "").split()
    named = {flag.partition("=")[0] for flag in chosen}
    more = [f"{flag}={value}" for flag, value in QUICKLY.items() if flag not in named]
    os.environ["XLA_FLAGS"] = " ".join([*chosen, *more])


def keep_compiled() -> None:
    """In a clone of the repository, keeps what XLA compiles in `_build/compiled`, for tests,
    chapters and the command line alike: compiling is most of what short runs take.

    JAX finds a program there by its text, its shapes, its compiler options, `XLA_FLAGS`, the
    devices and the compiler's version, so a change of any of them compiles it anew and nothing is
    ever out of date. A program for a CPU holds that CPU's own instructions, which JAX does not
    look at; hence a folder for each `fingerprint`. A program that is kept computes the same bits
    as on the day it was compiled. `make clean` removes all of them.

    Nothing is kept where `JAX_COMPILATION_CACHE_DIR` names another folder (JAX then uses that) or
    where JAX has been imported already. `JAX_ENABLE_COMPILATION_CACHE=false` turns it off.
    """
    chosen = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if "jax" in sys.modules or not is_clone():
        return
    if chosen is not None and Path(chosen).parent != KEPT:
        return
    folder = KEPT / fingerprint()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # a clone that cannot be written to
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)  # also for processes that this one starts
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    # XLA takes a preference for a feature of the processor, and warns of two of them whenever it
    # loads a program, on the very machine that compiled it (openxla/xla#44565, jax-ml/jax#38445).
    # There is no way to silence that alone.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
