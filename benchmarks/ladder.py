"""The ladder of versions: what each idea that makes it fast is worth.

The rungs are built upon one another, from the printed method to what the package does.
"""

import dataclasses

import jax
import jax.numpy as jnp

from benchmarks.printed import printed
from benchmarks.settings import Contender, Setting, ours
from symla_lite import devices
from symla_lite.symla import Cells, Options, fast, pass_messages, symla


def plain(options: Options, theta) -> Cells:
    """The fast form's products with the gates as a textbook has them."""
    w, bias = theta["lstm/linear"]["w"], theta["lstm/linear"]["b"]
    per_side = options.message + 1
    w_a, w_b, w_all, w_h = jnp.split(w, [per_side, 2 * per_side, w.shape[0] - options.hidden])

    def tick(h, c, heard):
        gates = (
            (heard.at_input @ w_a)[:, None]
            + (heard.at_output @ w_b)[None, :]
            + (heard.everywhere @ w_all + bias)
            + h @ w_h
        )
        i, g, f, o = jnp.split(gates, 4, axis=-1)
        c = jax.nn.sigmoid(f + 1) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c

    return fast(options, theta)._replace(tick=tick)


def with_cells(cells, hidden: int):
    """The SymLA learner with other cells of the same mathematics."""
    learner = symla(hidden=hidden)
    options = Options(**learner.options)

    def step(theta, state, x):
        return pass_messages(cells(options, theta), options, state, x)

    return dataclasses.replace(learner, step=step)


def textbook(setting: Setting) -> Contender:
    """This package's outer step, with the form that reads as Equation 9."""
    return ours(setting, symla(hidden=setting.hidden, form="textbook"))


def split_products(setting: Setting) -> Contender:
    """What an input, an output or all hear is multiplied once, and not in each cell."""
    return ours(setting, with_cells(plain, setting.hidden))


def everywhere(setting: Setting) -> Contender:
    """The pairs dealt out over all devices; on a CPU, one for each core."""
    return ours(setting, mesh=devices.mesh())


RUNGS = {
    "the printed method": printed,
    "fewer random numbers, members side by side": textbook,
    "each product where there is least to multiply": split_products,
    "gates with few exponentials and divisions": ours,
    "a device for each core": everywhere,
}
"""From the bottom up."""
