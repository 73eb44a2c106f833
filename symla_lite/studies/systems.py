"""The systems of the paper's Table 1, meta-trained with the same budget on the same tasks.

The paper's table is a comparison by construction, without a run. Here each of its systems, and the
linear actor-critic, gets the same number of environment steps of meta-training on each of four
worlds:

- independent bandits with two arms, tested there and with five arms where theta fits them;
- the biased bandit, whose first arm is never the worse one, tested there and with its arms swapped;
- CartPole as it is, tested there and with inputs and actions permuted in each lifetime;
- hearts 2×2 as they are, tested there and with the rewards swapped.

Where the world is changed for the test, there are MetaRNNs more, whose meta-training has the change
drawn anew in every lifetime: is the architecture needed, or is augmentation enough? On the biased
bandit one meets the arms in a random order; on CartPole one meets inputs and actions in a random
order, and on hearts one meets either sign of the reward, with as many environment steps as all
others and with ten times as many.

Each is tested with its reward and without, beside a random policy and win-stay lose-shift. Where
the reward is rare, on hearts, theta is led there over linear bandits. The learners whose theta fits
all sizes begin with one input and two arms and go on to four and four; the others, MAML and the
MetaRNN, have a bandit of the grid's own sizes for as many environment steps.
"""

import dataclasses
from collections.abc import Mapping

from symla_lite.baselines import (
    actor_critic,
    index_policy,
    lpg,
    maml,
    metagenrl,
    random_policy,
    reinforce,
    thompson,
    ucb,
    win_stay,
)
from symla_lite.checks import Count
from symla_lite.controls import without_reward
from symla_lite.environments.bandits import BANDITS, biased, independent_arms, regret_per_pull
from symla_lite.environments.control import cartpole
from symla_lite.environments.environment import Environment
from symla_lite.environments.grids import hearts
from symla_lite.environments.linear import linear_bandit
from symla_lite.environments.transforms import (
    permuted,
    reward_sign,
    rewards_swapped,
    standardised,
)
from symla_lite.evolution import ES
from symla_lite.learner import Learner
from symla_lite.lifetime import Lifetime
from symla_lite.meta_training import Outer
from symla_lite.metarnn import metarnn
from symla_lite.studies.study import (
    Scale,
    Study,
    Training,
    controls,
    references_on,
    tested_on,
)
from symla_lite.symla import symla

CONSTANTS = ("reinforce", "actor-critic")
"""Systems whose theta is a few constants: there is no rule to be found, only to be tuned. They take
larger steps of the outer loop, and as many."""

FIXED = ("maml", "metarnn")
"""Systems whose theta fits one pair of sizes."""


def systems(hidden: tuple[int, ...], horizon: int) -> tuple[Learner, ...]:
    """The systems, in the order of the paper's table.

    Args:
        hidden: units of the hidden layers of those that have a policy network.
        horizon: steps between updates of those that update at intervals; REINFORCE and MAML tune
            it.
    """
    policy = {"hidden": hidden, "horizon": horizon}
    return (
        reinforce(**policy, tuned=True),
        actor_critic(),
        metagenrl(**policy),
        lpg(**policy),
        maml(**policy),
        metarnn(hidden=32),
        symla(),
    )


def loop(learner: Learner, loop: Outer) -> Outer:
    """The outer loop for a system: that of the world, with larger steps for constants."""
    if learner.name not in CONSTANTS:
        return loop
    return dataclasses.replace(loop, es=dataclasses.replace(loop.es, sigma=0.3), learning_rate=0.1)


def outer(
    population: int,
    steps: int,
    length: int,
    lifetimes: int,
    sigma: float = 0.1,
    learning_rate: float = 0.03,
    shaping: str = "standardised",
) -> Outer:
    """The outer loop of a world."""
    es = ES(population=population, sigma=sigma, shaping=shaping)
    return Outer(es, learning_rate=learning_rate, steps=steps, length=length, lifetimes=lifetimes)


TUNED = (actor_critic(), reinforce(horizon=20, tuned=True))
"""Hand-made rules. Their constants are theta."""


def on(
    name: str, environment: Environment, world: Outer, learners: tuple[Learner, ...]
) -> tuple[Training, ...]:
    """Each system on a world, from a theta that is drawn; `SYSTEM-NAME`."""
    return tuple(
        Training(f"{learner.name}-{name}", learner, environment, loop(learner, world))
        for learner in learners
    )


