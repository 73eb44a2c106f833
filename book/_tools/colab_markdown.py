"""Turn a chapter's MyST into the Markdown of Colab and Jupyter, which know no directives."""

from __future__ import annotations

import re

DIRECTIVE = re.compile(r"^(:{3,}|`{3,})\{([\w:-]+)\} *(.*)$")
OPTION = re.compile(r"^:[\w-]+:.*$")
FENCE = re.compile(r"^(`{3,}|~{3,})")
TITLES = {
    "note": "Note",
    "tip": "Tip",
    "hint": "Hint",
    "warning": "Warning",
    "important": "Important",
}


def citations(bib: str) -> dict[str, str]:
    """What a reader sees for each key of a BibTeX file: 'Kirsch et al. 2022'."""
    shown = {}
    for key, fields in re.findall(r"^@\w+\{([^,\s]+),\n(.*?)^\}", bib, re.DOTALL | re.MULTILINE):
        authors = re.search(r"author\s*=\s*\{(.*)\},?$", fields, re.MULTILINE)[1].split(" and ")
        names = [re.sub(r"\{\\\W(\w)\}", r"\1", author.split(",")[0]) for author in authors]
        year = re.search(r"year\s*=\s*\{(\d+)\}", fields)[1]
        shown[key] = f"{' and '.join(names) if len(names) < 3 else names[0] + ' et al.'} {year}"
    return shown


def _role(match: re.Match, references: dict[str, str], equations: dict[str, str]) -> str:
    name, content = match[1], match[2]
    if name.startswith("cite"):
        text = "; ".join(references.get(key.strip(), key.strip()) for key in content.split(","))
        return text if name.endswith(":t") else f"({text})"
    titled = re.fullmatch(r"(.*?)\s*<[^<>]*>", content, re.DOTALL)
    if name == "math":
        return f"${content}$"
    if name == "eq":
        return f"({equations.get(content, content)})"
    return titled[1].replace("%s", "").strip() if titled else content


def _inline(line: str, references: dict[str, str], equations: dict[str, str]) -> str:
    def role(match: re.Match) -> str:
        return _role(match, references, equations)

    def tag(match: re.Match) -> str:
        return rf"\tag{{{equations.get(match[2], match[2])}}} {match[1]}"

    line = re.sub(r"\{([\w:-]+)\}`([^`]+)`", role, line)
    return re.sub(r"(\$\$) *\(([\w:-]+)\)$", tag, line)


def colab_markdown(
    text: str, references: dict[str, str], equations: dict[str, str] | None = None
) -> str:
    """`text`, one Markdown cell of MyST, as plain Markdown, with `<details>` for hidden parts.

    Admonitions become a bold title over their text, dropdowns and solutions become `<details>`,
    figures become images, roles become the text a reader needs, labels go, and equation labels
    become tags with the numbers that `equations` has for them. Code stays as it is.
    """
    equations = equations or {}
    lines: list[str] = []
    open_fences: list[
        tuple[str, str]
    ] = []  # each open directive's fence, and what its closing line becomes
    verbatim: tuple[str, str] | None = None  # the same, while we are inside code or a formula
    options = False  # whether the lines just after a directive's first are still its options
    for line in text.splitlines():
        if options and (OPTION.match(line) or not line.strip()):
            options = bool(line.strip())
            continue
        options = False
        if verbatim:
            ends = line.strip() == verbatim[0]
            lines.append(verbatim[1] if ends else line)
            verbatim = None if ends else verbatim
        elif open_fences and line.strip() == open_fences[-1][0]:
            lines.append(open_fences.pop()[1])
        elif directive := DIRECTIVE.match(line):
            fence, name, argument = directive.groups()
            argument = _inline(argument, references, equations)
            options = True
            if name in ("code-block", "code", "math"):
                verbatim = (fence, "$$" if name == "math" else "```")
                lines.append("$$" if name == "math" else f"```{argument}")
            elif name in ("figure", "image"):
                lines.append(f"![]({argument})\n")
                open_fences.append((fence, ""))
            elif name in ("dropdown", "solution"):
                lines.append(f"<details><summary>{argument or 'Solution'}</summary>\n")
                open_fences.append((fence, "\n</details>"))
            else:
                title = argument or TITLES.get(name, "")
                lines.append(f"**{title}**\n" if title else "")
                open_fences.append((fence, ""))
        elif code := FENCE.match(line):
            verbatim = (code[1], code[1])
            lines.append(line)
        elif not re.fullmatch(r"\([\w:-]+\)=", line.strip()):
            lines.append(_inline(line, references, equations))
    return "\n".join(lines)
