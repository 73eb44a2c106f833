"""The book's figures: one visual language, and pictures that say in words what they show.

A learner has the same colour in every figure. The colours are those of Okabe & Ito ("Color
Universal Design", 2008) and, where these are used up, of Tol ("Colour Schemes", 2021), which stay
apart for colour-blind readers. A figure stands on its own
off-white ground, so that it reads the same in a light page and in a dark one. Lines carry their
names where they end, in place of a legend.

The functions below `show` are pure: recorded data in, a Matplotlib figure out.
"""

import base64
import functools
import html
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from symla_lite.checks import FILLED, MAY_BE_NAN, Count, Index, NotNegative, Positive, Range, Share
from symla_lite.meta_testing import Estimate, estimate, interval


class Names(dict):
    """A dictionary whose keys are the names of learners, and which says so when asked for others.

    Raises:
        ValueError: (on access) there is no such name.
    """

    def __missing__(self, name):
        raise ValueError(
            f"There is no learner {name!r} in the figures: take one of {', '.join(self)}."
        )


COLOURS = Names(
    symla="#0072B2",
    metarnn="#D55E00",
    thompson="#009E73",
    ucb="#CC79A7",
    index="#7A5C00",
    bayes_optimal="#1F1F1F",
    random="#8C8C8C",
    reinforce="#E69F00",
    backprop="#56B4E9",
    vsml="#882255",
    metagenrl="#117733",
    lpg="#332288",
    maml="#AA4499",
    neutral="#5A5A5A",
    **{"actor-critic": "#999933"},
)
"""The colour of each learner, and `neutral` for what belongs to none."""

LABELS = Names(
    symla="SymLA",
    metarnn="MetaRNN",
    thompson="Thompson sampling",
    ucb="UCB1",
    index="index, 100 pulls",
    bayes_optimal="Bayes-optimal",
    random="random",
    reinforce="REINFORCE",
    backprop="backpropagation",
    vsml="VSML",
    metagenrl="MetaGenRL",
    lpg="LPG",
    maml="MAML",
    neutral="",
    **{"actor-critic": "actor-critic"},
)

PAPER = "#FCFBF8"
INK = "#262626"

STYLE = {
    "figure.facecolor": PAPER,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "axes.facecolor": PAPER,
    "axes.edgecolor": "#6B6B6B",
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": mpl.cycler(
        color=[COLOURS[name] for name in ("symla", "metarnn", "thompson", "ucb", "reinforce")]
    ),
    "grid.color": "#E4E1DA",
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.8,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "font.size": 10,
    "legend.frameon": False,
    "legend.fontsize": 9,
}

RESOLUTION = 2
"""Pixels of the picture for each pixel of the page: sharp on fine screens."""


def style() -> None:
    """Sets Matplotlib to the book's style. Call it once, after the imports."""
    mpl.rcParams.update(STYLE)


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """A function that draws in the book's style whatever Matplotlib is set to."""

    @functools.wraps(draw)
    def drawing(*args, **kwargs):
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return drawing


def contrast(colour: str) -> float:
    """The ratio of the luminances of a figure's ground and of a colour on it (WCAG 2)."""

    def luminance(colour: str) -> float:
        rgb = np.array(mpl.colors.to_rgb(colour))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    light, dark = sorted([luminance(colour), luminance(PAPER)], reverse=True)
    return float((light + 0.05) / (dark + 0.05))


def legible(colour: str) -> str:
    """A line's colour for letters: mixed with as much ink as a contrast of 4.5 takes, which WCAG 2
    asks for text of this size."""
    line, ink = (np.array(mpl.colors.to_rgb(x)) for x in (colour, INK))
    mixed = (mpl.colors.to_hex(line + (ink - line) * share) for share in np.linspace(0, 1, 21))
    return next(x for x in mixed if contrast(x) >= 4.5)


def label(name: str) -> str:
    """What a learner is called in figures. Raises `ValueError` for an unknown name."""
    return LABELS[name]


# --- From a figure to a picture on a page -----------------------------------------------------


def png(fig: Figure, colours: Annotated[int, Range(least=2, most=256)] = 256) -> bytes:
    """A figure as a small PNG file.

    Args:
        fig: the figure.
        colours: size of its palette, 2 to 256. Line drawings lose nothing by one, and become three
            times smaller.
    """
    drawn = io.BytesIO()
    fig.savefig(drawn, format="png", dpi=RESOLUTION * 72)
    drawn.seek(0)
    full = Image.open(drawn).convert("RGB")
    picture = full.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    # The ground is the largest area, and where the palette is short it would come out tinted.
    corner = picture.getpixel((0, 0))
    palette = picture.getpalette()
    palette[3 * corner : 3 * corner + 3] = full.getpixel((0, 0))
    picture.putpalette(palette)
    small = io.BytesIO()
    picture.save(small, format="png", optimize=True)
    return small.getvalue()


