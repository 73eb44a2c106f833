"""The three symmetries, as measurements that take any learner.

The paper (section "Symmetries in Meta RL") finds three symmetries in learning by backpropagation
and asks for them in black boxes:

1. one learning rule, applied everywhere: theta does not depend on the sizes (`shared_rule`);
2. any sizes: the same theta lives with other numbers of inputs and actions (`other_sizes`);
3. no order: permuting inputs and actions permutes what is learned (`permutation`).

The third needs a lifetime that two learners share. It is replayed: the learner is told a fixed
history, and then the same history with its observations and its previous actions in another order
and the same rewards and ends. What it answers must be the same logits in that other order. For a
learner whose state at birth does not depend on chance this is exact, up to rounding. For one that
is born with i.i.d. random states or weights it can only hold in distribution, over births, and a
two-sample test is the judge.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_flatten_with_path

from symla_lite.learner import Input, Learner, Sizes, Theta, count

TOLERANCE = 1e-4
"""What rounding may add up to in the logits of a lifetime, relative to their range if that is more
than 1."""

RESHUFFLES = 999
"""Of the two-sample test; its smallest p-value is one in a thousand."""

SIZES = Sizes(3, 4)
"""Sizes of the lifetimes that are permuted when none are named."""

OTHERS = (Sizes(1, 2), Sizes(5, 3), Sizes(2, 12))
"""Sizes to try theta at when none are named."""


class SharedRule(NamedTuple):
    """Whether theta depends on the sizes."""

    holds: bool
    """Every pair of sizes gives meta-parameters of the same names and shapes."""
    sizes: tuple[Sizes, ...]
    """What was compared."""
    counts: tuple[int | None, ...]
    """The number of meta-parameters at each; None where the learner refuses the sizes."""
    shapes: tuple[dict[str, tuple[int, ...]] | None, ...]
    """Their shapes by name."""
    reason: str
    """What differs; empty if nothing does."""


class OtherSizes(NamedTuple):
    """Whether one theta lives at other sizes."""

    holds: bool
    """It lives at all of them."""
    sizes: tuple[Sizes, ...]
    """What was tried."""
    ran: tuple[bool, ...]
    """Whether it gave finite logits, one for each action, at every step."""
    reasons: tuple[str, ...]
    """Why not: the learner's own words where it refused. Empty where it ran."""


class Reordered(NamedTuple):
    """What one permutation does to the logits of a lifetime."""

    verdict: Literal["exact", "in distribution", "no"]
    error: float
    """The largest difference, over births, steps and actions, between the logits after the permuted
    history and the permuted logits after the plain one, each pair born with the same key."""
    range: float
    """Largest less smallest logit of the plain lifetimes: what the error is to be compared with."""
    distance: float
    """The energy coefficient between the two distributions of logits over births, 0 (the same) to 1
    (each a point, and not the same one). 0 where the verdict is exact."""
    chance: float
    """The distance that two samples of one distribution exceed with probability `level`."""
    p_value: float
    """How often they would be as far apart as they are. 1 where the verdict is exact."""


class Permutation(NamedTuple):
    """Whether the order of inputs and of actions matters."""

    holds: bool
    """No verdict is "no"."""
    observations: Reordered
    """Inputs permuted. With one input there is no other order, and this is trivially exact."""
    actions: Reordered
    """Actions permuted."""
    both: Reordered


class Symmetries(NamedTuple):
    """All three."""

    shared_rule: SharedRule
    other_sizes: OtherSizes
    permutation: Permutation


def shared_rule(learner: Learner, sizes: Sequence[Sizes] = OTHERS) -> SharedRule:
    """Symmetry 1: do the number and the shapes of meta-parameters depend on the sizes?

    Nothing is computed but shapes.

    Args:
        learner: any.
        sizes: at least two different pairs.

    Raises:
        ValueError: a size below 1, or nothing to compare.
    """
    sizes = tuple(map(checked_sizes, sizes))
    if len(set(sizes)) < 2:
        raise ValueError(f"sizes={list(map(tuple, sizes))}: give at least two different pairs.")
    shapes, counts, reasons = [], [], []
    for s in sizes:
        try:
            theta = jax.eval_shape(lambda key, s=s: learner.init_theta(key, s), jax.random.key(0))
        except ValueError as refusal:
            shapes.append(None)
            counts.append(None)
            reasons.append(str(refusal))
            continue
        leaves, _ = tree_flatten_with_path(theta)
        shapes.append({keystr(path, simple=True, separator="/"): x.shape for path, x in leaves})
        counts.append(count(theta))
        for name in sorted(shapes[-1].keys() | (shapes[0] or {}).keys()):
            here, there = shapes[-1].get(name), (shapes[0] or {}).get(name)
            if here != there and shapes[0] is not None:
                reasons.append(f"{name} is {there} at {words(sizes[0])} and {here} at {words(s)}.")
    holds = all(x is not None and x == shapes[0] for x in shapes)
    return SharedRule(holds, sizes, tuple(counts), tuple(shapes), " ".join(reasons))


