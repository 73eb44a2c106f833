"""Sphinx extension: the number of each equation, and the function that computes it.

An equation of the paper has the paper's number, (1) to (10), wherever it stands. One of the book's
has its chapter's and its own, such as (3.2). Under an equation stands a link to its function in the
API reference; there, a link to the equation. `{equations}` puts the table of them all into a page.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx import addnodes


class Equation(NamedTuple):
    """What a numbered equation says, and what computes it (or measures whether it holds)."""

    words: str
    code: str | None = None
    """Below `symla_lite`; None for a step of an argument, which no function computes."""
    paper: int | None = None
    """The paper's number, if the equation is the paper's."""


EQUATIONS: dict[str, dict[str, Equation]] = {
    "01_backprop": {
        "forward-one": Equation("one layer, forward", "backprop.forward", paper=1),
        "gradient-one": Equation("what a weight's gradient is", "backprop.update"),
        "backward-one": Equation(
            "one layer, backward: the error of an input", "backprop.backward", paper=2
        ),
        "forward": Equation("all layers, forward, with nonlinearities", "backprop.forward"),
        "backward": Equation("all layers, backward, with slopes", "backprop.backward"),
        "update": Equation("the update of a weight", "backprop.update", paper=3),
        "policy-gradient": Equation("REINFORCE as an objective", "backprop.policy_gradient"),
        "rearranged": Equation("inputs and outputs permuted", "symmetry.permuted"),
        "rule": Equation("a rule of the three numbers at a weight"),
        "equivariant-error": Equation("an equivariant objective", "backprop.equation_5_error"),
        "correspond": Equation("weights permuted with the wires", "backprop.permute"),
        "equation-5": Equation("what an objective must meet", "backprop.equation_5_error", paper=5),
        "favourite": Equation("an objective with a preference", "backprop.favour"),
    },
    "02_black_boxes": {
        "black-box": Equation("one unit of a black box", "metarnn.metarnn", paper=4),
    },
    "03_vsml": {
        "eq-6": Equation("the state of a cell", "vsml.textbook", paper=6),
        "eq-7": Equation("forward messages", "vsml.textbook", paper=7),
        "eq-8": Equation("backward messages", "vsml.textbook", paper=8),
    },
    "04_symla": {
        "eq-9": Equation("the state of a cell of SymLA", "symla.pass_messages", paper=9),
        "symla-messages": Equation("the messages, as means", "vsml.textbook"),
        "interaction": Equation("interaction of two inputs"),
        "fast-form": Equation("the LSTM's product, split into parts", "vsml.fast"),
    },
    "05_lifetimes": {
        "lifetime-objective": Equation("what meta-training maximises", "meta_training.meta_train"),
        "constant-reward": Equation("a return without a signal"),
    },
    "06_evolution": {
        "equation-10": Equation(
            "the gradient of smoothed fitness", "evolution.pair_fitness", paper=10
        ),
        "score-gradient": Equation("its gradient, as an expectation"),
        "antithetic": Equation("the antithetic estimate", "evolution.gradient"),
        "blurred-waves": Equation("waves, smoothed"),
        "directions": Equation("error from too few directions"),
        "es-variance": Equation("error from directions and from lifetimes"),
        "two-lifetimes": Equation("an estimate from two members"),
        "es-cosine": Equation("the angle to the gradient"),
        "lifetime-policy-gradient": Equation(
            "the gradient of a policy that remembers", "policy_gradient.gradient"
        ),
        "es-budget": Equation("the error at a fixed budget"),
    },
    "07_bandits": {
        "regret": Equation("regret", "environments.bandits.expected_regret"),
        "bellman": Equation("the best pull", "baselines.bayes_optimal.solve"),
    },
    "08_action_spaces": {
        "mean-over-arms": Equation("a message that forgets how many", "vsml.textbook"),
    },
    "09_observation_spaces": {
        "shuffled-wires": Equation("wires in another order", "environments.transforms.permuted"),
        "price-of-a-fall": Equation("what a fall costs", "environments.control.cartpole"),
    },
    "10_tasks": {
        "swap-is-permutation": Equation(
            "rewards swapped, inputs exchanged", "environments.transforms.rewards_swapped"
        ),
        "best-on-hearts": Equation("the most that hearts can pay", "environments.grids.distances"),
        "linear-bandit": Equation("what a linear bandit pays", "environments.linear.linear_bandit"),
        "cell-finds-weight": Equation("each cell finds its own weight"),
    },
    "11_environments": {
        "unit-variance-projection": Equation(
            "a projection of unit variance", "environments.transforms.projected"
        ),
    },
    "12_table_1": {
        "swap-symmetric": Equation(
            "regret before and after a swap, where order does not matter", "symmetry.permutation"
        ),
        "swap-without-reward": Equation(
            "regret before and after a swap, where pulls do not depend on payouts",
            "controls.without_reward",
        ),
    },
}
"""All numbered equations: chapter, label, equation."""

BY_LABEL = {label: eq for chapter in EQUATIONS.values() for label, eq in chapter.items()}


def numbers() -> dict[str, str]:
    """The number of every equation, by label; the book's are counted within their chapter."""
    found = {}
    for chapter, listed in EQUATIONS.items():
        count = itertools.count(1)
        for label, eq in listed.items():
            found[label] = str(eq.paper or f"{int(chapter[:2])}.{next(count)}")
    return found


