"""Where a notebook runs: on which device, what a study costs there, and where its records are kept.

The first cell of each chapter calls `setup`. It is the one cell that a reader runs again when a
machine was taken away in the middle of a run.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import jax

from symla_lite import __version__, checkpoint, machine, studies
from symla_lite.checks import Count, NotNegative, Positive
from symla_lite.learner import Learner
from symla_lite.studies import Scale, Study, Training, results, workers
from symla_lite.studies.run import record_path

DRIVE = Path("/content/drive/MyDrive")
"""Where Colab has a mounted Google Drive."""

COMPILING = 15.0
"""Seconds that a training and its tests take before their first step."""

GOING_BACK = 9
"""What a step in the environment takes where the learner is differentiated, in steps of a
population's. The median of the records of policy gradients on hearts 2×2, on CPU cores."""


def setup(
    study: str | None = None, rerun: str | None = None, memory: Positive | None = None
) -> None:
    """Says where this notebook runs and, for a chapter about a study, what each scale costs here.

    Args:
        study: the study that the chapter is about.
        rerun: a scale to run it at, here and now, with progress bars; None runs nothing, and
            neither does a scale that only other studies have. What is recorded already is not run
            again, and a run that was cut off goes on.
        memory: GiB for the members that are evaluated at the same time, in each training; None
            takes 1 on a CPU and half of what an accelerator has.

    Raises:
        ValueError: an unknown study or scale; `memory` too small.
        FileTrouble: the records cannot be written, or are of another configuration.
        KeyboardInterrupt: the run was stopped; the same call goes on.
    """
    workers.refuse_import()
    if study is None and rerun is not None:
        raise ValueError(f"rerun={rerun!r} runs nothing here: name the study, too.")
    elsewhere = rerun is not None and of_another(study, rerun)
    if rerun is not None and not elsewhere:
        studies.named(study).scale(rerun)  # which says what there is, before anything begins
    kind = jax.devices()[0].device_kind
    print(f"symla_lite {__version__}, jax {jax.__version__}, {kind}")
    if takes_tf32(jax.devices()[0]):
        print(TF32)
    if study is None:
        return
    found = studies.named(study)
    print(cost_in_words(found))
    if elsewhere:
        print(f"{study} has no scale {rerun!r} ({', '.join(found.scales)}): nothing of it is run.")
    elif rerun is not None:
        out = folder()
        print(f"Records go to {out / study / rerun}." + advice(out))
        studies.run_study(found, rerun, out, jobs(), default_memory() if memory is None else memory)
        print(
            f"All of it is recorded. To draw a figure of this chapter from it, load\n"
            f"results.load(studies.named({study!r}), {rerun!r}, {str(out)!r})"
        )


def of_another(study: str, scale: str) -> bool:
    """Whether only other studies have a scale of that name. A chapter may be about two studies, of
    which one has a scale that the other lacks."""
    return scale not in studies.named(study).scales and any(
        scale in other.scales for other in studies.STUDIES.values()
    )


TF32 = (
    "Products of matrices are taken in TF32 here, with 10 bits behind the leading one and not 23. "
    "Single lifetimes of an agent then differ from those on a CPU, and their mean does not: a "
    "recorded one earned 48.354 on CartPole on an H100, 48.302 on a CPU, and the same in 55% of "
    '1,000 lifetimes. jax.config.update("jax_default_matmul_precision", "highest") turns it off.'
)
"""What a reader should know of a GPU's arithmetic."""


def takes_tf32(device: jax.Device) -> bool:
    """Whether a device is a GPU that multiplies matrices in TF32 unless it is set otherwise: of
    compute capability 8.0 or newer."""
    return device.platform == "gpu" and float(getattr(device, "compute_capability", 0)) >= 8


def default_memory() -> float:
    """GiB for the members that are evaluated at the same time: 1 on a CPU, which is enough there,
    and half of an accelerator's memory, where more at a time is faster."""
    stats = jax.devices()[0].memory_stats() if jax.default_backend() != "cpu" else None
    return stats["bytes_limit"] / 2**31 if stats else 1.0


def folder() -> Path:
    """Where runs are recorded: in a mounted Google Drive, which outlives the machine; in a clone of
    the repository, in its folder `runs`; elsewhere in `runs` of the present folder.
    """
    if DRIVE.is_dir():
        return DRIVE / "symla_lite"
    return (machine.ROOT if machine.is_clone() else Path.cwd()) / "runs"