def other_sizes(
    learner: Learner,
    theta: Theta,
    key: jax.Array,
    sizes: Sequence[Sizes] = OTHERS,
    length: int = 20,
) -> OtherSizes:
    """Symmetry 2: does the same theta live at other sizes? It is tried.

    Args:
        learner: any.
        theta: its meta-parameters, made for or meta-trained at whatever sizes.
        key: its births and the histories.
        sizes: to try.
        length: steps to try it for.

    Raises:
        ValueError: a size or `length` below 1. A `ValueError` of the learner's is no error here but
            the answer.
    """
    sizes = tuple(map(checked_sizes, sizes))
    reasons = []
    for s, key_s in zip(sizes, jax.random.split(key, len(sizes))):
        key_history, key_birth = jax.random.split(key_s)
        told = history(key_history, s, length)
        try:
            logits = np.asarray(answers(learner, theta, key_birth, told))
        except ValueError as refusal:
            reasons.append(str(refusal))
            continue
        if logits.shape != (length, s.action):
            reasons.append(f"It gave logits {list(logits.shape[1:])} for {s.action} actions.")
        elif not np.all(np.isfinite(logits)):
            reasons.append(f"Its logits are not finite at {words(s)}.")
        else:
            reasons.append("")
    ran = tuple(not reason for reason in reasons)
    return OtherSizes(all(ran), sizes, ran, tuple(reasons))


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

    The lifetime is lived twice by each of 2 * births learners: as told, and permuted. If all pairs
    agree, the symmetry is exact. Otherwise the logits [L, B] of the first half after the plain
    history and those of the second half after the permuted one, put back into the plain order, are
    two independent samples, and a permutation test on their energy distance (Szekely & Rizzo, 2013)
    says whether they could come from one distribution.

    Args:
        learner: any.
        theta: its meta-parameters. Logits of a fresh theta are small; take a meta-trained one, or
            one with noise on all of it, where there is a choice.
        key: births, history and test.
        told: the history, stacked over time as `history` does; None draws one.
        sizes: A and B of the history that is drawn.
        length: L of the history that is drawn.
        observations: a permutation of 0 ... A - 1: input a of the permuted lifetime is the plain
            lifetime's input `observations[a]`. None shifts all by one.
        actions: the same of 0 ... B - 1.
        births: the size of each sample.
        level: the test's: a p-value below it is a "no".

    Raises:
        ValueError: a permutation that is none, a size or length below 1, too few births, a level
            that is no probability, or theta does not fit.
    """
    if births < 2:
        raise ValueError(f"births={births} is no sample of a distribution: give at least 2.")
    if not 1 / (RESHUFFLES + 1) < level < 1:
        raise ValueError(f"level={level}: give a probability above {1 / (RESHUFFLES + 1)}.")
    key_history, key_births, *keys_test = jax.random.split(key, 5)
    if told is None:
        told = history(key_history, sizes, length)
    sizes = Sizes(observation=told.o.shape[-1], action=told.a.shape[-1])
    observations = checked_permutation("observations", observations, sizes.observation)
    actions = checked_permutation("actions", actions, sizes.action)

    keys = jax.random.split(key_births, 2 * births)
    live = compiled(learner)
    plain = np.asarray(live(theta, keys, told), np.float64)

    def compare(key, observations, actions):
        moved = live(theta, keys, permuted(told, observations, actions))
        back = np.asarray(moved, np.float64)[..., np.argsort(actions)]
        return judge(key, plain, back, level)

    same_o, same_a = np.arange(sizes.observation), np.arange(sizes.action)
    cases = [
        compare(keys_test[0], observations, same_a),
        compare(keys_test[1], same_o, actions),
        compare(keys_test[2], observations, actions),
    ]
    return Permutation(all(case.verdict != "no" for case in cases), *cases)


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
        theta: its meta-parameters for `sizes`; None draws them and adds noise to every one, since
            zeros (the usual biases) would hide what they could break.
        sizes: A and B of theta, and of the lifetimes that are permuted.
        others: sizes to compare theta's shapes with and to try theta at.

    Raises:
        ValueError: see `shared_rule`, `other_sizes` and `permutation`.
    """
    sizes = checked_sizes(sizes)
    key_theta, key_sizes, key_permutation = jax.random.split(key, 3)
    if theta is None:
        theta = rough_theta(learner, key_theta, sizes)
    return Symmetries(
        shared_rule(learner, (sizes, *others)),
        other_sizes(learner, theta, key_sizes, others),
        permutation(learner, theta, key_permutation, sizes=sizes),
    )


def history(key: jax.Array, sizes: Sizes, length: int) -> Input:
    """What a learner could be told in a lifetime of no environment in particular.

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
    sizes = checked_sizes(sizes)
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
        observations: a permutation of 0 ... A - 1; input a becomes what input `observations[a]`
            was.
        actions: the same of 0 ... B - 1.

    Raises:
        ValueError: a permutation that is none.
    """
    observations = checked_permutation("observations", observations, told.o.shape[-1])
    actions = checked_permutation("actions", actions, told.a.shape[-1])
    return told._replace(o=told.o[..., observations], a=told.a[..., actions])


