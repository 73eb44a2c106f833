"""Studies are declared as data, run once, recorded whole, and read again."""

import concurrent.futures
import dataclasses
import functools
import importlib.metadata
import json
import shutil
import subprocess

import jax
import numpy as np
import pytest
from scipy import stats

from symla_lite import checkpoint, studies
from symla_lite.checkpoint import FileTrouble
from symla_lite.environments.bandits import BANDITS
from symla_lite.learner import count
from symla_lite.meta_testing import interval, meta_test
from symla_lite.meta_training import describe, origin
from symla_lite.metarnn import metarnn
from symla_lite.studies import records, results, run
from symla_lite.studies.bandits import BANDIT_STUDY

NAME, LEARNER = "metarnn-easy", metarnn(hidden=3)


def tiny(steps=4, sigma=0.1):
    """The bandit study at its quick scale, cut down to one learner and a second."""
    quick = BANDIT_STUDY.scale("quick")
    training = quick.training(NAME)
    es = dataclasses.replace(training.outer.es, population=4, sigma=sigma)
    outer = dataclasses.replace(training.outer, es=es, steps=steps, length=10, lifetimes=1)
    training = dataclasses.replace(training, learner=LEARNER, outer=outer)
    scale = dataclasses.replace(
        quick, trainings=(training,), seeds=(0, 3), test_lifetimes=6, test_length=20
    )
    return dataclasses.replace(
        BANDIT_STUDY,
        scales={"tiny": scale},
        tests=lambda training: BANDIT_STUDY.tests(training)[-2:],
        references=BANDIT_STUDY.references[:1],
    )


STUDY = tiny()


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """The folder of a study that has been run."""
    out = tmp_path_factory.mktemp("records")
    run.run_study(STUDY, "tiny", out)
    return out


# Declared


SCALES = [(study, scale) for study in studies.STUDIES.values() for scale in study.scales]


@pytest.mark.parametrize(("study", "scale"), SCALES, ids=lambda x: getattr(x, "name", x))
def test_every_name_is_unique_and_every_configuration_can_be_recorded(study, scale):
    sized = study.scale(scale)
    trainings = [training.name for training in sized.trainings]
    references = [test.name for test in study.references]
    for names in (trainings, references, sized.seeds):
        assert len(set(names)) == len(names)
    assert "references" not in trainings  # whose file has that name
    for training in sized.trainings:
        tests = [test.name for test in study.tests(training)]
        assert tests and len(set(tests)) == len(tests)
        assert not {"theta", "curve"} & {name.split("/")[0] for name in tests}
        about = describe(training.learner, training.environment, training.outer, 0)
        assert json.loads(json.dumps(about)) == about
        theta = jax.eval_shape(
            lambda t=training: t.learner.init_theta(jax.random.key(0), t.environment.sizes)
        )
        assert count(theta) > 0
        assert sized.training(training.name) is training
    assert sized.test_length % records.BLOCKS == 0 and sized.test_lifetimes > 0 and sized.seeds


def test_every_study_has_the_three_scales():
    for name, study in studies.STUDIES.items():
        assert studies.named(name) is study and study.name == name
        assert list(study.scales)[:3] == ["quick", "standard", "paper"]


def test_an_unknown_study_scale_or_training_is_refused():
    with pytest.raises(ValueError, match="no study 'poker': take one of bandits"):
        studies.named("poker")
    with pytest.raises(ValueError, match="no scale 'huge': take one of quick, standard, paper"):
        BANDIT_STUDY.scale("huge")
    with pytest.raises(ValueError, match=f"no 'nobody': take one of {NAME}"):
        STUDY.scale("tiny").training("nobody")
    with pytest.raises(ValueError, match="jobs=0 .*at least 1"):
        run.run_study(STUDY, "tiny", "nowhere", jobs=0)


# A curriculum


def curriculum(*starts):
    """Trainings named a, b, c, ... of a second each, that start from those named."""
    training = STUDY.scale("tiny").training(NAME)
    names = "abcdef"[: len(starts)]
    return tuple(
        dataclasses.replace(training, name=name, start=start) for name, start in zip(names, starts)
    )


