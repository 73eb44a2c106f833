"""A model card says what is in the records, and nothing else."""

import re
import shutil

import numpy as np
import pytest

from symla_lite import agent, card, checkpoint, environments, play, studies
from symla_lite.agent import REFERENCES
from symla_lite.play import WITHOUT_REWARD, Played
from symla_lite.studies import results

RULE = "one_rule/standardised/symla-one_rule_standardised-0"


def rows(text):
    """The rows of all tables of a card, by their first entry."""
    cells = [re.split(r" \| ", line.strip("| ")) for line in text.splitlines() if "|" in line]
    return {first: others for first, *others in cells}


def whole(name):
    return checkpoint.load(results.recorded() / f"{name}.safetensors")[0]


def test_the_numbers_are_those_of_the_records():
    arrays, table = whole(RULE), rows(card.card("one-rule"))
    for world in ("hearts_2", "hearts_2_swapped", "hearts_3"):
        first, late, blind, chance = table[world]
        shown = [float(cell.split(" [")[0]) for cell in (first, late, blind)]
        seen, unpaid = arrays[f"{world}/mean"], arrays[f"{world}_without_reward/mean"]
        wanted = [seen[:100].mean(), seen[-200:].mean(), unpaid[-200:].mean()]
        np.testing.assert_allclose(shown, wanted, atol=6e-4)
        assert len(re.findall(r"-?\d\.\d{3}", chance)) == 3
    assert table["meta-trained on"] == [
        "linear-1-2 + linear-4-4, then 26 environments at once, then 24 environments at once"
    ]
    earlier = rows(card.card("hearts"))["meta-trained on"]
    assert earlier == ["linear-1-2, then linear-4-4, then hearts-2-standardised"]
    assert "2,640 meta-parameters" in table["learner"][0]
    assert table["record"] == [f"data/{RULE}.safetensors"]


