"""The explorers: every picture is drawn beforehand, and every control reaches its pictures."""

import matplotlib.pyplot as plt
import pytest
from ipywidgets import widgets

from symla_lite.explorers import explorer


class Draw:
    """Draws nothing, and remembers for what."""

    def __init__(self):
        self.drawn = []

    def __call__(self, **values):
        self.drawn.append(values)
        return plt.Figure(figsize=(1, 1))


def alt(**values) -> str:
    return "An empty picture of " + ", ".join(f"{k} = {v}" for k, v in values.items())


def find(widget, kind) -> list:
    """All widgets of a kind within one, in order."""
    inside = [x for child in getattr(widget, "children", ()) for x in find(child, kind)]
    return [widget] * isinstance(widget, kind) + inside


def links(new) -> set:
    """The links in the browser that were made since: (source, its trait, target, its trait)."""
    return {
        (link.source[0].model_id, link.source[1], link.target[0].model_id, link.target[1])
        for link in new
    }


@pytest.fixture
def made(monkeypatch):
    """Collects the links that are made."""
    kept = []
    original = widgets.jslink

    def jslink(source, target):
        kept.append(original(source, target))
        return kept[-1]

    monkeypatch.setattr("symla_lite.explorers.widgets.jslink", jslink)
    return kept


def test_the_caption_is_the_last_thing_below_the_pictures(made):
    shown = explorer(Draw(), alt=alt, p=[0.1, 0.2], caption="Figure 1.2: <two> pictures.")
    assert isinstance(shown.children[-2], widgets.Stack)
    assert ">Figure 1.2: &lt;two&gt; pictures.</figcaption>" in shown.children[-1].value


def test_every_combination_is_drawn_once_and_stands_where_its_controls_point(made):
    draw = Draw()
    shown = explorer(draw, alt=alt, learner=["symla", "metarnn"], p_1=[0.1, 0.5, 0.9])
    assert draw.drawn == [
        {"learner": learner, "p_1": p} for learner in ("symla", "metarnn") for p in (0.1, 0.5, 0.9)
    ]
    outer, *inner = find(shown, widgets.Stack)
    (buttons,) = find(shown, widgets.ToggleButtons)
    (slider,) = find(shown, widgets.SelectionSlider)
    assert outer.children == tuple(inner)
    assert slider.description == "p₁"
    for row, learner in zip(inner, ("symla", "metarnn")):
        for picture, p in zip(row.children, (0.1, 0.5, 0.9)):
            assert f'alt="An empty picture of learner = {learner}, p_1 = {p}"' in picture.value
    assert links(made) == {
        (buttons.model_id, "index", outer.model_id, "selected_index"),
        *((slider.model_id, "index", row.model_id, "selected_index") for row in inner),
    }


def test_the_picture_shown_first_is_the_one_that_the_controls_say(made):
    shown = explorer(Draw(), alt=alt, one=["a", "b"], two=[1, 2])
    assert all(stack.selected_index == 0 for stack in find(shown, widgets.Stack))
    assert all(
        control.index == 0
        for kind in (widgets.ToggleButtons, widgets.SelectionSlider)
        for control in find(shown, kind)
    )


def test_a_slider_can_move_by_itself(made):
    shown = explorer(Draw(), alt=alt, play=True, pulls=[1, 10, 100])
    (player,), (slider,) = find(shown, widgets.Play), find(shown, widgets.SelectionSlider)
    assert (player.min, player.max) == (0, 2)
    assert (player.model_id, "value", slider.model_id, "index") in links(made)


def test_words_get_buttons_long_ones_a_list_and_a_mapping_its_own_words():
    draw = Draw()
    shown = explorer(draw, alt=alt, which={"the first": 1, "the second": 2})
    assert find(shown, widgets.ToggleButtons)[0].options == ("the first", "the second")
    assert draw.drawn == [{"which": 1}, {"which": 2}]
    shown = explorer(Draw(), alt=alt, which=["a rather long name", "another that is even longer"])
    assert find(shown, widgets.Dropdown)[0].description == "which"


@pytest.mark.parametrize(
    "choices, sentence",
    [
        ({}, "one or two controls, not 0"),
        ({"a": [1, 2], "b": [1, 2], "c": [1, 2]}, "one or two controls, not 3"),
        ({"a": [1]}, "nothing to choose in a: give at least two"),
        ({"a": range(7), "b": range(6)}, "7 × 6 = 42 pictures make the page too heavy.*at most 40"),
        ({"a": [0.1, 0.1000001]}, "Two values of a read the same"),
        ({"a": [1.0, float("nan")]}, "a=nan has no place on a slider"),
    ],
)
def test_what_makes_no_explorer_is_refused_before_anything_is_drawn(choices, sentence):
    draw = Draw()
    with pytest.raises(ValueError, match=sentence):
        explorer(draw, alt=alt, **choices)
    assert not draw.drawn


def test_a_draw_without_a_figure_and_an_alt_without_words_are_refused():
    with pytest.raises(ValueError, match="fig=None .*give a Figure"):
        explorer(lambda a: None, alt=alt, a=[1, 2])
    with pytest.raises(ValueError, match="tells nothing to a reader"):
        explorer(Draw(), alt=lambda a: "", a=[1, 2])
