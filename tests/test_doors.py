"""Every public function, class and option refuses what it cannot use, in one sentence.

The table is made and not written: all public names of the package, all their arguments, and for
each of them values that no such argument can have. What the numbers are that an argument takes
stands below, apart from the code. A new public function is in the table by itself; where it has a
number of a new name, the test asks what it may be.
"""

import collections.abc
import dataclasses
import functools
import importlib
import inspect
import json
import math
import pkgutil
import re
import signal
import subprocess
import sys
import types
import typing
from pathlib import Path

import ipywidgets as widgets
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest

import symla_lite
from symla_lite import __main__ as command_line
from symla_lite import (
    agent,
    backprop,
    checkpoint,
    checks,
    claims,
    devices,
    environments,
    evolution,
    explorers,
    figures,
    meta_testing,
    meta_training,
    notebook,
    studies,
    symmetry,
)
from symla_lite.agent import Agent, begin
from symla_lite.baselines.actor_critic import actor_critic
from symla_lite.baselines.bayes_optimal import independent_prior
from symla_lite.baselines.counts import no_counts
from symla_lite.baselines.lpg import lpg
from symla_lite.baselines.maml import maml
from symla_lite.baselines.metagenrl import metagenrl
from symla_lite.baselines.segments import new_recorder
from symla_lite.checkpoint import FileTrouble
from symla_lite.claims import CLAIMS, Finding
from symla_lite.environments import bandits, classification, independent_arms
from symla_lite.evolution import ES
from symla_lite.figures import Course, regret
from symla_lite.imitation import Imitation
from symla_lite.learner import Sizes, first_input
from symla_lite.lifetime import live
from symla_lite.meta_testing import Estimate, meta_test
from symla_lite.meta_training import MetaTrained, Outer, meta_train
from symla_lite.metarnn import metarnn
from symla_lite.play import Played
from symla_lite.policy_gradient import PolicyGradient
from symla_lite.studies import results
from symla_lite.symla import Options, symla
from symla_lite.vsml import backprop_cell, lstm_state, textbook

KEY = jax.random.key(0)
NAN, INF = math.nan, math.inf

# What the numbers are.


@dataclasses.dataclass(frozen=True)
class Numbers:
    """Those that an argument takes, and some beyond its ends."""

    whole: bool
    good: float
    beyond: tuple[float, ...] = ()
    infinite: bool = False


COUNT, INDEX, WHOLE = Numbers(True, 2, (0, -1)), Numbers(True, 1, (-1,)), Numbers(True, 1)
POSITIVE, NOT_NEGATIVE = Numbers(False, 0.5, (0, -0.1, 1e-300)), Numbers(False, 0.5, (-0.1,))
REAL, SHARE = Numbers(False, 0.5), Numbers(False, 0.5, (0, 1, -0.1, 95))
SEED = Numbers(True, 3, (-1, 2**32))
CHOICE = Numbers(True, 2, (1, 0, -1))

NUMBERS = {
    **dict.fromkeys(
        "at_once cells chunk dimension each embedding episode inputs hidden".split(), COUNT
    ),
    **dict.fromkeys("horizon large layers length lifetimes message outputs small".split(), COUNT),
    **dict.fromkeys("pairs parts predictions pulls share size steps steps_per_call".split(), COUNT),
    **dict.fromkeys("test_length test_lifetimes ticks to units unroll whole window".split(), COUNT),
    **dict.fromkeys("jobs processes observation classes n states".split(), COUNT),
    **dict.fromkeys("digits everywhere obstacles output position process t".split(), INDEX),
    **dict.fromkeys("actions arms initial_states population side ways".split(), CHOICE),
    "seed": SEED,
    **dict.fromkeys("actor_rate alpha critic_rate initial_scale learning_rate".split(), POSITIVE),
    **dict.fromkeys(
        "margin memory output_scale prediction_rate sigma spread steepness".split(), POSITIVE
    ),
    **dict.fromkeys("gap initial_std noise save_every seconds std".split(), NOT_NEGATIVE),
    **dict.fromkeys("level p trace".split(), SHARE),
    **dict.fromkeys("bonus bound forget_bias least none value".split(), REAL),
    "colours": Numbers(True, 16, (1, 257, 0)),
    "cut": POSITIVE,
    "discount": Numbers(False, 0.5, (-0.1, 1.1)),
    "first": Numbers(False, 0.5, (0, 1.1, -0.1)),
    "most": Numbers(False, 2.0, (1, 0, -3.0)),
    "persistence": Numbers(False, 0.5, (-0.1, 1)),
    "rate": Numbers(False, 0.5, (0, 1, -0.1)),
    "probability": Numbers(False, 0.5, (0, 1, -0.1)),
    "reward": Numbers(False, 0.5, (1e20, -1e20)),
    "scale": POSITIVE,
    "target_range": Numbers(False, 0.5, (-0.1, 2.4)),
    "which": Numbers(True, 0, (-6, 5)),
}
"""By the names of arguments, which mean the same in all of the package."""

