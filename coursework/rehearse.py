"""Grades a class of thirty mixed submissions as a teacher would, and records how long it takes.

    python coursework/rehearse.py 02_metarnn        adds to class.json, from which the guide tells

Right, altered, spoiled and empty answers, broken files, and answers that never end or that reach
for the solutions: whatever a class hands in.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import alter
import build
import check
import grade
import guide
import thefts

FILE = build.HERE / "class.json"

RIGHT = ("student-", "mark", "wide", "untyped", "one-", "two", "Žofie")
"""How the names of submissions begin that earn everything."""


def broken(solved: dict, other: dict) -> dict[str, bytes]:
    """Files that cannot be graded, or only as they are, by name."""
    text = json.dumps(solved)
    no_type = json.loads(text)
    for cell in no_type["cells"]:
        cell.pop("cell_type")
    return {
        "empty.ipynb": b"",
        "cut.ipynb": text.encode()[:3000],
        "printed.ipynb": b"%PDF-1.7 ...",
        "picture.ipynb": b"\x89PNG\r\n\x1a\n\x00",
        "other.ipynb": json.dumps(other).encode(),
        "list.ipynb": b"[1, 2]",
        "mark.ipynb": b"\xef\xbb\xbf" + text.encode(),
        "wide.ipynb": text.encode("utf-16"),
        "untyped.ipynb": json.dumps(no_type).encode(),
        "archive.zip": b"PK\x03\x04 and nothing else",
        "folder.ipynb/notes.txt": b"a folder, called like a notebook",
        "Žofie O'Neill (2).ipynb": json.dumps(worksheets(solved)).encode(),
        "one-and-only/work.ipynb": text.encode(),
        "two/work.ipynb": text.encode(),
    }


def worksheets(solved: dict) -> dict:
    """A notebook in format 3, without metadata."""
    return {"nbformat": 3, "worksheets": [{"cells": [*map(alter.old, solved["cells"])]}]}


def class_of(name: str, out: Path, folder: Path) -> int:
    """Writes thirty submissions of an assignment into a folder; returns how many."""
    given = grade.Package(out / name / f"{name}-autograder.zip").settings["given"]
    solved = json.loads((out / name / f"{name}-solution.ipynb").read_text("utf-8"))
    others = [path for path in build.masters() if path.stem != name]
    other = out / others[0].stem / "student" / f"{others[0].stem}.ipynb"
    files = broken(solved, json.loads(other.read_text("utf-8")))
    for wrong in guide.wrong_answers(name):
        files[f"{wrong.name}.ipynb"] = check.with_cell(solved, wrong.source).encode()
    for trick in ("attribute getter", "killed grader", "memory"):
        files[f"{trick}.ipynb"] = check.with_cell(solved, *thefts.TRICKS[trick]).encode()
    files["loop.ipynb"] = check.with_cell(solved, "while True:\n    pass").encode()
    for seed in range(30 - len(files)):
        made, _ = alter.altered(solved, alter.solutions(solved, given), seed)
        files[f"student-{seed:02d}.ipynb"] = json.dumps(made).encode()
    for file, content in files.items():
        (folder / file).parent.mkdir(exist_ok=True)
        (folder / file).write_bytes(content)
    return len(files)


def main() -> None:
    """Writes the record."""
    rows = json.loads(FILE.read_text("utf-8")) if FILE.exists() else []
    for name in sys.argv[1:] or ["02_metarnn"]:
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as results:
            count = class_of(name, build.OUT, Path(folder))
            began = time.monotonic()
            command = [sys.executable, str(build.HERE / "grade.py"), name, folder]
            subprocess.run([*command, "--results", results], check=False)
            minutes = (time.monotonic() - began) / 60
            pages = len(list(Path(results, "feedback").glob("*.md")))
            scores = (Path(results) / "scores.csv").read_text("utf-8")
            print(scores)
            assert pages == count, f"{pages} pages of feedback for {count} submissions"
            master = build.read(build.HERE / f"{name}.md")
            full = sum(public + hidden for public, hidden, _ in master.split.values())
            for row in csv.DictReader(scores.splitlines()):
                if row["submission"].startswith(RIGHT):
                    assert float(row["by checks"] or 0) == full, row
        row = {"assignment": name, "submissions": count, "minutes": round(minutes, 1)}
        rows = [x for x in rows if x["assignment"] != name] + [row | {"cores": grade.cores()}]
    FILE.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
