"""The gallery looks as it looked when somebody last looked at it.

python tests/browser/test_gallery.py    after you have looked at the built page: keep it so
"""

from __future__ import annotations

import base64
import io
import re
import sys
from pathlib import Path

import numpy as np
from PIL import Image

KEPT = Path(__file__).parent / "gallery"
GALLERY = Path("book") / "gallery.html"
PICTURE = re.compile(r'<img class="dark-light"[^>]*src="data:image/png;base64,([^"]*)"')
SIZE = (160, 100)
CLOSE = 0.02  # of black and white: more than another version's smoothing, less than a moved line


def thumbnails(book: Path) -> list[np.ndarray]:
    """The figures of the built gallery in their order, small, in [0, 1]."""
    page = (book / GALLERY).read_text("utf-8")
    return [small(Image.open(io.BytesIO(base64.b64decode(x)))) for x in PICTURE.findall(page)]


def small(picture: Image.Image) -> np.ndarray:
    """A picture, smoothed down to `SIZE`, in [0, 1]."""
    return np.asarray(picture.convert("RGB").resize(SIZE, Image.Resampling.BOX)) / 255


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """The largest mean difference in any tenth of the width and height of two pictures."""
    blocks = np.abs(a - b).reshape(SIZE[1] // 10, 10, SIZE[0] // 16, 16, 3)
    return blocks.mean((1, 3, 4)).max()


def kept() -> list[np.ndarray]:
    """The pictures that were looked at."""
    return [small(Image.open(path)) for path in sorted(KEPT.glob("*.png"))]


def test_the_gallerys_figures_look_as_they_did(book):
    now, before = thumbnails(book), kept()
    assert len(now) == len(before) >= 4
    apart = [distance(a, b) for a, b in zip(now, before)]
    assert max(apart) < CLOSE, f"look at {GALLERY}; if it is right, run python {__file__}"


def test_the_comparison_tells_every_two_figures_apart():
    pictures = kept()
    apart = [distance(a, b) for i, a in enumerate(pictures) for b in pictures[:i]]
    assert min(apart) > 2 * CLOSE


def test_a_line_that_moved_is_noticed():
    for picture in kept():
        assert distance(picture, np.roll(picture, 5, axis=0)) > CLOSE


if __name__ == "__main__":
    book = Path(__file__).parents[2] / "_build" / "html"
    KEPT.mkdir(exist_ok=True)
    for number, thumbnail in enumerate(thumbnails(book)):
        picture = Image.fromarray(np.round(255 * thumbnail).astype(np.uint8))
        picture.save(KEPT / f"{number}.png", optimize=True)
        print(KEPT / f"{number}.png", file=sys.stderr)
