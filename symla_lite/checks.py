"""Bad input fails at the door, with a sentence: signatures that are held to when they are called.

A signature says what a function takes. `hold_to_signatures`, called by the package before its
modules are imported, makes the public functions, methods and dataclasses of all of them refuse what
does not suit. Where a type is not enough, `Annotated` adds a range, or the shape of an array as a
docstring would give it. In all arguments of a call a letter of a shape stands for the same length,
and `...` for the same axes::

    def gradient(
        eps: Annotated[jax.Array, "P D"], fitness: Annotated[jax.Array, "P 2"], sigma: Positive
    ) -> jax.Array: ...

    >>> gradient(jnp.ones((3, 9)), jnp.ones((4, 2)), 0.1)
    ValueError: fitness=<array [4, 2]> does not suit gradient(): give an array [P, 2] with P = 3.

Numbers must be finite. Truth values and texts are no numbers, and 2.0 is no whole number. Numbers
of NumPy and JAX, which JSON does not know, become Python's own; lists of numbers become arrays.
What JAX traces has no value yet, so that only its shape is looked at, and it is no whole number.

There are libraries that check types and ranges (beartype, pydantic) and shapes (jaxtyping). Their
messages run over several lines and do not say what to give.
"""

import dataclasses
import functools
import importlib.abc
import importlib.machinery
import inspect
import math
import operator
import os
import reprlib
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

# What is said of an argument beyond its type.


@dataclasses.dataclass(frozen=True, repr=False)
class Range:
    """Numbers from `least` to `most`; `above` and `below` leave the ends out."""

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    finite: bool = True
    rounded: bool = False
    """Whether numbers that are too small for 32 bits become 0."""

    def __contains__(self, value: float) -> bool:
        return (
            (isinstance(value, int) or math.isfinite(value) or not self.finite)
            and value == value
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )

    def __repr__(self) -> str:
        words = {"least": "at least", "most": "at most", "above": "above", "below": "below"}
        bounds = ((word, getattr(self, name)) for name, word in words.items())
        return " and ".join(f"{word} {bound}" for word, bound in bounds if bound is not None)


@dataclasses.dataclass(frozen=True, repr=False)
class Also:
    """Something else that an argument must be, or may be."""

    words: str

    def __repr__(self) -> str:
        return self.words


FILLED = Also("not empty")
IN_FILE_NAME = Also("fit for the name of a file")
MAY_BE_NAN = Also("may hold NaN")
PRNG_KEY = Also("PRNG key")
OF_ARRAYS = Also("of arrays")

WHOLE = 2**31 - 1
"""The largest whole number of 32 bits."""
SMALLEST, GREATEST = 2.0**-126, (2 - 2.0**-23) * 2.0**127
"""The positive numbers with a decimal point that 32 bits can hold at their full precision."""

Count = Annotated[int, Range(least=1)]
Index = Annotated[int, Range(least=0)]
Seed = Annotated[int, Range(least=0, most=2**32 - 1)]
"""What `jax.random.key` takes for another seed each."""
Positive = Annotated[float, Range(above=0)]
NotNegative = Annotated[float, Range(least=0)]
Share = Annotated[float, Range(above=0, below=1)]
Name = Annotated[str, FILLED]
FileName = Annotated[str, IN_FILE_NAME]
Key = Annotated[jax.Array, PRNG_KEY]
"""One key; an array of keys where a shape is given as well."""
Tree = Annotated[Any, OF_ARRAYS]
"""A tree of arrays, as JAX has it: an array, or tuples, lists and dicts of them."""


# Doors.


class Unsuitable(Exception):
    """A value, or the part of it at `place`, does not suit; the message says what to give."""

    def __init__(self, value: Any, give: str, place: str = ""):
        super().__init__(give)
        self.value, self.place = value, place


Letters = dict[str, Any]
"""The lengths that the letters of shapes stand for in one call, and the axes behind `...`."""


@typing.runtime_checkable
class HasDescriptor(typing.Protocol):
    """A file of the operating system, also behind a wrapper of `tempfile`."""

    def fileno(self) -> int: ...


Check = Callable[[Any, Letters], Any]
"""`(value, letters) -> value`, with Python's own numbers. Raises `Unsuitable`."""


def hold_to_signatures(package: str) -> None:
    """Checks from now on what public functions, methods and dataclasses of a package are given.

    Args:
        package: its name. Of its modules those count that are imported afterwards.
    """
    sys.meta_path.insert(0, Finder(package + "."))


class Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of a package as Python does, and puts doors into them."""

    def __init__(self, start: str):
        self.start = start

    def find_spec(self, name, path, target=None):
        """See `importlib`."""
        found = importlib.machinery.PathFinder.find_spec(name, path, target)
        if found is None or not name.startswith(self.start) or name == __name__:
            return None
        execute = found.loader.exec_module

        def with_doors(module):
            execute(module)
            put_doors(vars(module), name)

        found.loader.exec_module = with_doors
        return found


def put_doors(space: dict[str, Any], module: str) -> None:
    """Puts a door before everything public that a module defines."""
    for name, thing in list(space.items()):
        if name.startswith("_") or getattr(thing, "__module__", None) != module:
            continue
        if inspect.isfunction(thing) or hasattr(thing, "__wrapped__"):
            space[name] = door(thing)
        elif inspect.isclass(thing):
            if dataclasses.is_dataclass(thing):
                thing.__init__ = door(thing.__init__, thing.__name__)
            for method, function in list(vars(thing).items()):
                if inspect.isfunction(function) and not method.startswith("_"):
                    setattr(thing, method, door(function))


def door(function: Callable, name: str | None = None) -> Callable:
    """The same function, which refuses arguments that do not suit its signature.

    Args:
        function: the function.
        name: what it is called in messages; None takes its own.

    Returns:
        A function that raises `ValueError` with a sentence where it is called with such arguments,
        and Python's own `TypeError` where some are missing or too many.
    """
    signature = inspect.signature(function)
    name = name or function.__name__

    checks = {}
    for argument, parameter in signature.parameters.items():
        checks[argument] = check_of(parameter.annotation)
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            checks[argument] = sequence(checks[argument], tuple)
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            checks[argument] = mapping(anything, checks[argument])

    @functools.wraps(function)
    def checked(*args, **kwargs):
        try:
            call = signature.bind(*args, **kwargs)
        except TypeError:
            return function(*args, **kwargs)  # which says what is missing or too much
        letters: Letters = {}
        for argument, value in call.arguments.items():
            try:
                call.arguments[argument] = checks[argument](value, letters)
            except Unsuitable as bad:
                raise ValueError(
                    f"{argument}{bad.place}={shown(bad.value)} does not suit {name}(): {bad}."
                ) from None
        return function(*call.args, **call.kwargs)

    for of_a_cache in ("cache_clear", "cache_info"):
        if hasattr(function, of_a_cache):
            setattr(checked, of_a_cache, getattr(function, of_a_cache))
    return checked


def unchecked(*functions: Callable) -> list[Callable]:
    """Functions without the checks that `with_checks` put around them: `dataclasses.replace` passes
    on what is checked already."""
    return [getattr(function, "unchecked", function) for function in functions]


def with_checks(**functions: tuple[Callable, Callable]) -> dict[str, Callable]:
    """Doors before functions that are fields of a dataclass, by the field's name.

    Args:
        functions: for each field the function with checks of its own, and the one inside it.
    """
    found = {name: door(checked, name) for name, (checked, _) in functions.items()}
    for name, (_, inside) in functions.items():
        found[name].unchecked = inside
    return found


def shown(value: Any) -> str:
    """A value in a few characters."""
    if isinstance(value, np.ndarray | jax.Array) and not isinstance(value, jax.core.Tracer):
        if np.ndim(value) == 0 and not jnp.issubdtype(value.dtype, jax.dtypes.extended):
            return repr(value.item())
    if isinstance(value, np.ndarray | jax.Array):
        return f"<array {list(np.shape(value))}>"
    if dataclasses.is_dataclass(value) or hasattr(value, "_fields"):
        return f"<{type(value).__name__}>"
    return reprlib.repr(value)


# The checks, one for each kind of annotation.


def check_of(hint: Any) -> Check:
    """The check that an annotation asks for. Everything suits an annotation that is not known."""
    more = getattr(hint, "__metadata__", ())
    hint = hint.__origin__ if more else hint
    origin, parts = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin is Literal:
        return one_of(parts)
    if origin in (typing.Union, types.UnionType):
        return either([check_of(part) for part in parts])
    if origin is int:
        return number(int, *more)
    if origin is float:
        return number(float, *more)
    if origin in (jax.Array, np.ndarray):
        return array(jnp.asarray if origin is jax.Array else np.asarray, *more)
    if origin is bool:
        return truth
    if origin is str:
        return text(*more)
    if origin is Path:
        return path
    if origin is Callable:
        return of_type(Callable, "a function")
    if OF_ARRAYS in more:
        return tree
    if origin in (Any, inspect.Parameter.empty) or not inspect.isclass(origin):
        return anything
    if hasattr(origin, "_fields"):
        return named_tuple(origin)
    if issubclass(origin, typing.IO):
        return of_type(HasDescriptor, "an open file")
    if issubclass(origin, Mapping):
        return mapping(*(check_of(part) for part in parts or (Any, Any)), FILLED in more)
    if origin is tuple and parts and parts[-1] is not ...:
        return row([check_of(part) for part in parts])
    if origin in (Sequence, tuple, list):
        return sequence(check_of(parts[0] if parts else Any), origin, FILLED in more)
    name = f"{'an' if origin.__name__[0] in 'AEIOU' else 'a'} {origin.__name__}"
    return of_type(origin, "None" if origin is type(None) else name)


def anything(value: Any, letters: Letters) -> Any:
    """Suits always."""
    del letters
    return value


def of_type(kind: type, name: str) -> Check:
    """Instances of a class."""

    def check(value, letters):
        if not isinstance(value, kind):
            raise Unsuitable(value, f"give {name}")
        return value

    return check


def text(*more: Also) -> Check:
    """Texts."""
    give = "give a text" + " that is not empty" * bool(more)
    give += " and has no /" * (IN_FILE_NAME in more)

    def check(value, letters):
        known = isinstance(value, str)
        if not known or more and not value or IN_FILE_NAME in more and set(value) & set("/\0"):
            raise Unsuitable(value, give)
        return value

    return check


def plain(value: Any) -> Any:
    """A number of NumPy or JAX, also in an array without axes, as Python's own; all else, such as
    what is traced, as it is."""
    if not isinstance(value, (np.generic, np.ndarray, jax.Array)) or value.shape != ():
        return value
    if isinstance(value, jax.core.Tracer) or jnp.issubdtype(value.dtype, jax.dtypes.extended):
        return value
    return math.nan if np.ma.is_masked(value) else value.item()


def truth(value: Any, letters: Letters) -> bool:
    """True or False, of Python, NumPy or JAX."""
    value = plain(value)
    if not isinstance(value, bool):
        raise Unsuitable(value, "give True or False")
    return value


def number(kind: type, suits: Range = Range()) -> Check:
    """Whole numbers or any real ones, that JAX can hold in 32 bits."""
    give = f"give a {'whole ' * (kind is int)}number{', ' * bool(repr(suits))}{suits}"

    def check(value, letters):
        if kind is float and isinstance(value, jax.core.Tracer) and value.shape == ():
            if jnp.issubdtype(value.dtype, jnp.floating):
                return value
        value = plain(value)
        if isinstance(value, bool) or not isinstance(value, (int, kind)) or value not in suits:
            raise Unsuitable(value, give)
        if suits.rounded and abs(value) < SMALLEST:
            return 0.0
        greatest = suits.most or (WHOLE if kind is int else GREATEST)
        if greatest < abs(value) < math.inf or 0 < abs(value) < SMALLEST:
            raise Unsuitable(value, f"{give}, that 32 bits can hold")
        return value

    return check


def one_of(words: Sequence[Any]) -> Check:
    """One of a few values."""
    *others, last = map(repr, words)
    give = f"give {', '.join(others)} or {last}" if others else f"give {last}"

    def check(value, letters):
        value = value.item() if isinstance(value, np.number) else value
        for word in words:
            if type(value) is type(word) and value == word:
                return word
        raise Unsuitable(value, give)

    return check


def either(checks: Sequence[Check]) -> Check:
    """What suits one of several checks."""

    def check(value, letters):
        remedies = []
        for one in checks:
            known = dict(letters)
            try:
                value = one(value, known)
            except Unsuitable as bad:
                remedies.append(bad)
            else:
                letters |= known
                return value
        deepest = max(remedies, key=lambda bad: len(bad.place))
        if deepest.place:
            raise deepest
        words = ", or ".join(str(bad).removeprefix("give ") for bad in remedies)
        raise Unsuitable(value, f"give {words}")

    return check


def path(value: Any, letters: Letters) -> Path:
    """Paths, and texts that are some."""
    if not isinstance(value, (str, Path)) or not str(value) or "\0" in str(value):
        raise Unsuitable(value, "give the path of a file or folder")
    return Path(value)


def array(made: Callable[[Any], Any], *more: Any) -> Check:
    """Arrays of finite numbers, as `made` makes them of lists, or of keys."""
    keys = PRNG_KEY in more
    shape = next((axes.split() for axes in more if isinstance(axes, str)), [] if keys else None)
    suits = next((numbers for numbers in more if isinstance(numbers, Range)), Range())
    bounds = repr(suits)
    give = "give an array" + f" [{', '.join(shape or ())}]" * (shape is not None)
    if keys:
        give = f"{give} of keys" if shape else "give a key, as jax.random.key makes them"

    def check(value, letters):
        try:
            found = value if isinstance(value, (jax.Array, np.ndarray)) else np.asarray(value)
            if keys:
                found = as_keys(found)
            elif jnp.issubdtype(found.dtype, jax.dtypes.extended) or found.dtype.kind in "cOSUmMV":
                raise TypeError
            elif found is not value:
                found = made(value)
        except (TypeError, ValueError, OverflowError):
            raise Unsuitable(value, give + " of numbers" * (not keys)) from None
        known = [f"{axis} = {letters[axis]}" for axis in shape or () if axis in letters]
        if shape is not None and not fits(found.shape, shape, letters):
            raise Unsuitable(found, give + f" with {' and '.join(known)}" * bool(known))
        if shape and 0 in found.shape:
            raise Unsuitable(found, f"{give} that is not empty")
        if keys or isinstance(found, jax.core.Tracer):
            return found
        if MAY_BE_NAN not in more and not np.isfinite(np.asarray(found, np.float64)).all():
            raise Unsuitable(found, f"it holds NaN or infinity, {give} of finite numbers")
        if bounds and not all(x in suits for x in np.ravel(found).tolist()):
            raise Unsuitable(found, f"{give} of numbers {bounds}")
        return found

    return check


def tree(value: Any, letters: Letters) -> Any:
    """Trees of arrays of finite numbers, or of keys."""
    if hasattr(value, "theta"):
        raise Unsuitable(value, "give its .theta")
    leaves, _ = jax.tree_util.tree_flatten_with_path(value, is_leaf=lambda x: x is None)
    for place, leaf in leaves:
        if isinstance(leaf, jax.ShapeDtypeStruct):
            continue  # of an array that is not there yet
        if isinstance(leaf, (str, bytes)) or not np.isscalar(leaf) and not hasattr(leaf, "shape"):
            raise Unsuitable(value, "give a tree of arrays")
        if not jnp.issubdtype(getattr(leaf, "dtype", None), jax.dtypes.extended):
            at("{}", jax.tree_util.keystr(place), array(jnp.asarray), leaf, letters)
    return value


def as_keys(value: Any) -> jax.Array:
    """Keys of `jax.random`, also where they are given in the old form. Raises `TypeError`."""
    if isinstance(value, (jax.Array, np.ndarray)):
        if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
            return value
        if value.dtype == np.uint32:
            return jax.random.wrap_key_data(value)
    raise TypeError


def fits(found: Sequence[int], wanted: Sequence[str], letters: Letters) -> bool:
    """Whether an array has a shape. What its letters stand for is added to `letters`."""
    if wanted[:1] == ["..."]:
        wanted = wanted[1:]
        front = max(0, len(found) - len(wanted))
        if letters.setdefault("...", found[:front]) != found[:front]:
            return False
        found = found[front:]
    return len(found) == len(wanted) and all(
        length == (int(axis) if axis.isdecimal() else letters.setdefault(axis, length))
        for length, axis in zip(found, wanted)
    )


def sequence(each: Check, kind: type, filled: bool = False) -> Check:
    """Lists, tuples and ranges, and arrays with one axis; a tuple where one is asked for."""
    give = "give a list or tuple" + " that is not empty" * filled

    def check(value, letters):
        if isinstance(value, (jax.Array, np.ndarray)) and np.ndim(value) == 1:
            value = np.asarray(value).tolist()
        if not isinstance(value, (list, tuple, range)) or filled and not value:
            raise Unsuitable(value, give)
        found = [at("[{}]", i, each, x, letters) for i, x in enumerate(value)]
        if kind is tuple:
            return tuple(found)
        if all(map(operator.is_, found, value)):
            return value
        return (list if kind is list else tuple)(found)

    return check


def row(checks: Sequence[Check]) -> Check:
    """Tuples of a fixed length."""

    def check(value, letters):
        if not isinstance(value, (list, tuple)) or len(value) != len(checks):
            raise Unsuitable(value, f"give a tuple of {len(checks)}")
        parts = zip(checks, value)
        return tuple(at("[{}]", i, one, x, letters) for i, (one, x) in enumerate(parts))

    return check


def mapping(keys: Check, values: Check, filled: bool = False) -> Check:
    """Mappings."""
    give = "give a mapping, such as a dict" + ", that is not empty" * filled

    def check(value, letters):
        if not isinstance(value, Mapping) or filled and not value:
            raise Unsuitable(value, give)
        found = {
            at(".keys()", key, keys, key, letters): at("[{!r}]", key, values, x, letters)
            for key, x in value.items()
        }
        return value if all(found.get(key) is x for key, x in value.items()) else found

    return check


def named_tuple(kind: type) -> Check:
    """A `NamedTuple`, or a tuple of as many things. Those of its fields are checked whose
    annotations say more than a type."""

    checks = {
        name: check_of(hint)
        for name, hint in kind.__annotations__.items()
        if hasattr(hint, "__metadata__")
    }

    def check(value, letters):
        plain = type(value) in (tuple, list) and len(value) == len(kind._fields)
        if not isinstance(value, kind) and not plain:
            raise Unsuitable(value, f"give a {kind.__name__} ({', '.join(kind._fields)})")
        value = kind(*value) if plain else value
        changed = {
            name: at(".{}", name, check, getattr(value, name), letters)
            for name, check in checks.items()
        }
        return value._replace(**changed) if changed else value

    return check


def at(place: str, part: Any, check: Check, value: Any, letters: Letters) -> Any:
    """Checks a part of a value; the message says which, as `place` with the part's number or name
    in it. They are put together only where they are needed: records have thousands of parts."""
    try:
        return check(value, letters)
    except Unsuitable as bad:
        raise Unsuitable(bad.value, str(bad), place.format(part) + bad.place) from None


# Trees, such as a theta, and the memory that they take.


def unlike(found: Any, wanted: Any, kinds: bool = False) -> str:
    """How a tree of arrays differs from another one in names and shapes; empty where it does not.

    Args:
        found: any tree.
        wanted: a tree of arrays, or of their shapes as `jax.eval_shape` gives them.
        kinds: whether whole numbers in place of real ones, or the like, are a difference.
    """

    def shapes(tree):
        leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
        return {
            jax.tree_util.keystr(path, simple=True, separator="."): (
                list(np.shape(leaf)) if not isinstance(leaf, (str, bytes)) else shown(leaf)
            )
            for path, leaf in leaves
        }

    has, wants = shapes(found), shapes(wanted)
    for name in wants:
        if name not in has:
            return f"it has no {name or 'array'}"
        if has[name] != wants[name]:
            return f"{name or 'it'} is {has[name]}, not {wants[name]}"
    for name in has:
        if name not in wants:
            return f"{name or 'it'} is too much"
    pairs = zip(wants, jax.tree.leaves(found), jax.tree.leaves(wanted)) if kinds else ()
    for name, its, other in ((name, kind_of(x), kind_of(y)) for name, x, y in pairs):
        if its != other:
            return f"{name or 'it'} is of {its}, not of {other}"
    return ""


def kind_of(x: Any) -> str:
    """The kind of numbers of an array, in words."""
    dtype = x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype
    words = {
        jax.dtypes.extended: "keys",
        jnp.floating: "real numbers",
        jnp.integer: "whole numbers",
        jnp.bool_: "truth values",
    }
    known = (word for kind, word in words.items() if jnp.issubdtype(dtype, kind))
    return next(known, str(dtype))


def memory() -> int:
    """The bytes of memory of this machine, or of its accelerator."""
    if jax.default_backend() == "cpu":
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return (jax.local_devices()[0].memory_stats() or {}).get("bytes_limit", 2**63)


def size_in_bytes(tree: Any) -> int:
    """The bytes that the arrays of a tree take, or would take if they had these shapes."""
    return sum(math.prod(np.shape(x)) * 4 for x in jax.tree.leaves(tree))


def as_numbers(x: Any) -> jax.Array | None:
    """Real numbers, whole numbers or truth values as an array; None for anything else."""
    try:
        found = jnp.asarray(x)
    except (TypeError, ValueError):
        return None
    kinds = (jnp.floating, jnp.integer, jnp.bool_)
    return found if any(jnp.issubdtype(found.dtype, kind) for kind in kinds) else None


def check_memory(what: str, size: float) -> None:
    """Raises `ValueError` if something is larger than the memory that there is.

    Args:
        what: it is, with the numbers that make it so large.
        size: in bytes.
    """
    if size > memory():
        raise ValueError(
            f"{what} would take {size / 2**30:,.3g} GiB, and the memory has "
            f"{memory() / 2**30:,.3g}: give smaller numbers."
        )
