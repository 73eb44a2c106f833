"""The coursework's masters, and the wall between answers and tests.

Nothing here needs Otter: masters are marked in this process. `make coursework CHECK=1` grades the
same answers, and those of the assignments that train, through Otter and the autograder packages.
"""

from __future__ import annotations

import ast
import csv
import json
import os
import random
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "coursework"))

import alter  # noqa: E402
import apart  # noqa: E402
import build  # noqa: E402
import checks  # noqa: E402
import grade  # noqa: E402
import guide  # noqa: E402
import jail  # noqa: E402
import observe  # noqa: E402
import rules  # noqa: E402
import seccomp  # noqa: E402
import thefts  # noqa: E402
import worker  # noqa: E402

os.environ[apart.TRUSTED] = "1"  # what is tested here is ours, wherever the tests run

NAMES = [path.stem for path in build.masters()]
QUICK = ["01_backprop", "02_metarnn", "03_vsml", "04b_table_1"]
"""Those whose answers are plain NumPy and whose checks take no time."""
VARIANTS = ["2027", "2028", "spring"]


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


def graders_of(master):
    """Each test's question, points and function."""
    found = []
    for question, points, _, source in checks_of(master):
        made: dict = {}
        exec(source, made)
        (test,) = [x for name, x in made.items() if name.startswith("test_")]
        found.append((question, points, test))
    return found


def earned(master, scope, tests=None):
    """What these answers earn, by question."""
    found = dict.fromkeys((q.name for q in master.questions if not q.manual), 0)
    for question, points, test in graders_of(master) if tests is None else tests:
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
        found = rules.objections(source, made.settings["imports"])
        assert not found, found


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("variant", ["", *VARIANTS])
def test_the_reference_earns_all_points_under_any_conventions(name, variant):
    made = master(name, variant)
    assert marks(made) == full(made)


@pytest.mark.parametrize(
    "name, wrong", [(name, wrong) for name in QUICK for wrong in guide.wrong_answers(name)]
)
def test_a_typical_wrong_answer_earns_what_the_guide_says(name, wrong):
    made = master(name)
    assert marks(made, wrong.source) == full(made) | wrong.scores


SEEDS = {**dict.fromkeys(QUICK, 200), "04_symla": 20}


