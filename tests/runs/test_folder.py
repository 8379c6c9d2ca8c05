import copy
import json
import re
from pathlib import Path

import pytest

from mrjax.errors import UserError
from mrjax.runs import atomic
from mrjax.runs.folder import RunFolder, open_run

ENVIRONMENT = {"python": "3.11.7", "backend": {"versions": {"jax": "0.10.2"}}}
OTHER = {"python": "3.11.7", "backend": {"versions": {"jax": "0.10.1"}}}


def start(path, **changed):
    arguments = {
        "flags_text": "--seed=0\n",
        "config": {"seed": 0, "workdir": str(path)},
        "config_digest": "0" * 64,
        "environment": ENVIRONMENT,
        "resume": True,
        "allow_mixed": False,
    }
    return open_run(path, **(arguments | changed))


def begun(path, finished=False):
    folder, state = start(path)
    assert state == "new"
    folder.close()
    if finished:
        atomic.write_json(folder.result, {})
    return folder


def refused(path, **changed):
    """The error, in one line, with which opening fails."""
    with pytest.raises(UserError) as error:
        start(path, **changed)
    message = str(error.value)
    assert re.fullmatch(".*; expected .*; .*", message), message
    return message


def snapshot(path):
    files = [entry for entry in Path(path).rglob("*") if entry.is_file()]
    return {entry.name: entry.read_bytes() for entry in files if entry.name != ".lock"}


def test_a_new_run_has_its_records(tmp_path):
    folder = begun(tmp_path / "runs" / "qsm")
    assert folder.flags.read_text() == "--seed=0\n"
    assert json.loads(folder.environment.read_text()) == ENVIRONMENT
    record = json.loads(folder.config.read_text())
    assert record["digest"] == "0" * 64
    assert record["config"]["seed"] == 0
    assert folder.checkpoints.is_dir() and folder.images.is_dir() and folder.predictions.is_dir()
    assert not folder.finished
    assert start(folder.path)[1] == "unfinished"


def test_paths_are_those_of_the_design():
    folder = RunFolder(Path("r"))
    paths = [folder.flags, folder.config, folder.environment, folder.ledger, folder.timing]
    paths += [folder.checkpoints, folder.images, folder.predictions, folder.result]
    assert " ".join(path.name for path in paths) == (
        "flags.txt config.json environment.json ledger.jsonl timing.jsonl checkpoints images "
        "predictions result.json"
    )


def test_an_unfinished_run_goes_on_untouched(tmp_path):
    folder = begun(tmp_path)
    before = snapshot(tmp_path)
    leftover = folder.checkpoints / ".step_00000001.npz.77.tmp"
    leftover.touch()
    assert start(tmp_path, flags_text="other\n")[1] == "unfinished"
    assert snapshot(tmp_path) == before, "leftovers go, everything else stays"


def test_a_finished_run_returns_at_once_and_needs_no_right_to_write(tmp_path, monkeypatch):
    begun(tmp_path, finished=True)
    before = snapshot(tmp_path)
    monkeypatch.setattr("mrjax.runs.folder.Lock", None)
    folder, state = start(tmp_path)
    assert (state, folder.lock) == ("finished", None)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("finished", [False, True])
def test_other_settings_are_refused_and_named(tmp_path, finished):
    begun(tmp_path, finished)
    config = {"seed": 3, "workdir": "elsewhere"}
    message = refused(tmp_path, config=config, config_digest="1" * 64)
    assert "other settings (seed 0 there, 3 here)" in message
    assert "workdir elsewhere" not in message


@pytest.mark.parametrize("finished", [False, True])
def test_another_jax_is_refused_and_named(tmp_path, finished):
    begun(tmp_path, finished)
    message = refused(tmp_path, environment=OTHER)
    assert "(backend.versions.jax 0.10.2 there, 0.10.1 here)" in message
    assert "--allow_mixed" in message


def test_a_mixture_is_allowed_and_on_the_record(tmp_path):
    begun(tmp_path).close()
    for environment, count in ((OTHER, 1), (OTHER, 1), (ENVIRONMENT, 2)):
        folder, state = start(tmp_path, environment=environment, allow_mixed=True)
        folder.close()
        assert state == "unfinished"
        record = json.loads(folder.environment.read_text())
        assert {name: record[name] for name in ENVIRONMENT} == ENVIRONMENT
        assert len(record["resumed_with"]) == count
    assert record["resumed_with"] == [OTHER, ENVIRONMENT]
    folder, _ = start(tmp_path)
    folder.close()
    refused(tmp_path, environment=OTHER)


def test_a_finished_mixture_is_not_rewritten(tmp_path):
    begun(tmp_path, finished=True)
    before = snapshot(tmp_path)
    assert start(tmp_path, environment=OTHER, allow_mixed=True)[1] == "finished"
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("finished", [False, True])
def test_without_resume_a_run_is_not_overwritten(tmp_path, finished):
    begun(tmp_path, finished)
    before = snapshot(tmp_path)
    assert "already holds a run" in refused(tmp_path, resume=False)
    assert snapshot(tmp_path) == before
    assert start(tmp_path / "empty", resume=False)[1] == "new"


def test_a_folder_of_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.tex").touch()
    assert "holds thesis.tex but no config.json" in refused(tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} <= {"thesis.tex", ".lock"}


def test_a_file_in_the_way_is_refused(tmp_path):
    path = tmp_path / "a"
    path.touch()
    assert "is a file" in refused(path)
    assert "is a file" in refused(path / "below")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    assert "is not writable" in refused("/proc/self/mrjax")

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "write_bytes", denied)
        assert "is not writable (Permission denied)" in refused(tmp_path)
    folder, state = start(tmp_path)
    assert state == "new", "the failed attempt gave the lock back"
    folder.close()


def test_one_process_a_run(tmp_path):
    folder, _ = start(tmp_path)
    assert "being written by process" in refused(tmp_path)
    with folder:
        pass
    assert start(tmp_path)[1] == "unfinished"


@pytest.mark.parametrize("killed_at", ["flags.txt", "environment.json", "config.json"])
def test_killed_while_beginning_it_begins_again(tmp_path, monkeypatch, killed_at):
    class Killed(BaseException):
        pass

    whole = atomic.write_bytes

    def write(path, content):
        if Path(path).name == killed_at:
            Path(path).with_name(f".{killed_at}.1.tmp").write_bytes(content[:3])
            raise Killed
        whole(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(atomic, "write_bytes", write)
        with pytest.raises(Killed):
            start(tmp_path)
    folder, state = start(tmp_path)
    assert state == "new"
    assert not list(tmp_path.glob(".*.tmp"))
    folder.close()


@pytest.mark.parametrize("name", ["config.json", "environment.json"])
def test_damaged_records_are_refused(tmp_path, name):
    begun(tmp_path)
    for content in ("{", "[1]"):
        (tmp_path / name).write_text(content)
        assert name in refused(tmp_path)


def test_arguments_are_not_changed(tmp_path):
    environment = copy.deepcopy(OTHER)
    begun(tmp_path)
    start(tmp_path, environment=environment, allow_mixed=True)[0].close()
    assert environment == OTHER
