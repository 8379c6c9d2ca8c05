"""A finished run says whether the files it was made from have changed since."""

import dataclasses
import types
from pathlib import Path

import numpy as np
import pytest

from mrjax.arrays import Grid, QsmSubject, Regions
from mrjax.errors import UserError
from mrjax.runs.folder import RunFolder
from mrjax.tasks import trained, unchanged
from mrjax.tasks.unchanged import Digests

A = Digests("a" * 64, "a" * 64)


def config(**changes):
    values = {"dataset": "nifti", "data_dir": "d", "allow_mixed": False}
    return types.SimpleNamespace(**values | changes)


def said(monkeypatch, now: dict[str, str], geometry: str = "a", **changes) -> str:
    """What is said of a finished run; the records of all runs have data a and geometry a."""
    record = {"digests": {"data": A.data}, "data": {"geometry": A.geometry}}
    monkeypatch.setattr(unchanged.result, "read", lambda _: record)
    found = {name: Digests(letter * 64, geometry * 64) for name, letter in now.items()}
    return unchanged.said(Path("run"), config(**changes), lambda: found)


def test_a_finished_run_compares_the_files_it_was_made_from(monkeypatch):
    assert said(monkeypatch, {"": "a"}) == unchanged.UNCHANGED
    with pytest.raises(UserError, match=r"the finished run run differ from .*=d .*; expected") as e:
        said(monkeypatch, {"": "b"})
    assert "\n" not in str(e.value) and "aaaaaaaaaaaa, now bbbbbbbbbbbb" in str(e.value)
    assert "differ" in said(monkeypatch, {"": "b"}, allow_mixed=True)
    assert said(monkeypatch, {"": "b"}, dataset="synthetic") == ""


def test_a_finished_run_compares_the_geometry_too(monkeypatch):
    with pytest.raises(UserError, match=r"voxel sizes, .* of the finished run run differ") as error:
        said(monkeypatch, {"": "a"}, geometry="b")
    assert "digest of geometry aaaaaaaaaaaa, now bbbbbbbbbbbb" in str(error.value)
    assert "voxel sizes" in said(monkeypatch, {"": "a"}, geometry="b", allow_mixed=True)


@pytest.mark.parametrize("account", [{}, {"data": {"found": 1}}])
def test_of_an_older_record_it_is_said_that_geometry_is_not_compared(monkeypatch, account):
    record = {"digests": {"data": A.data}} | account
    monkeypatch.setattr(unchanged.result, "read", lambda _: record)
    line = unchanged.said(Path("run"), config(), lambda: {"": A})
    assert line == unchanged.UNCHANGED_VALUES
    assert "values of its inputs are unchanged; voxel sizes, directions" in line
    with pytest.raises(UserError, match="inputs of the finished run"):
        unchanged.said(Path("run"), config(), lambda: {"": Digests("b" * 64, A.geometry)})


def subject(**changes) -> QsmSubject:
    ones = np.ones((8, 8, 8), np.float32)
    labels = Regions(labels=ones.astype(np.int16), names={1: "caudate"})
    grid = Grid(
        qform=None, qform_code=0, sform=np.eye(4), sform_code=1, voxel_size=(1, 1, 1), unit="mm"
    )
    values = {"name": "a", "field": ones, "chi": None, "mask": ones > 0, "affine": np.eye(4)}
    return QsmSubject(**values | {"grid": grid, "regions": labels} | changes)


def geometry(one: QsmSubject) -> str:
    return unchanged.of_geometry([], [one], ("field", "chi", "mask"))


def test_the_digest_of_geometry_covers_all_but_the_values():
    first = subject()
    assert geometry(first) == geometry(subject()) == geometry(subject(field=first.field * 2))
    assert first.grid is not None and first.regions is not None
    labels = first.regions.labels.copy()
    labels[3, 4, 5] = 2
    others = [
        {"voxel_size": (1.0, 1.0, 1.001)},
        {"b0_direction": (0.0, 0.0, -1.0)},
        {"affine": None},
        {"affine": np.diag([1, 1, 1.001, 1])},
        {"grid": None},
        {"grid": dataclasses.replace(first.grid, sform_code=2)},
        {"grid": dataclasses.replace(first.grid, unit="meter")},
        {"regions": None},
        {"regions": dataclasses.replace(first.regions, labels=labels)},
        {"regions": dataclasses.replace(first.regions, names={1: "putamen"})},
    ]
    found = {geometry(first), *(geometry(subject(**changes)) for changes in others)}
    assert len(found) == 1 + len(others)
    in_training = unchanged.of_geometry([first], [], ("field", "chi", "mask"))
    assert in_training not in found


def test_rounding_and_the_sign_of_zero_are_no_difference():
    assert geometry(subject(b0_direction=(-0.0, 0.0, 1 - 1e-16))) == geometry(subject())
    assert geometry(subject(voxel_size=(1 + 1e-12, 1.0, 1.0))) == geometry(subject())


def test_a_run_that_goes_on_compares_the_geometry(tmp_path):
    folder = RunFolder(tmp_path)
    folder.checkpoints.mkdir(parents=True)
    trained.keep_constants(folder, {}, {"data": "a", "geometry": "b"})
    trained.keep_constants(folder, {}, {"data": "a", "geometry": "b"})
    with pytest.raises(UserError, match=r"begun with other inputs \(geometry differ\)"):
        trained.keep_constants(folder, {}, {"data": "a", "geometry": "c"})


def test_a_run_that_was_begun_without_a_digest_of_geometry_goes_on(tmp_path):
    folder = RunFolder(tmp_path)
    folder.checkpoints.mkdir(parents=True)
    trained.keep_constants(folder, {}, {"data": "a"})
    trained.keep_constants(folder, {}, {"data": "a", "geometry": "c"})
    with pytest.raises(UserError, match=r"begun with other inputs \(data differ\)"):
        trained.keep_constants(folder, {}, {"data": "b", "geometry": "c"})


def test_of_several_runs_the_first_that_differs_is_named(monkeypatch):
    assert said(monkeypatch, {"fold_00": "a", "fold_01": "a"}) == unchanged.UNCHANGED
    with pytest.raises(UserError, match=r"the finished run run/fold_01 differ"):
        said(monkeypatch, {"fold_00": "a", "fold_01": "b", "fold_02": "c"})


def test_a_finished_run_whose_files_are_gone_stays_finished():
    def gone():
        raise UserError("--data_dir=d does not exist; expected it; correct the path")

    line = unchanged.said(Path("run"), config(), gone)
    assert line.startswith("; its inputs could not be compared: --data_dir=d does not exist")
