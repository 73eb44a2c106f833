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

    where: str
    """The world, size or learner that it is about."""
    measure: str
    """What was measured there, with its unit."""
    values: np.ndarray
    """For each lifetime, [seeds, lifetimes]."""
    must: str
    """What the claim needs of it."""
    holds: bool

    @property
    def what(self) -> str:
        """Both in one line."""
        return f"{self.where}: {self.measure}"


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


def answer(claim: Claim, findings: Sequence[Finding]) -> str:
    """The verdict on a claim; on a question of this book's own: yes, partly or no."""
    said = verdict(findings)
    return {"reproduced": "yes", "not reproduced": "no"}.get(said, said) if claim.ours else said


def at_least(
    where: str, measure: str, values: np.ndarray, bound: float, digits: int = 2
) -> Finding:
    """The mean is at least so much."""
    return Finding(where, measure, values, f"≥ {bound:.{digits}f}", bool(np.mean(values) >= bound))


def at_most(where: str, measure: str, values: np.ndarray, bound: float, digits: int = 2) -> Finding:
    """The mean is at most so much."""
    return Finding(where, measure, values, f"≤ {bound:.{digits}f}", bool(np.mean(values) <= bound))


def above(
    where: str, measure: str, values: np.ndarray, bound: float = 0.0, digits: int = 2
) -> Finding:
    """The whole interval is above the bound."""
    must = f"interval above {bound:.{digits}f}"
    return Finding(where, measure, values, must, bool(interval(values)[0] > bound))


def below(
    where: str, measure: str, values: np.ndarray, bound: float = 0.0, digits: int = 2
) -> Finding:
    """The whole interval is below the bound."""
    must = f"interval below {bound:.{digits}f}"
    return Finding(where, measure, values, must, bool(interval(values)[1] < bound))


def alike(where: str, measure: str, values: np.ndarray) -> Finding:
    """A difference, as a share of a gap, is small or within the reach of chance."""
    low, high = interval(values)
    small = abs(np.mean(values)) <= NEAR
    must = f"within ±{NEAR} or an interval with 0"
    return Finding(where, measure, values, must, bool(small or low <= 0 <= high))


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


def worth(runs: Results, training: str, test: str) -> np.ndarray:
    """What the reward input is worth in the last fifth of each lifetime, a step: with it - without.

    [seeds, lifetimes].
    """
    with_it = fifth(runs, training, test, -1)
    return with_it - fifth(runs, training, f"{test}_without_reward", -1)


def share(values: np.ndarray, none: float, all_of_it: float) -> np.ndarray:
    """Where values lie between two levels: 0 at the first, 1 at the second."""
    return (values - none) / (all_of_it - none)


# Study 1

BANDITS = ("independent", "uniform", "easy", "medium", "hard")
GAP = "share of the gap random → MetaRNN"


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
    return at_least(where, GAP, closed, COMPARABLE)


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
        at_most(f"{n} arms", "regret", total(runs, f"symla-{n}", f"{n}"), PAPER_REGRET[n][n], 1)
        for n in PAPER_REGRET
    ]


def regret_abroad(runs: Results) -> list[Finding]:
    """Another number of arms than in meta-training, beside those that were trained on it."""
    return [
        at_most(
            f"{home} → {away} arms",
            "regret ÷ that of those at home",
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
            f"2 → {away} arms",
            "regret − that of those at home",
            total(runs, "symla-2", f"{away}") - total(runs, f"symla-{away}", f"{away}").mean(),
        )
        for away in MANY
    ]


# Study 3

CONTROL = {"cartpole": "CartPole", "acrobot": "Acrobot", "mountain_car": "MountainCar"}
"""The worlds that the paper has, with their names."""
RISE = "reward a step, last fifth − first"


def gap(runs: Results, name: str, values: np.ndarray, learner: str = "metarnn") -> np.ndarray:
    """Rewards as a share of what a learner that was meta-trained here has above a random policy."""
    return share(values, chance(runs, name), total(runs, f"{learner}-{name}", "original").mean())


def comparable_control(runs: Results) -> list[Finding]:
    """Inputs and actions in the order of meta-training."""
    return [
        at_least(
            where,
            GAP,
            gap(runs, name, total(runs, f"symla-{name}", "original")),
            COMPARABLE,
        )
        for name, where in CONTROL.items()
    ]


