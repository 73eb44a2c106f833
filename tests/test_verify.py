"""`make verify` finds what does not follow from the records any more."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import numpy as np
import pytest

from symla_lite import checkpoint, stop, studies, verify
from symla_lite.studies import records, results, run


def test_the_kept_verdicts_follow_from_the_records(capsys):
    assert verify.main(["--sample", "0"]) == 0
    assert "Nothing differs from" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["{}", "no JSON"])
def test_a_folder_without_records_or_verdicts_is_a_sentence(tmp_path, capsys, text):
    (tmp_path / verify.KEPT).write_text(text)
    for asked in (["--data", str(tmp_path)], ["--data", str(tmp_path / "none")], ["--sample", "x"]):
        with pytest.raises(SystemExit) as ended:
            verify.main(asked)
        said = capsys.readouterr().err
        assert ended.value.code == 2 and said.startswith("error: ") and said.count("\n") == 1


def test_differences_are_found_wherever_they_are():
    kept = {"a": {"verdict": "partly (1 of 2)", "line": [0.5, 0.1, 0.9, "≥ 0.00", "yes"]}}
    assert not list(verify.differences(kept, json.loads(json.dumps(kept))))
    other = json.loads(json.dumps(kept))
    other["a"]["line"][0] = 0.5001  # one in the last digit that is kept
    assert not list(verify.differences(kept, other))
    other["a"]["line"][0] = 0.51
    assert list(verify.differences(kept, other)) == [
        "a / line: 0.5 was kept, 0.51 follows from the records."
    ]
    other["a"]["verdict"] = "reproduced (2 of 2)"
    del other["a"]["line"]
    assert len(list(verify.differences(kept, other))) == 2
    assert len(list(verify.differences(kept, kept | {"b": 1}))) == 1


@pytest.mark.parametrize("kept", [0.5, float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("found", [0.5, float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_the_same_as_itself_alone(kept, found):
    differ = list(verify.differences({"a": [kept]}, {"a": [found]}))
    assert len(differ) == (0 if repr(kept) == repr(found) else 1)


@pytest.fixture
def out(tmp_path):
    """A copy of one record, and what stands beside it."""
    study = studies.named("bandits")
    original = run.record_path(results.recorded(), study, "standard", "symla-easy", 0)
    path = run.record_path(tmp_path, study, "standard", "symla-easy", 0)
    path.parent.mkdir(parents=True)
    shutil.copy(original, path)
    return tmp_path


def test_a_theta_that_is_not_the_recorded_one_is_found_out(out):
    study = studies.named("bandits")
    assert verify.recorded(out) == [("bandits", "standard", "symla-easy", 0)]
    sample = ("bandits", "standard", "symla-easy", 0, 0)
    assert verify.retest(out, *sample) == ""
    path = run.record_path(out, study, "standard", "symla-easy", 0)
    arrays, about = checkpoint.load(path)
    for name in [name for name in arrays if name.startswith("theta/")]:
        arrays[name] = np.zeros_like(arrays[name])  # pulls at random
    checkpoint.save(path, arrays, about)
    assert "symla-easy-0 on" in verify.retest(out, *sample)
    assert records.read(path)[1] == about


@pytest.fixture
def verified(out, monkeypatch, capsys):
    """`verified(arguments) -> (status, stdout, stderr)` of the command, with a folder that holds
    one record, which no claim needs, and verdicts that are not those of now."""
    (out / verify.KEPT).write_text(json.dumps({"criteria": "of then"}))
    monkeypatch.setattr(verify, "verdicts", lambda out: {"criteria": "of now"})

    def verified(*arguments):
        monkeypatch.setattr(sys, "argv", ["verify", "--data", str(out), *arguments])
        status = verify.command()
        said = capsys.readouterr()
        return status, said.out, said.err

    return verified


def assert_one_sentence(status, err):
    """Of a command that could not be done, which is not the status for what differs."""
    assert status == 2 and err.startswith("error: ") and err.count("\n") == 1


def test_a_damaged_record_of_the_sample_is_a_sentence(out, verified):
    (path,) = out.rglob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-9])
    status, _, err = verified("--write")
    assert_one_sentence(status, err)
    assert f"{path} is damaged" in err
    assert json.loads((out / verify.KEPT).read_text()) == {"criteria": "of then"}


def test_a_folder_that_cannot_be_written_is_found_out_before_anything_is_tested(
    out, verified, monkeypatch
):
    def read_only(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "mkstemp", read_only)
    monkeypatch.setattr(verify, "retest", None)
    status, _, err = verified("--write")
    assert_one_sentence(status, err)
    assert f"Cannot write {out / verify.KEPT}: Read-only file system" in err


def test_the_verdicts_are_kept_after_the_sample_was_tested(out, verified, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(verify, "retest", interrupted)
    assert verified("--write")[0] == 130
    assert json.loads((out / verify.KEPT).read_text()) == {"criteria": "of then"}
    monkeypatch.setattr(verify, "retest", lambda *arguments: "")
    assert verified()[0] == 1
    assert verified("--write")[0] == 0
    assert json.loads((out / verify.KEPT).read_text()) == {"criteria": "of now"}
    assert verified()[0] == 0


@pytest.mark.slow
def test_ctrl_c_ends_it_with_one_sentence():
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "symla_lite.verify", "--sample", "9"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline()  # a verdict: what takes long comes after all of them
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and said.strip() == stop.ANEW