@functools.partial(jax.jit, static_argnums=0)
def answers(learner: Learner, theta: Theta, key: jax.Array, told: Input) -> jax.Array:
    """The logits of a lifetime whose history is fixed.

    Args:
        learner: who.
        theta: its meta-parameters.
        key: its birth.
        told: what it is told, stacked over time, [L, ...].

    Returns:
        Logits [L, B].

    Raises:
        ValueError: theta does not fit the history's sizes.
    """
    sizes = Sizes(observation=told.o.shape[-1], action=told.a.shape[-1])

    def step(h, x):
        logits, h = learner.step(theta, h, x)
        return h, logits

    return jax.lax.scan(step, learner.init_state(theta, key, sizes), told)[1]


@functools.lru_cache(maxsize=32)
def compiled(learner: Learner) -> Callable:
    """`(theta, keys [n], told) -> logits [n, L, B]`, compiled once however many theta are asked."""
    return jax.jit(jax.vmap(functools.partial(answers, learner), in_axes=(None, 0, None)))


def rough_theta(learner: Learner, key: jax.Array, sizes: Sizes, scale: float = 0.3) -> Theta:
    """A fresh theta with normal noise on every real number in it."""
    key_init, key_noise = jax.random.split(key)
    leaves, tree = jax.tree.flatten(learner.init_theta(key_init, sizes))
    leaves = [
        x + scale * jax.random.normal(key_leaf, jnp.shape(x))
        if jnp.isdtype(x.dtype, "real floating")
        else x
        for x, key_leaf in zip(leaves, jax.random.split(key_noise, max(len(leaves), 1)))
    ]
    return jax.tree.unflatten(tree, leaves)


def judge(key: jax.Array, plain: np.ndarray, back: np.ndarray, level: float) -> Reordered:
    """Compares lifetimes [2 * births, L, B] of learners born with the same keys."""
    error = float(np.max(np.abs(plain - back)))
    extent = float(np.max(plain) - np.min(plain))
    if error <= TOLERANCE * max(1.0, extent):
        return Reordered("exact", error, extent, distance=0.0, chance=0.0, p_value=1.0)
    births = len(plain) // 2
    samples = [plain[:births].reshape(births, -1), back[births:].reshape(births, -1)]
    distance, by_chance = energy_test(key, *samples)
    p_value = float((1 + np.sum(by_chance >= distance)) / (1 + len(by_chance)))
    verdict = "no" if p_value < level else "in distribution"
    chance = float(np.quantile(by_chance, 1 - level))
    return Reordered(verdict, error, extent, distance, chance, p_value)


def energy_test(key: jax.Array, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """How far two samples [n, D] are apart, and how far they would be if the rows of both were
    dealt out anew.

    The measure is the energy coefficient 1 - (E|X - X'| + E|Y - Y'|) / (2 E|X - Y|), zero only
    where the two distributions are one.

    Returns:
        the coefficient, and those of `RESHUFFLES` deals, [RESHUFFLES].
    """
    rows = np.concatenate([x, y])
    squares = np.sum(rows**2, axis=1)
    gaps = np.sqrt(np.maximum(squares[:, None] + squares - 2 * rows @ rows.T, 0))
    n = len(x)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    deals = rng.permuted(np.tile(np.arange(2 * n), (RESHUFFLES, 1)), axis=1)
    of_x = np.concatenate([np.arange(2 * n)[None], deals]) < n  # [1 + RESHUFFLES, 2n]
    # Sums of gaps within x, between, and within y follow from one product.
    to_x = of_x.astype(float) @ gaps
    within = np.sum(to_x * of_x, axis=1) / n**2
    between = np.sum(to_x * ~of_x, axis=1) / n**2
    other = np.sum(gaps) / n**2 - within - 2 * between
    coefficients = 1 - (within + other) / np.maximum(2 * between, np.finfo(float).tiny)
    return float(coefficients[0]), coefficients[1:]


def checked_sizes(sizes: Sizes) -> Sizes:
    """Sizes, if they are any."""
    sizes = Sizes(*sizes)
    if min(sizes) < 1:
        raise ValueError(f"A learner needs inputs and actions: {tuple(sizes)}, give at least 1.")
    return sizes


def checked_permutation(name: str, order: Sequence[int] | None, size: int) -> np.ndarray:
    """A permutation of 0 ... size - 1, if it is one; None shifts all by one."""
    if order is None:
        return np.roll(np.arange(size), 1)
    order = np.asarray(order)
    if order.shape != (size,) or not np.array_equal(np.sort(order), np.arange(size)):
        raise ValueError(
            f"{name}={order.tolist()} is no permutation: give each of 0 ... {size - 1} once."
        )
    return order.astype(int)


def words(sizes: Sizes) -> str:
    """Sizes in words."""
    return f"{sizes.observation} inputs and {sizes.action} actions"