UNKNOWN = Numbers(True, 1)

SPECIAL = {
    ("classification.clusters", "spread"): POSITIVE,
    ("backprop.init_weights", "scale"): NOT_NEGATIVE,
    ("vsml.sgd", "scale"): NOT_NEGATIVE,
    ("controls.reward_off_after", "steps"): INDEX,
    ("actor_critic.actor_critic", "discount"): SHARE,
    ("generated.random_mdp", "noise"): Numbers(False, 0.5, (-0.1, 1.1)),
    ("generated.cube", "dimension"): Numbers(True, 2, (1, 0, -1, 13)),
    ("generated.cube", "side"): Numbers(True, 2, (1, 0, -1, 13)),
    ("generated.linear_system", "noise"): Numbers(False, 0.5, (-0.1, 1.1)),
    ("grids.move", "side"): COUNT,
    ("policy_gradient.PolicyGradient", "discount"): Numbers(False, 0.5, (0, -0.1, 1.1)),
    ("policy_gradient.PolicyGradient", "sigma"): NOT_NEGATIVE,
    ("policy_gradient.with_noise", "sigma"): NOT_NEGATIVE,
    ("imitation.Imitation", "sigma"): NOT_NEGATIVE,
    ("policy_gradient.check_several", "lifetimes"): CHOICE,
    ("policy_gradient.gradient", "lifetimes"): CHOICE,
    ("policy_gradient.cut_back", "most"): POSITIVE,
    ("policy_gradient.differentiable", "most"): POSITIVE,
    ("policy_gradient.to_go", "discount"): Numbers(False, 0.5, (0, -0.1, 1.1)),
    ("transforms.reward_noise", "std"): POSITIVE,
    ("vsml.vsml", "message"): Numbers(True, 3, (2, 0, -1)),
    ("vsml.supervised", "size"): Numbers(True, 3, (2, 0, -1)),
    ("figures.end_labels", "size"): POSITIVE,
    ("figures.lines", "level"): REAL,
    ("verify.retest", "which"): INDEX,
    ("claims.line", "low"): Numbers(False, 0.0, infinite=True),
    ("claims.line", "high"): Numbers(False, 1.0, infinite=True),
}
"""Where they do not, or mean more."""

# Values that no argument of a kind can have, and one that it can.

STRANGERS = (None, "3", True, np.True_, object(), {}, [1], np.ones(2), b"1")


def wrong_numbers(numbers: Numbers):
    """Numbers that are none, none of this kind, or beyond the ends."""
    strange = [*STRANGERS, NAN, 10**400, np.float32("nan")]
    strange += [] if numbers.infinite else [INF, -INF]
    if numbers.whole:
        strange += [2.5, 2.0, np.float64(2), 10**12, jnp.ones(())]
    return [*strange, *numbers.beyond]


WRONG = {
    bool: (None, "no", 0, 1, 2.5, [], np.ones(2), NAN),
    str: (None, 3, 2.5, True, [], b"x", np.ones(2), object()),
    Path: (None, 3, 2.5, True, "", "a\0b", [], np.ones(2)),
    bytes: (None, 3, "x", [], np.ones(2)),
    "class": (None, 3, 2.5, True, "x", {}, [], np.ones(2), object(), NAN),
    "function": (None, 3, "x", True, [], {}, np.ones(2), NAN),
    "sequence": (None, 3, 2.5, "abc", {1: 2}, object(), True, NAN),
    "mapping": (None, 3, 2.5, "abc", [1], object(), True),
    "array": (None, "x", object(), {}, [[1], [1, 2]], ["a"], KEY, lambda: 0),
    "key": (None, 3, 2.5, "x", np.ones(2), jnp.ones(2, jnp.int32), [0, 1], object()),
    Sizes: (None, 3, "xy", (2,), (0, 2), (1, -1), (1, 2.5), (True, 2), (NAN, 2), [1, None]),
}