def advice(out: Path) -> str:
    """What to do on Colab so that the records outlive the machine; nothing elsewhere."""
    if not DRIVE.parents[1].is_dir() or DRIVE in out.parents:
        return ""
    return " They are lost with this machine: mount your Drive first, by the button beside Files."


def jobs() -> int:
    """Trainings that run side by side: one for each CPU core granted, or one on an accelerator."""
    return machine.cores() if jax.default_backend() == "cpu" else 1


def inside(learner: Learner) -> str:
    """The name of a learner, or of the one that it wraps (`inputs`), which takes nearly all of its
    time."""
    return learner.name.partition(", ")[0]


def work(
    study: Study, sized: Scale, trainings: Sequence[Training] | None = None
) -> dict[str, float]:
    """Steps in the environment that a scale takes, or some of its trainings, all seeds together, by
    learner. Those with a derivative count `GOING_BACK` times."""
    total: dict[str, float] = {}
    for training in sized.trainings if trainings is None else trainings:
        outer = training.outer
        steps = outer.cost * outer.steps
        if outer.differentiates:
            steps *= GOING_BACK
        if training.tested:
            steps += len(study.tests(training)) * sized.test_lifetimes * sized.test_length
        name = inside(training.learner)
        total[name] = total.get(name, 0.0) + steps * len(sized.seeds)
    return total


def rates(study: Study, device: str) -> dict[str, float]:
    """Recorded steps in the environment a second, of one training at a time, by learner. Of a step
    of a curriculum that is not tested there need be no record.

    Args:
        study: whose records at the scale `standard` are read.
        device: only what was recorded on such a device counts.
    """
    sized = study.scale("standard")
    seconds: dict[str, float] = {}
    timed = []
    for training in sized.trainings:
        paths = [
            record_path(results.recorded(), study, "standard", training.name, seed)
            for seed in sized.seeds
        ]
        if not all(path.exists() for path in paths):
            if training.tested:
                return {}
            continue
        timed.append(training)
        for path in paths:
            about = checkpoint.load(path)[1]
            if not about["device"].startswith(device):
                return {}
            name = inside(training.learner)
            seconds[name] = seconds.get(name, 0.0) + sum(about["seconds"].values())
    return {name: steps / seconds[name] for name, steps in work(study, sized, timed).items()}


def costs(study: Study, device: str, at_once: Count) -> dict[str, float]:
    """Estimated seconds of each scale, from what was recorded; empty where nothing was.

    Args:
        study: which.
        device: the device's kind, as jax names it.
        at_once: trainings that run side by side.
    """
    per_second = rates(study, device)
    found = {}
    for name, sized in study.scales.items():
        steps = work(study, sized)
        if not per_second.keys() >= steps.keys():
            continue
        runs = len(sized.trainings) * len(sized.seeds)
        seconds = sum(n / per_second[learner] for learner, n in steps.items()) + runs * COMPILING
        found[name] = seconds / min(at_once, runs)
    return found


def cost_in_words(study: Study) -> str:
    """What each scale of a study costs on this device, or what is known instead."""
    kind = jax.devices()[0].device_kind
    here = costs(study, kind, jobs())
    if here:
        cores = jobs()
        where = f"{cores} CPU core{'s' * (cores > 1)}" if kind == "cpu" else kind
        return f"{study.name} on {where}, about: {listed(here)}."
    on_cpu = listed(costs(study, "cpu", 2))
    if not on_cpu:
        return f"{study.name} has no records yet to tell from what it costs."
    return (
        f"{study.name} has not been timed on {kind}. On 2 CPU cores, about: {on_cpu}. The progress "
        "bar tells after its first steps what it is here."
    )


def listed(seconds: dict[str, float]) -> str:
    """Scales and durations: `quick 40 s, standard 50 min`."""
    return ", ".join(f"{name} {duration(s)}" for name, s in seconds.items())


UNITS = (("s", 1, 90), ("min", 60, 90), ("h", 3600, 72), ("days", 86400, math.inf))
"""Of durations: name, seconds, and from how many of them on the next one is taken."""


def duration(seconds: NotNegative) -> str:
    """Seconds in a reader's words, rounded up to two digits: `40 s`, `50 min`, `12 h`, `9 days`."""
    unit, size = next((unit, size) for unit, size, most in UNITS if seconds < most * size)
    whole = math.ceil(seconds / size)
    place = 10 ** max(0, len(str(whole)) - 2)
    return f"{math.ceil(whole / place) * place:,} {unit}"
