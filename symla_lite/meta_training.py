"""The outer loop: meta-training of theta by evolution strategies (the paper's Algorithm 1).

One outer step draws a population around theta, lets every member live for a few lifetimes, and
moves theta along the estimated gradient with Adam. Several outer steps run in one call to the
device, so that Python costs nothing.
"""

import dataclasses
import functools
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh
from tqdm.auto import tqdm

from symla_lite import checkpoint, devices, evolution
from symla_lite.environments.environment import Environment
from symla_lite.environments.mixture import Mixture
from symla_lite.evolution import ES
from symla_lite.learner import Learner, Theta
from symla_lite.lifetime import live

GIB = 2**30

COPIES = 8
"""Times that a lifetime's state is in memory: itself, the gates of its LSTMs, which are four, and
copies."""

CACHE = 1.5 * 2**20
"""Bytes of states that stay where one core of a CPU finds them at once, in a cache of 2 MiB."""


@dataclasses.dataclass(frozen=True)
class Outer:
    """The outer loop's hyper-parameters.

    Raises:
        ValueError: a number that is not positive.
    """

    es: ES
    """The gradient's estimate."""
    learning_rate: float
    """Adam's alpha; its other constants are the paper's, beta_1 = 0.9 and beta_2 = 0.999."""
    steps: int
    """Outer steps, that is updates of theta."""
    length: int
    """L, steps in a lifetime."""
    lifetimes: int
    """Lifetimes a member lives; its fitness is the mean of their rewards."""

    def __post_init__(self):
        for field in ("learning_rate", "steps", "length", "lifetimes"):
            if not getattr(self, field) > 0:
                raise ValueError(f"{field}={getattr(self, field)}: give a number above 0.")


class MetaTrained(NamedTuple):
    """What meta-training leaves."""

    theta: Theta
    """The meta-parameters."""
    curve: dict[str, np.ndarray]
    """For every outer step, [steps]: `fitness`, the population's mean lifetime reward; `spread`,
    its standard deviation over members; `gradient`, the norm of the estimated gradient. After a
    mixture also `fitness NAME` of every part, and the first two are over the members of all."""
    about: dict[str, Any]
    """What was run: learner, environment, `Outer`, seed and start, in plain types."""
    seconds: float
    """Wall time, of all its parts if it was resumed."""


CURVE = ("fitness", "spread", "gradient")

Environments = Environment | Mixture
"""What a theta can be meta-trained on."""


def curve_names(environment: Environments) -> tuple[str, ...]:
    """The columns of a learning curve: `CURVE`, and the fitness on each part of a mixture."""
    if not isinstance(environment, Mixture):
        return CURVE
    return CURVE + tuple(f"fitness {part.environment.name}" for part in environment.parts)


def parts(environment: Environments, outer: Outer) -> list[tuple[Environment, Outer]]:
    """The environments that share an outer step, each with its own part of the outer loop.

    Raises:
        ValueError: the population's pairs cannot be divided by a mixture's shares.
    """
    if not isinstance(environment, Mixture):
        return [(environment, outer)]
    shares = sum(part.share for part in environment.parts)
    if outer.es.pairs % shares:
        raise ValueError(
            f"population={outer.es.population} has {outer.es.pairs} pairs, which cannot be dealt "
            f"out in {shares} equal shares: give a multiple of {2 * shares}."
        )
    return [
        (
            part.environment,
            dataclasses.replace(
                outer,
                es=dataclasses.replace(
                    outer.es, population=outer.es.population * part.share // shares
                ),
                length=part.length or outer.length,
                lifetimes=part.lifetimes or outer.lifetimes,
            ),
        )
        for part in environment.parts
    ]


LONG = 120
"""Seconds from which on a run says in words how long it will take."""


def spoken(seconds: float) -> str:
    """A time as one says it: `40 min`, `5.5 h`."""
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def describe(
    learner: Learner, environment: Environments, outer: Outer, seed: int
) -> dict[str, Any]:
    """Everything that decides the outcome, in plain types."""
    return {
        "learner": {"name": learner.name, **learner.options},
        "environment": {"name": environment.name, **environment.options},
        "outer": dataclasses.asdict(outer),
        "seed": seed,
    }


def origin(start: Theta | None) -> str:
    """How a record names where theta started: `drawn`, or the checksum of the theta given."""
    if start is None:
        return "drawn"
    return checkpoint.checksum({"theta": ravel_pytree(start)[0]})


def sizes(learner: Learner, environment: Environment) -> tuple[int, int, int]:
    """The numbers in theta, in a learner's state, and in the first state and observation of an
    episode."""

    def birth(key):
        theta = learner.init_theta(key, environment.sizes)
        episode = environment.reset(key, environment.draw_task(key))
        return theta, learner.init_state(theta, key, environment.sizes), episode

    born = jax.eval_shape(birth, jax.random.key(0))
    return tuple(sum(x.size for x in jax.tree.leaves(tree)) for tree in born)