LENGTHS = {"A": 3, "B": 2, "D": 5, "L": 20, "S": 2, "T": 4, "P": 2, "n": 4, "m": 4}


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """`example(kind)`: a value that an argument of that type may have."""
    learner, environment = metarnn(hidden=2), independent_arms(2)
    outer = Outer(ES(4, 0.1), 0.1, 2, 5, 2)
    sizes = Sizes(3, 2)
    study = studies.STUDIES["bandits"]
    recorded = results.load(study)
    theta = learner.init_theta(KEY, sizes)
    layers = symla().init_state(symla().init_theta(KEY, sizes), KEY, sizes)
    fig, axes = plt.subplots()
    plt.close(fig)
    estimate = Estimate(0.5, 0.4, 0.6)
    things = [
        learner, environment, outer, outer.es, sizes, study, study.scale("quick"), recorded,
        study.scale("quick").trainings[0], study.references[0], fig, axes, estimate, CLAIMS[0],
        Finding("here", "m", estimate, "≥ 0", "yes", "alike"), backprop_cell(0.1),
        textbook(backprop_cell(0.1)), first_input(jnp.zeros(3), sizes),
        MetaTrained(theta, {}, {}, 0.0), Agent(learner, theta), begin(learner, theta, KEY, sizes),
        agent.record("one-rule"), Course(*np.ones((4, 3))), PolicyGradient(), Imitation(),
    ]  # fmt: skip
    by_type = {type(thing): thing for thing in things}
    weights = (np.ones((3, 2)),)
    by_name = {
        ("backprop", "weights"): weights,
        ("backprop", "xs"): (np.ones(3), np.ones(2)),
        ("backprop", "delta"): np.ones(2),
        ("backprop", "a"): np.ones(2),
        ("backprop", "y"): np.ones(2),
        ("backprop", "R"): np.ones(()),
        ("backprop", "x"): np.ones(3),
        ("bayes_optimal", "prior"): independent_prior(),
        ("classification", "learners"): {learner: outer},
        ("counts", "counts"): no_counts(sizes),
        ("figures.curves_and_controls", "curves"): {"a": {}},
        ("systems", "test_length"): 10,
        ("figures.side_by_side", "columns"): {"a": {"b": 1}},
        ("figures", "courses"): {"a": {"b": {}}},
        ("figures", "curves"): {"symla": regret(np.ones((2, 20)), np.ones((2, 4, 2)))},
        ("figures", "fitness"): {"easy": {"symla": np.ones((2, 5))}},
        ("figures", "regret"): {"symla": np.ones((1, 1))},
        ("figures", "trained"): ["easy"],
        ("explorers", "selector"): widgets.Dropdown(options=["a"]),
        ("play", "agents"): {"random": Agent(learner, theta)},
        ("play", "name"): "random",
        ("play", "played"): {"random": Played(np.ones((2, 20)), np.zeros((2, 20), bool))},
        ("segments", "recorder"): new_recorder(2, sizes),
        ("symla", "options"): Options(2, 2, 1, "mean", "step", 0.0, True, 1.0),
        ("verify", "study"): "bandits",
        ("verify", "scale"): "quick",
        ("verify", "training"): "symla-easy",
    }
    by_type |= by_name
    by_type |= {
        (module, "theta"): theta
        for module in (
            "agent imitation learner lifetime lstm meta_testing policy_gradient records study "
            "symmetry vsml"
        ).split()
    }
    by_type |= {("policy_gradient", "h"): theta}
    by_type |= {("vsml", "h"): (lstm_state(KEY, sizes, 2, 0.0),), ("symla", "layers"): layers}
    by_type |= {bool: True, str: "x", bytes: b"x", Path: tmp_path_factory.mktemp("x") / "x"}
    return by_type


# The table.


def public():
    """All public functions and dataclasses of the package, by a name of their own."""
    for module in pkgutil.walk_packages(symla_lite.__path__, "symla_lite."):
        if module.name in ("symla_lite.__main__", "symla_lite.checks"):
            continue
        for name, thing in vars(importlib.import_module(module.name)).items():
            own = getattr(thing, "__module__", None) == module.name and not name.startswith("_")
            if own and (dataclasses.is_dataclass(thing) or inspect.isfunction(thing)):
                yield f"{module.name.rpartition('.')[2]}.{name}", thing


