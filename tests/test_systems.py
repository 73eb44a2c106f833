"""The studies of chapters 12 and 13 compare what can be compared."""

import jax
import pytest

from symla_lite import studies
from symla_lite.studies.ablations import BROKEN, DEEP, VARIANTS
from symla_lite.studies.systems import FIXED, systems

WORLDS = ("systems_bandits", "systems_cartpole", "systems_hearts")
AUGMENTED = {"systems_cartpole": "permuted", "systems_hearts": "either_sign"}
"""What the MetaRNN's trainings with a changed world are called, beside those of all systems."""
ABLATIONS = tuple(f"ablations_{world}" for world in ("bandits", "cartpole", "order"))
ALL = {learner.name for learner in systems((), 5)}


def steps_of(training):
    """Environment steps of one meta-training."""
    return training.outer.cost * training.outer.steps


def systems_and_augmented(name, scale):
    """The trainings of all systems, and those of augmented MetaRNNs."""
    trainings = studies.named(name).scale(scale).trainings
    ends = (AUGMENTED.get(name, "-"), f"{AUGMENTED.get(name)}_tenfold")
    changed = [training for training in trainings if training.name.endswith(ends)]
    return [training for training in trainings if training not in changed], changed


@pytest.mark.parametrize("scale", ["quick", "standard", "paper"])
@pytest.mark.parametrize("name", WORLDS)
def test_all_systems_have_the_same_number_of_environment_steps(name, scale):
    spent = {}
    for training in systems_and_augmented(name, scale)[0]:
        of = training.learner.name
        spent[of] = spent.get(of, 0) + steps_of(training)
    assert len(set(spent.values())) == 1
    assert scale == "quick" or spent.keys() == ALL


@pytest.mark.parametrize("name", WORLDS)
def test_all_systems_end_on_the_same_world_and_are_tested_there_with_their_reward_and_without(name):
    study = studies.named(name)
    tested = [
        training for training in systems_and_augmented(name, "standard")[0] if training.tested
    ]
    assert {training.learner.name for training in tested} == ALL
    (world,) = {training.environment for training in tested}
    for training in tested:
        tests = {test.name: test for test in study.tests(training)}
        blind = {key for key in tests if key.endswith("_without_reward")}
        more = {f"original_{control}" for control in ("without_observation", "reward_off", "wiped")}
        if name == "systems_hearts":
            assert more <= tests.keys()
        tests = {key: test for key, test in tests.items() if key not in more}
        assert {key.removesuffix("_without_reward") for key in blind} == tests.keys() - blind
        assert any(test.environment is world for test in tests.values())
        assert all(tests[key].learner is not training.learner for key in blind)
    for key in tests.keys() - blind:
        assert {f"random/{key}", f"win_stay/{key}"} <= {test.name for test in study.references}


@pytest.mark.parametrize("scale", ["standard", "paper"])
@pytest.mark.parametrize("name", AUGMENTED)
def test_the_augmented_metarnn_has_the_budget_of_all_others_and_ten_times_as_much(name, scale):
    systems_there, (equal, tenfold) = systems_and_augmented(name, scale)
    (plain,) = [
        training
        for training in systems_there
        if training.learner.name == "metarnn" and training.tested
    ]
    assert equal.learner is tenfold.learner is plain.learner
    assert equal.environment is tenfold.environment and equal.environment is not plain.environment
    assert equal.start == tenfold.start == plain.start
    assert equal.outer == plain.outer and steps_of(tenfold) == 10 * steps_of(equal)


@pytest.mark.parametrize("scale", ["quick", "standard", "paper"])
def test_on_the_biased_bandit_all_have_the_same_loop_length_and_one_more_has_its_arms_in_any_order(
    scale,
):
    trainings = studies.named("systems_biased").scale(scale).trainings
    assert len({steps_of(training) for training in trainings}) == 1
    *plain, augmented = trainings
    assert {training.environment.name for training in plain} == {"biased"}
    assert scale == "quick" or {training.learner.name for training in plain} == ALL
    assert augmented.learner.name == "metarnn"
    drawn = jax.vmap(augmented.environment.draw_task)(jax.random.split(jax.random.key(0), 1000))
    first_is_better = drawn.change.actions[:, 0] == 0
    assert 0.4 < float(first_is_better.mean()) < 0.6


@pytest.mark.parametrize("name", ["systems_bandits", "systems_biased"])
def test_where_theta_fits_one_pair_of_sizes_it_is_tested_on_no_other(name):
    study = studies.named(name)
    for training in study.scale("standard").trainings:
        sizes = {test.environment.sizes for test in study.tests(training)}
        fixed = training.learner.name in FIXED
        assert sizes == ({(1, 2)} if fixed or name == "systems_biased" else {(1, 2), (1, 5)})


def test_on_the_way_to_hearts_theta_of_fixed_sizes_meets_no_other_sizes():
    for training in studies.named("systems_hearts").scale("standard").trainings:
        if training.learner.name in FIXED:
            assert training.environment.sizes == (12, 4)


def test_each_variant_changes_one_option():
    plain = VARIANTS["default"].options
    for name, learner in VARIANTS.items():
        changed = {key for key, value in learner.options.items() if plain.get(key) != value}
        if name.startswith("layers"):
            assert changed == {"layers", *DEEP}
        else:
            assert len(changed) == (name != "default")


@pytest.mark.parametrize("scale", ["quick", "standard", "paper"])
@pytest.mark.parametrize("name", ABLATIONS)
def test_variants_differ_from_the_default_in_one_thing(name, scale):
    """In the learner and in nothing else; or in what their name says, and then not in the
    learner."""
    trainings = studies.named(name).scale(scale).trainings
    others = {"pairs", "reset_at_once"}
    default, *plain = [training for training in trainings if training.name not in others]
    assert default.name == "default" and plain
    for training in plain:
        assert (training.environment, training.outer) == (default.environment, default.outer)
        assert training.learner is (VARIANTS | BROKEN)[training.name]
    for training in trainings:
        if training.name == "pairs":
            assert training.learner is default.learner
            assert steps_of(training) == 2 * steps_of(default)
        if training.name == "reset_at_once":
            assert training.learner is VARIANTS["no_end_flag"] and training.outer == default.outer


def test_what_broken_learners_are_tested_on_fits_them():
    for name in ABLATIONS:
        study = studies.named(name)
        for training in study.scale("standard").trainings:
            for test in study.tests(training):
                same = test.environment.sizes == training.environment.sizes
                assert same or training.name not in BROKEN
