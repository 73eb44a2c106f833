"""VSML computes Equations 6 to 8 with shared cells, and one cell makes it backpropagation."""

import functools

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from symla_lite import backprop, vsml
from symla_lite.environments import classification as data
from symla_lite.evolution import ES
from symla_lite.learner import Input, Sizes, count
from symla_lite.lifetime import live
from symla_lite.meta_testing import interval
from symla_lite.meta_training import Outer, meta_train
from symla_lite.studies import results
from symla_lite.studies.classification import ALPHA, ALPHAS, CLASSIFICATION_STUDY

EXACT = 1e-5
"""What rounding may add up to over 100 updates: the book's promise."""
FAR = 1e-2
"""A difference that no rounding explains."""
SIZES = (5, 7, 6, 3)
HIDDEN, MESSAGE = 4, 3
KEY = jax.random.key(0)


def furthest(one, other):
    differences = jax.tree.map(
        lambda x, y: np.max(np.abs(np.asarray(x) - np.asarray(y))), one, other
    )
    return max(jax.tree.leaves(differences))


def examples(length, inputs, outputs, seed=0):
    """Random inputs [T, A] and one-hot labels [T, B]."""
    rng = np.random.default_rng(seed)
    labels = np.eye(outputs)[rng.integers(outputs, size=length)]
    return rng.normal(size=(length, inputs)).astype("f"), labels.astype("f")


