"""Measures what Assignment 5 states: the score of its reference solution, over seeds.

    python coursework/measure.py        writes challenge.json; about ten minutes on an idle core

The reference is judged as a student is, by medians of five trainings: the wide bar lies above 99.9%
of the medians that the measured seeds allow, and the tight one above 99% of them. Chapter 6's
numbers are measured beside it, and three ways to spend the budget.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import build  # noqa: E402
import challenge  # noqa: E402

FILE = HERE / "challenge.json"
SEEDS, BUDGET = 30, 4800
WORLDS = ["swapped", "3", "5", "8"]
REFERENCE = {"pairs": 24, "sigma": 0.2, "alpha": 0.1}
CHAPTER = {"pairs": 32, "sigma": 0.1, "alpha": 0.05}
WAYS = (2, 24, 300)
"""Pairs, of the three ways to spend the budget."""
STATED = ("bar", "tight", "worst", "median", "best", "chapter", "table")


def trainer(settings: dict):
    """`train` of the reference solution with these settings."""
    record = {"budget": BUDGET, "seeds": SEEDS, "worlds": WORLDS} | settings
    FILE.write_text(json.dumps(dict.fromkeys(STATED, 0) | record))
    scope: dict = {}
    for source in build.read(HERE / "05_evolution.md").code("given", "solution"):
        exec(source, scope)
    return scope["train"]


def measured(settings: dict, seeds: int) -> list[float]:
    """The scores of so many trainings."""
    train, found = trainer(settings), []
    for seed in range(seeds):
        theta = train(challenge.fitness, challenge.theta_0(seed), seed)
        found.append(challenge.score(challenge.scores(theta, WORLDS, seed)))
        print(settings, f"seed {seed}: {found[-1]:.3f}", flush=True)
    return found


def main() -> None:
    """Writes the record."""
    ways = {pairs: measured(REFERENCE | {"pairs": pairs}, 3) for pairs in WAYS}
    chapter = measured(CHAPTER, 10)
    reference = measured(REFERENCE, SEEDS)
    medians = np.median(list(itertools.combinations(reference, 5)), axis=1)
    lines = ["| pairs | steps | scores |", "|---|---|---|"]
    for pairs, found in ways.items():
        each = ", ".join(f"{x:.2f}" for x in found)
        lines.append(f"| {pairs} | {BUDGET // (2 * pairs)} | {each} |")
    record = {"budget": BUDGET, "seeds": SEEDS, "worlds": WORLDS} | REFERENCE
    record |= {
        "scores": [round(x, 3) for x in reference],
        "worst": round(max(reference), 2),
        "median": round(float(np.median(reference)), 2),
        "best": round(min(reference), 2),
        "chapter": round(float(np.median(chapter)), 2),
        "bar": round(float(np.quantile(medians, 0.999)) + 0.05, 2),
        "tight": round(float(np.quantile(medians, 0.99)) + 0.01, 2),
        "table": "\n".join(lines),
    }
    FILE.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