def needs(learner: Learner, environment: Environments, outer: Outer) -> tuple[float, float]:
    """The memory that one outer step takes, in GiB: for all pairs' noise, and for each pair that
    lives at the same time.

    The estimate counts floats of 4 bytes and errs on the side of more. The whole population's noise
    is there four times over (drawn, cut into chunks, weighed), a member five times. Each of its
    lifetimes keeps `COPIES` states and, for every step, what was drawn before the first: keys, luck
    and the beginning of an episode.
    """
    if isinstance(environment, Mixture):  # one part after the other, with the noise of all
        noises, pairs = zip(*(needs(learner, *part) for part in parts(environment, outer)))
        return sum(noises), max(pairs)
    theta, state, episode = sizes(learner, environment)
    step = 8 + episode + environment.sizes.action
    lifetime = outer.length * step + COPIES * state
    noise = 4 * (4 * outer.es.pairs * theta) / GIB
    return noise, 4 * 2 * (5 * theta + outer.lifetimes * lifetime) / GIB


def pairs_at_once(learner: Learner, environment: Environments, outer: Outer, memory: float) -> int:
    """How many antithetic pairs may be evaluated at the same time under a memory budget.

    Args:
        memory: the budget, in GiB.

    Raises:
        ValueError: not even one pair fits.
    """
    noise, one_pair = needs(learner, environment, outer)
    if not noise + one_pair <= memory:
        raise ValueError(
            f"memory={memory} GiB does not hold one pair of members, which needs "
            f"{noise + one_pair:.2g} GiB: give more memory, fewer lifetimes or fewer members."
        )
    return int(min(outer.es.pairs, (memory - noise) / one_pair))


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


def chunk_size(learner: Learner, environment: Environments, outer: Outer, memory: float) -> int:
    """How many pairs live at the same time: as many as `memory` holds (`pairs_at_once`, which says
    what it raises) and the cache."""
    return min(
        pairs_at_once(learner, environment, outer, memory),
        pairs_in_cache(learner, environment, outer),
    )


def said_beforehand(
    learner: Learner, environment: Environments, outer: Outer, memory: float
) -> str:
    """A sentence about the memory that meta-training will take. Raises `ValueError` as
    `pairs_at_once` does."""
    noise, one_pair = needs(learner, environment, outer)
    chunk = chunk_size(learner, environment, outer, memory)
    at_once = f"{chunk} of {outer.es.pairs} pairs at a time"
    return (
        f"{learner.name} on {environment.name}: {at_once} in at most "
        f"{noise + chunk * one_pair:.2g} GiB of each device; all of them would take "
        f"{noise + outer.es.pairs * one_pair:.2g} GiB."
    )