def image(fig: Figure, alt: str) -> str:
    """A figure as an HTML `<img>` that holds its own data and its alternative text.

    Args:
        fig: the figure.
        alt: what the picture shows, in words, for readers who do not see it.

    Raises:
        ValueError: it is no figure, or `alt` is empty.
    """
    if not isinstance(fig, Figure):
        raise ValueError(
            f"A picture is made from a Matplotlib figure, not from {type(fig).__name__}: return "
            "the `fig` of `fig, ax = plt.subplots()`."
        )
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(
            f"alt={alt!r} tells nothing to a reader who cannot see the picture: say in a sentence "
            "what it shows."
        )
    width = round(fig.get_figwidth() * 96)  # of the page's pixels to an inch
    # The page's theme dims and frames pictures in its dark form, but for those of that class.
    data = base64.b64encode(png(fig)).decode()
    return (
        f'<img class="dark-light" alt="{html.escape(" ".join(alt.split()), quote=True)}" '
        f'width="{width}" '
        f'style="max-width: 100%; height: auto; border-radius: 4px;" '
        f'src="data:image/png;base64,{data}">'
    )


def show(fig: Figure, alt: str, caption: str = "") -> None:
    """Displays a figure in a notebook and in the page, with its alternative text, and closes it.

    Args:
        fig: the figure.
        alt: what it shows, in words, for readers who do not see it.
        caption: stands below it, such as `Figure 1.2: what it shows`.

    Raises:
        ValueError: see `image`.
    """
    picture = image(fig, alt) + figcaption(caption)
    plt.close(fig)
    plain = "\n".join(filter(None, [alt, caption]))
    whole = f'<figure style="margin: 0 0 1rem">{picture}</figure>'
    display({"text/html": whole, "text/plain": plain}, raw=True)


def figcaption(caption: str) -> str:
    """A caption as HTML; nothing where there is none."""
    style = "margin-top: 0.4rem; max-width: 46rem; font-size: 0.9em; line-height: 1.4"
    words = html.escape(" ".join(caption.split()))
    return f'<figcaption style="{style}">{words}</figcaption>' if words else ""


def table(header: Sequence[str], rows: Sequence[Sequence[object]], caption: str = "") -> None:
    """Displays a table in a notebook and in the page.

    Args:
        header: of the columns.
        rows: a row's first entry is its name. A column of numbers or intervals stands right, one
            of words left. An entry may have several lines.
        caption: above it.

    Raises:
        ValueError: a row with more or fewer entries than there are columns.
    """
    for row in rows:
        if len(row) != len(header):
            raise ValueError(
                f"The row {list(row)} has {len(row)} entries and there are {len(header)} columns."
            )
    columns = [[str(entry) for entry in column] for column in zip(*rows)]
    styles = [
        "text-align: right; white-space: nowrap"
        if all(map(is_figure, column))
        else "text-align: left"
        for column in columns
    ]
    lines = []
    for first, *others in zip(*columns):
        # Headings of rows and columns are marked as such, for screen readers.
        cells = (
            f'<td style="{style}">{html.escape(entry).replace(chr(10), "<br>")}</td>'
            for style, entry in zip(styles[1:], others)
        )
        lines.append(f'<tr><th scope="row">{html.escape(first)}</th>{"".join(cells)}</tr>')
    top = "".join(f'<th scope="col">{html.escape(str(entry))}</th>' for entry in header)
    above = f'<caption style="color: inherit">{html.escape(caption)}</caption>' if caption else ""
    content = f"<thead><tr>{top}</tr></thead><tbody>{''.join(lines)}</tbody>"
    plain = "\n".join(" | ".join(map(str, row)) for row in [header, *rows])
    whole = f'<table class="table">{above}{content}</table>'
    display({"text/html": whole, "text/plain": plain}, raw=True)


def side_by_side(
    first: str, columns: Annotated[Mapping[str, Mapping[str, object]], FILLED], caption: str = ""
) -> None:
    """Displays a table whose columns say something of the same things, such as hyper-parameters as
    they were recorded and as the paper has them.

    Args:
        first: the header of the column that names these things.
        columns: for each other header, an entry for each of them.
        caption: above it.

    Raises:
        ValueError: columns of different things.
    """
    names = _shared(columns, "column", "rows")
    rows = [[name, *(column[name] for column in columns.values())] for name in names]
    table([first, *columns], rows, caption)


