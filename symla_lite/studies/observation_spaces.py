"""Study 3: generalising to unseen observation spaces (the paper's Figure 5).

SymLA and the MetaRNN are each meta-trained on CartPole, Acrobot and MountainCar with inputs and
actions in their usual order, and tested with that order and with another one in every lifetime. In
these three a learner could find out the order from how its observations answer its actions, and
never look at its reward. So there is a fourth, in which it must look: CartPole whose reward has a
sign that is drawn for every lifetime, so that to balance is right in half of them and to fall is
right in the others.
"""

import dataclasses

from symla_lite.baselines import actor_critic, random_policy, win_stay
from symla_lite.checks import Count, Positive
from symla_lite.controls import reward_held_at, without_reward
from symla_lite.environments.control import acrobot, cartpole, mountain_car
from symla_lite.environments.environment import Environment
from symla_lite.environments.transforms import permuted, reward_sign
from symla_lite.evolution import ES
from symla_lite.learner import Learner
from symla_lite.meta_training import Outer
from symla_lite.metarnn import metarnn
from symla_lite.studies.study import Scale, Study, Test, Training, controls, tested_on
from symla_lite.symla import symla

STEPS = 500
"""L, steps in a lifetime."""

ENVIRONMENTS: dict[str, Environment] = {
    "cartpole": cartpole("balance"),
    "acrobot": acrobot(),
    "mountain_car": mountain_car(),
    "cartpole_signed": reward_sign(cartpole("balance")),
}
"""The paper's three, and the one in which the reward is needed."""

PERMUTED = {name: permuted(environment) for name, environment in ENVIRONMENTS.items()}
"""The same, with inputs and actions in an order that is drawn for every lifetime."""


def outer(
    population: Count, sigma: Positive, learning_rate: Positive, steps: Count, lifetimes: Count
) -> Outer:
    """The outer loop on lifetimes of 500 steps."""
    es = ES(population=population, sigma=sigma)
    return Outer(es, learning_rate=learning_rate, steps=steps, length=STEPS, lifetimes=lifetimes)


def trainings(learner: Learner, loops: dict[str, Outer]) -> tuple[Training, ...]:
    """A learner meta-trained on environments by name, each with its outer loop."""
    return tuple(
        Training(f"{learner.name}-{name}", learner, ENVIRONMENTS[name], loop)
        for name, loop in loops.items()
    )


PAPER = outer(1024, sigma=0.035, learning_rate=0.01, steps=20_000, lifetimes=10)
"""The paper's own numbers for all that is not a bandit (its appendix "Hyper-parameters"). Its code
draws 512 pairs: 1,024 members."""


def quick() -> Scale:
    """Under a minute: CartPole alone, enough to see who notices that it was shuffled."""
    small = outer(64, sigma=0.05, learning_rate=0.03, steps=40, lifetimes=1)
    return Scale(
        trainings=trainings(metarnn(hidden=16), {"cartpole": small}),
        seeds=(0,),
        test_lifetimes=100,
        test_length=STEPS,
    )


def standard() -> Scale:
    """Under two hours on two CPU cores."""

    def symla_for(steps):
        return outer(128, sigma=0.05, learning_rate=0.02, steps=steps, lifetimes=4)

    def metarnn_for(steps):
        return outer(256, sigma=0.05, learning_rate=0.02, steps=steps, lifetimes=4)

    by_symla = {"cartpole": 1000, "acrobot": 600, "mountain_car": 600, "cartpole_signed": 1000}
    return Scale(
        trainings=(
            *trainings(symla(), {name: symla_for(steps) for name, steps in by_symla.items()}),
            *trainings(metarnn(hidden=32), {name: metarnn_for(400) for name in by_symla}),
        ),
        seeds=(0, 1, 2),
        test_lifetimes=200,
        test_length=STEPS,
    )


def _after_cartpole(world: str, steps: Count, slower: Count) -> tuple[Training, Training]:
    """SymLA from the theta that has learned CartPole, in another environment: with one lifetime for
    each member and fitness shaped by the differences within pairs, which makes more of every step
    in an environment, and at last with a third of the learning rate."""
    es = ES(population=128, sigma=0.05, shaping="differences")
    first = Outer(es, learning_rate=0.01, steps=steps, length=STEPS, lifetimes=1)
    last = dataclasses.replace(first, learning_rate=0.003, steps=slower)
    name, environment = f"symla-cartpole-{world}", ENVIRONMENTS[world]
    return (
        Training(name, symla(), environment, first, "symla-cartpole", tested=False),
        Training(f"{name}_b", symla(), environment, last, name),
    )


def night() -> Scale:
    """Half an hour of one CPU core for each seed: Acrobot, and CartPole with a hidden sign, from
    the theta that has learned CartPole, which already identifies its inputs. From Acrobot's own
    theta of `standard` the same way leads hardly on."""
    before = next(x for x in standard().trainings if x.name == "symla-cartpole")
    return Scale(
        trainings=(
            dataclasses.replace(before, tested=False),
            *_after_cartpole("acrobot", steps=4000, slower=3000),
            *_after_cartpole("cartpole_signed", steps=3000, slower=1500),
        ),
        seeds=(0, 1, 2),
        test_lifetimes=200,
        test_length=STEPS,
    )


def paper() -> Scale:
    """The numbers of the paper's appendix, for a GPU; standardised fitness is ours."""
    loops = dict.fromkeys(ENVIRONMENTS, PAPER)
    return Scale(
        trainings=(*trainings(symla(), loops), *trainings(metarnn(hidden=32), loops)),
        seeds=(0, 1, 2),
        test_lifetimes=200,
        test_length=STEPS,
    )


def tests(training: Training) -> tuple[Test, ...]:
    """The environment trained on, as it is and permuted, with reward and without; permuted, with
    the other controls, too. On Acrobot a reward of zero says that the goal was reached, so that
    there the reward is also held at -1."""
    name = next(x for x, environment in ENVIRONMENTS.items() if environment == training.environment)
    learner = training.learner
    held = {"acrobot": Test("permuted_reward_held", reward_held_at(learner, -1.0), PERMUTED[name])}
    return (
        *(
            Test(order + suffix, who, environments[name])
            for order, environments in (("original", ENVIRONMENTS), ("permuted", PERMUTED))
            for suffix, who in (("", learner), ("_without_reward", without_reward(learner)))
        ),
        *controls(learner, {"permuted": PERMUTED[name]}, STEPS),
        *([held[name]] if name in held else []),
    )


OBSERVATION_SPACE_STUDY = Study(
    name="observation_spaces",
    figure="Figure 5",
    measure=lambda lifetime: lifetime.reward,
    tests=tests,
    references=(
        *tested_on(random_policy(), ENVIRONMENTS, "random/"),
        *tested_on(win_stay(), ENVIRONMENTS, "win_stay/"),
        *tested_on(actor_critic(), ENVIRONMENTS, "actor_critic/"),
    ),
    scales={"quick": quick(), "standard": standard(), "paper": paper(), "night": night()},
)
