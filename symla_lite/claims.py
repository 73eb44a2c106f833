"""What the paper claims, as questions to the records: the reproduction card.

A claim is a sentence of the paper about one of its five studies, and the lines that it stands or
falls with. A line is a measure with its interval over meta-training seeds, and what a criterion of
`studies.criteria` needs of it. A line holds where the whole interval does, fails where none of it
does, and is open in between. Nothing is decided here by hand: with other records the verdicts are
others.

The paper's claims are judged in the paper's setting. Questions that this book adds, and settings
that it invented, stand in rows of their own.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np

from symla_lite import studies
from symla_lite.checks import Index, Range
from symla_lite.meta_testing import Estimate, estimate, share_of_gap
from symla_lite.studies import results
from symla_lite.studies.criteria import CRITERIA
from symla_lite.studies.one_rule import KINDS, SEEN_NOTHING
from symla_lite.studies.results import Results

COMPARABLE = CRITERIA["comparable"].bound
NEAR = CRITERIA["alike"].bound

Bound = Annotated[float, Range(finite=False)]
"""One that may be infinite, and then bounds nothing."""

Holds = Literal["yes", "open", "no"]


class Finding(NamedTuple):
    """A line: a measure, and whether it is as the claim says."""

    where: str
    """The environment, size or learner that it is about."""
    measure: str
    """What was measured there, with its unit."""
    found: Estimate
    """The measure, with its interval."""
    must: str
    """What the claim needs of it."""
    holds: Holds
    criterion: str
    """The name of the criterion in `CRITERIA`."""
    better: str = ""
    """Where two learners are compared and either may win: the one that is clear of the other."""

    @property
    def what(self) -> str:
        """Where and what, in one line."""
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
    findings: Callable[..., Sequence[Finding]]
    """`(results at each of its scales) -> lines`."""
    ours: bool = False
    """Whether the claim is this book's question and not the paper's."""
    scale: str = "standard"
    """The scale whose records it is asked of."""
    beside: tuple[str, ...] = ()
    """Further scales whose records it needs."""
    needs: Callable[..., Sequence[Finding]] | None = None
    """Lines without which the claim is not tested, with the same arguments as `findings`."""

    @property
    def scales(self) -> tuple[str, ...]:
        """The scales whose results it is asked of, in the order that `findings` takes them in."""
        return (self.scale, *self.beside)


class Verdict(NamedTuple):
    """What the lines of a claim come to."""

    word: Literal["reproduced", "partly", "open", "not reproduced", "not tested"]
    hold: int
    """Lines that hold."""
    open: int
    """Lines of which these records do not decide."""
    lines: int

    def __str__(self) -> str:
        counts = f"{self.hold} of {self.lines}" + (f", {self.open} open" if self.open else "")
        return f"{self.word} ({counts})"


def verdict(findings: Sequence[Finding], needed: Sequence[Finding] = ()) -> Verdict:
    """`reproduced` where every line holds, `partly` where some do, `open` where none does and some
    are open, `not reproduced` where all fail; `not tested` where something needed does not hold.

    Raises:
        ValueError: there are no lines.
    """
    if not findings:
        raise ValueError("Nothing was found, so that nothing follows: give at least one finding.")
    counts = [[finding.holds for finding in findings].count(word) for word in ("yes", "open")]
    if any(finding.holds != "yes" for finding in needed):
        return Verdict("not tested", *counts, len(findings))
    hold, unsure = counts
    if hold == len(findings):
        return Verdict("reproduced", *counts, len(findings))
    word = "partly" if hold else "open" if unsure else "not reproduced"
    return Verdict(word, *counts, len(findings))


def load(study: str, scale: str, out: Path | None = None) -> Results:
    """All records of a study, by its name: `results.load`."""
    return results.load(studies.named(study), scale, out)


def remembering() -> Callable[..., Results]:
    """A `load` that reads the same records once, however many claims are asked of them."""
    return functools.cache(load)


def asked_of(
    claim: Claim, out: Path | None = None, load: Callable[..., Results] = load
) -> list[Results]:
    """The results that a claim is asked of, one for each of its scales.

    Args:
        claim: which.
        out: the folder of all records; None takes those that come with the package.
        load: `(study, scale, out) -> results`; `remembering()` for many claims.

    Raises:
        FileTrouble: a record is missing or damaged.
    """
    return [load(claim.study, scale, out) for scale in claim.scales]


def answer(claim: Claim, *runs: Results) -> Verdict:
    """The verdict on a claim, from the results that it is `asked_of`."""
    return verdict(claim.findings(*runs), claim.needs(*runs) if claim.needs else ())


def younger(finding: Finding, abouts: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the line's criterion is not the one that stood when a record was made. A record from
    before criteria were recorded is compared by its date."""
    criterion = CRITERIA[finding.criterion]
    return any(
        about["criteria"].get(criterion.name) != criterion.checksum
        if "criteria" in about
        else about["date"][:10] < criterion.since
        for about in abouts
    )