def _shared(things: Mapping[str, Mapping[str, object]], what: str, parts: str) -> list[str]:
    """The names of the parts that all things have. Raises `ValueError` where one has others."""
    names = list(next(iter(things.values())))
    for name, thing in things.items():
        if list(thing) != names:
            raise ValueError(f"The {what} {name!r} has the {parts} {list(thing)}, not {names}.")
    return names


def with_interval(values: np.ndarray, digits: Index = 2) -> str:
    """A mean and its 95% interval, as `mean [low, high]`.

    Args:
        values: one figure for each lifetime, [seeds, lifetimes]; the interval is
            `meta_testing.interval`'s.
        digits: behind the point.
    """
    return bracketed(estimate(values), digits)


def bracketed(found: Estimate, digits: Index = 2) -> str:
    """An estimate, as `mean [low, high]`; what rounds to zero has no sign."""
    mean, low, high = (f"{x:z.{digits}f}" for x in found)
    return f"{mean} [{low}, {high}]"


def is_figure(entry: str) -> bool:
    """Whether an entry of a table is a number, an interval or a few of them, not a sentence."""
    return bool(entry) and set(entry) <= set("0123456789.,[]()+-−±×%≥≤ e")


def full_name(name: str) -> str:
    """What stands in a figure for a name: a learner of `COLOURS`, alone or followed by the words
    for a control of it, is called by its label; anything else is left as it is."""
    learner, space, control = name.partition(" ")
    return (label(learner) + space + control) if learner in COLOURS else name


def end_labels(axes: Axes, size: Positive = 9.5) -> None:
    """Writes each line's label at its right end, in its colour (`legible`); call it when limits are
    final.

    Labels that would overlap are pushed apart.

    Args:
        axes: whose lines; those without a label are left alone.
        size: of the letters, in points.
    """
    lines = [line for line in axes.get_lines() if not line.get_label().startswith("_")]
    if not lines:
        return
    axes.figure.draw_without_rendering()  # constrained layout decides where the axes are
    ends = [
        axes.transData.transform((line.get_xdata()[-1], line.get_ydata()[-1])) for line in lines
    ]
    low, high = axes.transAxes.transform([(0, 0), (1, 1)])[:, 1]
    gap = 1.25 * size * axes.figure.dpi / 72
    heights = spread(np.clip([y for _, y in ends], low, high), gap, least=low)
    to_fraction = axes.transAxes.inverted()
    for line, (x, _), y in zip(lines, ends, heights):
        right, height = to_fraction.transform((x, y))
        axes.annotate(
            line.get_label(),
            (min(right, 1), height),
            xycoords="axes fraction",
            xytext=(5, 0),
            textcoords="offset points",
            color=legible(mpl.colors.to_hex(line.get_color())),
            size=size,
            va="center",
            annotation_clip=False,
        )


def spread(places: Sequence[float], gap: NotNegative, least: float | None = None) -> np.ndarray:
    """Moves places apart until neighbours are at least `gap` apart, as little as it takes.

    Args:
        places: on a line, in any order.
        gap: wanted.
        least: where the lowest may lie; None: anywhere.

    Returns:
        The new places, in the same order. Their mean stays within each group that was moved, but
        where one would lie below `least`.
    """
    order = np.argsort(places, kind="stable")
    groups: list[tuple[float, int]] = []  # each: its centre, how many it holds
    for place in np.asarray(places, float)[order]:
        groups.append((place, 1))
        while len(groups) > 1:
            (c_0, n_0), (c_1, n_1) = groups[-2:]
            if c_1 - c_0 >= gap * (n_0 + n_1) / 2:
                break
            groups[-2:] = [((c_0 * n_0 + c_1 * n_1) / (n_0 + n_1), n_0 + n_1)]
    moved = np.concatenate([c + gap * (np.arange(n) - (n - 1) / 2) for c, n in groups])
    if least is not None:
        moved = np.maximum(moved, least + gap * np.arange(len(moved)))
    result = np.empty(len(moved))
    result[order] = moved
    return result


# --- Curves over the steps of a lifetime --------------------------------------------------------


class Regret(NamedTuple):
    """Cumulative regret over the pulls of a lifetime, with what is known of its error."""

    mean: np.ndarray
    """After each pull, [L]."""
    pulls: np.ndarray | None = None
    """After how many pulls there are intervals, [n]; None where the curve is exact."""
    low: np.ndarray | None = None
    """Lower end of the interval there, [n]."""
    high: np.ndarray | None = None
    """Upper end of the interval there, [n]."""


