"""Folds of one cross-validation come from one environment and one set of patients."""

import json
from pathlib import Path

import pytest

from mrjax import config as configs
from mrjax.errors import UserError
from mrjax.runs import environment, result
from mrjax.tasks import records
from mrjax.tasks.breast import crossval
from mrjax.tasks.breast.config import Config

BACKEND = {"versions": {"jax": "0.10.2"}}


def config(path: Path, **changes) -> Config:
    return Config(workdir=str(path), folds=2, repetitions=2, n_patients=4, **changes)


def fake(child: crossval.Child) -> None:
    """A finished fold: its records, without a network."""
    folder, fold = Path(child.config.workdir), child.config.fold or 0
    folder.mkdir(parents=True)
    digest = {"digest": configs.digest(child.config)}
    (folder / "config.json").write_text(json.dumps(digest))
    surroundings = environment.capture(BACKEND, records.CODE_ROOT)
    (folder / "environment.json").write_text(json.dumps(surroundings))
    dice = {"dice": [0.5, 0.6]}
    content = {
        "schema_version": 1,
        "experiment": "breast",
        "framework": "jax",
        "level": "run_to_run",
        "steps": 400,
        "subjects": [f"p{fold}", f"p{fold + 2}"],
        "metrics": dice,
        "baselines": {"threshold": dice},
        "digests": dict.fromkeys(result.DIGESTS, f"{fold}" * 64),
        "seconds": dict.fromkeys(result.SECONDS, 1.0),
        "memory_bytes": None,
    }
    (folder / "result.json").write_text(json.dumps(content))


@pytest.fixture
def finished(tmp_path, monkeypatch) -> Path:
    """A cross-validation that was killed before its summary, which is all that remains to do."""
    monkeypatch.setattr(crossval, "_run_child", _stop)
    path = tmp_path / "w"
    with pytest.raises(KeyboardInterrupt):
        crossval.run(config(path), "")
    for child in crossval.plan(config(path), path):
        fake(child)
    return path


def _stop(*_) -> None:
    raise KeyboardInterrupt


def edit(path: Path, change) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def refused(path: Path, *words: str) -> None:
    with pytest.raises(UserError) as told:
        crossval.run(config(path), "")
    text = str(told.value)
    assert "\n" not in text and all(word in text for word in words), text
    assert not (path / "result.json").exists()


def test_equal_environments_are_summed_up_and_recorded(finished):
    assert crossval.run(config(finished), "") == 0
    assert json.loads((finished / "environment.json").read_text())["backend"] == BACKEND
    assert crossval.run(config(finished), "") == 0  # the run's own record does not differ
    (finished / "result.json").unlink()
    assert crossval.run(config(finished), "") == 0


def test_a_fold_from_elsewhere_is_refused_unless_mixed_knowingly(finished):
    def other(content):
        content["backend"]["versions"]["jax"] = "0.9.0"

    edit(finished / "repetition_001/fold_00/environment.json", other)
    refused(finished, "repetition_001/fold_00", "jax 0.10.2 there, 0.9.0 here", "--allow_mixed")
    assert crossval.run(config(finished, allow_mixed=True), "") == 0


def test_a_fold_continued_elsewhere_is_refused(finished):
    def other(content):
        content["resumed_with"] = [{**content, "python": "2.7.18"}]

    edit(finished / "repetition_000/fold_00/environment.json", other)
    refused(finished, "2.7.18 here")


def test_folds_are_compared_before_another_one_starts(finished):
    def other(content):
        content["python"] = "2.7.18"

    (finished / "repetition_000/fold_00/result.json").unlink()
    edit(finished / "repetition_001/fold_01/environment.json", other)
    refused(finished, "2.7.18")


def test_a_fold_done_later_is_compared_before_the_summary(finished, monkeypatch):
    last = finished / "repetition_001/fold_01"
    text = (last / "result.json").read_text()
    (last / "result.json").unlink()
    monkeypatch.setattr(
        crossval, "_run_child", lambda *_: (last / "result.json").write_text(text) and None
    )

    def other(content):
        content["python"] = "2.7.18"

    edit(last / "environment.json", other)
    refused(finished, "2.7.18")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("subjects", ["p1", "p9"], "repetition_001/fold_01 has others than fold 1"),
        ("digests", dict.fromkeys(result.DIGESTS, "a" * 64), "repetition_001/fold_01"),
    ],
)
def test_patients_that_changed_between_repetitions_are_refused(finished, key, value, words):
    path = finished / "repetition_001/fold_01/result.json"
    edit(path, lambda content: content.update({key: value}))
    refused(finished, "begun with other patients", words, "unchanged files")


def test_a_patient_is_held_out_once(finished):
    path = finished / "repetition_000/fold_01/result.json"
    edit(path, lambda content: content.update({"subjects": ["p1", "p0"]}))
    refused(finished, "p0 is held out more than once")
