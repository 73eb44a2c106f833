"""Sphinx extension: a page loads no script of the theme's that it does not use.

Font Awesome's script (1.5 MB) redraws icons that its font, which every page loads too, shows as
well. The search tools and the index of the whole book are for searching as one types, which the
theme leaves turned off; the search page loads its own. Sphinx adds MathJax (1.2 MB) to a page with
formulas, but also to one in whose table of contents there is a page with formulas.
"""

from __future__ import annotations

import re
from pathlib import Path

NAMES = "scripts/fontawesome|_static/searchtools|_static/language_data|searchindex"
UNUSED = re.compile(rf"""<script\b[^>]*\bsrc="[^"]*(?:{NAMES})\.js[^"]*"[^>]*></script>\s*""")


def without_unused(page: str) -> str:
    """A page's HTML without the scripts that it does not use."""
    return UNUSED.sub("", page)


def _math_where_there_is_math(app, pagename, templatename, context, doctree) -> None:
    if app.env.get_domain("math").data["has_equations"].get(pagename):
        return
    context["script_files"] = [
        script
        for script in context["script_files"]
        if not str(script.filename).endswith(app.config.mathjax_path)
    ]


def _lighten(app, exception) -> None:
    if exception or app.builder.format != "html":
        return
    for path in Path(app.outdir).rglob("*.html"):
        page = path.read_text("utf-8")
        if path.name != "search.html" and (lighter := without_unused(page)) != page:
            path.write_text(lighter, "utf-8")


def setup(app) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("html-page-context", _math_where_there_is_math, priority=900)
    app.connect("build-finished", _lighten)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
