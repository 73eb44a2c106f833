"""Transforms that wrap any environment: permute, project, swap (the paper's Figures 5 to 7).

Each draws its change once a lifetime, with the task, and each returns an environment, so they
compose: `projected(permuted(cartpole()))`.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from symla_lite.checks import Count, Positive, Range, Seed
from symla_lite.environments.environment import Environment, EnvState, Task, Transition
from symla_lite.learner import Sizes


class Transformed(NamedTuple):
    """The task of a transformed environment."""

    task: Task
    """Of the environment inside."""
    change: Any
    """What the transform drew for this lifetime."""


class Permutation(NamedTuple):
    """The change that `permuted` makes. Input a shows what was input `observations[a]`, and action
    b does what was action `actions[b]`."""

    observations: jax.Array
    """[A]."""
    actions: jax.Array
    """[B]."""


class Projection(NamedTuple):
    """The change that `projected` makes: weights · o + offset."""

    weights: jax.Array
    """[to, A]."""
    offset: jax.Array
    """[to]."""


class Delayed(NamedTuple):
    """The state of a delayed environment."""

    state: EnvState
    """Of the environment inside."""
    owed: jax.Array
    """Rewards to be paid, the next one first, [steps]."""


class Pausing(NamedTuple):
    """A state of an environment whose rewards come and go."""

    state: EnvState
    """Of the environment inside."""
    paying: jax.Array
    """1.0 while rewards are paid, else 0.0, []."""


class Moments(NamedTuple):
    """What a uniformly random policy meets in an environment, over tasks, episodes and steps."""

    mean: np.ndarray
    """Of the observation, [A]."""
    covariance: np.ndarray
    """Of the observation, [A, A]."""
    reward_mean: np.ndarray
    """Of the reward of a step, []."""
    reward_variance: np.ndarray
    """Of the reward of a step, []."""


def unchanged(change: Any, value: jax.Array) -> jax.Array:
    """The value as it is."""
    del change
    return value


def _changed(environment: Environment, suffix: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Name and options of a changed environment; those of the one inside are recorded as "of"."""
    return {
        "name": f"{environment.name}-{suffix}",
        "options": {**options, "of": {"name": environment.name, **environment.options}},
    }


def transformed(
    environment: Environment,
    suffix: str,
    options: Mapping[str, Any],
    draw: Callable[[jax.Array], Any] = lambda key: (),
    see: Callable[[Any, jax.Array], jax.Array] = unchanged,
    act: Callable[[Any, jax.Array], jax.Array] = unchanged,
    earn: Callable[[Any, jax.Array], jax.Array] | None = None,
    sizes: Sizes | None = None,
    sign: Callable[[Any], jax.Array] | None = None,
) -> Environment:
    """An environment seen, acted in or paid through a change that is drawn once a lifetime.

    Args:
        environment: the one inside.
        suffix: what is added to its name.
        options: of the transform; the environment inside is recorded beside them as "of".
        draw: `(key) -> change`.
        see: `(change, o [A]) -> o`.
        act: `(change, action []) -> action of the environment inside`.
        earn: `(change, r []) -> r`; None leaves the reward as it is.
        sizes: if they differ from those inside.
        sign: `(change) -> 1 or -1`, whether more of the reward inside is more of `earn`'s or less.
            Where `earn` changes the reward and this is None, it is unknown what is best, and there
            is no `Environment.teacher`.
    """
    B = (environment.sizes if sizes is None else sizes).action
    known = earn is None or sign is not None

    def draw_task(key):
        inside, own = jax.random.split(key)
        return Transformed(environment.draw_task(inside), draw(own))

    def reset(key, task):
        state, o = environment.reset(key, task.task)
        return state, see(task.change, o)

    def step(key, task, state, action):
        new = environment.step(key, task.task, state, act(task.change, action))
        return new._replace(
            observation=see(task.change, new.observation),
            reward=new.reward if earn is None else earn(task.change, new.reward),
        )

    def teacher(task, wanted):
        inside_out = 1.0 if sign is None else sign(task.change)
        worth = environment.teacher(task.task, wanted * inside_out)
        inside = jax.vmap(functools.partial(act, task.change))(jnp.arange(B))
        return lambda state: worth(state)[inside]

    return Environment(
        **_changed(environment, suffix, options),
        sizes=environment.sizes if sizes is None else sizes,
        draw_task=draw_task,
        reset=reset,
        step=step,
        teacher=teacher if environment.teacher and known else None,
    )