def test_trainings_that_start_from_one_another_belong_together():
    scale = dataclasses.replace(
        STUDY.scale("tiny"), trainings=curriculum(None, "a", None, "b", "c", "a")
    )
    assert scale.curricula == [["a", "b", "d", "f"], ["c", "e"]]


def test_a_training_cannot_start_from_a_later_one():
    with pytest.raises(ValueError, match="a starts from 'b', which is not declared before it"):
        dataclasses.replace(STUDY.scale("tiny"), trainings=curriculum("b", None))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_curriculum_goes_on_from_the_theta_of_the_same_seed(tmp_path, monkeypatch, jobs):
    scale = dataclasses.replace(STUDY.scale("tiny"), trainings=curriculum(None, "a"))
    study = dataclasses.replace(STUDY, scales={"tiny": scale})
    if jobs > 1:
        # Another process knows studies by their name alone; a thread sees this one.
        pool = concurrent.futures.ThreadPoolExecutor
        monkeypatch.setattr(
            run.concurrent.futures, "ProcessPoolExecutor", lambda jobs, **_: pool(jobs)
        )
    run.run_study(study, "tiny", tmp_path, jobs)
    runs = results.load(study, "tiny", tmp_path)
    for seed in (0, 3):
        before = runs.theta("a", seed)
        training = scale.training("b")
        again = run.meta_train(
            training.learner,
            training.environment,
            training.outer,
            seed,
            start=before,
            progress=False,
        )
        jax.tree.map(np.testing.assert_array_equal, runs.theta("b", seed), again.theta)
        assert runs.records["b", seed][1]["training"]["start"] == origin(before) != "drawn"
    assert run.run_training(study, "tiny", "b", 0, tmp_path).exists()  # it is there: left as it is


def test_what_another_study_recorded_is_not_meta_trained_again(out, tmp_path, monkeypatch):
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(run, "meta_train", None)  # to call it would be an error
    other = dataclasses.replace(STUDY, name="other", tests=lambda training: ())
    path = run.run_training(other, "tiny", NAME, 3, tmp_path)
    arrays, about = checkpoint.load(path)
    first, of_first = checkpoint.load(run.record_path(out, STUDY, "tiny", NAME, 3))
    assert about["study"] == "other" and about["training"] == of_first["training"]
    assert about["seconds"]["training"] == of_first["seconds"]["training"]
    made = {"commit", "date", "device", "cores", "python", "versions"}
    assert about["meta_trained"] == {name: of_first[name] for name in made}
    kept = [name for name in first if name.startswith(("theta/", "curve/"))]
    assert sorted(arrays) == sorted(kept)
    for name in kept:
        np.testing.assert_array_equal(arrays[name], first[name])


def test_what_was_meta_trained_on_another_machine_keeps_its_provenance(out, tmp_path, monkeypatch):
    """Also in the copy of a copy."""
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    path = run.record_path(tmp_path, STUDY, "tiny", NAME, 3)
    arrays, about = checkpoint.load(path)
    by = records.provenance() | {"device": "a distant GPU", "date": "2020-01-02T03:04:05+00:00"}
    checkpoint.save(path, arrays, about | {"meta_trained": by})
    monkeypatch.setattr(run, "meta_train", None)  # to call it would be an error
    for name in ("copied", "again"):
        other = dataclasses.replace(STUDY, name=name, tests=lambda training: ())
        copy = run.run_training(other, "tiny", NAME, 3, tmp_path)
        assert checkpoint.load(copy)[1]["meta_trained"] == by
        path.unlink()
        path = copy


def test_what_another_study_recorded_without_its_provenance_is_refused(out, tmp_path):
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    path = run.record_path(tmp_path, STUDY, "tiny", NAME, 3)
    arrays, about = checkpoint.load(path)
    other = dataclasses.replace(STUDY, name="other", tests=lambda training: ())
    for wrong, name in (
        (without(about, "device"), "device"),
        (about | {"meta_trained": "here"}, "meta_trained"),
    ):
        checkpoint.save(path, arrays, wrong)
        with pytest.raises(FileTrouble, match=f"{path} holds no '{name}' in what it says"):
            run.run_training(other, "tiny", NAME, 3, tmp_path)