DOTTED = ("random", "thompson", "ucb")
"""Rules that are there for comparison."""


@styled
def lines(
    curves: Annotated[Mapping[str, Regret | np.ndarray], FILLED],
    colours: Mapping[str, str] | None = None,
    level: float | None = None,
    size: tuple[Positive, Positive] = (6.8, 3.3),
    **settings: object,
) -> Figure:
    """Curves over the steps of a lifetime, each with its name at its end.

    Args:
        curves: by name, the heights at the steps 1, 2, ..., [L], or a `Regret` with its intervals.
            A name is a learner of `COLOURS`, such a name followed by words for a control of it, or
            anything else. Those "without" something are dashed, and those of `DOTTED` are dotted.
        colours: of the names that are no learner's.
        level: of a random policy, where it is the same at every step; a dotted line.
        size: of the figure, in inches.
        **settings: of the axes, such as `xlabel` and `ylim`.
    """
    fig, axes = plt.subplots(figsize=size)
    plt.close(fig)
    if level is not None:
        axes.axhline(level, color=COLOURS["random"], ls=":")
    for name, curve in curves.items():
        found = curve if isinstance(curve, Regret) else Regret(curve)
        learner = name.partition(" ")[0]
        colour = (colours or {}).get(name) or COLOURS[learner]
        dashes = "--" if "without" in name else ":" if learner in DOTTED else "-"
        steps = np.arange(1, len(found.mean) + 1)
        axes.plot(steps, found.mean, dashes, color=colour, label=full_name(name), zorder=3)
        if found.pulls is not None:
            axes.fill_between(found.pulls, found.low, found.high, color=colour, alpha=0.2, lw=0)
    axes.set(**({"xlim": (0, len(steps))} | settings))
    end_labels(axes)
    return fig


def pulls(
    axes: Axes,
    heights: Annotated[np.ndarray, "L"],
    paid: Annotated[np.ndarray, "L"],
    colour: str,
) -> None:
    """Draws the pulls of one lifetime as dots, filled where they paid.

    Args:
        axes: where.
        heights: at which each stands, [L].
        paid: the rewards, or whether there was one, [L].
        colour: of the dots.
    """
    number, heights, paid = np.arange(1, len(heights) + 1), np.asarray(heights), np.asarray(paid)
    for which, face in ((paid > 0, colour), (paid <= 0, "none")):
        axes.plot(
            number[which], heights[which], "o", ms=4, mew=0.9, color=colour, mfc=face, clip_on=False
        )


# --- Study 1 ------------------------------------------------------------------------------------


