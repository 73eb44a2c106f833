"""Verdicts follow the records, whatever these say, and a reflex does not pass for learning."""

import dataclasses
import json
import zlib

import numpy as np
import pytest

from symla_lite import claims, studies
from symla_lite.baselines import win_stay
from symla_lite.claims import (
    CLAIMS,
    CONTROLS,
    KEPT,
    Finding,
    answer,
    at_least,
    at_most,
    clear,
    line,
    verdict,
    younger,
)
from symla_lite.meta_testing import Estimate, estimate, interval, meta_test, share_of_gap
from symla_lite.studies import results
from symla_lite.studies.criteria import CRITERIA, checksums
from symla_lite.studies.results import Results

SEEDS, LIFETIMES = 3, 40


def made_up(name, level, scale="standard"):
    """Results of a study in which `level(training, test)` gives each lifetime's measure for a step
    of each tenth, [10]; the training of a reference is None."""
    study = studies.named(name)
    sized = study.scale(scale)
    tenth = sized.test_length / 10

    def blocks(training, test, seed=0):
        mean = level(training, test)
        for control in (*CONTROLS, KEPT):  # the same tasks, and so the same noise
            test = test.removesuffix(f"_{control}")
        rng = np.random.default_rng(zlib.crc32(f"{training} {test} {seed}".encode()))
        return tenth * (mean + 0.001 * rng.normal(size=(LIFETIMES, 10)))

    found = {
        (training.name, seed): (
            {
                f"{test.name}/blocks": blocks(training.name, test.name, seed)
                for test in study.tests(training)
            },
            {"test_length": sized.test_length},
        )
        for training in sized.trainings
        for seed in sized.seeds
    }
    references = {f"{test.name}/blocks": blocks(None, test.name) for test in study.references}
    return Results(study, scale, found, (references, {}))


def verdicts(name, level):
    """The word of each claim's verdict."""
    return [
        answer(claim, *(made_up(name, level, scale) for scale in claim.scales)).word
        for claim in CLAIMS
        if claim.study == name
    ]


# Intervals


@pytest.mark.parametrize("seeds", [3, 4, 5, 7, 10])
def test_a_95_percent_interval_over_seeds_covers_92_to_97_percent(seeds):
    """Seeds differ, and lifetimes within a seed are skewed; 6,000 made-up studies each."""
    rng, studies_ = np.random.default_rng(seeds), 6000
    own = rng.normal(size=(studies_, seeds, 1))
    lifetimes = rng.exponential(size=(studies_, seeds, 50)) - 1
    covered = [low < 0 < high for low, high in map(interval, own + lifetimes)]
    assert 0.92 < np.mean(covered) < 0.97


@pytest.mark.parametrize(("seeds", "others"), [(3, 3), (3, 10), (10, 3)])
def test_the_interval_of_a_share_covers_92_to_98_percent(seeds, others):
    rng, held, trials = np.random.default_rng(0), 0, 3000
    for _ in range(trials):
        own = 8 + rng.normal(size=(seeds, 1)) + np.zeros((1, 2))
        other = 10 + 0.5 * rng.normal(size=(others, 1)) + np.zeros((1, 2))
        share = share_of_gap(own, -10.0, other)
        held += share.low < 18 / 20 < share.high
    assert 0.92 < held / trials < 0.985


def test_a_share_is_zero_at_the_level_and_one_at_the_other_group():
    rng = np.random.default_rng(0)
    group = 5 + rng.normal(size=(4, 20))
    assert share_of_gap(group, 1.0, group).mean == pytest.approx(1.0)
    assert share_of_gap(group - group.mean() + 1.0, 1.0, group).mean == pytest.approx(0.0)


# Lines and verdicts


def finding(holds):
    return Finding("", "", Estimate(0.0, 0.0, 0.0), "", holds, "clear of")