@pytest.mark.parametrize(
    "name, seeds",
    [
        *((name, seeds // 10) for name, seeds in SEEDS.items()),
        *(pytest.param(name, seeds, marks=pytest.mark.slow) for name, seeds in SEEDS.items()),
    ],
)
def test_the_reference_earns_all_points_whatever_inputs_are_drawn(name, seeds):
    made = master(name)
    scope, tests = defined(made), graders_of(made)
    try:
        for seed in range(seeds):
            checks.use_seed(seed)
            assert earned(made, scope, tests) == full(made), seed
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
    "04b_table_1": """
unevenness = lambda answers, history, rho, rho_out, seed: 0.0
facts = lambda answers: dict.fromkeys(["inputs", "actions", "sizes", "reward", "seed"], False)
identify = lambda answers: 0
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
def test_there_are_three_or_more_wrong_answers_each_with_a_mark_below_the_full_one(name):
    points = full(master(name))
    wrong = guide.wrong_answers(name)
    assert len(wrong) >= 3
    assert all(np.min(score) < points[q] for w in wrong for q, score in w.scores.items())


@pytest.mark.parametrize("name", QUICK)
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_public_solution_earns_under_a_quarter_in_any_variant(name, variant):
    made = master(name, variant)
    public = "\n\n".join(master(name).code("solution"))
    assert sum(marks(made, public).values()) < sum(full(made).values()) / 4


@pytest.mark.parametrize("name", NAMES)
def test_no_two_variants_hand_out_the_same_and_one_name_always_gives_the_same(name):
    def handed_out(variant):
        made = master(name, variant)
        return "".join(x.source for x in made.cells if "solution" not in build.tags(x))

    texts = [handed_out(variant) for variant in ("", *VARIANTS, "autumn", "x", "y", "z")]
    assert len(set(texts)) == len(texts)
    assert handed_out("2027") == texts[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_variant_has_the_public_value_of_no_convention(name):
    for key, values in master(name).settings["vary"].items():
        public, *others = build.values_of(values)
        assert others and public not in others, key


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
    assert "w - alpha * (np.outer(x, delta)" in text
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


def test_every_chapter_from_5_on_has_a_question_and_each_assignment_is_linked_from_a_chapter():
    project = (ROOT / "coursework" / "06_project.md").read_text("utf-8")
    there = {int(path.name[:2]) for path in (ROOT / "book").glob("[0-9][0-9]_*.md")}
    asked = re.findall(r"^\| (\d+) [A-Z]", project, re.MULTILINE)
    assert set(map(int, asked)) == there - set(range(5))
    texts = [path.read_text("utf-8") for path in (ROOT / "coursework").glob("*.md")]
    for named in re.findall(r"Chapters? (\d+)(?:(?:, | and | to )(\d+))*", " ".join(texts)):
        assert {int(number) for number in named if number} <= there, named
    chapters = "".join(path.read_text("utf-8") for path in (ROOT / "book").glob("[0-9]*.md"))
    for name in NAMES:
        assert f"Assignment {name.split('_')[0].lstrip('0')}" in chapters, name


def test_a_question_that_only_measures_says_so_where_its_solution_would_be():
    text = guide.details(master("04_symla"))
    assert "(5 points)\n\nNothing to write" in text and text.count("Nothing to write") == 1


def test_a_grading_that_cannot_begin_says_why_in_one_sentence(tmp_path):
    assert "make coursework" in grade.objection("02_metarnn", tmp_path)
    (tmp_path / "02_metarnn").mkdir()
    (tmp_path / "02_metarnn" / "02_metarnn-autograder.zip").touch()
    assert "no assignment 02_metarn: take 02_metarnn." in grade.objection("02_metarn", tmp_path)
    assert not grade.objection("02_metarnn", tmp_path)


CODE = {"cell_type": "code", "source": ["x = 1\n", "y = 2"], "outputs": []}


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"%PDF-1.4", "PDF"),
        (b"PK\x03\x04", "zip"),
        (b"\x89PNG\r\n", "no text"),
        (b'{"cells": [', "its end is missing"),
        (b"[" * 100_000, "its end is missing"),
        (b"[]", "no cells"),
        (b'{"cells": 3}', "no cells"),
    ],
)
def test_a_file_that_is_no_notebook_is_named(tmp_path, content, said):
    (tmp_path / "one.ipynb").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        rules.load(content)
    with pytest.raises(grade.NotGraded):
        grade.submission(tmp_path / "one.ipynb")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("without", ["cell_type", "outputs", "id"])
def test_a_notebook_of_another_tool_is_read(encoding, without):
    cell = {key: value for key, value in CODE.items() if key != without}
    made = rules.load(json.dumps({"cells": [cell, None, "text"]}).encode(encoding))
    ((number, found),) = rules.cells(made)
    assert (number, found["cell_type"], found["source"]) == (1, "code", "x = 1\ny = 2")


def test_a_submission_is_a_file_a_zip_file_or_a_folder(tmp_path):
    text = json.dumps({"cells": [CODE]})
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "work.ipynb").write_text(text)
    (tmp_path / "ann" / "theta.npz").write_bytes(b"data")
    build.write_zip(tmp_path / "ben.zip", {"a/work.ipynb": text.encode(), "__MACOSX/x": b""})
    (tmp_path / "cy.ipynb").write_text(text)
    for path, own in (("ann", {"theta.npz": b"data"}), ("ben.zip", {}), ("cy.ipynb", {})):
        notebook, found = grade.submission(tmp_path / path)
        assert notebook == {"cells": [CODE]} and found == own
    (tmp_path / "ann" / "more.ipynb").write_text(text)
    with pytest.raises(grade.NotGraded, match="2 notebooks"):
        grade.submission(tmp_path / "ann")


def test_a_link_in_a_submission_leads_nowhere(tmp_path):
    text = json.dumps({"cells": [CODE]})
    (tmp_path / "solution.ipynb").write_text(text)
    (tmp_path / "ann").mkdir()
    (tmp_path / "ann" / "work.ipynb").write_text(text)
    (tmp_path / "ann" / "all.json").symlink_to(tmp_path / "solution.ipynb")
    (tmp_path / "ann" / "deep").symlink_to(tmp_path)
    (tmp_path / "ben.ipynb").symlink_to(tmp_path / "solution.ipynb")
    assert grade.submission(tmp_path / "ann") == ({"cells": [CODE]}, {})
    with pytest.raises(grade.NotGraded, match="it is a link"):
        grade.submission(tmp_path / "ben.ipynb")


def test_a_damaged_file_is_a_sentence_wherever_it_is_damaged(tmp_path):
    made, path = random.Random(0), tmp_path / "one.zip"
    build.write_zip(path, {"a/work.ipynb": json.dumps({"cells": [CODE] * 9}).encode()})
    for whole in (path.read_bytes(), json.dumps({"worksheets": [{"cells": [CODE]}]}).encode()):
        for _ in range(300):
            broken = bytearray(whole)
            for place in made.choices(range(len(broken)), k=made.choice([1, 3, 20])):
                broken[place] = made.randrange(256)
            path.write_bytes(broken[: made.choice([None, made.randrange(len(broken))])])
            try:
                grade.submission(path)
            except grade.NotGraded as error:
                assert str(error)


@pytest.mark.parametrize(
    "notebook",
    [
        {"worksheets": [{"cells": [{"cell_type": "code", "input": "x = 1\ny = 2"}]}]},
        {"worksheets": [3, {"cells": 4}, {"cells": [None, {"input": ["x = 1\n", "y = 2"]}]}]},
        {"cells": [{"cell_type": "code", "source": ["x = 1\n", "y = 2"]}], "metadata": 3},
    ],
)
def test_a_notebook_of_another_format_is_read(notebook):
    found = list(rules.cells(rules.load(json.dumps(notebook).encode())))
    assert [cell["source"] for _, cell in found] == ["x = 1\ny = 2"]


@pytest.mark.parametrize(
    "source",
    ["-" * 90_000 + "1", "(" * 5000, "x = '\ud800'", "\0", "a." * 50_000 + "b", "x" * 300_000],
)
def test_a_cell_that_no_parser_takes_costs_itself_alone(source):
    cells = [CODE | {"source": source}, CODE]
    made = apart.plan({"cells": cells}, {"given": [], "imports": ["numpy"]})
    assert any("refused" in cell for cell in made)
    assert made[-1]["source"].strip() == "x = 1\ny = 2"


def test_every_submission_of_a_folder_is_found_and_has_a_name_of_its_own(tmp_path):
    names = ["j.smith/a.ipynb", "j.doe/a.ipynb", "ann.ipynb", "ann.zip", "Zoë O'Hara (2).ipynb"]
    names += ["like.ipynb/notes.txt", "x/ann.ipynb", ".hidden", "__MACOSX/y"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    found = grade.found_in([tmp_path])
    assert [path.name for path in found] == sorted(
        ["j.smith", "j.doe", "ann.ipynb", "ann.zip", "Zoë O'Hara (2).ipynb", "like.ipynb", "x"]
    )
    twice = [*found, tmp_path / "x" / "ann.ipynb", tmp_path / "j.doe" / "a.ipynb"]
    twice.append(tmp_path / "j.smith" / "a.ipynb")
    given = grade.names_of(twice)
    assert len(set(given)) == len(given)
    assert {"j.smith", "j.doe", "like.ipynb", "x-ann", "j.doe-a", "j.smith-a"} <= set(given)
    (tmp_path / "x" / "theta.npz").write_bytes(b"")
    assert grade.found_in([tmp_path / "x"]) == [tmp_path / "x"]


def test_two_assignments_in_one_folder_keep_apart_and_a_newer_zip_file_is_taken(
    tmp_path, monkeypatch
):
    def hand_out(name, mark):
        source = f"def grader(name):\n    return name, {mark!r}\n"
        packed = {f"{name}/{name}_files/checks.py": source.encode(), f"{name}/{name}.ipynb": b""}
        build.write_zip(tmp_path / f"{name}.zip", packed)

    def found(name):
        scope: dict = {}
        exec(build.SETUP.format(name=name), scope)
        return scope["grader"]

    for module in ("checks", "rules", "observe"):
        monkeypatch.setitem(sys.modules, module, sys.modules[module])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="put 01_a.zip beside this notebook"):
        found("01_a")
    hand_out("01_a", "one")
    hand_out("02_b", "two")
    assert [found(name) for name in ("01_a", "02_b", "01_a")] == [
        ("01_a", "one"), ("02_b", "two"), ("01_a", "one")
    ]  # fmt: skip
    hand_out("01_a", "reissued")
    assert found("01_a") == ("01_a", "reissued")


def test_what_cannot_be_written_or_shown_does_not_stop_a_class(tmp_path):
    package = object.__new__(grade.Package)
    package.settings = {"name": "x", "manual": {"q1": 4}, "headings": {"## Question 1: text": "q1"}}
    package.tests, package.hash = {}, b"1"
    outputs = [{"output_type": "display_data"}, {"data": 3}, 4]
    cells = [
        {"cell_type": "markdown", "source": "## Question 1: my own heading"},
        {"cell_type": "code", "source": "print('<b>\ud800')", "outputs": outputs},
    ]
    path = tmp_path / "ann.ipynb"
    path.write_text(json.dumps({"cells": cells}))
    book = grade.Book(tmp_path / "results", package)
    book.enter("ann", path, grade.Graded([], ["ValueError: \ud800"], {}))
    book.enter("\udce4nn", path, grade.NotGraded("\ud800"))
    book.write()
    assert "ValueError: ?" in (tmp_path / "results" / "feedback" / "ann.md").read_text("utf-8")
    page = (tmp_path / "results" / "reading" / "q1" / "ann.html").read_text("utf-8")
    assert "print" in page and "my own heading" in page and "<b>" not in page


def test_the_name_of_an_assignment_stands_in_its_set_up_cell():
    cell = CODE | {"source": build.SETUP.format(name="03_vsml")}
    assert rules.assignment_of({"cells": [cell]}) == "03_vsml"
    assert rules.assignment_of({"cells": [CODE]}) == ""


def test_a_class_book_keeps_a_readers_points_and_adds_them_up(tmp_path):
    package = object.__new__(grade.Package)
    package.settings, package.tests = (
        {"name": "x", "manual": {"q2": 4}, "headings": {}},
        {"q1": b""},
    )
    package.hash = b"1"
    path = tmp_path / "ann.ipynb"
    path.write_text(json.dumps({"cells": [CODE]}))
    graded = grade.Graded([grade.Result("q1", "one", 2, 3, True, "")], [], {})
    book = grade.Book(tmp_path / "results", package)
    book.enter("ann", path, graded)
    book.enter("ben", tmp_path / "ben.ipynb", grade.NotGraded("the file is empty"))
    book.write()
    text = book.file.read_text()
    assert "not graded, because the file is empty" in text
    book.file.write_text(text.replace("ann,yes,2,2,,2", "ann,yes,2,2,3.5,2"))
    again = grade.Book(tmp_path / "results", package)
    assert not again.is_new("ann", path) and again.is_new("ben", path)
    again.write()
    text = again.file.read_text()
    assert "ann,yes,2,2,3.5,5.5" in text
    lines = [[x.replace("3.5", "4,5") for x in row] for row in csv.reader(text.splitlines())]
    with again.file.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows(lines)
    spreadsheet = grade.Book(tmp_path / "results", package)
    spreadsheet.write()
    assert 'ann,yes,2,2,"4,5",6.5' in spreadsheet.file.read_text()


@pytest.mark.parametrize("name", QUICK)
def test_altered_right_answers_earn_everything(name):
    made = master(name)
    cells = [{"cell_type": "code", "source": x} for x in made.code("given", "solution")]
    cells = [{"cell_type": "markdown", "source": "# A"}] * 2 + cells
    solutions = {source.strip() for source in made.code("solution")}
    settings = {"given": [], "imports": made.settings["imports"]}
    for seed in range(6):
        notebook, changes = alter.altered({"cells": cells}, solutions, seed)
        scope = alter.defined(apart.plan(notebook, settings))
        assert earned(made, scope) == full(made), changes


@pytest.mark.slow
def test_all_harmless_lines_together_take_nothing_from_a_right_answer(answers):
    made = master("02_metarnn")
    cells = [*made.code("given"), *alter.LINES, *made.code("solution"), *alter.LINES]
    notebook = {"cells": [CODE | {"source": source} for source in cells]}
    planned = apart.plan(notebook, {"given": [], "imports": made.settings["imports"]})
    one = answers(*(cell["source"] for cell in planned if "source" in cell))
    names = {name for _, _, _, source in checks_of(made) for name in names_of(source)}
    assert earned(made, {name: one.stand_in(name) for name in names}) == full(made), one.trouble


def names_of(source):
    (function,) = ast.parse(source).body
    return [argument.arg for argument in function.args.args]


def test_the_challenge_tells_chapter_6s_numbers_from_the_reference():
    known = json.loads((ROOT / "coursework" / "challenge.json").read_text("utf-8"))
    draw = np.random.default_rng(1)
    reference, chapter = (
        np.median(draw.choice(known[name], (10_000, known["trainings"])), axis=1)
        for name in ("scores", "scores_chapter")
    )
    assert known["tight"] < known["bar"]
    assert np.mean(reference > known["tight"]) < 0.002 and np.mean(chapter < known["bar"]) < 0.002
    assert any(wrong.name == "chapter_6" for wrong in guide.wrong_answers("05_evolution"))


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


@pytest.mark.slow
def test_an_endless_answer_costs_its_own_points_only(answers):
    one = answers("def f():\n    while True:\n        pass\n\n\ndef g():\n    return 1", seconds=8)
    with pytest.raises(apart.AnswerError, match="No answer within 8 seconds"):
        one.stand_in("f")()
    assert one.stand_in("g")() == 1


@pytest.mark.slow
def test_one_slow_statement_is_left_out_and_what_stands_around_it_counts(answers):
    one = answers(
        "def f():\n    return 1",
        "def g():\n    return 2\nwhile True:\n    pass\ndef h():\n    return 3",
        seconds=6,
    )
    assert [one.stand_in(name)() for name in "fgh"] == [1, 2, 3]
    assert "cell 2, line 3, takes more than 6 seconds" in one.slow[0]


@pytest.mark.slow
def test_loops_everywhere_cost_at_most_twice_the_limit(answers):
    began = time.monotonic()
    one = answers(
        *["while True:\n    pass"] * 2, "def f():\n    while True:\n        pass", seconds=4
    )
    for _ in range(5):
        with pytest.raises(apart.AnswerError):
            one.stand_in("f")()
    assert one.left >= 0
    spent = time.monotonic() - began
    assert 8 - one.left < 8.5 and spent > 4


def test_a_statement_that_fails_does_not_take_the_next_ones_with_it(answers):
    one = answers("import pandas_of_mine\n\ndef f():\n    return 1\n1 / 0\ndef g():\n    return 2")
    assert one.stand_in("f")() == 1 and one.stand_in("g")() == 2
    assert "pandas_of_mine" in one.trouble[0] and "ZeroDivisionError" in one.trouble[1]


THEFTS = {
    "write": "open({path!r}, 'w')",
    "read": "open({path!r}).read()",
    "remove": "import os\n    os.remove({path!r})",
    "start": "import subprocess\n    subprocess.run(['true'])",
    "shell": "import os\n    os.system('true')",
    "fork": "import os\n    os.fork()",
    "kill": "import os\n    os.kill(os.getppid(), 9)",
    "socket": "import socket\n    socket.socket()",
    "dial": "import socket\n    socket.create_connection(('127.0.0.1', 80))",
    "library": "import ctypes\n    ctypes.CDLL(None)",
    "list": "import os\n    os.listdir({folder!r})",
}


def test_a_worker_touches_nothing_and_starts_nothing(answers, tmp_path):
    secret = tmp_path / "test.py"
    secret.write_text("kept")
    lines = {
        name: line.format(path=str(secret), folder=str(tmp_path)) for name, line in THEFTS.items()
    }
    one = answers(
        "def inside():\n    open('own', 'w').write('x')\n    return open('own').read()",
        *(f"def {name}():\n    {line}" for name, line in lines.items()),
        "import os\ndef end():\n    os._exit(0)",
    )
    assert one.stand_in("inside")() == "x"
    for name in THEFTS:
        with pytest.raises(apart.AnswerError, match="Error: "):
            one.stand_in(name)()
    with pytest.raises(apart.AnswerError, match="ended the process"):
        one.stand_in("end")()
    assert one.stand_in("inside")() == "x"
    assert os.listdir(tmp_path) == ["test.py"] and secret.read_text() == "kept"


def test_each_known_theft_fails_and_touches_nothing(answers, tmp_path):
    secret, canary = tmp_path / "solution.ipynb", tmp_path / "canary"
    secret.write_text(json.dumps({"cells": [CODE | {"source": "def stolen(): return 1"}]}))
    canary.write_text("kept")
    canary.chmod(0o666)
    head = f"import numpy as np\nCANARY, SOLUTION = {str(canary)!r}, {str(secret)!r}\n{thefts.TAKE}"
    each = [*thefts.WAYS_TO_READ, *thefts.HARM]
    one = answers(
        head, *each, "def left():\n    return 'stolen' in globals() or 'heard' in globals()"
    )
    assert one.stand_in("left")() is False
    failed = {int(number) for said in one.trouble for number in re.findall(r"cell (\d+)", said)}
    silent = [source for number, source in enumerate(each, start=2) if number not in failed]
    nothing_there = ("linecache", "gc.get_objects")  # they find nothing, and say nothing
    assert all(any(x in source for x in nothing_there) for source in silent), silent
    assert canary.read_text() == "kept" and len(list(tmp_path.iterdir())) == 2
    scope: dict = {}
    exec(f"{thefts.TAKE}\ntake({secret.read_text()!r})", scope)
    assert scope["stolen"]() == 1, "what is tried would work where the file can be read"


def test_the_kernel_refuses_programs_processes_and_sockets_without_any_hook():
    program = f"import sys; sys.path.insert(0, {str(ROOT / 'coursework')!r})\n" + (
        "import os, socket, subprocess, threading, seccomp\n"
        "if not seccomp.shut():\n    print('none')\n    raise SystemExit\n"
        "def refused(action):\n"
        "    try:\n        action()\n    except OSError:\n        print('refused')\n"
        "for action in (os.fork, socket.socket, socket.socketpair,\n"
        "               lambda: os.kill(os.getpid(), 0), lambda: subprocess.run(['true']),\n"
        "               lambda: os.execv('/bin/true', ['true'])):\n    refused(action)\n"
        "thread = threading.Thread(target=refused, args=(os.fork,))\n"
        "thread.start()\nthread.join()\nprint(open('/dev/null').read() == '')\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    said = run.stdout.split()
    if said == ["none"]:
        pytest.skip("this system has no such filter")
    assert said == ["refused"] * 7 + ["True"], run


@pytest.mark.parametrize("machine", seccomp.NUMBERS)
def test_each_jump_of_the_filter_leads_to_its_answer(machine):
    lines = [seccomp.struct.unpack("HBBI", seccomp.program(machine)[n : n + 8])
             for n in range(0, len(seccomp.program(machine)), 8)]  # fmt: skip
    mark, refused, clone = seccomp.NUMBERS[machine]

    def answer(number, first=0, processor=mark):
        at, loaded = 0, 0
        while True:
            code, yes, no, value = lines[at]
            if code == seccomp.RETURN:
                return value
            if code == seccomp.LOAD:
                loaded = {0: number, 4: processor, 16: first}[value]
                yes = no = 0
            else:
                test = {seccomp.EQUAL: loaded == value, seccomp.AT_LEAST: loaded >= value,
                        seccomp.ANY_BIT: loaded & value}[code]  # fmt: skip
                no = yes if test else no
            at += 1 + no

    error = seccomp.ERROR | 1
    assert len(refused) == len(seccomp.REFUSED)
    assert all(answer(number) == error for number in refused if number is not None)
    assert answer(0) == answer(1) == seccomp.ALLOW
    assert answer(0, processor=7) == answer(seccomp.OLD_NUMBERS) == error
    assert answer(clone) == error and answer(clone, seccomp.THREAD) == seccomp.ALLOW
    assert answer(seccomp.CLONE3) == seccomp.ERROR | 38


@pytest.mark.skipif(not jail.way(), reason="neither namespaces nor another user here")
def test_no_worker_can_read_what_is_to_be_secret(tmp_path):
    secret = tmp_path / "solution.ipynb"
    secret.write_text("secret")
    assert jail.hide([secret, ROOT / "coursework" / "02_metarnn.md"]) == []


@pytest.mark.skipif(jail.way() != "namespace", reason="no namespaces here")
def test_even_without_its_audit_hook_a_worker_finds_nothing(tmp_path):
    secret = tmp_path / "solution.ipynb"
    secret.write_text("secret")
    program = (
        "import os, socket, sys\n"
        "wire = socket.socket(fileno=int(sys.argv[1]))\n"
        f"found = [os.path.exists({str(secret)!r}), os.path.exists({str(ROOT / 'coursework')!r})]\n"
        "found.append(os.getuid() == 0)\n"
        "found.append(len([x for x in os.listdir('/proc') if x.isdigit()]) > 1)\n"
        "try:\n    socket.create_connection(('1.1.1.1', 53), 2)\n    found.append(True)\n"
        "except OSError:\n    found.append(False)\n"
        "wire.sendall(repr(found).encode())\n"
    )
    one = jail.start({"own.py": program.encode()}, program="own.py")
    try:
        one.wire.settimeout(60)
        assert one.wire.recv(1000) == b"[False, False, False, False, False]"
    finally:
        one.close()


def test_what_is_no_message_ends_the_wire(answers):
    ours, theirs = socket.socketpair()
    peer = worker.Peer(ours)
    for nonsense in (b"\0" * 8, (2**40).to_bytes(8, "big"), (9).to_bytes(8, "big") + b"\0" * 9):
        theirs.sendall(nonsense)
        with pytest.raises(worker.Gone):
            peer.receive()
    header = b"[" * (worker.LARGEST_HEADER + 1)
    with pytest.raises(ValueError, match="too long"):
        worker.decode(len(header).to_bytes(8, "big") + header, len, len)
    theirs.sendall((100).to_bytes(8, "big") + b"less")  # and then nothing more
    peer.deadline = time.monotonic() + 0.2
    with pytest.raises(worker.Late):
        peer.receive()


def test_a_call_is_seen_to_change_its_arguments_or_to_loop(answers):
    one = answers(
        "def changes(x):\n    x += 1\n    return x\n\n\n"
        "def loops(x):\n    return [y for y in x.tolist()]\n\n\n"
        "def fair(x):\n    return 2 * x"
    )
    small, large = (np.zeros(3),), (np.zeros(300),)
    assert one.stand_in("changes").observe(*small)[1].changed
    assert not one.stand_in("fair").observe(*small)[1].changed
    with pytest.raises(AssertionError, match="is changed"):
        checks.leaves_alone(one.stand_in("changes"), *small)
    with pytest.raises(AssertionError, match="there is a loop"):
        checks.no_loops(one.stand_in("loops"), small, large, "loops")
    checks.no_loops(one.stand_in("fair"), small, large, "fair")


@pytest.mark.parametrize(
    "source",
    [
        "import sys\ndef f(x):\n    sys.settrace(None)\n    return [y for y in x.tolist()]",
        "loop = compile('for y in x:\\n    y + 1', 'other', 'exec')\n"
        "def f(x):\n    exec(loop, {'x': x})\n    return x",
        "import threading\ndef g(x):\n    for y in x:\n        y + 1\n\n\ndef f(x):\n"
        "    thread = threading.Thread(target=g, args=(x,))\n"
        "    thread.start()\n    thread.join()\n    return x",
    ],
)
def test_a_loop_that_hides_is_seen(answers, source):
    one = answers("import numpy as np\n" + source)
    with pytest.raises(AssertionError, match="there is a loop|cannot be watched"):
        checks.no_loops(one.stand_in("f"), (np.zeros(3),), (np.zeros(300),), "f")


def test_a_loop_in_a_notebook_is_seen_there_too():
    scope: dict = {}
    source = "def f(x):\n    total = 0\n    for y in x:\n        total += y\n    return total"
    exec(compile(source, "<ipython-input-1>", "exec"), scope)
    few, many = (observe.observe(scope["f"], np.zeros(n))[1].opcodes for n in (2, 50))
    assert many > 5 * few > 0


def test_what_an_answer_does_to_numpy_stays_with_it(answers):
    answers("import numpy as np\n\nnp.abs = np.asarray = lambda *a: 0")
    assert np.abs(-1) == 1


@pytest.mark.parametrize(
    "source, said",
    [
        ("import jax", "imports jax"),
        ("from symla_lite.symla import symla", "imports symla_lite"),
        ("import checks", "imports checks"),
        ("def f():\n    import torch", "imports torch"),
        ("import pandas as pd", "imports pandas"),
        ("import subprocess", "starts no programs"),
        ("import socket", "no network"),
        ("x = input('name')", "types anything"),
        ("%%bash\nls", "takes the whole cell elsewhere"),
        ("def f(:", "no Python"),
    ],
)
def test_what_will_not_work_in_grading_is_said_before(source, said):
    assert said in " ".join(rules.objections(source, ["numpy", "math"]))


NOT_THERE = ("pandas", "ipywidgets")
"""Libraries that grading does not have: the line fails, and the student is told before."""


@pytest.mark.parametrize(
    "source", [x for x in alter.LINES if not any(name in x for name in NOT_THERE)]
)
def test_harmless_lines_meet_no_objection_that_costs_points(source):
    found = " ".join(rules.objections(source, ["numpy", "math"]))
    assert "an answer here may import" not in found


@pytest.mark.parametrize(
    "source, wanted",
    [
        ("%%time\nx = 1", "\nx = 1"),
        ("%%capture out\n%%time\nx = 1", "\n\nx = 1"),
        ("%%html\n<b>x</b>", ""),
        ("x = (7\n% 4)", "x = (7\n% 4)\n"),
        ("\nx = 1", "\nx = 1\n"),
    ],
)
def test_a_cells_magics_go_and_its_lines_stay_where_they_were(source, wanted):
    assert rules.plain(source).rstrip("\n") == wanted.rstrip("\n")


def test_a_cell_that_was_handed_out_runs_as_it_was_and_another_is_the_students():
    given = [{"source": source, "skip": source == "x"} for source in ("import os", "x", "k = 2")]
    given.append({"source": "walk = 3", "skip": False, "last": True})
    settings = {"given": given, "imports": ["numpy"]}
    sources = ["import os", "x", "import torch", "walk = 3", "walk = 'mine'"]
    notebook = {"cells": [{"cell_type": "code", "source": source} for source in sources]}
    made = apart.plan(notebook, settings)
    assert made[0] == {"name": "a cell of the hand-out", "source": "k = 2"}
    assert made[-1] == {"name": "the instruments", "source": "walk = 3"}
    assert [x["name"] for x in made if "refused" in x] == ["cell 3"]
    assert [x["source"].strip() for x in made if "source" in x] == [
        "k = 2", "import os", "import torch", "walk = 3", "walk = 'mine'", "walk = 3"
    ]  # fmt: skip


def test_where_otter_is_not_installed_a_sentence_names_the_command_and_nothing_is_made(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(build.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["build.py", "--out", str(tmp_path / "made")])
    assert build.main() == 2 and not (tmp_path / "made").exists()
    said = capsys.readouterr().err
    assert said.startswith("error: otter-grader is not installed") and "make coursework" in said