def test_names_with_dots_and_brackets_name_files_like_others(tmp_path, monkeypatch):
    training = dataclasses.replace(STUDY.scale("tiny").training(NAME), name="easy [v1.0].5")
    scale = dataclasses.replace(STUDY.scale("tiny"), trainings=(training,), seeds=(0,))
    study = dataclasses.replace(STUDY, scales={"tiny": scale})
    path, _ = run.run_study(study, "tiny", tmp_path)
    (first, *_) = study.tests(training)
    later = dataclasses.replace(first, name="later")
    more = dataclasses.replace(study, tests=lambda training: (*study.tests(training), later))
    run.run_study(more, "tiny", tmp_path)
    assert records.further(path) == [path.with_name("easy [v1.0].5-0.2.safetensors")]
    arrays = results.load(more, "tiny", tmp_path).records["easy [v1.0].5", 0][0]
    np.testing.assert_array_equal(arrays["later/blocks"], arrays[f"{first.name}/blocks"])
    monkeypatch.setattr(run, "meta_train", None)  # to call it would be an error
    run.run_training(dataclasses.replace(study, name="other"), "tiny", training.name, 0, tmp_path)


def test_files_of_later_tests_come_in_the_order_of_their_numbers(tmp_path):
    names = [f"a.0-1.{number}.safetensors" for number in (2, 3, 10)]
    others = ["a.0-1.safetensors", "a.0-1.2.checkpoint", "a.0-1.2b.safetensors", "ab0-1.2.json"]
    for name in [*names, *others, "a.0-12.2.safetensors", "ab0-1.2.safetensors"]:
        (tmp_path / name).write_text("")
    found = records.further(tmp_path / "a.0-1.safetensors")
    assert [file.name for file in found] == names


def test_the_same_name_with_another_configuration_is_meta_trained(out, tmp_path):
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    other = dataclasses.replace(tiny(steps=2), name="other", tests=lambda training: ())
    arrays, about = checkpoint.load(run.run_training(other, "tiny", NAME, 3, tmp_path))
    assert about["training"]["outer"]["steps"] == len(arrays["curve/fitness"]) == 2


def test_a_step_on_the_way_is_not_tested(tmp_path):
    scale = STUDY.scale("tiny")
    on_the_way = dataclasses.replace(scale.training(NAME), tested=False)
    scale = dataclasses.replace(scale, trainings=(on_the_way,))
    study = dataclasses.replace(STUDY, scales={"tiny": scale})
    arrays, _ = checkpoint.load(run.run_training(study, "tiny", NAME, 0, tmp_path))
    assert {name.split("/")[0] for name in arrays} == {"theta", "curve"}


def test_a_curriculum_without_its_beginning_says_so(tmp_path):
    scale = dataclasses.replace(STUDY.scale("tiny"), trainings=curriculum(None, "a"))
    study = dataclasses.replace(STUDY, scales={"tiny": scale})
    with pytest.raises(FileTrouble, match="b starts from .*a-0.safetensors, which is not recorded"):
        run.run_training(study, "tiny", "b", 0, tmp_path)


# Run and recorded


def test_a_study_leaves_a_record_for_each_seed_and_one_for_the_references(out):
    files = sorted(path.name for path in (out / "bandits" / "tiny").iterdir())
    assert files == [f"{NAME}-{seed}.safetensors" for seed in (0, 3)] + ["references.safetensors"]


def test_a_record_says_what_was_run_and_where_and_when(out):
    for seed, about in zip((0, 3), results.load(STUDY, "tiny", out).about(NAME), strict=True):
        training = STUDY.scale("tiny").training(NAME)
        configuration = describe(training.learner, training.environment, training.outer, seed)
        assert about["training"] == configuration | {"start": "drawn"}
        assert about["study"] == "bandits" and about["scale"] == "tiny"
        assert about["test_lifetimes"] == 6 and about["test_length"] == 20
        assert about["versions"]["jax"] == importlib.metadata.version("jax")
        assert {"jaxlib", "dm-haiku", "optax", "numpy"} < about["versions"].keys()
        assert about["seconds"]["training"] > 0 and about["seconds"]["testing"] > 0
        commit = about["commit"].removesuffix("+")
        assert commit == "unknown" or len(commit) == 40
        for name in ("date", "device", "cores", "python"):
            assert about[name]


