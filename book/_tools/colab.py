"""Run the notebooks as on Colab: its jax, nothing of the repository but the wheel, an empty folder.

python book/_tools/colab.py [NAME ...]    all notebooks, where none is named

What Colab brings is in `COLAB`. Into a new virtual environment with that goes the package's wheel,
which must leave the jax that is there; then each `.ipynb` runs unchanged in a folder of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import notebooks

PYTHON = "3.13"
COLAB = {
    "jax": "0.7.2",
    "jaxlib": "0.7.2",
    "matplotlib": "",
    "ipywidgets": "",
    "scikit-learn": "",
    "ipykernel": "",
    "nbclient": "",
}
"""What its image has of what the chapters use, with the versions that matter."""

RUN = """
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=3600, kernel_name="python3").execute()
"""


def python() -> str | None:
    """A Python of Colab's version that runs: one of pyenv's, or the one on the path (which may be
    pyenv's placeholder for a version that is turned off).
    """
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for path in (*pyenv.glob(f"{PYTHON}.*/bin/python"), shutil.which(f"python{PYTHON}")):
        if path and not subprocess.run([path, "--version"], capture_output=True).returncode:
            return str(path)
    return None


def run(*command: str | Path, **options) -> str:
    """What a command prints. Raises `CalledProcessError` where it fails."""
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, **options)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
    done.check_returncode()
    return done.stdout


def wheel(folder: Path) -> Path:
    """The package's wheel, built from a copy of the repository without what is built in it."""
    source = folder / "source"
    unwanted = shutil.ignore_patterns("_build", "build", "dist", ".*", "*.egg-info", "runs")
    shutil.copytree(notebooks.ROOT, source, ignore=unwanted)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    run(*pip, "--wheel-dir", folder, source)
    (found,) = folder.glob("*.whl")
    return found


def environment(folder: Path, base: str) -> Path:
    """A virtual environment like Colab's with the package in it; its interpreter."""
    run(base, "-m", "venv", folder / "colab")
    inside = folder / "colab" / "bin" / "python"
    uv = (Path(sys.executable).parent / "uv", "pip", "install", "--quiet", "--python", inside)
    run(*uv, *(f"{name}=={version}" if version else name for name, version in COLAB.items()))
    run(*uv, wheel(folder))
    ask = "import json, jax, jaxlib; print(json.dumps([jax.__version__, jaxlib.__version__]))"
    versions = json.loads(run(inside, "-c", ask))
    if versions != [COLAB["jax"], COLAB["jaxlib"]]:
        raise ValueError(f"The package replaced Colab's jax: there is {versions} now.")
    return inside


def main(names: list[str]) -> int:
    """Runs the notebooks; how many failed."""
    base = python()
    if base is None:
        print(
            f"NOTHING WAS TESTED: there is no Python {PYTHON}, which Colab has. Install one (with"
            f" pyenv: pyenv install {PYTHON}) and run this again."
        )
        return 0
    chapters = [x.with_suffix(".ipynb") for x in notebooks.sources(notebooks.ROOT)]
    if unknown := set(names) - {path.stem for path in chapters}:
        known = ", ".join(path.stem for path in chapters)
        print(f"There is no notebook {', '.join(unknown)}: name some of {known}.", file=sys.stderr)
        return 2
    failed = []
    with tempfile.TemporaryDirectory() as place:
        inside = environment(Path(place), base)
        for chapter in chapters:
            if names and chapter.stem not in names:
                continue
            empty = Path(place) / "content" / chapter.stem
            empty.mkdir(parents=True)
            shutil.copy(chapter, empty)
            started = time.monotonic()
            try:
                run(inside, "-c", RUN, chapter.name, cwd=empty)
                said = "ran"
            except subprocess.CalledProcessError:
                failed.append(chapter.stem)
                said = "FAILED"
            print(f"{chapter.stem} {said} in {time.monotonic() - started:.0f} s", flush=True)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
