"""What the paper claims, as questions to the records: the reproduction card.

A claim is a sentence of the paper about one of its five studies, and the findings that it stands
or falls with. A finding is a figure for every recorded lifetime and what its mean, or its interval,
must do. Nothing is decided here by hand: with other records the verdicts are others.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from symla_lite.meta_testing import interval
from symla_lite.studies.results import Results

COMPARABLE = 0.8
"""Who closes at least this share of the gap between a random policy and another learner, earns
"comparably" to that learner. The paper does not say how much it means."""
NEAR = 0.1
"""Two are "the same" if they differ by at most this share of the gap to a random policy, or by less
than chance would explain."""

Verdict = Literal["reproduced", "partly", "not reproduced"]


class Finding(NamedTuple):
    """A figure, and whether it is as the claim says."""

    what: str
    """What was measured, with its unit."""
    values: np.ndarray
    """For each lifetime, [seeds, lifetimes]."""
    must: str
    """What the claim needs of it."""
    holds: bool


@dataclasses.dataclass(frozen=True)
class Claim:
    """A sentence of the paper, and how it is tested."""

    study: str
    """The name of the study."""
    says: str
    """What is claimed."""
    paper: str
    """The paper's number or words."""
    findings: Callable[[Results], Sequence[Finding]]
    """What the records have to say about it."""
    ours: bool = False
    """Whether the claim is this book's question and not the paper's."""


def verdict(findings: Sequence[Finding]) -> Verdict:
    """All findings hold, some do, or none. Raises `ValueError` if there are none."""
    if not findings:
        raise ValueError("Nothing was found, so that nothing follows: give at least one finding.")
    hold = [finding.holds for finding in findings]
    return "reproduced" if all(hold) else "partly" if any(hold) else "not reproduced"


def at_least(what: str, values: np.ndarray, bound: float, digits: int = 2) -> Finding:
    """The mean is at least so much."""
    return Finding(what, values, f"≥ {bound:.{digits}f}", bool(np.mean(values) >= bound))


def at_most(what: str, values: np.ndarray, bound: float, digits: int = 2) -> Finding:
    """The mean is at most so much."""
    return Finding(what, values, f"≤ {bound:.{digits}f}", bool(np.mean(values) <= bound))


def above(what: str, values: np.ndarray, bound: float = 0.0, digits: int = 2) -> Finding:
    """The whole interval is above the bound."""
    must = f"interval above {bound:.{digits}f}"
    return Finding(what, values, must, bool(interval(values)[0] > bound))


def below(what: str, values: np.ndarray, bound: float = 0.0, digits: int = 2) -> Finding:
    """The whole interval is below the bound."""
    must = f"interval below {bound:.{digits}f}"
    return Finding(what, values, must, bool(interval(values)[1] < bound))


def alike(what: str, values: np.ndarray) -> Finding:
    """A difference, as a share of a gap, is small or within the reach of chance."""
    low, high = interval(values)
    small = abs(np.mean(values)) <= NEAR
    must = f"within ±{NEAR} or an interval with 0"
    return Finding(what, values, must, bool(small or low <= 0 <= high))


def total(runs: Results, training: str, test: str) -> np.ndarray:
    """The measure summed over each lifetime, [seeds, lifetimes]."""
    return runs.stack(training, f"{test}/blocks").sum(-1)


def chance(runs: Results, test: str) -> float:
    """The mean measure of a random policy's lifetimes."""
    return float(runs.reference(f"random/{test}/blocks").sum(-1).mean())


def fifth(runs: Results, training: str, test: str, which: int) -> np.ndarray:
    """The measure a step in one fifth of each lifetime, [seeds, lifetimes].

    Args:
        which: 0 the first, -1 the last.
    """
    blocks = runs.stack(training, f"{test}/blocks")
    steps = runs.about(training)[0]["test_length"] / 5
    return blocks.reshape(*blocks.shape[:2], 5, -1).sum(-1)[..., which] / steps


def rise(runs: Results, training: str, test: str) -> np.ndarray:
    """By how much the last fifth of each lifetime is better than its first, a step."""
    return fifth(runs, training, test, -1) - fifth(runs, training, test, 0)


