"""Every page of the built book, opened as a reader opens it: from the disk, without a network."""

from __future__ import annotations

import base64
import fcntl
import functools
import io
import os
import pickle
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import pages
from PIL import Image, ImageColor

from symla_lite import figures

SCHEMES = ("light", "dark")
SIZE = {"width": 1250, "height": 900}
WIDTHS = (390, 1250, 1920)
"""Of a telephone, a notebook and a large screen."""

CUT = """() => {
    const shown = (x) => x.offsetParent && !x.closest("[aria-hidden=true], mjx-container");
    const reachesOut = (x) => {
        const article = x.closest("article");
        for (let around = x; around !== article; around = around.parentElement) {
            if (/auto|scroll/.test(getComputedStyle(around).overflowX)) x = around;
        }
        const [box, whole] = [x.getBoundingClientRect(), article.getBoundingClientRect()];
        return box.left < whole.left - 1 || box.right > whole.right + 1;
    };
    const all = document.querySelectorAll("article :is(img, table, figcaption, .jupyter-widgets)");
    return [...all].filter(shown).filter(reachesOut).map((x) => x.outerHTML.slice(0, 120));
}"""
"""Pictures, tables and explorers that reach out of the text and cannot be moved to be seen."""
ANCHORS = "[...document.querySelectorAll('[id], a[name]')].map((x) => x.id || x.name)"
LINKS = "[...document.querySelectorAll('a[href]')].map((link) => link.href)"

PROSE = """() => {
    const skipped = "pre, code, script, style, noscript, mjx-container, textarea, .bd-sidebar";
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = [...document.querySelectorAll("article img[alt]")].map((image) => image.alt);
    while (walker.nextNode()) {
        if (!walker.currentNode.parentElement.closest(skipped)) found.push(walker.currentNode.data);
    }
    return found;
}"""
TEX = re.compile(r"\\[A-Za-z]{2,}|\\[()\[\]]|\$\$|\$\S[^$\n]*\$")

PICTURE_DATA = re.compile("data:image/png;base64,([A-Za-z0-9+/=]+)")

WIDGETS = 'script[type="application/vnd.jupyter.widget-view+json"]'
READY = f"""async () => {{
    if (window.MathJax?.startup) await MathJax.startup.promise;
    await document.fonts.ready;
    const drawn = () => [...document.querySelectorAll('{WIDGETS}')].every(
        (script) => script.parentElement.querySelector(".jupyter-widgets"));
    for (let tries = 0; tries < 100 && !drawn(); tries++) {{
        await new Promise((next) => setTimeout(next, 100));
    }}
    // Colours fade from light to dark: measured on the way, the contrast is of neither.
    await new Promise((next) => requestAnimationFrame(() => requestAnimationFrame(next)));
    const fading = document.getAnimations().filter(
        (animation) => animation.effect.getComputedTiming().endTime < Infinity);
    await Promise.allSettled(fading.map((animation) => animation.finished));
}}"""

# What axe-core finds in parts of others. Each entry: the rule, what the element matches, and why it
# is left.
NOT_OURS = (
    (
        "aria-required-children",
        ".citation-list",
        "docutils makes a list of the bibliography whose entries are no list items",
    ),
    (
        "definition-list",
        ".sig",
        "Sphinx makes a list without terms of the parameters that take a line each",
    ),
)


class Visit(NamedTuple):
    """What was seen of one page."""

    errors: list[str]
    """Of the console, and those that no script caught."""
    failed: list[str]
    """Requests that got no answer."""
    loaded: list[str]
    """Addresses of all requests."""
    prose: list[str]
    """Its text but for code and formulas, and the words of its pictures."""
    bare: int
    """Formulas that were not typeset, or with an error in them."""
    broken: list[str]
    """Pictures that show nothing."""
    widgets: tuple[int, int]
    """How many there should be, and how many were drawn."""
    anchors: set[str]
    links: list[str]
    faults: list[str]
    """Serious and critical ones that axe-core found."""
    wider: dict[int, int]
    """Pixels that the page is wider than the window, by the window's width."""
    cut: dict[int, list[str]]
    """What reaches out of the text, by the window's width."""


