"""The command line does what it is asked, or says why not and overwrites nothing."""

import errno
import io
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from symla_lite import __main__ as command_line
from symla_lite import checkpoint, stop, studies
from symla_lite import play as playing

TINY = [
    *("--learner", "metarnn", "--hidden", "3", "--population", "4", "--lifetimes", "1"),
    *("--length", "5", "--steps", "2"),
]


@pytest.fixture
def run(monkeypatch, capsys):
    """`run(arguments) -> (status, stdout, stderr)`, in this process."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["symla_lite", *map(str, arguments)])
        status = command_line.main()
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def contents(folder):
    """Every file under a folder, with its bytes."""
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def error(status, out, err):
    """The one sentence of a command that could not be done."""
    assert status == 2
    assert out == "" and "Traceback" not in err
    sentences = [line for line in err.splitlines() if line.startswith("error: ")]
    assert len(sentences) == 1 and err.endswith(sentences[0] + "\n")
    assert sentences[0].endswith(".")
    return sentences[0]


# What works


def test_training_leaves_a_checkpoint_and_goes_on_from_it(run, tmp_path):
    path = tmp_path / "run.safetensors"
    status, out, _ = run("train", path, *TINY)
    assert status == 0 and f"kept in {path}" in out
    arrays, about = checkpoint.load(path)
    assert len(arrays["curve"]) == 2 and about["outer"]["es"]["population"] == 4
    status, again, _ = run("train", path, *TINY)
    assert status == 0 and again == out


@pytest.mark.slow
def test_help_and_errors_reach_the_shell(tmp_path):
    command = [sys.executable, "-m", "symla_lite"]
    shown = subprocess.run([*command, "study", "--help"], capture_output=True, text=True)
    assert shown.returncode == 0 and "--scale" in shown.stdout
    refused = subprocess.run(
        [*command, "study", "poker", "--out", tmp_path], capture_output=True, text=True
    )
    known = ", ".join(studies.STUDIES)
    assert refused.returncode == 2 and refused.stdout == ""
    assert refused.stderr == f"error: There is no study 'poker': take one of {known}.\n"


def test_an_interrupt_is_no_error(run, tmp_path, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "meta_train", interrupted)
    status, out, err = run("train", tmp_path / "run", *TINY)
    assert status == 130 and "goes on from the last checkpoint" in err


def test_more_steps_go_on(run, kept):
    status, out, _ = run("train", kept, *TINY, "--steps", "4")
    assert status == 0 and len(checkpoint.load(kept)[0]["curve"]) == 4


GAME = ["--steps", "40", "--lifetimes", "3"]


def test_a_game_draws_its_curve_in_words_in_a_picture_and_keeps_it(run, tmp_path):
    picture, kept = tmp_path / "curve.png", tmp_path / "kept.safetensors"
    status, out, _ = run("play", "CartPole-v1", *GAME, "--out", picture, "--record", kept)
    assert status == 0 and "CartPole-v1" in out.splitlines()[0]
    names = ["one-rule", "one-rule without reward", "random", "win-stay", "actor-critic"]
    for name, line in zip(names, out.splitlines()[1:], strict=True):
        assert line.startswith(f"{name}  ") and sum(bar in line for bar in "▁▂▃▄▅▆▇█")
    with Image.open(picture) as drawn:
        assert drawn.format == "PNG" and drawn.width > 400
    arrays, about = checkpoint.load(kept)
    assert arrays["one-rule/blocks"].shape == (3, 10)
    assert about["environment"] == "CartPole-v1" and "gymnasium" in about["versions"]


def test_a_game_can_be_played_by_any_record(run):
    name = "observation_spaces/standard/metarnn-cartpole-0"
    status, out, _ = run("play", "CartPole-v1", *GAME, "--agent", name)
    assert status == 0 and f"{name} without reward" in out


# How it is printed

ALONE = playing.Played(np.ones((2, 20)), np.zeros((2, 20), bool))


@pytest.fixture
def played(monkeypatch):
    """A game that takes no time."""
    monkeypatch.setattr(playing, "compare", lambda *arguments: {"one-rule": ALONE})


def test_a_game_is_shown_before_any_file_is_written(run, tmp_path, played, monkeypatch):
    def full(path, content):
        raise checkpoint.FileTrouble(f"Cannot write {path}: it is full.")

    monkeypatch.setattr(checkpoint, "write", full)
    for option, name in (("--out", "x.png"), ("--record", "x.safetensors")):
        status, out, err = run("play", "CartPole-v1", *GAME, option, tmp_path / name)
        assert status == 2 and "one-rule  " in out
        assert err == f"error: Cannot write {tmp_path / name}: it is full.\n"


def test_a_game_is_printed_in_any_encoding(run, played, monkeypatch):
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, "ascii"))
    assert run("play", "CartPole-v1", *GAME)[0] == 0
    first, second = printed.getvalue().decode().splitlines()
    assert "CartPole-v1" in first and "1.000 [1.000, 1.000]" in second


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a path has to be text")
def test_a_path_that_is_no_text_is_printed(run, tmp_path, monkeypatch):
    path = tmp_path / os.fsdecode(b"odd\xff.ckpt")
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, "utf-8", "strict"))
    assert run("train", path, *TINY)[0] == 0
    assert printed.getvalue().endswith(rb"/odd\udcff.ckpt" + b"\n") and path.is_file()


def test_a_reader_that_is_gone_ends_it_quietly_and_files_are_written(
    run, tmp_path, played, monkeypatch
):
    """As `| head -1` is, after its line."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as unread:
        monkeypatch.setattr(sys, "stdout", unread)
        status, _, err = run("play", "CartPole-v1", *GAME, "--out", tmp_path / "x.png")
    assert status == 128 + 13 and err == ""  # 13 is SIGPIPE
    assert (tmp_path / "x.png").is_file()