@styled
def heat_maps(
    regret: Annotated[Mapping[str, Annotated[np.ndarray, MAY_BE_NAN]], FILLED],
    references: Mapping[str, np.ndarray],
    trained: Annotated[Sequence[str], FILLED],
    tested: Annotated[Sequence[str], FILLED] | None = None,
    unit: str = "bayes_optimal",
    span: tuple[int, int] = (0, 5),
) -> Figure:
    """The paper's Figures 3 and 4: regret by the task of meta-training and the task of the test.

    A cell prints the regret; its colour is the regret divided by that of the learner `unit` in that
    column, on a scale of doublings, so that easy and hard bandits can be compared. Where a learner
    was not tested, a cell is empty. Cells where training and test are alike are bold.

    Args:
        regret: for each learner, expected cumulative regret, [trained on, tested on]; NaN where it
            was not tested.
        references: the same for learners without training, [tested on]; must hold `unit`. Those
            that have a heat map of their own get no row beneath.
        trained: the names of the rows.
        tested: the names of the columns; None: the same.
        unit: the learner that colours compare with.
        span: where the colours begin and end, in doublings of its regret.

    Returns:
        One heat map for each learner, side by side, references beneath each.

    Raises:
        ValueError: a shape that does not fit the names; `unit` is not among the references.
    """
    tested = trained if tested is None else tested
    n, columns = len(trained), len(tested)
    if unit not in references:
        raise ValueError(
            f"The colours are regret relative to that of {unit!r}: put it into `references`."
        )
    tables = [(name, table, (n, columns)) for name, table in regret.items()]
    for name, table, wanted in [*tables, *((*row, (columns,)) for row in references.items())]:
        if np.shape(table) != wanted:
            raise ValueError(
                f"The regret of {name} has shape {np.shape(table)}: give {wanted} for {n} bandits, "
                f"tested on {columns}."
            )
    optimal = np.asarray(references[unit])
    ticks = 2.0 ** np.arange(span[0], span[1] + 1)
    least, most = ticks[[0, -1]]
    scale = mpl.colors.LogNorm(least, most)
    shades = mpl.colormaps["BuPu"](np.linspace(0.1, 1, 256))  # the palest is not the paper's
    cmap = mpl.colors.ListedColormap(shades)
    below = sorted(references.keys() - regret, key=lambda x: np.mean(references[x] / optimal))

    fig, all_axes = plt.subplots(
        1,
        len(regret),
        figsize=(1.7 + 0.67 * columns * len(regret), 1.6 + 0.335 * (n + 1 + len(below))),
        sharey=True,
        squeeze=False,
    )
    plt.close(fig)
    for axes, (name, table) in zip(all_axes[0], regret.items()):
        gap = np.full(columns, np.nan)
        beneath = [gap, *(references[x] for x in below)] if below else []
        rows = np.array([*table, *beneath])
        axes.pcolormesh(
            np.clip(rows / optimal, least, most),
            norm=scale,
            cmap=cmap,
            edgecolors=PAPER,
            linewidth=1.5,
        )
        for (row, column), value in np.ndenumerate(rows):
            if np.isfinite(value):
                dark = scale(np.clip(value / optimal[column], least, most)) > 0.5
                axes.text(
                    column + 0.5,
                    row + 0.5,
                    f"{value:.2f}" if value < 9.995 else f"{value:.1f}",
                    ha="center",
                    va="center",
                    color="white" if dark else INK,
                    size=9.5,
                    weight="bold" if row < n and trained[row] == tested[column] else "normal",
                )
        axes.set_title(label(name), color=COLOURS[name], weight="bold", size=12)
        axes.set_xticks(
            np.arange(columns) + 0.5, tested, rotation=30, ha="right", rotation_mode="anchor"
        )
        places = [*range(n), *range(n + 1, len(rows))]
        axes.set_yticks(np.array(places) + 0.5, [*trained, *map(label, below)])
        axes.set_xlabel("tested on")
        axes.tick_params(length=0)
        axes.grid(False)
        axes.spines[:].set_visible(False)
    all_axes[0, 0].invert_yaxis()  # and with it the others, which share it
    all_axes[0, 0].set_ylabel("meta-trained on", y=1 - n / 2 / len(rows), ha="center")
    bar = fig.colorbar(
        mpl.cm.ScalarMappable(scale, cmap), ax=all_axes, shrink=0.75, aspect=28, pad=0.02
    )
    beyond = ["≤ " if span[0] else "", *[""] * (len(ticks) - 2), "≥ "]
    bar.set_ticks(ticks, labels=[f"{sign}{x:g} ×" for sign, x in zip(beyond, ticks)])
    bar.minorticks_off()
    bar.outline.set_visible(False)
    bar.set_label(f"regret ÷ {label(unit)} regret")
    return fig


def regret(
    mean: Annotated[np.ndarray, "S L"], blocks: Annotated[np.ndarray, "S T P"], level: Share = 0.95
) -> Regret:
    """The curve of a recorded run, with intervals (`meta_testing.interval`) after each of its
    parts.

    Args:
        mean: mean regret of each pull, [seeds, L].
        blocks: each lifetime's regret in equal parts of it, [seeds, lifetimes, parts].
        level: how often such an interval should hold the mean.

    Raises:
        ValueError: the two do not have the same number of seeds.
    """
    low, high = interval(np.cumsum(blocks, axis=-1, dtype=np.float32), level)
    pulls = np.linspace(0, mean.shape[1], blocks.shape[-1] + 1)[1:]
    return Regret(np.cumsum(mean.mean(0)), pulls, low, high)


