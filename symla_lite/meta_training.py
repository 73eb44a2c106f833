"""The outer loop: meta-training of theta by evolution strategies (the paper's Algorithm 1).

One outer step draws a population around theta, lets every member live for a few lifetimes, and
moves theta along the estimated gradient with Adam. Or theta itself lives for a few lifetimes, and
the learner is differentiated: along what it earns (`policy_gradient`), or along what a teacher says
(`imitation`). Several outer steps run in one call to the device, so that Python costs nothing.
"""

import contextlib
import dataclasses
import decimal
import functools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh
from tqdm.auto import tqdm

from symla_lite import checkpoint, devices, evolution, imitation, policy_gradient, stop
from symla_lite.checks import MAY_BE_NAN, Count, Index, NotNegative, Positive, Seed
from symla_lite.environments.environment import Environment
from symla_lite.environments.mixture import Mixture, Part
from symla_lite.evolution import ES
from symla_lite.imitation import Imitation
from symla_lite.learner import Learner, Theta
from symla_lite.lifetime import check_taught, is_finite, live_until
from symla_lite.policy_gradient import PolicyGradient

GIB = 2**30

COPIES = 8
"""Times that a lifetime's state counts against the cache: itself, the gates of its LSTMs, which are
four, and copies."""

CACHE = 1.5 * 2**20
"""Bytes of states that stay where one core of a CPU finds them at once, in a cache of 2 MiB."""


@dataclasses.dataclass(frozen=True)
class Outer:
    """The outer loop's hyper-parameters.

    Raises:
        ValueError: a number that is not positive; one lifetime for a policy gradient.
    """

    es: ES | PolicyGradient | Imitation
    """The gradient's estimate: the paper's evolution strategies, policy gradients or imitation."""
    learning_rate: Positive
    """Adam's alpha; its other constants are the paper's, beta_1 = 0.9 and beta_2 = 0.999."""
    steps: Count
    """Outer steps, that is updates of theta."""
    length: Count
    """L, steps in a lifetime."""
    lifetimes: Count
    """Lifetimes of a member; its fitness is the mean of their rewards. Where the learner is
    differentiated, those of theta in one outer step."""

    def __post_init__(self):
        if isinstance(self.es, PolicyGradient):
            policy_gradient.check_several(self.lifetimes)

    @property
    def differentiates(self) -> bool:
        """Whether the gradient is by the learner's own derivative, and theta is the population."""
        return not isinstance(self.es, ES)

    @property
    def cost(self) -> int:
        """Environment steps of one outer step, where no part of a mixture has its own length or
        lifetimes."""
        return self.es.population * self.lifetimes * self.length


class Progress(NamedTuple):
    """Where a run is: what a checkpoint keeps beside the time it took."""

    theta: jax.Array
    """[D]."""
    optimiser: optax.OptState
    curve: np.ndarray
    """A row for each step so far, with an entry for each of `curve_names`."""


class MetaTrained(NamedTuple):
    """What meta-training leaves."""

    theta: Theta
    """The meta-parameters."""
    curve: dict[str, np.ndarray]
    """For every outer step, [steps]: `fitness`, the population's mean lifetime reward; `spread`,
    its standard deviation over members; `gradient`, the norm of the estimated gradient. After a
    mixture also `fitness NAME` of every part, and the first two are over the members of all. Last,
    `non-finite`: how many members earned NaN or infinity; the others make the other columns. Where
    the learner is differentiated all of it is over lifetimes, and `gradient` is the norm before it
    is scaled, the largest of a mixture's parts."""
    about: dict[str, Any]
    """What was run: learner, environment, `Outer`, seed and start, in plain types."""
    seconds: float
    """Wall time, of all its parts if it was resumed."""


CURVE = ("fitness", "spread", "gradient")
NON_FINITE = "non-finite"

Environments = Environment | Mixture
"""What a theta can be meta-trained on."""


def curve_names(environment: Environments) -> tuple[str, ...]:
    """The columns of a learning curve: `CURVE`, the fitness on each part of a mixture, and the
    number of members without a finite fitness."""
    mixed = environment.parts if isinstance(environment, Mixture) else ()
    return (*CURVE, *(f"fitness {part.environment.name}" for part in mixed), NON_FINITE)


