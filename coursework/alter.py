"""Right answers altered by what students write besides, and wrong ones made of right ones.

`altered` changes a solved notebook so that it should still earn everything; `spoiled` adds a cell
that spoils one function. `check` marks a hundred of each.
"""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import worker

if TYPE_CHECKING:
    from build import Master

LINES = [
    "input = np.ones(3)",
    "import warnings\nwarnings.filterwarnings('ignore')",
    "from scipy.special import expit, softmax\nexpit(0.0)",
    "from scipy import stats, linalg",
    "class Notes(dict):\n    def __init__(self):\n        super().__init__()\nNotes()",
    "display(np.ones(2))",
    "from IPython.display import Markdown, display\ndisplay(Markdown('done'))",
    "np.tanh?",
    "?np.tanh",
    "help(np.tanh)",
    "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
    "import matplotlib.pyplot as plt\nplt.savefig('a.png')",
    "!pip install --quiet numpy",
    "%load_ext autoreload\n%autoreload 2",
    "%timeit np.ones(3)",
    "started = %time np.ones(3)",
    "x = (7\n% 4)\ny = 7 \\\n% 4",
    "%%html\n<b>notes</b>",
    "%%bash\nls",
    "import os, sys, pathlib\nos.environ['NOTE'] = '1'\nprint(sys.version, pathlib.Path.cwd())",
    "open('notes.txt', 'w').write('x')",
    "np.save('weights.npy', np.ones(3))\nnp.load('weights.npy')",
    "open('data.csv').read()",
    "import pandas as pd\npd.DataFrame()",
    "from google.colab import drive\ndrive.mount('/content')",
    "from tqdm.notebook import tqdm\nfor _ in tqdm(range(3)):\n    pass",
    "if __name__ == '__main__':\n    print('tried')",
    "getattr(np, 'tanh')(1.0); vars(); globals(); eval('1 + 1')",
    "exit()",
    "1 / 0",
    "assert np.isclose(1, 2)",
    "def unfinished(:",
    "from __future__ import annotations\ndef later(x: Unknown): ...",
    "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int",
    "from collections import namedtuple\nPair = namedtuple('Pair', 'a b')",
    "import logging\nlogging.basicConfig()\nlogging.info('here')",
    "np.random.seed(0)\nimport random\nrandom.seed(0)",
    "np.set_printoptions(precision=3, suppress=True)",
    "import time, datetime\nprint(time.time(), datetime.date.today())",
    "import threading\nthread = threading.Thread(target=print)\nthread.start()\nthread.join()",
    "from functools import lru_cache\n@lru_cache\ndef double(n):\n    return 2 * n\ndouble(9)",
    "name = input('who? ')",
    "await 1",
    "",
    "# only a remark",
    "é = 'ünï'; print('\\N{GRINNING FACE}')",
]
"""Cells that do no harm to an answer, whether or not they work where it is graded."""


def cell(source: str) -> dict:
    """A code cell."""
    made = {"cell_type": "code", "id": "added", "metadata": {}, "execution_count": None}
    return made | {"outputs": [], "source": source}


def text_of(one: dict) -> str:
    return "".join(one["source"])


def solutions(notebook: dict, given: list[dict]) -> set[str]:
    """The sources of the code cells of a solved notebook that were not handed out."""
    handed_out = {one["source"].strip() for one in given}
    code = (text_of(x).strip() for x in notebook["cells"] if x["cell_type"] == "code")
    return {source for source in code if source not in handed_out}


class Renamed(ast.NodeTransformer):
    """Local variables of functions get other names, builtin ones among them."""

    def __init__(self, chance: random.Random):
        self.chance = chance

    def visit_FunctionDef(self, node):
        arguments = {x.arg for x in ast.walk(node) if isinstance(x, ast.arg)}
        nested = any(
            isinstance(x, (ast.FunctionDef, ast.Lambda, ast.Nonlocal)) and x is not node
            for x in ast.walk(node)
        )
        stored = {
            x.id
            for x in ast.walk(node)
            if isinstance(x, ast.Name) and isinstance(x.ctx, ast.Store) and x.id not in arguments
        }
        if nested or not stored:
            return node
        old = self.chance.choice(sorted(stored))
        new = self.chance.choice(["input", "result", "tmp", "open_", "vars_", "my_value"])
        if new not in {x.id for x in ast.walk(node) if isinstance(x, ast.Name)}:
            for x in ast.walk(node):
                if isinstance(x, ast.Name) and x.id == old:
                    x.id = new
        return node


class Stored(ast.NodeTransformer):
    """`return f(x)` becomes `answer = f(x)`, a print and `return answer`."""

    def visit_Return(self, node):
        if node.value is None:
            return node
        name = ast.Name("answer_of_mine", ast.Store())
        lines = [ast.Assign([name], node.value), *ast.parse("print('here')").body]
        return [*lines, ast.Return(ast.Name("answer_of_mine", ast.Load()))]


def rewritten(source: str, transformer: ast.NodeTransformer) -> str:
    tree = ast.fix_missing_locations(transformer.visit(ast.parse(source)))
    return ast.unparse(tree)


