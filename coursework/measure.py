"""Measures what Assignment 5 states, from which its bars follow.

    python coursework/measure.py        writes challenge.json; about three minutes on an idle core

A grading judges by the median of fifteen trainings. What such medians come to is drawn from the
measured seeds, a hundred thousand times: for the reference solution, and for Chapter 6's numbers in
the same loop. The tight bar lies above 99.9% of the reference's medians, and 0.04 higher; the wide
one half-way from there to the 0.1% of the chapter's medians that are best. Beside them stand three
ways to spend the budget.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import build  # noqa: E402
import challenge  # noqa: E402

FILE = HERE / "challenge.json"
SETTINGS = {"budget": 1000, "trainings": 15, "worlds": ["swapped", "3", "5", "8"]}
REFERENCE = {"pairs": 8, "sigma": 0.1, "alpha": 0.1}
CHAPTER = {"pairs": 32, "sigma": 0.1, "alpha": 0.05}
SEEDS = 60
WAYS = (1, 8, 125)
"""Pairs, of the three ways to spend the budget."""
STATED = ("bar", "tight", "worst", "median", "best", "chapter", "chapter_best", "seeds", "table")


def trainer(settings: dict):
    """`train` of the reference solution with these settings."""
    FILE.write_text(json.dumps(dict.fromkeys(STATED, 0) | SETTINGS | settings))
    scope: dict = {}
    for source in build.read(HERE / "05_evolution.md").code("given", "solution"):
        exec(source, scope)
    return scope["train"]


def measured(settings: dict, seeds: int) -> list[float]:
    """The scores of so many trainings."""
    train, found = trainer(settings), []
    for seed in range(seeds):
        theta = train(challenge.fitness, challenge.theta_0(seed), seed)
        found.append(challenge.score(challenge.scores(theta, SETTINGS["worlds"], seed)))
    print(settings, " ".join(f"{x:.2f}" for x in found), flush=True)
    return found


def medians(scores: list[float]) -> np.ndarray:
    """Medians of a grading's trainings, drawn from these."""
    rng = np.random.default_rng(0)
    drawn = rng.choice(scores, (100_000, SETTINGS["trainings"]))
    return np.median(drawn, axis=1)


def main() -> None:
    """Writes the record."""
    ways = {pairs: measured(REFERENCE | {"pairs": pairs}, 3) for pairs in WAYS}
    reference, chapter = measured(REFERENCE, SEEDS), measured(CHAPTER, SEEDS)
    tight = float(np.quantile(medians(reference), 0.999)) + 0.04
    lowest = float(np.quantile(medians(chapter), 0.001))
    lines = ["| pairs | steps | scores |", "|---|---|---|"]
    for pairs, found in ways.items():
        each = ", ".join(f"{x:.2f}" for x in found)
        lines.append(f"| {pairs} | {SETTINGS['budget'] // (2 * pairs)} | {each} |")
    record = {"seeds": SEEDS} | SETTINGS | REFERENCE
    record |= {
        "scores": [round(x, 3) for x in reference],
        "scores_chapter": [round(x, 3) for x in chapter],
        "worst": round(max(reference), 2),
        "median": round(float(np.median(reference)), 2),
        "best": round(min(reference), 2),
        "chapter": round(float(np.median(chapter)), 2),
        "chapter_best": round(lowest, 2),
        "bar": round((tight + lowest) / 2, 2),
        "tight": round(tight, 2),
        "table": "\n".join(lines),
    }
    FILE.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    main()
