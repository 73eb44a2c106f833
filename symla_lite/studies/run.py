"""Running a study: every training with every seed, its tests, and the references."""

import concurrent.futures
import contextlib
import functools
import glob
import itertools
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from tqdm.auto import tqdm

from symla_lite import checkpoint, devices, stop
from symla_lite.checks import Count, Index, Positive, Seed
from symla_lite.learner import Theta
from symla_lite.meta_testing import meta_test
from symla_lite.meta_training import (
    MetaTrained,
    curve_names,
    describe,
    initial_progress,
    meta_train,
    origin,
    progress_in,
)
from symla_lite.studies import records, workers
from symla_lite.studies.study import Scale, Study, Test, Training

TEST_SEED = 2**31 - 1
"""Of all meta-tests: all learners meet the same tasks, which no meta-training seed draws."""


def folder(out: Path, study: Study, scale: str) -> Path:
    """Where a study's records of one scale stand."""
    return Path(out) / study.name / scale


def record_path(out: Path, study: Study, scale: str, training: str, seed: Seed) -> Path:
    """The record of one training with one seed."""
    return folder(out, study, scale) / f"{training}-{seed}.safetensors"


def run_training(
    study: Study,
    scale: str,
    name: str,
    seed: Seed,
    out: Path,
    position: Index | None = None,
    memory: Positive = 1.0,
) -> Path:
    """Meta-trains and meta-tests once, and records it. A run that was killed is gone on with; one
    that is recorded is left as it is, and tests that its study was given later are recorded in a
    file beside it.

    Where several processes work together, they share the meta-training, the first one tests and
    records, and all of them must see the same folder.

    Args:
        study: the study.
        scale: the name of its scale.
        name: the name of the training.
        seed: its seed.
        out: the folder of all records.
        position: the line of the progress bar; None shows none.
        memory: GiB for the members that live at the same time, as in `meta_train`.

    Returns:
        The record's file.

    Raises:
        ValueError: an unknown scale or training; `memory` too small.
        FileTrouble: the record is of another configuration or has wrong contents, or it cannot be
            written; the training that it starts from is not recorded.
        FloatingPointError: the training comes to numbers that are not finite, as in `meta_train`.
    """
    sized = study.scale(scale)
    training = sized.training(name)
    path = record_path(out, study, scale, name, seed)
    start = started_from(study, scale, training, seed, out)
    wanted = describe(training.learner, training.environment, training.outer, seed)
    wanted |= {"start": origin(start)}
    if is_recorded(path, {"training": wanted} | sized.testing, study, sized, training):
        if devices.is_first() and training.tested:
            test_further(study, scale, path, training)
        return path

    unfinished = path.with_suffix(".checkpoint")
    if elsewhere := trained_elsewhere(path, training, wanted, out):
        trained, by = elsewhere
        more = {"meta_trained": by}
    else:
        trained = meta_train(
            training.learner,
            training.environment,
            training.outer,
            seed,
            unfinished,
            start=start,
            progress=position is not None,
            label=f"{name}-{seed}",
            position=position,
            memory=memory,
        )
        more = {}
    if devices.is_first():
        test_and_record(study, scale, training, trained, path, more)
        unfinished.unlink(missing_ok=True)
    devices.wait_for_all(path.stem)
    return path