@styled
def regret_curves(
    curves: Annotated[Mapping[str, Regret], FILLED],
    title: str = "",
    limits: tuple[float, float] | None = None,
    size: tuple[Positive, Positive] = (6.6, 3.9),
) -> Figure:
    """Cumulative regret over the pulls of a lifetime, with 95% intervals as bands.

    The vertical axis is logarithmic: from the best policy to the random one is a factor of 60.

    Args:
        curves: for each learner of `COLOURS`; a name followed by " without reward" is that
            learner's control, drawn dashed in its colour.
        title: above the axes.
        limits: of the vertical axis, so that pictures can be compared; None fits the curves.
        size: of the figure, in inches.
    """
    settings = {} if limits is None else {"ylim": limits}
    fig = lines(
        curves,
        size=size,
        xlabel="pulls",
        ylabel="expected cumulative regret",
        title=title,
        yscale="log",
        **settings,
    )
    (axes,) = fig.axes
    axes.yaxis.set_major_locator(mpl.ticker.LogLocator(base=10, subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(mpl.ticker.NullLocator())
    axes.yaxis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
    return fig


@styled
def learning_curves(
    fitness: Annotated[Mapping[str, Mapping[str, np.ndarray]], FILLED],
    best: Mapping[str, float] | None = None,
    window: Count = 20,
    unit: str = "payouts in a lifetime",
) -> Figure:
    """Fitness over outer steps, one line for each meta-training seed, one panel for each task.

    Args:
        fitness: for each task (a panel's title) and each learner of `COLOURS`, [seeds, steps].
        best: for each task, a level that no learner can exceed on average; drawn as a line.
        window: steps in the running mean that takes the noise of single steps out.
        unit: of the fitness.
    """
    fig, all_axes = plt.subplots(
        1, len(fitness), figsize=(max(4.6, 1.75 * len(fitness)), 2.9), squeeze=False
    )
    plt.close(fig)
    for axes, (task, learners) in zip(all_axes[0], fitness.items()):
        for name, seeds in learners.items():
            for curve in np.atleast_2d(seeds):
                smooth = running_mean(curve, window)
                axes.plot(
                    np.arange(len(smooth)) + 1, smooth, color=COLOURS[name], lw=1.2, alpha=0.85
                )
        if best is not None:
            axes.axhline(best[task], color=COLOURS["bayes_optimal"], lw=1, ls="--")
        axes.set_title(task)
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(3, integer=True))
        axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(4))
    names = {name: None for learners in fitness.values() for name in learners}
    first = all_axes[0, 0]
    words = [(label(name), COLOURS[name]) for name in names]
    if best is not None:
        words.append((label("bayes_optimal"), COLOURS["bayes_optimal"]))
    for line, (word, colour) in enumerate(reversed(words)):
        first.text(
            0.97,
            0.05 + 0.1 * line,
            word,
            color=legible(colour),
            size=9,
            ha="right",
            transform=first.transAxes,
        )
    first.set_ylabel(f"fitness ({unit})")
    fig.supxlabel("outer steps", size=10)
    return fig


def running_mean(curve: Annotated[np.ndarray, "T"], window: Count) -> np.ndarray:
    """The mean over the last `window` entries (fewer at the start), same shape [steps]."""
    sums = np.concatenate([[0.0], np.cumsum(curve, dtype=float)])
    last = np.arange(1, len(curve) + 1)
    first = np.maximum(last - window, 0)
    return (sums[last] - sums[first]) / (last - first)


# --- Studies 3 to 5 -----------------------------------------------------------------------------


class Course(NamedTuple):
    """Reward a step in equal parts of a lifetime, with what is known of its error."""

    steps: np.ndarray
    """The middle of each part, in steps from the start of the lifetime, [parts]."""
    mean: np.ndarray
    """[parts]."""
    low: np.ndarray
    """Lower end of the interval, [parts]."""
    high: np.ndarray
    """Upper end of the interval, [parts]."""


def course(
    blocks: Annotated[np.ndarray, "S T P"],
    length: Count,
    parts: Count | None = None,
    level: Share = 0.95,
) -> Course:
    """How reward develops over a lifetime, with intervals over seeds and lifetimes.

    Args:
        blocks: each lifetime's reward summed over equal parts of it, [seeds, lifetimes, recorded].
        length: L, steps in a lifetime.
        parts: into how many it is divided, of which the recorded ones must be a multiple; None:
            as recorded.
        level: how often such an interval should hold the mean.

    Raises:
        ValueError: another shape, or parts that the recorded ones do not add up to.
    """
    seeds, lifetimes, recorded = blocks.shape
    parts = recorded if parts is None else parts
    if recorded % parts:
        raise ValueError(
            f"{recorded} parts of a lifetime were recorded: parts={parts}, give a divisor of it."
        )
    each = blocks.reshape(seeds, lifetimes, parts, -1).sum(-1) * (parts / length)
    steps = (np.arange(parts) + 0.5) * length / parts
    return Course(steps, each.mean((0, 1)), *interval(each, level))


def draw_course(axes: Axes, found: Course, dashes: str, colour: str) -> Line2D:
    """Draws a course with its interval as a band, and returns its line."""
    axes.fill_between(found.steps, found.low, found.high, color=colour, alpha=0.15, lw=0)
    return axes.plot(found.steps, found.mean, dashes, color=colour, zorder=3, lw=1.6)[0]


