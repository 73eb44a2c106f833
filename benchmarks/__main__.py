"""python -m benchmarks: times everything, shows a table, and keeps it with the machine's name."""

import argparse
import dataclasses
import functools
import itertools
import json
import math
import os
import platform
import sys
import time
from pathlib import Path

import jax

from symla_lite import checkpoint, devices

devices.one_for_each_core()  # before the next imports ask JAX for anything

from benchmarks import ladder, limits, timing  # noqa: E402
from benchmarks.assembled import assembled  # noqa: E402
from benchmarks.printed import printed  # noqa: E402
from benchmarks.settings import SETTINGS, Setting, at_papers_size, ours  # noqa: E402
from symla_lite.environments import linear_bandit  # noqa: E402
from symla_lite.studies import records  # noqa: E402

BASE = Setting(linear_bandit(4, 4), population=32, lifetimes=4, length=50)
"""What the scaling curves start from."""


def scaled() -> dict[str, list[tuple[int, Setting]]]:
    """The curves: what grows, and by how much."""

    def curve(change, values):
        return [(value, change(value)) for value in values]

    def with_(**change):
        return dataclasses.replace(BASE, **change)

    return {
        "population": curve(lambda P: with_(population=P), (32, 128, 512)),
        "lifetimes": curve(lambda n: with_(lifetimes=n), (4, 16, 64)),
        "A · B": [
            (A * B, with_(environment=linear_bandit(A, B))) for A, B in ((4, 4), (16, 4), (16, 16))
        ],
        "N": curve(lambda N: with_(hidden=N), (16, 32, 64)),
        "L": curve(lambda L: with_(length=L), (50, 200, 800)),
    }


def on_devices(number: int, setting: Setting):
    """This package's outer step on so many devices."""
    if number == 1:
        return ours(setting)
    return ours(setting, mesh=devices.mesh(jax.devices()[:number]))


def numbers_of_devices() -> list[int]:
    """1, 2, 4, ... and all that there are."""
    powers = [2**i for i in range(10) if 2**i < jax.device_count()]
    return [*powers, jax.device_count()]