def rough(theta, seed=0):
    """Theta with noise on all of it: initial biases are zero, and would hide mistakes."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: x + 0.3 * rng.normal(size=x.shape).astype("f"), theta)


def vsml_theta():
    return vsml.vsml().init_theta(KEY, Sizes(5, 2))


def lstm_theta():
    return rough(vsml.lstm_theta(KEY, 2 * MESSAGE, HIDDEN, MESSAGE, forget_bias=1.0))


def lstm_states(sizes, seed=0):
    rng = np.random.default_rng(seed)
    return tuple(
        hk.LSTMState(*jnp.asarray(rng.normal(size=(2, A, B, HIDDEN)), jnp.float32))
        for A, B in zip(sizes[:-1], sizes[1:])
    )


# Equations 6 to 8


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_loops(theta, h, m_fwd, m_bwd):
    """One forward and one backward pass through all layers, cell by cell, in double precision."""
    theta = jax.tree.map(lambda x: np.asarray(x, np.float64), theta)
    h = [[np.array(x, np.float64) for x in layer] for layer in h]

    def tick(k, m_fwd, m_bwd):
        hidden, cell = h[k]
        for a in range(hidden.shape[0]):
            for b in range(hidden.shape[1]):
                x = np.concatenate([m_fwd[a], m_bwd[b], hidden[a, b]])
                gates = x @ theta["lstm/linear"]["w"] + theta["lstm/linear"]["b"]
                i, g, f, o = np.split(gates, 4)
                cell[a, b] = sigmoid(f + 1) * cell[a, b] + sigmoid(i) * np.tanh(g)
                hidden[a, b] = sigmoid(o) * np.tanh(cell[a, b])

    m_fwds = [np.asarray(m_fwd, np.float64)]
    for k in range(len(h)):
        A, B = h[k][0].shape[:2]
        tick(k, m_fwds[-1], np.zeros((B, MESSAGE)))
        w, bias = theta["m_fwd"]["w"], theta["m_fwd"]["b"]
        m_fwds.append(np.array([sum(h[k][0][a, b] @ w + bias for a in range(A)) for b in range(B)]))
    m_bwds = [np.asarray(m_bwd, np.float64)]
    for k in reversed(range(len(h))):
        A, B = h[k][0].shape[:2]
        tick(k, m_fwds[k], m_bwds[0])
        w, bias = theta["m_bwd"]["w"], theta["m_bwd"]["b"]
        m_bwds.insert(
            0, np.array([sum(h[k][0][a, b] @ w + bias for b in range(B)) for a in range(A)])
        )
    return h, m_fwds, m_bwds


def both_passes(cells, h, m_fwd, m_bwd):
    h, m_fwds = vsml.forward_pass(cells, h, m_fwd)
    h, m_bwds = vsml.backward_pass(cells, h, m_fwds, m_bwd)
    return [list(layer) for layer in h], list(m_fwds), list(m_bwds)


def test_three_layers_compute_equations_6_to_8():
    rng = np.random.default_rng(1)
    m_fwd, m_bwd = rng.normal(size=(SIZES[0], MESSAGE)), rng.normal(size=(SIZES[-1], MESSAGE))
    theta, h = lstm_theta(), lstm_states(SIZES)
    cells = vsml.textbook(vsml.lstm_cell(theta))
    got = both_passes(cells, h, jnp.asarray(m_fwd, jnp.float32), jnp.asarray(m_bwd, jnp.float32))
    wanted = by_loops(theta, h, m_fwd, m_bwd)
    assert furthest(got, wanted) < EXACT


@pytest.mark.parametrize("reduce", ["sum", "mean"])
@pytest.mark.parametrize("fused", [False, True])
def test_the_fast_cells_are_the_textbook_cells(reduce, fused):
    theta, h = lstm_theta(), lstm_states(SIZES)
    m_fwd, m_bwd = (jax.random.normal(KEY, (size, MESSAGE)) for size in (SIZES[0], SIZES[-1]))
    slow = both_passes(vsml.textbook(vsml.lstm_cell(theta), reduce), h, m_fwd, m_bwd)
    quick = both_passes(vsml.fast(theta, reduce, fused), h, m_fwd, m_bwd)
    assert furthest(slow, quick) < EXACT


@pytest.mark.parametrize("everywhere", [0, 2])
@pytest.mark.parametrize("sizes", [(3, 5), (1, 4), (4, 1)])
@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("fused", [False, True])
def test_the_fast_cells_have_the_textbook_cells_derivative(fused, several, sizes, everywhere):
    """Over two ticks, in all that they receive, their state and theta, of one layer and of several
    at once. Leaf by leaf, since a small one could hide behind a large one."""
    A, B = sizes
    theta = vsml.lstm_theta(KEY, 2 * MESSAGE + everywhere, HIDDEN, MESSAGE, forget_bias=1.0)
    rng = np.random.default_rng(0)
    shapes = (A, B, HIDDEN), (A, B, HIDDEN), (A, MESSAGE), (B, MESSAGE), (everywhere,)
    arrays = [jnp.asarray(rng.normal(size=(3, *shape)), jnp.float32) for shape in shapes]

    def derivative(form):
        def sent(theta, h, c, *inputs):
            cells, state = vsml.in_form(form, theta, "mean", everywhere), hk.LSTMState(h, c)
            for _ in range(2):
                state = cells.tick(state, vsml.CellInputs(*inputs))
            found = cells.forward(state), cells.backward(state), state.cell
            return sum(jnp.sum(jnp.sin(x)) for x in found)

        def loss(theta, *arrays):
            if several:
                return jnp.sum(jax.vmap(sent, in_axes=(None, 0, 0, 0, 0, 0))(theta, *arrays))
            return sent(theta, *(x[0] for x in arrays))

        with jax.default_matmul_precision("highest"):
            return jax.jit(jax.grad(loss, argnums=range(6)))(theta, *arrays)

    slow, quick = derivative("textbook"), derivative("fused" if fused else "fast")
    for one, other in zip(jax.tree.leaves(slow), jax.tree.leaves(quick), strict=True):
        assert one.size == 0 or np.max(np.abs(one)) > 1e-3
        np.testing.assert_allclose(other, one, rtol=0, atol=EXACT * np.max(np.abs(one), initial=1))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("sizes", [(3, 5), (40, 30)])
def test_few_states_and_many_are_added_alike(sizes, axis):
    h = np.random.default_rng(0).normal(size=(*sizes, 4))
    assert furthest(vsml.added(jnp.asarray(h, jnp.float32), axis), h.sum(axis)) < EXACT


def test_a_mean_is_a_sum_over_as_many_cells():
    theta, (h,) = lstm_theta(), lstm_states((5, 3))
    total, mean = vsml.fast(theta, "sum"), vsml.fast(theta, "mean")
    assert furthest(total.forward(h), 5 * mean.forward(h)) < EXACT
    assert furthest(total.backward(h), 3 * mean.backward(h)) < EXACT


# Backpropagation is a point in VSML's space


@functools.partial(jax.jit, static_argnames="nonlinearity")
def trained_twice(weights, xs, labels, alpha, nonlinearity):
    """Outputs, errors and weights after each of T updates, of `backprop` and of VSML."""
    cells = vsml.textbook(vsml.backprop_cell(alpha, nonlinearity))

    def step(carry, example):
        (w, h), (x, y) = carry, example
        activations = backprop.forward(w, x, nonlinearity)
        error = backprop.policy_gradient_error(activations[-1], y, 1.0)
        deltas = backprop.backward(w, activations, error, nonlinearity)
        w = backprop.update(w, activations, deltas, alpha)

        h, m_fwds = vsml.forward_pass(cells, h, vsml.message(3, x))
        output = m_fwds[-1][:, 0]
        error = backprop.policy_gradient_error(output, y, 1.0)
        h, m_bwds = vsml.backward_pass(cells, h, m_fwds, vsml.message(3, error))
        one = (activations[-1], deltas, w)
        other = (output, tuple(m[:, 0] for m in m_bwds[1:]), tuple(layer.w for layer in h))
        return (w, h), (one, other)

    return jax.lax.scan(step, (weights, vsml.backprop_states(weights)), (xs, labels))[1]


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu", "linear"])
@pytest.mark.parametrize("sizes", [(5, 3), SIZES])
def test_vsml_is_backprop_number_by_number_over_100_updates(sizes, nonlinearity):
    weights = backprop.init_weights(KEY, sizes)
    xs, labels = examples(100, sizes[0], sizes[-1])
    one, other = trained_twice(weights, xs, labels, 0.1, nonlinearity)
    assert furthest(one, other) < EXACT
    learned = [np.abs(np.asarray(w[-1] - w0)).max() for w, w0 in zip(one[2], weights)]
    assert min(learned) > FAR, "nothing moved, so nothing was compared"


def test_vsml_as_backprop_descends_the_gradient_that_autodiff_finds():
    weights = backprop.init_weights(KEY, SIZES)
    (x,), (y,) = examples(1, SIZES[0], SIZES[-1])

    def loss(weights):
        hidden = x
        for w in weights[:-1]:
            hidden = jnp.tanh(hidden @ w)
        return optax.softmax_cross_entropy(hidden @ weights[-1], y)

    wanted = jax.tree.map(lambda w, g: w - 0.1 * g, weights, jax.grad(loss)(weights))
    _, (_, _, got) = trained_twice(weights, x[None], y[None], 0.1, "tanh")
    assert furthest(jax.tree.map(lambda w: w[0], got), wanted) < EXACT


def test_the_sgd_learner_is_logistic_regression():
    A, B, T = 4, 3, 30
    xs, labels = examples(T, A, B)
    learner = vsml.sgd(0.3)
    theta = learner.init_theta(KEY, Sizes(A + B, B))
    state = learner.init_state(theta, KEY, Sizes(A + B, B))
    w, told = np.zeros((A, B)), np.zeros(B)
    for x, y in zip(xs, labels):
        o = jnp.concatenate([x, told])
        logits, state = learner.step(
            theta, state, Input(o, jnp.zeros(()), jnp.zeros(B), jnp.zeros(()))
        )
        assert furthest(logits, x @ w) < EXACT
        p = np.exp(x @ w) / np.exp(x @ w).sum()
        w, told = w + 0.3 * np.outer(x, y - p), y


# Symmetries


@pytest.mark.parametrize("learner", [vsml.vsml(), vsml.sgd(0.3)], ids=lambda x: x.name)
def test_permuted_inputs_change_nothing_and_permuted_labels_permute_the_answers(learner):
    A, B, T = 6, 4, 20
    rng = np.random.default_rng(2)
    rho, rho_out = rng.permutation(A), rng.permutation(B)
    xs, labels = examples(T, A, B)
    theta = rough(learner.init_theta(KEY, Sizes(A + B, B)))

    @jax.jit
    def answers(xs, labels):
        told = jnp.concatenate([jnp.zeros((1, B)), labels[:-1]])

        def step(h, o):
            logits, h = learner.step(theta, h, Input(o, jnp.zeros(()), jnp.zeros(B), jnp.zeros(())))
            return h, logits

        h = learner.init_state(theta, KEY, Sizes(A + B, B))
        return jax.lax.scan(step, h, jnp.concatenate([xs, told], axis=1))[1]

    plain = answers(xs, labels)
    permuted = answers(xs[:, rho], labels[:, rho_out])
    assert furthest(permuted, plain[:, rho_out]) < EXACT
    assert furthest(answers(xs[:, rho], labels), plain[:, rho_out]) > FAR


def test_a_learner_begins_with_nothing_sent_and_nothing_remembered():
    """The backward pass before the first label works on messages that nobody has sent yet."""
    learner, sizes = vsml.vsml(message=5, hidden_layers=(3,)), Sizes(7, 2)
    state = learner.init_state(learner.init_theta(KEY, sizes), KEY, sizes)
    assert [x.shape for x in state.m_fwd] == [(5, 5), (3, 5), (2, 5)]
    for begun in jax.tree.leaves(state):
        np.testing.assert_array_equal(begun, 0)


def test_theta_fits_all_sizes_and_depths():
    learner = vsml.vsml(hidden_layers=(3,), initial_std=1.0)
    thetas = [learner.init_theta(KEY, sizes) for sizes in (Sizes(9, 4), Sizes(80, 10))]
    assert count(thetas[0]) == count(thetas[1])
    for sizes in (Sizes(9, 4), Sizes(80, 10)):
        state = learner.init_state(thetas[0], KEY, sizes)
        x = Input(jnp.ones(sizes[0]), jnp.zeros(()), jnp.zeros(sizes[1]), jnp.zeros(()))
        answer, _ = jax.eval_shape(learner.step, thetas[0], state, x)
        assert answer.shape == (sizes.action,)


# The learner and its environment


SMALL = data.classification(
    "small", functools.partial(data.clusters, 5, 6, 20, 2.0), range(6), ways=3, inputs=5, outputs=4
)


def test_the_label_of_an_image_comes_one_step_later_and_pays_for_the_right_answer():
    lived = live(vsml.sgd(1.0), SMALL, 60, {"alpha": jnp.asarray(1.0)}, KEY)
    labels = np.asarray(lived.observation[:, 5:])
    assert not labels[0].any() and (labels[1:].sum(1) == 1).all()
    right = labels[1:].argmax(1) == np.asarray(lived.action[:-1])
    assert (np.asarray(lived.reward[:-1]) == right).all()
    assert set(labels[1:].argmax(1)) == set(np.asarray(lived.task.outputs))


def test_no_example_comes_twice_before_its_class_has_been_through():
    lived = live(vsml.sgd(1.0), SMALL, 41, {"alpha": jnp.asarray(1.0)}, KEY)
    images, labels = np.asarray(lived.observation[:-1, :5]), lived.observation[1:, 5:].argmax(1)
    for label in set(labels.tolist()):
        shown = images[labels == label][:20]
        assert len(np.unique(shown, axis=0)) == len(shown)


def test_sgd_learns_clusters_and_not_without_labels():
    def accuracy(environment):
        def one(key):
            return live(vsml.sgd(0.3), environment, 60, {"alpha": jnp.asarray(0.3)}, key).reward

        return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(KEY, 30)))[:, 30:].mean()

    rebuilt = data.classification(
        "silent",
        functools.partial(data.clusters, 5, 6, 20, 2.0),
        range(6),
        ways=3,
        inputs=5,
        outputs=4,
        labels=False,
    )
    assert accuracy(SMALL) > 0.7
    assert accuracy(rebuilt) < 0.35  # one of four outputs, drawn at random, is right


@pytest.mark.parametrize("view, inputs", [("plain", 5), ("permuted", 5), ("projected", 8)])
def test_views_keep_what_can_be_told_apart(view, inputs):
    make = functools.partial(data.clusters, 5, 6, 20, 2.0)
    environment = data.classification("view", make, range(6), 3, inputs, view=view)
    lived = live(vsml.sgd(1.0), environment, 20, {"alpha": jnp.asarray(1.0)}, KEY)
    images = np.asarray(lived.observation[:, :inputs])
    x = make().x
    if view == "projected":
        x = x @ np.asarray(lived.task.view).T
    elif view == "permuted":
        x = x[:, np.asarray(lived.task.view)]
    nearest = np.abs(images[:, None] - x[None]).max(-1).min(1)
    assert nearest.max() < EXACT


def test_digits_come_with_scikit_learn():
    pytest.importorskip("sklearn")
    x, y = data.digits(4)
    assert x.shape == (1797, 16) and set(y) == set(range(10))
    assert np.abs(x.mean(0)).max() < 1e-4 and abs(x.var(0).mean() - 1) < 1e-4


@pytest.mark.slow
def test_evolution_meta_trains_vsml_with_nothing_changed():
    outer = Outer(ES(population=64, sigma=0.1), 0.05, steps=60, length=20, lifetimes=2)
    curve = meta_train(vsml.vsml(4, 3), SMALL, outer, seed=0, progress=False).curve
    assert all(np.isfinite(column).all() for column in curve.values())
    accuracy = curve["fitness"] / outer.length
    assert accuracy[:5].mean() < 0.27 < 0.29 < accuracy[-20:].mean(), "guessing is right in 0.25"


def test_members_that_do_the_same_leave_theta_finite():
    """Answers are counted, so both of a pair can earn the same, and all pairs of a population."""
    es = ES(population=16, sigma=1e-6)
    outer = Outer(es, 0.05, steps=3, length=10, lifetimes=1)
    trained = meta_train(vsml.vsml(4, 3), SMALL, outer, seed=0, progress=False)
    assert (trained.curve["gradient"] * es.sigma < EXACT).all(), "rounding, divided by sigma"
    assert all(np.isfinite(column).all() for column in trained.curve.values())
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(trained.theta))


# At the door


@pytest.mark.parametrize(
    "bad, sentence",
    [
        (lambda: vsml.vsml(hidden=0), "hidden=0"),
        (lambda: vsml.vsml(message=2), "message=2"),
        (lambda: vsml.vsml(initial_std=-1), "initial_std=-1"),
        (lambda: vsml.vsml(reduce="max"), "reduce='max'"),
        (lambda: vsml.vsml(form="slow"), "form='slow'"),
        (lambda: vsml.vsml(hidden_layers=(0,)), "hidden_layers"),
        (lambda: vsml.sgd(0.0), "alpha=0.0"),
        (lambda: vsml.sgd(0.1, nonlinearity="sine"), "nonlinearity='sine'"),
        (lambda: vsml.message(1, jnp.zeros(2), jnp.zeros(2)), "message of 1"),
        (lambda: vsml.message(3), "no entries: give at least one"),
        (lambda: vsml.message(3, jnp.zeros(2), jnp.zeros(1)), "give an array .A."),
        (lambda: vsml.message(3, jnp.zeros((2, 2))), "give an array .A."),
        (lambda: vsml.lstm_theta(KEY, 6, 0, 3, 1.0), "hidden=0"),
        (lambda: vsml.lstm_theta(KEY, 0, 4, 3, 1.0), "inputs=0"),
        (lambda: vsml.backprop_states([jnp.zeros(3)]), "layer 1 have shape"),
        (lambda: vsml.backprop_cell(0.1, "sine"), "nonlinearity='sine'"),
        (lambda: vsml.textbook(vsml.backprop_cell(0.1), "max"), "reduce='max'"),
        (lambda: vsml.fast(lstm_theta(), "max"), "reduce='max'"),
        (
            lambda: vsml.vsml().init_state(
                vsml.vsml().init_theta(KEY, Sizes(5, 2)), KEY, Sizes(1, 2)
            ),
            "no room for an image",
        ),
        (lambda: vsml.forward_pass(vsml.fast(lstm_theta()), (), jnp.zeros((5, 3))), "empty"),
        (
            lambda: vsml.forward_pass(
                vsml.fast(lstm_theta()),
                lstm_states((5, 2)) + lstm_states((3, 2)),
                jnp.zeros((5, 3)),
            ),
            "do not chain",
        ),
        (
            lambda: vsml.forward_pass(
                vsml.fast(lstm_theta()), lstm_states((5, 2)), jnp.zeros((4, 3))
            ),
            "does not fit 5 inputs",
        ),
        (
            lambda: vsml.backward_pass(
                vsml.fast(lstm_theta()), lstm_states((5, 2)), [jnp.zeros((5, 3))], jnp.zeros((2, 3))
            ),
            "forward messages",
        ),
        (
            lambda: vsml.backward_pass(
                vsml.fast(lstm_theta()),
                lstm_states((5, 2)),
                [jnp.zeros((5, 3)), jnp.zeros((2, 3))],
                jnp.zeros((3, 3)),
            ),
            "does not fit 2 outputs",
        ),
        (lambda: data.digits(5), "side=5"),
        (lambda: data.clusters(spread=0), "spread=0"),
        (
            lambda: data.standardised(np.zeros((3, 2)), np.zeros(2), True),
            "give an array .n. with n = 3",
        ),
        (lambda: data.standardised(np.ones((3, 2)), np.zeros(3), True), "always the same"),
        (lambda: data.table("tea"), "'tea'"),
        (lambda: data.classification("x", data.clusters, range(3), 4, 16), "ways=4"),
        (lambda: data.classification("x", data.clusters, range(3), 3, 16, 2), "2 outputs"),
        (lambda: data.classification("x", data.clusters, range(3), 3, 16, view="odd"), "'odd'"),
        (
            lambda: data.classification("x", data.clusters, range(3), 3, 9).draw_task(KEY),
            "has 16 inputs, not 9",
        ),
        (
            lambda: data.classification("x", data.clusters, range(50), 3, 16).draw_task(KEY),
            "lacks some of the classes",
        ),
    ],
)
def test_bad_input_fails_with_a_sentence(bad, sentence):
    with pytest.raises(ValueError, match=sentence):
        bad()


def test_learners_are_described_in_plain_types():
    for learner in (vsml.vsml(hidden_layers=(3,), initial_std=1.0), vsml.sgd(0.1)):
        for value in learner.options.values():
            assert isinstance(value, (int, float, str, list))


# What was recorded


@pytest.fixture(scope="module")
def recorded():
    return results.load(CLASSIFICATION_STUDY)


def last_ten(recorded, learner, task):
    """Accuracy on examples 91 to 100, [seeds, lifetimes]."""
    return recorded.stack(learner, f"{task}/blocks")[:, :, -1] / 10


@pytest.mark.parametrize("unseen", ["wine", "breast_cancer", "clusters"])
def test_on_data_never_seen_vsml_learns_more_than_an_lstm_that_does_not_share(recorded, unseen):
    """Chapter 3's claim."""
    shared, separate = (last_ten(recorded, name, unseen) for name in ("vsml", "metarnn"))
    assert len(shared) == len(separate) >= 3
    assert interval(shared)[0] > interval(separate)[1]


def test_the_lstm_did_learn_to_learn_where_it_was_meta_trained(recorded):
    assert interval(last_ten(recorded, "metarnn", "trained"))[0] > 0.7


@pytest.mark.parametrize("learner", ["vsml", "metarnn"])
def test_what_was_learned_was_learned_from_labels(recorded, learner):
    of_seeds = last_ten(recorded, learner, "unlabelled").mean(axis=1)
    assert len(of_seeds) >= 3 and of_seeds.max() < 0.55, "guessing has 0.5"


def test_vsml_does_not_care_for_the_order_of_pixels_and_the_lstm_does(recorded):
    def lost(learner):
        trained, permuted = (last_ten(recorded, learner, x) for x in ("trained", "permuted"))
        return trained.mean() - permuted.mean()

    assert abs(lost("vsml")) < 1e-3 and lost("metarnn") > 0.1


def test_sgd_is_given_its_best_learning_rate(recorded):
    accuracy = {a: recorded.reference(f"sgd-{a}/trained/mean").mean() for a in ALPHAS}
    assert max(accuracy, key=accuracy.get) == ALPHA