# What is refused


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["study", "poker"], "no study 'poker'"),
        (["study", "bandits", "--scale", "huge"], "no scale 'huge'"),
        (["study", "bandits", "--jobs", "0"], "jobs=0"),
        (["study", "bandits", "--distributed", "here:1", "2"], "here:1 2: give ADDRESS:PORT"),
        (["train", "{}/run", "--distributed", "here:1", "2", "x"], "here:1 2 x: give ADDRESS:PORT"),
        (["train", "{}/run", "--distributed", "here:1", "2", "2"], "no process 2 of 2"),
        (["train", "{}/run", "--distributed"], "could not join the others"),
        (["train", "{}/run", "--distributed", "here", "2", "0"], "here 2 0: give ADDRESS:PORT"),
        (["train", "{}/run", "--distributed", "a:99999", "1", "0"], "a:99999 1 0: give ADDRESS"),
        (["train", "{}/run", "--population", "7"], "population=7"),
        (["train", "{}/run", "--population", "0"], "population=0"),
        (["train", "{}/run", "--sigma", "0"], "sigma=0.0"),
        (["train", "{}/run", "--sigma", "nan"], "sigma=nan"),
        (["train", "{}/run", "--sigma", "1e-300"], "sigma=1e-300"),
        (["train", "{}/run", "--seed", "-1"], "seed=-1"),
        (["train", "{}/run", "--seed", "4294967296"], "seed=4294967296"),
        (["train", "{}/run", "--learning-rate", "nan"], "learning_rate=nan"),
        (["train", "{}/run", "--shaping", "odd"], "shaping='odd'"),
        (["train", "{}/run", "--steps", "0"], "steps=0"),
        (["train", "{}/run", "--length", "-5"], "length=-5"),
        (["train", "{}/run", "--hidden", "0"], "hidden=0"),
        (["train", "{}/run", "--environment", "casino"], "no environment 'casino'"),
        (["train", "{}/run", "--memory", "1e-9"], "memory=1e-09"),
        (["train", "{}/run", "--memory", "0"], "memory=0.0"),
        (["train", "{}/run", "--memory", "nan"], "memory=nan"),
        (["play", "Casino-v0"], "does not make environment='Casino-v0'"),
        (["play", "Pendulum-v1"], "'Pendulum-v1' are Box"),
        (
            ["play", "CartPole-v1", "--agent", "nobody"],
            "the name 'nobody': take one-rule",
        ),
        (["play", "CartPole-v1", "--steps", "0"], "steps=0"),
        (["play", "CartPole-v1", "--lifetimes", "-2"], "lifetimes=-2"),
        (["play", "CartPole-v1", "--seed", "-1"], "seed=-1"),
        (["play", "CartPole-v1", "--out", "{}/x.pdf"], "x.pdf: give a file .png"),
        (["play", "CartPole-v1", "--out", "{}/no/x.png"], "x.png: give a file .png in a folder"),
        (["play", "a:b:c"], "does not make environment='a:b:c'"),
        (["play", "CartPole-v1", "--lifetimes", "100000000"], "lifetimes=100000000"),
    ],
    ids=lambda x: "-".join(x[-2:]).strip("-") if isinstance(x, list) else "",
)
def test_a_wrong_argument_is_refused(run, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert words in error(*run(*(argument.format(tmp_path) for argument in arguments)))
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("option", "name", "words"),
    [("--record", "kept.safetensors", "there already"), ("--out", "x.png", "it is a folder")],
)
def test_a_game_is_not_played_for_a_file_that_cannot_be_written(
    run, tmp_path, monkeypatch, option, name, words
):
    monkeypatch.setattr(playing, "compare", None)
    path = tmp_path / name
    if option == "--record":
        path.write_text("mine")
    else:
        path.mkdir()
    before = contents(tmp_path)
    sentence = error(*run("play", "CartPole-v1", *GAME, option, path))
    assert words in sentence and str(path) in sentence and "give" in sentence
    assert contents(tmp_path) == before


