"""Before any test imports JAX, the package says where compiled programs are kept."""

from symla_lite import machine


def pytest_xdist_auto_num_workers(config):
    """`-n auto`: a worker for each core that is granted."""
    return machine.cores()