def share(values: np.ndarray, none: float, all_of_it: float) -> np.ndarray:
    """Where values lie between two levels: 0 at the first, 1 at the second."""
    return (values - none) / (all_of_it - none)


# Study 1

BANDITS = ("independent", "uniform", "easy", "medium", "hard")


def comparable_at_home(runs: Results) -> list[Finding]:
    """Each bandit, where both learners were meta-trained on it."""
    return [comparable_on(runs, name, name) for name in BANDITS]


def comparable_abroad(runs: Results) -> list[Finding]:
    """Each bandit, by those that were meta-trained on another one."""
    return [comparable_on(runs, home, away) for home in BANDITS for away in BANDITS if home != away]


def comparable_on(runs: Results, home: str, away: str) -> Finding:
    """How much of the MetaRNN's way below a random policy's regret SymLA goes."""
    random = chance(runs, away)
    metarnn = total(runs, f"metarnn-{home}", away).mean()
    where = home if home == away else f"{home} → {away}"
    closed = share(total(runs, f"symla-{home}", away), random, metarnn)
    return at_least(f"{where}: share of the gap random → MetaRNN", closed, COMPARABLE)


# Study 2

PAPER_REGRET = {
    2: {2: 4.2, 8: 120, 10: 130, 12: 140},
    8: {2: 12, 8: 13, 10: 15, 12: 17},
    10: {2: 14, 8: 13, 10: 15, 12: 17},
    12: {2: 20, 8: 15, 10: 16, 12: 17},
}
"""The paper's Figure 4: regret by arms in meta-training and in meta-testing. It was printed so;
three of these are more than 100 pulls of arms that pay at most 1 can lose."""
MANY = (8, 10, 12)


def regret_at_home(runs: Results) -> list[Finding]:
    """As many arms as in meta-training."""
    return [
        at_most(f"{n} → {n} arms: regret", total(runs, f"symla-{n}", f"{n}"), PAPER_REGRET[n][n], 1)
        for n in PAPER_REGRET
    ]


def regret_abroad(runs: Results) -> list[Finding]:
    """Another number of arms than in meta-training, beside those that were trained on it."""
    return [
        at_most(
            f"{home} → {away} arms: regret ÷ that of {away} → {away}",
            total(runs, f"symla-{home}", f"{away}")
            / total(runs, f"symla-{away}", f"{away}").mean(),
            1.2,
            1,
        )
        for home in MANY
        for away in MANY
        if home != away
    ]


def two_arms_specialise(runs: Results) -> list[Finding]:
    """From two arms to many."""
    return [
        above(
            f"2 → {away} arms: regret above that of {away} → {away}",
            total(runs, "symla-2", f"{away}") - total(runs, f"symla-{away}", f"{away}").mean(),
        )
        for away in MANY
    ]


# Study 3

CONTROL = ("cartpole", "acrobot", "mountain_car")


def gap(runs: Results, name: str, values: np.ndarray, learner: str = "metarnn") -> np.ndarray:
    """Rewards as a share of what a learner that was meta-trained here has above a random policy."""
    return share(values, chance(runs, name), total(runs, f"{learner}-{name}", "original").mean())


def comparable_control(runs: Results) -> list[Finding]:
    """Inputs and actions in the order of meta-training."""
    return [
        at_least(
            f"{name}: share of the gap random → MetaRNN",
            gap(runs, name, total(runs, f"symla-{name}", "original")),
            COMPARABLE,
        )
        for name in CONTROL
    ]


def order_is_nothing_to_symla(runs: Results) -> list[Finding]:
    """Permuted against original."""
    return [
        alike(
            f"{name}: what SymLA loses, as a share of its gap to random",
            share(total(runs, f"symla-{name}", "original"), chance(runs, name), home.mean())
            - share(total(runs, f"symla-{name}", "permuted"), chance(runs, name), home.mean()),
        )
        for name in CONTROL
        for home in [total(runs, f"symla-{name}", "original")]
    ]


