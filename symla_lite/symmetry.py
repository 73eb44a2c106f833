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
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from symla_lite.backprop import check_permutation
from symla_lite.learner import Input, Learner, Sizes, Theta, count

TOLERANCE = 1e-4
"""What rounding may add up to in the logits of a lifetime, relative to their range if that is more
than 1."""

SIZES = Sizes(3, 4)
"""Sizes of the lifetimes that are permuted when none are named."""

OTHERS = (Sizes(1, 2), Sizes(5, 3), Sizes(2, 12))
"""Sizes to try theta at when none are named."""


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


def shared_rule(learner: Learner, sizes: Sequence[Sizes] = OTHERS) -> AtSizes:
    """Symmetry 1: do the number and the shapes of meta-parameters depend on the sizes?

    Nothing is computed but shapes.

    Args:
        learner: any.
        sizes: at least two different pairs; theta at each is compared with theta at the first.

    Raises:
        ValueError: a size below 1, or nothing to compare.
    """
    sizes = checked(sizes)
    if len(set(sizes)) < 2:
        raise ValueError(f"sizes={list(map(tuple, sizes))}: give at least two different pairs.")

    def shapes(s):
        theta = jax.eval_shape(lambda key: learner.init_theta(key, s), jax.random.key(0))
        return count(theta), jax.tree.map(jnp.shape, theta)

    found = [trying(shapes, s) for s in sizes]
    counts = [None if refusal else value[0] for value, refusal in found]
    reasons = [
        refusal or ("" if value == found[0][0] else f"Theta has other shapes at {words(s)}.")
        for s, (value, refusal) in zip(sizes, found)
    ]
    return AtSizes(not any(reasons), sizes, tuple(counts), tuple(reasons))