def test_a_record_holds_what_meta_testing_measures(out):
    result = results.load(STUDY, "tiny", out)
    training = STUDY.scale("tiny").training(NAME)
    theta = result.theta(NAME, 3)
    for test in STUDY.tests(training):
        measures = meta_test(
            test.learner, theta, test.environment, 20, 6, run.TEST_SEED, STUDY.measure
        )
        blocks = [[sum(life[2 * i : 2 * i + 2]) for i in range(10)] for life in measures]
        np.testing.assert_allclose(result.stack(NAME, f"{test.name}/blocks")[1], blocks, atol=1e-5)
        np.testing.assert_allclose(
            result.stack(NAME, f"{test.name}/mean")[1], np.mean(measures, axis=0), atol=1e-5
        )
    assert result.seeds(NAME) == [0, 3]
    assert result.stack(NAME, "curve/fitness").shape == (2, 4)
    assert result.reference(f"{STUDY.references[0].name}/blocks").shape == (1, 6, 10)


def test_records_tell_their_settings_and_provenance_in_words(out):
    result = results.load(STUDY, "tiny", out)
    settings = result.settings(NAME)
    assert settings["outer steps"] == "4" and settings["N, hidden units"] == "3"
    assert settings == results.declared_settings(STUDY, "tiny", NAME)
    told = dict(result.provenance())
    assert told["study and scale"] == "bandits, tiny"
    assert told["runs"] == "2" and told["meta-training seeds"] == "0, 3"
    assert told["test lifetimes"] == "6 for each run and test, of 20 steps"
    assert f"jax {importlib.metadata.version('jax')}" in told["versions"]


def test_theta_comes_back_from_a_record_as_it_was(out):
    training = STUDY.scale("tiny").training(NAME)
    again = run.meta_train(
        training.learner, training.environment, training.outer, 3, progress=False
    ).theta
    kept = results.load(STUDY, "tiny", out).theta(NAME, 3)
    assert jax.tree.structure(kept) == jax.tree.structure(again)
    for x, y in zip(jax.tree.leaves(kept), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_study_that_is_recorded_is_not_run_again(out):
    files = list((out / "bandits" / "tiny").iterdir())
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
    paths = run.run_study(STUDY, "tiny", out)
    assert set(paths) == set(files)
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files} == before


def changed_tests(**changes):
    """The tiny study, tested otherwise."""
    scale = dataclasses.replace(STUDY.scale("tiny"), **changes)
    return dataclasses.replace(STUDY, scales={"tiny": scale})


def with_more(*more, references=()):
    """The tiny study with further tests, all like its first, and further references."""
    tests = [
        dataclasses.replace(STUDY.tests(STUDY.scale("tiny").trainings[0])[0], name=name)
        for name in more
    ]
    return dataclasses.replace(
        STUDY,
        tests=lambda training: (*STUDY.tests(training), *tests),
        references=(*STUDY.references, *references),
    )


def test_tests_that_a_study_was_given_later_stand_in_a_file_beside_the_record(out, tmp_path):
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    path = run.record_path(tmp_path, STUDY, "tiny", NAME, 0)
    whole, _ = checkpoint.load(path)
    before = path.read_bytes()
    added = dataclasses.replace(STUDY.references[0], name="again/easy")
    run.run_study(with_more("later", references=[added]), "tiny", tmp_path)
    run.run_study(with_more("later", "still_later", references=[added]), "tiny", tmp_path)
    assert path.read_bytes() == before, "a record is never changed"
    assert [file.name for file in records.further(path)] == [
        f"{NAME}-0.2.safetensors",
        f"{NAME}-0.3.safetensors",
    ]
    again = results.load(with_more("later", "still_later", references=[added]), "tiny", tmp_path)
    first = STUDY.tests(STUDY.scale("tiny").trainings[0])[0].name
    for name in ("later", "still_later"):
        np.testing.assert_array_equal(
            again.stack(NAME, f"{name}/blocks")[0], whole[f"{first}/blocks"]
        )
    (references,) = records.further(path.with_name("references.safetensors"))
    assert sorted(checkpoint.load(references)[0]) == ["again/easy/blocks", "again/easy/mean"]
    assert checkpoint.load(references)[1]["record"] == "references"


