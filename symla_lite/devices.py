"""Many devices and many hosts: who lets which members live, and what crosses between them.

The pairs of a population are dealt out over all devices. Every device draws the noise of the whole
population from the same key, lets its own pairs live, and tells the others their fitness; the
gradient's estimate is then the same sum on all of them. So fitness is all that crosses: 8 bytes for
each pair and step, however large theta is (Salimans et al., 2017, exchange the seeds of the noise;
here it is one seed for all, which every device has from the start).
"""

import contextlib
import math
import os
import re
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from symla_lite import machine, stop
from symla_lite.checks import Count, Index, Name, Tree

PAIRS = "pairs"
"""The mesh's only axis."""


def mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """The devices that share a population.

    Args:
        devices: which; None takes all of all hosts.

    Raises:
        ValueError: there are none.
    """
    devices = jax.devices() if devices is None else list(devices)
    if not devices:
        raise ValueError("A population has to live somewhere: devices is empty, give at least one.")
    return Mesh(np.array(devices), (PAIRS,))


def one_for_each_core() -> None:
    """Makes a device of each core of the CPU, unless JAX has begun already.

    Each lets its own pairs live, with a cache of its own; in a long run that is faster than one
    device whose operations are cut up between threads (`make bench`). A short one compiles longer
    than it wins.
    """
    if "xla_force_host_platform_device_count" in os.environ.get("XLA_FLAGS", ""):
        return  # somebody has chosen
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", machine.cores())


def cores_each() -> int:
    """How many cores of a CPU compute for one device: they share the devices, unless XLA was set
    to use one thread. 0 where the devices are no CPUs."""
    if jax.default_backend() != "cpu":
        return 0
    if "--xla_cpu_multi_thread_eigen=false" in os.environ.get("XLA_FLAGS", ""):
        return 1
    return max(1, machine.cores() // jax.local_device_count())


def compiler_options() -> dict[str, int]:
    """Options of the compiler for programs that run for long.

    On a CPU: to compute on 512 bits at a time, where the processor can. LLVM's own habit is 256,
    because on older processors the clock slowed down.
    """
    return {"xla_cpu_prefer_vector_width": 512} if jax.default_backend() == "cpu" else {}


def share(whole: Tree) -> jax.Array:
    """The rows of a device's own pairs, inside `on_all`: [P, ...] -> [ceil(P / devices), ...].

    Where P cannot be dealt out evenly, the last devices begin again with the first rows; `gather`
    drops what they found.
    """
    own = -(-len(whole) // jax.lax.psum(1, PAIRS))
    return whole[(jax.lax.axis_index(PAIRS) * own + jnp.arange(own)) % len(whole)]


def gather(own: jax.Array, pairs: Count) -> jax.Array:
    """What all devices have found, inside `on_all`: [ceil(P / devices), ...] -> [P, ...]."""
    return jax.lax.all_gather(own, PAIRS, tiled=True)[:pairs]


def on_all(function: Callable, mesh: Mesh) -> Callable:
    """The same function of the same arguments on every device, in which `share` and `gather` may be
    called. All devices must return the same."""
    everywhere = PartitionSpec()
    return jax.shard_map(
        function, mesh=mesh, in_specs=everywhere, out_specs=everywhere, check_vma=False
    )


def to_all(tree, mesh: Mesh):
    """A tree of arrays, the same on every host, put on every device."""
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec()))


def join(
    coordinator: Name | None = None, processes: Count | None = None, process: Index | None = None
):
    """Makes this process one of several that work on the same program; call it before anything else
    is asked of JAX.

    Without arguments the cluster is asked (SLURM, MPI, TPU pods and Kubernetes are recognised).

    Args:
        coordinator: `address:port` of process 0.
        processes: how many there are.
        process: which this is, from 0.

    Raises:
        ValueError: no cluster was found, or the process's number is none.
    """
    if process is not None and not 0 <= process < (processes or 0):
        raise ValueError(
            f"There is no process {process} of {processes}: count from 0 to {processes - 1}."
        )
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except (ValueError, RuntimeError) as trouble:
        raise ValueError(
            f"This process could not join the others ({trouble}): give the coordinator's "
            "address:port, the number of processes and this one's number."
        ) from trouble
    stop.listen_again()  # JAX takes SIGTERM for itself, and goes on


def is_first() -> bool:
    """Whether this process is the one that writes files and shows progress."""
    return jax.process_index() == 0


def from_first(tree):
    """What the first process has, for all: a tree of arrays of the same shapes everywhere."""
    return multihost_utils.broadcast_one_to_all(tree) if jax.process_count() > 1 else tree


def wait_for_all(what: Name) -> None:
    """Goes on when all processes have come as far."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(what)


_COLLECTIVE = re.compile(
    r"= (.*?) (?:all-gather|all-reduce|all-to-all|reduce-scatter|collective-\w+)(?:-done)?\("
)
"""An operation of a compiled program that waits for other devices; its results stand before it.
One that was cut in two, so that work goes on meanwhile, has them at its end (`-done`)."""
_SHAPE = re.compile(r"[a-z]+(\d*)\[([\d,]*)\]")
"""A shape in a compiled program, such as f32[64,2]: bits and lengths. Truth values have no bits."""


def exchanged(compiled: jax.stages.Compiled) -> int:
    """The bytes that a device is sent by the others and itself in one call, read off the compiled
    program: the results of all its collective operations. A loop's body counts once.
    """
    return sum(
        int(bits or 8) // 8 * math.prod(int(length) for length in lengths.split(",") if length)
        for results in _COLLECTIVE.findall(compiled.as_text())
        for bits, lengths in _SHAPE.findall(results)
    )
