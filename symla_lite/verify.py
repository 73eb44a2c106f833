"""Whether what the book says still follows from what was recorded: `make verify`.

Every line and verdict of the reproduction card is computed again from `data/` and compared with
`data/verdicts.json`, and a sample of the recorded thetas is meta-tested again.
"""

import json
import math
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from symla_lite import __main__ as command_line
from symla_lite import checkpoint, studies
from symla_lite.checks import Index, Seed
from symla_lite.claims import (
    CLAIMS,
    EVERY_ONE_RULE_CLAIM,
    answer,
    asked_of,
    remembering,
)
from symla_lite.studies import records, results
from symla_lite.studies.criteria import checksums
from symla_lite.studies.run import record_path, run_test

KEPT = "verdicts.json"
"""The file in `data/` that holds the verdicts which the book's text was written for."""

ERRORS = 4.0
"""Standard errors by which a theta that is tested again may differ: on another machine, rounding
turns single actions, and the same tasks are then met by other lives."""

LAST_DIGIT = 1.5e-4
"""How far two numbers are apart that differ by one in their last printed digit, relative to them
where they are larger than 1."""


def verdicts(out: Path | None = None) -> dict[str, Any]:
    """Every claim with its verdict and lines, and the criteria, in plain types.

    Args:
        out: the folder of all records; None takes those that come with the package.

    Raises:
        FileTrouble: a record is missing or damaged.
    """
    found: dict[str, Any] = {"criteria": checksums()}
    load = remembering()
    for claim in (*CLAIMS, *EVERY_ONE_RULE_CLAIM):
        runs = asked_of(claim, out, load)
        lines = {
            finding.what: [*(round(x, 4) for x in finding.found), finding.must, finding.holds]
            for finding in claim.findings(*runs)
        }
        found[f"{claim.study}: {claim.says}"] = {"verdict": str(answer(claim, *runs))} | lines
    return found


def differences(kept: Any, found: Any, where: str = "") -> Iterator[str]:
    """A sentence for each place where two trees of plain types differ; numbers may do so by one in
    their last printed digit. NaN is the same as NaN, and an infinity as that infinity alone."""
    if isinstance(kept, dict) and isinstance(found, dict):
        for key in kept.keys() | found.keys():
            yield from differences(kept.get(key), found.get(key), f"{where} / {key}".strip(" /"))
    elif isinstance(kept, list) and isinstance(found, list) and len(kept) == len(found):
        for one, other in zip(kept, found):
            yield from differences(one, other, where)
    elif isinstance(kept, float) and isinstance(found, float):
        alike = math.isclose(kept, found, rel_tol=LAST_DIGIT, abs_tol=LAST_DIGIT)
        if not (alike or math.isnan(kept) and math.isnan(found)):
            yield f"{where}: {kept} was kept, {found} follows from the records."
    elif kept != found:
        yield f"{where}: {kept!r} was kept, {found!r} follows from the records."


def recorded(out: Path) -> list[tuple[str, str, str, int]]:
    """Study, scale, training and seed of every record whose theta was tested."""
    return [
        (study.name, scale, training.name, seed)
        for study in studies.STUDIES.values()
        for scale, sized in study.scales.items()
        for training in sized.trainings
        if training.tested
        for seed in sized.seeds
        if record_path(out, study, scale, training.name, seed).exists()
    ]


def retest(out: Path, study: str, scale: str, training: str, seed: Seed, which: Index) -> str:
    """Meta-tests one recorded theta again, on the test number `which` of its study.

    Returns:
        A sentence if the mean measure differs by more than `ERRORS` standard errors, else "".
    """
    declared = studies.named(study)
    sized = declared.scale(scale)
    arrays, _ = records.read(record_path(out, declared, scale, training, seed))
    tests = [
        test for test in declared.tests(sized.training(training)) if f"{test.name}/blocks" in arrays
    ]
    test = tests[which % len(tests)]
    theta = records.theta_of(arrays, sized.training(training))
    again = run_test(declared, sized, test, theta)[f"{test.name}/blocks"].sum(-1)
    before = arrays[f"{test.name}/blocks"].sum(-1)
    error = np.hypot(again.std(), before.std()) / np.sqrt(len(before))
    if abs(again.mean() - before.mean()) <= ERRORS * error + 1e-6:
        return ""
    return (
        f"{study}, {scale}, {training}-{seed} on {test.name}: {before.mean():.4f} was recorded, "
        f"{again.mean():.4f} came out again (standard error {error:.4f})."
    )


def main(arguments: list[str] | None = None) -> int:
    """Prints what differs; the exit status, 1 if anything does.

    Raises:
        FileTrouble: a record of the sample is damaged, or the verdicts cannot be written; what was
            kept is untouched.
    """
    path, whole = command_line.path, command_line.whole
    parser = command_line.Parser(prog="python -m symla_lite.verify", description=__doc__)
    parser.add_argument("--data", type=path, default=results.recorded(), help="the records")
    parser.add_argument("--sample", type=whole, default=6, help="thetas to test again")
    parser.add_argument("--seed", type=whole, default=0, help="decides which")
    parser.add_argument("--write", action="store_true", help="keep the verdicts as they are now")
    given = parser.parse_args(arguments)
    if given.sample < 0:
        parser.error(f"--sample {given.sample}: give 0 or more")
    kept = given.data / KEPT
    if not kept.is_file():
        parser.error(f"--data {given.data} holds no {KEPT}: give the folder of the records")
    try:
        before = json.loads(kept.read_text(encoding="utf-8"))
    except ValueError as trouble:
        parser.error(f"{kept} is damaged ({trouble}): take it from the repository again")
    try:
        found = verdicts(given.data)
    except checkpoint.FileTrouble as trouble:
        parser.error(str(trouble))
    if given.write:
        command_line.check_writable(kept)
        before = found
    wrong = sorted(differences(before, found))
    for claim, lines in found.items():
        if claim != "criteria":
            print(f"{lines['verdict']:32} {claim}")
    rng = random.Random(given.seed)
    all_of_them = recorded(given.data)
    for which in rng.sample(all_of_them, min(given.sample, len(all_of_them))):
        began = time.monotonic()
        trouble = retest(given.data, *which, rng.randrange(1000))
        name = "{}, {}, {}-{}".format(*which)
        took = f"{time.monotonic() - began:.0f} s"
        print(f"{'differs' if trouble else 'as recorded':32} {name} ({took})")
        wrong += [trouble] if trouble else []
    for trouble in wrong:
        print(trouble)
    if given.write:  # after all that may be interrupted, since a stop says that nothing was saved
        text = json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True)
        checkpoint.write(kept, (text + "\n").encode())
    if not wrong:
        print(f"Nothing differs from {kept}.")
    return 1 if wrong else 0


def command() -> int:
    """The command line; the exit status: that of `main`, or of `__main__.answer` where it did not
    come to its end."""
    command_line.print_anything()
    ended = []
    return command_line.answer(lambda: ended.append(main())) or ended[0]


if __name__ == "__main__":
    sys.exit(command())
