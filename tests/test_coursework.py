"""The coursework's masters, and the wall between answers and tests.

Nothing here needs Otter: masters are marked in this process. `make coursework CHECK=1` grades the
same answers, and those of the assignments that train, through Otter and the autograder packages.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "coursework"))

import apart  # noqa: E402
import build  # noqa: E402
import checks  # noqa: E402
import grade  # noqa: E402
import guide  # noqa: E402

NAMES = [path.stem for path in build.masters()]
QUICK = NAMES[:3]
"""Those whose answers are plain NumPy."""


def master(name, variant=""):
    return build.read(ROOT / "coursework" / f"{name}.md", variant)


def checks_of(master):
    """Each test's question, points, whether it is hidden, and source."""
    question = None
    for cell in master.cells:
        question = cell.metadata.get("question", question)
        if "test" in build.tags(cell):
            header = build.TEST_HEADER.match(cell.source)
            yield question, int(header[2]), header[1] == "Hidden", cell.source


def defined(master, added=""):
    """What the reference solution defines, with one more cell."""
    scope: dict = {}
    for number, source in enumerate([*master.code("given", "instruments", "solution"), added]):
        exec(compile(source, f"cell {number}", "exec"), scope)
    return scope


def marks(master, added=""):
    """What the reference solution earns with one more cell, by question."""
    return earned(master, defined(master, added))


def earned(master, scope):
    """What these answers earn, by question."""
    found = dict.fromkeys((q.name for q in master.questions if not q.manual), 0)
    for question, points, _, source in checks_of(master):
        made: dict = {}
        exec(source, made)
        (test,) = [x for name, x in made.items() if name.startswith("test_")]
        names = test.__code__.co_varnames[: test.__code__.co_argcount]
        try:
            test(*(scope[name] for name in names))
        except Exception:
            points = 0
        found[question] += points
    return found


def full(master):
    return {q.name: q.points for q in master.questions if not q.manual}


# -------------------------------------------------------------------------------------- the masters


@pytest.mark.parametrize("name", NAMES)
def test_an_assignment_has_its_points_and_each_question_public_and_hidden_checks(name):
    made = master(name)
    assert made.points == (30 if name == "06_project" else 20)
    for question in made.questions:
        public, hidden, read = made.split[question.name]
        assert read > 0 and public == hidden == 0 if question.manual else public and hidden


@pytest.mark.parametrize("name", NAMES)
def test_a_check_imports_what_it_uses_and_has_a_hint_to_give(name):
    for *_, source in checks_of(master(name)):
        (function,) = ast.parse(source).body
        assert {"fail", "close", "all_close", "apart"} & {
            node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute)
        }, source


@pytest.mark.parametrize("name", NAMES)
def test_answers_may_import_what_their_solutions_do_and_no_more_than_that_is_needed(name):
    made = master(name)
    for source in made.code("given", "solution"):
        found = apart.objections(source, [*made.settings["imports"], "functools"])
        assert not found, found


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("variant", ["", "2027", "spring", "x"])
def test_the_reference_earns_all_points_under_any_conventions(name, variant):
    made = master(name, variant)
    assert marks(made) == full(made)


@pytest.mark.parametrize(
    "name, wrong", [(name, wrong) for name in QUICK for wrong in guide.wrong_answers(name)]
)
def test_a_typical_wrong_answer_earns_what_the_guide_says(name, wrong):
    made = master(name)
    assert marks(made, wrong.source) == full(made) | wrong.scores


@pytest.mark.parametrize("name, seeds", [*((name, 200) for name in QUICK), ("04_symla", 20)])
def test_the_reference_earns_all_points_whatever_inputs_are_drawn(name, seeds):
    made = master(name)
    scope = defined(made)
    try:
        for seed in range(seeds):
            checks.use_seed(seed)
            assert earned(made, scope) == full(made), seed
    finally:
        checks.use_seed(None)