def more_is_more(change: Any) -> jax.Array:
    """The `sign` of a reward that grows with the one inside."""
    del change
    return jnp.ones(())


def permuted(
    environment: Environment, observations: bool = True, actions: bool = True
) -> Environment:
    """The entries of the observation and the actions in an order of their own in every lifetime
    (the paper's Figure 5, "shuffled").

    All orders are equally likely, the old one among them.

    Args:
        environment: whose.
        observations: whether inputs are permuted.
        actions: whether actions are permuted.

    Raises:
        ValueError: nothing is to be permuted.
    """
    if not (observations or actions):
        raise ValueError(
            f"Nothing of {environment.name} would be permuted: set observations or actions to True."
        )
    A, B = environment.sizes

    def draw(key):
        key_o, key_a = jax.random.split(key)
        return Permutation(
            jax.random.permutation(key_o, A) if observations else jnp.arange(A),
            jax.random.permutation(key_a, B) if actions else jnp.arange(B),
        )

    which = "" if observations and actions else "observations-" if observations else "actions-"
    return transformed(
        environment,
        suffix=f"{which}permuted",
        options={"observations": observations, "actions": actions},
        draw=draw,
        see=lambda change, o: o[change.observations],
        act=lambda change, action: change.actions[action],
    )


def moments(
    environment: Environment, lifetimes: Count = 128, steps: Count = 500, seed: Seed = 0
) -> Moments:
    """Means and variances of the observations and rewards that a uniformly random policy meets.

    Terminal observations count, and the step after one begins a new episode, as in a lifetime; the
    reward of that step, which is none, does not count.

    Args:
        environment: where.
        lifetimes: how many, each in a task of its own.
        steps: of each.
        seed: decides everything random.
    """

    def one(key):
        key_task, key_reset, key_steps = jax.random.split(key, 3)
        task = environment.draw_task(key_task)

        def step(carry, key):
            state, o, end = carry
            key_action, key_step, key_reset = jax.random.split(key, 3)
            action = jax.random.randint(key_action, (), 0, environment.sizes.action)
            new = environment.step(key_step, task, state, action)
            carry = jax.tree.map(
                lambda fresh, on: jnp.where(end > 0, fresh, on),
                (*environment.reset(key_reset, task), jnp.zeros(())),
                (new.state, new.observation, new.end),
            )
            return carry, (o, new.reward, end == 0)

        first = (*environment.reset(key_reset, task), jnp.zeros(()))
        return jax.lax.scan(step, first, jax.random.split(key_steps, steps))[1]

    def all_lives(seed):
        return jax.vmap(one)(jax.random.split(jax.random.key(seed), lifetimes))

    # Compiled first, it gives numbers and no tracers even where it is needed first inside a traced
    # function. (`ensure_compile_time_eval` should, but jax 0.7.2 cannot run a scan in it.)
    seen, paid, on = jax.jit(all_lives).lower(seed).compile()(seed)
    seen = np.asarray(seen, np.float64).reshape(-1, environment.sizes.observation)
    paid = np.asarray(paid, np.float64)[np.asarray(on)]
    mean = seen.mean(axis=0)
    covariance = (seen - mean).T @ (seen - mean) / len(seen)
    return Moments(mean, covariance, paid.mean(), paid.var())


@functools.cache
def constants(environment: Environment) -> Moments:
    """`moments`, worked out once for an environment, when they are needed first."""
    return Moments(*map(np.float32, moments(environment)))


