"""Sphinx extension: the package's pages show a constant's value only where it is short.

A table of environments printed as Python would fill pages, and its docstring says what is in it.
"""

from docutils import nodes
from sphinx import addnodes

LONGEST = 200
"""Characters of a value that are still read."""


def _without_long_values(app, domain, objtype, content) -> None:
    if domain != "py" or objtype not in ("data", "attribute"):
        return
    for part in list(content.parent.findall(addnodes.desc_annotation)):
        words = part.astext()
        if words.lstrip().startswith("=") and len(words) > LONGEST:
            part.replace_self(nodes.Text(" = …"))


def setup(app):
    """Sphinx's entry point."""
    app.connect("object-description-transform", _without_long_values)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
