"""Arrays on disk that are whole or not there.

The format is safetensors: no code in the file, readable by anything. What it lacks is added here: a
file is written beside its final name and moved there at once, so that a kill at any moment leaves
the old file or the new one; and a checksum tells when a file was damaged afterwards.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy


class FileTrouble(Exception):
    """A file could not be written or read; the message says which, why and what to do."""


def save(path: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """Writes arrays and what is to be known about them, at once and lastingly.

    Args:
        path: the file. Its folder is made if need be.
        arrays: by name.
        about: plain types, stored as JSON in the file's header.

    Raises:
        FileTrouble: the folder cannot be written to or is full. A file that was there is untouched.
    """
    arrays = {name: np.array(array, order="C") for name, array in arrays.items()}
    words = json.dumps(about, sort_keys=True)
    # One entry only: safetensors does not keep the order of several.
    write(path, safetensors.numpy.save(arrays, {"record": checksum(arrays, words) + words}))


def write(path: Path, content: bytes) -> None:
    """Writes a file at once and lastingly. Raises `FileTrouble` as `save` does."""
    path = Path(path)
    beside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, 0o644)  # mkstemp's 0600 would hide a committed record from others
        os.replace(beside, path)
    except OSError as trouble:
        if beside is not None:
            with contextlib.suppress(OSError):
                os.unlink(beside)
        raise FileTrouble(
            f"Cannot write {path}: {trouble.strerror}. Nothing was overwritten; give a folder that "
            "can be written to and has space."
        ) from trouble


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Reads what `save` wrote.

    Returns:
        arrays and what is known about them.

    Raises:
        FileTrouble: the file is missing, damaged or something else.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as trouble:
        raise FileTrouble(f"Cannot read {path}: {trouble.strerror}.") from trouble
    try:
        arrays = safetensors.numpy.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
        record = header["__metadata__"]["record"]
        expected, words = record[:DIGITS], record[DIGITS:]
        whole = expected == checksum(arrays, words)
        about = json.loads(words)
    except (safetensors.SafetensorError, KeyError, ValueError):
        whole = False
    if not whole:
        raise FileTrouble(
            f"{path} is damaged or no checkpoint of this package. It was left as it is; move it "
            "away to start anew."
        )
    return arrays, about


DIGITS = 64
"""Of a checksum, which stands before the words that it covers."""


def checksum(arrays: Mapping[str, np.ndarray], words: str = "") -> str:
    """SHA-256 over names, types, shapes and contents of arrays, and some words."""
    digest = hashlib.sha256(words.encode())
    for name in sorted(arrays):
        array = np.asarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
