"""The three measurements find the symmetries that are there, and miss none that is not."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symla_lite.baselines.reinforce import reinforce
from symla_lite.baselines.thompson import thompson
from symla_lite.learner import Input, Learner, Sizes
from symla_lite.metarnn import metarnn
from symla_lite.symla import symla
from symla_lite.symmetry import (
    history,
    other_sizes,
    p_value,
    permutation,
    permuted,
    random_theta,
    replay_logits,
    shared_rule,
    symmetries,
)

KEY = jax.random.key(0)
CASES = ("observations", "actions", "both")
FEW = (Sizes(1, 2), Sizes(2, 12))


THETA = {"w": jnp.ones(())}


def scorekeeper(birth_std=0.0, bias=0.0, sight=False, exchangeable=True):
    """A learner made by hand: the logit of action b is a running sum of what b has earned, times
    theta. Its faults can be switched on one by one.

    Args:
        birth_std: standard deviation of the sums at birth.
        bias: what action 0 gets on top.
        sight: whether it looks at one input more than at the others.
        exchangeable: whether the sums at birth have one distribution.
    """

    def init_theta(key, sizes):
        del key, sizes
        return {"w": jnp.ones(())}

    def init_state(theta, key, sizes):
        del theta
        spread = jnp.ones(sizes.action) if exchangeable else 1.0 + jnp.arange(sizes.action)
        return birth_std * spread * jax.random.normal(key, (sizes.action,))

    def step(theta, h, x):
        h = 0.9 * h + x.a * x.r
        seen = x.o[0] if sight else jnp.sum(x.o)
        tilt = jnp.zeros_like(x.a).at[0].set(bias)
        return theta["w"] * h * (1 + jnp.tanh(seen)) + tilt, h

    return Learner("scorekeeper", {}, init_theta, init_state, step)


def verdicts(learner, **options):
    theta = random_theta(learner, KEY, Sizes(3, 4))
    found = permutation(learner, theta, KEY, **{"initial_states": 128, "length": 50, **options})
    assert found.holds == all(getattr(found, case).verdict != "no" for case in CASES)
    return tuple(getattr(found, case).verdict for case in CASES)


# Learners made by hand, whose symmetries are known


def test_an_equivariant_learner_is_exactly_so():
    assert verdicts(scorekeeper()) == ("exact", "exact", "exact")


def test_i_i_d_births_leave_the_symmetry_in_distribution():
    found = verdicts(scorekeeper(birth_std=1.0))
    assert found == ("exact", "in distribution", "in distribution")


@pytest.mark.parametrize("birth_std", [0.0, 1.0])
def test_a_bias_on_one_action_is_caught(birth_std):
    assert verdicts(scorekeeper(birth_std, bias=0.5)) == ("exact", "no", "no")


@pytest.mark.parametrize("birth_std", [0.0, 0.1])
def test_a_look_at_one_input_is_caught(birth_std):
    found = verdicts(scorekeeper(birth_std, sight=True))
    assert (found[0], found[2]) == ("no", "no")


def test_births_that_differ_by_place_are_caught():
    """They have one mean and another spread at each action, which is harder to see than a bias."""
    assert verdicts(scorekeeper(birth_std=1.0, exchangeable=False)) == ("exact", "no", "no")


def test_births_that_only_rounding_tells_apart_are_one_distribution():
    """Two samples of points that nearly coincide are compared at the scale of the tolerance."""
    rng = np.random.default_rng(0)
    x = 1e-9 * rng.normal(size=(200, 10, 2))
    assert p_value(KEY, x, x + 1e-7, noise=1e-4) > 0.01
    assert p_value(KEY, x, x + 1e-3, noise=1e-4) < 1e-6


def test_a_p_value_is_at_most_one():
    """Nearly equal samples, whose smallest p-value times their number would pass it."""
    x = np.random.default_rng(4).normal(size=(50, 10, 2))
    assert p_value(KEY, x, x, noise=1e-9) == 1.0


def test_the_error_is_the_bias_that_was_put_in():
    found = permutation(scorekeeper(bias=0.5), {"w": jnp.ones(())}, KEY, initial_states=2)
    assert found.actions.error == pytest.approx(0.5, abs=1e-6)


def test_a_learner_that_is_given_the_wrong_number_of_actions_is_caught():
    learner = dataclasses.replace(scorekeeper(), step=lambda theta, h, x: (h[:2] * x.r, h))
    found = other_sizes(learner, THETA, KEY, [Sizes(1, 2), Sizes(1, 5)])
    assert found.reasons[0] == "" and not found.holds
    assert "logits [2] for 5 actions" in found.reasons[1]


def test_logits_that_are_no_numbers_are_caught():
    learner = dataclasses.replace(scorekeeper(), step=lambda theta, h, x: (x.a / 0, h))
    found = other_sizes(learner, THETA, KEY, [Sizes(2, 3)])
    assert found.reasons == ("Its logits are not finite at 2 inputs and 3 actions.",)


def test_logits_that_are_no_numbers_are_not_symmetric():
    learner = dataclasses.replace(scorekeeper(), step=lambda theta, h, x: (0 * x.a / 0, h))
    assert verdicts(learner, initial_states=4, length=5) == ("no", "no", "no")


# The last row of the paper's Table 1


@pytest.mark.parametrize(("std", "verdict"), [(0.0, "exact"), (1.0, "in distribution")])
def test_symla_has_the_three_symmetries(std, verdict):
    found = symmetries(symla(hidden=4, message=3, initial_std=std), KEY, others=FEW)
    assert found.holds
    assert found.shared_rule.holds and len(set(found.shared_rule.counts)) == 1
    assert found.other_sizes.holds and found.permutation.holds
    assert {getattr(found.permutation, case).verdict for case in CASES} == {verdict}
    assert found.permutation.both.range > 0.1  # it is not nothing that is compared


def test_the_metarnn_has_none_of_them():
    found = symmetries(metarnn(hidden=6), KEY, others=FEW)
    assert not found.holds
    assert not found.shared_rule.holds and len(set(found.shared_rule.counts)) > 1
    assert not found.other_sizes.holds and all(found.other_sizes.reasons)
    assert "2 inputs and 12 actions: action.b is [4], not [12]" in found.other_sizes.reasons[1]
    assert not found.permutation.holds
    for case in CASES:
        reordered = getattr(found.permutation, case)
        assert reordered.verdict == "no"
        assert reordered.error > 0.1 * reordered.range


def test_reinforce_has_them_and_the_third_in_distribution_as_its_weights_are_i_i_d():
    found = symmetries(reinforce(hidden=(8,), output_scale=1.0), KEY, others=FEW)
    assert found.holds
    assert found.shared_rule.holds and found.other_sizes.holds and found.permutation.holds
    for case in CASES:
        reordered = getattr(found.permutation, case)
        assert reordered.verdict == "in distribution"
        assert reordered.error > 0.1  # each birth by itself breaks it


def test_a_learner_that_draws_its_actions_itself_is_symmetric_in_distribution():
    found = verdicts(thompson(), initial_states=32, length=30)
    assert found == ("exact", "in distribution", "in distribution")


# What is shared between a plain and a permuted lifetime


def test_a_permuted_history_pays_the_same_for_the_same_action_under_its_new_name():
    told = history(KEY, Sizes(3, 4), 50)
    observations, actions = [2, 0, 1], [1, 3, 0, 2]
    moved = permuted(told, observations, actions)
    np.testing.assert_array_equal(moved.r, told.r)
    np.testing.assert_array_equal(moved.end, told.end)
    for t in range(50):
        for new, old in enumerate(actions):
            assert moved.a[t, new] == told.a[t, old]
        for new, old in enumerate(observations):
            assert moved.o[t, new] == told.o[t, old]


def test_nothing_is_done_before_the_first_step_and_nothing_earned_across_an_end():
    told = history(KEY, Sizes(2, 3), 300)
    assert np.all(told.a[0] == 0) and told.r[0] == 0
    assert np.all(np.sum(told.a[1:], axis=1) == 1)
    ends = np.flatnonzero(told.end[:-1])
    assert len(ends) > 10 and np.all(told.r[ends + 1] == 0)
    assert 0.3 < np.mean(told.r) < 0.7


def test_a_history_can_be_given():
    told = Input(
        o=jnp.zeros((5, 1)), r=jnp.ones(5), a=jnp.eye(2)[jnp.zeros(5, int)], end=jnp.zeros(5)
    )
    found = permutation(scorekeeper(), {"w": jnp.ones(())}, KEY, told, initial_states=2)
    # action 0 earns 1 at each of 5 steps, action 1 nothing
    assert found.actions.range == pytest.approx(sum(0.9**t for t in range(5)))


def test_only_the_sizes_decide_what_is_shared():
    """Theta of a learner that keeps one weight for each action has a shape that grows with B."""
    learner = dataclasses.replace(
        scorekeeper(), init_theta=lambda key, sizes: {"w": jnp.ones(sizes.action)}
    )
    found = shared_rule(learner, [Sizes(1, 2), Sizes(4, 2), Sizes(1, 3)])
    assert found.counts == (2, 2, 3) and not found.holds
    assert found.reasons == ("", "", "Theta has other shapes at 1 inputs and 3 actions.")


def test_equal_numbers_of_meta_parameters_in_other_shapes_are_not_shared():
    learner = dataclasses.replace(
        scorekeeper(), init_theta=lambda key, sizes: {"w": jnp.ones(tuple(sizes))}
    )
    found = shared_rule(learner, [Sizes(2, 3), Sizes(3, 2)])
    assert found.counts == (6, 6) and not found.holds


def test_a_learner_that_refuses_sizes_has_no_rule_for_them():
    def init_theta(key, sizes):
        if sizes.action != 2:
            raise ValueError("two arms only")
        return {"w": jnp.ones(())}

    found = shared_rule(dataclasses.replace(scorekeeper(), init_theta=init_theta))
    assert not found.holds and found.counts == (1, None, None)
    assert found.reasons == ("", "two arms only", "two arms only")


# The two-sample test


def test_one_distribution_is_told_from_two_as_often_as_the_level_says():
    rng = np.random.default_rng(1)

    def rejected(change, times=60):
        p_values = [
            p_value(
                jax.random.fold_in(KEY, i),
                rng.normal(size=(40, 5, 2)),
                change(rng.normal(size=(40, 5, 2))),
                noise=1e-4,
            )
            for i in range(times)
        ]
        return np.mean(np.array(p_values) < 0.1)

    assert rejected(lambda y: y) < 0.22  # at most 0.1, give or take three standard deviations
    assert rejected(lambda y: y + 1) > 0.95


def test_a_change_that_shows_in_no_single_logit_is_found_in_their_mixtures():
    """Both actions' logits are standard normal in both samples; in one they are the same number."""
    rng = np.random.default_rng(2)
    alike = np.repeat(rng.normal(size=(400, 1, 1)), 2, axis=2)
    assert p_value(KEY, rng.normal(size=(400, 1, 2)), alike, noise=1e-4) < 1e-3


