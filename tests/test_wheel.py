"""What README promises a stranger: the wheel, a fresh virtual environment, and five lines."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UV = Path(sys.executable).parent / "uv"

BESIDE_RANDOM = """
import json
beside = play("CliffWalking-v1", Agent.load("random"), steps=1000, lifetimes=20)
print(json.dumps([[float(x.reward[:, part].mean()) for part in (slice(100), slice(-100, None))]
                  for x in (played, beside)]))
"""


def run(*command, where):
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_the_five_lines_of_the_readme_run_from_the_wheel_and_the_agent_learns(tmp_path):
    source, wheels, fresh = (tmp_path / name for name in ("source", "wheels", "fresh"))
    # A build leaves files beside the source, so it has a copy of its own.
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".*", "_build", "build", "tests"))
    options = ("--no-deps", "--no-build-isolation", "--quiet", "--wheel-dir", wheels)
    run(sys.executable, "-m", "pip", "wheel", *options, source, where=tmp_path)
    (wheel,) = wheels.glob("symla_lite-*.whl")
    run(UV, "venv", "--quiet", "--python", sys.executable, fresh, where=tmp_path)
    python = fresh / "bin" / "python"
    # The versions are those of the book, so that what uv has at hand will do.
    pins = ("--constraint", ROOT / "requirements.lock")
    run(UV, "pip", "install", "--quiet", "--python", python, *pins, wheel, "gymnasium", where=fresh)

    readme = (ROOT / "README.md").read_text("utf-8")
    (block,) = re.findall(r"```python\n(from symla_lite\.agent import .*?)```", readme, re.DOTALL)
    assert len([line for line in block.splitlines() if line]) == 5
    printed = run(python, "-c", block + BESIDE_RANDOM, where=fresh).splitlines()
    assert len(printed) == 2, "what README prints, and what follows it here"
    (first, last), (_, random) = json.loads(printed[-1])
    assert last > first + 3, "it learns"
    assert last > random + 3, "and earns more than a random agent"