def to_unit(variance: jax.Array) -> jax.Array:
    """The factor that brings a variance to one; zero for what never changes and has none."""
    return jnp.where(variance > 1e-9, jax.lax.rsqrt(jnp.maximum(variance, 1e-9)), 0.0)


def standardised(environment: Environment) -> Environment:
    """Each entry of the observation shifted and scaled so that a random policy sees it with mean 0
    and variance 1.

    Mean and variance are those of `moments`: the same in every lifetime. In a grid world, where an
    entry is one in a few cells and zero in most, this makes all entries speak equally loudly.

    Args:
        environment: whose.
    """

    def see(change, o):
        del change
        met = constants(environment)
        return (o - met.mean) * to_unit(jnp.diag(met.covariance))

    return transformed(environment, "standardised", {}, see=see)


def projected(
    environment: Environment,
    to: Count = 16,
    unit_variance: bool = True,
    seed: Seed | None = None,
) -> Environment:
    """A random linear map of the observation in every lifetime (the paper's Figure 7 and appendix:
    "Glorot normal, mapping those to a 16-dimensional vector").

    The map's weights are drawn from N(0, 2 / (A + to)). What they make of an observation depends on
    the environment: a few ones among many zeros come out small, a steady input comes out as an
    offset. `unit_variance` shifts and scales each output so that a random policy would see it with
    mean 0 and variance 1 under this very map: with C the covariance of the observations and w the
    weights of an output, its variance is w · C w. Mean and covariance are those of `moments`:
    constants of the environment, worked out once, when the first task is drawn. So the change is a
    function of the key alone.

    Args:
        environment: whose.
        to: length of the observation that comes out.
        unit_variance: whether outputs are brought to mean 0 and variance 1; if not, they are the
            paper's.
        seed: of one map that all lifetimes share, so that a learner can store in theta what its
            inputs mean; None draws a map in every lifetime.

    Raises:
        ValueError: nothing would come out.
    """
    A, B = environment.sizes

    def draw(key):
        key = key if seed is None else jax.random.key(seed)
        weights = jnp.sqrt(2 / (A + to)) * jax.random.normal(key, (to, A))
        if not unit_variance:
            return Projection(weights, jnp.zeros(to))
        met = constants(environment)
        variance = jnp.einsum("ia,ac,ic->i", weights, met.covariance, weights)
        weights = to_unit(variance)[:, None] * weights
        return Projection(weights, -weights @ met.mean)

    return transformed(
        environment,
        suffix=f"projected-{to}"
        + "-glorot" * (not unit_variance)
        + ("" if seed is None else f"-fixed-{seed}"),
        options={"to": to, "unit_variance": unit_variance}
        | ({} if seed is None else {"seed": seed}),
        draw=draw,
        see=lambda change, o: change.weights @ o + change.offset,
        sizes=Sizes(observation=to, action=B),
    )


def spare_actions(environment: Environment, to: Count) -> Environment:
    """More actions than are needed: action b does what action b mod B did.

    For a learner whose sizes are fixed, in a world that has fewer actions than the one that it was
    meta-trained in.

    Args:
        environment: whose.
        to: how many actions there are then, at least B.

    Raises:
        ValueError: there would be fewer actions than before.
    """
    A, B = environment.sizes
    if to < B:
        raise ValueError(f"{environment.name} has {B} actions: to={to}, give at least {B}.")
    return transformed(
        environment,
        suffix=f"{to}-actions",
        options={"to": to},
        act=lambda change, action: action % B,
        sizes=Sizes(observation=A, action=to),
    )


def rewards_swapped(environment: Environment) -> Environment:
    """The same with every reward's sign exchanged, in all lifetimes (the paper's Figure 6: the trap
    pays and the heart costs).

    Args:
        environment: whose.
    """
    return transformed(
        environment, "swapped", {}, earn=lambda change, r: -r, sign=lambda change: -jnp.ones(())
    )


