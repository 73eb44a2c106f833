"""Sphinx extension: the Colab and repository buttons stand where the book has a public address.

Without an address in `_config.yml` there is nothing they could point to, and they are left out.
"""

from __future__ import annotations


def _choose_buttons(app, config) -> None:
    options = config.html_theme_options
    has_address = bool(options.get("repository_url"))
    options |= {f"use_{name}_button": has_address for name in ("repository", "issues", "edit_page")}
    if not has_address:
        options.pop("repository_url", None)
        options.pop("launch_buttons", None)


def _leave_out_thebe(app, config) -> None:
    # Unused here, but Jupyter Book loads it, and twice, which is an error on every page.
    for listeners in app.events.listeners.values():
        listeners[:] = [
            listener for listener in listeners if listener.handler.__module__ != "sphinx_thebe"
        ]


def setup(app) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", _choose_buttons)
    app.connect("config-inited", _leave_out_thebe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