def other_sizes(
    learner: Learner,
    theta: Theta,
    key: jax.Array,
    sizes: Sequence[Sizes] = OTHERS,
    length: int = 20,
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
    sizes = checked(sizes)

    def trouble(s):
        logits = np.asarray(answers(learner, theta, key, told[s]))
        if logits.shape != (length, s.action):
            return f"It gave logits {list(logits.shape[1:])} for {s.action} actions."
        return "" if np.all(np.isfinite(logits)) else f"Its logits are not finite at {words(s)}."

    told = {s: history(key, s, length) for s in sizes}
    found = [trying(trouble, s) for s in sizes]
    reasons = tuple(refusal or value for value, refusal in found)
    counts = tuple(None if refusal else count(theta) for _, refusal in found)
    return AtSizes(not any(reasons), sizes, counts, reasons)


def permutation(
    learner: Learner,
    theta: Theta,
    key: jax.Array,
    told: Input | None = None,
    sizes: Sizes = SIZES,
    length: int = 100,
    observations: Sequence[int] | None = None,
    actions: Sequence[int] | None = None,
    births: int = 128,
    level: float = 0.01,
) -> Permutation:
    """Symmetry 3: do permuted inputs and actions give permuted logits, over a whole lifetime?

    The history is given twice to each of 2 * births learners: as it is, and permuted. If all pairs
    agree, the symmetry is exact. Otherwise `p_value` compares the first half of the learners after
    the plain history with the second half after the permuted one: two independent samples.

    Args:
        learner: any.
        theta: its meta-parameters. Logits of a fresh theta are small; take a meta-trained one, or
            `rough_theta`, where there is a choice.
        key: of initial states, history and test.
        told: the history, stacked over time as `history` does; None draws one.
        sizes: A and B of the history that is drawn.
        length: L of the history that is drawn.
        observations: rho, a permutation of 0 ... A - 1: input a of the permuted lifetime is the
            plain lifetime's input rho(a). None shifts all by one.
        actions: rho', the same of 0 ... B - 1.
        births: initial states in each sample. More of them find smaller differences.
        level: a p-value below it is a "no".

    Raises:
        ValueError: a permutation that is none, a size or length below 1, too few births, a level
            that is no probability, or theta does not fit.
    """
    if births < 2:
        raise ValueError(f"births={births} is no sample of a distribution: give at least 2.")
    if not 0 < level < 1:
        raise ValueError(f"level={level} is no probability: give one between 0 and 1.")
    key_history, key_births, key_test = jax.random.split(key, 3)
    if told is None:
        told = history(key_history, sizes, length)
    sizes = sizes_of(told)
    rho, rho_out = (
        np.roll(np.arange(n), 1) if order is None else np.asarray(check_permutation(order, n))
        for order, n in zip((observations, actions), sizes)
    )
    live = jax.vmap(functools.partial(answers, learner), in_axes=(None, 0, None))
    keys = jax.random.split(key_births, 2 * births)
    plain = np.asarray(live(theta, keys, told))

    def compare(rho, rho_out):
        moved = np.asarray(live(theta, keys, permuted(told, rho, rho_out)))
        back = moved[..., np.argsort(rho_out)]
        error, extent = float(np.max(np.abs(plain - back))), float(np.ptp(plain))
        rounding = TOLERANCE * max(1.0, extent)
        if error <= rounding:
            return Reordered("exact", error, extent, p_value=1.0)
        p = p_value(key_test, plain[:births], back[births:], rounding)
        return Reordered("in distribution" if p >= level else "no", error, extent, p)

    same = [np.arange(n) for n in sizes]
    cases = compare(rho, same[1]), compare(same[0], rho_out), compare(rho, rho_out)
    return Permutation(all(case.verdict != "no" for case in cases), *cases)


def p_value(key: jax.Array, x: np.ndarray, y: np.ndarray, noise: float) -> float:
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

    def looks(lives):
        lives = lives + noise * rng.normal(size=lives.shape)
        flat = lives.reshape(len(lives), -1)
        return np.hstack([lives[:, steps].reshape(len(lives), -1), flat @ weights])

    single = stats.ks_2samp(looks(x), looks(y), axis=0, method="asymp").pvalue
    return float(np.minimum(1.0, single.size * np.min(single)))  # not a number stays none


def symmetries(
    learner: Learner,
    key: jax.Array,
    theta: Theta | None = None,
    sizes: Sizes = SIZES,
    others: Sequence[Sizes] = OTHERS,
) -> Symmetries:
    """All three measurements with their usual settings.

    Args:
        learner: any.
        key: everything random in them.
        theta: its meta-parameters for `sizes`; None draws a `rough_theta`.
        sizes: A and B of theta, and of the lifetimes that are permuted.
        others: sizes to compare theta's shapes with and to try theta at.

    Raises:
        ValueError: see `shared_rule`, `other_sizes` and `permutation`.
    """
    key_theta, key_sizes, key_permutation = jax.random.split(key, 3)
    if theta is None:
        theta = rough_theta(learner, key_theta, sizes)
    rule = shared_rule(learner, (sizes, *others))
    size = other_sizes(learner, theta, key_sizes, others)
    order = permutation(learner, theta, key_permutation, sizes=sizes)
    return Symmetries(rule.holds and size.holds and order.holds, rule, size, order)


def history(key: jax.Array, sizes: Sizes, length: int) -> Input:
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
    (sizes,) = checked([sizes])
    if length < 1:
        raise ValueError(f"A lifetime takes time: length={length}, give at least 1.")
    key_o, key_r, key_a, key_end = jax.random.split(key, 4)
    action = jax.random.randint(key_a, (length,), 0, sizes.action)
    end = jax.random.bernoulli(key_end, 0.1, (length,)).astype(jnp.float32)
    r = jax.random.bernoulli(key_r, 0.5, (length,)).astype(jnp.float32)
    before = jnp.concatenate([jnp.ones(1), end[:-1]])
    return Input(
        o=jax.random.normal(key_o, (length, sizes.observation)),
        r=jnp.where(before > 0, 0.0, r),
        a=jax.nn.one_hot(action, sizes.action).at[0].set(0.0),
        end=end,
    )


def permuted(told: Input, observations: Sequence[int], actions: Sequence[int]) -> Input:
    """The same history for a learner whose inputs and outputs are connected in another order.

    Args:
        told: inputs of any leading shape: o [..., A], a [..., B].
        observations: rho, a permutation of 0 ... A - 1; input a becomes what input rho(a) was.
        actions: rho', the same of 0 ... B - 1.

    Raises:
        ValueError: a permutation that is none.
    """
    A, B = sizes_of(told)
    rho, rho_out = check_permutation(observations, A), check_permutation(actions, B)
    return told._replace(o=told.o[..., rho], a=told.a[..., rho_out])


@functools.partial(jax.jit, static_argnums=0)
def answers(learner: Learner, theta: Theta, key: jax.Array, told: Input) -> jax.Array:
    """The logits of a lifetime whose history is fixed.

    Args:
        learner: any.
        theta: its meta-parameters.
        key: of the initial state.
        told: its inputs, stacked over time, [L, ...].

    Returns:
        Logits [L, B].

    Raises:
        ValueError: a history of another rank, or theta does not fit its sizes.
    """
    if told.o.ndim != 2 or told.a.ndim != 2:
        raise ValueError(
            f"A history is stacked over time, o [L, A] and a [L, B]: here o is "
            f"{list(told.o.shape)} and a {list(told.a.shape)}; give one lifetime's."
        )
    h = learner.init_state(theta, key, sizes_of(told))
    return jax.lax.scan(lambda h, x: learner.step(theta, h, x)[::-1], h, told)[1]


def rough_theta(learner: Learner, key: jax.Array, sizes: Sizes, scale: float = 0.3) -> Theta:
    """A fresh theta with normal noise on every number in it.

    Fresh biases are zero, and zeros would hide what they could break.

    Args:
        learner: whose.
        key: all that is random.
        sizes: A and B.
        scale: standard deviation of the noise.
    """
    key_init, key_noise = jax.random.split(key)
    leaves, tree = jax.tree.flatten(learner.init_theta(key_init, *checked([sizes])))
    keys = jax.random.split(key_noise, len(leaves) + 1)
    noisy = [x + scale * jax.random.normal(k, x.shape) for x, k in zip(leaves, keys)]
    return jax.tree.unflatten(tree, noisy)


def trying(measure: Callable[[Sizes], Any], sizes: Sizes) -> tuple[Any, str]:
    """What a measurement found, and the learner's message where it refused."""
    try:
        return measure(sizes), ""
    except ValueError as refusal:
        return None, str(refusal)


def checked(sizes: Sequence[Sizes]) -> tuple[Sizes, ...]:
    """Pairs of sizes, if they are any."""
    sizes = tuple(Sizes(*s) for s in sizes)
    for s in sizes or [()]:
        if min(s, default=0) < 1:
            raise ValueError(f"A learner needs inputs and actions: {tuple(s)}, give at least 1.")
    return sizes


def sizes_of(told: Input) -> Sizes:
    """A and B of a history."""
    return Sizes(observation=told.o.shape[-1], action=told.a.shape[-1])


def words(sizes: Sizes) -> str:
    """Sizes in words."""
    return f"{sizes.observation} inputs and {sizes.action} actions"
