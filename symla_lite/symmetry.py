"""The three symmetries, as measurements that take any learner.

The paper (section "Symmetries in Meta RL") finds three symmetries in learning by backpropagation
and asks for them in black boxes:

1. one learning rule, applied everywhere: theta does not depend on the sizes (`shared_rule`);
2. any sizes: the same theta runs with other numbers of inputs and actions (`other_sizes`);
3. no order: permuting inputs and actions permutes what is learned (`permutation`).

The third needs a lifetime that two learners share. It is replayed: the learner receives a fixed
history, and then the same history with its observations and its previous actions in another order
and the same rewards and ends. Its logits must be the same in that other order. For a learner whose
initial state is not random this is exact, up to rounding. For one with i.i.d. random initial states
or weights it can only hold in distribution over initial states, and a two-sample test decides.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from symla_lite.backprop import check_permutation
from symla_lite.checks import FILLED, MAY_BE_NAN, Count, Key, NotNegative, Positive, Range, Share
from symla_lite.learner import Input, Learner, Sizes, Theta, count

TOLERANCE = 1e-4
"""What rounding may add up to in the logits of a lifetime, relative to their range if that is more
than 1."""

SIZES = Sizes(3, 4)
"""Sizes of the lifetimes that are permuted when none are named."""

OTHERS = (Sizes(1, 2), Sizes(5, 3), Sizes(2, 12))
"""Sizes to try theta at when none are named."""


AtLeastOne = Annotated[Sequence[Sizes], FILLED]


class AtSizes(NamedTuple):
    """What was found at several pairs of sizes (`shared_rule`, `other_sizes`)."""

    holds: bool
    """All is well at all of them."""
    sizes: tuple[Sizes, ...]
    """What was tried."""
    counts: tuple[int | None, ...]
    """The number of meta-parameters there; None where the learner refuses."""
    reasons: tuple[str, ...]
    """What is wrong there, in the learner's own words where it refused; empty where all is well."""


class Reordered(NamedTuple):
    """What one permutation does to the logits of a lifetime."""

    verdict: Literal["exact", "in distribution", "no"]
    error: float
    """The largest difference, over initial states, steps and actions, between the logits after the
    permuted history, put back in order, and those after the plain one, with the same key."""
    range: float
    """Largest less smallest logit of the plain lifetimes: what the error is to be compared with."""
    p_value: float
    """Of the two-sample test between initial states. 1 where the verdict is exact."""


class Permutation(NamedTuple):
    """Whether the order of inputs and of actions matters."""

    holds: bool
    """No verdict is "no"."""
    observations: Reordered
    """Inputs permuted; trivially exact where there is only one."""
    actions: Reordered
    both: Reordered


class Symmetries(NamedTuple):
    """All three."""

    holds: bool
    """All three hold: a check mark in the last row of the paper's Table 1."""
    shared_rule: AtSizes
    other_sizes: AtSizes
    permutation: Permutation


def shared_rule(learner: Learner, sizes: AtLeastOne = OTHERS) -> AtSizes:
    """Symmetry 1: do the number and the shapes of meta-parameters depend on the sizes?

    Nothing is computed but shapes.

    Args:
        learner: any.
        sizes: at least two different pairs; theta at each is compared with theta at the first.

    Raises:
        ValueError: a size below 1, or nothing to compare.
    """
    sizes = tuple(sizes)
    if len(set(sizes)) < 2:
        raise ValueError(f"sizes={list(map(tuple, sizes))}: give at least two different pairs.")

    def shapes(s):
        theta = jax.eval_shape(lambda key: learner.init_theta(key, s), jax.random.key(0))
        return count(theta), jax.tree.map(jnp.shape, theta)

    found = [attempt(shapes, s) for s in sizes]
    counts = [None if refusal else value[0] for value, refusal in found]
    reasons = [
        refusal or ("" if value == found[0][0] else f"Theta has other shapes at {describe(s)}.")
        for s, (value, refusal) in zip(sizes, found)
    ]
    return AtSizes(not any(reasons), sizes, tuple(counts), tuple(reasons))


def other_sizes(
    learner: Learner,
    theta: Theta,
    key: Key,
    sizes: AtLeastOne = OTHERS,
    length: Count = 20,
) -> AtSizes:
    """Symmetry 2: does the same theta run at other sizes? It is tried.

    Args:
        learner: any.
        theta: its meta-parameters, made for or meta-trained at whatever sizes.
        key: of the initial states and the histories.
        sizes: to try.
        length: steps to try it for.

    Raises:
        ValueError: a size or `length` below 1, or no sizes. A `ValueError` of the learner's is no
            error here but the answer.
    """

    def trouble(s):
        logits = np.asarray(replay_logits(learner, theta, key, inputs[s]))
        return "" if np.all(np.isfinite(logits)) else f"Its logits are not finite at {describe(s)}."

    inputs = {s: history(key, s, length) for s in sizes}
    found = [attempt(trouble, s) for s in sizes]
    reasons = tuple(refusal or value for value, refusal in found)
    counts = tuple(None if refusal else count(theta) for _, refusal in found)
    return AtSizes(not any(reasons), tuple(sizes), counts, reasons)