def open_page(browser, address: str, **options):
    """A page of its own, opened and drawn, and what went wrong on the way."""
    context = browser.new_context(viewport=SIZE, offline=True, **options)
    page = context.new_page()
    errors, failed, loaded = [], [], []
    page.on("console", lambda said: said.type == "error" and errors.append(said.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.on("request", lambda request: loaded.append(request.url))
    page.goto(address)
    page.wait_for_load_state("load")
    if options.get("java_script_enabled", True):
        page.evaluate(READY)
    return page, errors, failed, loaded


def faults(page) -> list[str]:
    """Serious and critical faults but for those of `NOT_OURS`: rule, element, what is wrong."""
    found = []
    # With preload it would ask again for all style sheets, which a page on a disk may not.
    for violation in Axe().run(page, options={"preload": False}).response["violations"]:
        if violation["impact"] not in ("serious", "critical"):
            continue
        for node in violation["nodes"]:
            target = node["target"][-1]
            others = [where for rule, where, _ in NOT_OURS if rule == violation["id"]]
            if not any(
                page.evaluate(
                    "([target, where]) => !!document.querySelector(target)?.closest(where)",
                    [target, where],
                )
                for where in others
            ):
                found.append(f"{violation['id']}: {target}: {node['html'][:160]}")
    return found


def at_widths(page, script: str) -> dict:
    """What a script says of a page in a window of each of the `WIDTHS`."""
    said = {}
    for width in WIDTHS:
        page.set_viewport_size(SIZE | {"width": width})
        said[width] = page.evaluate(script)
    return said


@pytest.fixture(scope="session")
def visit(browser, book, tmp_path_factory):
    """`(page, scheme) -> Visit`; each page is opened once in light and once in dark, by one of the
    workers, which leaves for the others what it saw.
    """
    of_all_workers = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        of_all_workers = of_all_workers.parent

    @functools.cache
    def see(name: Path, scheme: str) -> Visit:
        seen = of_all_workers / f"{name.as_posix().replace('/', ' ')} {scheme}"
        with seen.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            if not (kept := file.read()):
                kept = pickle.dumps(look_at(name, scheme))
                file.write(kept)
        return pickle.loads(kept)

    def look_at(name: Path, scheme: str) -> Visit:
        address = (book / name).as_uri()
        page, errors, failed, loaded = open_page(browser, address, color_scheme=scheme)
        seen = Visit(
            errors=errors,
            failed=failed,
            loaded=loaded,
            prose=page.evaluate(PROSE),
            bare=page.evaluate(
                "document.querySelectorAll('.math:not(:has(mjx-container)), mjx-merror').length"
            ),
            broken=page.evaluate(
                "[...document.images].filter((x) => x.complete && !x.naturalWidth)"
                ".map((x) => x.src)"
            ),
            widgets=tuple(
                page.evaluate(
                    f"""(() => {{
                        const scripts = [...document.querySelectorAll('{WIDGETS}')];
                        const drawn = scripts.map((script) => script.parentElement)
                            .filter((place) => place.querySelector(".jupyter-widgets"));
                        return [scripts.length, new Set(drawn).size];
                    }})()"""
                )
            ),
            anchors=set(page.evaluate(ANCHORS)),
            links=page.evaluate(LINKS),
            faults=faults(page),
            wider=at_widths(page, "document.documentElement.scrollWidth - innerWidth"),
            cut=at_widths(page, CUT),
        )
        page.context.close()
        return seen

    return see


# One worker does all that is to be done with a page, so that it need not wait for another's visit.
every_page = pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.xdist_group(str(name))) for name in pages() or [None]],
    ids=str,
)
in_both = pytest.mark.parametrize("scheme", SCHEMES)


def landing(book: Path) -> Path:
    """The page that the book's `index.html` leads to."""
    return Path(re.search(r"url=([^\"]+)", (book / "index.html").read_text("utf-8"))[1])