def initial_progress(environment: Environments, outer: Outer, theta: jax.Array) -> Progress:
    """Where a run begins with a theta [D]."""
    curve = np.zeros((0, len(curve_names(environment))), theta.dtype)
    return Progress(theta, optax.adam(outer.learning_rate).init(theta), curve)


def parts(environment: Environments, outer: Outer) -> list[tuple[Environment, Outer]]:
    """The environments that share an outer step, each with its own part of the outer loop.

    Raises:
        ValueError: the population's pairs, or theta's lifetimes, cannot be divided by a
            mixture's shares.
    """
    if not isinstance(environment, Mixture):
        return [(environment, outer)]
    shares = sum(part.share for part in environment.parts)
    alone = outer.differentiates  # theta: its lifetimes are dealt out
    least = 2 if isinstance(outer.es, PolicyGradient) else 1
    if alone and outer.lifetimes % shares:
        raise ValueError(
            f"lifetimes={outer.lifetimes} cannot be dealt out in {shares} equal shares: give a "
            f"multiple of {shares}, at least {least * shares}."
        )
    if not alone and outer.es.pairs % shares:
        raise ValueError(
            f"population={outer.es.population} has {outer.es.pairs} pairs, which cannot be dealt "
            f"out in {shares} equal shares: give a multiple of {2 * shares}."
        )

    def part_of(part: Part) -> Outer:
        es, lifetimes = outer.es, outer.lifetimes
        if alone:
            lifetimes = lifetimes * part.share // shares
        else:
            es = dataclasses.replace(es, population=es.population * part.share // shares)
        return dataclasses.replace(
            outer, es=es, length=part.length or outer.length, lifetimes=part.lifetimes or lifetimes
        )

    return [(part.environment, part_of(part)) for part in environment.parts]


class Earned(NamedTuple):
    """What the pairs of a population earn on one environment."""

    eps: jax.Array
    """Their noise, [P, D]."""
    earned: jax.Array
    """Their fitness, [P, 2]; NaN for a member whose state is not finite in the end."""


LONG = 120
"""Seconds from which on a run says in words how long it will take."""


def duration_in_words(seconds: NotNegative) -> str:
    """A time as one says it: `40 min`, `5.5 h`."""
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def describe(
    learner: Learner, environment: Environments, outer: Outer, seed: Seed
) -> dict[str, Any]:
    """Everything that decides the outcome, in plain types, as a checkpoint gives it back. Raises
    `ValueError` for options of other types.
    """
    options = {"learner": learner, "environment": environment}
    return {
        what: checkpoint.plain({"name": whose.name, **whose.options}, what)
        for what, whose in options.items()
    } | {"outer": _options(outer), "seed": seed}


def _options(outer: Outer) -> dict[str, Any]:
    """An outer loop in plain types. The baseline of a policy gradient is named only where it is not
    "others": the first records were made when there was no other, and do not name it."""
    options = dataclasses.asdict(outer)
    if options["es"].get("baseline") == "others":
        del options["es"]["baseline"]
    return options


def origin(start: Theta | None) -> str:
    """How a record names where theta started: `drawn`, or the checksum of the theta given."""
    if start is None:
        return "drawn"
    return checkpoint.checksum({"theta": ravel_pytree(start)[0]})


def sizes(learner: Learner, environment: Environment) -> tuple[int, int, int]:
    """The numbers in theta, in a learner's state, and in the first state and observation of an
    episode."""

    def start(key):
        theta = learner.init_theta(key, environment.sizes)
        episode = environment.reset(key, environment.draw_task(key))
        return theta, learner.init_state(theta, key, environment.sizes), episode

    initial = jax.eval_shape(start, jax.random.key(0))
    return tuple(sum(x.size for x in jax.tree.leaves(tree)) for tree in initial)


class Needs(NamedTuple):
    """The memory that one outer step takes, in GiB."""

    noise: float
    """While the population's noise is drawn."""
    kept: float
    """For all pairs' noise, and the rest of what drew it, while lifetimes run."""
    one_pair: float
    """For each pair that lives at the same time."""

    def of(self, pairs: Count) -> float:
        """With so many pairs at the same time."""
        return max(self.noise, self.kept + pairs * self.one_pair)


SHARES_MEMORY = tuple(map(int, jax.__version__.split(".")[:2])) >= (0, 11)
"""Whether XLA runs lifetimes in the memory in which noise was drawn. Before jax 0.11 it did not."""


def needs(learner: Learner, environment: Environments, outer: Outer) -> Needs:
    """The memory that one outer step takes.

    The estimate counts floats of 4 bytes: what XLA's compiler for a CPU sets aside for runs of
    SymLA and the MetaRNN, rounded up. Of the whole population's noise there are six copies while it
    is drawn (random bits, numbers, chunks). Each lifetime keeps two of the learner's states and,
    for every step, what was drawn before the first: keys, Gumbel noise and the beginning of an
    episode. A test compares it with the compiler's own figure.
    """
    if isinstance(environment, Mixture):  # one part after the other, with the noise of all
        each = [needs(learner, *part) for part in parts(environment, outer)]
        noise, kept, one_pair = zip(*each)
        return Needs(sum(noise), sum(kept), max(one_pair))
    theta, state, episode = sizes(learner, environment)
    step = 6 + episode + 2 * environment.sizes.action
    lifetime = outer.length * step + 2 * state
    copy = 4 * outer.es.pairs * theta / GIB
    kept = 2.5 if SHARES_MEMORY else 6.4
    return Needs(6.4 * copy, kept * copy, 4 * 2 * (theta / 2 + outer.lifetimes * lifetime) / GIB)


def pairs_at_once(
    learner: Learner, environment: Environments, outer: Outer, memory: Positive
) -> int:
    """How many antithetic pairs may be evaluated at the same time under a memory budget.

    Args:
        memory: the budget, in GiB.

    Raises:
        ValueError: not even one pair fits.
    """
    needed = needs(learner, environment, outer)
    if not needed.of(1) <= memory:
        raise ValueError(
            f"memory={memory} GiB does not hold one pair of members, which needs "
            f"{_rounded_up(needed.of(1))} GiB: give more memory, fewer lifetimes or fewer members."
        )
    # What is exactly enough for one may be a little less after rounding.
    return max(1, int(min(outer.es.pairs, (memory - needed.kept) / needed.one_pair)))


def _rounded_up(x: float) -> str:
    """A number in two significant digits that are enough: 0.0213 becomes 0.022."""
    up = decimal.Context(prec=2, rounding=decimal.ROUND_CEILING).create_decimal_from_float(x)
    return f"{float(up):.2g}"


def pairs_in_cache(learner: Learner, environment: Environments, outer: Outer) -> int:
    """How many pairs live at the same time where a core has a device to itself, so that every step
    still finds their states in its cache; elsewhere all. Threads that share a device want long
    operations to cut up more than they want the cache."""
    if devices.cores_each() != 1:
        return outer.es.pairs
    if isinstance(environment, Mixture):
        return min(pairs_in_cache(learner, *part) for part in parts(environment, outer))
    _, state, _ = sizes(learner, environment)
    one_pair = 4 * 2 * outer.lifetimes * COPIES * state
    return min(outer.es.pairs, max(1, int(CACHE / max(1, one_pair))))


def chunk_size(learner: Learner, environment: Environments, outer: Outer, memory: Positive) -> int:
    """How many pairs live at the same time: as many as `memory` holds (`pairs_at_once`, which says
    what it raises) and the cache."""
    if outer.differentiates:
        check_kept(learner, environment, outer, memory)
        return 1
    return min(
        pairs_at_once(learner, environment, outer, memory),
        pairs_in_cache(learner, environment, outer),
    )


def kept_for_gradient(learner: Learner, environment: Environments, outer: Outer) -> float:
    """GiB that are kept of all lifetimes until their derivative is known: at every step the
    learner's state, what was drawn, and copies."""
    if isinstance(environment, Mixture):
        return max(kept_for_gradient(learner, *part) for part in parts(environment, outer))
    _, state, episode = sizes(learner, environment)
    said = 2 * environment.sizes.action * isinstance(outer.es, Imitation)
    step = 6 + 2 * episode + 4 * environment.sizes.action + 2 * state + said
    return 4 * 2 * outer.lifetimes * outer.length * step / GIB


def memory_of_one(learner: Learner, environment: Environments, outer: Outer) -> float:
    """GiB that meta-training takes at least: of one pair, or all that is kept for a derivative."""
    if outer.differentiates:
        return kept_for_gradient(learner, environment, outer)
    return needs(learner, environment, outer).of(1)


def check_kept(learner: Learner, environment: Environments, outer: Outer, memory: Positive) -> None:
    """Raises `ValueError` if a learner's derivative needs more GiB than `memory`."""
    kept = kept_for_gradient(learner, environment, outer)
    if kept > memory:
        raise ValueError(
            f"memory={memory} GiB does not hold {outer.lifetimes} lifetimes of {outer.length} steps"
            f" until their derivative is known, which needs {_rounded_up(kept)} GiB: give more "
            "memory, fewer lifetimes or a smaller length."
        )


def memory_in_words(
    learner: Learner, environment: Environments, outer: Outer, memory: Positive
) -> str:
    """A sentence about the memory that meta-training will take. Raises `ValueError` as
    `pairs_at_once` does."""
    chunk = chunk_size(learner, environment, outer, memory)
    if outer.differentiates:
        kept = kept_for_gradient(learner, environment, outer)
        return (
            f"{learner.name} on {environment.name}: {outer.lifetimes} lifetimes in at most "
            f"{_rounded_up(kept)} GiB."
        )
    needed = needs(learner, environment, outer)
    at_once = f"{chunk} of {outer.es.pairs} pairs at a time"
    return (
        f"{learner.name} on {environment.name}: {at_once} in at most "
        f"{_rounded_up(needed.of(chunk))} GiB of each device; all of them would take "
        f"{_rounded_up(needed.of(outer.es.pairs))} GiB."
    )


def outer_step(
    learner: Learner,
    environment: Environments,
    outer: Outer,
    unravel: Callable,
    chunk: Count,
    mesh: Mesh | None = None,
    unroll: Count = 1,
) -> Callable:
    """One pass of Algorithm 1's loop. The gradients of a mixture's parts are added.

    Args:
        unravel: `[D] -> theta`.
        chunk: pairs evaluated at the same time, on each device.
        mesh: the devices that share the pairs (`devices.mesh`); None leaves all to one.
        unroll: steps of a lifetime in one round of its loop, as in `live`.

    Returns:
        `(theta [D], optimiser's state, key) -> (theta, optimiser's state, row)`, where `row` has an
        entry for each of `curve_names`.
    """
    if outer.differentiates:
        return derivative_step(learner, environment, outer, unravel, unroll)
    adam = optax.adam(outer.learning_rate)
    alone = mesh is None or mesh.size == 1
    shared = parts(environment, outer)

    def earn(environment: Environment, outer: Outer, theta, key) -> Earned:
        """What all pairs earn on one environment."""

        def fitness(phi: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
            def reward(key):
                lived, h = live_until(learner, environment, outer.length, unravel(phi), key, unroll)
                return lived.reward.sum(), is_finite(h)

            rewards, finite = jax.vmap(reward)(jax.random.split(key, outer.lifetimes))
            return jnp.mean(rewards), jnp.all(finite)

        es = outer.es
        key_noise, key_lives = jax.random.split(key)
        eps = evolution.noise(key_noise, es.pairs, theta.size)
        keys = jax.random.split(key_lives, es.pairs)
        if alone:
            earned, finite = evolution.pair_fitness(fitness, theta, eps, es.sigma, keys, chunk)
            return Earned(eps, jnp.where(finite, earned, jnp.nan))
        own = devices.share(eps), es.sigma, devices.share(keys)
        earned, finite = evolution.pair_fitness(fitness, theta, *own, chunk)
        return Earned(eps, devices.gather(jnp.where(finite, earned, jnp.nan), es.pairs))

    def ascent(found: list[Earned], shape: Callable) -> jax.Array:
        """The gradient's estimate, [D]."""
        es = outer.es
        return sum(
            (evolution.gradient(x.eps, shape(x.earned, es.shaping), es.sigma) for x in found), 0.0
        )

    def move(theta, optimiser, gradient, all_earned: list[jax.Array], norm, mean_and_spread):
        """Theta and the optimiser's state after a gradient, and a row but for its last."""
        updates, optimiser = adam.update(-gradient, optimiser)  # Adam descends, Equation 10 ascends
        theta = optax.apply_updates(theta, updates)
        row = [*mean_and_spread(jnp.concatenate(all_earned)), norm(gradient)]
        if isinstance(environment, Mixture):
            row += [mean_and_spread(earned)[0] for earned in all_earned]
        return theta, optimiser, row

    def step(theta, optimiser, key):
        keys = [key] if len(shared) == 1 else jax.random.split(key, len(shared))
        found = [earn(*part, theta, key) for part, key in zip(shared, keys)]
        earned = [x.earned for x in found]
        everybody = jnp.concatenate(earned)
        # What is healthy is computed as if nothing else could be, to the same bits as ever. Both
        # gradients are computed: as an operand of the branch, all noise would be copied.
        any_gradient = ascent(found, evolution.shape)
        after = move(
            theta,
            optimiser,
            ascent(found, evolution.shape_healthy),
            earned,
            jnp.linalg.norm,
            lambda x: (jnp.mean(x), jnp.std(x)),
        )
        theta, optimiser, row = jax.lax.cond(
            evolution.is_healthy(everybody),
            lambda: after,
            lambda: move(
                theta, optimiser, any_gradient, earned, evolution.norm, evolution.mean_and_spread
            ),
        )
        return theta, optimiser, (*row, jnp.sum(~jnp.isfinite(everybody), dtype=row[0].dtype))

    return step if alone else devices.on_all(step, mesh)


def derivative_step(
    learner: Learner,
    environment: Environments,
    outer: Outer,
    unravel: Callable,
    unroll: Count = 1,
) -> Callable:
    """`outer_step` where the learner is differentiated. Each estimate is scaled to a length of
    one, so that no single one, and no part of a mixture, moves theta much further than the others.
    That of a part with a lifetime that comes to NaN counts as nothing where it is NaN, too."""
    adam = optax.adam(outer.learning_rate)
    shared = parts(environment, outer)
    by_policy = isinstance(outer.es, PolicyGradient)
    estimate = policy_gradient.gradient if by_policy else imitation.gradient

    def step(theta, optimiser, key):
        keys = [key] if len(shared) == 1 else jax.random.split(key, len(shared))
        gradient, norms, all_earned = jnp.zeros_like(theta), [], []
        for (where, part), key in zip(shared, keys, strict=True):
            derivative, earned = estimate(
                learner, where, part.length, part.lifetimes, part.es, unravel(theta), key, unroll
            )
            derivative = ravel_pytree(derivative)[0]
            lost = ~jnp.all(jnp.isfinite(earned)) & ~is_finite(derivative)
            derivative = jnp.where(lost, 0.0, derivative)
            norms.append(evolution.norm(derivative))
            gradient += derivative / (norms[-1] + 1e-8)
            all_earned.append(earned)
        updates, optimiser = adam.update(-gradient, optimiser)
        everybody = jnp.concatenate(all_earned)
        row = [*evolution.mean_and_spread(everybody), jnp.max(jnp.stack(norms))]
        if isinstance(environment, Mixture):
            row += [evolution.mean_and_spread(earned)[0] for earned in all_earned]
        lost = jnp.sum(~jnp.isfinite(everybody), dtype=row[0].dtype)
        return optax.apply_updates(theta, updates), optimiser, (*row, lost)

    return step


def one_device(on: Sequence[jax.Device] | None) -> list[jax.Device]:
    """The device that computes a derivative. Raises `ValueError` where several were given, or
    several processes work together."""
    found = jax.local_devices()[:1] if on is None else list(on)
    if jax.process_count() > 1:
        raise ValueError(
            f"A learner's derivative is computed by one process, and {jax.process_count()} work "
            "together: start one."
        )
    if len(found) > 1:
        raise ValueError(
            f"A learner's derivative is computed by one device, and on has {len(found)}: give one."
        )
    return found


@stop.listening()
def meta_train(
    learner: Learner,
    environment: Environments,
    outer: Outer,
    seed: Seed,
    path: Path | None = None,
    *,
    start: Theta | None = None,
    memory: Positive = 1.0,
    steps_per_call: Count = 10,
    save_every: NotNegative = 10.0,
    progress: bool = True,
    label: str = "",
    position: Index | None = None,
    on: Sequence[jax.Device] | None = None,
    unroll: Count = 1,
) -> MetaTrained:
    """Meta-trains a learner.

    Given a path, it keeps a checkpoint there and goes on from it if there is one; a run that was
    killed and resumed ends with the same theta, bit for bit on a CPU, as one that was left alone.
    It may go on with other devices; theta then differs by rounding.

    Where several processes work together (`devices.join`), all of them call this with the same
    arguments, and the first one reads and writes the checkpoint.

    Args:
        learner: whose theta.
        environment: the distribution of tasks to meta-train on, or a mixture of several.
        outer: the hyper-parameters.
        seed: decides theta's initial value and all noise.
        path: the checkpoint's file; None keeps nothing.
        start: the theta to start from; None draws one.
        memory: GiB that the members evaluated at the same time may take, on each device. Does not
            change the outcome beyond rounding.
        steps_per_call: outer steps in one call to the device.
        save_every: seconds between checkpoints. There is always one at the end.
        progress: whether to show a progress bar.
        label: what the bar says before its figures.
        position: the bar's line, where there are several.
        on: the devices that share the population; None takes all of all hosts. A learner's
            derivative is computed by one; None takes the first.
        unroll: steps of a lifetime in one round of its loop, as in `live`. Does not change the
            outcome beyond rounding.

    Raises:
        ValueError: see `Outer` and `ES`; several devices for a derivative; an environment without a
            teacher, for imitation; `memory` too small; a start that is not finite.
        FileTrouble: the checkpoint cannot be written, is damaged, or belongs to another
            configuration or precision. It is left as it was. Only `steps` may differ, and grow.
        FloatingPointError: a step would leave theta without finite numbers, or no member of it has
            a finite fitness. It is not taken; the checkpoint has all steps before it.
        KeyboardInterrupt: it was stopped, by Ctrl-C or SIGTERM. The checkpoint has the steps so
            far.
    """
    if isinstance(outer.es, Imitation):
        for where, _ in parts(environment, outer):
            check_taught(where)
    mesh = devices.mesh(one_device(on) if outer.differentiates else on)
    names = curve_names(environment)
    chunk = chunk_size(learner, environment, outer, memory)
    key_init, key_steps = jax.random.split(jax.random.key(seed))
    theta, unravel = ravel_pytree(
        learner.init_theta(key_init, environment.sizes) if start is None else start
    )
    theta = jnp.asarray(theta, float)  # a start may come from a record of another precision
    about = describe(learner, environment, outer, seed) | {"start": origin(start)}
    state, seconds = initial_progress(environment, outer, theta), 0.0
    if path is not None and devices.is_first() and os.path.exists(path):
        state, seconds = resume(Path(path), about, state)
    done = int(devices.from_first(np.int32(len(state.curve))))
    curve = np.resize(state.curve, (done, len(names)))  # a shape that all agree on; contents follow
    state, seconds = devices.from_first((state._replace(curve=curve), seconds))
    # The key as plain numbers: several hosts cannot share keys as such.
    everywhere = state.theta, state.optimiser, jax.random.key_data(key_steps)
    theta, optimiser, key_data = devices.to_all(everywhere, mesh)
    state = Progress(theta, optimiser, np.asarray(state.curve))

    several_steps = compiled(
        learner,
        environment,
        dataclasses.replace(outer, steps=1),  # how many there are in all changes nothing in one
        unravel,
        chunk,
        mesh,
        unroll,
        steps_per_call,
    )

    began = time.monotonic() - float(seconds)

    def save() -> float:
        """Saves where the run is. Returns the seconds that it has taken, as they are saved."""
        spent = time.monotonic() - began
        if path is not None and devices.is_first():
            arrays = {"theta": state.theta, "curve": state.curve}
            leaves = enumerate(jax.tree.leaves(state.optimiser))
            arrays |= {f"optimiser/{i}": leaf for i, leaf in leaves}
            checkpoint.save(path, arrays | {"seconds": spent}, about)
        return spent

    save()  # a folder that cannot be written to is found out before the work, not after it
    saved = time.monotonic()
    lifetimes, calls = outer.es.population * outer.lifetimes, 0
    bar = tqdm(
        total=outer.steps,
        initial=len(state.curve),
        desc=label,
        unit="step",
        disable=not (progress and devices.is_first()),
        position=position,
        leave=position is None,
    )
    with bar, _saved_when_stopped(save, path):
        while len(state.curve) < outer.steps:
            called = time.monotonic()
            first, last = len(state.curve), min(len(state.curve) + steps_per_call, outer.steps)
            done, finite, (theta, optimiser), rows = several_steps(
                state.theta, state.optimiser, key_data, first, last
            )
            taken, row = np.split(np.asarray(rows), [int(done) - first])
            # All of it at once: an interrupt finds it before the call or after it.
            state = Progress(theta, optimiser, np.concatenate([state.curve, taken]))
            if not finite:
                save()
                raise FloatingPointError(
                    _not_taken(dict(zip(names, row[0])), int(done), outer, path)
                )
            took = time.monotonic() - called
            rate = (last - first) * lifetimes / took
            bar.set_postfix_str(
                f"fitness {state.curve[-1, 0]:.3f}, {rate:,.0f} lifetimes/s"
                + without_fitness(state.curve[:, -1])
            )
            bar.update(last - first)
            calls += 1
            ahead = (outer.steps - last) * took / (last - first)
            if calls == 2 and ahead > LONG and not bar.disable:  # the first call compiles, too
                left = f"{outer.steps - last} steps to go, about {duration_in_words(ahead)}."
                bar.write(f"{label}: {left}" if label else left)
            if time.monotonic() - saved > save_every:
                save()
                saved = time.monotonic()
            stop.check()
        spent = save()
    columns = dict(zip(names, state.curve.T, strict=True))
    theta = unravel(jnp.asarray(np.asarray(state.theta)))  # of this process alone again
    return MetaTrained(theta, columns, about, spent)


@functools.lru_cache(maxsize=8)
def compiled(
    learner: Learner,
    environment: Environments,
    outer: Outer,
    unravel: Callable[[jax.Array], Theta],
    chunk: Count,
    mesh: Mesh | None,
    unroll: Count,
    steps_per_call: Count,
) -> Callable:
    """Several outer steps, compiled once however many seeds there are."""
    one_step = outer_step(learner, environment, outer, unravel, chunk, mesh, unroll)

    @functools.partial(jax.jit, compiler_options=devices.compiler_options())
    def several_steps(theta, optimiser, key_data, first, last):
        """Outer steps first ... last - 1. The loop's length is an argument: one compilation. A step
        that leaves no finite numbers is not taken, and is the last one; its row is there."""
        key = jax.random.wrap_key_data(key_data)

        def body(carry):
            step, _, before, rows = carry
            *after, row = one_step(*before, jax.random.fold_in(key, step))
            row = jnp.stack(row)
            finite = is_finite((after, row))
            after = jax.tree.map(functools.partial(jnp.where, finite), tuple(after), before)
            return step + finite, finite, after, rows.at[step - first].set(row)

        rows = jnp.zeros((steps_per_call, len(curve_names(environment))))
        return jax.lax.while_loop(
            lambda carry: carry[1] & (carry[0] < last),
            body,
            (first, True, (theta, optimiser), rows),
        )

    return several_steps


@contextlib.contextmanager
def _saved_when_stopped(save: Callable[[], None], path: Path | None) -> Iterator[None]:
    """Saves once more where `KeyboardInterrupt` is raised, if that is possible."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        if path is None:
            raise type(stopped)("Stopped. Nothing was kept, since no path was given.") from None
        with contextlib.suppress(checkpoint.FileTrouble):
            save()
        raise


def without_fitness(lost: np.ndarray) -> str:
    """What is said after other figures of members that earned NaN or infinity, of which a curve
    counts some at every step, [steps]: `, 3 non-finite`; nothing where there were none."""
    return f", {lost.sum():,.0f} {NON_FINITE}" if lost.any() else ""


def _not_taken(row: dict[str, float], done: int, outer: Outer, path: Path | None) -> str:
    """Why the step after `done` was not taken, where the run can be found, and what to change.

    Args:
        row: the curve at that step.
    """
    empty = [name for name in row if name.startswith("fitness") and not np.isfinite(row[name])]
    if empty:
        on = empty[-1].removeprefix("fitness")
        why = f"no member has a finite fitness{f' on{on}' if on else ''}"
    else:
        why = f"theta would not be finite any more (the gradient's norm is {row['gradient']:.3g})"
    kept = f"The last finite checkpoint, after step {done}, is in {path}."
    or_sigma = f" or sigma (now {outer.es.sigma:g})" if outer.es.sigma else ""
    return (
        f"Stopped before outer step {done + 1} of {outer.steps}: {why}. "
        f"{kept if path else 'Nothing was kept, since no path was given.'} Give a smaller "
        f"learning_rate (now {outer.learning_rate:g}){or_sigma}, or an "
        "environment with finite, smaller rewards and observations."
    )


def resume(path: Path, about: dict[str, Any], begin: Progress) -> tuple[Progress, float]:
    """What a checkpoint of the same configuration has, and the seconds spent. It may have fewer
    steps ahead of it than are wanted now.

    Args:
        begin: where a run begins that has no checkpoint.

    Raises:
        FileTrouble: it is damaged, or of another configuration or precision.
    """
    arrays, kept = checkpoint.load(path)
    steps, ahead = about["outer"]["steps"], checkpoint.at(kept, "outer", "steps")
    as_then = about | {"outer": about["outer"] | {"steps": ahead}}
    if kept != about and not (kept == as_then and isinstance(ahead, int) and ahead < steps):
        raise checkpoint.FileTrouble(
            f"{path} is a checkpoint of another configuration "
            f"(it differs in {checkpoint.differences(kept, about)}). It was left as it is; give "
            "another path, or the configuration that it was made with, of which outer.steps alone "
            "may grow."
        )
    return progress_in(path, arrays, ahead, begin)


def progress_in(
    path: Path,
    arrays: Mapping[str, Annotated[np.ndarray, MAY_BE_NAN]],
    steps: Count,
    begin: Progress,
) -> tuple[Progress, float]:
    """Where a run is, and the seconds spent, from the arrays of its checkpoint.

    Args:
        path: the checkpoint, for messages.
        arrays: what was loaded from it.
        steps: all outer steps of the run.
        begin: where such a run begins.

    Raises:
        FileTrouble: an array is missing, does not belong there, or has another shape or precision,
            NaN or infinity; or they do not go together.
    """
    leaves, tree = jax.tree.flatten(begin.optimiser)
    likes = {"theta": begin.theta} | {f"optimiser/{i}": leaf for i, leaf in enumerate(leaves)}
    columns = begin.curve.shape[1]
    if np.shape(arrays.get("curve"))[1:] == (columns - 1,):  # older: NaN was not counted
        arrays = {**arrays, "curve": np.pad(arrays["curve"], [(0, 0), (0, 1)])}
    shapes = {name: like.shape for name, like in likes.items()}
    checkpoint.check(path, arrays, shapes | {"curve": (None, columns), "seconds": ()})
    for name, like in (likes | {"curve": begin.curve}).items():
        if arrays[name].dtype != like.dtype:
            raise checkpoint.FileTrouble(
                f"{path} was computed in another precision ({name!r} is {arrays[name].dtype} there "
                f"and {like.dtype} here). It was left as it is; set JAX_ENABLE_X64 as it was then, "
                "or give another path."
            )
    done = len(arrays["curve"])
    counted = {int(arrays[name]) for name, like in likes.items() if like.dtype.kind == "i"}
    if done > steps or counted - {done} or arrays["seconds"] < 0:
        raise checkpoint.wrong(
            path,
            f"a curve of {done} steps, an optimiser of {', '.join(map(str, counted))} and "
            f"{float(arrays['seconds']):.3g} seconds of {steps} steps, which do not go together",
        )
    leaves = [jnp.asarray(arrays[name]) for name in likes if name != "theta"]
    optimiser = jax.tree.unflatten(tree, leaves)
    found = Progress(jnp.asarray(arrays["theta"]), optimiser, arrays["curve"])
    return found, float(arrays["seconds"])
