"""A file is whole or not there, and a damaged one is told and left alone."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from symla_lite import checkpoint
from symla_lite.checkpoint import FileTrouble

ARRAYS = {
    "theta": np.linspace(-1, 1, 24, dtype=np.float32).reshape(4, 6),
    "count": np.array(7, np.int32),
    "empty": np.zeros((0, 3), np.float64),
    "flags": np.array([True, False]),
    "transposed": np.arange(6, dtype=np.int64).reshape(2, 3).T,
}
ABOUT = {"seed": 3, "outer": {"sigma": 0.1, "words": ["a", "ü"]}, "start": None}


@pytest.fixture
def path(tmp_path):
    """A whole checkpoint."""
    path = tmp_path / "deep" / "down" / "run.safetensors"
    checkpoint.save(path, ARRAYS, ABOUT)
    return path


def assert_refused(path):
    """Reading raises one sentence that names the file, and leaves the file as it was."""
    before = path.read_bytes()
    with pytest.raises(FileTrouble) as trouble:
        checkpoint.load(path)
    sentence = str(trouble.value)
    assert str(path) in sentence and "\n" not in sentence and sentence.endswith(".")
    assert path.read_bytes() == before


def test_what_was_saved_is_loaded(path):
    arrays, about = checkpoint.load(path)
    assert about == ABOUT
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)
    assert os.listdir(path.parent) == [path.name]  # nothing is left beside it


def test_saving_again_replaces_the_file(path):
    checkpoint.save(path, {"theta": np.ones(2)}, {"seed": 4})
    arrays, about = checkpoint.load(path)
    assert list(arrays) == ["theta"] and about == {"seed": 4}


def test_equal_content_makes_equal_files(path):
    other = path.with_name("other")
    checkpoint.save(other, dict(reversed(ARRAYS.items())), ABOUT)
    assert other.read_bytes() == path.read_bytes()


def test_others_may_read_the_file(path):
    assert path.stat().st_mode & 0o777 == 0o644


# Damage


def test_a_file_cut_anywhere_is_refused(path):
    whole = path.read_bytes()
    for length in [*range(0, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert_refused(path)


@pytest.mark.parametrize("bit", range(8))
def test_a_bit_flipped_anywhere_is_noticed(path, bit):
    whole = path.read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        try:
            checkpoint.load(path)
        except FileTrouble:
            continue
        pytest.fail(f"byte {place} of {len(whole)}: {whole[place : place + 1]!r} was changed")


def test_a_bit_flipped_in_the_data_is_refused(path):
    damaged = bytearray(path.read_bytes())
    damaged[-5] ^= 1
    path.write_bytes(damaged)
    assert_refused(path)


@pytest.mark.parametrize("place", [0, 7, 9, 40, 200])
def test_a_byte_changed_in_the_header_is_refused(path, place):
    damaged = bytearray(path.read_bytes())
    damaged[place] ^= 0xFF
    path.write_bytes(damaged)
    assert_refused(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 8, b"\0" * 4096, b"\xff" * 64, b"theta = 1\n" * 20, b"{}", b"\x89PNG\r\n"],
)
def test_another_kind_of_file_is_refused(path, content):
    path.write_bytes(content)
    assert_refused(path)


def test_safetensors_of_another_maker_are_refused(path):
    from safetensors.numpy import save_file

    save_file({"theta": np.ones(2)}, path)
    assert_refused(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path, why in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(FileTrouble, match=f"Cannot read {path}: {why}"):
            checkpoint.load(path)


# Writing


def failing(number):
    """A call to the system that fails."""

    def call(*arguments, **options):
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("call", ["replace", "fsync", "chmod"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(path, monkeypatch, call, number):
    before = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(os, call, failing(number))
        with pytest.raises(FileTrouble) as trouble:
            checkpoint.save(path, {"theta": np.zeros(3)}, {})
    sentence = str(trouble.value)
    assert f"Cannot write {path}: {os.strerror(number)}." in sentence and "\n" not in sentence
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_full_device_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    before, real = path.read_bytes(), os.fdopen

    def on_a_full_device(descriptor, mode):
        os.close(descriptor)
        return real(os.open("/dev/full", os.O_WRONLY), mode)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdopen", on_a_full_device)
        with pytest.raises(FileTrouble, match=os.strerror(errno.ENOSPC)):
            checkpoint.save(path, {"theta": np.zeros(3)}, {})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    with pytest.raises(FileTrouble, match="Cannot write"):
        checkpoint.save(taken / "run", ARRAYS, ABOUT)
    assert taken.read_text() == "mine"


@pytest.mark.parametrize("kind", [np.longdouble, ">f4"])
def test_an_array_of_a_type_that_cannot_be_read_again_is_refused_by_name(path, kind):
    before = path.read_bytes()
    words = f"arrays has 'phi' of type {np.dtype(kind)}, which .* cannot hold: give it as float32"
    with pytest.raises(ValueError, match=words):
        checkpoint.save(path, ARRAYS | {"phi": np.ones(2, kind)}, ABOUT)
    assert path.read_bytes() == before


def test_a_configuration_that_is_not_plain_is_refused_in_one_short_line(path):
    about = {"many": list(range(1000)), "array": np.array([[1, 2], [3, 4]])}
    with pytest.raises(ValueError, match="about=.* is not of plain types .*ndarray.*: give") as no:
        checkpoint.save(path, ARRAYS, about)
    assert "\n" not in str(no.value) and len(str(no.value)) < 300


def test_a_configuration_is_plain_when_a_file_gives_it_back_as_it_is(path):
    about = {"shape": (3, 3), "of": {1: ("a",), "b": None}}
    made = checkpoint.plain(about)
    assert made == {"shape": [3, 3], "of": {"1": ["a"], "b": None}} == checkpoint.plain(made)
    checkpoint.save(path, ARRAYS, about)
    assert checkpoint.load(path)[1] == made


# Links


@pytest.mark.parametrize(
    "act", [checkpoint.load, lambda path: checkpoint.save(path, ARRAYS, ABOUT)]
)
def test_a_pipe_is_neither_read_nor_replaced(tmp_path, act):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(FileTrouble, match=f"{pipe} is a device or a pipe: give the path of a file"):
        act(pipe)
    assert pipe.is_fifo()


def test_a_link_is_written_through(path, tmp_path):
    mounted, link = tmp_path / "drive" / "kept.safetensors", tmp_path / "link"
    mounted.parent.mkdir()
    for target in (mounted, Path("drive") / "kept.safetensors"):  # which is not there at first
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        checkpoint.save(link, {"theta": np.ones(2)}, {"to": str(target)})
        assert link.is_symlink() and not mounted.is_symlink()
        assert checkpoint.load(mounted)[1] == checkpoint.load(link)[1] == {"to": str(target)}
    assert os.listdir(mounted.parent) == [mounted.name]


def test_a_link_to_itself_is_refused(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(link)
    with pytest.raises(FileTrouble, match=f"Cannot write {link}: {os.strerror(errno.ELOOP)}"):
        checkpoint.save(link, ARRAYS, ABOUT)
    assert link.is_symlink()


# What killed saves leave


def test_the_next_save_removes_what_a_killed_one_left(path):
    script = f"""
