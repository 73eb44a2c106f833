"""The ladder of versions: what each idea that makes it fast is worth.

Each rung keeps what the ones below it have, from the printed method up to all devices at once.
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
    return ours(setting, symla(hidden=setting.hidden, form="textbook"))


def everywhere(setting: Setting) -> Contender:
    """The pairs dealt out over all devices; on a CPU, one for each core."""
    return ours(setting, mesh=devices.mesh())


RUNGS = {
    "the printed method": printed,
    "512 bits at a time, where the processor can": wide,
    "all members at once, luck before the loop": textbook,
    "fewest products, and gates as fractions": ours,
    "a device for each core, or all GPUs": everywhere,
}
"""From the bottom up."""
