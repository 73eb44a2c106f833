"""Before any test imports JAX: where compiled programs are kept, and how they are compiled."""

import os

from symla_lite import machine

# Most of a test's time is LLVM's. At this level it takes little more than half as long, and the
# programs compute the same bits as at the level of chapters and runs, which is 3. They are a little
# slower, which lifetimes of a moment do not feel.
QUICKLY = "--xla_backend_optimization_level=1"

if "xla_backend_optimization_level" not in os.environ.get("XLA_FLAGS", ""):
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {QUICKLY}".strip()


def pytest_xdist_auto_num_workers(config):
    """`-n auto`: a worker for each core that is granted."""
    return machine.cores()