def test_a_file_of_later_tests_is_not_written_over_another(out, tmp_path):
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    path = run.record_path(tmp_path, STUDY, "tiny", NAME, 0)
    for study in (with_more("later"), with_more("later", "still_later")):
        run.run_training(study, "tiny", NAME, 0, tmp_path)
    second, third = records.further(path)
    second.unlink()
    before = third.read_bytes()
    run.run_training(study, "tiny", NAME, 0, tmp_path)
    assert third.read_bytes() == before
    assert records.further(path) == [second, third]
    assert {"later/blocks", "still_later/blocks"} < records.read(path)[0].keys()


def test_a_checkpoint_of_another_machine_is_tested_and_recorded(out, tmp_path):
    training = STUDY.scale("tiny").training(NAME)
    made = tmp_path / "made"
    run.meta_train(training.learner, training.environment, training.outer, 0, made, progress=False)
    by = {"device": "a distant GPU", "commit": "0" * 40}
    path = run.record_checkpoint(STUDY, "tiny", NAME, 0, made, by, tmp_path)
    (arrays, about), (others, _) = map(
        checkpoint.load, (path, run.record_path(out, STUDY, "tiny", NAME, 0))
    )
    assert about["meta_trained"] == by and about["commit"] == records.COMMIT
    for name in others:
        np.testing.assert_array_equal(arrays[name], others[name], err_msg=name)
    before = path.read_bytes()
    run.record_checkpoint(STUDY, "tiny", NAME, 0, made, by, tmp_path)
    assert path.read_bytes() == before
    with pytest.raises(FileTrouble, match="bandits declares.* in seed: 0 there, 3 here: give"):
        run.record_checkpoint(STUDY, "tiny", NAME, 3, made, by, tmp_path)


@pytest.mark.parametrize(
    "study",
    [
        tiny(steps=5),
        tiny(sigma=0.2),
        changed_tests(test_lifetimes=7),
        changed_tests(test_length=30),
    ],
    ids=["steps", "sigma", "test lifetimes", "test length"],
)
def test_a_record_of_another_configuration_is_refused_and_kept(out, study):
    files = list((out / "bandits" / "tiny").iterdir())
    before = {path: path.read_bytes() for path in files}
    with pytest.raises(FileTrouble, match="another configuration"):
        run.run_training(study, "tiny", NAME, 0, out)
    assert {path: path.read_bytes() for path in files} == before


def test_references_of_another_configuration_are_refused_and_kept(out):
    path = out / "bandits" / "tiny" / "references.safetensors"
    before = path.read_bytes()
    with pytest.raises(FileTrouble, match="another configuration"):
        run.run_references(changed_tests(test_lifetimes=7), "tiny", out)
    assert path.read_bytes() == before


class Killed(BaseException):
    """Stands for a kill, within the process."""


def test_a_training_that_was_killed_is_gone_on_with(out, tmp_path, monkeypatch):
    left, real = iter(range(3)), checkpoint.save

    def save(*arguments):
        if next(left, None) is None:
            raise Killed
        real(*arguments)

    with monkeypatch.context() as patched:
        eager = functools.partial(run.meta_train, save_every=0.0, steps_per_call=1)
        patched.setattr(run, "meta_train", eager)
        patched.setattr(checkpoint, "save", save)
        with pytest.raises(Killed):
            run.run_training(STUDY, "tiny", NAME, 3, tmp_path)
    path = run.record_path(tmp_path, STUDY, "tiny", NAME, 3)
    (unfinished,) = path.parent.iterdir()
    assert unfinished != path and len(checkpoint.load(unfinished)[0]["curve"]) == 2

    assert run.run_training(STUDY, "tiny", NAME, 3, tmp_path) == path
    assert list(path.parent.iterdir()) == [path]
    whole, _ = checkpoint.load(run.record_path(out, STUDY, "tiny", NAME, 3))
    resumed, _ = checkpoint.load(path)
    assert resumed.keys() == whole.keys()
    for name in whole:
        np.testing.assert_array_equal(resumed[name], whole[name])


