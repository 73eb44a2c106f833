"""SymLA computes Equation 9 with shared cells, and so has the symmetries that the paper claims."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from symla_lite import studies
from symla_lite.environments.bandits import independent_arms
from symla_lite.learner import Input, Sizes, first_input
from symla_lite.lifetime import live
from symla_lite.metarnn import metarnn
from symla_lite.studies import results
from symla_lite.symla import Layer, symla

EXACT = 1e-5
"""What rounding may add up to in the logits of a lifetime."""
FAR = 0.1
"""A difference between logits that no rounding explains."""
KEY = jax.random.key(0)


def random_theta(learner, sizes, seed=0, scale=0.2):
    """Initial theta with noise on all of it: initial biases are zero, and would hide mistakes."""
    theta = learner.init_theta(jax.random.key(seed), sizes)
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: x + scale * rng.normal(size=x.shape).astype(np.float32), theta)


def history(sizes, length, seed=0):
    """Random inputs of a lifetime, stacked over time; episodes end now and then."""
    rng = np.random.default_rng(seed)
    actions = np.eye(sizes.action)[rng.integers(sizes.action, size=length)]
    actions[0] = 0
    inputs = Input(
        o=rng.normal(size=(length, sizes.observation)),
        r=rng.normal(size=length),
        a=actions,
        end=rng.integers(2, size=length),
    )
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), inputs)


def permuted(inputs, observations=slice(None), actions=slice(None)):
    """The same inputs to a learner whose inputs and outputs are connected in another order."""
    return inputs._replace(o=inputs.o[:, observations], a=inputs.a[:, actions])


@functools.partial(jax.jit, static_argnames="learner")
def answers(learner, theta, state, inputs):
    """Logits at every step, [L, B]."""

    def step(h, x):
        logits, h = learner.step(theta, h, x)
        return h, logits

    return jax.lax.scan(step, state, inputs)[1]


def furthest(one, other):
    return np.max(np.abs(np.asarray(one) - np.asarray(other)))


# The oracle


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def oracle(theta, options, state, inputs):
    """Equation 9 by loops over k, a and b, in NumPy and double precision, from the state given."""
    theta, state = jax.tree.map(lambda x: np.array(x, np.float64), (theta, state))
    M, K = options["message"], options.get("layers", 1)
    h, c = [list(x) for x in zip(*(layer.state for layer in state))]
    m_fwd, m_bwd = [layer.m_fwd for layer in state], [layer.m_bwd for layer in state]
    sizes = [x.shape[:2] for x in h]
    empty = np.zeros(0 if K == 1 else M - 1)  # the rest of a message that comes from outside

    def tick(k, o, action, r, end):
        A, B = sizes[k]
        for a in range(A):
            for b in range(B):
                x = [*m_bwd[k][a], *([o[a], *empty] if k == 0 else m_fwd[k - 1][a])]
                x += [*m_fwd[k][b], *([action[b], *empty] if k == K - 1 else m_bwd[k + 1][b])]
                x += [r, end] if options["end_flag"] else [r]
                gates = np.array([*x, *h[k][a, b]]) @ theta["lstm/linear"]["w"]
                i, g, f, out = np.split(gates + theta["lstm/linear"]["b"], 4)
                c[k][a, b] = sigmoid(f + 1) * c[k][a, b] + sigmoid(i) * np.tanh(g)
                h[k][a, b] = sigmoid(out) * np.tanh(c[k][a, b])

    def exchange(k):
        A, B = sizes[k]
        m_fwd[k], m_bwd[k] = np.zeros((B, M)), np.zeros((A, M))
        mean = options["reduce"] == "mean"
        for a in range(A):
            for b in range(B):
                fwd = h[k][a, b] @ theta["m_fwd"]["w"] + theta["m_fwd"]["b"]
                bwd = h[k][a, b] @ theta["m_bwd"]["w"] + theta["m_bwd"]["b"]
                m_fwd[k][b] += fwd / (A if mean else 1)
                m_bwd[k][a] += bwd / (B if mean else 1)

    logits = []
    for t in range(len(inputs.r)):
        told = inputs.o[t], inputs.a[t], inputs.r[t], inputs.end[t]
        if options["exchange"] == "tick":
            for _ in range(options["ticks"]):
                for k in range(K):
                    tick(k, *told)
                    exchange(k)
        else:
            for k in range(K):
                for _ in range(options["ticks"]):
                    tick(k, *told)
                exchange(k)
        logits.append(m_fwd[-1][:, 0].copy())
    return np.array(logits)


@pytest.mark.parametrize("form", ["textbook", "fast", "fused"])
@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({}, Sizes(1, 2)),
        ({"reduce": "sum"}, Sizes(3, 4)),
        ({"exchange": "tick"}, Sizes(4, 3)),
        ({"end_flag": False, "initial_std": 1.0}, Sizes(2, 5)),
        ({"reduce": "sum", "exchange": "tick", "end_flag": False, "ticks": 3}, Sizes(3, 2)),
        ({"ticks": 1, "forget_bias": 3.0}, Sizes(5, 1)),
        ({"layers": 2, "units": 3, "initial_std": 1.0}, Sizes(2, 3)),
        ({"layers": 3, "units": 2, "initial_std": 1.0, "exchange": "tick"}, Sizes(3, 2)),
    ],
)
def test_all_forms_compute_equation_9(form, options, sizes):
    learner = symla(hidden=5, message=3, form=form, **options)
    theta = random_theta(learner, sizes)
    inputs = history(sizes, 20)
    state = learner.init_state(theta, jax.random.key(1), sizes)
    expected = oracle(theta, learner.options, state, inputs)
    assert np.std(expected) > 0.01  # it is not nothing that is compared
    np.testing.assert_allclose(
        answers(learner, theta, state, inputs), expected, rtol=EXACT, atol=EXACT
    )


@pytest.mark.parametrize("options", [{}, {"layers": 2, "units": 3}])
def test_a_lifetime_begins_with_nothing_sent_and_nothing_remembered(options):
    learner, sizes = symla(hidden=5, message=3, **options), Sizes(4, 2)
    theta = random_theta(learner, sizes)
    state = learner.init_state(theta, KEY, sizes)
    assert [(len(layer.m_bwd), len(layer.m_fwd)) for layer in state] == (
        [(4, 3), (3, 2)] if options else [(4, 2)]
    )
    for begun in jax.tree.leaves(state):
        np.testing.assert_array_equal(begun, 0)


@pytest.mark.parametrize(("backend", "form"), [("cpu", "fast"), ("gpu", "fused"), ("tpu", "fused")])
def test_the_device_decides_how_a_step_is_computed_and_no_record_names_it(
    monkeypatch, backend, form
):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)

    sizes, key = Sizes(3, 2), jax.random.key(0)

    def computed(learner):
        theta = learner.init_theta(key, sizes)
        state, x = learner.init_state(theta, key, sizes), first_input(jnp.zeros(3), sizes)
        return str(jax.make_jaxpr(learner.step)(learner.prepare(theta), state, x))

    forms = {form: symla(hidden=2, message=2, form=form) for form in ("auto", "fast", "fused")}
    assert computed(forms["fast"]) != computed(forms["fused"])
    assert computed(forms["auto"]) == computed(forms[form])
    assert forms["fast"].options == forms["fused"].options


RECORDED = {
    "bandits": "symla-hard",
    "action_spaces": "symla-12",
    "observation_spaces": "symla-acrobot",
    "tasks": "symla-hearts_3",
    "environments": "symla-grid",
}


@pytest.mark.parametrize("study", RECORDED)
def test_a_recorded_theta_means_what_it_meant(study):
    """Its record says with which options it was made, and they make the learner of Equation 9."""
    recorded = results.load(studies.named(study))
    theta = recorded.theta(RECORDED[study], seed=0)
    options = dict(recorded.about(RECORDED[study])[0]["training"]["learner"])
    assert options.pop("name") == "symla"
    learner = symla(**options)
    assert learner.options == options
    sizes = Sizes(3, 4)
    state = learner.init_state(theta, KEY, sizes)
    inputs = history(sizes, 15)
    expected = oracle(theta, options, state, inputs)
    assert np.std(expected) > 0.1
    answered = answers(learner, theta, state, inputs)
    np.testing.assert_allclose(answered, expected, rtol=1e-4, atol=1e-4)


# Symmetries


def test_permuting_arms_permutes_the_logits_of_a_whole_lifetime():
    learner, environment = symla(hidden=8), independent_arms(5)
    sizes = environment.sizes
    theta = random_theta(learner, sizes)
    lived = jax.jit(lambda key: live(learner, environment, 100, theta, key))(jax.random.key(3))
    # The lifetime again, as inputs: what was done and earned at each step is told at the next.
    earlier = jax.nn.one_hot(lived.action, sizes.action)[:-1]
    inputs = Input(
        o=lived.observation,
        r=jnp.concatenate([jnp.zeros(1), lived.reward[:-1]]),
        a=jnp.concatenate([jnp.zeros((1, sizes.action)), earlier]),
        end=lived.end,
    )
    state = learner.init_state(theta, jax.random.key(0), sizes)
    assert furthest(answers(learner, theta, state, inputs), lived.logits) < EXACT

    order = np.array([3, 0, 4, 1, 2])
    logits = answers(learner, theta, state, permuted(inputs, actions=order))
    assert furthest(logits, lived.logits[:, order]) < EXACT
    assert furthest(logits, lived.logits) > 0.05


OBSERVED, ACTED = np.array([2, 0, 1]), np.array([1, 3, 0, 2])


def after_permutation(learner, scale=0.2):
    """How far logits are from permuted logits when observations and actions are permuted."""
    sizes = Sizes(3, 4)
    theta = random_theta(learner, sizes, scale=scale)
    inputs = history(sizes, 100)
    state = learner.init_state(theta, KEY, sizes)
    plain = answers(learner, theta, state, inputs)
    arms = answers(learner, theta, state, permuted(inputs, actions=ACTED))
    sights = answers(learner, theta, state, permuted(inputs, observations=OBSERVED))
    both = answers(learner, theta, state, permuted(inputs, OBSERVED, ACTED))
    return {
        "actions": furthest(arms, plain[:, ACTED]),
        "observations": furthest(sights, plain),
        "both": furthest(both, plain[:, ACTED]),
    }


# Summed messages grow with the sizes; with rougher weights they make the cells chaotic, and then
# what rounding leaves grows within 100 steps to anything.
@pytest.mark.parametrize(
    ("options", "scale"),
    [({}, 0.2), ({"reduce": "sum"}, 0.05), ({"exchange": "tick", "end_flag": False}, 0.2)],
)
def test_symla_does_not_care_about_the_order_of_observations_and_actions(options, scale):
    for difference in after_permutation(symla(hidden=8, **options), scale).values():
        assert difference < EXACT


def test_the_metarnn_cares_about_the_order_of_observations_and_actions():
    for difference in after_permutation(metarnn(hidden=8)).values():
        assert difference > FAR


def test_random_initial_states_break_the_symmetry_unless_they_are_permuted_too():
    learner, sizes = symla(hidden=8, initial_std=1.0), Sizes(3, 4)
    theta, inputs = random_theta(learner, sizes), history(sizes, 100)
    state = learner.init_state(theta, jax.random.key(1), sizes)
    ((cells, m_fwd, m_bwd),) = state
    assert 0.7 < np.std(cells.hidden) < 1.3 and 0.7 < np.std(cells.cell) < 1.3
    assert furthest(cells.hidden, cells.cell) > FAR  # drawn independently
    plain = answers(learner, theta, state, inputs)
    moved = permuted(inputs, OBSERVED, ACTED)
    assert furthest(answers(learner, theta, state, moved), plain[:, ACTED]) > FAR

    order = np.ix_(OBSERVED, ACTED)
    too = (Layer(jax.tree.map(lambda x: x[order], cells), m_fwd, m_bwd),)
    assert furthest(answers(learner, theta, too, moved), plain[:, ACTED]) < EXACT


# Several layers

DEEP = {"layers": 2, "units": 3, "initial_std": 1.0}


def test_hidden_units_may_be_permuted_where_inputs_and_actions_are():
    """With several layers, the layers' states are permuted along; hidden units in any order."""
    learner, sizes = symla(hidden=8, **DEEP), Sizes(3, 4)
    theta, inputs = random_theta(learner, sizes), history(sizes, 50)
    state = learner.init_state(theta, KEY, sizes)
    units = np.array([2, 0, 1])
    orders = np.ix_(OBSERVED, units), np.ix_(units, ACTED)
    too = tuple(
        layer._replace(state=jax.tree.map(lambda x, order=order: x[order], layer.state))
        for layer, order in zip(state, orders)
    )
    plain = answers(learner, theta, state, inputs)
    moved = answers(learner, theta, too, permuted(inputs, OBSERVED, ACTED))
    assert furthest(moved, plain[:, ACTED]) < EXACT
    only_units = tuple(
        layer._replace(state=jax.tree.map(lambda x, order=order: x[order], layer.state))
        for layer, order in zip(state, (np.s_[:, units], np.s_[units]))
    )
    assert furthest(answers(learner, theta, only_units, inputs), plain) < EXACT