def line(
    where: str,
    measure: str,
    found: Estimate,
    low: Bound,
    high: Bound,
    criterion: str,
    digits: Index = 2,
) -> Finding:
    """A line that needs a measure to lie between two bounds, one of which may be infinite."""
    if low < found.low and found.high < high:
        holds = "yes"
    else:
        holds = "no" if found.high <= low or found.low >= high else "open"
    if np.isinf(low):
        must = f"≤ {high:.{digits}f}"
    else:
        must = f"≥ {low:.{digits}f}" if np.isinf(high) else f"within ±{high:.{digits}f}"
    return Finding(where, measure, found, must, holds, criterion)


def at_least(
    where: str, measure: str, found: Estimate, bound: float, criterion: str, digits: Index = 2
) -> Finding:
    """The whole interval lies above the bound."""
    return line(where, measure, found, bound, np.inf, criterion, digits)


def at_most(
    where: str, measure: str, found: Estimate, bound: float, criterion: str, digits: Index = 2
) -> Finding:
    """The whole interval lies below the bound."""
    return line(where, measure, found, -np.inf, bound, criterion, digits)


def clear(
    where: str, measure: str, values: Annotated[np.ndarray, "S T"], digits: Index = 3
) -> Finding:
    """A difference [seeds, lifetimes] whose interval lies above 0."""
    return at_least(where, measure, estimate(values), 0.0, "clear of", digits)


def alike(where: str, measure: str, values: Annotated[np.ndarray, "S T"]) -> Finding:
    """A difference [seeds, lifetimes], as a share of a gap, whose interval lies within ±NEAR."""
    return line(where, measure, estimate(values), -NEAR, NEAR, "alike")


def total(runs: Results, training: str, test: str) -> np.ndarray:
    """The measure summed over each lifetime, [seeds, lifetimes]."""
    return runs.stack(training, f"{test}/blocks").sum(-1)


def chance(runs: Results, test: str) -> float:
    """The mean measure of a random policy's lifetimes."""
    return float(runs.reference(f"random/{test}/blocks").sum(-1).mean())


def fifth(
    runs: Results, training: str, test: str, which: Annotated[int, Range(least=-5, most=4)]
) -> np.ndarray:
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


def worth(runs: Results, training: str, test: str, control: str = "without_reward") -> np.ndarray:
    """What is lost to a control in the last fifth of each lifetime, a step, [seeds, lifetimes]."""
    return fifth(runs, training, test, -1) - fifth(runs, training, f"{test}_{control}", -1)


RISE = "reward a step, last fifth − first"
FIRST, LAST = "reward a step, first fifth", "reward a step, last fifth"
OVER = "reward a step, last fifth − random"
CONTROLS = {
    "without_reward": "without reward",
    "without_observation": "without observation",
    "wiped": "with its state wiped every ten steps",
}
"""The controls that a claim of learning has to be clear of, in words."""
KEPT = "reward_off"
"""The control that works the other way round: with the reward off from the middle on, a learner
keeps what it learned, and a reflex does not."""