@styled
def lifetime_curves(
    courses: Annotated[Mapping[str, Mapping[str, Mapping[str, Course]]], FILLED],
    unit: str = "reward a step",
    share: Literal["col", "row"] = "col",
) -> Figure:
    """Reward over the lifetime, in a panel for each order of inputs and each environment.

    Controls are dashed and a random policy is dotted. The panels of a column share their vertical
    axis, so that what a change of the order costs can be read off.

    Args:
        courses: for each row, each column and each learner of `COLOURS`; a name followed by
            " without reward" is that learner's control. All rows must have the same columns.
        unit: of the vertical axis.
        share: whether the panels of a column or those of a row share that axis.

    Raises:
        ValueError: rows with different columns.
    """
    columns = _shared(courses, "row", "columns")
    fig, all_axes = plt.subplots(
        len(courses),
        len(columns),
        figsize=(1.0 + 2.05 * len(columns), 0.7 + 1.9 * len(courses)),
        sharex=True,
        sharey=share,
        squeeze=False,
    )
    plt.close(fig)
    handles = {}
    for number, (row, panels) in enumerate(courses.items()):
        line = all_axes[number]
        for axes, (column, learners) in zip(line, panels.items()):
            for name, found in learners.items():
                who, control, _ = name.partition(" without reward")
                dashes = ":" if who == "random" else "--" if control else "-"
                handles[full_name(name)] = draw_course(axes, found, dashes, COLOURS[who])
            axes.yaxis.set_major_locator(mpl.ticker.MaxNLocator(4))
            axes.set_xlim(left=0)
            if number == 0:
                axes.set_title(column)
            if number == len(courses) - 1:
                axes.set_xlabel("steps")
        line[0].set_ylabel(f"{row}\n{unit}")
    fig.legend(
        handles.values(),
        handles.keys(),
        loc="outside upper left",
        ncols=len(handles),
        handlelength=2,
    )
    return fig


@styled
def estimates(
    panels: Mapping[str, Mapping[str, Estimate]],
    unit: str = "reward a step, last fifth",
    best: Mapping[str, float] | None = None,
) -> Figure:
    """Estimates with their intervals: a row for each learner or control, a panel for each task.

    Args:
        panels: for each task (a panel's title) and each row, an estimate. A row is a learner of
            `COLOURS`, such a name followed by the words for a control of it (a hollow mark), or
            anything else (grey). A panel may lack rows that others have. A dotted line marks the
            row "random".
        unit: of the horizontal axis.
        best: for each task that has one, the most that can be earned; drawn as a line.
    """
    rows = list(dict.fromkeys(row for panel in panels.values() for row in panel))
    fig, all_axes = plt.subplots(
        1,
        len(panels),
        figsize=(2.2 + 1.65 * len(panels), 0.9 + 0.24 * len(rows)),
        sharey=True,
        squeeze=False,
    )
    plt.close(fig)
    for axes, (task, panel) in zip(all_axes[0], panels.items()):
        if "random" in panel:
            axes.axvline(panel["random"].mean, color=COLOURS["random"], lw=1, ls=":")
        if best and task in best:
            axes.axvline(best[task], color=COLOURS["bayes_optimal"], lw=1, ls="--")
        for place, row in enumerate(rows):
            if row in panel:
                who, control, _ = row.partition(" ")
                colour = COLOURS[who if who in COLOURS else "neutral"]
                mean, low, high = panel[row]
                axes.plot([low, high], [place, place], color=colour, lw=1.6)
                face = PAPER if control and who in COLOURS else colour
                axes.plot(mean, place, "o", ms=5.5, color=colour, mfc=face, zorder=3)
        axes.set_title(task)
        axes.set_yticks(range(len(rows)), [full_name(row) for row in rows])
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(3))
        axes.tick_params(axis="y", length=0)
    all_axes[0, 0].invert_yaxis()
    fig.supxlabel(unit, size=10)
    return fig


def in_words(
    panels: Mapping[str, Mapping[str, Estimate | Course | Regret]], digits: Index = 3
) -> str:
    """What `estimates`, one row of `lifetime_curves` or `regret_curves` shows, for readers who do
    not see it: each estimate with its interval, each course from its first to its last part, each
    regret at its end."""

    def words(found: Estimate | Course | Regret) -> str:
        if isinstance(found, Estimate):
            return bracketed(found, digits)
        last = f"{found.mean[-1]:.{digits}f}"
        return last if isinstance(found, Regret) else f"from {found.mean[0]:.{digits}f} to {last}"

    return " ".join(
        f"{task}: {', '.join(f'{full_name(row)} {words(found)}' for row, found in rows.items())}."
        for task, rows in panels.items()
    )


# --- Study 5 ------------------------------------------------------------------------------------


