"""What the tests of all assignments share: random inputs, comparisons that give a hint, and the
notebook's own grader, which runs the checks that students have and says what grading would say."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import rules
from observe import UNSEEN, observe

_seed: int | None = None


def use_seed(seed: int | None) -> None:
    """Makes all tests draw their inputs from this seed; None: from a new one each time."""
    global _seed
    _seed = seed


def rng() -> Rng:
    """Random inputs: new ones each time, unless `use_seed` or COURSEWORK_SEED name a seed."""
    seed = os.environ.get("COURSEWORK_SEED", _seed)
    return Rng(np.random.SeedSequence().entropy % 100_000 if seed is None else int(seed))


class Rng(np.random.Generator):
    """NumPy's generator, which remembers its seed for the message of a failed test."""

    def __init__(self, seed: int):
        super().__init__(np.random.PCG64(seed))
        global _last
        self.seed = _last = seed

    def array(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        """Standard normal numbers of this shape, times `scale`."""
        return scale * self.standard_normal(shape)

    def order(self, size: int) -> np.ndarray:
        """A permutation that is not its own inverse and leaves nothing in its place: a cycle."""
        places = self.permutation(size)
        order = np.empty(size, int)
        order[places] = np.roll(places, 1)
        return order

    def one_hot(self, size: int, length: int) -> np.ndarray:
        """Choices among `size` things, [length, size]."""
        return np.eye(size)[self.integers(size, size=length)]

    def history(self, A: int, B: int, length: int) -> dict[str, np.ndarray]:
        """What an agent could be told in a lifetime: o [L, A], a [L, B], r [L], end [L].

        Nothing is done or earned before the first step; about every fourth step ends an episode.
        """
        a = self.one_hot(B, length)
        r = self.integers(2, size=length).astype(float)
        a[0], r[0] = 0, 0
        end = (self.random(length) < 0.25).astype(float)
        return {"o": self.array(length, A), "a": a, "r": r, "end": end}


_last = 0

kept: dict[str, Any] = {}
"""What one test leaves for the next."""


def fail(message: str) -> None:
    """Ends a test, and says how to repeat it."""
    raise AssertionError(
        f"{message} (Inputs were random; checks.use_seed({_last}) repeats these ones.)"
    )


def numbers(found: Any, shape: tuple[int, ...] | None, what: str, hint: str = "") -> np.ndarray:
    """`found` as an array, if it is one of numbers and of this shape."""
    if found is None:
        fail(f"{what}: there is None. Does the function end in a return?")
    if found is Ellipsis:
        fail(f"{what}: there is still the ... of the hand-out.")
    try:
        found = np.asarray(found, float)
    except (TypeError, ValueError):
        fail(f"{what}: there is {type(found).__name__}, where numbers are wanted. {hint}")
    if shape is not None and found.shape != tuple(shape):
        fail(f"{what}: the shape is {found.shape}, where {tuple(shape)} is wanted. {hint}")
    if not np.all(np.isfinite(found)):
        fail(f"{what}: not all numbers are finite. {hint}")
    return found


def slopes(J, x: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """The gradient of a function of one array, by central differences: the shape of x."""
    nudges = step * np.eye(x.size).reshape(x.size, *x.shape)
    return np.reshape([(J(x + n) - J(x - n)) / (2 * step) for n in nudges], x.shape)


def close(
    found: Any,
    wanted: Any,
    what: str,
    hint: str = "",
    tolerance: float = 1e-4,
    mistakes: Mapping[str, Any] | None = None,
) -> None:
    """Checks that numbers agree, to `tolerance` times the largest of them or 1.

    Args:
        hint: what is said of a difference,
        mistakes: or else the first of these, where the numbers are those of a known mistake.
    """
    wanted = np.asarray(wanted, float)
    found = numbers(found, wanted.shape, what, hint)
    apart = np.abs(found - wanted)
    if apart.size and apart.max() > tolerance * max(1.0, np.abs(wanted).max()):
        for told, numbers_then in (mistakes or {}).items():
            then = np.asarray(numbers_then, float)
            if then.shape == found.shape and np.abs(found - then).max() <= tolerance * max(
                1.0, np.abs(then).max()
            ):
                hint = told
                break
        at = tuple(int(i) for i in np.unravel_index(apart.argmax(), apart.shape))
        place = f" at {list(at)}" if at else ""
        fail(f"{what}: {found[at]:.5g}{place}, where {wanted[at]:.5g} is right. {hint}")


def all_close(
    found: Any,
    wanted: Any,
    what: str,
    hint: str = "",
    tolerance: float = 1e-4,
    mistakes: Mapping[str, Any] | None = None,
) -> None:
    """`close` for lists of arrays; what a known mistake gives is a list, too."""
    if not isinstance(found, (list, tuple)) or len(found) != len(wanted):
        length = (
            f"{len(found)} of them" if isinstance(found, (list, tuple)) else type(found).__name__
        )
        fail(f"{what}: there are {len(wanted)} arrays to return, and there is {length}. {hint}")
    for k, (one, other) in enumerate(zip(found, wanted), start=1):
        then = {told: list(arrays)[k - 1] for told, arrays in (mistakes or {}).items()}
        close(one, other, f"{what}, number {k} of {len(wanted)}", hint, tolerance, then)


def apart(one: Any, other: Any, what: str, hint: str = "", least: float = 1e-3) -> None:
    """Checks that numbers differ somewhere by at least `least`."""
    one = numbers(one, None, what, hint)
    other = numbers(other, one.shape, what, hint)
    if np.abs(one - other).max(initial=0) < least:
        fail(f"{what}: no difference. {hint}")


def leaves_alone(function: Callable, *args) -> Any:
    """What a function returns, after a check that it has not changed what it was given."""
    value, seen = observe(function, *args)
    if seen.changed:
        fail("What was handed in is changed: make new arrays, and leave the old ones as they are.")
    return value


def no_loops(function: Callable, small: tuple, large: tuple, what: str) -> Any:
    """Checks that a function runs as many Python instructions for large arrays as for small ones;
    returns what it makes of the large ones."""
    few = observe(function, *small)[1].opcodes
    value, seen = observe(function, *large)
    if seen.opcodes >= UNSEEN:
        fail(f"{what} cannot be watched: leave sys.settrace alone.")
    if seen.opcodes > 1.5 * few + 20:
        fail(
            f"{what} runs {few} Python instructions for small arrays and {seen.opcodes} for large "
            "ones: somewhere there is a loop."
        )
    return value


def board(**scores: float) -> None:
    """Brings scores to the leaderboard; the first decides, and the smaller is the better."""
    kept["leaderboard"] = scores
    if file := os.environ.get("COURSEWORK_LEADERBOARD"):
        Path(file).write_text(json.dumps(scores))


# The notebook's grader.


class test_case:  # noqa: N801 (Otter's name)
    """A check of a test file, as Otter declares it."""

    def __init__(self, points: float = 0, hidden: bool = False, **_):
        self.points, self.hidden = points, hidden

    def __call__(self, function: Callable) -> test_case:
        self.function = function
        self.names = function.__code__.co_varnames[: function.__code__.co_argcount]
        self.title = function.__name__.removeprefix("test_").replace("_", " ")
        return self


def of_file(path: Path) -> Iterator[test_case]:
    """The checks of a test file."""
    made: dict[str, Any] = {}
    exec(compile(path.read_text("utf-8"), path.name, "exec"), made)
    yield from (x for x in made.values() if isinstance(x, test_case))


class Grader:
    """Runs the checks of a hand-out, and says of each cell what grading would say.

    Args:
        name: the assignment's.
        scope: the notebook's names.
    """

    def __init__(self, name: str, scope: dict[str, Any]):
        self.name, self.scope = name, scope
        self.folder = Path(__file__).resolve().parent
        self.about = json.loads((self.folder / "about.json").read_text("utf-8"))
        self.given = {source.strip() for source in self.about["given"]}
        self.ran: dict[str, str] = {}
        """The cells that ran in this session, by their identity where it is known."""
        try:
            get_ipython().events.register("pre_run_cell", self.before_cell)  # noqa: F821
        except NameError:
            pass  # not a notebook

    def before_cell(self, info) -> None:
        self.ran[getattr(info, "cell_id", None) or info.raw_cell] = info.raw_cell

    def theirs(self, source: str) -> bool:
        """Whether a cell is the student's own."""
        asks = source.lstrip().startswith("grader.")
        return not (asks or rules.ASSIGNMENT.search(source) or source.strip() in self.given)

    def objections(self) -> list[str]:
        """What grading would say of the cells that ran."""
        found = []
        for source in self.ran.values():
            if self.theirs(source):
                start = next((x for x in source.splitlines() if x.strip()), "")
                for said in rules.objections(source, self.about["imports"]):
                    found.append(f"In grading, about the cell `{start[:60]}`: {said}.")
        return found

    def results(self, question: str) -> Iterator[tuple[test_case, str]]:
        """Each check of a question, and what it says; nothing where it is passed."""
        path = self.folder / "tests" / f"{question}.py"
        if not path.exists():
            raise ValueError(f"There is no question {question}: take {', '.join(self.questions)}.")
        for test in of_file(path):
            try:
                test.function(*(self.scope.get(name) for name in test.names))
            except AssertionError as error:
                yield test, str(error)
            except Exception as error:
                yield test, f"{type(error).__name__}: {error}"
            else:
                yield test, ""

    @property
    def questions(self) -> list[str]:
        return sorted(path.stem for path in (self.folder / "tests").glob("*.py"))

    def check(self, question: str) -> None:
        """Runs the checks of a question, and prints what they say."""
        for test, said in self.results(question):
            print(f"{question}: {'failed' if said else 'passed'}, {test.title}. {said}".strip())
        for said in self.objections():
            print(said)

    def check_all(self) -> None:
        """`check` for every question."""
        for question in self.questions:
            self.check(question)

    def ready(self) -> None:
        """Says what stands between this notebook and its handing in."""
        trouble = []
        path = Path(f"{self.name}.ipynb")
        if path.exists():
            try:
                saved = [c["source"] for _, c in rules.cells(rules.read(path))]
            except ValueError as error:
                saved = []
                trouble.append(f"{path}: {error}.")
            saved = {source.strip() for source in saved}
            if any(x.strip() not in saved for x in self.ran.values() if self.theirs(x)):
                trouble.append("A cell that you ran is not in the file: save the notebook.")
            for source in saved:
                if self.theirs(source) and source not in map(str.strip, self.ran.values()):
                    self.ran[source] = source if looks_like_code(path, source) else ""
        trouble += self.objections()
        for question in self.questions:
            failed = [said for _, said in self.results(question) if said]
            trouble += [f"{question}: {said}" for said in failed]
        for name in self.about["names"]:
            if name not in self.scope:
                trouble.append(f"No cell that ran defines {name}.")
        if trouble:
            print("Not yet:", *dict.fromkeys(trouble), sep="\n- ")
        else:
            print(f"Ready: hand in {path}.")


def looks_like_code(path: Path, source: str) -> bool:
    """Whether a cell of a saved notebook is one of code."""
    kinds = {c["source"].strip(): c["cell_type"] for _, c in rules.cells(rules.read(path))}
    return kinds.get(source) == "code"


def grader(name: str) -> Grader:
    """The grader of a hand-out, after what it needs is installed; the jax that is there stays."""
    folder = Path(__file__).resolve().parent
    wheels = [str(path) for path in folder.glob("*.whl")]
    if wheels and not importlib.util.find_spec("symla_lite"):
        here = [x for x in ("jax", "jaxlib") if importlib.util.find_spec(x)]
        install(*wheels, *(f"{x}=={metadata.version(x)}" for x in here))
    try:
        scope = get_ipython().user_ns  # noqa: F821
    except NameError:
        scope = vars(sys.modules["__main__"])
    return Grader(name, scope)


def install(*packages: str) -> None:
    """Installs packages into the notebook's Python, with pip or, where there is none, with uv.

    Raises:
        RuntimeError: there is neither, or it did not work.
    """
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install", "--quiet"]
    elif uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable]
    else:
        command = []
    if not command or subprocess.run([*command, *packages]).returncode:
        names = " ".join(packages)
        raise RuntimeError(f"Install this into {sys.executable} and run this cell again: {names}")
    importlib.invalidate_caches()