def test_a_verdict_counts_what_holds_and_what_is_open():
    yes, unsure, no = map(finding, ("yes", "open", "no"))
    assert str(verdict([yes, yes])) == "reproduced (2 of 2)"
    assert str(verdict([yes, unsure, no])) == "partly (1 of 3, 1 open)"
    assert str(verdict([unsure, no])) == "open (0 of 2, 1 open)"
    assert str(verdict([no])) == "not reproduced (0 of 1)"
    assert verdict([yes], needed=[no]).word == "not tested"
    assert verdict([yes], needed=[unsure]).word == "not tested"
    with pytest.raises(ValueError, match="at least one finding"):
        verdict([])


def test_a_line_holds_where_its_whole_interval_does():
    wide = Estimate(0.5, 0.2, 0.8)
    for bound, above, below in ((0.1, "yes", "no"), (0.5, "open", "open"), (0.9, "no", "yes")):
        assert at_least("", "", wide, bound, "clear of").holds == above
        assert at_most("", "", wide, bound, "clear of").holds == below
    within = [line("", "", wide, -reach, reach, "alike").holds for reach in (0.1, 0.5, 1.0)]
    assert within == ["no", "open", "yes"]


def test_noise_does_not_make_two_things_alike():
    rng = np.random.default_rng(0)
    noisy = 5 * rng.normal(size=(SEEDS, 1)) + np.zeros((1, LIFETIMES))
    assert claims.alike("", "", noisy).holds == "open"
    assert claims.alike("", "", 0.001 * noisy).holds == "yes"
    assert claims.alike("", "", 0.001 * noisy + 1).holds == "no"


def test_a_difference_between_seeds_is_not_hidden_by_many_lifetimes():
    """Two of three seeds gain, one loses, and each for certain."""
    values = np.repeat([[1.0], [1.0], [-0.9]], 1000, axis=1)
    assert clear("", "", values).holds == "open"


# Criteria


def test_every_criterion_says_since_when_it_stands():
    for name, criterion in CRITERIA.items():
        assert criterion.name == name and criterion.needs
        assert len(criterion.since) == len("2026-11-28") and criterion.commit
        changed = dataclasses.replace(criterion, bound=(criterion.bound or 0) + 0.01)
        assert changed.checksum != criterion.checksum == dataclasses.replace(criterion).checksum
    assert json.loads(json.dumps(checksums())) == checksums()


def test_a_criterion_that_was_changed_after_a_record_shows():
    line = finding("yes")
    stood = checksums()
    assert not younger(line, [{"criteria": stood, "date": "2020-01-01"}])
    assert younger(line, [{"criteria": stood | {"clear of": "0" * 8}, "date": "2099-01-01"}])
    since = CRITERIA["clear of"].since
    assert not younger(line, [{"date": f"{since}T01:00:00+00:00"}])
    assert younger(line, [{"date": f"{since}T01:00:00"}, {"date": "2026-11-01T00:00:00"}])


# Claims


def symmetric_and_learning(training, test):
    """As the paper says of Study 4: SymLA learns either way, the MetaRNN knows hearts."""
    rising = np.linspace(0, 0.3, 10)
    if training is None or test.endswith(tuple(CONTROLS)):
        return np.zeros(10)  # and with the reward off from the middle on it keeps what it learned
    if training.startswith("symla"):
        return rising
    return np.full(10, -0.3 if "swapped" in test else 0.3)


def test_records_that_say_what_the_paper_says_reproduce_it():
    assert set(verdicts("tasks", symmetric_and_learning)) == {"reproduced"}


def test_records_that_say_the_opposite_do_not():
    def opposite(training, test):
        return -symmetric_and_learning(training, test)

    assert set(verdicts("tasks", opposite)) == {"not reproduced"}


@pytest.mark.parametrize("control", CONTROLS)
def test_no_claim_of_learning_is_reproduced_if_one_control_does_as_well(control):
    def as_well(training, test):
        return symmetric_and_learning(training, test.removesuffix(f"_{control}"))

    first, learned, habit, swapped = verdicts("tasks", as_well)
    assert (first, habit) == ("reproduced", "reproduced"), "these claim no learning"
    assert (learned, swapped) == ("partly", "partly")