NUMBERS = numbers()
"""The number of every equation as the page shows it, by label."""


def equation(label: str) -> addnodes.pending_xref:
    """A link to an equation; it shows the equation's number."""
    xref = addnodes.pending_xref(
        refdomain="math", reftype="eq", reftarget=label, refwarn=True, refexplicit=False
    )
    xref += nodes.literal(text=label)
    return xref


def function(code: str) -> addnodes.pending_xref:
    """A link to a function in the API reference."""
    xref = addnodes.pending_xref(
        refdomain="py", reftype="obj", reftarget=f"symla_lite.{code}", refwarn=True
    )
    xref += nodes.literal(text=code)
    return xref


class Table(Directive):
    """`{equations}`: the table of all numbered equations, chapter by chapter."""

    def run(self) -> list[nodes.Node]:
        group = nodes.tgroup(cols=3)
        group += [nodes.colspec(colwidth=width) for width in (12, 48, 40)]
        head, body = nodes.thead(), nodes.tbody()
        head += row(*(nodes.Text(words) for words in ("equation", "what it says", "in code")))
        for chapter in EQUATIONS.values():
            for label, eq in chapter.items():
                place = function(eq.code) if eq.code else nodes.Text("a step of the argument")
                body += row(equation(label), nodes.Text(eq.words), place)
        group += [head, body]
        return [nodes.table("", group, classes=["colwidths-given"])]


def row(*cells: nodes.Node) -> nodes.row:
    """One row of a table."""
    made = nodes.row()
    made += [nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells]
    return made


def _set_numbers(app, doctree: nodes.document) -> None:
    """Replaces the running numbers that Sphinx gives."""
    listed = app.env.get_domain("math").equations
    for block in doctree.findall(nodes.math_block):
        label = block.get("label")
        if label in NUMBERS:
            block["number"] = NUMBERS[label]
            listed[label] = (listed[label][0], NUMBERS[label])


def _link_to_code(app, doctree: nodes.document) -> None:
    for block in list(doctree.findall(nodes.math_block)):
        found = BY_LABEL.get(block.get("label"))
        if found and found.code:
            line = nodes.paragraph("", "in code: ", function(found.code), classes=["equation-code"])
            block.parent.insert(block.parent.index(block) + 1, line)


def _link_to_equations(app, what, name, obj, options, lines: list[str]) -> None:
    labels = [label for label, eq in BY_LABEL.items() if name == f"symla_lite.{eq.code}"]
    if labels:
        lines += ["", "Computes " + ", ".join(f":eq:`{label}`" for label in labels) + ".", ""]


def setup(app) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("equations", Table)
    app.connect("doctree-read", _set_numbers)
    app.connect("doctree-read", _link_to_code)
    app.connect("autodoc-process-docstring", _link_to_equations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