def augmented(
    name: str, environment: Environment, world: Outer, learners: tuple[Learner, ...]
) -> tuple[Training, ...]:
    """The MetaRNN, if it is among the systems, on a world that is changed in every lifetime, with
    the budget of all others and with ten times as many steps (`NAME_tenfold`)."""
    metarnns = tuple(learner for learner in learners if learner.name == "metarnn")
    tenfold = dataclasses.replace(world, steps=10 * world.steps)
    return on(name, environment, world, metarnns) + on(
        f"{name}_tenfold", environment, tenfold, metarnns
    )


def with_and_without_reward(training: Training, worlds: Mapping[str, Environment]):
    """A training's learner, tested on every world whose sizes it fits, with its reward and without
    (`KEY_without_reward`)."""
    learner, sizes = training.learner, training.environment.sizes
    if learner.name in FIXED:
        worlds = {key: where for key, where in worlds.items() if where.sizes == sizes}
    blind = {f"{key}_without_reward": where for key, where in worlds.items()}
    return (*tested_on(learner, worlds), *tested_on(without_reward(learner), blind))


def study(
    name: str,
    worlds: Mapping[str, Environment],
    references: Mapping[str, Learner],
    scales: Mapping[str, Scale],
    measure=lambda lifetime: lifetime.reward,
) -> Study:
    """The comparison on one world and on what it is changed to."""
    return Study(
        name=name,
        figure="Table 1",
        measure=measure,
        tests=lambda training: with_and_without_reward(training, worlds),
        references=references_on(references, worlds),
        scales=scales,
    )


def scales(
    quick: tuple[Training, ...],
    standard: tuple[Training, ...],
    paper: tuple[Training, ...],
    test_length: Count,
    test_lifetimes: Count,
) -> dict[str, Scale]:
    """The three scales of a world. `standard` takes under two hours on two CPU cores."""
    return {
        "quick": Scale(quick, (0,), 100, test_length),
        "standard": Scale(standard, (0, 1, 2), test_lifetimes, test_length),
        "paper": Scale(paper, (0, 1, 2), test_lifetimes, test_length),
    }


PAPER = outer(1024, steps=20_000, length=500, lifetimes=10, sigma=0.035, learning_rate=0.01)
"""The paper's appendix for all that is not a bandit; standardised fitness is ours."""

# Bandits. There is nothing to see, so policies are linear, and updates are frequent.

PULLS = 100
OF_BANDITS = systems(hidden=(), horizon=5)
QUICK_BANDITS = tuple(x for x in OF_BANDITS if x.name in ("reinforce", "lpg", "symla"))
REFERENCES = {
    "random": random_policy(),
    "win_stay": win_stay(),
    "thompson": thompson(),
    "ucb": ucb(),
    "index": index_policy(PULLS),
}


def regret(lifetime: Lifetime):
    """Regret of every pull, [L]."""
    return regret_per_pull(lifetime.task, lifetime.action)


def of_pulls(population: int, steps: int, lifetimes: int, learning_rate: float = 0.03) -> Outer:
    """The outer loop of a bandit."""
    return outer(population, steps, PULLS, lifetimes, learning_rate=learning_rate)


# Independent arms. Study 1 has the step size of `standard` here, and in its records SymLA and the
# MetaRNN are near their last fitness by step 400 of 1000. With as many steps for each, all seven
# systems and three seeds take under an hour of one core, and so can be run again with every change.

INDEPENDENT = BANDITS["independent"]

BANDIT_SYSTEMS = study(
    "systems_bandits",
    {"independent": INDEPENDENT, "five_arms": independent_arms(5)},
    REFERENCES,
    scales(
        on("independent", INDEPENDENT, of_pulls(64, 60, 8), QUICK_BANDITS),
        on("independent", INDEPENDENT, of_pulls(128, 400, 16, learning_rate=0.05), OF_BANDITS),
        on("independent", INDEPENDENT, of_pulls(1024, 4000, 100), OF_BANDITS),
        test_length=PULLS,
        test_lifetimes=1000,
    ),
    measure=regret,
)

# The biased bandit, whose order of arms can be learned by heart, and the same in a random order.

FIRST = biased()
EITHER_ORDER = permuted(FIRST, observations=False)
OF_BIASED = tuple(x for x in OF_BANDITS if x.name in ("metarnn", "symla"))


def on_biased(world: Outer, learners: tuple[Learner, ...]) -> tuple[Training, ...]:
    """Systems on the biased bandit, and the MetaRNN on arms in a random order."""
    either = on("either_order", EITHER_ORDER, world, learners)
    return on("biased", FIRST, world, learners) + tuple(
        training for training in either if training.learner.name == "metarnn"
    )