STUBS = {
    "01_backprop": """
def forward(weights, x):
    return [x, *(np.zeros(w.shape[1]) for w in weights)]
g = lambda z: 0 * z
backward = lambda weights, xs, delta: [np.zeros(w.shape[1]) for w in weights]
update = lambda weights, xs, deltas, alpha: [0 * w for w in weights]
moved = lambda weights, rho, rho_out: [0 * w for w in weights]
equation_5 = lambda error, y, a, R, rho_out: 0.0
neighbours_error = lambda y, a, R, c: 0 * y
harmless = lambda B: list(range(B))
""",
    "02_metarnn": """
heard = lambda x: np.zeros(len(x["o"]) + len(x["a"]) + 2)
lstm = lambda theta, h, c, x: (0 * h, 0 * c)
step = lambda theta, state, x: (0 * theta["v"], state)
lifetime = lambda theta, told: np.zeros((len(told["r"]), len(theta["v"])))
count = lambda A, B, N: 26
one_more_action = lambda N: 0
moved = lambda theta, rho, rho_out: theta
deaf = lambda theta, A, B: theta
""",
    "03_vsml": """
tick = lambda f, h, m_fwd, m_bwd: 0 * h
forward_message = lambda f, h: np.zeros((h.shape[1], len(f(h[0, 0]))))
backward_message = lambda f, h: np.zeros((h.shape[0], len(f(h[0, 0]))))
forward_pass = lambda cell, layers, m: (
    [0 * h for h in layers], [m, *(np.zeros((h.shape[1], m.shape[1])) for h in layers)])
backward_pass = lambda cell, layers, fwd, m: (
    [0 * h for h in layers], [*(np.zeros((h.shape[0], m.shape[1])) for h in layers), m])
backprop_cell = lambda alpha: (lambda s, f, b: 0 * s, lambda s: s[:2] * 0, lambda s: s[:2] * 0)
parts = lambda theta, m_fwd, m_bwd: [np.zeros((len(m), theta["u"].size)) for m in (m_fwd, m_bwd)]
fast_tick = lambda theta, h, c, m_fwd, m_bwd: (0 * h, 0 * c)
""",
    "04_symla": """
cell = lambda theta, h, c, x: (0 * h, 0 * c)
tick = lambda theta, h, c, at_input, at_output, everywhere: (0 * h, 0 * c)
def messages(theta, h):
    M = theta["F"].shape[1]
    return jnp.zeros((h.shape[1], M)), jnp.zeros((h.shape[0], M))
step = broken_step = lambda theta, state, x: (
    jnp.zeros(len(x["a"])), tuple(0 * part for part in state))
lifetime = lambda theta, told: jnp.zeros(told["a"].shape)
""",
}


@pytest.mark.parametrize("name", STUBS)
def test_functions_that_return_zeros_of_the_right_shape_earn_nothing(name):
    found = marks(master(name), STUBS[name])
    assert not any(found.values()), found


@pytest.mark.parametrize("name", NAMES)
def test_there_are_three_wrong_answers_each_with_a_mark_below_the_full_one(name):
    points = full(master(name))
    wrong = guide.wrong_answers(name)
    assert len(wrong) == 3
    assert all(np.min(score) < points[q] for w in wrong for q, score in w.scores.items())


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("variant", ["2027", "2028", "spring", "x"])
def test_the_public_solution_fails_under_any_variant(name, variant):
    made = master(name, variant)
    public = "\n\n".join(master(name).code("solution"))
    assert sum(marks(made, public).values()) < sum(full(made).values())


def test_variants_differ_and_one_name_always_gives_the_same():
    texts = {
        variant: "".join(master("02_metarnn", variant).code("given"))
        for variant in ("", "2027", "spring", "x", "y", "z")
    }
    assert len(set(texts.values())) > 1
    assert texts["2027"] == "".join(master("02_metarnn", "2027").code("given"))


def test_a_convention_that_stands_for_nothing_is_named(tmp_path):
    path = tmp_path / "01_x.md"
    path.write_text("---\ncoursework:\n  imports: []\n---\n\n# T\n\n{{ nothing }}\n")
    with pytest.raises(ValueError, match="nothing }} stands for nothing"):
        build.read(path)


def test_the_guide_has_every_assignment_with_its_solutions_and_wrong_answers():
    masters = [master(name) for name in NAMES]
    text = guide.guide(masters)
    for made in masters:
        assert made.title in text
        for wrong in guide.wrong_answers(made.name):
            assert wrong.about in text
    assert "return [w - alpha * np.outer(x, delta)" in text
    assert "SOLUTION" not in text and "<!--" not in text