def test_the_numbers_of_gymnasium_are_those_of_its_records():
    table = rows(card.card("one-rule"))
    found = play.recorded("one-rule")
    assert {"CliffWalking-v1", "Blackjack-v1", "CartPole-v1"} <= set(found)
    assert found.keys() == play.recorded(RULE).keys()
    for environment, (arrays, about) in found.items():
        assert about["environment"] == environment and about["agent"] == "one-rule"
        steps = len(arrays["one-rule/mean"])
        everybody = ["one-rule", "one-rule" + WITHOUT_REWARD, *REFERENCES]
        wanted = [arrays[f"{who}/mean"][-(steps // 5) :].mean() for who in everybody]
        lifetimes = len(arrays["one-rule/blocks"])
        cells = table[environment][2:] + table[f"{environment}, {lifetimes} × {steps:,}"]
        shown = [float(cell.split(" [")[0]) for cell in cells]
        np.testing.assert_allclose(shown, wanted, atol=6e-4)


def test_a_control_has_no_row_of_its_own():
    for name in ("hearts", "observation_spaces/standard/symla-acrobot-0"):
        record = agent.record(name)
        tests = record.study.tests(record.training)
        usual = [test.name for test in tests if test.learner is record.training.learner]
        assert [row[0] for row in card.in_its_study(record, record.read()[0]).rows] == usual


def test_chance_is_that_of_the_environment_that_was_tested():
    """A uniformly random policy earns the same where inputs and actions are permuted."""
    chance = whole("observation_spaces/standard/references")["random/cartpole/mean"]
    table = rows(card.card("cartpole"))
    for test in ("original", "permuted"):
        shown = float(table[test][-1].split(" [")[0])
        assert shown == pytest.approx(chance[-100:].mean(), abs=6e-4)


def test_chance_in_the_very_environment_comes_first():
    named = 0
    for study in studies.STUDIES.values():
        references = {reference.name for reference in study.references}
        for training in study.scale("standard").trainings:
            for test in study.tests(training):
                if f"random/{test.name}" in references:
                    named += 1
                    assert card.chance(study, test.environment) == f"random/{test.name}"
    assert named > 100
    assert card.chance(studies.STUDIES["classification"], environments.BANDITS["easy"]) is None


def test_what_learns_is_clear_of_its_control_and_of_chance():
    def of(own, blind, chance, reflex=0.0):
        noise = np.random.default_rng(0).normal(0, 0.01, (30, 10))
        level = {"x": own, "x without reward": blind, "random": chance, "win-stay": reflex}
        blocks = {f"{who}/blocks": 10 * (mean + noise) for who, mean in level.items()}
        return blocks | {f"{who}/mean": np.zeros(100) for who in level}

    assert card.learned(of(1.0, 0.5, 0.2), "x")
    assert not card.learned(of(1.0, 1.0, 0.2), "x")
    assert not card.learned(of(1.0, 0.2, 1.0), "x")
    assert not card.learned(of(0.1, 0.5, 0.2), "x")
    assert not card.learned(of(1.0, 0.5, 0.2, reflex=1.0), "x")
    unknown = of(1.0, 0.5, 0.2)
    unknown["win-stay/blocks"] = unknown["win-stay/blocks"][:1]
    assert not card.learned(unknown, "x"), "one lifetime has no interval"


def test_an_agent_that_was_alone_for_one_lifetime_has_dashes_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "recorded", lambda: tmp_path)
    alone = {"one-rule": Played(np.ones((1, 20)), np.zeros((1, 20), bool))}
    play.record(tmp_path / "play" / "x.safetensors", "X-v0", "one-rule", 0, alone)
    dash = card.NOT_MEASURED
    (row,) = card.in_gymnasium("one-rule").rows
    assert row == ["X-v0", dash, "1.000", "1.000 [nan, nan]", dash]
    assert card.beside_in_gymnasium("one-rule").rows == [["X-v0, 1 × 20", dash, dash, dash]]


def test_the_last_fifth_of_a_card_is_that_of_a_game():
    reward = np.random.default_rng(3).normal(size=(4, 50))
    blocks = reward.reshape(4, 10, 5).sum(axis=-1)
    for n in (1, 4):
        found, wanted = card.late(blocks[:n], 50), play.last_fifth(reward[:n])
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_another_record_gives_another_card(tmp_path, monkeypatch):
    for folder in ("one_rule", "play"):
        shutil.copytree(results.recorded() / folder, tmp_path / folder)
    monkeypatch.setattr(results, "recorded", lambda: tmp_path)
    before = card.card("one-rule")
    path = tmp_path / f"{RULE}.safetensors"
    arrays, about = checkpoint.load(path)
    arrays["hearts_2/blocks"] = arrays["hearts_2/blocks"] + np.float32(1)
    checkpoint.save(path, arrays, about)
    after = card.card("one-rule")
    assert before != after
    assert len(set(before.splitlines()) ^ set(after.splitlines())) == 2


def test_every_kind_of_record_has_a_card():
    of_kinds = {
        (record.study.name, record.training.learner.name): name
        for name, record in agent.recorded().items()
    }
    for name in of_kinds.values():
        text = card.card(name)
        assert text.startswith(f"# {name}\n") and "meta-parameters" in text
        assert ("## In environments of gymnasium" in text) == (name == RULE)


def test_a_reference_has_no_card():
    with pytest.raises(ValueError, match="No record has the name 'random': take one-rule"):
        card.card("random")


ARRAYS = {"a/blocks": np.ones((2, 10))}
RECORD = agent.record(RULE)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: card.first({}, "a"), "arrays has no 'a/blocks': give"),
        (lambda: card.first(ARRAYS, "a"), "arrays has no 'a/mean': give"),
        (lambda: card.learned({}, "a"), "arrays has no 'a/blocks': give"),
        (lambda: card.entry(ARRAYS, "a"), "arrays has no 'a/mean': give"),
        (lambda: card.late(np.ones(3), 10), r"blocks=<array \[3\]> .*give an array \[n, 10\]"),
        (lambda: card.late(np.ones((2, 3)), 10), "blocks=.*give an array"),
        (lambda: card.origin(RECORD, {}, {}), "missing: give a record"),
        (lambda: card.origin(RECORD, whole(RULE), {}), r"about=\{\} .*'training'.*: give"),
        (lambda: card.in_gymnasium("nobody"), "No record has the name 'nobody': take"),
        (lambda: card.beside_in_gymnasium("nobody"), "No record has the name 'nobody': take"),
    ],
)
def test_what_is_in_no_record_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_what_was_not_measured_is_a_dash():
    assert card.entry({}, "a") == card.NOT_MEASURED