def order_is_nothing_to_symla(runs: Results) -> list[Finding]:
    """Permuted against original."""
    return [
        alike(
            f"{where}, shuffled",
            "what SymLA loses, as a share of its own gap to random",
            share(total(runs, f"symla-{name}", "original"), chance(runs, name), home.mean())
            - share(total(runs, f"symla-{name}", "permuted"), chance(runs, name), home.mean()),
        )
        for name, where in CONTROL.items()
        for home in [total(runs, f"symla-{name}", "original")]
    ]


def order_is_all_to_metarnn(runs: Results) -> list[Finding]:
    """Permuted: what is left of what it had above a random policy."""
    return [
        at_most(
            f"{where}, shuffled",
            "share of its own gap to random that is left",
            gap(runs, name, total(runs, f"metarnn-{name}", "permuted")),
            NEAR,
        )
        for name, where in CONTROL.items()
    ]


def found_out_within_the_lifetime(runs: Results) -> list[Finding]:
    """Permuted: the last fifth of a lifetime against the first."""
    return [
        above(f"{where}, shuffled", RISE, rise(runs, f"symla-{name}", "permuted"), digits=3)
        for name, where in CONTROL.items()
    ]


def needs_reward(runs: Results, training: str, test: str, where: str) -> Finding:
    """The last fifth with the reward, against the last fifth without."""
    measure = "reward a step, last fifth, with its reward input − without"
    return above(where, measure, worth(runs, training, test), digits=3)


def control_in_control(runs: Results) -> list[Finding]:
    """Permuted, with the reward input and without."""
    names = CONTROL | {"cartpole_signed": "signed CartPole"}
    return [
        needs_reward(runs, f"symla-{name}", "permuted", f"{where}, shuffled")
        for name, where in names.items()
    ]


# Study 4

GRIDS = {"hearts_2": "hearts 2×2", "hearts_3": "hearts 3×3"}
FIRST, LAST = "reward a step, first fifth", "reward a step, last fifth"


def hearts_at_once(runs: Results) -> list[Finding]:
    """The MetaRNN, original rewards, the first fifth of the lifetime."""
    return [
        above(where, FIRST, fifth(runs, f"metarnn-{name}", name, 0), digits=3)
        for name, where in GRIDS.items()
    ]


def hearts_learned(runs: Results) -> list[Finding]:
    """SymLA, original rewards: it rises, and ends above zero."""
    return [
        finding
        for name, where in GRIDS.items()
        for finding in (
            above(where, RISE, rise(runs, f"symla-{name}", name), digits=3),
            above(where, LAST, fifth(runs, f"symla-{name}", name, -1), digits=3),
        )
    ]


def traps_by_habit(runs: Results) -> list[Finding]:
    """The MetaRNN, swapped rewards."""
    return [
        below(
            f"{where}, swapped",
            "reward a step",
            total(runs, f"metarnn-{name}", f"{name}_swapped")
            / runs.about(f"metarnn-{name}")[0]["test_length"],
            digits=3,
        )
        for name, where in GRIDS.items()
    ]


def swapped_learned(runs: Results) -> list[Finding]:
    """SymLA, swapped rewards."""
    return [
        above(
            f"{where}, swapped",
            LAST,
            fifth(runs, f"symla-{name}", f"{name}_swapped", -1),
            digits=3,
        )
        for name, where in GRIDS.items()
    ]


def control_in_hearts(runs: Results) -> list[Finding]:
    """SymLA, with the reward input and without."""
    return [
        needs_reward(runs, f"symla-{name}", f"{name}{suffix}", f"{where}{words}")
        for name, where in GRIDS.items()
        for suffix, words in (("", ""), ("_swapped", ", swapped"))
    ]


# Study 5