def test_the_guides_page_shows_its_formulas_without_a_script_or_another_file():
    text = guide.guide([master(name) for name in NAMES])
    page = guide.page(text)
    without_code = re.sub(r"^```.*?^```|`[^`\n]+`", "", text, flags=re.DOTALL | re.MULTILINE)
    formulas = re.findall(r"\$\$.+?\$\$|\$[^$]+\$", without_code, re.DOTALL)
    assert page.count("<math") == len(formulas) > 5
    prose = re.sub(r"<(pre|code|math)\b.*?</\1>", "", page, flags=re.DOTALL)
    assert not re.findall(r"\$|\\[a-z({\[]", prose), "a formula that was not converted"
    assert not re.findall(r"<script|<merror| src=|<link", page)


def test_a_question_that_only_measures_says_so_where_its_solution_would_be():
    text = guide.details(master("04_symla"))
    assert "(5 points)\n\nNothing to write" in text and text.count("Nothing to write") == 1


@pytest.mark.parametrize(
    "name, file, said",
    [
        ("02_metarn", "good.ipynb", "no assignment 02_metarn: take 02_metarnn."),
        ("02_metarnn", "absent.ipynb", "no file .*absent.ipynb"),
        ("02_metarnn", "bad.ipynb", "bad.ipynb is no notebook"),
        ("02_metarnn", "good.ipynb", "^$"),
    ],
)
def test_a_grading_that_cannot_begin_says_why_in_one_sentence(tmp_path, name, file, said):
    assert "make coursework" in grade.objection("02_metarnn", [], tmp_path)
    (tmp_path / "02_metarnn").mkdir()
    (tmp_path / "02_metarnn" / "02_metarnn-autograder.zip").touch()
    (tmp_path / "good.ipynb").write_text('{"cells": []}')
    (tmp_path / "bad.ipynb").write_bytes(b"\x89PNG")
    assert re.search(said, grade.objection(name, [tmp_path / file], tmp_path))


# -------------------------------------------------------------------------- comparisons with hints


def test_what_a_check_says_names_the_thing_the_place_and_how_to_see_it_again():
    checks.use_seed(7)
    try:
        checks.rng()
        with pytest.raises(
            AssertionError, match=r"W: 2 at \[1\], where 1 is right. Look.*seed\(7\)"
        ):
            checks.close([1.0, 2.0], [1.0, 1.0], "W", "Look.")
    finally:
        checks.use_seed(None)


@pytest.mark.parametrize(
    "found, said",
    [
        (None, "return"),
        (..., "hand-out"),
        ("text", "numbers are wanted"),
        ([1.0], r"shape is \(1,\)"),
        ([1.0, np.nan], "finite"),
    ],
)
def test_what_is_no_answer_is_told_apart_from_a_wrong_one(found, said):
    with pytest.raises(AssertionError, match=said):
        checks.close(found, [1.0, 1.0], "W")


@pytest.mark.parametrize("size", [3, 4, 9])
def test_a_random_order_is_not_its_own_inverse_and_leaves_nothing_in_place(size):
    order = checks.Rng(0).order(size)
    assert sorted(order) == list(range(size))
    assert not np.any(order == np.arange(size))
    assert not np.array_equal(np.argsort(order), order)


# ------------------------------------------------------------------------------ answers kept apart


@pytest.fixture
def answers():
    """Starts a worker on cells of code."""
    started = []

    def start(*cells, seconds=60.0):
        made = [{"name": f"cell {n}", "source": source} for n, source in enumerate(cells, start=1)]
        started.append(apart.Answers(made, seconds))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_an_answer_is_asked_with_arrays_dictionaries_and_functions(answers):
    one = answers(
        "import numpy as np\n\n\ndef f(x, g):\n    return {'twice': g(x['a']) * 2}, [None, True]",
        "def made(k):\n    return lambda x: k * x",
    )
    f, made = one.stand_in("f"), one.stand_in("made")
    x = np.arange(6.0).reshape(2, 3)
    found, rest = f({"a": x}, lambda y: y + 1)
    np.testing.assert_array_equal(found["twice"], 2 * (x + 1))
    assert rest == [None, True]
    assert made(3)(4) == 12