def permutation(
    learner: Learner,
    theta: Theta,
    key: Key,
    inputs: Input | None = None,
    sizes: Sizes = SIZES,
    length: Count = 100,
    observations: Annotated[jax.Array, "A"] | None = None,
    actions: Annotated[jax.Array, "B"] | None = None,
    initial_states: Annotated[int, Range(least=2)] = 128,
    level: Share = 0.01,
) -> Permutation:
    """Symmetry 3: do permuted inputs and actions give permuted logits, over a whole lifetime?

    The history is given twice to each of 2 * initial_states learners: as it is, and permuted. If
    all pairs agree, the symmetry is exact. Otherwise `p_value` compares the first half of the
    learners after the plain history with the second half after the permuted one: two independent
    samples.

    Args:
        learner: any.
        theta: its meta-parameters. Logits of a fresh theta are small; take a meta-trained one, or
            `random_theta`, where there is a choice.
        key: of initial states, history and test.
        inputs: the history, stacked over time as `history` does; None draws one.
        sizes: A and B of the history that is drawn.
        length: L of the history that is drawn.
        observations: rho, a permutation of 0 ... A - 1: input a of the permuted lifetime is the
            plain lifetime's input rho(a). None shifts all by one.
        actions: rho', the same of 0 ... B - 1.
        initial_states: size of each of the two samples. More of them find smaller differences.
        level: a p-value below it is a "no".

    Raises:
        ValueError: a permutation that is none, a size or length below 1, too few initial states, a
            level that is no probability, or theta does not fit.
    """
    key_history, key_states, key_test = jax.random.split(key, 3)
    if inputs is None:
        inputs = history(key_history, sizes, length)
    sizes = sizes_of(inputs)
    rho, rho_out = (
        np.roll(np.arange(n), 1) if order is None else np.asarray(check_permutation(order, n, name))
        for order, n, name in zip((observations, actions), sizes, ("observations", "actions"))
    )
    replay = jax.vmap(functools.partial(replay_logits, learner), in_axes=(None, 0, None))
    keys = jax.random.split(key_states, 2 * initial_states)
    plain = np.asarray(replay(theta, keys, inputs))

    def compare(rho, rho_out):
        moved = np.asarray(replay(theta, keys, permuted(inputs, rho, rho_out)))
        back = moved[..., np.argsort(rho_out)]
        error, extent = float(np.max(np.abs(plain - back))), float(np.ptp(plain))
        rounding = TOLERANCE * max(1.0, extent)
        if error <= rounding:
            return Reordered("exact", error, extent, p_value=1.0)
        p = p_value(key_test, plain[:initial_states], back[initial_states:], rounding)
        return Reordered("in distribution" if p >= level else "no", error, extent, p)

    same = [np.arange(n) for n in sizes]
    cases = compare(rho, same[1]), compare(same[0], rho_out), compare(rho, rho_out)
    return Permutation(all(case.verdict != "no" for case in cases), *cases)


def p_value(
    key: Key,
    x: Annotated[np.ndarray, "n L B", MAY_BE_NAN],
    y: Annotated[np.ndarray, "m L B", MAY_BE_NAN],
    noise: NotNegative,
) -> float:
    """How probable it is that two samples of one distribution differ as much as these.

    The test of Kolmogorov and Smirnov compares samples of single numbers, so lifetimes are compared
    one number at a time: each action's logit at the ends of five equal parts of the lifetime,
    and eight random mixtures of all logits, in which joint changes show, too. The smallest p-value
    is multiplied by the number of comparisons (Bonferroni).

    Args:
        key: mixtures and noise.
        x: one sample, [n, L, B].
        y: the other, [m, L, B].
        noise: standard deviation of what is added to all logits. Where initial states hardly
            differ, the test would compare no more than another order of rounding.
    """
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    length, actions = x.shape[1:]
    steps = np.unique(np.ceil(np.linspace(0, length, 6)[1:]).astype(int) - 1)
    weights = rng.normal(size=(length * actions, 8))

    def statistics(logits):
        logits = logits + noise * rng.normal(size=logits.shape)
        flat = logits.reshape(len(logits), -1)
        return np.hstack([logits[:, steps].reshape(len(logits), -1), flat @ weights])

    single = stats.ks_2samp(statistics(x), statistics(y), axis=0, method="asymp").pvalue
    return float(np.minimum(1.0, single.size * np.min(single)))  # not a number stays none