import os, signal
from symla_lite import checkpoint
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
checkpoint.write({str(path)!r}, b"half")
"""
    for _ in range(2):
        killed = subprocess.run([sys.executable, "-c", script])
        assert killed.returncode == -signal.SIGKILL
    mark = f".{path.name}.{checkpoint.UNFINISHED}"
    (left,) = [name for name in os.listdir(path.parent) if name != path.name]  # of the last one
    assert left.startswith(mark)
    others = [
        f".{path.name}.settings",  # as long as what mkstemp draws
        f".{path.name}.settings.json",
        f".{path.name}x.{checkpoint.UNFINISHED}abcdefgh",
        f"{mark}abcdefgh.txt",
        f"{mark[1:]}abcdefgh",
    ]
    for other in others:
        (path.parent / other).write_text("mine")
    assert checkpoint.load(path)[1] == ABOUT
    checkpoint.save(path, ARRAYS, ABOUT)
    assert sorted(os.listdir(path.parent)) == sorted([path.name, *others])


def test_a_save_that_is_under_way_is_left_alone(path):
    prefix = f".{path.name}.{checkpoint.UNFINISHED}"
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=prefix) as another:
        checkpoint.lock(another)
        checkpoint.save(path, ARRAYS, ABOUT)
        assert Path(another.name).exists()


def test_an_interrupted_save_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    before = path.read_bytes()
    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(path, {"theta": np.zeros(3)}, {})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


# Differences


def test_differences_name_the_place_and_both_values():
    kept = {"a": 1, "b": {"c": [1, {"d": 2}], "e": "x"}, "f": 1}
    wanted = {"a": 1, "b": {"c": [1, {"d": 3}], "e": "x"}, "g": None, "h": [1]}
    assert checkpoint.differences(kept, kept) == ""
    assert checkpoint.differences(kept, wanted) == (
        "b.c[1].d: 2 there, 3 here, f: 1 there, None here, h: None there, [1] here"
    )
    many = dict.fromkeys("abcdef", 1)
    assert checkpoint.differences(many, {}).endswith("d: 1 there, None here, 2 more places")
