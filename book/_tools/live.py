"""Sphinx extension: `{live} NAME` puts a SymLA that runs in the reader's browser into a page.

What runs is in `book/_static/live/`. The meta-parameters come from the records in `data/` when the
book is built, and travel within the page, so that it needs no server.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes

from symla_lite import checkpoint, figures
from symla_lite.environments.grids import hearts
from symla_lite.environments.transforms import constants, to_unit
from symla_lite.studies import named, records, results
from symla_lite.studies.run import record_path


class Source(NamedTuple):
    """Which recorded SymLA is shown, and what the page says where it cannot be."""

    study: str
    training: str
    seed: int
    missing: str
    scale: str = "standard"


SOURCES = {
    "bandit": Source("action_spaces", "symla-8", 0, "a bandit that SymLA plays"),
    "cartpole": Source("observation_spaces", "symla-cartpole", 0, "a pole that SymLA balances"),
    "hearts": Source("tasks", "symla-hearts_3b", 0, "a grid that SymLA learns", scale="gpu"),
}

GRID = hearts(3, episode=10)
"""The grid of `hearts`."""

SCRIPTS = ("symla.js", "worlds.js", "demos.js")

RUNS = {"reduce": "mean", "exchange": "step", "initial_std": 0.0, "end_flag": True}
"""The options with which `symla.js` is written."""


def path_of(source: Source, data: Path) -> Path:
    """The record of `source` below `data`."""
    return record_path(data, named(source.study), source.scale, source.training, source.seed)


def exported(name: str, data: Path | None = None) -> dict[str, Any]:
    """What the browser needs to run a recorded SymLA, in plain types.

    Args:
        name: one of `SOURCES`.
        data: the folder of all records; None takes those that come with the package.

    Returns:
        `theta` and `ticks` for `symla.js`, the figures' `colours`, and `about`, where theta comes
        from.

    Raises:
        ValueError: no source has that name, or the record has options that `symla.js` lacks.
        FileTrouble: the record is missing or damaged.
    """
    if name not in SOURCES:
        raise ValueError(f"There is no live {name!r}: take one of {', '.join(SOURCES)}.")
    source = SOURCES[name]
    arrays, about = checkpoint.load(path_of(source, data or results.recorded()))
    options = about["training"]["learner"]
    if other := {key: options[key] for key in RUNS if options[key] != RUNS[key]}:
        raise ValueError(
            f"The live {name} cannot run {source.training}, recorded with {other}: symla.js is "
            f"written for {RUNS}."
        )
    training = named(source.study).scale(source.scale).training(source.training)
    theta = records.theta_of(arrays, training)
    return {
        "theta": {
            layer: {key: shortest(array) for key, array in weights.items()}
            for layer, weights in theta.items()
        },
        "ticks": options["ticks"],
        "colours": {
            "symla": figures.COLOURS["symla"],
            "random": figures.COLOURS["random"],
            "paper": figures.PAPER,
            "ink": figures.INK,
        },
        "about": f"{source.training}, seed {source.seed}, of the study {source.study} at the scale "
        f"{source.scale}, recorded {about['date'][:10]} with commit {about['commit'][:10]}",
    } | (of_grid() if name == "hearts" else {})


def of_grid() -> dict[str, Any]:
    """What `worlds.js` needs of `standardised(GRID)`: the mean and the scale of each entry of the
    observation."""
    met = constants(GRID)
    return {
        "side": GRID.options["side"],
        "seen": {
            "mean": shortest(met.mean),
            "scale": shortest(to_unit(np.diag(met.covariance))),
        },
    }


def shortest(array: np.ndarray) -> Any:
    """Nested lists of the shortest decimals that stand for the same float32 numbers."""
    return [shortest(row) if np.ndim(row) else float(str(row)) for row in np.asarray(array)]


def script(data: dict[str, Any]) -> str:
    """`data` as an element of a page, which no text in it can close."""
    words = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json">{words}</script>'


class Live(Directive):
    """`{live} NAME`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        env = self.state.document.settings.env
        try:
            data = exported(name)
        except (ValueError, checkpoint.FileTrouble) as error:
            raise self.error(str(error)) from error
        env.note_dependency(str(path_of(SOURCES[name], results.recorded())))
        env.metadata[env.docname]["live"] = True
        lacking = f"Here stands {SOURCES[name].missing}"
        page = (
            f'<div class="live" id="live-{name}" data-live="{name}">{script(data)}'
            f"<noscript><p>{lacking}, which needs JavaScript: it is turned off.</p></noscript>"
            f'</div>\n<p class="live-source">θ: {data["about"]}.</p>'
        )
        elsewhere = addnodes.only(expr="not html")
        elsewhere += nodes.paragraph("", f"{lacking} in the book's pages for a browser.")
        return [nodes.raw("", page, format="html"), elsewhere]


def _load_scripts(app, pagename, templatename, context, doctree) -> None:
    if app.env.metadata.get(pagename, {}).get("live"):
        for name in SCRIPTS:
            app.add_js_file(f"live/{name}", loading_method="defer")
        app.add_css_file("live/live.css")


def setup(app) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("live", Live)
    app.connect("html-page-context", _load_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
