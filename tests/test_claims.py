"""Verdicts follow the records, whatever these say."""

import dataclasses

import numpy as np
import pytest

from symla_lite import claims, studies
from symla_lite.claims import CLAIMS, Finding, above, alike, at_least, at_most, below, verdict
from symla_lite.studies.results import Results

SEEDS, LIFETIMES = 3, 40


def noise(mean, spread=0.1):
    return mean + spread * np.random.default_rng(0).normal(size=(SEEDS, LIFETIMES))


def made_up(name, level):
    """Results of a study at `standard` in which `level(training, test)` gives each lifetime's
    measure for a step of each tenth, [10]; the training of a reference is None."""
    study = studies.named(name)
    scale = study.scale("standard")
    tenth = scale.test_length / 10

    def blocks(training, test):
        shape = (LIFETIMES, 10)
        rng = np.random.default_rng(len(test))
        return tenth * (level(training, test) + 0.001 * rng.normal(size=shape))

    records = {
        (training.name, seed): (
            {
                f"{test.name}/blocks": blocks(training.name, test.name)
                for test in study.tests(training)
            },
            {"test_length": scale.test_length},
        )
        for training in scale.trainings
        for seed in scale.seeds
    }
    references = {f"{test.name}/blocks": blocks(None, test.name) for test in study.references}
    return Results(study, "standard", records, (references, {}))


def verdicts(name, level):
    runs = made_up(name, level)
    return [verdict(claim.findings(runs)) for claim in CLAIMS if claim.study == name]


def test_a_verdict_counts_what_holds():
    yes, no = (Finding("", "", noise(0), "", holds) for holds in (True, False))
    assert verdict([yes, yes]) == "reproduced"
    assert verdict([yes, no]) == "partly"
    assert verdict([no]) == "not reproduced"
    with pytest.raises(ValueError, match="at least one finding"):
        verdict([])


def test_findings_ask_the_mean_or_the_interval():
    near = noise(0.0, spread=5.0)
    assert at_least("", "", noise(1), 0.9).holds and not at_least("", "", noise(1), 1.1).holds
    assert at_most("", "", noise(1), 1.1).holds and not at_most("", "", noise(1), 0.9).holds
    assert above("", "", noise(1)).holds and not above("", "", near + 0.1).holds
    assert below("", "", noise(-1)).holds and not below("", "", near - 0.1).holds
    assert alike("", "", noise(0.05)).holds and alike("", "", near + 0.3).holds
    assert not alike("", "", noise(0.3)).holds


def symmetric_and_learning(training, test):
    """As the paper says of Study 4: SymLA learns either way, the MetaRNN knows hearts."""
    rising = np.linspace(0, 0.3, 10)
    if training is None or "without_reward" in test:
        return np.zeros(10)
    if training.startswith("symla"):
        return rising
    return np.full(10, -0.3 if "swapped" in test else 0.3)


def test_records_that_say_what_the_paper_says_reproduce_it():
    assert set(verdicts("tasks", symmetric_and_learning)) == {"reproduced"}


def test_records_that_say_the_opposite_do_not():
    def opposite(training, test):
        return -symmetric_and_learning(training, test)

    assert set(verdicts("tasks", opposite)) == {"not reproduced"}


def test_a_rise_that_needs_no_reward_is_found_out():
    def blind(training, test):
        if training is None:
            return np.full(10, 0.6)
        return np.linspace(0.6, 0.8, 10)

    learns, goes_on, metarnn, *ours = verdicts("environments", blind)
    assert (learns, goes_on) == ("reproduced", "reproduced")
    assert metarnn == "not reproduced", "it goes on to CartPole as well"
    *without_a_rise, late = ours
    assert set(without_a_rise) == {"not reproduced"}
    assert late == "partly", "it rises, but by no reward"


@pytest.mark.parametrize("name", sorted({claim.study for claim in CLAIMS}))
def test_every_claim_can_be_asked_of_a_complete_record(name):
    for said in verdicts(name, lambda training, test: np.full(10, 0.5 + 0.1 * (training is None))):
        assert said in ("reproduced", "partly", "not reproduced")


def test_fifths_are_a_step_and_the_rise_is_between_the_outer_two():
    runs = made_up("tasks", lambda training, test: np.repeat([0.0, 1, 2, 3, 4], 2))
    for which, mean in ((0, 0), (-1, 4)):
        found = claims.fifth(runs, "symla-hearts_2", "hearts_2", which)
        assert found.shape == (SEEDS, LIFETIMES)
        np.testing.assert_allclose(found.mean(), mean, atol=0.01)
    np.testing.assert_allclose(claims.rise(runs, "symla-hearts_2", "hearts_2").mean(), 4, atol=0.01)


def test_claims_name_studies_that_there_are_and_can_be_listed():
    assert all(studies.named(claim.study) for claim in CLAIMS)
    assert len({claim.says + claim.study for claim in CLAIMS}) == len(CLAIMS)
    assert all(dataclasses.is_dataclass(claim) for claim in CLAIMS)