def size(address: str) -> int:
    """Bytes of the file behind an address."""
    return Path(unquote(urlsplit(address).path)).stat().st_size


# ----------------------------------------------------------------------------- what every page does


@in_both
@every_page
def test_a_page_loads_in_silence_and_from_the_disk_alone(visit, name, scheme):
    seen = visit(name, scheme)
    assert seen.errors == []
    assert seen.failed == []
    assert [x for x in seen.loaded if urlsplit(x).scheme not in ("file", "data", "blob")] == []
    assert seen.broken == []


@every_page
def test_every_formula_is_typeset(visit, name):
    seen = visit(name, "light")
    assert [text for text in seen.prose if TEX.search(text)] == []
    assert seen.bare == 0


@every_page
def test_every_widget_is_drawn(visit, name):
    wanted, drawn = visit(name, "light").widgets
    assert drawn == wanted


@every_page
def test_every_link_within_the_book_leads_somewhere(visit, book, name):
    astray = []
    for link in visit(name, "light").links:
        parts = urlsplit(link)
        if parts.scheme != "file":
            continue
        path = Path(unquote(parts.path))
        if not path.is_file():
            astray.append(link)
        elif parts.fragment and path.suffix == ".html":
            anchors = visit(path.relative_to(book), "light").anchors
            if unquote(parts.fragment) not in anchors:
                astray.append(link)
    assert astray == []


@in_both
@every_page
def test_nobody_is_shut_out_by_a_fault_of_ours(visit, name, scheme):
    assert visit(name, scheme).faults == []


@every_page
def test_no_page_is_wider_than_its_window(visit, name):
    assert {width: x for width, x in visit(name, "light").wider.items() if x > 0} == {}


@every_page
def test_no_picture_table_or_explorer_is_cut_off(visit, name):
    assert {width: x for width, x in visit(name, "light").cut.items() if x} == {}


@every_page
def test_nothing_in_a_picture_reaches_its_edge(book, name):
    ground = np.array(ImageColor.getrgb(figures.PAPER))
    for number, encoded in enumerate(PICTURE_DATA.findall((book / name).read_text("utf-8"))):
        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB"), int)
        edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert np.abs(edge - ground).max() < 12, f"picture {number} of {name} is cut off"


def test_the_landing_page_is_light(visit, book):
    """Under 1 MB as it lies on the disk. It has no widgets."""
    loaded = {x for x in visit(landing(book), "light").loaded if x.startswith("file:")}
    assert sum(map(size, loaded)) < 1e6


def test_no_page_is_heavy(visit):
    """Under 5 MB each: the page and what it alone loads."""
    loaded = {name: set(visit(name, "light").loaded) for name in pages()}
    times = Counter(address for addresses in loaded.values() for address in addresses)
    weights = {
        str(name): sum(size(x) for x in addresses if x.startswith("file:") and times[x] == 1)
        for name, addresses in loaded.items()
    }
    assert {name: weight for name, weight in weights.items() if weight >= 5e6} == {}


# -------------------------------------------------------------------------------- what answers back

PICTURE = """(root) => [...root.querySelectorAll("img")]
    .filter((image) => image.offsetParent).map((image) => image.src).join()"""


@every_page
def test_every_control_of_an_explorer_changes_its_picture(browser, book, name):
    page, *_ = open_page(browser, (book / name).as_uri())
    for explorer in page.locator(f":has(> {WIDGETS}) > .widget-subarea, .widget-subarea").all():
        sliders = explorer.locator("[role=slider]").all()
        lists = explorer.locator("select").all()
        rows = explorer.locator(".widget-toggle-buttons").all()
        assert sliders or lists or rows, "an explorer has a control"
        for slider in sliders:
            before = explorer.evaluate(PICTURE)
            slider.press("ArrowRight")
            assert explorer.evaluate(PICTURE) != before, "a slider moves nothing"
        for row in rows:
            before = explorer.evaluate(PICTURE)
            row.locator("button:not(.mod-active)").first.click()
            assert explorer.evaluate(PICTURE) != before, "a row of buttons moves nothing"
        for chosen in lists:
            before = explorer.evaluate(PICTURE)
            chosen.select_option(index=1)
            assert explorer.evaluate(PICTURE) != before, "a list moves nothing"
    page.context.close()