def compare(setting: Setting, turns: int) -> dict:
    """One setting: this package's outer step on one device and on all, the printed method, the
    assembled one, and the limits, in turns."""
    contenders = {
        "ours": ours(setting),
        "printed": printed(setting),
        "assembled": assembled(setting),
    }
    if jax.device_count() > 1:
        contenders["ours, all devices"] = on_devices(jax.device_count(), setting)
    programs = {name: timing.ready(contender) for name, contender in contenders.items()}
    bounds = limits.limits(setting)
    calibrations = {name: timing.ready_limit(limit) for name, limit in bounds.items()}
    timing.take_turns(programs | calibrations, turns)

    best = min(
        (name for name in programs if name.startswith("ours")), key=lambda n: programs[n].median()
    )
    rates = {name: limit.work / calibrations[name].median() for name, limit in bounds.items()}
    needs = limits.needed(setting)
    least = {name: needs[name] / rates[name] for name in bounds}
    binds = max(least, key=least.get)
    return {
        "environment": setting.environment.name,
        **{field: getattr(setting, field) for field in ("population", "lifetimes", "length")},
        **{"hidden": setting.hidden, "cells": setting.cells},
        "contenders": {
            name: {
                "seconds": program.median(),
                "cpu seconds": sorted(program.cpu_seconds)[turns // 2],
                "environment steps/s": setting.steps / program.median(),
                "lifetimes/s": setting.all_lifetimes / program.median(),
                "compile seconds": program.compile_seconds,
                "bytes": program.memory,
                "times as long as ours": timing.ratio(program, programs[best]),
            }
            for name, program in programs.items()
        },
        "best of ours": best,
        "limits": {
            name: {
                "rate": rates[name],
                "unit": bounds[name].unit,
                "achieved": needs[name] / programs[best].median(),
                "share": least[name] / programs[best].median(),
            }
            for name in bounds
        },
        "binds": binds,
    }


def climb(turns: int) -> dict:
    """The ladder of versions, on the settings that the goals name."""
    found = {}
    for name in ("CartPole", "projected grid"):
        programs = {rung: timing.ready(make(SETTINGS[name])) for rung, make in ladder.RUNGS.items()}
        timing.take_turns(programs, turns)
        first = next(iter(programs.values()))
        found[name] = {
            rung: {
                "environment steps/s": SETTINGS[name].steps / program.median(),
                "times as fast as the first": timing.ratio(first, program),
            }
            for rung, program in programs.items()
        }
    return found


def grow(turns: int) -> dict:
    """The scaling curves: seconds of an outer step, and the exponent from each point to the next (1
    is linear, less is better)."""
    curves = scaled()
    base = {name: [(v, ours(s)) for v, s in points] for name, points in curves.items()}
    base["devices"] = [(n, on_devices(n, SETTINGS["CartPole"])) for n in numbers_of_devices()]
    found = {}
    for name, points in base.items():
        programs = {value: timing.ready(contender) for value, contender in points}
        timing.take_turns(programs, turns)
        seconds = {value: program.median() for value, program in programs.items()}
        exponents = [
            math.log(seconds[b] / seconds[a]) / math.log(b / a)
            for a, b in itertools.pairwise(seconds)
        ]
        found[name] = {
            "at": list(seconds),
            "seconds": list(seconds.values()),
            "exponents": exponents,
        }
    return found


def machine() -> str:
    """What the processor or accelerator is called."""
    kind = jax.devices()[0].device_kind
    if jax.default_backend() != "cpu":
        return kind
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or kind


def table(found: dict) -> str:
    """What was found, to be read."""
    lines = []
    head = (
        f"{'':16}{'steps/s':>11}{'lives/s':>9}{'s/step':>8}{'compile':>9}{'MiB':>7}{'ours is':>9}"
    )
    for name, setting in found["settings"].items():
        lines += [f"\n{name}: A · B = {setting['cells']}, N = {setting['hidden']}", head]
        for who, row in setting["contenders"].items():
            lines.append(
                f"{who:18}{row['environment steps/s']:>9,.0f}{row['lifetimes/s']:>9,.0f}"
                f"{row['seconds']:>8.3f}{row['compile seconds']:>8.1f}s{row['bytes'] / 2**20:>7.0f}"
                f"{row['times as long as ours']:>7.2f} ×"
            )
        for what, row in setting["limits"].items():
            binds = "  binds" if what == setting["binds"] else ""
            lines.append(
                f"  {what:12}{row['achieved']:>10.3g} of {row['rate']:<8.3g} {row['unit']}:"
                f" {row['share']:.0%}{binds}"
            )
    for name, rungs in found.get("ladder", {}).items():
        lines.append(f"\nThe ladder, {name}")
        for rung, row in rungs.items():
            lines.append(
                f"  {rung:44}{row['environment steps/s']:>9,.0f} steps/s"
                f"{row['times as fast as the first']:>7.2f} ×"
            )
    if "scaling" in found:
        lines.append("\nScaling: seconds, and the exponent to the next (1 is linear)")
        for name, curve in found["scaling"].items():
            steps = [f"{v}: {s:.3f} s" for v, s in zip(curve["at"], curve["seconds"])]
            powers = [f" -> {e:.2f} -> " for e in curve["exponents"]]
            row = itertools.chain.from_iterable(itertools.zip_longest(steps, powers, fillvalue=""))
            lines.append(f"  {name:12}{''.join(row)}")
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    top = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    top.add_argument("--turns", type=int, default=5, help="calls of each program; medians are kept")
    top.add_argument("--quick", action="store_true", help="CartPole alone, no ladder, no curves")
    top.add_argument("--paper", action="store_true", help="at the paper's size; no curves")
    top.add_argument(
        "--memory", type=float, default=8.0, help="GiB for the population, at that size"
    )
    top.add_argument("--kept", action="store_true", help="take programs compiled before")
    top.add_argument("--out", type=Path, default=Path("runs/benchmark"), help="the JSON's folder")
    return top


def main() -> int:
    """Times, shows and keeps."""
    arguments = parser().parse_args()
    turns = arguments.turns
    if turns < 1:
        print(f"error: --turns {turns} times nothing: give at least 1.", file=sys.stderr)
        return 2
    say = functools.partial(print, file=sys.stderr, flush=True)
    if not arguments.kept:  # a program that is read from a file would hide how long it compiles
        jax.config.update("jax_enable_compilation_cache", False)
    began, settings = time.monotonic(), {}
    for name in ["CartPole"] if arguments.quick else SETTINGS:
        say(f"{name} ...")
        setting = SETTINGS[name]
        if arguments.paper:
            setting = at_papers_size(setting, arguments.memory)
        settings[name] = compare(setting, turns)
    found = {"settings": settings}
    if not (arguments.quick or arguments.paper):
        say("the ladder ...")
        found["ladder"] = climb(turns)
        say("the scaling curves ...")
        found["scaling"] = grow(turns)
    found |= records.provenance() | {
        "machine": machine(),
        "turns": turns,
        "load": os.getloadavg()[0],
        "seconds": round(time.monotonic() - began),
    }
    print(table(found))
    name = "".join(c if c.isalnum() else "-" for c in machine().lower())
    name += "-paper" if arguments.paper else ""
    path = arguments.out / f"{name}.json"
    checkpoint.write(path, json.dumps(found, indent=1).encode() + b"\n")
    print(f"\nKept in {path} ({found['seconds']} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