def order_is_all_to_metarnn(runs: Results) -> list[Finding]:
    """Permuted: what is left of what it had above a random policy."""
    return [
        at_most(
            f"{name}, permuted: share of its own gap to random that is left",
            gap(runs, name, total(runs, f"metarnn-{name}", "permuted")),
            NEAR,
        )
        for name in CONTROL
    ]


def found_out_within_the_lifetime(runs: Results) -> list[Finding]:
    """Permuted: the last fifth of a lifetime against the first."""
    return [
        above(
            f"{name}, permuted: reward a step, last fifth − first",
            rise(runs, f"symla-{name}", "permuted"),
            digits=3,
        )
        for name in CONTROL
    ]


def needs_reward(runs: Results, training: str, test: str, what: str) -> Finding:
    """The last fifth with the reward, against the last fifth without."""
    with_it = fifth(runs, training, test, -1)
    without = fifth(runs, training, f"{test}_without_reward", -1)
    return above(f"{what}: reward a step, last fifth, with reward − without", with_it - without)


def control_in_control(runs: Results) -> list[Finding]:
    """Permuted, with the reward input and without."""
    names = (*CONTROL, "cartpole_signed")
    return [needs_reward(runs, f"symla-{name}", "permuted", f"{name}, permuted") for name in names]


# Study 4

GRIDS = ("hearts_2", "hearts_3")


def hearts_at_once(runs: Results) -> list[Finding]:
    """The MetaRNN, original rewards, the first fifth of the lifetime."""
    return [
        above(f"{name}: reward a step, first fifth", fifth(runs, f"metarnn-{name}", name, 0))
        for name in GRIDS
    ]


def hearts_learned(runs: Results) -> list[Finding]:
    """SymLA, original rewards: it rises, and ends above zero."""
    return [
        finding
        for name in GRIDS
        for finding in (
            above(f"{name}: last fifth − first", rise(runs, f"symla-{name}", name), digits=3),
            above(f"{name}: last fifth", fifth(runs, f"symla-{name}", name, -1), digits=3),
        )
    ]


def traps_by_habit(runs: Results) -> list[Finding]:
    """The MetaRNN, swapped rewards."""
    return [
        below(
            f"{name}, swapped: reward a step",
            total(runs, f"metarnn-{name}", f"{name}_swapped") / 1000,
        )
        for name in GRIDS
    ]


def swapped_learned(runs: Results) -> list[Finding]:
    """SymLA, swapped rewards."""
    return [
        above(
            f"{name}, swapped: last fifth",
            fifth(runs, f"symla-{name}", f"{name}_swapped", -1),
            digits=3,
        )
        for name in GRIDS
    ]


def control_in_hearts(runs: Results) -> list[Finding]:
    """SymLA, with the reward input and without."""
    return [
        needs_reward(runs, f"symla-{name}", test, test)
        for name in GRIDS
        for test in (name, f"{name}_swapped")
    ]


# Study 5

DRAWN, BY_BANDITS = "symla-grid", "symla-linear_4-grid"
"""Meta-trained on the grid from a theta that was drawn, as in the paper, and from bandits."""


def over_random(runs: Results, training: str, test: str, digits: int = 3) -> Finding:
    """The last fifth of a lifetime, above a random policy's lifetimes."""
    random = chance(runs, test) / runs.about(training)[0]["test_length"]
    gain = fifth(runs, training, test, -1) - random
    return above(f"{training}, {test}: reward a step, last fifth − random", gain, digits=digits)


def learns_at_home(runs: Results) -> list[Finding]:
    """On the grid."""
    return [over_random(runs, training, "grid") for training in (DRAWN, BY_BANDITS)]


def goes_on_to_cartpole(runs: Results) -> list[Finding]:
    """On CartPole, above random and rising."""
    return [
        finding
        for training in (DRAWN, BY_BANDITS)
        for finding in (
            over_random(runs, training, "cartpole"),
            above(
                f"{training}, cartpole: last fifth − first",
                rise(runs, training, "cartpole"),
                digits=3,
            ),
        )
    ]