# Read


def test_a_missing_record_comes_with_the_command_that_makes_it(tmp_path):
    with pytest.raises(FileTrouble) as trouble:
        results.load(BANDIT_STUDY, "quick", tmp_path)
    command = f"python -m symla_lite study bandits --scale quick --out {tmp_path}"
    assert str(trouble.value).endswith(command)


def test_a_damaged_record_is_refused(out, tmp_path):
    path = run.record_path(out, STUDY, "tiny", NAME, 0)
    copy = run.record_path(tmp_path, STUDY, "tiny", NAME, 0)
    copy.parent.mkdir(parents=True)
    copy.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileTrouble, match="is damaged"):
        results.load(STUDY, "tiny", tmp_path)


def test_what_was_not_recorded_is_refused(out):
    with pytest.raises(ValueError, match=f"Nothing is recorded of 'nobody': .*{NAME}"):
        results.load(STUDY, "tiny", out).seeds("nobody")


# Records with wrong contents, whose checksums are right


def without(arrays, name):
    return {key: x for key, x in arrays.items() if key != name}


THETA = "theta/action.w"
WRONG = {
    "theta is NaN": (lambda a: a | {THETA: a[THETA] * np.nan}, f"NaN or infinity in '{THETA}'"),
    "theta is cut": (lambda a: a | {THETA: a[THETA][:-1]}, f"'{THETA}' of shape "),
    "theta is missing": (lambda a: without(a, THETA), f"no array '{THETA}'"),
    "one too many": (lambda a: a | {"phi": np.ones(2)}, "an array 'phi' that does not belong"),
    "the curve is long": (
        lambda a: a | {"curve/fitness": np.ones(5)},
        "a curve of 5 steps of 4",
    ),
    "a test is NaN": (lambda a: a | {"hard/mean": a["hard/mean"] * np.nan}, "in 'hard/mean'"),
}


@pytest.mark.parametrize(("change", "words"), WRONG.values(), ids=WRONG)
def test_a_record_with_wrong_contents_is_refused_by_name(out, tmp_path, change, words):
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    path = run.record_path(tmp_path, STUDY, "tiny", NAME, 0)
    arrays, about = checkpoint.load(path)
    checkpoint.save(path, change(arrays), about)
    for use in (
        lambda: results.load(STUDY, "tiny", tmp_path),
        lambda: run.run_training(STUDY, "tiny", NAME, 0, tmp_path),
    ):
        with pytest.raises(FileTrouble, match=words) as trouble:
            use()
        assert str(path) in str(trouble.value)


def with_training(**changes):
    return lambda about: about | {"training": about["training"] | changes}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (with_training(seed=1), "something else .training.seed: 1 there, 0 here"),
        (with_training(learner={"name": "other"}), "training.learner.name: 'other' there"),
        (lambda about: about | {"study": "tasks"}, "study: 'tasks' there"),
        (lambda about: without(about, "training"), "something else .training.environment.name"),
        (lambda about: without(about, "commit"), "no 'commit' in what it says of itself"),
        (lambda about: about | {"seconds": [1]}, "no 'seconds' in what it says of itself"),
        (lambda about: about | {"versions": None}, "no 'versions' in what it says of itself"),
        (lambda about: {}, "no 'commit'"),
    ],
)
def test_a_record_of_something_else_is_refused_by_name(out, tmp_path, change, words):
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    path = run.record_path(tmp_path, STUDY, "tiny", NAME, 0)
    arrays, about = checkpoint.load(path)
    checkpoint.save(path, arrays, change(about))
    with pytest.raises(FileTrouble, match=f"{path} holds .*{words}"):
        results.load(STUDY, "tiny", tmp_path)