@pytest.mark.skipif(not Path("/proc").exists(), reason="root may write everywhere else")
@pytest.mark.parametrize("name", ["x.png", "x.safetensors"])
def test_a_game_is_not_played_where_nothing_can_be_written(run, monkeypatch, name):
    monkeypatch.setattr(playing, "compare", None)
    option = "--out" if name == "x.png" else "--record"
    sentence = error(*run("play", "CartPole-v1", *GAME, option, f"/proc/{name}"))
    assert f"Cannot write /proc/{name}: " in sentence and "give a folder" in sentence


def test_whether_a_file_can_be_written_is_found_out_without_touching_it(tmp_path):
    path = tmp_path / "mine"
    path.write_text("mine")
    link = tmp_path / "link"
    link.symlink_to(path)
    for there in (path, link, tmp_path / "new"):
        command_line.check_writable(there)
    assert contents(tmp_path) == {path: b"mine", link: b"mine"}
    with pytest.raises(checkpoint.FileTrouble, match="File name too long"):
        command_line.check_writable(tmp_path / ("x" * 300))


@pytest.mark.slow
def test_an_interrupted_game_says_that_nothing_was_saved(tmp_path):
    """Ctrl-C at a step, after one that a callback lost, which is not printed."""
    script = """
        import os, signal, sys
        from symla_lite import stop
        stop.listen()
        import gymnasium
        from gymnasium import spaces
        from symla_lite import __main__ as command_line

        class Lost:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGINT)

        class World(gymnasium.Env):
            observation_space, action_space = spaces.Discrete(2), spaces.Discrete(2)

            def reset(self, *, seed=None, options=None):
                return 0, {}

            def step(self, action):
                Lost()
                return 0, 1.0, False, False, {}

        gymnasium.register("World-v0", World)
        sys.exit(command_line.main())
    """
    found = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), "play", "World-v0", *GAME],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert found.returncode == 130 and found.stdout == ""
    said = [line for line in found.stderr.splitlines() if "cpu_aot_loader" not in line]
    assert said == [stop.ANEW]