def metarnn_does_not(runs: Results) -> list[Finding]:
    """The MetaRNN on a CartPole with as many actions as the grid."""
    random = chance(runs, "cartpole_4") / runs.about("metarnn-grid")[0]["test_length"]
    gain = fifth(runs, "metarnn-grid", "cartpole_4", -1) - random
    low, high = interval(gain)
    what = "metarnn-grid, cartpole_4: reward a step, last fifth − random"
    return [Finding(what, gain, "interval not above 0", bool(low <= 0))]


def control_in_cartpole(runs: Results) -> list[Finding]:
    """On CartPole, with the reward input and without."""
    return [
        needs_reward(runs, training, test, f"{training}, {test}")
        for training in (DRAWN, BY_BANDITS)
        for test in ("grid", "cartpole")
    ]


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "bandits",
        "SymLA is comparable to the MetaRNN on the bandit that both were meta-trained on",
        "“tends to perform comparably”",
        comparable_at_home,
    ),
    Claim(
        "bandits",
        "and on the bandits that they were not meta-trained on",
        "“tends to perform comparably”",
        comparable_abroad,
    ),
    Claim(
        "action_spaces",
        "SymLA works within the distribution",
        "regret 4.2, 13, 15, 17 for 2, 8, 10, 12 arms",
        regret_at_home,
    ),
    Claim(
        "action_spaces",
        "It generalises to numbers of arms that it never saw",
        "regret 13 to 17 from 8, 10 and 12 arms to each other",
        regret_abroad,
    ),
    Claim(
        "action_spaces",
        "From two arms it generalises less",
        "“a more specialized solution”: 120, 130, 140",
        two_arms_specialise,
    ),
    Claim(
        "observation_spaces",
        "SymLA is comparable to the MetaRNN in the usual order",
        "“the performance of the MetaRNN and SymLA are comparable”",
        comparable_control,
    ),
    Claim(
        "observation_spaces",
        "SymLA performs as well when inputs and actions are shuffled",
        "“still performs well”",
        order_is_nothing_to_symla,
    ),
    Claim(
        "observation_spaces",
        "The MetaRNN fails when they are",
        "“fails to do so”",
        order_is_all_to_metarnn,
    ),
    Claim(
        "observation_spaces",
        "SymLA finds out within the lifetime which input and action is which",
        "“meta-learned to identify observations and actions at meta-test time”",
        found_out_within_the_lifetime,
    ),
    Claim(
        "observation_spaces",
        "It needs its reward to do so",
        "not asked",
        control_in_control,
        ours=True,
    ),
    Claim(
        "tasks",
        "The MetaRNN collects hearts throughout its lifetime",
        "“directly collect hearts in each episode throughout its lifetime”",
        hearts_at_once,
    ),
    Claim(
        "tasks",
        "SymLA begins near zero and learns to collect them",
        "“starts with near-zero rewards and learns through interactions”",
        hearts_learned,
    ),
    Claim(
        "tasks",
        "With rewards swapped the MetaRNN collects the wrong ones",
        "“collects the wrong rewards”",
        traps_by_habit,
    ),
    Claim(
        "tasks",
        "With rewards swapped SymLA learns as before",
        "“still infers the correct relationships”",
        swapped_learned,
    ),
    Claim(
        "tasks",
        "It needs its reward to do so",
        "not asked",
        control_in_hearts,
        ours=True,
    ),
    Claim(
        "environments",
        "SymLA learns in the grid world that it was meta-trained on",
        "a figure without numbers",
        learns_at_home,
    ),
    Claim(
        "environments",
        "SymLA generalises from the grid world to CartPole",
        "“allows generalisation to CartPole”",
        goes_on_to_cartpole,
    ),
    Claim(
        "environments",
        "The MetaRNN does not",
        "“the MetaRNN does not exhibit such generalisation”",
        metarnn_does_not,
    ),
    Claim(
        "environments",
        "SymLA needs its reward to do so",
        "not asked",
        control_in_cartpole,
        ours=True,
    ),
)
"""All claims, in the order of the paper, and the questions of this book beside them."""