def test_an_error_of_an_answer_is_told_with_its_line(answers):
    one = answers("def f(x):\n    y = 1\n    return y / x")
    with pytest.raises(apart.AnswerError, match=r"ZeroDivisionError.*\(cell 1, line 3\)"):
        one.stand_in("f")(0)
    with pytest.raises(apart.AnswerError, match="no function g. No cell defines it"):
        one.stand_in("g")(0)


def test_what_is_no_data_does_not_travel(answers):
    one = answers(
        "class Equal:\n    def __eq__(self, other):\n        return True\n\n\n"
        "def f():\n    return Equal()"
    )
    with pytest.raises(apart.AnswerError, match="Equal does not travel"):
        one.stand_in("f")()


def test_an_endless_answer_costs_its_own_points_only(answers):
    one = answers("def f():\n    while True:\n        pass\n\n\ndef g():\n    return 1", seconds=8)
    with pytest.raises(apart.AnswerError, match="No answer within 8 seconds"):
        one.stand_in("f")()
    assert one.stand_in("g")() == 1


def test_a_worker_writes_nowhere_but_in_its_folder_and_starts_nothing(answers, tmp_path):
    (tmp_path / "test.py").write_text("kept")
    one = answers(
        "import os, subprocess\n\n\n"
        "def inside():\n    open('own', 'w').write('x')\n    return open('own').read()\n\n\n"
        "def write(path):\n    open(path, 'w')\n\n\n"
        "def remove(path):\n    os.remove(path)\n\n\n"
        "def start():\n    subprocess.run(['true'])\n\n\n"
        "def shell():\n    os.system('true')\n\n\n"
        "def end():\n    os._exit(0)"
    )
    assert one.stand_in("inside")() == "x"
    for name, *args in [("write", f"{tmp_path}/test.py"), ("write", f"{tmp_path}/new"),
                        ("remove", f"{tmp_path}/test.py"), ("start",), ("shell",)]:  # fmt: skip
        with pytest.raises(apart.AnswerError, match="PermissionError: An answer may not"):
            one.stand_in(name)(*args)
    with pytest.raises(apart.AnswerError, match="ended the process"):
        one.stand_in("end")()
    assert one.stand_in("inside")() == "x"
    assert os.listdir(tmp_path) == ["test.py"] and (tmp_path / "test.py").read_text() == "kept"


def test_what_an_answer_does_to_numpy_stays_with_it(answers):
    answers("import numpy as np\n\nnp.abs = np.asarray = lambda *a: 0")
    assert np.abs(-1) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "import checks",
        "from numpy import ctypeslib",
        "import numpy.f2py",
        "open('tests/q1.py')",
        "exec('import os')",
        "__import__('os')",
        "getattr(np, 'o' + 's')",
        "np.lib.npyio.os.system('ls')",
        "().__class__.__base__.__subclasses__()",
        "np.zeros(1).tofile('tests/q1.py')",
        "from symla_lite.symla import symla",
        "def f(:",
    ],
)
def test_cells_that_reach_for_more_than_an_answer_needs_are_left_out(source):
    assert apart.objections(source, ["numpy", "math"])


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nfrom numpy.linalg import norm",
        "from math import pi",
        "from __future__ import annotations",
        "%matplotlib inline\nx = 1",
        "!pip install numpy",
        "class A:\n    def __init__(self):\n        self.x = 1",
    ],
)
def test_ordinary_cells_are_run(source):
    assert not apart.objections(source, ["numpy", "math"])


def test_a_cell_that_was_handed_out_runs_as_it_was_and_another_is_the_students():
    settings = {"given": [{"source": "import os", "skip": False}, {"source": "x", "skip": True}]}
    settings["imports"] = ["numpy"]
    sources = ["import os", "x", "import os  # mine", "y = 1"]
    notebook = {"cells": [{"cell_type": "code", "source": source} for source in sources]}
    one, two, three = apart.plan(notebook, settings)
    assert one == {"name": "cell 1", "source": "import os"}
    assert two["name"] == "cell 3" and "imports os" in two["refused"]
    assert three == {"name": "cell 4", "source": "y = 1"}