@pytest.fixture
def kept(run, tmp_path):
    """A finished checkpoint."""
    path = tmp_path / "kept.safetensors"
    assert run("train", path, *TINY)[0] == 0
    return path


def test_a_checkpoint_of_another_configuration_is_refused(run, kept):
    before = kept.read_bytes()
    sentence = error(*run("train", kept, *TINY, "--seed", "1"))
    assert "another configuration (it differs in seed: 0 there, 1 here)" in sentence
    assert str(kept) in sentence
    assert kept.read_bytes() == before


def test_a_step_that_cannot_be_taken_is_an_error(run, kept):
    path = kept.with_name("another")
    sentence = error(*run("train", path, *TINY, "--lifetimes", "16", "--learning-rate", "3e38"))
    assert "before outer step 2 of 2: " in sentence
    assert f"after step 1, is in {path}" in sentence
    assert len(checkpoint.load(path)[0]["curve"]) == 1


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text"])
def test_a_damaged_checkpoint_is_refused(run, kept, damage):
    whole = kept.read_bytes()
    flipped = whole[:-9] + bytes([whole[-9] ^ 4]) + whole[-8:]
    damages = {"cut": whole[:-10], "flipped": flipped, "empty": b"", "text": b"theta\n" * 50}
    kept.write_bytes(damages[damage])
    assert f"{kept} is damaged" in error(*run("train", kept, *TINY))
    assert kept.read_bytes() == damages[damage]


@pytest.mark.parametrize("command", ["train", "study"])
def test_a_folder_that_is_a_file_is_refused(run, tmp_path, command):
    taken = tmp_path / "taken"
    taken.write_text("mine")
    if command == "train":
        sentence = error(*run("train", taken / "run", *TINY))
    else:
        sentence = error(*run("study", "bandits", "--jobs", "1", "--out", taken))
    assert f"Cannot write {taken}" in sentence
    assert contents(tmp_path) == {taken: b"mine"}


def test_a_folder_in_place_of_a_checkpoint_is_refused(run, tmp_path):
    assert f"Cannot read {tmp_path}: Is a directory" in error(*run("train", tmp_path, *TINY))


def test_a_name_too_long_for_a_file_is_refused(run, tmp_path):
    assert "File name too long" in error(*run("train", tmp_path / ("x" * 300), *TINY))
    assert contents(tmp_path) == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_a_folder_without_permission_is_refused(run, tmp_path, mode):
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(mode)
    try:
        assert "Permission denied" in error(*run("train", folder / "run", *TINY))
    finally:
        folder.chmod(0o700)
    assert contents(tmp_path) == {}


def failing(number):
    """A call to the system that fails."""

    def call(*arguments, **options):
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_read_only_folder_is_refused(run, kept, monkeypatch, number):
    before = contents(kept.parent)
    monkeypatch.setattr(tempfile, "mkstemp", failing(number))
    for path in (kept, kept.with_name("new")):
        sentence = error(*run("train", path, *TINY))
        assert f"Cannot write {path}: {os.strerror(number)}. Nothing was overwritten" in sentence
    sentence = error(*run("study", "bandits", "--jobs", "1", "--out", kept.parent))
    assert os.strerror(number) in sentence
    assert contents(kept.parent) == before


def test_a_full_device_is_refused(run, kept, monkeypatch):
    before, real = contents(kept.parent), os.fdopen

    def on_a_full_device(descriptor, mode):
        os.close(descriptor)
        return real(os.open("/dev/full", os.O_WRONLY), mode)

    monkeypatch.setattr(os, "fdopen", on_a_full_device)
    for path in (kept, kept.with_name("new")):
        assert "No space left on device" in error(*run("train", path, *TINY))
    assert contents(kept.parent) == before