def survives(
    runs: Results,
    training: str,
    test: str,
    where: str,
    controls: Sequence[str] | None = None,
) -> list[Finding]:
    """The last fifth as it is, against the last fifth with each control; and what is kept of it
    when the reward is switched off in the middle. None takes all controls."""
    controls = (*CONTROLS, KEPT) if controls is None else controls
    lines = [
        clear(
            where,
            f"{LAST}, minus that {CONTROLS[control]}",
            worth(runs, training, test, control),
        )
        for control in controls
        if control != KEPT
    ]
    if KEPT in controls:
        kept, without = (
            fifth(runs, training, f"{test}_{name}", -1) for name in (KEPT, "without_reward")
        )
        measure = f"{LAST}, with the reward off from the middle on, minus that without any"
        lines.append(clear(where, measure, kept - without))
    return [line._replace(criterion="controls") for line in lines]


# Study 1

BANDITS = ("independent", "uniform", "easy", "medium", "hard")
GAP = "share of the gap random → MetaRNN"


def comparable_at_home(runs: Results, narrow: Results) -> list[Finding]:
    """Each bandit, where both learners were meta-trained on it, for as many environment steps."""
    return [comparable_on(runs, narrow, name, name) for name in BANDITS]


def comparable_abroad(runs: Results, narrow: Results) -> list[Finding]:
    """Each bandit, by those that were meta-trained on another one."""
    return [
        comparable_on(runs, narrow, home, away)
        for home in BANDITS
        for away in BANDITS
        if home != away
    ]


def comparable_on(runs: Results, narrow: Results, home: str, away: str) -> Finding:
    """How much of the MetaRNN's way below a random policy's regret SymLA goes. The MetaRNN at
    `narrow` had as many environment steps of meta-training; at `standard` it had twice as many."""
    where = home if home == away else f"{home} → {away}"
    whole = total(narrow, f"metarnn-{home}", away)
    found = share_of_gap(total(runs, f"symla-{home}", away), chance(runs, away), whole)
    better = "SymLA" if found.low > 1 else "MetaRNN" if found.high < 1 else ""
    return at_least(where, GAP, found, COMPARABLE, "comparable")._replace(better=better)


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
        at_most(
            f"{n} arms",
            "regret",
            estimate(total(runs, f"symla-{n}", f"{n}")),
            PAPER_REGRET[n][n],
            "the paper's regret",
            1,
        )
        for n in PAPER_REGRET
    ]


def regret_abroad(runs: Results) -> list[Finding]:
    """Another number of arms than in meta-training, beside those that were trained on it."""
    return [
        at_most(
            f"{home} → {away} arms",
            "regret ÷ that of those at home",
            share_of_gap(
                total(runs, f"symla-{home}", f"{away}"),
                0.0,
                total(runs, f"symla-{away}", f"{away}"),
            ),
            CRITERIA["abroad"].bound,
            "abroad",
            1,
        )
        for home in MANY
        for away in MANY
        if home != away
    ]


def two_arms_specialise(runs: Results) -> list[Finding]:
    """From two arms to many: more regret than those at home have."""
    return [
        at_least(
            f"2 → {away} arms",
            "regret ÷ that of those at home",
            share_of_gap(
                total(runs, "symla-2", f"{away}"), 0.0, total(runs, f"symla-{away}", f"{away}")
            ),
            1.0,
            "clear of",
        )
        for away in MANY
    ]


# Study 3

CONTROL = {"cartpole": "CartPole", "acrobot": "Acrobot", "mountain_car": "MountainCar"}
"""The environments that the paper has, with their names."""


def comparable_control(runs: Results) -> list[Finding]:
    """Inputs and actions in the order of meta-training."""
    return [
        at_least(
            where,
            GAP,
            share_of_gap(
                total(runs, f"symla-{name}", "original"),
                chance(runs, name),
                total(runs, f"metarnn-{name}", "original"),
            ),
            COMPARABLE,
            "comparable",
        )
        for name, where in CONTROL.items()
    ]


AFTER_CARTPOLE, SIGNED_AFTER_CARTPOLE = (
    "symla-cartpole-acrobot_b",
    "symla-cartpole-cartpole_signed_b",
)
"""SymLA on Acrobot and on signed CartPole, from a theta that had learned CartPole."""


