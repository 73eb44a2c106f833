"""The core tests on the versions of Python and JAX that readers have: `make matrix`.

Colab's image has jax 0.7.2; a fresh installation takes the newest that the package allows, and the
newest that there is depends on Python. Every pair gets an environment of its own in
`_build/matrix`, with the newest of all else. A Python that is not on this machine is named and left
out; none is downloaded.

What is newest has an end that is not ours: gymnax 1.0.1, whose physics `environments.control` uses,
asks for a jax below 0.12, so pip keeps jax there until gymnax moves. Where it does not, `physics`
is the one function to be written anew: three bodies, about a hundred lines.
"""

import argparse
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
ENVIRONMENTS = ROOT / "_build" / "matrix"
UV = Path(sys.executable).with_name("uv")

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
JAX = {"Colab's": "jax==0.7.2", "the newest": "jax"}
"""What is asked of pip, by what it is."""
TESTS = ("backprop", "evolution", "lifetime", "metarnn", "symla", "vsml", "meta_training")
"""The core: what every chapter uses."""
NEEDED = ("pytest", "pytest-xdist", "hypothesis", "evosax", "gymnasium", "scikit-learn")
"""By these tests."""


class Run(NamedTuple):
    """What came of one pair of versions."""

    python: str
    jax: str
    said: str
    passed: bool


def find(version: str) -> str | None:
    """A Python of this version on this machine: on the path, or one of pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    beside = sorted(pyenv.glob(f"{version}.*/bin/python{version}"))
    for candidate in (*map(str, reversed(beside)), shutil.which(f"python{version}")):
        if candidate is None:
            continue
        answer = subprocess.run([candidate, "--version"], capture_output=True, text=True)
        if answer.returncode == 0 and answer.stdout.startswith(f"Python {version}"):
            return candidate
    return None


def uv(*arguments: object) -> None:
    """Runs uv. Raises `CalledProcessError` where it fails."""
    environment = os.environ | {"UV_PYTHON_DOWNLOADS": "never"}
    subprocess.run([UV, *map(str, arguments)], check=True, env=environment, stdout=sys.stderr)


def run(version: str, python: str, wanted: str, asked: list[str]) -> Run:
    """Sets up one environment, and runs the tests in it."""
    folder = ENVIRONMENTS / f"{version}-{wanted.replace('==', '-')}"
    inside = folder / "bin" / "python"
    began = time.monotonic()
    try:
        uv("venv", "--quiet", "--clear", "--python", python, folder)
        uv("pip", "install", "--quiet", "--python", inside, "--editable", ROOT, wanted, *NEEDED)
    except subprocess.CalledProcessError as trouble:
        return Run(version, wanted, f"could not be set up (status {trouble.returncode})", False)
    jax = installed(inside, "jax")
    tests = [f"tests/test_{name}.py" for name in TESTS]
    found = subprocess.run(
        [inside, "-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", *tests, *asked],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    lines = found.stdout.strip().splitlines() or [found.stderr[-300:]]
    if found.returncode:
        print(found.stdout[-4000:] + found.stderr[-1000:], file=sys.stderr)
    said = f"{lines[-1].strip('= ')}; {time.monotonic() - began:.0f} s with its set-up"
    return Run(version, f"jax {jax}", said, found.returncode == 0)


def installed(python: Path, package: str) -> str:
    """The version of a package in an environment."""
    asked = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", asked], capture_output=True, text=True).stdout.strip()


def cap() -> str:
    """What gymnax asks of jax."""
    asked = importlib.metadata.requires("gymnax") or []
    bounds = [re.sub(r"\s", "", line) for line in asked if re.match(r"jax\b", line)]
    return ", ".join(bounds) or "nothing"


def main() -> int:
    """Runs all of it, and prints a table; the exit status, 1 if a test failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pythons", nargs="+", default=PYTHONS, help="versions, such as 3.12")
    given, asked = parser.parse_known_args()  # the rest is pytest's
    there = {version: find(version) for version in given.pythons}
    runs = []
    for version, python in there.items():
        for what, wanted in JAX.items() if python else ():
            print(f"Python {version} ({python}) with {what} jax ...", flush=True)
            runs.append(run(version, python, wanted, asked))
            print(f"  {runs[-1].jax}: {runs[-1].said}", flush=True)
    print()
    for one in runs:
        word = "passed" if one.passed else "FAILED"
        print(f"{word}  Python {one.python:5} {one.jax:12} {one.said}")
    missing = [version for version, python in there.items() if python is None]
    for version in missing:
        print(f"NOT RUN Python {version}: there is none on this machine")
    print(f"gymnax {importlib.metadata.version('gymnax')} asks for {cap()}.")
    return 0 if runs and all(one.passed for one in runs) else 1


if __name__ == "__main__":
    sys.exit(main())
