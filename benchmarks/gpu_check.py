"""python -m benchmarks.gpu_check: what an outer step will do on a GPU that is not here.

The outer step of every study, at the paper's size, is compiled ahead of time for an H100 and a T4.
That needs no driver, only XLA's compiler for CUDA (`make gpu-check` installs it), and its plan says
what a step in the environment costs there: kernels that are launched, and bytes that they read and
write. On a GPU these programs wait for memory, so bytes over the peak bandwidth bound an outer
step's time from below, as far as no cache helps.
"""

import argparse
import dataclasses
import math
import os
import re
import sys
import time
from collections.abc import Iterator

os.environ.setdefault("JAX_SKIP_CUDA_CONSTRAINTS_CHECK", "1")  # there is no driver to ask

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402
from jax.experimental import topologies  # noqa: E402
from jax.flatten_util import ravel_pytree  # noqa: E402
from jax.sharding import SingleDeviceSharding  # noqa: E402

from symla_lite import studies  # noqa: E402
from symla_lite.learner import Learner  # noqa: E402
from symla_lite.meta_training import Outer, needs, outer_step, pairs_at_once  # noqa: E402
from symla_lite.studies.study import Training  # noqa: E402
from symla_lite.symla import symla  # noqa: E402
from symla_lite.vsml import vsml  # noqa: E402

FORMS = ("fused", "fast", "textbook")


@dataclasses.dataclass(frozen=True)
class GPU:
    """A device as XLA's compiler wants it described, from the vendor's data sheets."""

    name: str
    capability: tuple[int, int]
    """Of compute, major and minor."""
    processors: int
    """Streaming multiprocessors."""
    lanes: int
    """Floating-point units of each."""
    threads: int
    """At most, in each."""
    shared: int
    """Bytes of shared memory in each."""
    shared_by_one: int
    """Bytes of it that one block may ask for."""
    cache: int
    """Bytes of the second-level cache."""
    memory: int
    """Bytes."""
    bandwidth: int
    """Of the memory at its peak, bytes a second."""
    clock: float
    """GHz."""

    @property
    def description(self) -> str:
        """The text form of XLA's `GpuTargetConfigProto`."""
        major, minor = self.capability
        return f"""
            gpu_device_info {{
              cuda_compute_capability {{ major: {major} minor: {minor} }}
              core_count: {self.processors} fpus_per_core: {self.lanes} threads_per_warp: 32
              threads_per_block_limit: 1024 threads_per_core_limit: {self.threads}
              block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
              registers_per_core_limit: 65536 registers_per_block_limit: 65536
              shared_memory_per_block: 49152 shared_memory_per_core: {self.shared}
              shared_memory_per_block_optin: {self.shared_by_one} l2_cache_size: {self.cache}
              memory_bandwidth: {self.bandwidth} device_memory_size: {self.memory}
              clock_rate_ghz: {self.clock}
            }}
            platform_name: "CUDA"
            dnn_version_info {{ major: 9 minor: 7 }}
            device_description_str: "{self.name}" """


GPUS = {
    "h100": GPU(
        name="NVIDIA H100 80GB HBM3",
        capability=(9, 0),
        processors=132,
        lanes=128,
        threads=2048,
        shared=233_472,
        shared_by_one=232_448,
        cache=50 * 2**20,
        memory=84_942_979_072,
        bandwidth=3_352_320_000_000,
        clock=1.98,
    ),
    "t4": GPU(
        name="Tesla T4",
        capability=(7, 5),
        processors=40,
        lanes=64,
        threads=1024,
        shared=65_536,
        shared_by_one=65_536,
        cache=4 * 2**20,
        memory=15_828_320_256,
        bandwidth=320_064_000_000,
        clock=1.59,
    ),
}


def largest(study: studies.Study) -> Training:
    """The training of message-passing cells that takes the most memory at the paper's size."""
    cells = [t for t in study.scale("paper").trainings if t.learner.name in ("symla", "vsml")]
    return max(cells, key=lambda t: needs(t.learner, t.environment, t.outer).one_pair)


def in_form(learner: Learner, form: str) -> Learner:
    """The same mathematics, computed in another form."""
    return {"symla": symla, "vsml": vsml}[learner.name](**learner.options, form=form)


def program(training: Training, form: str, memory: float, unroll: int, place) -> tuple:
    """An outer step as `meta_train` calls it, many times in one call, and its arguments' shapes.

    Args:
        training: whose.
        form: of the learner's cells.
        memory: GiB for the pairs evaluated at the same time.
        unroll: steps of a lifetime in one round of its loop.
        place: the arguments' sharding; None leaves it open.
    """
    learner, environment = in_form(training.learner, form), training.environment
    outer: Outer = training.outer
    theta, unravel = ravel_pytree(learner.init_theta(jax.random.key(0), environment.sizes))
    chunk = pairs_at_once(learner, environment, outer, memory)
    one_step = outer_step(learner, environment, outer, unravel, chunk, unroll=unroll)

    def several_steps(theta, optimiser, key_data, last):
        key = jax.random.wrap_key_data(key_data)

        def body(step, carry):
            return one_step(*carry, jax.random.fold_in(key, step))[:2]

        return jax.lax.fori_loop(0, last, body, (theta, optimiser))

    optimiser = optax.adam(outer.learning_rate).init(theta)
    given = theta, optimiser, jnp.zeros(2, jnp.uint32), jnp.int32(1)
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), given)
    return several_steps, shapes


def lowered(training: Training, form: str, memory: float = 8.0, unroll: int = 1, place=None):
    """The outer step, lowered for CUDA; this needs nothing of CUDA."""
    function, shapes = program(training, form, memory, unroll, place)
    return jax.jit(function).trace(*shapes).lower(lowering_platforms=("cuda",))


