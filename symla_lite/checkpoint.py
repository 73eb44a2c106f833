"""Arrays on disk that are whole or not there.

The format is safetensors: no code in the file, readable by anything. What it lacks is added here: a
file is written beside its final name and moved there at once, so that a kill at any moment leaves
the old file or the new one; and a checksum tells when a file was damaged afterwards.
"""

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import numpy as np
import safetensors
import safetensors.numpy

from symla_lite.checks import MAY_BE_NAN, shown

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


class FileTrouble(Exception):
    """A file could not be written or read; the message says which, why and what to do."""


def save(
    path: Path, arrays: Mapping[str, Annotated[np.ndarray, MAY_BE_NAN]], about: Mapping[str, Any]
) -> None:
    """Writes arrays and what is to be known about them, at once and lastingly.

    Args:
        path: the file. Its folder is made if need be.
        arrays: by name.
        about: plain types, stored as JSON in the file's header.

    Raises:
        ValueError: `about` is not of plain types, or an array of a type that a file cannot hold.
        FileTrouble: the folder cannot be written to or is full. A file that was there is untouched.
    """
    arrays = {name: np.array(array, order="C") for name, array in arrays.items()}
    for name, array in arrays.items():
        if not _keeps(array.dtype):
            raise ValueError(
                f"arrays has {name!r} of type {array.dtype}, which safetensors cannot hold: give "
                "it as float32, int32 or another type of at most 64 bits."
            )
    words = json.dumps(plain(about), sort_keys=True)
    # One entry only: safetensors does not keep the order of several.
    write(path, safetensors.numpy.save(arrays, {"record": checksum(arrays, words) + words}))


def _keeps(dtype: np.dtype) -> bool:
    """Whether arrays of a type come back from safetensors as they were. It writes some types that
    it cannot read, and others in another order of bytes."""
    try:
        found = safetensors.numpy.load(safetensors.numpy.save({"": np.zeros(0, dtype)}))
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError):
        return False
    return found[""].dtype == dtype


def plain(about: Any, name: str = "about") -> Any:
    """What a file would give back of a configuration: JSON makes lists of tuples and texts of
    numbers that are keys, and only what went that way compares equal with what was loaded.

    Args:
        about: plain types, as in `save`.
        name: what it is called in the message.

    Returns:
        The same in dicts with texts for keys, lists, texts, numbers, truth values and None.

    Raises:
        ValueError: it holds something that JSON does not know.
    """
    try:
        return json.loads(json.dumps(about))
    except (TypeError, ValueError) as trouble:
        given = " ".join(shown(about).split())  # an array in it may run over several lines
        raise ValueError(
            f"{name}={given} is not of plain types ({trouble}): give numbers, texts, lists and "
            "dicts of Python."
        ) from trouble


UNFINISHED = "unfinished-"
"""Stands in the name of a file that is being written, and in no hidden file of the user."""


def beginning(target: Path) -> str:
    """How the name of a file begins that is being written, to become another."""
    return f".{target.name}.{UNFINISHED}"


def cannot_write(path: Path, trouble: OSError) -> "FileTrouble":
    """What is said where a file cannot be written."""
    return FileTrouble(
        f"Cannot write {path}: {trouble.strerror}. Nothing was overwritten; give a folder that "
        "can be written to and has space."
    )


def write(path: Path, content: bytes) -> None:
    """Writes a file at once and lastingly; through a link, what it points to. Raises `FileTrouble`
    as `save` does."""
    path = Path(path)
    check_file(path)
    target = Path(os.path.realpath(path))
    beside = None
    try:
        if target.is_symlink():  # it leads round in a circle
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(target)
        descriptor, beside = tempfile.mkstemp(dir=target.parent, prefix=beginning(target))
        with os.fdopen(descriptor, "wb") as file:
            lock(file)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, 0o644)  # mkstemp's 0600 would hide a committed record from others
        os.replace(beside, target)
        beside = None
    except OSError as trouble:
        raise cannot_write(path, trouble) from trouble
    finally:
        if beside is not None:
            with contextlib.suppress(OSError):
                os.unlink(beside)


