"""Explorers: pictures that answer to a control, in a notebook and in a page without a kernel.

A page has no Python to draw with, so every picture is drawn beforehand: the controls choose among
them, through links that run in the browser.
"""

import html
import itertools
import math
import numbers
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from symla_lite import figures

MOST_PICTURES = 40
"""All of them travel with the page, some 30 kB each."""

MOST_BUTTONS = 40
"""Letters that fit on a row of buttons; more become a drop-down list."""


def explorer(
    draw: Callable[..., Figure],
    *,
    alt: Callable[..., str],
    caption: str = "",
    play: bool = False,
    **choices: Sequence[Any] | Mapping[str, Any],
) -> widgets.VBox:
    """A picture for every combination of choices, and controls to move between them.

    Args:
        draw: `(**values) -> Figure`, called once for every combination.
        alt: `(**values) -> str`: what that picture shows, in words.
        caption: stands below the pictures, such as `Figure 1.2: what they show`.
        play: whether sliders also get a button that moves them by itself.
        **choices: one or two, each a sequence of values or a mapping from what the control says
            to the value. Numbers get a slider, words get buttons or, where they are long, a list.
            The control's name is the argument's, with spaces for underscores (and p_1 becomes p₁).

    Returns:
        A widget; make it the cell's last expression.

    Raises:
        ValueError: no choices or more than two, a choice with nothing to choose, too many
            pictures, a `draw` that returns no figure, an `alt` that returns no text.
    """
    if not 1 <= len(choices) <= 2:
        raise ValueError(
            f"An explorer has one or two controls, not {len(choices)}: give one or two choices."
        )
    labelled = {name: labels(name, values) for name, values in choices.items()}
    combinations = list(itertools.product(*(values.items() for values in labelled.values())))
    if len(combinations) > MOST_PICTURES:
        sizes = " × ".join(str(len(values)) for values in labelled.values())
        raise ValueError(
            f"{sizes} = {len(combinations)} pictures make the page too heavy: choose values that "
            f"make at most {MOST_PICTURES}."
        )
    pictures = []
    for combination in combinations:
        values = {name: value for name, (_, value) in zip(labelled, combination)}
        fig = draw(**values)
        pictures.append(widgets.HTML(figures.image(fig, alt(**values))))
        plt.close(fig)

    rows = [control(name, labelled[name], choices[name], play) for name in labelled]
    selectors = [selector for selector, _ in rows]
    if len(rows) == 1:
        stack = stack_behind(selectors[0], pictures)
    else:
        n = len(labelled[list(labelled)[1]])
        inner = [
            stack_behind(selectors[1], pictures[first : first + n])
            for first in range(0, len(pictures), n)
        ]
        stack = stack_behind(selectors[0], inner)
    below = [widgets.HTML(figures.figcaption(caption))] if caption else []
    return widgets.VBox([*(row for _, row in rows), stack, *below])


def labels(name: str, values: Sequence[Any] | Mapping[str, Any]) -> dict[str, Any]:
    """What the control says for each value. Raises `ValueError` where there is nothing to choose,
    or two values read the same.
    """
    if isinstance(values, Mapping):
        found = {str(key): value for key, value in values.items()}
    else:
        values = list(values)
        for value in values:
            if is_number(value) and not math.isfinite(value):
                raise ValueError(f"{name}={value} has no place on a slider: give finite numbers.")
        found = {f"{v:g}" if is_number(v) else str(v): v for v in values}
        if len(found) < len(values):
            raise ValueError(
                f"Two values of {name} read the same in {list(found)}: give a mapping from what "
                "the control should say to each value."
            )
    if len(found) < 2:
        raise ValueError(f"There is nothing to choose in {name}: give at least two values.")
    return found


def is_number(value: Any) -> bool:
    """Whether a value belongs on a slider."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def control(
    name: str, labelled: Mapping[str, Any], given: Any, play: bool
) -> tuple[widgets.Widget, widgets.Widget]:
    """The widget that chooses (it has an `index`), and the row it stands in."""
    words = re.sub(r"_(\d)$", lambda match: chr(ord("₀") + int(match[1])), name).replace("_", " ")
    style = {"description_width": "initial"}
    if not isinstance(given, Mapping) and all(is_number(v) for v in labelled.values()):
        selector = widgets.SelectionSlider(
            options=list(labelled),
            description=words,
            style=style,
            layout=widgets.Layout(width="26em", max_width="100%"),
        )
        if not play:
            return selector, selector
        player = widgets.Play(min=0, max=len(labelled) - 1, interval=700, tooltip=f"play {words}")
        widgets.jslink((player, "value"), (selector, "index"))
        return selector, widgets.HBox([player, selector])
    if sum(map(len, labelled)) <= MOST_BUTTONS:
        # Buttons have no room for a name of their own that wraps well: it stands before them.
        buttons = widgets.ToggleButtons(
            options=list(labelled),
            tooltips=[f"{words}: {label}" for label in labelled],
            style={"button_width": "auto"},
        )
        title = widgets.HTML(
            f'<span style="white-space: nowrap; line-height: 2.2">{html.escape(words)}&nbsp;</span>'
        )
        row = widgets.HBox([title, buttons], layout=widgets.Layout(flex_flow="row wrap"))
        return buttons, row
    selector = widgets.Dropdown(options=list(labelled), description=words, style=style, index=0)
    return selector, selector


def stack_behind(selector: widgets.Widget, children: Sequence[widgets.Widget]) -> widgets.Stack:
    """The child that the selector chooses, moved in the browser."""
    stack = widgets.Stack(list(children), selected_index=0)
    widgets.jslink((selector, "index"), (stack, "selected_index"))
    return stack