# ------------------------------------------------------------------------------------------ live

LIVE = Path("book/live.html")
SEEDED = """{
    let state = 1;  // mulberry32
    Math.random = () => {
        state = (state + 0x6d2b79f5) | 0;
        let t = Math.imul(state ^ (state >>> 15), 1 | state);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}"""


@pytest.fixture
def live(browser, book):
    """`(demo, **options of the context) -> locator` of one of the live page, with fixed numbers."""
    contexts = []

    def opened(name, **options):
        context = browser.new_context(viewport=SIZE, offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.add_init_script(SEEDED)
        page.goto((book / LIVE).as_uri())
        return page.locator(f"#live-{name}")

    yield opened
    for context in contexts:
        context.close()


def press(demo, words):
    demo.get_by_role("button", name=words, exact=True).click()


def live_on(demo, steps):
    """Takes so many steps, as Run does, and returns what was recorded of them."""
    return demo.evaluate(
        """(root, steps) => {
            for (let step = 0; step < steps; step++) root.demo.advance();
            root.demo.draw();
            return root.demo.record.slice(-steps);
        }""",
        steps,
    )


def regret(pulls):
    """Of each pull but the first."""
    total = [pull["regret"] for pull in pulls]
    return [after - before for before, after in zip(total[:-1], total[1:])]


def mean(values):
    return sum(values) / len(values)


def set_arms(demo, *p):
    for slider, value in zip(demo.get_by_role("slider").all(), p, strict=True):
        slider.fill(str(value))


LIVE_WORLDS = ("bandit", "cartpole", "hearts")


@pytest.mark.parametrize("name", LIVE_WORLDS)
def test_a_live_demonstration_runs_and_pauses_and_steps(live, name):
    demo = live(name)
    steps = "(root) => root.demo.steps"
    press(demo, "Run")
    demo.page.wait_for_function(f"(root) => ({steps})(root) > 5", arg=demo.element_handle())
    press(demo, "Pause")
    before = demo.evaluate(steps)
    demo.page.wait_for_timeout(200)
    press(demo, "Step")
    assert demo.evaluate(steps) == before + 1


def test_the_live_bandit_learns_and_turns_round(live):
    demo = live("bandit")
    set_arms(demo, 0.9, 0.1)
    first, last = [], []
    for _ in range(6):
        press(demo, "Reset")
        pulls = regret(live_on(demo, 120))
        first += pulls[:5]
        last += pulls[60:]
    assert mean(last) < 0.1 < mean(first)

    press(demo, "Swap best and worst arm")
    pulls = regret(live_on(demo, 150))
    assert mean(pulls[:3]) > 0.5, "at first it goes on as before"
    assert mean(pulls[100:]) < 0.1


def test_the_live_bandit_does_not_learn_without_its_reward(live):
    demo = live("bandit")
    set_arms(demo, 0.9, 0.1)
    demo.get_by_label("It receives its reward").uncheck()
    pulls = []
    for _ in range(2):
        press(demo, "Reset")
        pulls += regret(live_on(demo, 200))
        press(demo, "Swap best and worst arm")  # a habit is right for one order of the arms
    assert mean(pulls) > 0.25, "0.4 would be chance"


def test_the_live_bandit_counts_to_twelve(live):
    demo = live("bandit")
    for arms in (5, 12):
        demo.get_by_label("Arms").select_option(str(arms))
        set_arms(demo, 0.9, *[0.1] * (arms - 1))
        assert mean(regret(live_on(demo, 200))[150:]) < 0.1


def test_the_live_pole_stays_up_and_recovers_from_a_shuffle(live):
    demo = live("cartpole")
    by_chance = 1 / (1 + demo.evaluate("(root) => root.demo.byChance"))
    settled, shuffled, recovered = [], [], []
    for _ in range(3):
        press(demo, "All wires straight")
        press(demo, "Reset")
        settled += live_on(demo, 500)
        press(demo, "Shuffle the inputs")
        press(demo, "Swap the actions")
        shuffled += live_on(demo, 100)
        live_on(demo, 300)
        recovered += live_on(demo, 500)
    settled, shuffled, recovered = (
        mean([step["fell"] for step in steps]) for steps in (settled, shuffled, recovered)
    )
    assert settled < by_chance / 4
    assert shuffled > 2 * settled, "it notices"
    assert recovered < by_chance / 4


def test_the_live_grid_learns_and_unlearns(live):
    demo = live("hearts")
    learned, swapped, unlearned = [], [], []
    for _ in range(3):
        press(demo, "Reset")
        learned += live_on(demo, 900)[700:]
        press(demo, "Swap the rewards")
        swapped += live_on(demo, 100)
        unlearned += live_on(demo, 2000)[1700:]
    learned, swapped, unlearned = (
        mean([step["r"] for step in steps]) for steps in (learned, swapped, unlearned)
    )
    assert learned > 0.15, "0 is what a random policy earns"
    assert swapped < -0.1, "at first it goes on as before"
    assert unlearned > 0.1


def test_the_live_grid_does_not_learn_without_its_reward(live):
    demo = live("hearts")
    demo.get_by_label("It receives its reward").uncheck()
    press(demo, "Reset")
    assert abs(mean([step["r"] for step in live_on(demo, 2000)])) < 0.05


def test_the_live_grid_takes_what_the_reader_puts_there(live):
    demo = live("hearts")
    world = "(root) => [root.demo.world.walls, root.demo.world.heart, root.demo.world.placed]"
    taken = demo.evaluate("({ demo: { world: w } }) => [w.agent, w.heart, w.trap]")
    free = [cell for cell in range(9) if cell not in taken]

    def put(thing, cell):
        demo.get_by_label("A click puts").select_option(thing)
        demo.locator(f"[data-cell='{cell}']").click()
        return demo.evaluate(world)

    walls, heart, placed = put("wall", free[0])
    assert (walls.index(True), heart, placed) == (free[0], taken[1], False)
    assert put("heart", free[1])[1:] == [free[1], True]
    assert put("heart", taken[2])[1] == free[1], "the trap is there"
    assert "take another cell" in demo.locator(".live-said").inner_text()
    live_on(demo, 100)
    assert demo.evaluate(world)[1] == free[1], "it stays there"
    for cell in free[2:]:
        put("wall", cell)
    assert put("wall", taken[1])[0].count(True) <= 5, "some cells stay free"
    assert put("wall", free[0])[0][free[0]] is False, "a wall that is there goes"
    press(demo, "Random places, no walls")
    assert not any(demo.evaluate(world)[0])


def test_the_live_page_says_what_is_missing_without_javascript(live):
    for name in LIVE_WORLDS:
        demo = live(name, java_script_enabled=False)
        assert "which needs JavaScript: it is turned off." in demo.inner_text()


def test_the_live_page_is_worked_by_keyboard_and_fits_a_telephone(live):
    demo = live("bandit")
    page = demo.page
    page.set_viewport_size({"width": 400, "height": 800})
    demo.get_by_role("button", name="Step").focus()
    page.keyboard.press("Enter")
    demo.get_by_label("Arm 1 pays with probability").focus()
    page.keyboard.press("ArrowRight")
    assert demo.evaluate("(root) => [root.demo.steps, root.demo.p[0]]") == [1, 0.8]
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_the_live_page_moves_little_where_the_reader_wants_that(live):
    drawn = []
    for motion in ("reduce", "no-preference"):
        demo = live("cartpole", reduced_motion=motion)
        demo.evaluate(
            """(root) => {
                root.drawn = 0;
                const draw = root.demo.draw;
                root.demo.draw = function () { root.drawn += 1; draw.call(this); };
            }"""
        )
        press(demo, "Run")
        demo.page.wait_for_timeout(1200)
        press(demo, "Pause")
        drawn.append(demo.evaluate("(root) => root.drawn"))
    assert drawn[0] < 8 < drawn[1]
