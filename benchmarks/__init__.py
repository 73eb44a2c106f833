"""How fast is it? Measured against the paper's printed method, against what could be assembled from
others' parts, and against what the machine can do: `make bench`."""

import symla_lite  # noqa: F401  # before JAX, as in chapters and runs: it asks XLA to compile quickly
