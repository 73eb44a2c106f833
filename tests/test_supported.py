"""Where the package does not run, it says so in a sentence when it is imported."""

import importlib.metadata
import os
import subprocess
import sys

import pytest

from symla_lite import supported


def test_here_it_runs():
    assert supported.trouble() is None
    supported.check()


@pytest.mark.parametrize(
    ("package", "version", "reason"),
    [
        ("jax", "0.10.2", "miscompiles programs for CPUs .jax-ml/jax#39103"),
        ("jax", "0.11.1", "quadratic time on CPUs .jax-ml/jax#40101"),
        ("jaxlib", "0.10.2", "miscompiles"),
    ],
)
def test_a_version_that_is_forced_in_is_refused(monkeypatch, package, version, reason):
    real = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: version if name == package else real(name)
    )
    with pytest.raises(ImportError, match=f"on {package} {version}, since .*{reason}.*install"):
        supported.check()


@pytest.mark.parametrize(
    ("options", "variables"), [(["-O"], {}), (["-OO"], {}), ([], {"PYTHONOPTIMIZE": "1"})]
)
def test_python_without_assertions_is_refused(options, variables):
    command = [sys.executable, *options, "-m", "symla_lite", "--help"]
    done = subprocess.run(
        command, env=os.environ | variables, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: symla_lite does not run under python -O")
    assert done.stderr.count("\n") == 1
    script = [sys.executable, *options, "-c", "import symla_lite"]
    done = subprocess.run(
        script, env=os.environ | variables, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ImportError: symla_lite does not run under")
