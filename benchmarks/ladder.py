"""The ladder of versions: what each idea that makes it fast is worth.

Each rung keeps what the ones below it have, from the printed method up to what `meta_train` does.
"""

from benchmarks.printed import printed
from benchmarks.settings import Contender, Setting, ours
from symla_lite import devices
from symla_lite.symla import symla


def wide(setting: Setting) -> Contender:
    """The printed method, compiled with this package's options."""
    return printed(setting)._replace(options=devices.compiler_options())


def textbook(setting: Setting) -> Contender:
    """This package's inner and outer loop around cells that read as Equation 9."""
    learner = symla(hidden=setting.hidden, form="textbook")
    return ours(setting, learner, chunk=setting.population)


def fast(setting: Setting) -> Contender:
    """The same around the cells of the fast form."""
    return ours(setting, chunk=setting.population)


def everywhere(setting: Setting) -> Contender:
    """The pairs dealt out over all devices; on a CPU, one for each core."""
    return ours(setting, mesh=devices.mesh(), chunk=setting.population)


def in_cache(setting: Setting) -> Contender:
    """And no more of them at a time than a core's cache holds, as `meta_train` has it."""
    return ours(setting, mesh=devices.mesh())


RUNGS = {
    "the printed method": printed,
    "512 bits at a time, where the processor can": wide,
    "all members at once, noise before the loop": textbook,
    "fewest products, and gates as fractions": fast,
    "a device for each core, or all GPUs": everywhere,
    "no more at a time than the cache holds": in_cache,
}
"""From the bottom up."""