def outer_step(
    learner: Learner,
    environment: Environments,
    outer: Outer,
    unravel: Callable,
    chunk: int,
    mesh: Mesh | None = None,
    unroll: int = 1,
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
    adam = optax.adam(outer.learning_rate)
    alone = mesh is None or mesh.size == 1
    shared = parts(environment, outer)

    def earn(environment: Environment, outer: Outer, theta, key) -> tuple[jax.Array, jax.Array]:
        """The noise [P, D] and the fitness [P, 2] of all pairs on one environment."""

        def fitness(phi: jax.Array, key: jax.Array) -> jax.Array:
            def reward(key):
                lived = live(learner, environment, outer.length, unravel(phi), key, unroll)
                return lived.reward.sum()

            return jnp.mean(jax.vmap(reward)(jax.random.split(key, outer.lifetimes)))

        es = outer.es
        key_noise, key_lives = jax.random.split(key)
        eps = evolution.noise(key_noise, es.pairs, theta.size)
        keys = jax.random.split(key_lives, es.pairs)
        if alone:
            return eps, evolution.pair_fitness(fitness, theta, eps, es.sigma, keys, chunk)
        own = devices.share(eps), es.sigma, devices.share(keys)
        earned = evolution.pair_fitness(fitness, theta, *own, chunk)
        return eps, devices.gather(earned, es.pairs)

    def step(theta, optimiser, key):
        keys = [key] if len(shared) == 1 else jax.random.split(key, len(shared))
        gradient, all_earned = 0.0, []
        for part, key in zip(shared, keys):
            eps, earned = earn(*part, theta, key)
            shaped = evolution.shape(earned, outer.es.shaping)
            gradient += evolution.gradient(eps, shaped, outer.es.sigma)
            all_earned.append(earned)
        updates, optimiser = adam.update(-gradient, optimiser)  # Adam descends, Equation 10 ascends
        theta = optax.apply_updates(theta, updates)
        everybody = jnp.concatenate(all_earned)
        row = [jnp.mean(everybody), jnp.std(everybody), jnp.linalg.norm(gradient)]
        if isinstance(environment, Mixture):
            row += [jnp.mean(earned) for earned in all_earned]
        return theta, optimiser, tuple(row)

    return step if alone else devices.on_all(step, mesh)


def meta_train(
    learner: Learner,
    environment: Environments,
    outer: Outer,
    seed: int,
    path: Path | None = None,
    *,
    start: Theta | None = None,
    memory: float = 1.0,
    steps_per_call: int = 10,
    save_every: float = 10.0,
    progress: bool = True,
    label: str = "",
    position: int | None = None,
    on: Sequence[jax.Device] | None = None,
    unroll: int = 1,
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
        on: the devices that share the population; None takes all of all hosts.
        unroll: steps of a lifetime in one round of its loop, as in `live`. Does not change the
            outcome beyond rounding.

    Raises:
        ValueError: see `Outer` and `ES`; `memory` too small.
        FileTrouble: the checkpoint cannot be written, is damaged, or belongs to another
            configuration. It is left as it was.
    """
    mesh = devices.mesh(on)
    names = curve_names(environment)
    chunk = chunk_size(learner, environment, outer, memory)
    key_init, key_steps = jax.random.split(jax.random.key(seed))
    theta, unravel = ravel_pytree(
        learner.init_theta(key_init, environment.sizes) if start is None else start
    )
    about = describe(learner, environment, outer, seed) | {"start": origin(start)}
    optimiser = optax.adam(outer.learning_rate).init(theta)
    curve, seconds = np.zeros((0, len(names)), np.float32), 0.0
    if path is not None and devices.is_first() and os.path.exists(path):
        theta, optimiser, curve, seconds = resume(Path(path), about, optimiser)
    done = int(devices.from_first(np.int32(len(curve))))
    curve = np.resize(curve, (done, len(names)))  # a shape that all agree on; the contents follow
    theta, optimiser, curve, seconds = devices.from_first((theta, optimiser, curve, seconds))
    theta, optimiser = devices.to_all((theta, optimiser), mesh)

    one_step = outer_step(learner, environment, outer, unravel, chunk, mesh, unroll)

    @functools.partial(jax.jit, compiler_options=devices.compiler_options())
    def several_steps(theta, optimiser, first, last):
        """Outer steps first ... last - 1. The loop's length is an argument: one compilation."""

        def body(step, carry):
            theta, optimiser, rows = carry
            theta, optimiser, row = one_step(theta, optimiser, jax.random.fold_in(key_steps, step))
            return theta, optimiser, rows.at[step - first].set(jnp.stack(row))

        rows = jnp.zeros((steps_per_call, len(names)))
        return jax.lax.fori_loop(first, last, body, (theta, optimiser, rows))

    began = time.monotonic() - float(seconds)

    def save():
        if path is not None and devices.is_first():
            arrays = {"theta": theta, "curve": curve, "seconds": time.monotonic() - began}
            leaves = enumerate(jax.tree.leaves(optimiser))
            arrays |= {f"optimiser/{i}": leaf for i, leaf in leaves}
            checkpoint.save(path, arrays, about)

    save()  # a folder that cannot be written to is found out before the work, not after it
    saved = time.monotonic()
    lives, calls = outer.es.population * outer.lifetimes, 0
    with tqdm(
        total=outer.steps,
        initial=len(curve),
        desc=label,
        unit="step",
        disable=not (progress and devices.is_first()),
        position=position,
        leave=position is None,
    ) as bar:
        while len(curve) < outer.steps:
            called = time.monotonic()
            first, last = len(curve), min(len(curve) + steps_per_call, outer.steps)
            theta, optimiser, rows = several_steps(theta, optimiser, first, last)
            curve = np.concatenate([curve, np.asarray(rows)[: last - first]])
            took = time.monotonic() - called
            rate = (last - first) * lives / took
            bar.set_postfix_str(f"fitness {curve[-1, 0]:.3f}, {rate:,.0f} lifetimes/s")
            bar.update(last - first)
            calls += 1
            ahead = (outer.steps - last) * took / (last - first)
            if calls == 2 and ahead > LONG and not bar.disable:  # the first call compiles, too
                left = f"{outer.steps - last} steps to go, about {spoken(ahead)}."
                bar.write(f"{label}: {left}" if label else left)
            if time.monotonic() - saved > save_every:
                save()
                saved = time.monotonic()
    save()
    columns = dict(zip(names, curve.T, strict=True))
    theta = unravel(jnp.asarray(np.asarray(theta)))  # of this process alone again
    return MetaTrained(theta, columns, about, time.monotonic() - began)


def resume(path: Path, about: dict[str, Any], optimiser: optax.OptState) -> tuple:
    """Theta, the optimiser's state, the curve and the seconds spent, from a checkpoint of the same
    configuration.

    Raises:
        FileTrouble: it is damaged, or of another configuration.
    """
    arrays, kept = checkpoint.load(path)
    if kept != about:
        differing = sorted(
            name for name in about.keys() | kept.keys() if about.get(name) != kept.get(name)
        )
        raise checkpoint.FileTrouble(
            f"{path} is a checkpoint of another configuration (it differs in "
            f"{', '.join(differing)}). It was left as it is; give another path, or the "
            "configuration that it was made with."
        )
    leaves, tree = jax.tree.flatten(optimiser)
    leaves = [jnp.asarray(arrays[f"optimiser/{i}"]) for i in range(len(leaves))]
    return (
        jnp.asarray(arrays["theta"]),
        jax.tree.unflatten(tree, leaves),
        arrays["curve"],
        float(arrays["seconds"]),
    )