def test_and_record(
    study: Study,
    scale: str,
    training: Training,
    trained: MetaTrained,
    path: Path,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Meta-tests what was meta-trained, and writes the record, with `more` to be known about it.
    Raises `FileTrouble` if that cannot be written.
    """
    began = time.monotonic()
    arrays = records.flatten(trained.theta, "theta/")
    arrays |= {f"curve/{name}": column for name, column in trained.curve.items()}
    for test in study.tests(training) if training.tested else ():
        arrays |= run_test(study, study.scale(scale), test, trained.theta)
    seconds = {"training": trained.seconds, "testing": time.monotonic() - began}
    about = records.about(study, scale, seconds) | {"training": trained.about}
    checkpoint.save(path, arrays, about | (more or {}))


def record_checkpoint(
    study: Study,
    scale: str,
    name: str,
    seed: Seed,
    made: Path,
    by: Mapping[str, Any],
    out: Path,
) -> Path:
    """Meta-tests here, and records, a theta that was meta-trained on another machine.

    Args:
        study: the study.
        scale: the name of its scale.
        name: the name of the training.
        seed: its seed.
        made: the checkpoint that `meta_train` left, finished or not.
        by: the provenance of the meta-training (`records.provenance` on that machine); it is
            recorded as `meta_trained`, beside that of the tests.
        out: the folder of all records.

    Returns:
        The record's file; one that is there already is left as it is.

    Raises:
        ValueError: an unknown scale or training.
        FileTrouble: the checkpoint is damaged, or of another configuration than was declared; the
            record cannot be written.
    """
    training = study.scale(scale).training(name)
    path = record_path(out, study, scale, name, seed)
    arrays, about = checkpoint.load(made)
    declared = describe(training.learner, training.environment, training.outer, seed)
    kept = {key: about.get(key) for key in declared}
    if kept != declared:
        raise checkpoint.FileTrouble(
            f"{made} differs from what {study.name} declares as {name} in "
            f"{checkpoint.differences(kept, declared)}: give the checkpoint of that training, or "
            "declare another."
        )
    if is_recorded(path, {"training": about}, study, study.scale(scale), training):
        return path
    drawn = training.learner.init_theta(jax.random.key(0), training.environment.sizes)
    theta, unravel = ravel_pytree(drawn)
    begin = initial_progress(training.environment, training.outer, theta)
    found, seconds = progress_in(made, arrays, training.outer.steps, begin)
    curve = dict(zip(curve_names(training.environment), found.curve.T, strict=True))
    trained = MetaTrained(unravel(found.theta), curve, about, seconds)
    test_and_record(study, scale, training, trained, path, {"meta_trained": dict(by)})
    return path


def test_further(study: Study, scale: str, path: Path, training: Training | None = None) -> None:
    """Records, in one more file beside a record, the tests that it lacks.

    Args:
        study: the study.
        scale: the name of its scale.
        path: the record.
        training: whose; None for the references.

    Raises:
        FileTrouble: the record is damaged, or the file cannot be written.
    """
    arrays, about = records.read(path)
    tests = study.references if training is None else study.tests(training)
    lacking = [test for test in tests if f"{test.name}/blocks" not in arrays]
    if not lacking:
        return
    began = time.monotonic()
    found = {}
    for test in lacking:
        theta = theta_for(test) if training is None else records.theta_of(arrays, training)
        found |= run_test(study, study.scale(scale), test, theta)
    seconds = {"testing": time.monotonic() - began}
    beside = (path.with_suffix(f".{number}{path.suffix}") for number in itertools.count(2))
    checkpoint.save(
        next(file for file in beside if not os.path.lexists(file)),
        found,
        records.about(study, scale, seconds) | {"record": path.stem},
    )


def theta_for(test: Test) -> Theta:
    """The theta of a learner that needs no training."""
    return test.learner.init_theta(jax.random.key(0), test.environment.sizes)


def trained_elsewhere(
    path: Path, training: Training, wanted: Mapping[str, Any], out: Path
) -> tuple[MetaTrained, dict[str, Any]] | None:
    """What another study's or scale's record has of the very same meta-training: two of them may
    begin with the same steps of a curriculum. None where there is no such record.

    Args:
        path: the record that is to be made.
        training: whose.
        wanted: what has to be recorded there as meta-trained.
        out: the folder of all records.

    Returns:
        What was meta-trained, and the provenance of that, as `record_checkpoint` takes it.

    Raises:
        FileTrouble: such a record has wrong contents, or does not say how it was made.
    """
    for other in sorted(Path(out).glob(f"*/*/{glob.escape(path.name)}")):
        arrays, about = checkpoint.load(other)
        if about.get("training") == wanted:
            of_training = {
                name: x for name, x in arrays.items() if name.startswith(("theta/", "curve/"))
            }
            checkpoint.check(other, of_training, *records.shapes_of_training(training))
            records.check_curve(other, of_training, training)
            curve = {
                name: arrays[f"curve/{name}"]
                for name in curve_names(training.environment)
                if f"curve/{name}" in arrays
            }
            theta = records.theta_of(arrays, training)
            spent = checkpoint.at(about, "seconds", "training")
            if not isinstance(spent, float):
                raise checkpoint.wrong(other, "no 'seconds' in what it says of itself")
            return MetaTrained(theta, curve, wanted, spent), records.meta_trained(other, about)
    return None


def started_from(
    study: Study, scale: str, training: Training, seed: Seed, out: Path
) -> Theta | None:
    """The theta that a training starts from; None where it is drawn. Raises `FileTrouble` if it is
    not recorded.
    """
    if training.start is None:
        return None
    path = record_path(out, study, scale, training.start, seed)
    if not path.exists():
        raise checkpoint.FileTrouble(
            f"{training.name} starts from {path}, which is not recorded: run the whole study."
        )
    sized = study.scale(scale)
    before = sized.training(training.start)
    arrays, _ = checkpoint.load(path)
    records.check(path, arrays, study, sized, before, tested=False)
    return records.theta_of(arrays, before)


def is_recorded(
    path: Path,
    wanted: Mapping[str, Any],
    study: Study,
    sized: Scale,
    training: Training | None = None,
) -> bool:
    """Whether there is a record, of what is wanted; of the references where no training is given.
    Raises `FileTrouble` if it is of another configuration, or has wrong contents.
    """
    if not os.path.exists(path):
        return False
    arrays, about = checkpoint.load(path)
    kept = {name: about.get(name) for name in wanted}
    if kept != wanted:
        raise checkpoint.FileTrouble(
            f"{path} records another configuration "
            f"(it differs in {checkpoint.differences(kept, wanted)}). It was left as it is; move "
            "it away or give another folder with --out."
        )
    records.check(path, arrays, study, sized, training, tested=False)
    return True


def run_test(study: Study, scale: Scale, test: Test, theta: Theta) -> dict[str, np.ndarray]:
    """Meta-tests once; the arrays of `records.summarise` under the test's name."""
    measures = meta_test(
        test.learner,
        theta,
        test.environment,
        scale.test_length,
        scale.test_lifetimes,
        TEST_SEED,
        study.measure,
    )
    return {f"{test.name}/{name}": x for name, x in records.summarise(measures).items()}


def run_curriculum(
    study: Study, scale: str, names: Sequence[str], seed: Seed, out: Path, memory: Positive
) -> list[Path]:
    """Trainings that start from one another, in their order, with one seed; their records."""
    return [run_training(study, scale, name, seed, out, memory=memory) for name in names]


def run_references(study: Study, scale: str, out: Path) -> Path:
    """Tests the learners that need no training, and records them together.

    Returns:
        The record's file.
    """
    sized = study.scale(scale)
    path = folder(out, study, scale) / "references.safetensors"
    if is_recorded(path, sized.testing, study, sized):
        test_further(study, scale, path)
        return path
    began = time.monotonic()
    arrays = {}
    for test in study.references:
        arrays |= run_test(study, sized, test, theta_for(test))
    seconds = {"testing": time.monotonic() - began}
    checkpoint.save(path, arrays, records.about(study, scale, seconds))
    return path


@stop.listening()
def run_study(
    study: Study, scale: str, out: Path, jobs: Count = 1, memory: Positive = 1.0
) -> list[Path]:
    """Runs all of a study that is not recorded yet.

    Args:
        study: which.
        scale: the name of its scale.
        out: the folder of all records.
        jobs: trainings that run side by side, each in a process of its own with one thread (the
            steps of a lifetime are too short for a second thread to help). On a GPU take 1.
        memory: GiB that each of them may take, as in `meta_train`.

    Returns:
        The records' files, references last.

    Raises:
        ValueError: an unknown scale, jobs below 1, several where processes work together, or
            `memory` too small.
        FileTrouble: a record cannot be written, is damaged or of another configuration.
        FloatingPointError: a training comes to numbers that are not finite, as in `meta_train`.
        WorkerLost: one of the processes ended by itself.
        KeyboardInterrupt: it was stopped. All processes have ended, and the same call goes on.
    """
    if jobs > 1 and jax.process_count() > 1:
        raise ValueError(f"Processes that work together share every training: jobs={jobs}, give 1.")
    sized = study.scale(scale)
    runs = [(training.name, seed) for seed in sized.seeds for training in sized.trainings]
    paths = []
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(
            tqdm(
                total=len(runs) + 1,
                desc=f"{study.name}, {scale}",
                unit="run",
                disable=not devices.is_first(),
            )
        )
        if jobs == 1:
            done = (run_training(study, scale, *run, out, 1, memory) for run in runs)
            references = functools.partial(run_references, study, scale, out)
        else:
            stack.enter_context(one_thread())
            pool = stack.enter_context(workers.pool(jobs))
            submit = functools.partial(pool.submit, workers.at_work)
            futures = [
                submit(run_curriculum, study, scale, names, seed, out, memory)
                for seed in sized.seeds
                for names in sized.curricula
            ]
            references = submit(run_references, study, scale, out).result
            finished = concurrent.futures.as_completed(futures)
            done = (path for future in finished for path in future.result())
        for path in done:
            paths.append(path)
            bar.set_postfix_str(path.stem)
            bar.update()
        if devices.is_first():
            paths.append(references())
        devices.wait_for_all("references")
        bar.update()
    return paths


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Processes that begin in here compute with one thread each."""
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    before = os.environ.get("XLA_FLAGS")
    os.environ["XLA_FLAGS"] = f"{before or ''} {flags}".strip()
    try:
        yield
    finally:
        if before is None:
            del os.environ["XLA_FLAGS"]
        else:
            os.environ["XLA_FLAGS"] = before