BIASED_SYSTEMS = study(
    "systems_biased",
    {"original": FIRST, "swapped": biased(swapped=True)},
    REFERENCES,
    scales(
        on_biased(of_pulls(64, 60, 8), OF_BIASED),
        on_biased(of_pulls(128, 200, 8, learning_rate=0.05), OF_BANDITS),
        on_biased(of_pulls(1024, 4000, 100), OF_BANDITS),
        test_length=PULLS,
        test_lifetimes=1000,
    ),
    measure=regret,
)

# CartPole, whose reward in each step depends on the state. Small populations with one lifetime for
# each member learn most from an environment step (Chapter 6).

STEPS = 500
POLE = cartpole("balance")
POLE_PERMUTED = permuted(POLE)
OF_POLE = systems(hidden=(32,), horizon=20)
QUICK_POLE = tuple(x for x in OF_POLE if x.name in ("actor-critic", "maml", "metarnn"))


def on_pole(world: Outer, learners: tuple[Learner, ...]) -> tuple[Training, ...]:
    """Systems on CartPole, and the MetaRNN on permuted CartPole."""
    return on("cartpole", POLE, world, learners) + augmented(
        "permuted", POLE_PERMUTED, world, learners
    )


def of_pole(steps: int) -> Outer:
    """The outer loop on CartPole, with the noise that Study 3 has there."""
    return outer(64, steps, STEPS, 1, sigma=0.05, learning_rate=0.02, shaping="differences")


CARTPOLE_SYSTEMS = study(
    "systems_cartpole",
    {"original": POLE, "permuted": POLE_PERMUTED},
    {"random": random_policy(), "win_stay": win_stay()},
    scales(
        on("cartpole", POLE, of_pole(20), QUICK_POLE),
        on_pole(of_pole(1500), OF_POLE),
        on_pole(PAPER, OF_POLE),
        test_length=STEPS,
        test_lifetimes=200,
    ),
)

# Hearts, over linear bandits.

GRID, SWAPPED = standardised(hearts(2)), standardised(rewards_swapped(hearts(2)))
EITHER_SIGN = standardised(reward_sign(hearts(2)))
OF_GRID = systems(hidden=(32,), horizon=20)
QUICK_GRID = tuple(x for x in OF_GRID if x.name in ("actor-critic", "metarnn"))


def led_to_hearts(learner: Learner, one: Outer, four: Outer, grid: Outer) -> tuple[Training, ...]:
    """A system's curriculum. What the learners of fixed sizes have in the place of its first two
    steps takes as many environment steps."""
    one, four, grid = (loop(learner, world) for world in (one, four, grid))
    name = learner.name
    if name in FIXED:
        more = one.cost * one.steps // four.cost
        first = f"{name}-linear_12"
        longer = dataclasses.replace(four, steps=four.steps + more)
        before = (Training(first, learner, linear_bandit(*GRID.sizes), longer, tested=False),)
    else:
        first = f"{name}-linear_4"
        before = (
            Training(f"{name}-linear_1", learner, linear_bandit(1, 2), one, tested=False),
            Training(first, learner, linear_bandit(4, 4), four, f"{name}-linear_1", tested=False),
        )
    then = (Training(f"{name}-hearts_2", learner, GRID, grid, first),)
    if name == "metarnn":
        for training in augmented("either_sign", EITHER_SIGN, grid, (learner,)):
            then += (dataclasses.replace(training, start=first),)
    return (*before, *then)


def all_led(one: Outer, four: Outer, grid: Outer) -> tuple[Training, ...]:
    """All systems' curricula."""
    return tuple(step for x in OF_GRID for step in led_to_hearts(x, one, four, grid))


HEARTS = study(
    "systems_hearts",
    {"original": GRID, "swapped": SWAPPED},
    {"random": random_policy(), "win_stay": win_stay()},
    scales(
        on("hearts_2", GRID, outer(64, 40, 100, lifetimes=1), QUICK_GRID),
        all_led(
            outer(128, 300, 100, lifetimes=8, shaping="differences"),
            outer(64, 1200, 150, lifetimes=1, shaping="differences"),
            outer(64, 1500, 300, lifetimes=1, learning_rate=0.02, shaping="differences"),
        ),
        on("hearts_2", GRID, PAPER, OF_GRID)
        + augmented("either_sign", EITHER_SIGN, PAPER, OF_GRID),
        test_length=1000,
        test_lifetimes=200,
    ),
)
HEARTS_SYSTEMS = dataclasses.replace(
    HEARTS,
    tests=lambda training: (
        *HEARTS.tests(training),
        *controls(training.learner, {"original": GRID}, 1000),
    ),
)
"""With the controls that a claim of learning has to survive."""
