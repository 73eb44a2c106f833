"""The figures: what they draw from data, what they say in words, and what they refuse."""

import base64
import io
import re

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from symla_lite import figures
from symla_lite.meta_testing import Estimate, interval

BANDITS = ["easy", "hard"]
REFERENCES = {"bayes_optimal": np.array([0.5, 2.0]), "random": np.array([40.0, 10.0])}


def contrast(colour: str, ground: str) -> float:
    """Ratio of luminances (WCAG 2)."""

    def luminance(colour):
        rgb = np.array(matplotlib.colors.to_rgb(colour))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    light, dark = sorted([luminance(colour), luminance(ground)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


def words(fig) -> list[str]:
    """All that is written in the axes of a figure."""
    return [text.get_text() for axes in fig.axes for text in axes.texts]


def test_every_learner_has_a_colour_of_its_own_that_shows_on_the_figures_ground():
    colours = list(figures.COLOURS.values())
    assert len(set(colours)) == len(colours)
    assert figures.COLOURS.keys() == figures.LABELS.keys()
    for name in ("symla", "metarnn", "bayes_optimal", "vsml", "neutral"):
        assert contrast(figures.COLOURS[name], figures.PAPER) > 3, name


def test_names_at_the_ends_of_lines_can_be_read_and_keep_the_hue():
    for name, colour in figures.COLOURS.items():
        letters = figures.legible(colour)
        assert contrast(letters, figures.PAPER) >= 4.5, name
        assert figures.contrast(letters) == pytest.approx(contrast(letters, figures.PAPER))
        (hue, *_), (same, *_) = (
            matplotlib.colors.rgb_to_hsv(matplotlib.colors.to_rgb(x)) for x in (colour, letters)
        )
        assert abs(hue - same) < 0.02, name
    assert figures.legible(figures.COLOURS["symla"]) == figures.COLOURS["symla"].lower()
    fig, axes = plt.subplots()
    axes.plot([0, 1], color=figures.COLOURS["reinforce"], label="REINFORCE")
    figures.end_labels(axes)
    (text,) = axes.texts
    assert text.get_color() == figures.legible(figures.COLOURS["reinforce"])
    plt.close(fig)


@pytest.mark.parametrize("ask", [figures.COLOURS.__getitem__, figures.label])
def test_an_unknown_learner_is_refused(ask):
    with pytest.raises(ValueError, match="no learner 'symlaa' in the figures: take one of symla"):
        ask("symlaa")


def test_a_shown_figure_carries_its_alternative_text_and_is_closed(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "display", lambda data, raw: shown.append(data))
    fig, ax = plt.subplots(figsize=(3, 2))
    ax.plot([0, 1])
    figures.show(fig, alt='A line\n  from "0" to <1>.')
    (data,) = shown
    assert 'alt="A line from &quot;0&quot; to &lt;1&gt;."' in data["text/html"]
    assert not plt.fignum_exists(fig.number)
    encoded = re.search(r'base64,([^"]+)"', data["text/html"])[1]
    picture = Image.open(io.BytesIO(base64.b64decode(encoded)))
    assert picture.width == 3 * 72 * figures.RESOLUTION


def test_a_caption_stands_below_the_figure_and_in_its_plain_text(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "display", lambda data, raw: shown.append(data))
    for caption in ("", "Figure 1.2:  rewards\n < 1."):
        figures.show(plt.figure(figsize=(3, 2)), alt="A line.", caption=caption)
    without, data = shown
    assert "figcaption" not in without["text/html"] and without["text/plain"] == "A line."
    picture, below = data["text/html"].split("<figcaption")
    assert "<img" in picture and re.search(r">Figure 1\.2: rewards &lt; 1\.</figcaption>", below)
    assert data["text/plain"].startswith("A line.\nFigure 1.2:")


def test_a_picture_without_words_or_without_a_figure_is_refused():
    fig = plt.Figure()
    with pytest.raises(ValueError, match="alt=' ' tells nothing"):
        figures.image(fig, " ")
    with pytest.raises(ValueError, match="fig=None .*give a Figure"):
        figures.image(None, "a picture")


def test_places_are_spread_as_little_as_it_takes():
    np.testing.assert_allclose(figures.spread([0.0, 5.0, 9.0], gap=2), [0, 5, 9])
    np.testing.assert_allclose(figures.spread([1.0, 1.0], gap=2), [0, 2])
    # 4 and 4.5 become 3.25 and 5.25; that meets 6, and the three are centred on their mean.
    mean = (4 + 4.5 + 6) / 3
    np.testing.assert_allclose(
        figures.spread([6.0, 4.0, 4.5, 20.0], gap=2), [mean + 2, mean - 2, mean, 20]
    )
    np.testing.assert_allclose(figures.spread([1.0, 0.5, 9.0], gap=2, least=0), [2, 0, 9])


def test_lines_are_named_where_they_end_and_names_do_not_overlap():
    fig, ax = plt.subplots()
    for name in ("one", "two", "three"):
        ax.plot([0, 1], [0, 1], label=name)
    ax.plot([0, 1], [1, 0])
    figures.end_labels(ax)
    assert words(fig) == ["one", "two", "three"]
    heights = sorted(text.xy[1] for text in ax.texts)
    pixels = np.diff(heights) * ax.bbox.height
    assert np.all(pixels > 9.5 * fig.dpi / 72)
    plt.close(fig)


def test_the_heat_maps_print_every_regret_and_colour_it_relative_to_the_optimum():
    table = np.array([[0.61, 4.0], [20.0, 2.22]])
    fig = figures.heat_maps({"symla": table}, REFERENCES, BANDITS)
    printed = words(fig)
    for text in ("0.61", "4.00", "20.0", "2.22", "0.50", "2.00", "40.0", "10.0"):
        assert printed.count(text) == 1, text
    (mesh,) = fig.axes[0].collections
    shown = mesh.get_array()
    np.testing.assert_allclose(shown[:2], [[1.22, 2.0], [32.0, 1.11]])  # 40 times: at the end
    np.testing.assert_allclose(shown[3], [1, 1])  # below a gap, the best reference first
    bottom, top = fig.axes[0].get_ylim()
    assert bottom > top, "the first row stands at the top"


def test_the_ground_keeps_its_colour_however_few_colours_there_are():
    figures.style()
    fig, axes = plt.subplots()
    axes.imshow(np.random.default_rng(0).uniform(size=(30, 30)), cmap="viridis")
    ground = matplotlib.colors.to_rgb(figures.PAPER)
    for colours in (8, 256):
        picture = Image.open(io.BytesIO(figures.png(fig, colours))).convert("RGB")
        np.testing.assert_allclose(np.array(picture.getpixel((0, 0))) / 255, ground, atol=0.003)
    plt.close(fig)


def test_what_rounds_to_zero_has_no_sign():
    assert figures.bracketed(Estimate(-0.001, -0.2, 0.004)) == "0.00 [-0.20, 0.00]"


def test_a_mean_is_written_with_its_interval():
    values = np.random.default_rng(0).normal(3, 1, size=(3, 50))
    mean, low, high = map(float, re.findall(r"-?\d+\.\d{3}", figures.with_interval(values, 3)))
    assert low < mean < high and mean == pytest.approx(values.mean(), abs=6e-4)
    np.testing.assert_allclose([low, high], interval(values), atol=6e-4)


def test_a_heat_map_may_be_tested_on_more_than_it_was_trained_on():
    table = np.array([[4.0, np.nan, 2.0]])
    fig = figures.heat_maps(
        {"symla": table}, {"ucb": np.array([8.0, 8, 8])}, ["2"], ["2", "4", "8"], "ucb", (-1, 1)
    )
    printed = words(fig)
    assert printed.count("4.00") == printed.count("2.00") == 1 and printed.count("8.00") == 3
    bold = {text.get_text() for text in fig.axes[0].texts if text.get_weight() == "bold"}
    assert bold == {"4.00"}, "trained and tested on 2"
    shown = fig.axes[0].collections[0].get_array()
    np.testing.assert_allclose(shown[0].filled(np.nan), [0.5, np.nan, 0.5])  # 2 / 8: at the end
    assert "≤ 0.5 ×" in [tick.get_text() for tick in fig.axes[1].get_yticklabels()]


def test_the_heat_maps_refuse_tables_that_do_not_fit():
    with pytest.raises(ValueError, match=r"regret of symla has shape \(2,\).*give \(2, 2\)"):
        figures.heat_maps({"symla": np.ones(2)}, REFERENCES, BANDITS)
    with pytest.raises(ValueError, match="put it into `references`"):
        figures.heat_maps({"symla": np.ones((2, 2))}, {}, BANDITS)


def test_regret_curves_draw_each_learner_in_its_colour_and_controls_dashed():
    rising = np.linspace(0.1, 2, 10)
    pulls = np.array([5, 10])
    curves = {
        "symla": figures.Regret(rising, pulls, np.array([0.5, 1.5]), np.array([1.0, 2.5])),
        "symla without reward": figures.Regret(10 * rising),
    }
    fig = figures.regret_curves(curves)
    learner, control = fig.axes[0].get_lines()
    assert learner.get_color() == control.get_color() == figures.COLOURS["symla"]
    assert (learner.get_linestyle(), control.get_linestyle()) == ("-", "--")
    assert words(fig) == ["SymLA", "SymLA without reward"]
    (band,) = fig.axes[0].collections
    assert band.get_paths()[0].vertices[:, 1].max() == 2.5
    with pytest.raises(ValueError, match="no learner 'somebody'"):
        figures.regret_curves({"somebody": figures.Regret(rising)})


def test_lines_take_a_colour_that_is_given_and_dash_what_is_without_something():
    colours = {"from 2": "#123456", "from 2 without reward": "#123456"}
    heights = np.linspace(0, 1, 8)
    curves = {name: heights for name in (*colours, "random", "metarnn")}
    fig = figures.lines(curves, colours, level=0.5, ylim=(0, 2), ylabel="share")
    (axes,) = fig.axes
    level, *drawn = axes.get_lines()
    assert list(level.get_ydata()) == [0.5, 0.5]
    assert [line.get_linestyle() for line in drawn] == ["-", "--", ":", "-"]
    assert [line.get_color() for line in drawn[:2]] == ["#123456", "#123456"]
    assert drawn[3].get_color() == figures.COLOURS["metarnn"]
    np.testing.assert_array_equal(drawn[0].get_xdata(), np.arange(1, 9))
    assert axes.get_ylim() == (0, 2) and axes.get_xlim() == (0, 8) and axes.get_ylabel() == "share"
    assert words(fig) == ["from 2", "from 2 without reward", "random", "MetaRNN"]


def test_pulls_are_filled_where_they_paid():
    fig, axes = plt.subplots()
    figures.pulls(axes, np.array([2, 5, 2, 7]), np.array([1.0, 0.0, 0.0, 1.0]), "black")
    paid, missed = axes.get_lines()
    assert (list(paid.get_xdata()), list(paid.get_ydata())) == ([1, 4], [2, 7])
    assert (list(missed.get_xdata()), list(missed.get_ydata())) == ([2, 3], [5, 2])
    assert paid.get_markerfacecolor() == "black" and missed.get_markerfacecolor() == "none"
    plt.close(fig)


def test_estimates_courses_and_regrets_are_said_in_words():
    rising = figures.Course(np.array([1, 2]), np.array([0.1, 0.25]), np.zeros(2), np.ones(2))
    rows = {"symla without reward": Estimate(0.5, 0.25, 0.75), "random": rising}
    regret = figures.Regret(np.array([1, 2.5]))
    said = figures.in_words({"CartPole": rows, "At the end": {"bayes_optimal": regret}}, 2)
    assert said == (
        "CartPole: SymLA without reward 0.50 [0.25, 0.75], random from 0.10 to 0.25. "
        "At the end: Bayes-optimal 2.50."
    )


def test_learning_curves_draw_one_line_for_each_seed_and_one_panel_for_each_task():
    seeds = np.arange(12.0).reshape(3, 4)
    fig = figures.learning_curves(
        {"easy": {"symla": seeds, "metarnn": seeds[0]}, "hard": {"symla": seeds}}, window=2
    )
    assert [len(axes.get_lines()) for axes in fig.axes] == [4, 3]
    np.testing.assert_allclose(fig.axes[1].get_lines()[0].get_ydata(), [0, 0.5, 1.5, 2.5])


def test_the_intervals_of_a_curve_are_those_of_meta_testing():
    rng = np.random.default_rng(1)
    blocks = rng.gamma(1, size=(3, 400, 5)) + np.array([0, 0.1, 0.3])[:, None, None]
    curve = figures.regret(np.repeat(blocks.mean(1) / 4, 4, axis=-1), blocks)
    np.testing.assert_allclose(curve.mean[-1], blocks.sum(-1).mean())
    np.testing.assert_allclose(curve.pulls, [4, 8, 12, 16, 20])
    wanted = interval(blocks.sum(-1))
    np.testing.assert_allclose([curve.low[-1], curve.high[-1]], wanted, atol=0.05 * np.ptp(wanted))
    with pytest.raises(ValueError, match=r"give an array \[S, T, P\] with S = 3"):
        figures.regret(blocks.mean(1), blocks[0])


def test_a_table_names_its_rows_and_columns_and_refuses_a_short_row(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "display", lambda data, raw: shown.append(data["text/html"]))
    header = ["learner", "regret", "in words"]
    figures.table(header, [["SymLA", "0.61 [0.59, 0.65]", "little"], ["a < b", "40", "1 of 2"]])
    number = '<td style="text-align: right; white-space: nowrap">'
    assert f'<th scope="row">SymLA</th>{number}0.61 [0.59, 0.65]</td>' in shown[0]
    assert '<th scope="row">a &lt; b</th>' in shown[0]
    assert '<td style="text-align: left">1 of 2</td>' in shown[0]
    figures.table(["learner", "lines"], [["SymLA", "first\n<second>"]])
    assert ">first<br>&lt;second&gt;</td>" in shown[1]
    with pytest.raises(ValueError, match="1 entries and there are 2 columns"):
        figures.table(["learner", "regret"], [["SymLA"]])


def test_columns_stand_side_by_side_and_must_be_of_the_same_things(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "display", lambda data, raw: shown.append(data["text/plain"]))
    figures.side_by_side("setting", {"here": {"N": 16, "L": 100}, "paper": {"N": 64, "L": 100}})
    assert shown == ["setting | here | paper\nN | 16 | 64\nL | 100 | 100"]
    with pytest.raises(ValueError, match=r"column 'paper' has the rows \['N'\], not \['N', 'L'\]"):
        figures.side_by_side("setting", {"here": {"N": 16, "L": 100}, "paper": {"N": 64}})


def test_the_course_of_a_lifetime_is_reward_a_step_with_the_intervals_of_meta_testing():
    rng = np.random.default_rng(2)
    blocks = rng.gamma(1, size=(3, 400, 10)) + np.array([0, 0.2, 0.5])[:, None, None]
    found = figures.course(blocks, length=500, parts=5)
    np.testing.assert_allclose(found.steps, [50, 150, 250, 350, 450])
    last = (blocks[..., 8] + blocks[..., 9]) / 100  # two tenths of 500 steps
    assert found.mean[-1] == pytest.approx(last.mean())
    wanted = interval(last)
    np.testing.assert_allclose([found.low[-1], found.high[-1]], wanted, atol=0.08 * np.ptp(wanted))
    assert len(figures.course(blocks, length=500).mean) == 10
    with pytest.raises(ValueError, match="parts=3, give a divisor"):
        figures.course(blocks, 500, parts=3)
    with pytest.raises(ValueError, match=r"array \[3, 400\]> .*give an array \[S, T, P\]"):
        figures.course(blocks[..., 0], 500)


def test_lifetime_curves_have_a_panel_for_each_order_and_world_and_dash_the_controls():
    level = figures.Course(np.array([50, 150]), np.array([1, 2]), np.zeros(2), np.full(2, 3))
    learners = {"symla": level, "symla without reward": level, "random": level}
    fig = figures.lifetime_curves(
        {order: {"CartPole": learners, "Acrobot": learners} for order in ("usual", "shuffled")}
    )
    assert len(fig.axes) == 4
    drawn = [(line.get_color(), line.get_linestyle()) for line in fig.axes[0].get_lines()]
    blue, grey = figures.COLOURS["symla"], figures.COLOURS["random"]
    assert drawn == [(blue, "-"), (blue, "--"), (grey, ":")]
    (legend,) = fig.legends
    named = [text.get_text() for text in legend.get_texts()]
    assert named == ["SymLA", "SymLA without reward", "random"]
    assert fig.axes[0].get_title("left") == "CartPole" and "shuffled" in fig.axes[2].get_ylabel()
    far = figures.Course(np.array([50, 150]), np.array([10, 20]), np.zeros(2), np.full(2, 30))
    worlds = {"grid": {"a": {"symla": level}, "b": {"symla": far}}, "pole": {"a": {}, "b": {}}}
    for share, alike in (("row", True), ("col", False)):
        left, right, *_ = figures.lifetime_curves(worlds, share=share).axes
        assert (left.get_ylim() == right.get_ylim()) is alike
    with pytest.raises(ValueError, match=r"row 'b' has the columns \['Acrobot'\]"):
        figures.lifetime_curves({"a": {"CartPole": {}}, "b": {"Acrobot": {}}})


def test_study_5s_figure_has_a_line_for_each_seed_and_a_dot_for_each_row():
    steps = np.arange(50, 500, 100)
    curves = {
        "grid": {
            "many": figures.Curves("symla", steps, np.ones((1, 5))),
            "few": figures.Curves("metarnn", steps, np.zeros((3, 5))),
        }
    }
    rows = {"grid": {"as it is": Estimate(1, 0.5, 1.5), "a rule": Estimate(-1, -1, -1)}}
    fig = figures.curves_and_controls(curves, rows, {"grid": {"as it is": np.arange(3)}}, "reward")
    above, below = fig.axes
    assert [len(line.get_xdata()) for line in above.get_lines()[:4]] == [5] * 4
    widths = [line.get_linewidth() for line in above.get_lines()[:4]]
    assert widths[0] > 2 * widths[1] and len(set(widths[1:])) == 1
    assert [label.get_text() for label in below.get_yticklabels()] == ["as it is", "a rule"]
    drawn = [list(line.get_xdata()) for line in below.get_lines()]
    assert [0.5, 1.5] in drawn and [0, 1, 2] in drawn
    (legend,) = fig.legends
    assert [text.get_text() for text in legend.get_texts()] == ["many", "few", "random policy"]


def test_a_learner_under_controls_has_a_mark_for_each_and_one_interval():
    found = {name: Estimate(x, x - 0.1, x + 0.2) for x, name in enumerate(("whole", "a", "b"))}
    fig = figures.under_controls({"grid": {"one": found, "two": found}}, {"grid": 0.5})
    (axes,) = fig.axes
    level, *lines = (list(line.get_xdata()) for line in axes.get_lines())
    assert level == [0.5, 0.5]
    assert lines == 2 * [[-0.1, 0.2], [0], [1], [2]]
    (legend,) = fig.legends
    assert [text.get_text() for text in legend.get_texts()] == ["whole", "a", "b"]