def reward_sign(environment: Environment) -> Environment:
    """The reward's sign is drawn once a lifetime, and hidden: what was good is bad in half of them.

    No policy that does without the reward can earn anything here on average.

    Args:
        environment: whose.
    """

    def draw(key):
        return jnp.where(jax.random.bernoulli(key), 1.0, -1.0)

    return transformed(
        environment, "signed", {}, draw=draw, earn=lambda sign, r: sign * r, sign=lambda sign: sign
    )


def reward_zero(environment: Environment, spread: Positive = 1.0) -> Environment:
    """What counts as nothing is drawn once a lifetime, and hidden: a number from U(-spread, spread)
    is added to every reward.

    Which policy is best does not depend on it, so a learner should not either; one that was only
    ever paid around zero may.

    Args:
        environment: whose.
        spread: the largest number that is added.

    Raises:
        ValueError: nothing would be added.
    """

    def draw(key):
        return jax.random.uniform(key, minval=-spread, maxval=spread)

    plus = {"earn": lambda zero, r: r + zero, "sign": more_is_more}
    return transformed(environment, "zero", {"spread": spread}, draw, **plus)


def reward_scale(
    environment: Environment, most: Annotated[float, Range(above=1)] = 3.0
) -> Environment:
    """The unit of the reward is drawn once a lifetime, and hidden: every reward is multiplied by a
    number between 1 / most and most, whose logarithm is uniform.

    Args:
        environment: whose.
        most: the largest factor, above 1.
    """

    def draw(key):
        return most ** jax.random.uniform(key, minval=-1.0, maxval=1.0)

    times = {"earn": lambda scale, r: scale * r, "sign": more_is_more}
    return transformed(environment, "scaled", {"most": most}, draw, **times)


def _reward_drawn(
    environment: Environment,
    suffix: str,
    options: Mapping[str, Any],
    earn: Callable[[jax.Array, jax.Array], jax.Array],
) -> Environment:
    """An environment whose every reward passes through a draw of its own, `(key, r []) -> r`."""

    def step(key, task, state, action):
        inside, own = jax.random.split(key)
        new = environment.step(inside, task, state, action)
        return new._replace(reward=earn(own, new.reward))

    return dataclasses.replace(
        environment,
        **_changed(environment, suffix, options),
        step=step,
    )


def reward_noise(environment: Environment, std: Positive) -> Environment:
    """A number from N(0, std²) is added to the reward of every step.

    Args:
        environment: whose.
        std: standard deviation of what is added.
    """
    return _reward_drawn(
        environment, "noisy", {"std": std}, lambda key, r: r + std * jax.random.normal(key)
    )


def reward_rare(
    environment: Environment, probability: Annotated[float, Range(above=0, below=1)]
) -> Environment:
    """Each reward is paid with some probability, and is 0 otherwise.

    Args:
        environment: whose.
        probability: that a reward is paid.
    """

    def earn(key, r):
        return jnp.where(jax.random.uniform(key) < probability, r, 0.0)

    return _reward_drawn(environment, "rare", {"probability": probability}, earn)


def reward_successes(environment: Environment, steepness: Positive = 2.0) -> Environment:
    """Each reward becomes a Bernoulli reward: 1, a success, with probability
    1 / (1 + exp(-steepness r)), and else 0, a failure.

    Where rewards are as often r as -r, a policy that does without them earns 1/2 on average, and
    not 0. The teacher stays that of the rewards before. Where an action decides what comes next, it
    is only nearly best for the successes.

    Args:
        environment: whose.
        steepness: how much a reward decides. A very small one leaves all to chance.
    """

    def earn(key, r):
        return (jax.random.uniform(key) < jax.nn.sigmoid(steepness * r)).astype(float)

    return _reward_drawn(environment, "successes", {"steepness": steepness}, earn)


