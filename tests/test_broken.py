"""Each broken SymLA begins as SymLA, and lacks the symmetry that it says and no more."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symla_lite import symmetry
from symla_lite.broken import embedded, fixed_size, untied
from symla_lite.learner import Sizes
from symla_lite.symla import symla

KEY, SIZES = jax.random.key(0), Sizes(3, 4)
PLAIN = symla(4, 3)
THETA = PLAIN.init_theta(KEY, SIZES)


def logits(learner, theta, steps=30):
    history = symmetry.history(jax.random.key(1), SIZES, steps)
    return np.asarray(symmetry.replay_logits(learner, theta, KEY, history))


def without_embedding(theta):
    """SymLA's theta from one of `embedded`, whose vectors are zero: their weights do nothing."""
    w, message = theta["lstm/linear"]["w"], theta["m_fwd"]["b"].shape[0]
    after = 2 * (message + 1)  # what is at the input, then at the output; then come the vectors
    return theta | {
        "lstm/linear": theta["lstm/linear"] | {"w": jnp.delete(w, slice(after, after + 2), 0)}
    }


@pytest.mark.parametrize("learner", [untied(4, 3), embedded(4, 3, 2), fixed_size(4, 3)])
def test_it_begins_as_symla(learner):
    theta = learner.init_theta(KEY, SIZES)
    as_symla = without_embedding(theta["cell"]) if learner.name == "embedded" else THETA
    plain = logits(PLAIN, as_symla)
    assert np.ptp(plain) > 0.05
    np.testing.assert_allclose(logits(learner, theta), plain, rtol=0, atol=2e-6)


def test_a_change_of_one_untied_cell_leaves_the_others_rule_alone():
    learner = untied(4, 3)
    theta = learner.init_theta(KEY, SIZES)
    changed = jax.tree.map(lambda x: x.at[1, 2].add(0.3), theta)
    one_step = np.abs(logits(learner, changed, 1) - logits(learner, theta, 1))[0]
    assert one_step[2] > 1e-3 and np.delete(one_step, 2).max() == 0


def test_the_largest_message_alone_counts_if_its_rank_has_all_weight():
    """By hand: after one step from zeros, cell (a, b) depends on o_a, a_b and r alone."""
    learner = fixed_size(4, 3)
    one = symmetry.history(jax.random.key(2), SIZES, 1)
    theta = learner.init_theta(KEY, SIZES) | {"forward": jnp.array([1.0, 0.0, 0.0])}
    alone = []
    for a in range(SIZES.observation):  # SymLA with this input only
        sizes = Sizes(1, SIZES.action)
        history = one._replace(o=one.o[:, a : a + 1])
        alone.append(symmetry.replay_logits(PLAIN, THETA, KEY, history)[0])
        assert PLAIN.init_theta(KEY, sizes)["m_fwd"]["b"].shape == (3,)
    found = symmetry.replay_logits(learner, theta, KEY, one)[0]
    np.testing.assert_allclose(found, np.max(alone, axis=0), rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("learner", "observations", "actions"),
    [
        (untied(4, 3), "no", "no"),
        (embedded(4, 3), "exact", "no"),
        (fixed_size(4, 3), "exact", "exact"),
    ],
)
def test_it_lacks_what_it_says(learner, observations, actions):
    others = (Sizes(1, 2), Sizes(5, 4))
    measured = symmetry.symmetries(learner, jax.random.key(3), sizes=SIZES, others=others)
    assert measured.permutation.observations.verdict == observations
    assert measured.permutation.actions.verdict == actions
    assert not measured.other_sizes.holds and not measured.holds
    theta = learner.init_theta(KEY, SIZES)
    more_inputs = Sizes(5, SIZES.action)
    if learner.name == "embedded":
        learner.init_state(theta, KEY, more_inputs)
    else:
        with pytest.raises(ValueError, match=f"does not fit {learner.name} with 5 inputs"):
            learner.init_state(theta, KEY, more_inputs)