def acrobot_after_cartpole(runs: Results, night: Results) -> list[Finding]:
    """Acrobot in the order of meta-training, beside the MetaRNN that learned it directly; and
    permuted, what it needs to observe and to remember."""
    where = "Acrobot, after CartPole"
    return [
        at_least(
            where,
            GAP,
            share_of_gap(
                total(night, AFTER_CARTPOLE, "original"),
                chance(runs, "acrobot"),
                total(runs, "metarnn-acrobot", "original"),
            ),
            COMPARABLE,
            "comparable",
        ),
        *survives(
            night,
            AFTER_CARTPOLE,
            "permuted",
            f"{where}, permuted",
            ("without_observation", "wiped"),
        ),
    ]


def signed_cartpole_after_cartpole(runs: Results, night: Results) -> list[Finding]:
    """Permuted, with a hidden sign of the reward."""
    del runs
    where = "signed CartPole, after CartPole, permuted"
    return survives(night, SIGNED_AFTER_CARTPOLE, "permuted", where)


def order_is_nothing_to_symla(runs: Results) -> list[Finding]:
    """Permuted against original."""
    return [
        alike(
            f"{where}, permuted",
            "what SymLA loses, as a share of its own gap to random",
            (home - total(runs, f"symla-{name}", "permuted")) / (home.mean() - chance(runs, name)),
        )
        for name, where in CONTROL.items()
        for home in [total(runs, f"symla-{name}", "original")]
    ]


def order_is_all_to_metarnn(runs: Results) -> list[Finding]:
    """Permuted: what is left of what it had above a random policy."""
    return [
        at_most(
            f"{where}, permuted",
            "share of its own gap to random that is left",
            share_of_gap(
                total(runs, f"metarnn-{name}", "permuted"),
                chance(runs, name),
                total(runs, f"metarnn-{name}", "original"),
            ),
            NEAR,
            "alike",
        )
        for name, where in CONTROL.items()
    ]


def found_out_within_the_lifetime(runs: Results) -> list[Finding]:
    """Permuted: the last fifth of a lifetime against the first; and what it needs to observe and to
    remember. (Whether it needs its reward is a question of its own.)"""
    return [
        finding
        for name, where in CONTROL.items()
        for finding in (
            clear(f"{where}, permuted", RISE, rise(runs, f"symla-{name}", "permuted")),
            *survives(
                runs,
                f"symla-{name}",
                "permuted",
                f"{where}, permuted",
                ("without_observation", "wiped"),
            ),
        )
    ]


def reward_in_control(runs: Results) -> list[Finding]:
    """Permuted, with the reward input and without."""
    return [
        finding
        for name, where in CONTROL.items()
        for finding in survives(
            runs, f"symla-{name}", "permuted", f"{where}, permuted", ("without_reward",)
        )
    ]


def learned_in_signed_cartpole(runs: Results) -> list[Finding]:
    """Permuted, with a hidden sign of the reward."""
    return survives(runs, "symla-cartpole_signed", "permuted", "signed CartPole, permuted")


# Study 4

GRIDS = {"hearts_2": "hearts 2×2", "hearts_3": "hearts 3×3"}
LED = ", after a curriculum on linear bandits"
"""What the paper does not have: from a drawn theta SymLA learned nothing here."""


def hearts_at_once(runs: Results) -> list[Finding]:
    """The MetaRNN, original rewards, the first fifth of the lifetime."""
    return [
        clear(where, FIRST, fifth(runs, f"metarnn-{name}", name, 0))
        for name, where in GRIDS.items()
    ]


def hearts_learned(runs: Results) -> list[Finding]:
    """SymLA, original rewards: it rises, ends above zero, and needs what a learner needs."""
    return [
        finding
        for name, where in GRIDS.items()
        for finding in (
            clear(where + LED, RISE, rise(runs, f"symla-{name}", name)),
            clear(where + LED, LAST, fifth(runs, f"symla-{name}", name, -1)),
            *survives(runs, f"symla-{name}", name, where + LED),
        )
    ]


def traps_by_habit(runs: Results) -> list[Finding]:
    """The MetaRNN, swapped rewards."""
    return [
        at_most(
            f"{where}, swapped",
            "reward a step",
            estimate(
                total(runs, f"metarnn-{name}", f"{name}_swapped")
                / runs.about(f"metarnn-{name}")[0]["test_length"]
            ),
            0.0,
            "clear of",
            3,
        )
        for name, where in GRIDS.items()
    ]