def test_no_claim_of_learning_is_reproduced_if_nothing_is_kept_without_reward():
    def forgetful(training, test):
        kept = not test.endswith(KEPT)
        return symmetric_and_learning(training, test) * kept

    _, learned, _, swapped = verdicts("tasks", forgetful)
    assert (learned, swapped) == ("partly", "partly")


def test_a_rise_that_needs_no_reward_is_found_out():
    def blind(training, test):
        if training is None:
            return np.full(10, 0.6)
        return np.linspace(0.6, 0.8, 10)

    learns, goes_on, metarnn, at_home, *ours = verdicts("environments", blind)
    assert (learns, goes_on) == ("partly", "partly")
    assert metarnn == "not reproduced", "it goes on to CartPole as well"
    assert at_home == "not tested", "it does as well without its observation"
    assert ours == ["partly", "not reproduced", "not reproduced"]


def test_a_metarnn_that_learned_nothing_says_nothing_about_generalisation():
    assert verdicts("environments", lambda training, test: np.full(10, 0.5))[2] == "not tested"


@pytest.mark.parametrize(
    ("away", "word"), [(0.5, "reproduced"), (0.7, "not reproduced")], ids=["at random", "above it"]
)
def test_a_metarnn_that_learned_its_grid_is_asked_what_it_earns_on_cartpole(away, word):
    def learned(training, test):
        if training != claims.AT_HOME or test == "grid_fixed_without_observation":
            return np.full(10, 0.5)
        return np.full(10, 0.9 if test.startswith("grid_fixed") else away)

    assert verdicts("environments", learned)[3] == word


def test_a_reflex_in_the_place_of_theta_reproduces_no_claim_of_learning():
    """Win-stay, lose-shift lives in the tests of Study 5's SymLA, its controls included."""
    study = studies.named("environments")
    trainings = {
        name: dataclasses.replace(study.scale("standard").training(name), learner=win_stay())
        for name in (claims.DRAWN, claims.ZERO, claims.BY_BANDITS)
    }
    worlds = ("grid", "cartpole_nearer")
    controls = ("", *(f"_{control}" for control in (*CONTROLS, KEPT)))
    asked = {f"{world}{control}" for world in worlds for control in controls}
    arrays = {}
    for test in study.tests(trainings[claims.DRAWN]):
        if test.name in asked:
            rewards = meta_test(test.learner, {}, test.environment, 500, LIFETIMES, seed=1)
            arrays[f"{test.name}/blocks"] = rewards.reshape(LIFETIMES, 10, 50).sum(-1)
    random = {f"random/{name}/blocks": np.zeros((LIFETIMES, 10)) for name in worlds}
    found = {(name, 0): (arrays, {"test_length": 500}) for name in trainings}
    runs = Results(study, "standard", found, (random, {}))
    by_name = {claim.findings.__name__: claim for claim in CLAIMS}
    for name in ("learns_at_home", "paid_like_the_grid"):
        lines = by_name[name].findings(runs)
        assert answer(by_name[name], runs).word != "reproduced"
        (blind,) = {x.holds for x in lines if "without observation" in x.measure}
        assert blind != "yes", "a reflex does not observe"
    assert {x.holds for x in lines if "without reward" in x.measure} == {"yes"}
    assert {x.holds for x in lines if "without any" in x.measure} != {"yes"}


@pytest.mark.parametrize("name", sorted({claim.study for claim in CLAIMS}))
def test_every_claim_can_be_asked_of_a_complete_record(name):
    words = {"reproduced", "partly", "open", "not reproduced", "not tested"}
    assert set(verdicts(name, lambda training, test: np.full(10, 0.5 + 0.1 * (not training)))) <= (
        words
    )


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
    assert all(callable(claim.findings) for claim in CLAIMS)


def test_estimates_are_means_with_their_interval():
    values = np.random.default_rng(0).normal(size=(3, 5))
    assert estimate(values) == (values.mean(), *interval(values))
    assert results.recorded().exists()
