"""One rule: what it is meta-trained on, what it is tested on, and what counts as learned."""

import jax
import numpy as np
import pytest

from symla_lite import studies
from symla_lite.claims import (
    BY_IMITATION_CLAIMS,
    BY_POLICY_CLAIMS,
    CONTROLS,
    KEPT,
    LASTING_CLAIMS,
    ONE_RULE,
    ONE_RULE_CLAIMS,
    ONE_RULE_LASTING,
    ONE_RULE_SUCCESSES,
    STANDARDISED,
    STANDARDISED_CLAIMS,
    SUCCESSES_CLAIMS,
    verdict,
)
from symla_lite.environments import FAMILY, FURTHER, HARDER, LASTING, SUCCESSES, WIDER
from symla_lite.studies.one_rule import (
    ALL_MEMBERS,
    KINDS,
    LEFT_OUT,
    SEEN_NOTHING,
    WITH_FURTHER,
    WITH_HARDER,
    WITH_LASTING,
    WITH_SUCCESSES,
    WITH_WIDER,
    WORLDS,
)
from symla_lite.studies.results import Results

STUDY = studies.named("one_rule")
TRAINING = STUDY.scale("standard").training(ONE_RULE)
MIXTURES = {
    "standard": (ALL_MEMBERS, FAMILY),
    "gradient": (WITH_FURTHER, FAMILY | FURTHER),
    "imitation": (WITH_WIDER, FAMILY | FURTHER | WIDER),
}
SEEDS, LIFETIMES = 3, 20
CONTROLLED = (*CONTROLS, KEPT)


def made_up(earns, training=ONE_RULE):
    """Results in which a test earns `earns(world, control)` a step in each tenth, [10], but for
    some noise; a random policy earns 0."""
    rng = np.random.default_rng(0)
    found = {}
    for seed in range(SEEDS):
        arrays = {}
        for test in STUDY.tests(TRAINING):
            world = max((name for name in WORLDS if test.name.startswith(name)), key=len)
            mean = earns(world, test.name.removeprefix(world).removeprefix("_"))
            noise = rng.normal(scale=0.01, size=(LIFETIMES, 10))
            arrays[f"{test.name}/blocks"] = 100 * (mean + noise)
        found[training, seed] = (arrays, {"test_length": 1000})
    random = {f"random/{world}/blocks": np.zeros((LIFETIMES, 10)) for world in WORLDS}
    return Results(STUDY, "standard", found, (random, {}))


RISING = np.linspace(0, 1, 10)


def a_learner(world, control):
    """It rises, needs all that a learner needs, and keeps half of what it learned."""
    return {"": RISING, KEPT: RISING / 2}.get(control, np.zeros(10))


def learned(runs):
    return {
        kind
        for kind, claim in zip(KINDS, ONE_RULE_CLAIMS, strict=True)
        if verdict(claim.findings(runs)).word == "reproduced"
    }


def test_what_learns_everywhere_is_seen_to():
    assert learned(made_up(a_learner)) == set(KINDS)


@pytest.mark.parametrize("spared", [*CONTROLS, KEPT])
def test_what_does_without_one_thing_that_a_learner_needs_has_not_learned(spared):
    """With its reward off from the middle on, a reflex keeps nothing."""

    def earns(world, control):
        if control == spared:
            return np.zeros(10) if spared == KEPT else RISING
        return a_learner(world, control)

    blind = {"bandits"} if spared == "without_observation" else set()  # which show nothing
    assert learned(made_up(earns)) == blind


def test_what_does_not_rise_or_is_no_better_than_chance_has_not_learned():
    level = lambda world, control: np.full(10, 0.5 * (control in ("", KEPT)))  # noqa: E731
    assert not learned(made_up(level))
    below = lambda world, control: a_learner(world, control) - 2  # noqa: E731
    assert not learned(made_up(below))


