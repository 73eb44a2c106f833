"""`make verify` finds what does not follow from the records any more."""

import json
import shutil
import signal
import subprocess
import sys

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
