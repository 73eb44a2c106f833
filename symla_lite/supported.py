"""What this package does not run on, in a sentence when it is imported."""

import importlib.metadata
import sys

UNSUITABLE = {
    "0.10.2": "it miscompiles programs for CPUs (jax-ml/jax#39103)",
    "0.11.1": "its scan takes quadratic time on CPUs (jax-ml/jax#40101)",
}
"""Versions of jax and jaxlib, and what is wrong with them."""


def trouble() -> str | None:
    """Why this package does not run here, and what to do; None where it does."""
    if not __debug__:
        return (
            "symla_lite does not run under python -O or PYTHONOPTIMIZE, which break the names that "
            "Haiku gives to parameters: run python without them."
        )
    for name in ("jax", "jaxlib"):
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if version in UNSUITABLE:
            return (
                f"symla_lite does not run on {name} {version}, since {UNSUITABLE[version]}: "
                f"install another version, as in pip install -U 'jax!={version}'."
            )
    return None


def check() -> None:
    """Raises `ImportError` where this package does not run; a command ends with the sentence."""
    found = trouble()
    if found is None:
        return
    if sys.argv[:1] == ["-m"]:  # python -m looks for the module
        print(f"error: {found}", file=sys.stderr)
        sys.exit(2)
    raise ImportError(found)