def kind(hint):
    """An annotation without what may be None or is said beside it: type, what is said, optional."""
    more = getattr(hint, "__metadata__", ())
    hint = hint.__origin__ if more else hint
    parts = typing.get_args(hint)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        rest = [part for part in parts if part is not type(None)]
        inner, more, _ = kind(rest[0])
        return inner, more, len(rest) < len(parts)
    return hint, more, False


def numbers_of(function, argument, hint):
    """What the numbers of an argument are, where it takes numbers; None where it does not."""
    inner, _, _ = kind(hint)
    if inner not in (int, float) and (function, argument) not in SPECIAL:
        return None
    return SPECIAL.get((function, argument), NUMBERS.get(argument, UNKNOWN))


def wrong(function, argument, parameter):
    """Values that do not suit an argument; none where any value does."""
    hint = parameter.annotation
    inner, more, optional = kind(hint)
    origin = typing.get_origin(inner) or inner
    numbers = numbers_of(function, argument, hint)
    if inner is inspect.Parameter.empty or inner is typing.Any:
        values = ()
    elif numbers:
        values = wrong_numbers(numbers)
    elif origin is typing.Literal:
        values = (None, 3.5, True, "?", "", [], np.ones(2), object())
    elif checks.PRNG_KEY in more:
        values = WRONG["key"]
    elif origin in (jax.Array, np.ndarray):
        values = list(WRONG["array"])
        if checks.MAY_BE_NAN not in more:
            shape = next((m.split() for m in more if isinstance(m, str)), ["P"])
            values += [np.full([LENGTHS.get(x, 2) for x in shape], bad) for bad in (NAN, INF)]
            if "..." not in shape and any(isinstance(m, str) for m in more):
                values += [np.ones(()), np.ones((2, 2, 2, 2, 2))]
    elif origin in (bool, str, Path, bytes, Sizes):
        values = WRONG[origin]
    elif origin is collections.abc.Callable:
        values = WRONG["function"]
    elif origin in (collections.abc.Sequence, tuple, list):
        values = WRONG["sequence"]
    elif inspect.isclass(origin) and issubclass(origin, collections.abc.Mapping):
        values = WRONG["mapping"]
    else:
        values = WRONG["class"]
    return [value for value in values if not (optional and value is None)]


def right(function, argument, parameter, example):
    """A value that suits an argument."""
    hint = parameter.annotation
    for known in (function, function.partition(".")[0]):
        if (known, argument) in example:
            return example[known, argument]
    inner, more, optional = kind(hint)
    origin, parts = typing.get_origin(inner) or inner, typing.get_args(inner)
    numbers = numbers_of(function, argument, hint)
    if optional:
        return None
    if numbers:
        return int(numbers.good) if numbers.whole else numbers.good
    if origin is typing.Literal:
        return parts[0]
    if checks.PRNG_KEY in more:
        return jax.random.split(KEY, 2) if "P" in more else KEY
    if origin in (jax.Array, np.ndarray):
        shape = next((m for m in more if isinstance(m, str)), "P").replace("...", "").split()
        return np.ones([int(x) if x.isdecimal() else LENGTHS.get(x, 2) for x in shape])
    if origin is collections.abc.Callable:
        return lambda *a, **k: None
    if origin in (collections.abc.Sequence, tuple, list) and not parts:
        return ()
    if origin in (collections.abc.Sequence, tuple, list):
        inside = inspect.Parameter("x", inspect.Parameter.POSITIONAL_ONLY, annotation=parts[0])
        one = 1 if kind(parts[0])[0] is int else right(function, "x", inside, example)
        return (one,)
    if inspect.isclass(origin) and issubclass(origin, collections.abc.Mapping):
        return {}
    return example.get(origin)


class Hang(Exception):
    """A case took too long."""