def test_a_file_of_something_else_beside_the_records_stops_no_study(out, tmp_path):
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    path = run.record_path(tmp_path, STUDY, "tiny", NAME, 0)
    arrays, _ = checkpoint.load(path)
    checkpoint.save(tmp_path / "mine" / "notes" / path.name, arrays, {"for": "me"})
    path.unlink()
    assert run.run_training(STUDY, "tiny", NAME, 0, tmp_path) == path


def test_theta_of_whole_numbers_is_refused(out):
    training = STUDY.scale("tiny").training(NAME)
    arrays, _ = checkpoint.load(run.record_path(out, STUDY, "tiny", NAME, 0))
    whole = arrays | {THETA: arrays[THETA].astype(np.int32)}
    with pytest.raises(ValueError, match=f"'{THETA}' is of type int32: give a record with real"):
        records.theta_of(whole, training)


def test_a_record_without_a_test_is_refused_by_name(out, tmp_path):
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    path = run.record_path(tmp_path, STUDY, "tiny", NAME, 0)
    arrays, about = checkpoint.load(path)
    checkpoint.save(path, without(arrays, "hard/mean"), about)
    with pytest.raises(FileTrouble, match=f"{path} holds no array .hard/mean."):
        results.load(STUDY, "tiny", tmp_path)


def test_theta_is_not_made_of_wrong_arrays(out):
    training = STUDY.scale("tiny").training(NAME)
    arrays, _ = checkpoint.load(run.record_path(out, STUDY, "tiny", NAME, 0))
    for wrong, words in (
        (without(arrays, THETA), f"'{THETA}' is missing"),
        (arrays | {THETA: np.ones(3)}, f"'{THETA}' is of shape"),
        (arrays | {THETA: arrays[THETA] + np.inf}, "theta/action.w.*holds NaN or infinity"),
    ):
        with pytest.raises(ValueError, match=words):
            records.theta_of(wrong, training)


def test_a_record_of_before_nan_was_counted_is_read(out, tmp_path):
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    for seed in (0, 3):
        path = run.record_path(tmp_path, STUDY, "tiny", NAME, seed)
        arrays, about = checkpoint.load(path)
        checkpoint.save(path, without(arrays, "curve/non-finite"), about)
    assert results.load(STUDY, "tiny", tmp_path).seeds(NAME) == [0, 3]


# The commit in a record


def git(folder, *arguments):
    identity = ["-c", "user.name=x", "-c", "user.email=x@x"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def repository(folder, project):
    """Somebody's repository with a package in it."""
    package = folder / "symla_lite"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (folder / "pyproject.toml").write_text(f'[project]\nname = "{project}"\n')
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "all")
    return package


def test_the_commit_is_that_of_the_packages_own_repository(tmp_path, monkeypatch):
    own, theirs = repository(tmp_path / "own", "symla-lite"), repository(tmp_path / "b", "theirs")
    head = git(own, "rev-parse", "HEAD")
    assert records.commit(own) == head
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "b" / ".git"))  # as in a hook of theirs
    assert records.commit(own) == head
    monkeypatch.delenv("GIT_DIR")
    (own / "new.py").write_text("")
    assert records.commit(own) == head + "+"
    assert records.commit(theirs) == "unknown"


def test_somebody_elses_commit_is_not_ours(tmp_path):
    installed = repository(tmp_path / "b", "theirs").parent / ".venv" / "lib" / "symla_lite"
    shutil.copytree(tmp_path / "b" / "symla_lite", installed)
    assert records.commit(installed) == "unknown"
    beside = tmp_path / "b" / "pyproject.toml"
    beside.write_text('[project]\nname = "symla-lite"\n')  # even if it had our name
    assert records.commit(installed) == "unknown"
    untracked = repository(tmp_path / "c", "symla-lite").parent / "other"
    untracked.mkdir()
    assert records.commit(untracked) == "unknown"
    assert records.commit(tmp_path) == "unknown"