def test_on_acrobot_the_usual_reward_is_a_control_too():
    held = lambda world, control: (  # noqa: E731
        RISING if control == "reward_held" else a_learner(world, control)
    )
    assert learned(made_up(held)) == set(KINDS) - {"Acrobot"}


def test_one_world_of_a_kind_that_is_not_learned_is_enough():
    without = lambda world, control: (  # noqa: E731
        np.zeros(10) if world == "bandit_50" else a_learner(world, control)
    )
    assert learned(made_up(without)) == set(KINDS) - {"bandits"}


@pytest.mark.parametrize(
    ("asked", "scale", "training"),
    [
        (BY_POLICY_CLAIMS, "gradient", ONE_RULE),
        (BY_IMITATION_CLAIMS, "imitation", ONE_RULE),
        (STANDARDISED_CLAIMS, "standardised", STANDARDISED),
        (LASTING_CLAIMS, "lasting", ONE_RULE_LASTING),
        (SUCCESSES_CLAIMS, "successes", ONE_RULE_SUCCESSES),
    ],
)
def test_the_claims_about_the_other_theta_ask_the_same_of_their_records(asked, scale, training):
    runs, others = made_up(a_learner), made_up(a_learner, training)
    for by_noise, other in zip(ONE_RULE_CLAIMS, asked, strict=True):
        assert (by_noise.scales, other.scales) == (("standard",), (scale,))
        assert other.findings(others) == by_noise.findings(runs)
        assert other.says.endswith(by_noise.says.rpartition(": ")[2])


@pytest.mark.parametrize(("mixture", "members"), MIXTURES.values())
def test_no_world_that_it_is_tested_on_is_one_of_those_it_is_meta_trained_on(mixture, members):
    seen = {part.environment.name for part in mixture.parts}
    assert seen == set(members) and len({part.share for part in mixture.parts}) == 1
    assert not seen & {world.name for world in WORLDS.values()}
    assert len({world.name for world in WORLDS.values()}) == len(WORLDS)
    of_makers = ("linear-", "mdp-", "system-", "cube-", "unstable-")
    assert all(name.startswith(of_makers) for name in seen)
    alike = {key for key, world in WORLDS.items() if world.name.startswith(of_makers)}
    assert alike == set(KINDS["linear bandits"])
    # Bandits are made otherwise, but two of the numbers of arms are met.
    arms = {members[name].sizes.action for name in members if name.startswith("mdp-1-")}
    met = {WORLDS[key].sizes.action for key in KINDS["bandits"]} & arms
    assert met == (set() if mixture is ALL_MEMBERS else {2, 10})
    linear = [members[name].sizes for name in members if name.startswith("linear-")]
    A, B = (max(sizes) for sizes in zip(*linear, strict=True))
    assert all(WORLDS[key].sizes.observation > A or WORLDS[key].sizes.action > B for key in alike)


@pytest.mark.parametrize("scale", MIXTURES)
def test_its_curriculum_meets_generated_worlds_alone(scale):
    training, stages = STUDY.scale(scale).training(ONE_RULE), []
    while training is not None:
        stages.append(training.environment.name)
        start = training.start
        training = start and STUDY.scale(scale).training(start)
    assert stages[0] == stages[1] == MIXTURES[scale][0].name
    assert {name for stage in stages[2:] for name in stage.split(" + ")} <= set(FAMILY)


def test_the_rules_by_hand_are_tuned_on_what_theta_was_meta_trained_on():
    for scale in MIXTURES:
        trainings = STUDY.scale(scale).trainings
        tested = [training for training in trainings if training.tested]
        assert len({training.environment.name for training in tested}) == 1 < len(tested)