def outcome(call, argument):
    """What a call with a wrong argument comes to: refused, a raw trace, accepted or a hang."""

    def late(signum, frame):
        raise Hang

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    try:
        call()
        return "wrongly accepted", ""
    except (ValueError, TypeError, FileTrouble) as refusal:
        said = str(refusal)
        names = argument is None or argument in said
        remedy = any(
            word in said.lower()
            for word in ("give", "take", "make them equal", "count from", "put it")
        )
        one = remedy and "\n" not in said and len(said) < 600
        return ("refused" if names and one else "raw trace"), said
    except Hang:
        return "hang", ""
    except BaseException as trace:
        return "raw trace", f"{type(trace).__name__}: {trace}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def table(example):
    """All cases: a name, the argument, the wrong value, and the call with it."""
    for function, thing in public():
        parameters = inspect.signature(thing).parameters
        single = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        good = {
            name: right(function, name, parameter, example)
            for name, parameter in parameters.items()
            if parameter.kind not in single and parameter.default is inspect.Parameter.empty
        }
        for argument, parameter in parameters.items():
            if parameter.kind in single:
                continue
            for value in wrong(function, argument, parameter):
                yield (
                    function,
                    argument,
                    value,
                    lambda thing=thing, good=good, argument=argument, value=value: thing(
                        **good | {argument: value}
                    ),
                )


def test_it_is_known_of_all_numbers_what_they_may_be():
    asked = [
        f"{argument} of {function}"
        for function, thing in public()
        for argument, parameter in inspect.signature(thing).parameters.items()
        if numbers_of(function, argument, parameter.annotation) is UNKNOWN
    ]
    assert not asked, f"Say in NUMBERS which numbers these may be: {', '.join(asked)}."


