"""Where a Chromium is, and how it is started without a window, a sandbox or talk of its own."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    " --disable-component-update --disable-sync"
).split()
MISSING = (
    "there is no Chromium here to open the pages with: install one (on Debian: apt-get install"
    " chromium), or name its path in the environment variable CHROMIUM"
)


def path() -> str | None:
    """The path of a Chromium: the one named in CHROMIUM, or one that is installed."""
    found = [shutil.which(name) for name in (os.environ.get("CHROMIUM", ""), *NAMES)]
    return next(filter(None, found), None)
