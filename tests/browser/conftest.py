"""A Chromium without a window and without a network, for the tests of what runs in a browser."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

BOOK = Path(__file__).resolve().parents[2] / "_build" / "html"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
).split()

NO_CHROMIUM = (
    "there is no Chromium here to open the pages with: install one (on Debian: apt-get install"
    " chromium), or name its path in the environment variable CHROMIUM"
)
NO_BOOK = f"there is no built book in {BOOK}: run `make book` first"


def chromium() -> str | None:
    """The path of a Chromium: the one named in CHROMIUM, or one that is installed."""
    found = [shutil.which(name) for name in (os.environ.get("CHROMIUM", ""), *NAMES)]
    return next(filter(None, found), None)


def pages() -> list[Path]:
    """The pages of the built book; none where it is not built. `index.html` only leads to the
    first, and `_static` holds no pages.
    """
    found = sorted(path.relative_to(BOOK) for path in BOOK.rglob("*.html"))
    return [path for path in found if path.parts[0] not in ("_static", "index.html")]


def lacking(what: str) -> None:
    """Ends a test that lacks something; a failure where CI is set, which was to bring it."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(what)


@pytest.fixture(scope="session")
def browser():
    """A running Chromium."""
    path = chromium()
    if path is None:
        lacking(NO_CHROMIUM)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def book() -> Path:
    """The built book."""
    if not pages():
        lacking(NO_BOOK)
    return BOOK


def pytest_terminal_summary(terminalreporter):
    """Says aloud what a line of s would not: that nothing was opened."""
    for is_there, what in ((chromium(), NO_CHROMIUM), (pages(), NO_BOOK)):
        if not is_there:
            terminalreporter.write_line(f"WARNING: no page was opened: {what}.", yellow=True)