def reward_pauses(
    environment: Environment,
    steps: Count,
    first: Annotated[float, Range(above=0, most=1)] = 1.0,
) -> Environment:
    """Rewards come and go: for some steps all are paid, for some steps each is 0, and so on.

    After every step it changes with probability 1 / steps. An episode begins with rewards, or with
    `first` below 1 only some episodes do. Which action is best does not depend on it, so a learner
    should keep to what it has learned while nothing is paid.

    Args:
        environment: whose.
        steps: how long it stays as it is, on average.
        first: the probability that an episode begins with rewards.
    """

    def reset(key, task):
        if first == 1:
            state, o = environment.reset(key, task)
            return Pausing(state, jnp.ones(())), o
        inside, own = jax.random.split(key)
        state, o = environment.reset(inside, task)
        return Pausing(state, (jax.random.uniform(own) < first).astype(float)), o

    def step(key, task, state, action):
        inside, own = jax.random.split(key)
        new = environment.step(inside, task, state.state, action)
        change = jax.random.uniform(own) * steps < 1
        return new._replace(
            state=Pausing(new.state, jnp.where(change, 1 - state.paying, state.paying)),
            reward=jnp.where(state.paying > 0, new.reward, 0.0),
        )

    # Older records have no `first`; it is left out where it is 1, so that they still match.
    options = {"steps": steps} | ({"first": first} if first < 1 else {})
    return _kept_beside(environment, "pausing", options, reset, step)


def delayed(environment: Environment, steps: Count) -> Environment:
    """The reward of each step is paid some steps later.

    Until then nothing is paid. What is still owed at the end of an episode is paid at its end, all
    at once: an episode's return stays what it was, so that the same policy is best, and a goal that
    ends an episode is paid for at all. The last rewards of a lifetime are never seen.

    Args:
        environment: whose.
        steps: d, by how many.
    """

    def reset(key, task):
        state, o = environment.reset(key, task)
        return Delayed(state, jnp.zeros(steps)), o

    def step(key, task, state, action):
        new = environment.step(key, task, state.state, action)
        paid, owed = state.owed[0], jnp.append(state.owed[1:], new.reward)
        return new._replace(
            state=Delayed(new.state, owed),
            reward=jnp.where(new.end > 0, paid + owed.sum(), paid),
        )

    return _kept_beside(environment, f"delayed-{steps}", {"steps": steps}, reset, step)


def _kept_beside(
    environment: Environment,
    suffix: str,
    options: Mapping[str, Any],
    reset: Callable,
    step: Callable,
) -> Environment:
    """An environment whose state has more beside that of the one inside, which is its `state`."""

    def teacher(task, sign):
        worth = environment.teacher(task, sign)
        return lambda state: worth(state.state)

    return dataclasses.replace(
        environment,
        **_changed(environment, suffix, options),
        reset=reset,
        step=step,
        teacher=environment.teacher and teacher,
    )


def rewards_standardised(environment: Environment) -> Environment:
    """Rewards shifted and scaled so that a random policy earns mean 0 and variance 1 a step.

    Mean and variance are those of `moments`: the same in every lifetime.

    Args:
        environment: whose.
    """

    def earn(change, r):
        del change
        met = constants(environment)
        return (r - met.reward_mean) * to_unit(met.reward_variance)

    return transformed(environment, "rewards-standardised", {}, earn=earn, sign=more_is_more)


def reset_at_once(environment: Environment) -> Environment:
    """The same without terminal observations: the step that ends an episode already shows the first
    observation of the next one, and says nothing of an end.

    This is what environments that reset by themselves do. The reward of the last step then arrives
    beside an observation that has nothing to do with it, and no step is spent on the reset.

    Args:
        environment: whose.
    """

    def step(key, task, state, action):
        key_step, key_reset = jax.random.split(key)
        new = environment.step(key_step, task, state, action)
        state, o = jax.tree.map(
            lambda first, next_one: jnp.where(new.end > 0, first, next_one),
            environment.reset(key_reset, task),
            (new.state, new.observation),
        )
        return Transition(state, o, new.reward, jnp.zeros(()))

    return dataclasses.replace(
        environment,
        **_changed(environment, "reset-at-once", {}),
        step=step,
    )
