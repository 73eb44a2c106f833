"""Timing that holds on a busy machine: contenders take turns, and the medians are compared.

On a machine that others use too, two medians taken one after the other compare the neighbours. In
turns, a slow moment hits all contenders alike; so a ratio is the median of the ratios within turns.
"""

import dataclasses
import statistics
import time
from collections.abc import Mapping
from typing import Any

import jax

from benchmarks.limits import Limit
from benchmarks.settings import Contender, as_xla_comes
from symla_lite import devices


@dataclasses.dataclass
class Ready:
    """A compiled program and what it did so far."""

    call: Any
    compile_seconds: float
    """Tracing, lowering and compiling."""
    memory: int
    """Bytes: arguments, results and what is needed in between, as the compiler planned it."""
    seconds: list[float] = dataclasses.field(default_factory=list)
    """Wall time of each call."""
    cpu_seconds: list[float] = dataclasses.field(default_factory=list)
    """The process's time on all cores in each call: a second witness on a busy machine."""

    def time_once(self) -> None:
        """One more call."""
        wall, cpu = time.perf_counter(), time.process_time()
        jax.block_until_ready(self.call())
        self.seconds.append(time.perf_counter() - wall)
        self.cpu_seconds.append(time.process_time() - cpu)

    def median(self) -> float:
        """Seconds of a call."""
        return statistics.median(self.seconds)


def compiled(function, *arguments, options: Mapping[str, Any] | None = None) -> Ready:
    """Compiles a function and warms it up by one call with these arguments."""
    began = time.perf_counter()
    program = jax.jit(function, compiler_options=options).lower(*arguments).compile()
    seconds = time.perf_counter() - began
    plan = program.memory_analysis()
    memory = plan.temp_size_in_bytes + plan.argument_size_in_bytes + plan.output_size_in_bytes
    jax.block_until_ready(program(*arguments))
    return Ready(lambda: program(*arguments), seconds, memory)


def ready(contender: Contender) -> Ready:
    """One outer step of a contender. It is given the same state and key every time: what is timed
    is always the same work."""
    state = jax.jit(contender.start)(jax.random.key(0))
    return compiled(contender.step, state, jax.random.key(1), options=contender.options)


def ready_limit(limit: Limit) -> Ready:
    """One call of a limit's program, compiled as well as XLA can: what counts is the machine's
    limit, and not that of a program which was compiled quickly."""
    options = as_xla_comes() | devices.compiler_options()
    return compiled(limit.call, limit.x(), options=options)


def take_turns(programs: Mapping[str, Ready], turns: int) -> None:
    """Times all of them so many times."""
    for _ in range(turns):
        for program in programs.values():
            program.time_once()


def ratio(slow: Ready, fast: Ready) -> float:
    """How many times as long `slow` takes: the median over turns."""
    return statistics.median(s / f for s, f in zip(slow.seconds, fast.seconds))