def swapped_learned(runs: Results) -> list[Finding]:
    """SymLA, swapped rewards."""
    return [
        finding
        for name, where in GRIDS.items()
        for finding in (
            clear(f"{where}, swapped", LAST, fifth(runs, f"symla-{name}", f"{name}_swapped", -1)),
            *survives(runs, f"symla-{name}", f"{name}_swapped", f"{where}, swapped"),
        )
    ]


# Study 5

DRAWN, BY_BANDITS, SIGNED, ZERO, BANDITS_ALONE, BLACK_BOX, AT_HOME = (
    "symla-grid",
    "symla-linear_4-grid",
    "symla-linear_4-grid_signed",
    "symla-linear_4-grid_zero",
    "symla-linear_4",
    "metarnn-grid",
    "metarnn-grid_fixed",
)
TRAINED = {
    DRAWN: "drawn",
    BY_BANDITS: "bandits first",
    SIGNED: "hidden sign",
    ZERO: "hidden zero",
    BANDITS_ALONE: "bandits alone",
    BLACK_BOX: "MetaRNN",
    AT_HOME: "MetaRNN, one projection",
}
"""How they were meta-trained: on the grid from a drawn theta, as in the paper; on linear bandits
and then on the grid, with its reward as it is, with a hidden sign, with a hidden zero; on linear
bandits alone. The MetaRNN on the grid as in the paper, and under one projection for all
lifetimes."""
PLACES = {
    "grid": "the grid",
    "grid_signed": "the grid with a hidden sign",
    "cartpole": "CartPole",
    "cartpole_4": "CartPole with four actions",
    "cartpole_signed": "CartPole with a hidden sign",
    "cartpole_target": "CartPole with a hidden target",
    "cartpole_nearer": "CartPole, paid like the grid",
    "cartpole_standardised": "CartPole, paid around zero",
    "grid_fixed": "the grid under its one projection",
    "cartpole_4_fixed": "CartPole with four actions under one projection",
}
"""Its environments in words. The two paid in another way have a hidden sign, too."""


def on(training: str, test: str) -> str:
    """A meta-training and a test, in words."""
    for name, known in ((training, TRAINED), (test, PLACES)):
        if name not in known:
            raise ValueError(f"There is no {name!r} in Study 5: take one of {', '.join(known)}.")
    return f"{TRAINED[training]}, on {PLACES[test]}"


def over_random(runs: Results, training: str, test: str) -> np.ndarray:
    """The last fifth of each lifetime, above what a random policy earns on average, a step; that
    policy does not observe, so that how its observation is projected is nothing to it."""
    random = chance(runs, test.removesuffix("_fixed")) / runs.about(training)[0]["test_length"]
    return fifth(runs, training, test, -1) - random


def learns_at_home(runs: Results) -> list[Finding]:
    """On the grid, from a drawn theta, as in the paper."""
    where = on(DRAWN, "grid")
    return [
        clear(where, OVER, over_random(runs, DRAWN, "grid")),
        *survives(runs, DRAWN, "grid", where),
    ]


def goes_on_to_cartpole(runs: Results) -> list[Finding]:
    """On CartPole, from a drawn theta, as in the paper."""
    where = on(DRAWN, "cartpole")
    bar = "above random on CartPole"
    return [
        at_least(
            where,
            OVER,
            estimate(over_random(runs, DRAWN, "cartpole")),
            CRITERIA[bar].bound,
            bar,
        ),
        clear(where, RISE, rise(runs, DRAWN, "cartpole")),
        *survives(runs, DRAWN, "cartpole", where),
    ]


def metarnn_learns_at_home(runs: Results) -> list[Finding]:
    """The MetaRNN on its own grid: without this, that it fails elsewhere says nothing."""
    return [clear(on(BLACK_BOX, "grid"), OVER, over_random(runs, BLACK_BOX, "grid"))]


def metarnn_does_not(runs: Results) -> list[Finding]:
    """The MetaRNN on a CartPole with as many actions as the grid."""
    bar = "above random on CartPole"
    gain = estimate(over_random(runs, BLACK_BOX, "cartpole_4"))
    return [at_most(on(BLACK_BOX, "cartpole_4"), OVER, gain, CRITERIA[bar].bound, bar)]