def symmetries(
    learner: Learner,
    key: Key,
    theta: Theta | None = None,
    sizes: Sizes = SIZES,
    others: AtLeastOne = OTHERS,
) -> Symmetries:
    """All three measurements with their usual settings.

    Args:
        learner: any.
        key: everything random in them.
        theta: its meta-parameters for `sizes`; None draws a `random_theta`.
        sizes: A and B of theta, and of the lifetimes that are permuted.
        others: sizes to compare theta's shapes with and to try theta at.

    Raises:
        ValueError: see `shared_rule`, `other_sizes` and `permutation`.
    """
    key_theta, key_sizes, key_permutation = jax.random.split(key, 3)
    if theta is None:
        theta = random_theta(learner, key_theta, sizes)
    rule = shared_rule(learner, (sizes, *others))
    size = other_sizes(learner, theta, key_sizes, others)
    order = permutation(learner, theta, key_permutation, sizes=sizes)
    return Symmetries(rule.holds and size.holds and order.holds, rule, size, order)


def history(key: Key, sizes: Sizes, length: Count) -> Input:
    """Inputs of a lifetime in no environment in particular.

    Observations are standard normal, actions uniform, rewards 0 or 1 with equal probability, and
    every tenth step or so ends an episode. As in any lifetime nothing is done or earned before the
    first step, and nothing is earned by the action at an episode's end.

    Args:
        key: all of it.
        sizes: A and B.
        length: L, at least 1.

    Returns:
        Inputs stacked over time: o [L, A], r [L], a [L, B], end [L].

    Raises:
        ValueError: a size or `length` below 1.
    """
    key_o, key_r, key_a, key_end = jax.random.split(key, 4)
    action = jax.random.randint(key_a, (length,), 0, sizes.action)
    end = jax.random.bernoulli(key_end, 0.1, (length,)).astype(float)
    r = jax.random.bernoulli(key_r, 0.5, (length,)).astype(float)
    before = jnp.concatenate([jnp.ones(1), end[:-1]])
    return Input(
        o=jax.random.normal(key_o, (length, sizes.observation)),
        r=jnp.where(before > 0, 0.0, r),
        a=jax.nn.one_hot(action, sizes.action).at[0].set(0.0),
        end=end,
    )


def permuted(
    inputs: Input, observations: Annotated[jax.Array, "A"], actions: Annotated[jax.Array, "B"]
) -> Input:
    """The same history for a learner whose inputs and outputs are connected in another order.

    Args:
        inputs: inputs of any leading shape: o [..., A], a [..., B].
        observations: rho, a permutation of 0 ... A - 1; input a becomes what input rho(a) was.
        actions: rho', the same of 0 ... B - 1.

    Raises:
        ValueError: a permutation that is none.
    """
    A, B = sizes_of(inputs)
    rho, rho_out = (
        check_permutation(order, n, name)
        for order, n, name in ((observations, A, "observations"), (actions, B, "actions"))
    )
    return inputs._replace(o=inputs.o[..., rho], a=inputs.a[..., rho_out])


@functools.partial(jax.jit, static_argnums=0)
def replay_logits(learner: Learner, theta: Theta, key: Key, inputs: Input) -> jax.Array:
    """The logits of a lifetime whose history is fixed.

    Args:
        learner: any.
        theta: its meta-parameters.
        key: of the initial state.
        inputs: its inputs, stacked over time, [L, ...].

    Returns:
        Logits [L, B].

    Raises:
        ValueError: a history of another rank, or theta does not fit its sizes.
    """
    if inputs.o.ndim != 2 or inputs.a.ndim != 2:
        raise ValueError(
            f"A history is stacked over time, o [L, A] and a [L, B]: here o is "
            f"{list(inputs.o.shape)} and a {list(inputs.a.shape)}; give one lifetime's."
        )
    h = learner.init_state(theta, key, sizes_of(inputs))
    return jax.lax.scan(lambda h, x: learner.step(theta, h, x)[::-1], h, inputs)[1]


def random_theta(learner: Learner, key: Key, sizes: Sizes, scale: Positive = 0.3) -> Theta:
    """A fresh theta with normal noise on every number in it.

    Fresh biases are zero, and zeros would hide what they could break.

    Args:
        learner: whose.
        key: all that is random.
        sizes: A and B.
        scale: standard deviation of the noise.
    """
    key_init, key_noise = jax.random.split(key)
    leaves, tree = jax.tree.flatten(learner.init_theta(key_init, sizes))
    keys = jax.random.split(key_noise, len(leaves) + 1)
    noisy = [x + scale * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys)]
    return jax.tree.unflatten(tree, noisy)


def attempt(measure: Callable[[Sizes], Any], sizes: Sizes) -> tuple[Any, str]:
    """What a measurement found, and the learner's message where it refused."""
    try:
        return measure(sizes), ""
    except ValueError as refusal:
        return None, str(refusal)


def sizes_of(inputs: Input) -> Sizes:
    """A and B of a history."""
    return Sizes(observation=inputs.o.shape[-1], action=inputs.a.shape[-1])


def describe(sizes: Sizes) -> str:
    """Sizes in words."""
    return f"{sizes.observation} inputs and {sizes.action} actions"
