"""A Chromium without a window and without a network, for the tests of what runs in a browser."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "book" / "_tools"))

import chromium  # noqa: E402

BOOK = ROOT / "_build" / "html"
NO_BOOK = f"there is no built book in {BOOK}: run `make book` first"


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
    path = chromium.path()
    if path is None:
        lacking(chromium.MISSING)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=chromium.FLAGS)
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
    for is_there, what in ((chromium.path(), chromium.MISSING), (pages(), NO_BOOK)):
        if not is_there:
            terminalreporter.write_line(f"WARNING: no page was opened: {what}.", yellow=True)
