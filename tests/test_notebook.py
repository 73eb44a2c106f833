"""Where a notebook runs: what it says of the device, the costs and the place of the records."""

import statistics
from unittest import mock

import jax
import pytest

from symla_lite import notebook, studies
from symla_lite.studies import results

BANDITS = studies.named("bandits")


def test_the_cost_of_what_was_recorded_is_what_it_took():
    """The estimate for the recorded scale, one run at a time, is the sum of the recorded times."""
    runs = results.load(BANDITS)
    took = sum(sum(about["seconds"].values()) for _, about in runs.records.values())
    expected = took + len(runs.records) * notebook.COMPILING
    assert notebook.costs(BANDITS, "cpu", 1)["standard"] == pytest.approx(expected, rel=1e-6)


def test_a_step_that_only_leads_to_the_next_one_need_not_be_recorded_to_know_the_cost():
    study = studies.named("one_rule")
    costs = notebook.costs(study, "cpu", 1)
    assert costs["quick"] < costs["standard"] < costs["paper"]
    runs = results.load(study)
    assert ("symla-linear_1", 0) not in runs.records
    took = sum(sum(about["seconds"].values()) for _, about in runs.records.values())
    assert took < costs["standard"] < 2 * took


def test_a_learner_that_standardises_its_rewards_costs_what_it_costs_without():
    costs = notebook.costs(studies.named("one_rule"), "cpu", 1)
    assert costs["imitation"] < costs["standardised"] < 10 * costs["imitation"]


def test_costs_grow_with_the_scale_and_shrink_with_the_cores():
    one, two = (notebook.costs(BANDITS, "cpu", n) for n in (1, 2))
    assert one["quick"] < one["standard"] < one["paper"]
    assert two["standard"] == pytest.approx(one["standard"] / 2)


def test_what_a_policy_gradient_costs_is_as_was_measured():
    """Of hearts 2×2, within a factor of 1.5, from the records of both estimates."""
    study = studies.named("tasks")
    runs = results.load(study, "estimators")

    def a_step(name):
        """Seconds for one step in the environment."""
        outer = study.scale("estimators").training(name).outer
        seconds = [about["seconds"]["training"] for about in runs.about(name)]
        return statistics.median(seconds) / outer.cost / outer.steps

    measured = a_step("symla-hearts_2-policy") / a_step("symla-hearts_2-noise")
    assert notebook.GOING_BACK / 1.5 < measured < 1.5 * notebook.GOING_BACK


def test_nothing_is_promised_for_a_device_or_a_study_without_records(monkeypatch, tmp_path):
    assert notebook.costs(BANDITS, "Tesla T4", 1) == {}
    monkeypatch.setattr(results, "recorded", lambda: tmp_path)
    assert notebook.costs(BANDITS, "cpu", 2) == {}
    assert "no records yet" in notebook.cost_in_words(BANDITS)


@pytest.mark.parametrize(
    "seconds, words",
    [(3, "3 s"), (89.5, "90 s"), (601, "11 min"), (5400, "2 h"), (3600 * 101, "5 days")],
)
def test_a_duration_is_rounded_up_to_two_digits(seconds, words):
    assert notebook.duration(seconds) == words


def test_records_go_to_a_mounted_drive_and_else_to_the_disk(monkeypatch, tmp_path):
    assert notebook.folder().name == "runs"
    assert (notebook.folder().parent / "pyproject.toml").exists()
    monkeypatch.setattr(notebook, "DRIVE", tmp_path / "drive" / "MyDrive")
    (tmp_path / "drive").mkdir()
    assert "mount your Drive first" in notebook.advice(notebook.folder())
    notebook.DRIVE.mkdir()
    assert notebook.folder() == notebook.DRIVE / "symla_lite"
    assert notebook.advice(notebook.folder()) == ""


def test_the_same_call_again_goes_on_with_a_run_that_was_cut_off(monkeypatch, tmp_path, capsys):
    ran = []

    def run_study(study, scale, out, jobs, memory):
        ran.append((study.name, scale, out, memory))
        if len(ran) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(studies, "run_study", run_study)
    monkeypatch.setattr(notebook, "folder", lambda: tmp_path)
    with pytest.raises(KeyboardInterrupt):
        notebook.setup("bandits", "quick")
    notebook.setup("bandits", "quick", memory=3.0)
    assert ran == [("bandits", "quick", tmp_path, memory) for memory in (1.0, 3.0)]
    assert f"results.load(studies.named('bandits'), 'quick', '{tmp_path}')" in (
        capsys.readouterr().out
    )


def test_a_scale_of_a_chapters_other_study_runs_nothing_of_this_one(monkeypatch, capsys):
    monkeypatch.setattr(notebook.studies, "run_study", None)
    notebook.setup("long_lifetimes", "gpu")
    scales = "quick, standard, paper, one_rule"
    said = f"long_lifetimes has no scale 'gpu' ({scales}): nothing of it is run."
    assert said in capsys.readouterr().out


def test_without_a_scale_nothing_runs(monkeypatch, capsys):
    monkeypatch.setattr(studies, "run_study", lambda *_: pytest.fail("nobody asked for a run"))
    notebook.setup("bandits")
    device, cost = capsys.readouterr().out.splitlines()
    assert device.startswith("symla_lite ") and "standard" in cost


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [((None, "quick"), "name the study, too"), (("bandits", "huge"), "scale 'huge'")],
)
def test_a_run_that_cannot_be_is_refused_before_anything_is_said(asked, sentence, capsys):
    with pytest.raises(ValueError, match=sentence):
        notebook.setup(*asked)
    assert not capsys.readouterr().out


def device(kind, compute_capability, gib):
    """A GPU by what it says of itself."""
    found = mock.Mock(spec=jax.Device, device_kind=kind, platform="gpu")
    found.compute_capability, found.gib = compute_capability, gib
    found.memory_stats.return_value = {"bytes_limit": gib * 2**30}
    return found


@pytest.mark.parametrize(
    ("gpu", "tf32"), [(device("Tesla T4", "7.5", 12), False), (device("H100", "9.0", 60), True)]
)
def test_a_gpu_is_asked_for_its_memory_and_its_arithmetic(monkeypatch, capsys, gpu, tf32):
    monkeypatch.setattr(notebook.jax, "devices", lambda: [gpu])
    monkeypatch.setattr(notebook.jax, "default_backend", lambda: "gpu")
    notebook.setup()
    assert ("TF32" in capsys.readouterr().out) == tf32
    assert notebook.default_memory() == gpu.gib / 2