def altered(notebook: dict, solutions: set[str], seed: int) -> tuple[dict, str]:
    """A solved notebook with three harmless changes, and what they are.

    Args:
        notebook: the solved one.
        solutions: sources of the cells that hold solutions.
        seed: which changes.
    """
    chance, made = random.Random(seed), copy.deepcopy(notebook)
    mine = [x for x in made["cells"] if text_of(x).strip() in solutions]

    def each(change: Callable[[str], str]) -> None:
        for one in mine:
            one["source"] = change(text_of(one))

    def insert() -> str:
        line = chance.choice(LINES)
        made["cells"].insert(chance.randrange(2, len(made["cells"]) + 1), cell(line))
        return repr(line)

    def magic() -> str:
        line = chance.choice(["%%time", "%%capture", "%%capture out", "\n%%time"])
        each(lambda source: source if source.lstrip().startswith("%%") else f"{line}\n{source}")
        return line

    def python(transformer: Callable[[], ast.NodeTransformer]) -> Callable[[], str]:
        def change() -> str:
            def one(source):
                try:
                    return rewritten(source, transformer())
                except SyntaxError:  # with a magic already
                    return source

            each(one)
            return transformer.__name__

        return change

    def windows() -> str:
        each(lambda source: source.replace("\n", "\r\n"))
        return "line ends of Windows"

    def tail() -> str:
        lines = ["print('ok')", "np.tanh?", "# done", "display(1)", "1 / 0", "%time 1"]
        line = chance.choice(lines)
        each(lambda source: f"{source}\n\n{line}")
        return f"{line} below each"

    def lost() -> str:
        for one in made["cells"]:
            one.pop("id", None)
            one.pop("outputs", None)
        return "cells without identity and outputs"

    def renamed():
        return Renamed(chance)

    changes = [insert, insert, magic, tail, windows, lost, python(renamed), python(Stored)]
    return made, "; ".join(change() for change in chance.sample(changes, 3))


HARMS = {
    "a little larger": "x * 1.1 + 0.01",
    "with the other sign": "-x - 0.01",
    "zeros": "x * 0",
    "the first entry one more": "_one_more(x)",
    "reversed": "_reversed(x)",
    "not a number": "x * float('nan')",
    "None": "None",
    "text": "'done'",
    "an error": "1 / 0",
}
"""What may become of the first number or array that a function returns."""

SPOIL = """
def _spoil_{name}():
    inside = {name}

    def _one_more(x):
        x = np.array(x, float)
        x.flat[0] += 1
        return x

    def _reversed(x):
        x = np.array(x, float)
        return x.ravel()[::-1].reshape(x.shape) * 1.2 + 0.5

    def harm(x):
        if callable(x):
            return lambda *args: harm(x(*args))
        if isinstance(x, (list, tuple)):
            return type(x)([*map(harm, x[:1]), *x[1:]])
        if isinstance(x, dict):
            first = next(iter(x))
            return x | {{first: harm(x[first])}}
        if isinstance(x, bool):
            return not x
        return {harm}

    return lambda *args: harm(inside(*args))


{name} = _spoil_{name}()
"""


def spoiled(name: str, harm: str) -> str:
    """A cell that spoils a function."""
    return SPOIL.format(name=name, harm=HARMS[harm])


def uses(master: Master) -> dict[str, set[str]]:
    """Which names the reference's definitions use, by name and in the end."""
    direct: dict[str, set[str]] = {}
    for source in master.code("solution"):
        for node in ast.parse(source).body:
            names = [node.name] if isinstance(node, ast.FunctionDef) else []
            if isinstance(node, ast.Assign):
                names = [x.id for x in node.targets if isinstance(x, ast.Name)]
            used = {x.id for x in ast.walk(node) if isinstance(x, ast.Name)}
            for name in names:
                direct[name] = direct.get(name, set()) | used
    grown = True
    while grown:
        grown = False
        for name, used in direct.items():
            more = set().union(*(direct.get(x, set()) for x in used)) - used
            if more:
                direct[name], grown = used | more, True
    return direct


def spoilings(master: Master, seed: int) -> Iterator[tuple[str, str, str, set[str]]]:
    """Ways to spoil an assignment's functions, in random order: the question that must lose points,
    the cell, what it does, and the questions that may lose some."""
    import build

    used, tests, question, home = uses(master), [], "", {}
    for one in master.cells:
        question = one.metadata.get("question", question)
        if "test" in build.tags(one):
            (function,) = ast.parse(one.source).body
            tests.append((question, {x.arg for x in function.args.args}))
        elif "solution" in build.tags(one):
            for node in ast.parse(one.source).body:
                if isinstance(node, ast.FunctionDef):
                    home[node.name] = question
    asked = {name for _, names in tests for name in names}
    ways = [(name, harm) for name in sorted(asked & set(home)) for harm in HARMS]
    random.Random(seed).shuffle(ways)
    for name, harm in ways:
        touched = {q for q, names in tests if any(name in {x} | used.get(x, set()) for x in names)}
        yield home[name], spoiled(name, harm), f"{name}: {harm}", touched


def defined(cells: list[dict]) -> dict:
    """What the cells of a plan define, run in this process as the worker runs them."""
    import codeop

    scope: dict = {"__name__": "__main__", "display": lambda *args, **kwargs: None}
    scope["get_ipython"] = lambda: worker.Shell(lambda source: exec(source, scope))
    compiler = codeop.Compile()
    for one in cells:
        if "source" in one:
            worker.run_cell(one, scope, compiler, lambda number: None)
    return scope
