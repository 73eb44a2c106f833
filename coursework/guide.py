"""The instructor's guide: `guide.md` in this folder, with what the masters say filled in.

`<!-- overview -->` in it becomes a table of the assignments; `<!-- 02_metarnn -->` becomes that
assignment's points by question, what typical wrong answers earn, and its solutions.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from build import Master

HERE = Path(__file__).resolve().parent

PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto;
       padding: 0 1rem; }}
p, li {{ max-width: 50rem; }}
table {{ border-collapse: collapse; margin: 1rem 0; max-width: 50rem; }}
td code {{ white-space: nowrap; }}
th, td {{ text-align: left; vertical-align: top; padding: 0.2rem 0.8rem 0.2rem 0;
         border-bottom: 1px solid #8886; }}
pre {{ overflow-x: auto; padding: 0.6rem; background: #8882; font-size: 0.8rem; }}
</style>
{body}
</html>
"""


class Wrong:
    """A typical wrong answer: `wrong/ASSIGNMENT/NAME.py`, a cell to add below the solution.

    Attributes:
        name: the file's.
        about: what is wrong with it, from its docstring.
        scores: what the questions that it spoils still earn; a tuple where chance decides.
        source: the cell.
    """

    def __init__(self, path: Path):
        self.name, self.source = path.stem, path.read_text("utf-8")
        tree = ast.parse(self.source)
        self.about = " ".join(ast.get_docstring(tree).split())
        (scores,) = [
            node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and node.targets[0].id == "SCORES"
        ]
        self.scores: dict[str, int | tuple[int, ...]] = ast.literal_eval(scores)


def wrong_answers(assignment: str) -> list[Wrong]:
    """The typical wrong answers of an assignment."""
    return [Wrong(path) for path in sorted((HERE / "wrong" / assignment).glob("*.py"))]


def either(score: int | tuple[int, ...]) -> str:
    """What a question earns, in words where chance decides."""
    *others, last = map(str, score if isinstance(score, tuple) else (score,))
    return f"{', '.join(others)} or {last}" if others else last


def table(head: Sequence[str], rows: Sequence[Sequence]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def overview(masters: Sequence[Master]) -> str:
    """What there is: time, and points by machine and by a reader."""
    rows = []
    for master in masters:
        time = re.search(r"^\*(.+?)\. \d+ points", master.cells[0].source, re.MULTILINE)[1]
        read = sum(question.points for question in master.questions if question.manual)
        rows.append([master.title, time.lower(), master.points - read, read])
    return table(["", "time", "points by checks", "points by a reader"], rows)


def details(master: Master) -> str:
    """Points by question, what wrong answers earn, and the solutions."""
    names = [question.name for question in master.questions]
    seen = master.split
    points = table(
        ["", *names],
        [
            ["checks that students have", *(seen[name][0] for name in names)],
            ["checks that they do not see", *(seen[name][1] for name in names)],
            ["a reader", *(seen[name][2] for name in names)],
        ],
    )
    full = {question.name: question.points for question in master.questions}
    rows = [
        [wrong.about, ", ".join(f"{x} {either(n)} of {full[x]}" for x, n in wrong.scores.items())]
        for wrong in wrong_answers(master.name)
    ]
    wrong = table(["typical wrong answer", "what is left of the points"], rows)
    solutions = []
    for cell in master.cells:
        if name := cell.metadata.get("question"):
            if solutions and solutions[-1].startswith("####"):
                solutions.append("Nothing to write: the checks measure the answers above.")
            heading = re.search(r"^## (.+)$", cell.source, re.MULTILINE)[1]
            solutions.append(f"#### {heading} ({full[name]} points)")
        elif "solution" in cell.metadata.get("tags", []):
            marks = re.compile(r"^ *# (BEGIN|END) SOLUTION.*\n?|  # SOLUTION$", re.MULTILINE)
            solutions.append(f"```python\n{marks.sub('', cell.source).strip()}\n```")
        elif cell.metadata.get("solution"):
            solutions.append(cell.source)
    return "\n\n".join([points, wrong, "### Solutions", *solutions])


def timing() -> str:
    """How long a class takes, as `class.json` recorded it; see `rehearse`."""
    file = HERE / "class.json"
    if not file.exists():
        return "Not measured yet: run `python coursework/rehearse.py`."
    rows = json.loads(file.read_text("utf-8"))
    lines = [
        f"{row['submissions']} mixed submissions of {row['assignment']} took {row['minutes']:g} "
        f"minutes on {row['cores']} cores"
        for row in rows
    ]
    return "; ".join(lines) + "."


def guide(masters: Sequence[Master], variant: str = "") -> str:
    """The guide's text.

    Raises:
        ValueError: an assignment that the guide does not mention.
    """
    text = (HERE / "guide.md").read_text("utf-8")
    parts = {"overview": overview(masters), "variant": variant or "the public values"}
    parts["timing"] = timing()
    parts |= {master.name: details(master) for master in masters}
    for name, part in parts.items():
        mark = f"<!-- {name} -->"
        if mark not in text:
            raise ValueError(f"guide.md says nothing about {name}: put {mark} where it belongs.")
        text = text.replace(mark, part)
    return text


def page(text: str) -> str:
    """The guide as an HTML page. Its formulas are MathML, so the page can be sent by itself."""
    from latex2mathml.converter import convert
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    def formula(content: str, options: dict) -> str:
        return convert(content, display="block" if options["display_mode"] else "inline")

    markdown = MarkdownIt("commonmark").enable("table")
    markdown.use(dollarmath_plugin, renderer=formula, double_inline=True)
    title = re.search(r"^# (.+)$", text, re.MULTILINE)[1]
    return PAGE.format(title=title, body=markdown.render(text))


def write(out: Path, masters: Sequence[Master], variant: str = "") -> Path:
    """Writes `guide.md` and `guide.html`; returns the path of the page."""
    text = guide(masters, variant)
    (out / "guide.md").write_text(text, "utf-8")
    (out / "guide.html").write_text(page(text), "utf-8")
    return out / "guide.html"