def at_home_under_one_projection(runs: Results, fixed: Results) -> list[Finding]:
    """The MetaRNN whose inputs mean the same in all lifetimes: it earns more than a random policy
    on its grid, and observes for it."""
    del runs
    where = on(AT_HOME, "grid_fixed")
    return [
        clear(where, OVER, over_random(fixed, AT_HOME, "grid_fixed")),
        *survives(fixed, AT_HOME, "grid_fixed", where, ("without_observation",)),
    ]


def away_it_does_not(runs: Results, fixed: Results) -> list[Finding]:
    """The same on CartPole, under one projection and under a new one in every lifetime."""
    del runs
    bar = "above random on CartPole"
    return [
        at_most(
            on(AT_HOME, world),
            OVER,
            estimate(over_random(fixed, AT_HOME, world)),
            CRITERIA[bar].bound,
            bar,
        )
        for world in ("cartpole_4_fixed", "cartpole_4")
    ]


def over_random_by_other_trainings(runs: Results) -> list[Finding]:
    """On CartPole, after meta-trainings that the paper does not have."""
    bar = "above random on CartPole"
    return [
        finding
        for training in (BY_BANDITS, ZERO)
        for where in [on(training, "cartpole")]
        for finding in (
            at_least(
                where,
                OVER,
                estimate(over_random(runs, training, "cartpole")),
                CRITERIA[bar].bound,
                bar,
            ),
            *survives(runs, training, "cartpole", where),
        )
    ]


def hidden_rewards(runs: Results) -> list[Finding]:
    """On a CartPole that hides the sign of its reward."""
    return [
        finding
        for training in (DRAWN, BY_BANDITS, ZERO)
        for finding in survives(runs, training, "cartpole_signed", on(training, "cartpole_signed"))
    ]


def paid_like_the_grid(runs: Results) -> list[Finding]:
    """On a CartPole whose reward answers each push at once."""
    return [
        finding
        for training in (DRAWN, BY_BANDITS, ZERO)
        for finding in survives(runs, training, "cartpole_nearer", on(training, "cartpole_nearer"))
    ]


# One rule

ONE_RULE = "symla-one_rule"
"""SymLA, meta-trained on generated worlds alone."""
STANDARDISED = "symla-one_rule_standardised"
"""The same, then meta-trained with standardised rewards, in lifetimes as long as in the tests."""
ONE_RULE_LASTING = "symla-one_rule_lasting"
"""The same, then meta-trained on `generated.LASTING`, too."""
ONE_RULE_SUCCESSES = "symla-one_rule_successes"
"""The same, then meta-trained with `generated.SUCCESSES` in place of `LASTING`'s forty arms."""


def kind_learned(kind: str, training: str, runs: Results) -> list[Finding]:
    """Every world of a kind: more than random, rising, and with all controls. A bandit shows
    nothing that could be held; on Acrobot, where a reward of zero means the goal, it is also held
    at what it usually is."""
    lines = []
    for name in KINDS[kind]:
        controls = [
            control
            for control in (*CONTROLS, KEPT)
            if control != "without_observation" or name not in SEEN_NOTHING
        ]
        lines += [
            clear(name, OVER, over_random(runs, training, name)),
            clear(name, RISE, rise(runs, training, name)),
            *survives(runs, training, name, name, controls),
        ]
        if name == "acrobot":
            kept = worth(runs, training, name, "reward_held")
            held = clear(name, f"{LAST}, minus that with its reward held at -1", kept)
            lines.append(held._replace(criterion="controls"))
    return lines


def asked_of_each_kind(says: str, scale: str, training: str = ONE_RULE) -> tuple[Claim, ...]:
    """A claim for each kind of worlds, that a theta learns it. It does where every line holds."""
    return tuple(
        Claim(
            "one_rule",
            f"{says} {kind}",
            "not asked",
            functools.partial(kind_learned, kind, training),
            ours=True,
            scale=scale,
        )
        for kind in KINDS
    )