def test_hidden_units_that_begin_alike_stay_alike():
    for std in (0.0, 1.0):
        learner, sizes = symla(hidden=4, **DEEP | {"initial_std": std}), Sizes(3, 4)
        theta = random_theta(learner, sizes)
        h = learner.init_state(theta, KEY, sizes)
        step = jax.jit(learner.step)
        for x in history(sizes, 10).o:
            h = step(theta, h, first_input(x, sizes))[1]
        said = h[0].m_fwd  # one message for each hidden unit
        apart = furthest(said[0], said[1])
        assert apart > 1e-2 if std else apart < 1e-6


def test_what_is_seen_reaches_the_answer_of_a_deep_agent_in_the_same_step():
    learner, sizes = symla(hidden=8, layers=3, units=2, initial_std=1.0), Sizes(2, 3)
    theta = random_theta(learner, sizes, scale=0.5)
    h = learner.init_state(theta, KEY, sizes)
    step = jax.jit(learner.step)
    dark, light = (step(theta, h, first_input(o, sizes))[0] for o in (jnp.zeros(2), jnp.ones(2)))
    assert furthest(dark, light) > 1e-3


def test_theta_of_several_layers_fits_any_number_of_them_but_one():
    sizes = Sizes(2, 3)
    theta = symla(**DEEP).init_theta(KEY, sizes)
    deeper = symla(layers=4, units=5, initial_std=1.0)
    logits, _ = jax.jit(deeper.step)(
        theta, deeper.init_state(theta, KEY, sizes), first_input(jnp.ones(2), sizes)
    )
    assert logits.shape == (3,)
    with pytest.raises(ValueError, match="lstm/linear.w is \\[50, 64\\], not \\[36, 64\\]"):
        symla().init_state(theta, KEY, sizes)
    with pytest.raises(ValueError, match="lstm/linear.w is \\[36, 64\\], not \\[50, 64\\]"):
        symla(**DEEP).init_state(symla().init_theta(KEY, sizes), KEY, sizes)