def check_file(path: Path) -> None:
    """Raises `FileTrouble` where a path leads to a device, a pipe or the like: reading one may take
    for ever, and a file in its place would be the end of it."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return  # what opens it will say why it cannot
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise FileTrouble(f"{path} is a device or a pipe: give the path of a file.")


def lock(file: BinaryIO) -> None:
    """Shows other processes, for as long as the file is open, that this one is alive and at work on
    it. Raises `OSError` where another one is; goes without where the file system has no locks."""
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        return


def remove_unfinished(target: Path) -> None:
    """Removes what saves that were killed have left beside a file."""
    prefix = beginning(target)
    left = re.compile(re.escape(prefix) + "[a-z0-9_]{8}")  # as mkstemp names them
    for path in target.parent.glob(f"{glob.escape(prefix)}*"):
        if left.fullmatch(path.name) and path.is_file():
            with contextlib.suppress(OSError), open(path, "rb") as file:
                lock(file)
                path.unlink()


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Reads what `save` wrote.

    Returns:
        arrays and what is known about them.

    Raises:
        FileTrouble: the file is missing, damaged or something else.
    """
    path = Path(path)
    check_file(path)
    try:
        content = path.read_bytes()
    except OSError as trouble:
        raise FileTrouble(f"Cannot read {path}: {trouble.strerror}.") from trouble
    try:
        arrays = safetensors.numpy.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        record = header["__metadata__"]["record"]
        expected, words = record[:DIGITS], record[DIGITS:]
        about = json.loads(words)
        whole = expected == checksum(arrays, words) and isinstance(about, dict)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError):
        whole = False
    if not whole:
        raise FileTrouble(
            f"{path} is damaged or no checkpoint of this package. It was left as it is; move it "
            "away to start anew."
        )
    return arrays, about


Shape = tuple[int | None, ...]
"""Lengths of an array's axes; None for any."""


def check(
    path: Path,
    arrays: Mapping[str, Annotated[np.ndarray, MAY_BE_NAN]],
    shapes: Mapping[str, Shape],
    optional: Mapping[str, Shape] | None = None,
) -> None:
    """Looks at what a file holds: its checksum tells of damage, and not of contents that were wrong
    when they were written.

    Args:
        path: the file, for the message.
        arrays: what was loaded from it.
        shapes: all that has to be there.
        optional: what may be there as well.

    Raises:
        FileTrouble: an array is missing, does not belong there, has another shape, or holds NaN or
            infinity; the message names it.
    """
    known = dict(optional or {}) | dict(shapes)
    for name in sorted(shapes.keys() - arrays.keys()):
        raise wrong(path, f"no array {name!r}")
    for name, array in arrays.items():
        if name not in known:
            raise wrong(path, f"an array {name!r} that does not belong there")
        shape = known[name]
        fits = [length is None or length == found for length, found in zip(shape, array.shape)]
        if array.ndim != len(shape) or not all(fits):
            lengths = ["any" if length is None else length for length in shape]
            given, expected = (", ".join(map(str, axes)) for axes in (array.shape, lengths))
            raise wrong(path, f"{name!r} of shape [{given}] where [{expected}] belongs")
        if not np.isfinite(array).all():
            raise wrong(path, f"NaN or infinity in {name!r}")


def wrong(path: Path, what: str) -> FileTrouble:
    """What is said of a file with wrong contents."""
    return FileTrouble(f"{path} holds {what}. It was left as it is; move it away to start anew.")


def differences(kept: Any, wanted: Any) -> str:
    """Where two configurations in plain types differ, and what stands there:
    `outer.es.sigma: 0.1 there, 0.2 here`. After a few of them, how many more there are."""
    found = list(differing(kept, wanted))
    more = [f"{len(found) - MANY} more places"] if len(found) > MANY else []
    return ", ".join(found[:MANY] + more)


MANY = 4
"""Differences that one sentence holds."""


def differing(kept: Any, wanted: Any, place: str = "") -> Iterator[str]:
    """All differences, one after the other."""
    if isinstance(kept, Mapping) and isinstance(wanted, Mapping):
        for name in sorted(kept.keys() | wanted.keys()):
            yield from differing(kept.get(name), wanted.get(name), f"{place}.{name}")
    elif isinstance(kept, list) and isinstance(wanted, list) and len(kept) == len(wanted):
        for i, (one, other) in enumerate(zip(kept, wanted)):
            yield from differing(one, other, f"{place}[{i}]")
    elif kept != wanted:
        yield f"{place.lstrip('.')}: {kept!r} there, {wanted!r} here"


def at(about: Mapping[str, Any], *names: str) -> Any:
    """What stands at a place of a configuration; None where there is none."""
    for name in names:
        about = about.get(name) if isinstance(about, Mapping) else None
    return about


DIGITS = 64
"""Of a checksum, which stands before the words that it covers."""


def checksum(arrays: Mapping[str, Annotated[np.ndarray, MAY_BE_NAN]], words: str = "") -> str:
    """SHA-256 over names, types, shapes and contents of arrays, and some words."""
    digest = hashlib.sha256(words.encode())
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