def test_standardised_rewards_come_last_in_long_lifetimes_and_with_members_of_their_own():
    scale = STUDY.scale("standardised")
    last = scale.training(STANDARDISED)
    first = scale.training(last.start)
    assert (first.start, first.tested) == (ONE_RULE, False)
    assert [x.name for x in scale.trainings if x.tested] == [last.name, "actor-critic-standardised"]
    for training in (first, last):
        assert training.environment is WITH_HARDER
        assert training.outer.length == scale.test_length == 1000
    for training in (first, last, scale.training("actor-critic-standardised")):
        assert training.learner.name.endswith(", standardising rewards")
    before, after = (
        {part.environment.name for part in mixture.parts} for mixture in (WITH_WIDER, WITH_HARDER)
    )
    assert before - after == set(LEFT_OUT) and after - before == set(HARDER)
    assert not after & {world.name for world in WORLDS.values()}
    assert {test.name for test in STUDY.tests(last)} == {
        test.name for test in STUDY.tests(scale.training(ONE_RULE))
    }


HELD = ["unstable-5-2-signed-scaled-zero-pausing", "unstable-4-2-signed-zero-pausing"]
"""Members that both of the last two scales have."""


@pytest.mark.parametrize(
    ("before", "scale", "theta", "members", "new"),
    [
        (
            ("standardised", STANDARDISED),
            "lasting",
            ONE_RULE_LASTING,
            WITH_LASTING,
            ["mdp-1-40-1-noisy-zero-pausing", *HELD],
        ),
        (
            ("lasting", ONE_RULE_LASTING),
            "successes",
            ONE_RULE_SUCCESSES,
            WITH_SUCCESSES,
            [
                *HELD,
                "linear-3-4-successes-pausing",
                "mdp-3-5-4-successes-pausing",
                "mdp-1-40-1-noisy-pausing",
            ],
        ),
    ],
)
def test_theta_goes_on_from_where_it_was_with_other_members(before, scale, theta, members, new):
    (before, start), scale = before, STUDY.scale(scale)
    last = scale.training(theta)
    first = scale.training(last.start)
    assert first.start == start and not first.tested
    assert [x.name for x in scale.trainings if x.tested] == [last.name, "actor-critic-standardised"]
    # What is recorded elsewhere is the same training, so that it is copied and not run again.
    for training in STUDY.scale(before).trainings:
        again = scale.training(training.name)
        assert again.outer == training.outer and again.environment.name == training.environment.name
        assert (again.start, again.learner.options) == (training.start, training.learner.options)
    assert members.parts[:24] == WITH_HARDER.parts
    assert [(x.environment.name, x.share) for x in members.parts[24:]] == [(x, 2) for x in new]
    assert set(new) <= set(LASTING | SUCCESSES)
    for training in (first, last):
        assert training.environment is members
        assert training.learner.name.endswith(", standardising rewards")
        assert training.outer.lifetimes == 4 * (24 + 2 * len(new))  # four, and eight of the new
    assert not set(new) & {world.name for world in WORLDS.values()}


def test_no_member_that_shows_nothing_pays_0_or_1_as_the_tested_bandits_do():
    key, blind = jax.random.key(0), []
    for part in WITH_SUCCESSES.parts:
        environment = part.environment
        if environment.sizes.observation > 1:
            continue
        task, step = environment.draw_task(key), jax.jit(environment.step)
        state, _ = environment.reset(key, task)
        seen, paid = [], []
        for t, one in enumerate(jax.random.split(key, 12)):
            new = step(one, task, state, t % 2)
            state = new.state
            seen.append(float(new.observation[0]))
            paid.append(float(new.reward))
        if len(set(seen)) == 1:
            blind.append(environment.name)
            assert not set(paid) <= {0.0, 1.0}
    assert len(blind) >= 5 and "mdp-1-40-1-noisy-pausing" in blind


def test_every_world_has_all_controls_that_mean_something_there():
    names = {test.name for test in STUDY.tests(TRAINING)}
    for world in WORLDS:
        for control in CONTROLLED:
            assert (f"{world}_{control}" in names) == (
                control != "without_observation" or world not in SEEN_NOTHING
            )
    for rule in ("actor-critic-family", "reinforce-family"):
        tests = STUDY.tests(STUDY.scale("standard").training(rule))
        assert {test.name for test in tests} == {
            world + suffix for world in WORLDS for suffix in ("", "_without_reward")
        }
