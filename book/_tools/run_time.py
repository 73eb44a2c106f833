"""Sphinx extension: under each chapter's title, say how long the chapter ran.

    python book/_tools/run_time.py [NAME ...]    run chapters here and record how long each took

The time on this machine is the one myst-nb measured when it ran the chapter for the book. Times on
other devices come from `data/chapter_run_times.json`, where there is one, which the command above
writes on such a device: `{"07_bandits": [{"device": "NVIDIA H200", "seconds": 21.5, ...}]}`.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

from docutils import nodes

from symla_lite import machine

ROOT = Path(__file__).resolve().parents[2]
RECORDED = Path("data") / "chapter_run_times.json"


def duration(seconds: float) -> str:
    """Seconds in a reader's words: '7 s', '1 min 52 s'."""
    whole = max(1, round(seconds))
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def sentence(seconds: float, number_of_cores: int, elsewhere: list[dict]) -> str:
    """What the page says of a chapter that took `seconds` here and was recorded `elsewhere`."""
    here = f"{number_of_cores} CPU core{'s' if number_of_cores > 1 else ''}"
    text = f"This chapter ran in {duration(seconds)} on {here} when the book was built."
    for record in elsewhere:
        text += f" On one {record['device']} it took {duration(record['seconds'])}."
    return text


def recorded(root: Path, docname: str) -> list[dict]:
    """The recorded times of a chapter on other devices; none where nothing is recorded."""
    path = root / RECORDED
    return json.loads(path.read_text("utf-8")).get(Path(docname).name, []) if path.exists() else []


def _add_run_time(app, doctree: nodes.document, docname: str) -> None:
    ran = getattr(app.env, "nb_metadata", {}).get(docname, {}).get("exec_data") or {}
    title = next(iter(doctree.findall(nodes.title)), None)
    if ran.get("runtime") is None or title is None:
        return
    text = sentence(ran["runtime"], machine.cores(), recorded(Path(app.srcdir), docname))
    title.parent.insert(
        title.parent.index(title) + 1, nodes.paragraph("", text, classes=["run-time"])
    )


def setup(app) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-resolved", _add_run_time)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def measure(notebook: Path) -> float:
    """Seconds that all cells of `notebook` take in a new kernel, in the notebook's own folder."""
    import nbclient
    import nbformat

    client = nbclient.NotebookClient(
        nbformat.read(notebook, as_version=4),
        timeout=1800,
        resources={"metadata": {"path": notebook.parent}},
    )
    start = time.perf_counter()
    client.execute()
    return time.perf_counter() - start


def device_name() -> str:
    """The device's name, asked in a process of its own, which gives a GPU's memory back."""
    ask = "import jax; print(jax.devices()[0].device_kind)"
    answer = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    return answer.stdout.strip().splitlines()[-1]


def record(root: Path, names: list[str]) -> None:
    """Run the named chapters (all, where none is named) and add their times to the recorded ones.

    Raises:
      ValueError: if jax sees no accelerator here: the book measures its own time on a CPU.
    """
    device = device_name()
    if device == "cpu":
        raise ValueError(
            "jax sees only a CPU here, whose time the book measures when it is built:"
            " record the times on a machine where jax sees a GPU."
        )
    path = root / RECORDED
    times = json.loads(path.read_text("utf-8")) if path.exists() else {}
    for notebook in sorted((root / "book").glob("[0-9][0-9]_*.ipynb")):
        if names and notebook.stem not in names:
            continue
        made = {
            "device": device,
            "seconds": round(measure(notebook), 1),
            "jax": metadata.version("jax"),
            "date": datetime.date.today().isoformat(),
        }
        others = [old for old in times.get(notebook.stem, []) if old["device"] != made["device"]]
        times[notebook.stem] = [*others, made]
        path.write_text(json.dumps(times, indent=1) + "\n", "utf-8")
        print(f"{notebook.stem}: {duration(made['seconds'])} on {made['device']}")


if __name__ == "__main__":
    try:
        record(ROOT, sys.argv[1:])
    except ValueError as error:
        sys.exit(str(error))