# What the compiled program says of a step

NOT_RUN = {
    *("parameter", "tuple", "get-tuple-element", "bitcast", "constant", "after-all"),
    *("partition-id", "replica-id"),
}
"""Operations that launch nothing and move nothing."""
BYTES = {"pred": 1, "s8": 1, "u8": 1, "bf16": 2, "f16": 2, "f64": 8, "s64": 8, "u64": 8}
"""Of types that have not 4."""
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\{$")
_OPERATION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*?)\s([a-z][\w\-]*)\((.*)$")
_SHAPE = re.compile(r"\b([a-z]+\d*|pred)\[([\d,]*)\]")


def computations(text: str) -> dict[str, list[tuple[str, str, str, str]]]:
    """A compiled program's computations: name, shape, kind and the rest of each operation."""
    found, current = {}, None
    for line in text.splitlines():
        if head := _COMPUTATION.match(line):
            current = found.setdefault(head[1], [])
        elif line.startswith("}"):
            current = None
        elif current is not None and (operation := _OPERATION.match(line)):
            current.append(operation.groups())
    return found


def loops(found: dict, length: int) -> Iterator[str]:
    """The bodies of loops that run so many times."""
    for operations in found.values():
        for _, _, kind, rest in operations:
            trips = re.search(r'known_trip_count":\{"n":"(\d+)"', rest)
            if kind == "while" and trips and int(trips[1]) == length:
                yield re.search(r"body=%?([\w.\-]+)", rest)[1]


def size(shape: str, length: int) -> int:
    """Bytes of a shape or a tuple of shapes. Of what is stacked over a lifetime's steps, one step:
    a kernel in the loop reads or writes no more of it."""
    total = 0
    for kind, dimensions in _SHAPE.findall(shape):
        lengths = [int(n) for n in dimensions.split(",") if n]
        if lengths[:1] == [length]:
            lengths = lengths[1:]
        total += math.prod(lengths) * BYTES.get(kind, 4)
    return total


def a_step(text: str, length: int, unroll: int = 1) -> tuple[float, float]:
    """Kernels that one step of a lifetime launches, and the bytes that they read and write, from a
    compiled program's text.

    Raises:
        ValueError: no loop over a lifetime's steps is in it.
    """
    found = computations(text)
    bodies = list(loops(found, length // unroll))
    if not bodies:
        raise ValueError(f"The program has no loop of {length // unroll} steps.")

    def run(body):
        operations = found[body]
        shapes = {name: shape for name, shape, _, _ in operations}
        kernels = moved = 0
        for _, shape, kind, rest in operations:
            if kind in NOT_RUN or kind.endswith("-done"):
                continue
            arguments = re.findall(r"%([\w.\-]+)", rest.split("), ")[0])
            if kind in ("call", "async-start", "while") and (
                inside := re.search(r"(?:to_apply|calls|body)=%?([\w.\-]+)", rest)
            ):
                more = run(inside[1])
                kernels, moved = kernels + more[0], moved + more[1]
                continue
            kernels += 1
            moved += size(shape, length)
            moved += sum(size(shapes.get(name, ""), length) for name in arguments)
        return kernels, moved

    kernels, moved = max((run(body) for body in bodies), key=lambda found: found[1])
    return kernels / unroll, moved / unroll


def check(
    training: Training, form: str, gpu: GPU, memory: float, unroll: int = 1
) -> dict[str, float]:
    """Compiles an outer step for a GPU, and reads its plan."""
    topology = topologies.get_topology_desc(
        platform="cuda", target_config=gpu.description, topology="1x1x1"
    )
    place = SingleDeviceSharding(topology.devices[0])
    began = time.monotonic()
    compiled = lowered(training, form, memory, unroll, place).compile()
    outer = training.outer
    kernels, moved = a_step(compiled.as_text(), outer.length, unroll)
    pairs = pairs_at_once(training.learner, training.environment, outer, memory)
    chunks = math.ceil(outer.es.pairs / pairs)
    return {
        "kernels": kernels,
        "MiB": moved / 2**20,
        "temporary GiB": compiled.memory_analysis().temp_size_in_bytes / 2**30,
        "ms": 1e3 * chunks * outer.length * moved / gpu.bandwidth,
        "compile s": time.monotonic() - began,
    }


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    top = argparse.ArgumentParser(prog="python -m benchmarks.gpu_check", description=__doc__)
    top.add_argument("--gpus", nargs="+", choices=GPUS, default=list(GPUS))
    top.add_argument("--studies", nargs="+", choices=studies.STUDIES, default=None)
    top.add_argument("--forms", nargs="+", choices=FORMS, default=FORMS)
    top.add_argument("--unroll", type=int, default=1, help="steps in one round of the loop")
    top.add_argument("--memory", type=float, default=8.0, help="GiB for the population")
    return top


def main() -> int:
    """Compiles, and prints the table row by row."""
    asked = parser().parse_args()
    print(f"jax {jax.__version__}; of one step in the environment, and of one outer step")
    print(
        f"{'study':20}{'training':18}{'GPU':6}{'form':10}{'kernels':>8}{'MiB':>8}"
        f"{'ms at peak':>12}{'temporary GiB':>15}{'compile s':>11}"
    )
    for name in asked.studies or studies.STUDIES:
        training = largest(studies.named(name))
        for gpu in asked.gpus:
            for form in asked.forms:
                row = check(training, form, GPUS[gpu], asked.memory, asked.unroll)
                print(
                    f"{name:20}{training.name:18}{gpu:6}{form:10}{row['kernels']:8.0f}"
                    f"{row['MiB']:8.0f}{row['ms']:12.1f}{row['temporary GiB']:15.2f}"
                    f"{row['compile s']:11.0f}",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