# Bad input


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"actions": [0, 0, 1, 2]}, r"\[0, 0, 1, 2\] is no permutation of 4"),
        ({"actions": [0, 1, 2]}, r"\[0, 1, 2\] is no permutation of 4"),
        ({"observations": [1, 2, 3]}, "each of 0 to 2 once"),
        ({"observations": [0.5, 1, 2]}, r"\[0.5, 1.0, 2.0\] is no permutation"),
        ({"length": 0}, "length=0"),
        ({"sizes": Sizes(0, 2)}, r"sizes.observation=0 .*at least 1"),
        ({"initial_states": 1}, "initial_states=1"),
        ({"level": 0.0}, "level=0.0"),
        ({"level": 1.5}, "level=1.5"),
    ],
)
def test_what_cannot_be_measured_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        permutation(scorekeeper(), {"w": jnp.ones(())}, KEY, **wrong)


def test_sizes_that_are_none_are_refused():
    for measure in (
        lambda sizes: shared_rule(scorekeeper(), sizes),
        lambda sizes: other_sizes(scorekeeper(), {"w": jnp.ones(())}, KEY, sizes),
    ):
        with pytest.raises(ValueError, match=r"sizes\[1\].action=-1 .*at least 1"):
            measure([Sizes(1, 2), Sizes(2, -1)])
        with pytest.raises(ValueError, match="give a list or tuple that is not empty"):
            measure([])
    with pytest.raises(ValueError, match="two different pairs"):
        shared_rule(scorekeeper(), [Sizes(1, 2), Sizes(1, 2)])
    with pytest.raises(ValueError, match="length=-1"):
        history(KEY, Sizes(1, 2), -1)


def test_theta_that_does_not_fit_the_history_is_the_callers_mistake():
    learner = metarnn(hidden=4)
    theta = learner.init_theta(KEY, Sizes(1, 2))
    with pytest.raises(ValueError, match="does not fit metarnn with 3 inputs and 4 actions"):
        permutation(learner, theta, KEY)


def test_a_history_of_many_lifetimes_is_refused():
    told = jax.tree.map(lambda x: x[None], history(KEY, Sizes(3, 4), 5))
    with pytest.raises(ValueError, match=r"o is \[1, 5, 3\] and a \[1, 5, 4\]; give one"):
        replay_logits(scorekeeper(), {"w": jnp.ones(())}, KEY, told)