def test_no_public_function_takes_what_it_cannot_use(example, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    counts, bad = collections.Counter(), []
    for function, argument, value, call in table(example):
        found, said = outcome(call, argument)
        counts[found] += 1
        if found != "refused":
            bad.append(f"{found}: {function}({argument}={value!r:.60}): {said[:200]}")
    with capsys.disabled():
        print(
            f"\n{counts.total()} cases, {counts['raw trace']} raw traces, "
            f"{counts['wrongly accepted']} wrongly accepted, {counts['hang']} hangs"
        )
    assert not bad, "\n".join(bad)
    assert counts.total() >= 1000


# What an annotation does not say.


def fresh(learner, observation=1, action=2):
    """A theta of a learner."""
    return learner.init_theta(KEY, Sizes(observation, action))


def everyone():
    """Learners by name, each with options of its own."""
    return {
        "symla": symla(hidden=3, message=2),
        "symla with two layers": symla(hidden=3, message=2, layers=2),
        "metarnn": metarnn(hidden=3),
        "maml": maml(hidden=(2,)),
        "lpg": lpg(hidden=(2,), units=2, predictions=2),
        "metagenrl": metagenrl(hidden=(2,), units=2),
        "actor_critic": actor_critic(),
    }


@pytest.mark.parametrize("name", everyone())
def test_a_theta_of_another_learner_is_refused_by_all_functions(name):
    learner, environment = everyone()[name], independent_arms(2)
    sizes = environment.sizes
    own = fresh(learner)
    h, x = learner.init_state(own, KEY, sizes), first_input(jnp.zeros(1), sizes)
    outer = Outer(ES(2, 0.1), 0.1, 1, 2, 1)
    others = [fresh(other) for other_name, other in everyone().items() if other_name != name]
    others += [
        fresh(symla(hidden=4, message=2)),
        MetaTrained(own, {}, {}, 0.0),
        None,
        3,
        "x",
        [own],
    ]
    calls = {
        "init_state": lambda theta: learner.init_state(theta, KEY, sizes),
        "step": lambda theta: learner.step(theta, h, x),
        "live": lambda theta: live(learner, environment, 2, theta, KEY),
        "meta_test": lambda theta: meta_test(learner, theta, environment, 2, 2, 0),
        "meta_train": lambda theta: meta_train(
            learner, environment, outer, 0, start=theta, progress=False
        ),
    }
    for theta in others:
        for called, call in calls.items():
            if called == "meta_train" and theta is None:
                continue  # it initialises one
            found, said = outcome(functools.partial(call, theta), None)
            assert "theta" in said or "start" in said
            assert found == "refused", (called, checks.shown(theta), said)
    for state in (None, 3, {}, own):
        assert outcome(functools.partial(learner.step, own, state, x), None)[0] == "refused"
    for strange in (None, 3, x._replace(o=jnp.zeros((2, 1))), x._replace(r=jnp.zeros(2)), x[:3]):
        assert outcome(functools.partial(learner.step, own, h, strange), None)[0] == "refused"


@pytest.mark.parametrize("environment", [independent_arms(2), environments.named("hearts-2")])
def test_environments_refuse_what_is_none_of_theirs(environment):
    task = environment.draw_task(KEY)
    state, _ = environment.reset(KEY, task)
    other = environments.named("linear-4-4").draw_task(KEY)
    for call in (
        lambda: environment.draw_task(3),
        lambda: environment.reset(None, task),
        lambda: environment.reset(KEY, other),
        lambda: environment.step(KEY, other, state, 0),
        lambda: environment.step(KEY, task, other, 0),
        *(
            lambda action=action: environment.step(KEY, task, state, action)
            for action in (None, 0.5, "x", -1, 9, True, jnp.zeros(2, int), jnp.ones(()))
        ),
    ):
        found, said = outcome(call, None)
        assert found == "refused", said


ENVIRONMENT = independent_arms(2)
OUTER = Outer(ES(4, 0.1), 0.1, 2, 5, 2)
TRAINING = studies.Training("a", metarnn(hidden=2), ENVIRONMENT, OUTER)
X, Y = np.ones((2, 3)), np.ones((2, 2))

CASES = [
    ("steps", lambda: dataclasses.replace(OUTER, steps=INF)),
    ("length", lambda: dataclasses.replace(OUTER, length=2.5)),
    ("population", lambda: ES(7, 0.1)),
    ("sigma", lambda: ES(4, 1e-300)),
    ("keys", lambda: evolution.pair_fitness(
        lambda x, k: 0.0, jnp.ones(3), jnp.ones((4, 3)), 0.1, jax.random.split(KEY, 3), 2)),
    ("eps", lambda: evolution.pair_fitness(
        lambda x, k: 0.0, jnp.ones(2), jnp.ones((4, 3)), 0.1, jax.random.split(KEY, 4), 2)),
    ("fitness", lambda: evolution.gradient(jnp.ones((3, 9)), jnp.ones((4, 2)), 0.1)),
    ("fitness", lambda: evolution.gradient(jnp.ones((3, 9)), jnp.ones((3, 3)), 0.1)),
    ("fitness", lambda: evolution.shape(jnp.ones(1), "ranks")),
    ("fitness", lambda: evolution.shape(jnp.ones((3, 3)), "differences")),
    ("obstacles", lambda: environments.dense_grid(3, 9)),
    ("obstacles", lambda: environments.dense_grid(3, 7.0)),
    ("side", lambda: environments.dense_grid(10**6)),
    ("states", lambda: environments.random_mdp(2, 2, goals=True)),
    ("parts", lambda: environments.Mixture(())),
    ("parts", lambda: environments.Mixture((environments.Part(ENVIRONMENT),) * 2)),
    ("population", lambda: meta_train(
        TRAINING.learner,
        environments.Mixture((environments.Part(ENVIRONMENT),
                              environments.Part(independent_arms(3), 2))),
        OUTER, 0, progress=False)),
    ("seeds", lambda: studies.Scale((TRAINING,), (), 10, 10)),
    ("seeds", lambda: studies.Scale((TRAINING,), (0, 0), 10, 10)),
    ("seeds[0]", lambda: studies.Scale((TRAINING,), (-1,), 10, 10)),
    ("trainings", lambda: studies.Scale((), (0,), 10, 10)),
    ("trainings", lambda: studies.Scale((TRAINING, TRAINING), (0,), 10, 10)),
    ("test_lifetimes", lambda: studies.Scale((TRAINING,), (0,), -10, 10)),
    ("test_length", lambda: studies.Scale((TRAINING,), (0,), 10, 15)),
    ("name", lambda: dataclasses.replace(TRAINING, name="a/b")),
    ("tests of a", lambda: studies.Study(
        "s", "", lambda x: x.reward,
        lambda t: (studies.Test("t", t.learner, ENVIRONMENT),) * 2, (),
        {"quick": studies.Scale((TRAINING,), (0,), 10, 10)})),
    ("level", lambda: meta_testing.interval(X, level=95)),
    ("values", lambda: meta_testing.interval(np.ones((0, 0)))),
    ("values", lambda: meta_testing.interval(np.ones(3))),
    ("none", lambda: meta_testing.share_of_gap(X, 1.0, X)),
    ("measure", lambda: meta_test(
        TRAINING.learner, fresh(TRAINING.learner), ENVIRONMENT, 2, 2, 0, lambda x: None)),
    ("length", lambda: live(
        TRAINING.learner, ENVIRONMENT, 2**31 - 1, fresh(TRAINING.learner), KEY)),
    ("lifetimes", lambda: meta_test(
        TRAINING.learner, fresh(TRAINING.learner), ENVIRONMENT, 10**6, 10**6, 0)),
    ("memory", lambda: meta_train(
        symla(hidden=10**6), ENVIRONMENT, OUTER, 0, progress=False)),
    ("hidden", lambda: fresh(symla(hidden=10**6))),
    ("on", lambda: meta_train(TRAINING.learner, ENVIRONMENT, OUTER, 0, on=[], progress=False)),
    ("on[0]", lambda: meta_train(TRAINING.learner, ENVIRONMENT, OUTER, 0, on=[3], progress=False)),
    ("rho", lambda: backprop.permute((X,), [0, 0])),
    ("rho_out", lambda: backprop.permute((X,), None, [0, 0.5, 1])),
    ("weights", lambda: backprop.forward((X, X), np.ones(2))),
    ("weights", lambda: backprop.forward((), np.ones(2))),
    ("weights[0]", lambda: backprop.forward((np.full((2, 3), NAN),), np.ones(2))),
    ("alpha", lambda: backprop.update((X,), (np.ones(2), np.ones(3)), (np.ones(3),), NAN)),
    ("alpha", lambda: backprop.update((X,), (np.ones(2), np.ones(3)), (np.ones(3),), 0)),
    ("objective", lambda: backprop.initial_error(lambda y, a, R: None, Y, Y, np.ones(2))),
    ("R", lambda: backprop.policy_gradient(Y, Y, np.ones(3))),
    ("sizes", lambda: backprop.init_weights(KEY, (3,))),
    ("sizes[1]", lambda: backprop.init_weights(KEY, (3, 0))),
    ("actions", lambda: bandits.expected_regret(np.ones(2), np.array([0, 5]))),
    ("actions", lambda: bandits.expected_regret(np.ones(2), np.array([0.5]))),
    ("actions", lambda: symmetry.permutation(
        TRAINING.learner, fresh(TRAINING.learner, 3, 4), KEY, actions=[0, 0, 1, 2])),
    ("sizes", lambda: symmetry.shared_rule(TRAINING.learner, [Sizes(1, 2)] * 2)),
    ("sizes[1].action", lambda: symmetry.shared_rule(TRAINING.learner, [(1, 2), (2, -1)])),
    ("outputs", lambda: classification.classification(
        "x", classification.clusters, (0, 1), 2, 4, 1)),
    ("ways", lambda: classification.classification("x", classification.clusters, (0, 1), 3, 4)),
    ("parts", lambda: figures.course(np.ones((2, 4, 10)), 100, parts=3)),
    ("regret", lambda: figures.heat_maps({"symla": X}, {"bayes_optimal": [1.0]}, ["a"])),
    ("references", lambda: figures.heat_maps({"symla": X}, {}, ["a"])),
    ("unit", lambda: figures.heat_maps({"symla": [[1.0]]}, {"ucb": [1.0]}, ["a"], unit="random")),
    ("about", lambda: checkpoint.save("x", {}, {"a": np.int64(3)})),
    ("array", lambda: RECORDED().stack("symla-easy", "nothing")),
    ("training", lambda: RECORDED().stack("nobody", "easy/blocks")),
    ("none", lambda: claims.on("nobody", "grid")),
    ("study", lambda: notebook.setup("poker")),
    ("scale", lambda: studies.STUDIES["bandits"].scale("huge")),
    ("jobs", lambda: studies.run_study(studies.STUDIES["bandits"], "quick", "x", jobs=0)),
    ("process", lambda: devices.join("here:1", 2, 2)),
    ("choices", lambda: explorers.explorer(plt.figure, alt=str)),
    ("n", lambda: explorers.explorer(plt.figure, alt=str, n=[1])),
    ("play", lambda: explorers.explorer(plt.figure, alt=str, play="no", n=[1, 2])),
]  # fmt: skip


def RECORDED():
    """Records that come with the package."""
    return results.load(studies.STUDIES["bandits"])


@pytest.mark.parametrize("argument, call", CASES, ids=[f"{i}" for i in range(len(CASES))])
def test_what_the_types_allow_and_sense_does_not_is_refused(argument, call, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    found, said = outcome(call, None)
    assert found == "refused", (argument, found, said)
    assert list(tmp_path.iterdir()) == []


def test_numbers_of_numpy_become_those_of_python():
    learner = symla(hidden=np.int64(3), initial_std=np.float32(0.5), end_flag=np.True_)
    outer = Outer(ES(np.int32(4), np.float64(0.1)), np.float32(0.5), np.int8(2), 5, np.uint8(2))
    plain = meta_training.describe(learner, independent_arms(np.int16(2)), outer, np.uint32(7))
    assert json.loads(json.dumps(plain)) == plain


# The command line.

TEXTS = {
    command_line.whole: ("", "x", "2.5", "nan", "inf", "-1", "0", "1e3", "9" * 30, "9" * 5000),
    command_line.number: ("", "x", "nan", "inf", "-inf", "-1", "0", "1e400", "1e-300"),
    command_line.path: ("", "/dev/null/x"),
    None: ("", "casino", "3", "None"),
}
SAID_BEFORE = re.compile(r"(symla|metarnn) on |.*%\||$")
"""What meta-training needs, and progress bars."""
FINE = {("--seed", "0"), ("--distributed", "")}


def commands():
    """Command lines with one wrong argument each, made from what the parser knows; and others."""
    subparsers = next(a for a in command_line.parser()._actions if a.dest == "command")
    for command, parser in subparsers.choices.items():
        given = {
            "study": ["study", "bandits"],
            "train": ["train", "run"],
            "play": ["play", "CartPole-v1"],
        }[command]
        yield [command]
        yield [*given, "too much"]
        yield [*given, "--casino"]
        for action in parser._actions:
            option = action.option_strings[-1] if action.option_strings else None
            if option == "--help":
                continue
            if option:
                yield [*given, option] if action.nargs != "*" else [*given, option, "one"]
            for text in TEXTS[action.type]:
                if (option, text) not in FINE:
                    yield [*given, option, text] if option else [command, text]
    yield []
    yield [""]
    yield ["poker"]
    yield ["train", "."]
    yield ["study", "bandits", "--scale", "huge"]
    yield ["play", "Pendulum-v1"]
    yield ["play", "LunarLander-v3"]
    yield ["play", "CartPole-v1", "--agent", "observation_spaces/standard/metarnn-acrobot-0"]
    yield ["play", "CartPole-v1", "--out", "curve.pdf"]
    yield ["play", "CartPole-v1", "--record", "nowhere/x.safetensors"]
    yield ["play", "CartPole-v1", "--record", "x.safetensors", "--steps", "15"]
    yield ["train", "run", "--hidden", "2000000000"]
    yield ["train", "run", "--length", "2000000000"]
    yield ["train", "run", "--population", "7"]
    yield ["train", "run", "--distributed", "here:1", "2", "2"]
    yield ["train", "run", "--distributed", "here:1", "2", "x"]


@pytest.mark.slow
def test_wrong_command_lines_end_with_status_2_and_a_sentence(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    bad, lines = [], list(commands())
    for arguments in lines:
        monkeypatch.setattr(sys, "argv", ["symla_lite", *arguments])
        status, trace = None, ""
        try:
            status = command_line.main()
        except SystemExit as end:
            status = end.code
        except BaseException as error:
            trace = repr(error)
        said = capsys.readouterr()
        after = [line for line in said.err.splitlines() if not SAID_BEFORE.match(line)]
        one = len(after) == 1 and after[0].startswith("error: ") and after[0].endswith(".")
        if status != 2 or said.out or not one or len(said.err) > 2000:
            bad.append(f"{arguments!r:.100}: {status} {trace} {said.err[-300:]!r}")
        if list(tmp_path.iterdir()):
            bad.append(f"{arguments!r:.100} left {list(tmp_path.iterdir())}")
            break
    with capsys.disabled():
        print(f"\n{len(lines)} command lines, {len(bad)} of them not refused in one sentence")
    assert not bad, "\n".join(bad)


@pytest.mark.slow
def test_the_shell_sees_the_status_too(tmp_path):
    found = subprocess.run(
        [sys.executable, "-m", "symla_lite", "train", "run", "--seed", "-1"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert found.returncode == 2 and found.stdout == ""
    assert found.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in found.stderr
