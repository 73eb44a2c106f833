"""Before any test imports JAX: where compiled programs are kept, and how they are compiled."""

import gc
import os

# Most of a test's time is the compiler's. Where LLVM does not optimise it takes two thirds of what
# it takes in chapters and runs (`machine.compile_quickly`). Programs are slower, which lifetimes of
# a moment do not feel, and results may differ in their last bits. What chapters and runs compile is
# tested by the book's own assertions and by `make verify`.
# Named once, in a process of several, too: JAX keeps programs by the very text of the flags.
NOT_OPTIMISED = "--xla_backend_optimization_level=0"
chosen = os.environ.get("XLA_FLAGS", "").split()
if NOT_OPTIMISED not in chosen:
    os.environ["XLA_FLAGS"] = " ".join([NOT_OPTIMISED, *chosen])

from symla_lite import machine  # noqa: E402  # which adds flags of its own


def pytest_xdist_auto_num_workers(config):
    """`-n auto`: a worker for each core that is granted."""
    return machine.cores()


def pytest_collection_finish():
    """What is there before the first test stays, and JAX makes objects by the million: to look
    through all of them for garbage so often took a seventh of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
