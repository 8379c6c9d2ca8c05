"""A finished run says whether the files it was made from have changed since."""

import types
from pathlib import Path

import pytest

from mrjax.errors import UserError
from mrjax.tasks import unchanged


def config(**changes):
    values = {"dataset": "nifti", "data_dir": "d", "allow_mixed": False}
    return types.SimpleNamespace(**values | changes)


def said(monkeypatch, now: dict[str, str], **changes) -> str:
    """What is said of a finished run; the records of all runs have data a."""
    monkeypatch.setattr(unchanged.result, "read", lambda _: {"digests": {"data": "a" * 64}})
    found = {name: letter * 64 for name, letter in now.items()}
    return unchanged.said(Path("run"), config(**changes), lambda: found)


def test_a_finished_run_compares_the_files_it_was_made_from(monkeypatch):
    assert said(monkeypatch, {"": "a"}) == unchanged.UNCHANGED
    assert "values of its inputs are unchanged; voxel sizes, directions" in unchanged.UNCHANGED
    with pytest.raises(UserError, match=r"the finished run run differ from .*=d .*; expected") as e:
        said(monkeypatch, {"": "b"})
    assert "\n" not in str(e.value) and "aaaaaaaaaaaa, now bbbbbbbbbbbb" in str(e.value)
    assert "differ" in said(monkeypatch, {"": "b"}, allow_mixed=True)
    assert said(monkeypatch, {"": "b"}, dataset="synthetic") == ""


def test_of_several_runs_the_first_that_differs_is_named(monkeypatch):
    assert said(monkeypatch, {"fold_00": "a", "fold_01": "a"}) == unchanged.UNCHANGED
    with pytest.raises(UserError, match=r"the finished run run/fold_01 differ"):
        said(monkeypatch, {"fold_00": "a", "fold_01": "b", "fold_02": "c"})


def test_a_finished_run_whose_files_are_gone_stays_finished():
    def gone():
        raise UserError("--data_dir=d does not exist; expected it; correct the path")

    line = unchanged.said(Path("run"), config(), gone)
    assert line.startswith("; its inputs could not be compared: --data_dir=d does not exist")
