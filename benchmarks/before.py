"""python -m benchmarks.before COMMIT: is an outer step still as fast as it was at that commit?

Two processes, one with the package as it is and one with that of the commit, compile the outer
steps of all worlds at the same time and then take turns, so that a slow moment of the machine hits
both alike. Both are timed with the benchmark's own settings, which the commit has to have.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
GIT = ("git", "-C", str(ROOT))
WORKER = "--worker"


def work() -> None:
    """Compiles the outer step of every world, says which they are and how long each took, and then
    times the one whose name it reads, again and again."""
    from symla_lite import devices

    devices.one_for_each_core()  # before the next imports ask JAX for anything

    import jax

    from benchmarks.settings import SETTINGS, ours
    from benchmarks.timing import ready

    mesh = devices.mesh(jax.devices()) if len(jax.devices()) > 1 else None
    programs = {name: ready(ours(setting, mesh=mesh)) for name, setting in SETTINGS.items()}
    programs |= {name: ready(contender) for name, contender in policy_gradients().items()}
    took = (f"{name}={program.compile_seconds}" for name, program in programs.items())
    print("\t".join(took), flush=True)
    for line in sys.stdin:
        program = programs[line.strip()]
        program.time_once()
        print(program.seconds[-1], flush=True)


def policy_gradients() -> dict:
    """Outer steps by policy gradients, by world: the way back through the lifetime. None at commits
    that do not have them."""
    from benchmarks.settings import SETTINGS, Setting, ours
    from symla_lite.meta_training import Outer

    try:
        from symla_lite.policy_gradient import PolicyGradient
    except ImportError:
        return {}

    class ByPolicy(Setting):
        @property
        def outer(self) -> Outer:
            how = PolicyGradient()
            return Outer(how, 0.002, steps=1, length=self.length, lifetimes=self.lifetimes)

    worlds = {name: SETTINGS[name].environment for name in ("CartPole", "hearts 3×3")}
    return {
        f"{name}, policy": ours(ByPolicy(world, population=1, lifetimes=16, length=100))
        for name, world in worlds.items()
    }


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """A folder with the project as it was at a commit."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "before"
        git = [*GIT, "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


class Timed:
    """A process that times the package in a folder."""

    def __init__(self, tree: Path):
        self.process = subprocess.Popen(
            [sys.executable, __file__, WORKER],
            cwd=tree,
            env=os.environ | {"PYTHONPATH": str(tree), "JAX_ENABLE_COMPILATION_CACHE": "false"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def answer(self) -> str:
        """The next line that it says. Raises `RuntimeError` where it has ended."""
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("A process that times ended: its message is above.")
        return line.strip()

    def compiled(self) -> dict[str, float]:
        """Seconds that each world's outer step took to compile."""
        pairs = (pair.rsplit("=", 1) for pair in self.answer().split("\t"))
        return {name: float(seconds) for name, seconds in pairs}

    def seconds(self, name: str) -> float:
        """How long one outer step of a world takes."""
        print(name, file=self.process.stdin, flush=True)
        return float(self.answer())


def main() -> None:
    """Prints a table of ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("commit")
    parser.add_argument("--turns", type=int, default=15, help="timings of each world and version")
    given = parser.parse_args()
    known = [*GIT, "rev-parse", "--quiet", "--verify", f"{given.commit}^{{commit}}"]
    if subprocess.run(known, stdout=subprocess.DEVNULL).returncode:
        parser.error(f"this repository has no commit {given.commit!r}: give one of `git log`")
    if given.turns < 1:
        parser.error(f"--turns {given.turns}: give at least 1")
    with checked_out(given.commit) as tree:
        before, after = Timed(tree), Timed(ROOT)
        try:
            compiled, compiled_now = before.compiled(), after.compiled()
            print(
                f"{'world':22}{'before, s':>12}{'now, s':>12}   before / now"
                f"{'to compile: before, s':>26}{'now, s':>10}"
            )
            for name in (name for name in compiled_now if name in compiled):
                times = [(before.seconds(name), after.seconds(name)) for _ in range(given.turns)]
                old, new = (statistics.median(each) for each in zip(*times, strict=True))
                ratio = statistics.median(then / now for then, now in times)
                print(
                    f"{name:22}{old:12.4f}{new:12.4f}   {ratio:12.3f}"
                    f"{compiled[name]:26.1f}{compiled_now[name]:10.1f}",
                    flush=True,
                )
        finally:
            for timed in (before, after):
                timed.process.kill()


if __name__ == "__main__":
    work() if WORKER in sys.argv else main()