ONE_RULE_CLAIMS = asked_of_each_kind("A theta of generated worlds learns:", "standard")
"""What Chapter 14 asks of each kind of worlds."""
BY_POLICY_CLAIMS = asked_of_each_kind(
    "A theta of generated worlds that policy gradients found learns:", "gradient"
)
"""The same of the theta that policy gradients found."""
BY_IMITATION_CLAIMS = asked_of_each_kind(
    "A theta of generated worlds that imitation found learns:", "imitation"
)
"""The same of the theta that imitation found."""
STANDARDISED_CLAIMS = asked_of_each_kind(
    "A theta of generated worlds that imitation found with standardised rewards learns:",
    "standardised",
    STANDARDISED,
)
"""The same of the theta that went on from these with standardised rewards."""
LASTING_CLAIMS = asked_of_each_kind(
    "A theta of generated worlds, some of whose rewards stop for a while, learns:",
    "lasting",
    ONE_RULE_LASTING,
)
"""The same of the theta that went on from these on `generated.LASTING`, too."""
SUCCESSES_CLAIMS = asked_of_each_kind(
    "A theta of generated worlds, some with Bernoulli rewards that stop for a while, learns:",
    "successes",
    ONE_RULE_SUCCESSES,
)
"""The same of the theta that went on from these with `generated.SUCCESSES`."""
EVERY_ONE_RULE_CLAIM = (
    *ONE_RULE_CLAIMS,
    *BY_POLICY_CLAIMS,
    *BY_IMITATION_CLAIMS,
    *STANDARDISED_CLAIMS,
    *LASTING_CLAIMS,
    *SUCCESSES_CLAIMS,
)
"""What is asked of all theta of Chapter 14, in the order in which they came."""


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "bandits",
        "SymLA is comparable to the MetaRNN on the bandit that both were meta-trained on",
        "“tends to perform comparably”",
        comparable_at_home,
        beside=("narrow",),
    ),
    Claim(
        "bandits",
        "It is so, too, on bandits that they were not meta-trained on",
        "“tends to perform comparably”",
        comparable_abroad,
        beside=("narrow",),
    ),
    Claim(
        "action_spaces",
        "SymLA works within the distribution",
        "regret 4.2, 13, 15, 17 for 2, 8, 10, 12 arms",
        regret_at_home,
    ),
    Claim(
        "action_spaces",
        "It generalises to numbers of arms that it was not meta-trained on",
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
        "SymLA performs as well when inputs and actions are permuted",
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
        "SymLA identifies within the lifetime which input and action is which",
        "“meta-learned to identify observations and actions at meta-test time”",
        found_out_within_the_lifetime,
    ),
    Claim(
        "observation_spaces",
        "It needs its reward to do so",
        "not asked",
        reward_in_control,
        ours=True,
    ),
    Claim(
        "observation_spaces",
        "On a CartPole that hides the sign of its reward, it learns from its reward",
        "not asked",
        learned_in_signed_cartpole,
        ours=True,
    ),
    Claim(
        "observation_spaces",
        "From a theta that has learned CartPole, SymLA is comparable on Acrobot, and observes and "
        "remembers for it",
        "not asked",
        acrobot_after_cartpole,
        ours=True,
        beside=("night",),
    ),
    Claim(
        "observation_spaces",
        "From that theta, it learns signed CartPole from its reward, and observes and remembers "
        "for it",
        "not asked",
        signed_cartpole_after_cartpole,
        ours=True,
        beside=("night",),
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
        needs=metarnn_learns_at_home,
    ),
    Claim(
        "environments",
        "Under one projection for all lifetimes, a MetaRNN that has learned its grid does not "
        "generalise",
        "not asked",
        away_it_does_not,
        ours=True,
        beside=("fixed",),
        needs=at_home_under_one_projection,
    ),
    Claim(
        "environments",
        "After other meta-trainings, SymLA learns on CartPole",
        "not asked",
        over_random_by_other_trainings,
        ours=True,
    ),
    Claim(
        "environments",
        "It learns on a CartPole that hides the sign of its reward",
        "not asked",
        hidden_rewards,
        ours=True,
    ),
    Claim(
        "environments",
        "It learns where CartPole pays each push at once, as the grid does",
        "not asked",
        paid_like_the_grid,
        ours=True,
    ),
)
"""All claims, in the order of the paper, and the questions of this book beside them."""
