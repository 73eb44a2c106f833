"""Nothing in a page is typed in: with another file in data/ it says something else."""

import ast
import re
import shutil
from pathlib import Path

import jupytext
import matplotlib
import numpy as np
import pytest

matplotlib.use("agg")

from symla_lite import agent, checkpoint, figures, studies
from symla_lite.claims import CLAIMS
from symla_lite.learner import Learner
from symla_lite.studies import results
from symla_lite.studies.systems import OF_POLE

BOOK = Path(__file__).parents[1] / "book"
SLOW = pytest.mark.slow
"""Of a page that one case shows to be refused, the other cases."""


def cells(page, section=None):
    """The code cells of a page but for its set-up; or its first, the imports, and those of one
    section."""
    found, heading = [], None
    for cell in jupytext.read(BOOK / page, fmt="md:myst").cells:
        if cell.cell_type == "markdown":
            heading = (re.findall(r"^## (.*)$", cell.source, re.MULTILINE) or [heading])[-1]
        elif "setup" not in cell.metadata.get("tags", []):
            if section is None or heading == section or not found:
                found.append(cell.source)
    return found


def shown(sources, monkeypatch, **names):
    """What cells show in words: tables, the words of pictures, and computed text."""
    said = []
    monkeypatch.setattr(figures, "display", lambda data, raw: said.append(data["text/plain"]))
    for source in sources:
        tree = ast.parse(source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "cell", "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
            said.append(getattr(value, "data", None) or "")
    return said


@pytest.fixture
def data(tmp_path, monkeypatch):
    """`(study) -> folder`: a copy of its records, the only ones that pages then find."""
    original = results.recorded()
    # What was found once is remembered, and would be taken for all there is in the tests after it.
    agent.recorded.cache_clear()

    def use(study):
        shutil.copytree(original / study, tmp_path / study)
        monkeypatch.setattr(results, "recorded", lambda: tmp_path)
        return tmp_path / study / "standard"

    yield use
    agent.recorded.cache_clear()


def change(path, alter):
    """Writes a record anew with other arrays: `alter(arrays)` changes them in place."""
    arrays, about = checkpoint.load(path)
    alter(arrays)
    checkpoint.save(path, arrays, about)


def rows(table):
    """The card's rows, by study and claim; what was measured is the fourth entry of each, and the
    verdict begins the last."""
    entries = [
        entry.split(" | ") for entry in re.split(r"\n(?=\d \| )", table.replace("\xa0", " "))[1:]
    ]
    return {(study, claim): [study, claim, *others] for study, claim, *others in entries}


def test_the_card_follows_the_records(data, monkeypatch):
    for study in {claim.study for claim in CLAIMS} - {"observation_spaces"}:
        data(study)
    folder = data("observation_spaces")
    page = cells("reproduction.md")
    before = rows(shown(page, monkeypatch)[1])
    assert len(before) == len(CLAIMS)
    fails = ("3", "The MetaRNN fails when they are")
    assert before[fails][-1].startswith("partly")

    def unmoved(arrays):
        arrays["permuted/blocks"] = arrays["original/blocks"]

    for path in folder.glob("metarnn-*-[0-9].safetensors"):
        change(path, unmoved)
    after = rows(shown(page, monkeypatch)[1])
    assert after[fails][-1].startswith("not reproduced (0 of 3)")
    assert after[fails][3] != before[fails][3], "and the figures beside it"
    assert {claim for claim in after if after[claim] != before[claim]} == {fails}


# The policy of Chapter 11 that always takes another action than before.
TO_AND_FRO = Learner(
    "to and fro", {}, lambda *_: {}, lambda *_: (), lambda theta, h, x: (-20 * x.a, h)
)


def test_chapter_11s_figure_and_text_follow_the_records(data, monkeypatch):
    path = data("environments").parent / "gpu" / "symla-grid-0.safetensors"
    page = cells("11_environments.md", section="The paper's figure, and the controls beside it")

    def said():
        figure, _, text = shown(page, monkeypatch, TO_AND_FRO=TO_AND_FRO)[-3:]
        numbers = re.findall(r"(?:as it is|without reward) (-?\d+\.\d+)", figure)
        return [float(x) for x in numbers], text

    def better(arrays):
        for name in [x for x in arrays if re.match(r"cartpole(_with\w+|_reward_off|_wiped)?/", x)]:
            arrays[name] = arrays[name] + np.float32(1)

    numbers, text = said()
    change(path, better)
    new, new_text = said()
    assert new_text != text
    assert [new[place] for place in (0, 1, 4, 5)] == [numbers[place] for place in (0, 1, 4, 5)]
    assert new[2:4] == pytest.approx([x + 0.02 for x in numbers[2:4]], abs=0.011), "1 in 50 steps"


@pytest.mark.parametrize("test", ["cartpole", "cartpole_without_reward"])
def test_chapter_11_is_not_built_from_a_record_that_makes_its_text_false(data, monkeypatch, test):
    path = data("environments").parent / "gpu" / "symla-grid-0.safetensors"
    page = cells("11_environments.md", section="The paper's figure, and the controls beside it")

    def worse(arrays):
        arrays[f"{test}/blocks"] = arrays[f"{test}/blocks"] - np.float32(5)

    change(path, worse)
    with pytest.raises(AssertionError):
        shown(page, monkeypatch, TO_AND_FRO=TO_AND_FRO)


@pytest.mark.parametrize(
    ("training", "test"), [("maml-biased", "swapped"), ("lpg-biased", "original_without_reward")]
)
def test_chapter_12_is_not_built_from_records_that_make_its_text_false(
    data, monkeypatch, training, test
):
    folder = data("systems_biased")
    page = cells("12_table_1.md", section="The biased bandit, and its arms swapped")
    study = studies.named("systems_biased")
    symmetric = {"reinforce", "actor-critic", "metagenrl", "lpg", "symla"}
    learners = [run.learner for run in study.scale("standard").trainings[:-1]]

    def build():
        names = {
            "of_biased": study,
            "orders": results.load(study),
            "SYSTEMS": {learner.name: learner for learner in learners},
            "WORLDS": ("original", "swapped"),
            "RULES": {rule: rule for rule in ("index", "ucb", "thompson", "win_stay", "random")},
            "holds": {learner.name: learner.name in symmetric for learner in learners},
        }
        return shown(page, monkeypatch, **names)

    build()

    def less(arrays):
        arrays[f"{test}/blocks"] = arrays[f"{test}/blocks"] - np.float32(1)

    change(folder / f"{training}-1.safetensors", less)
    with pytest.raises(AssertionError):
        build()


@pytest.mark.parametrize(
    ("world", "training", "test"),
    [
        ("cartpole", "maml-cartpole", "permuted"),
        pytest.param("cartpole", "symla-cartpole", "original_without_reward", marks=SLOW),
        ("hearts", "symla-hearts_2", "swapped"),
        pytest.param("hearts", "metarnn-hearts_2", "swapped", marks=SLOW),
        pytest.param("hearts", "lpg-hearts_2", "original_without_reward", marks=SLOW),
    ],
)
def test_chapter_12_is_not_built_where_what_is_observed_makes_its_text_false(
    data, monkeypatch, world, training, test
):
    data("systems_cartpole")
    data("tasks")
    folder = data("systems_hearts").parents[1] / f"systems_{world}" / "standard"
    page = cells("12_table_1.md", section="With something to observe: CartPole and hearts")
    symmetric = {"reinforce", "actor-critic", "metagenrl", "lpg", "symla"}
    names = {
        "SYSTEMS": {x.name: x for x in OF_POLE},
        "RULES": {rule: rule for rule in ("win_stay", "random")},
        "MARKS": {f"{x.name}-biased": "o" for x in OF_POLE},
        "holds": {x.name: x.name in symmetric for x in OF_POLE},
        "steps_of_meta_training": lambda records, name: 1,
    }
    shown(page, monkeypatch, **names)

    def more(arrays):
        arrays[f"{test}/blocks"] = arrays[f"{test}/blocks"] + np.float32(5)

    change(folder / f"{training}-1.safetensors", more)
    with pytest.raises(AssertionError):
        shown(page, monkeypatch, **names)


@pytest.mark.parametrize(
    ("environment", "agent"),
    [("CliffWalking-v1", "one-rule"), ("Blackjack-v1", "random"), ("CartPole-v1", "one-rule")],
)
def test_the_page_on_your_environment_is_not_built_from_records_that_make_its_text_false(
    data, monkeypatch, environment, agent
):
    data("one_rule")
    path = data("play").parent / f"{environment}.safetensors"
    page = cells("your_environment.md", section="Where it learns, and where not")
    said = shown(page, monkeypatch)
    assert any("CliffWalking-v1 | yes" in words for words in said)

    def other(arrays):
        better = 100 if environment != "CliffWalking-v1" else -1000
        arrays[f"{agent}/blocks"] = arrays[f"{agent}/blocks"] + np.float32(better)

    change(path, other)
    with pytest.raises(AssertionError):
        shown(page, monkeypatch)


@pytest.mark.parametrize(
    ("study", "training", "test", "more"),
    [
        ("bandits", "sum", "12", -1),
        pytest.param("bandits", "pairs", "2", -1, marks=SLOW),
        pytest.param("bandits", "four_ticks", "12", 2, marks=SLOW),
        ("cartpole", "sum", "original", 2),
        pytest.param("cartpole", "no_end_flag", "permuted", -2, marks=SLOW),
    ],
)
def test_chapter_13_is_not_built_from_records_that_make_its_text_false(
    data, monkeypatch, study, training, test, more
):
    """A sum that works with 12 arms, a choice that is clear of the default on two, and one with
    which less carries over; a sum that is as good as the mean on CartPole, and a flag that it
    needs there."""
    for name in ("order", "bandits", "cartpole"):
        folder = data(f"ablations_{name}")
    folder = folder.parents[1] / f"ablations_{study}" / "standard"
    page = cells("13_open_points.md", section="The recorded runs")

    def build():
        return shown(page, monkeypatch, on_bandits=studies.named("ablations_bandits"))

    build()

    def changed(arrays):
        arrays[f"{test}/blocks"] = arrays[f"{test}/blocks"] + np.float32(more)

    for seed in range(3):
        change(folder / f"{training}-{seed}.safetensors", changed)
    with pytest.raises(AssertionError):
        build()