def test_options_of_one_layer_are_those_of_the_records_before_there_were_several():
    assert "layers" not in symla().options and symla(layers=1).options == symla().options
    assert symla(**DEEP).options.items() >= DEEP.items()
    assert symla(**symla(**DEEP).options).options == symla(**DEEP).options


def test_the_same_theta_lives_with_two_and_with_twelve_arms():
    learner = symla(hidden=4)
    theta = learner.init_theta(jax.random.key(0), Sizes(1, 2))
    for arms in (2, 12):
        environment = independent_arms(arms)
        lived = jax.jit(lambda key, e=environment: live(learner, e, 40, theta, key))(KEY)
        assert lived.logits.shape == (40, arms)
        assert np.all(np.isfinite(lived.logits))
        assert set(np.unique(lived.action)) <= set(range(arms))


def test_the_shapes_of_theta_do_not_know_the_sizes():
    learner = symla()
    shapes = [
        jax.eval_shape(lambda s=s: learner.init_theta(jax.random.key(0), s))
        for s in (Sizes(1, 2), Sizes(7, 3), Sizes(16, 16))
    ]
    assert shapes[0] == shapes[1] == shapes[2]


# Options


@pytest.mark.parametrize("make", [symla, metarnn])
def test_the_forget_bias_changes_the_forget_gates_bias_and_nothing_else(make):
    N, sizes = 6, Sizes(2, 3)
    usual = make(hidden=N).init_theta(jax.random.key(0), sizes)
    long = make(hidden=N, forget_bias=2.5).init_theta(jax.random.key(0), sizes)
    changed = jax.tree.map(lambda x, y: np.array(y - x), usual, long)
    third = changed["lstm/linear"]["b"][2 * N : 3 * N]
    np.testing.assert_allclose(third, 1.5)
    third[:] = 0
    assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(changed))


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden": 0},
        {"hidden": -3},
        {"message": 0},
        {"ticks": 0},
        {"layers": 0},
        {"units": -1},
        {"reduce": "median"},
        {"exchange": "never"},
        {"form": "slow"},
        {"initial_std": -0.5},
    ],
)
def test_a_wrong_option_is_refused_by_its_value(wrong):
    (name, value), *_ = wrong.items()
    with pytest.raises(ValueError, match=f"{name}={value!r}"):
        symla(**wrong)


def test_the_recorded_options_make_the_same_learner():
    learner = symla(hidden=5, message=3, ticks=3, reduce="sum", exchange="tick", end_flag=False)
    again = symla(**learner.options)
    assert again.options == learner.options
    assert {field.name for field in dataclasses.fields(learner)} >= {"name", "options"}


def test_the_defaults_are_the_papers_and_where_it_is_silent_those_that_are_documented():
    """Appendix A: N = 16 hidden units, messages of 8, two ticks; the rest stands in `symla`."""
    named = dict(hidden=16, message=8, ticks=2, reduce="mean", exchange="step", initial_std=0.0)
    named |= dict(end_flag=True, forget_bias=1.0)
    assert symla().options.items() >= named.items()
    several = symla(layers=2).options
    assert several.items() >= named.items() and (several["layers"], several["units"]) == (2, 8)
