"""Before any test imports JAX: where compiled programs are kept, and how they are compiled."""

import os
from importlib.metadata import version

from symla_lite import machine

# Most of a test's time is the compiler's. At this level LLVM takes little more than half as long as
# at that of chapters and runs, which is 3; XLA's older emitters, which jaxlib 0.11 has no longer,
# hand it little more than half as much. Results may differ in their last bits, and programs are a
# little slower, which lifetimes of a moment do not feel. What chapters and runs compile is tested
# by the book's own assertions and by `make verify`.
QUICKLY = ["--xla_backend_optimization_level=0"]
if [int(part) for part in version("jaxlib").split(".")[:2]] < [0, 11]:
    QUICKLY.append("--xla_cpu_use_fusion_emitters=false")

chosen = os.environ.get("XLA_FLAGS", "").split()
names = {flag.partition("=")[0] for flag in chosen}
os.environ["XLA_FLAGS"] = " ".join(
    [*chosen, *(flag for flag in QUICKLY if flag.partition("=")[0] not in names)]
)


def pytest_xdist_auto_num_workers(config):
    """`-n auto`: a worker for each core that is granted."""
    return machine.cores()
