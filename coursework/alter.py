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
    "import collections, itertools, typing, dataclasses, functools, math, time",
    "from scipy import optimize\noptimize.minimize(lambda v: v @ v, np.ones(2))",
    "import scipy.stats as st\nst.norm.pdf(0.0)",
    "id = 1; type = 2; next = 3; hash = 4; vars = 5; object = 6; filter = 7",
    "str = 'text'",
    "open = None",
    "np.tanh??\n??np.tanh",
    "f = np.tanh\nf?",
    "!ls\nfiles = !ls -la | head\nfor name in files:\n    print(name)",
    "%%timeit\nnp.ones(2)",
    "%config InlineBackend.figure_format = 'retina'",
    "get_ipython().run_line_magic('matplotlib', 'inline')",
    'text = """\n%time\n!ls\n?x\n"""',
    "rest = [\n  7\n% 2, 8 \\\n%3]",
    "θ_0 = np.ones(3); α = 0.1; β_1 = α * 2; print(f'{α:.2f} {θ_0!r}')",
    "def hinted(x: np.ndarray, *, k: int | None = None) -> dict[str, np.ndarray]:\n    return {}",
    "import functools\n@functools.wraps(np.tanh)\ndef wrapped(x):\n    return x",
    "if (n_found := 10) > 5:\n    print(n_found)",
    "match 3:\n    case 3:\n        print('three')\n    case _:\n        pass",
    "print 'old'",
    "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.hist([1, 2])\nplt.show()\nfig",
    "import matplotlib.animation\nfrom mpl_toolkits.mplot3d import Axes3D",
    "raise ValueError('mine')",
    "assert False, 'still to do'",
    "raise SystemExit",
    "raise KeyboardInterrupt",
    "print('x' * 10**6)",
    "from pathlib import Path\nPath('out').mkdir(exist_ok=True)\nPath('out/a.txt').write_text('x')",
    "import tempfile\nwith tempfile.TemporaryDirectory() as folder:\n    print(folder)",
    "import inspect\ndef mine():\n    pass\ninspect.getsource(mine)",
    "from tqdm.auto import trange\nfor _ in trange(3):\n    pass",
    "import abc\nclass Base(abc.ABC):\n    @abc.abstractmethod\n    def f(self): ...",
    "grader.check('q1')\nchecks.use_seed(3)\ngrader.check_all()",
    "print(_, __, Out[1], In[1])",
    "pip install numpy",
    "%pip install numpy\n%cd ..\n%env X=1",
    "%%writefile mine.py\nx = 1",
    "\ufeffn_mark = 1",
    "n_line = 1\r\nm_line = 2\r\n",
    "'a text, and nothing else'",
    "...",
    "del not_there",
    "breakpoint()",
    "import ipywidgets as widgets\nwidgets.IntSlider()",
    "import sys\nsys.setrecursionlimit(5000)",
    "import gc\ngc.collect()",
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

    def note() -> str:
        note = {"cell_type": "markdown", "metadata": {}, "source": "## My notes\n\n$x$ %time ?"}
        made["cells"].insert(chance.randrange(2, len(made["cells"]) + 1), note)
        return "a text of one's own"

    def split() -> str:
        for place, one in reversed(list(enumerate(made["cells"]))):
            parts = statements(one) if any(one is x for x in mine) else []
            if len(parts) > 1:
                one["source"] = parts[0]
                new = [cell(part) for part in parts[1:]]
                made["cells"][place + 1 : place + 1] = new
                mine.extend(new)
        return "a cell for each statement"

    def merged() -> str:
        sources = [text_of(one) for one in mine]
        if not any(source.lstrip().startswith("%%") for source in sources):
            for one in mine[:-1]:
                one["source"] = ""
            mine[-1]["source"] = "\n\n".join(sources)
        return "one cell for all"

    def other_order() -> str:
        free = [one for one in mine if only_functions(one)]
        sources = [one["source"] for one in free]
        chance.shuffle(sources)
        for one, source in zip(free, sources):
            one["source"] = source
        return "functions in another order"

    def renamed():
        return Renamed(chance)

    changes = [insert, insert, magic, tail, windows, lost, python(renamed), python(Stored)]
    changes += [insert, note, split, other_order, merged]
    said = "; ".join(change() for change in chance.sample(changes, 3))
    if chance.random() < 0.15:
        return {
            "nbformat": 3,
            "worksheets": [{"cells": [*map(old, made["cells"])]}],
        }, f"{said}; old"
    return made, said


def statements(one: dict) -> list[str]:
    """The statements of a cell, each as text; none where it is no Python."""
    try:
        return [ast.unparse(x) for x in ast.parse(text_of(one)).body]
    except SyntaxError:
        return []


def only_functions(one: dict) -> bool:
    """Whether a cell defines functions, and does nothing else when it runs."""
    try:
        body = ast.parse(text_of(one)).body
    except SyntaxError:
        return False
    return all(isinstance(x, ast.FunctionDef) and not x.decorator_list for x in body)


def old(one: dict) -> dict:
    """A cell as format 3 has it."""
    if one["cell_type"] != "code":
        return {"cell_type": "markdown", "source": text_of(one)}
    return {"cell_type": "code", "input": text_of(one), "language": "python", "outputs": []}


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


MILD = {"a little larger", "the first entry one more"}
"""Harms that an answer may survive that is judged by what it achieves."""

BY_EFFECT = {"train"}
"""Such answers."""


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
    ways = [(name, harm) for name, harm in ways if not (name in BY_EFFECT and harm in MILD)]
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