# Summaries


def test_a_lifetime_that_cannot_be_cut_into_ten_is_refused():
    with pytest.raises(ValueError, match="25 steps cannot be cut into 10"):
        records.summarise(np.zeros((3, 25)))


@pytest.mark.parametrize("shape", [(20,), (3, 20, 2), (0, 20), ()])
def test_what_is_not_a_measure_of_lifetimes_is_refused(shape):
    with pytest.raises(ValueError, match=r"measures=.*: give an array \[n, L\]"):
        records.summarise(np.zeros(shape))


def test_the_late_rise_is_that_of_a_line_through_the_last_fifth():
    curve = np.r_[np.zeros(40), np.arange(10.0)][None]  # 4.5 in the mean, and 10 in ten steps
    assert results.late_rise(curve) == pytest.approx(10 / 4.5)
    assert results.late_rise(np.r_[curve, curve], none=2.5) == pytest.approx(10 / 2)
    assert results.late_rise(curve, none=9.5) == pytest.approx(-10 / 5)
    with pytest.raises(ValueError, match="9 outer steps has no last fifth: give at least 10"):
        results.late_rise(curve[:, :9])


def test_a_late_rise_of_something_else_is_refused():
    for shape in ((20,), (2, 20, 3), ()):
        with pytest.raises(ValueError, match=r"fitness=.*: give an array \[S, T\]"):
            results.late_rise(np.ones(shape))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("level", [0.0, 0.1, -50.3])
def test_a_late_rise_above_the_curve_itself_is_refused(kind, level):
    curve = np.full((3, 40), level, kind)
    with pytest.raises(ValueError, match=f"none={level} is the mean of .*`fitness`: give two "):
        results.late_rise(curve, level)


def test_the_same_seed_meets_the_same_tasks():
    environment, seen = BANDITS["uniform"], []
    for learner in (metarnn(hidden=2), metarnn(hidden=3)):
        theta = learner.init_theta(jax.random.key(0), environment.sizes)
        seen.append(meta_test(learner, theta, environment, 2, 5, 11, lambda life: life.task))
    np.testing.assert_array_equal(*seen)
    assert len(np.unique(seen[0][:, 0])) == 5
    with pytest.raises(ValueError, match="lifetimes=0 .*at least 1"):
        meta_test(learner, theta, environment, 2, 0, 11)


def test_lifetimes_side_by_side_are_the_same_as_one_by_one():
    learner, environment = metarnn(hidden=3), BANDITS["uniform"]
    theta = learner.init_theta(jax.random.key(0), environment.sizes)
    one, all_at_once = (
        meta_test(learner, theta, environment, 10, 7, 0, at_once=n) for n in (3, 1000)
    )
    assert one.shape == (7, 10)
    np.testing.assert_array_equal(one, all_at_once)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_the_interval_is_students_over_the_means_of_seeds(level):
    values = np.random.default_rng(1).exponential(size=(4, 60, 2))
    for part in range(2):
        expected = stats.ttest_1samp(values[..., part].mean(1), 0).confidence_interval(level)
        np.testing.assert_allclose(interval(values[..., part], level), expected)
        np.testing.assert_allclose(interval(values, level)[:, part], expected)
    one_seed = stats.ttest_1samp(values[0, :, 0], 0).confidence_interval(level)
    np.testing.assert_allclose(interval(values[:1, :, 0], level), one_seed)


def test_seeds_that_differ_make_a_wide_interval():
    values = np.repeat([[0.0], [1.0], [2.0]], 1000, axis=1)
    low, high = interval(values)
    assert low < 0.5 and high > 1.5


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4, 5), (), (1, 1)])
def test_an_interval_of_something_else_is_refused(shape):
    with pytest.raises(ValueError, match=r"give \[seeds, lifetimes\]"):
        interval(np.zeros(shape))


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_that_is_no_probability_is_refused(level):
    with pytest.raises(ValueError, match=f"level={level} .*above 0 and below 1"):
        interval(np.zeros((3, 5)), level=level)