class Curves(NamedTuple):
    """A learner's reward over the lifetime, a curve for each meta-training seed."""

    learner: str
    """A name of `COLOURS`."""
    steps: np.ndarray
    """The middle of each part of the lifetime, [parts]."""
    seeds: np.ndarray
    """[seeds, parts]."""


@styled
def curves_and_controls(
    curves: Mapping[str, Mapping[str, Curves]],
    rows: Mapping[str, Mapping[str, Estimate]],
    seeds: Mapping[str, Mapping[str, np.ndarray]],
    unit: str,
) -> Figure:
    """Above, reward over the lifetime, as the paper's Figure 7 shows it; below, what the figure
    does not show: the last part of the lifetime as it is, with each control, and of other rules.

    Everything is relative to a random policy, which is the dotted line.

    Args:
        curves: for each environment (a column) and each label of the legend, what is drawn above.
            The curves of the first label are thick.
        rows: for each environment and each name of a row, what is drawn below, with its interval.
        seeds: for each environment and some of the rows, further figures, [seeds], drawn as small
            circles; a row that has them is SymLA's, others are rules without meta-training.
        unit: of both axes of reward.
    """
    fig, all_axes = plt.subplots(
        2, len(curves), figsize=(8.6, 5.6), height_ratios=[1, 1.2], sharey="row", squeeze=False
    )
    plt.close(fig)
    handles = {}
    for axes, (environment, lines) in zip(all_axes[0], curves.items()):
        for place, (words, found) in enumerate(lines.items()):
            for seed in found.seeds:
                (handles[words],) = axes.plot(
                    found.steps, seed, color=COLOURS[found.learner], lw=1 if place else 2.8
                )
        handles["random policy"] = axes.axhline(0, color=COLOURS["random"], ls=":")
        axes.set(title=environment, xlabel="steps", xlim=(0, None))
    for axes, (environment, found) in zip(all_axes[1], rows.items()):
        for place, (words, (mean, low, high)) in enumerate(found.items()):
            trained = words in seeds[environment]
            colour = COLOURS["symla"] if trained else INK
            axes.plot([low, high], [place] * 2, color=colour, lw=2.4)
            axes.plot(mean, place, "o", ms=6, color=colour)
            if trained:
                few = seeds[environment][words]
                axes.plot(few, [place + 0.3] * len(few), "o", ms=3.5, mfc="none", color=colour)
        axes.axvline(0, color=COLOURS["random"], ls=":")
        axes.set(ylim=(len(found) - 0.4, -0.6), xlabel=unit)
        axes.set_yticks(range(len(found)), found)
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(4))
    all_axes[0, 0].set_ylabel(unit)
    fig.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=2)
    return fig


CONTROL_MARKS = (
    dict(marker="o", ms=8, color=COLOURS["symla"]),
    dict(marker="x", ms=6, color=INK),
    dict(marker="o", ms=8, color=COLOURS["reinforce"], mfc="none"),
    dict(marker="v", ms=4, color=INK),
    dict(marker="s", ms=4, color=COLOURS["reinforce"]),
)


@styled
def under_controls(
    panels: Mapping[str, Mapping[str, Mapping[str, Estimate]]],
    levels: Mapping[str, float],
    unit: str = "reward a step, last fifth",
) -> Figure:
    """Learners as they are and with each control, a row for each, a panel for each environment.

    Args:
        panels: for each environment, each learner and up to five labels of the legend, an estimate.
            The first label is the learner as it is; its interval is drawn, too.
        levels: for each environment, what a random policy earns; a dotted line.
        unit: of the horizontal axis.
    """
    fig, all_axes = plt.subplots(1, len(panels), figsize=(8.6, 3.5), sharey=True, squeeze=False)
    plt.close(fig)
    handles = {}
    for axes, (environment, learners) in zip(all_axes[0], panels.items()):
        axes.axvline(levels[environment], color=COLOURS["random"], ls=":")
        for place, found in enumerate(learners.values()):
            whole = next(iter(found.values()))
            axes.plot([whole.low, whole.high], [place] * 2, color=COLOURS["symla"], alpha=0.5)
            for (words, control), mark in zip(found.items(), CONTROL_MARKS):
                (handles[words],) = axes.plot(control.mean, place, ls="none", **mark)
        axes.set_ylim(len(learners) - 0.5, -0.5)
        axes.set_yticks(range(len(learners)), learners)
        axes.set_title(environment, size=9.5)
        axes.xaxis.set_major_locator(mpl.ticker.MaxNLocator(4))
    fig.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=3)
    fig.supxlabel(unit, size=10)
    return fig