DRAWN, BY_BANDITS, SIGNED, ZERO, BANDITS_ALONE, BLACK_BOX = (
    "symla-grid",
    "symla-linear_4-grid",
    "symla-linear_4-grid_signed",
    "symla-linear_4-grid_zero",
    "symla-linear_4",
    "metarnn-grid",
)
TRAINED = {
    DRAWN: "drawn",
    BY_BANDITS: "bandits first",
    SIGNED: "hidden sign",
    ZERO: "hidden zero",
    BANDITS_ALONE: "bandits alone",
    BLACK_BOX: "MetaRNN",
}
"""How they were meta-trained: on the grid from a theta that was drawn, as in the paper; on linear
bandits and then on the grid, with its reward as it is, with a hidden sign, with a hidden zero; on
linear bandits alone."""
PLACES = {
    "grid": "the grid",
    "grid_signed": "the grid with a hidden sign",
    "cartpole": "CartPole",
    "cartpole_4": "CartPole with four actions",
    "cartpole_signed": "CartPole with a hidden sign",
    "cartpole_target": "CartPole with a hidden target",
    "cartpole_nearer": "CartPole, paid like the grid",
    "cartpole_standardised": "CartPole, paid around zero",
}
"""What its worlds are called. The last two have a hidden sign, too."""


def on(training: str, test: str) -> str:
    """Who, and where, in words."""
    return f"{TRAINED[training]}, on {PLACES[test]}"


def over_random(runs: Results, training: str, test: str) -> np.ndarray:
    """The last fifth of each lifetime, above what a random policy earns on average, a step."""
    random = chance(runs, test) / runs.about(training)[0]["test_length"]
    return fifth(runs, training, test, -1) - random


OVER = "reward a step, last fifth − random"


def learns_at_home(runs: Results) -> list[Finding]:
    """On the grid."""
    return [
        above(on(training, "grid"), OVER, over_random(runs, training, "grid"), digits=3)
        for training in (DRAWN, BY_BANDITS)
    ]


def goes_on_to_cartpole(runs: Results) -> list[Finding]:
    """On CartPole, above random and rising."""
    return [
        finding
        for training in (DRAWN, BY_BANDITS, ZERO)
        for where in [on(training, "cartpole")]
        for finding in (
            above(where, OVER, over_random(runs, training, "cartpole"), digits=3),
            above(where, RISE, rise(runs, training, "cartpole"), digits=3),
        )
    ]


def metarnn_does_not(runs: Results) -> list[Finding]:
    """The MetaRNN on a CartPole with as many actions as the grid."""
    gain = over_random(runs, BLACK_BOX, "cartpole_4")
    low, _ = interval(gain)
    where = on(BLACK_BOX, "cartpole_4")
    return [Finding(where, OVER, gain, "interval not above 0", bool(low <= 0))]


def control_in_cartpole(runs: Results) -> list[Finding]:
    """On the grid and on CartPole, with the reward input and without."""
    return [
        needs_reward(runs, training, test, on(training, test))
        for training in (DRAWN, BY_BANDITS)
        for test in ("grid", "cartpole")
    ]


def nothing_else_helps(runs: Results) -> list[Finding]:
    """On CartPoles that hide what they pay for."""
    return [
        needs_reward(runs, training, test, on(training, test))
        for training in (DRAWN, BY_BANDITS, ZERO)
        for test in ("cartpole_signed", "cartpole_target")
    ]


def paid_like_the_grid(runs: Results) -> list[Finding]:
    """On a CartPole whose reward answers each push at once."""
    test = "cartpole_nearer"
    return [
        needs_reward(runs, training, test, on(training, test))
        for training in (DRAWN, BY_BANDITS, ZERO)
    ]


def paid_around_zero(runs: Results) -> list[Finding]:
    """On a CartPole whose reward comes late, but is zero on average; who saw bandits alone."""
    test = "cartpole_standardised"
    where = on(BANDITS_ALONE, test)
    return [
        needs_reward(runs, BANDITS_ALONE, test, where),
        above(where, RISE, rise(runs, BANDITS_ALONE, test), digits=3),
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
        "It is so, too, on bandits that they were not meta-trained on",
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
    Claim(
        "environments",
        "It uses its reward on a CartPole that hides for what it pays",
        "not asked",
        nothing_else_helps,
        ours=True,
    ),
    Claim(
        "environments",
        "It does so where CartPole pays each push at once, as the grid does",
        "not asked",
        paid_like_the_grid,
        ours=True,
    ),
    Claim(
        "environments",
        "Meta-trained on linear bandits alone, it learns on a CartPole that pays around zero",
        "not asked",
        paid_around_zero,
        ours=True,
    ),
)
"""All claims, in the order of the paper, and the questions of this book beside them."""
