"""Print the built book into one PDF: the pages in their order, with an outline.

python book/_tools/pdf.py _build/html _build/book.pdf

A Chromium prints them, and not LaTeX: a page's tables, explorers (in their first state) and
typeset formulas come out as they are read, and nothing has to be installed but the browser that
`make test-browser` takes too. Solutions are printed open. Code that a page folds away is left out:
on paper nobody can open it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import chromium
import yaml

ROOT = Path(__file__).resolve().parents[2]
READY = """async () => {
    document.documentElement.dataset.theme = document.documentElement.dataset.mode = "light";
    for (const hidden of document.querySelectorAll("details.sd-dropdown, .tag_hide-cell details")) {
        hidden.open = true;
    }
    if (window.MathJax?.startup) await MathJax.startup.promise;
    await document.fonts.ready;
    const running = [...document.querySelectorAll("[data-do=toggle]")];  // of the live page
    for (const button of running) button.click();
    await new Promise((next) => setTimeout(next, running.length ? 6000 : 1500));  // for the widgets
    for (const button of running) button.click();
}"""
WIDTH = 774
"""Of the browser's window: the text's on A4 at `SCALE`, so that canvases need no squeezing."""
SCALE = 0.85
STYLE = """
    .bd-header, .bd-header-article, .bd-sidebar-primary, .bd-sidebar-secondary, .prev-next-footer,
    .bd-footer-content, .equation-code, .headerlink, #pst-skip-link, .live-controls,
    details.hide:not([open]) { display: none !important; }
    .bd-main, .bd-content, .bd-article-container { max-width: none !important; }
    h1, h2, h3, h4, img, figure, tr, .MathJax, .cell_input, .widget-vbox, .jupyter-widgets
        { break-inside: avoid; }
    h1, h2, h3, h4, caption, summary, .admonition-title { break-after: avoid; }
    pre { white-space: pre-wrap !important; overflow-wrap: anywhere; }
    pre { break-inside: auto !important; }
"""


def order(toc: Path) -> list[str]:
    """The book's pages in their order, as `book/NAME.html`."""
    content = yaml.safe_load(toc.read_text("utf-8"))
    chapters = [chapter for part in content["parts"] for chapter in part["chapters"]]
    entries = [x for chapter in chapters for x in (chapter, *chapter.get("sections", []))]
    files = [content["root"], *(entry["file"] for entry in entries)]
    return [Path(name).with_suffix(".html").as_posix() for name in files]


def write(book: Path, pages: list[str], path: Path) -> None:
    """Prints `pages` of the built `book` into one file."""
    from playwright.sync_api import sync_playwright
    from pypdf import PdfWriter

    whole = PdfWriter()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.path(), args=chromium.FLAGS)
        page = browser.new_context(offline=True, color_scheme="light").new_page()
        page.set_viewport_size({"width": WIDTH, "height": 1000})
        for number, name in enumerate(pages):
            page.goto((book / name).resolve().as_uri())
            page.evaluate(READY)
            page.add_style_tag(content=STYLE)
            part = Path(folder) / f"{number}.pdf"
            page.pdf(
                path=part,
                format="A4",
                print_background=True,
                scale=SCALE,
                margin={side: "18mm" for side in ("top", "right", "bottom", "left")},
            )
            whole.append(part, outline_item=page.title().split(" — ")[0], import_outline=False)
        browser.close()
    whole.compress_identical_objects()
    whole.write(path)


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("book", type=Path, help="folder of the built pages")
    parser.add_argument("path", type=Path, help="of the PDF")
    given = parser.parse_args(arguments)
    book, path = given.book, given.path
    if chromium.path() is None:
        print(f"No PDF was made: {chromium.MISSING}.")
        return 0
    if not (book / "index.html").exists():
        print(f"There is no built book in {book}: run `make book` first.", file=sys.stderr)
        return 1
    pages = order(ROOT / "_toc.yml")
    write(book, pages, path)
    print(f"{len(pages)} pages of the book are in {path}, {path.stat().st_size / 1e6:.1f} MB.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
