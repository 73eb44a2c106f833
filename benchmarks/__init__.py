"""How fast is it? Measured against the paper's printed method, against what could be assembled from
others' parts, and against what the machine can do: `make bench`."""
