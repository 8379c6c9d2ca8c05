"""Outputs for which no run writes a result."""

import types
from pathlib import Path

import numpy as np
import pytest

from mrjax.errors import RunFailed, UserError
from mrjax.tasks import frame


@pytest.mark.parametrize("value", [np.nan, np.inf, complex(0, np.inf)])
def test_an_output_that_is_no_number_has_no_digest(value):
    fine = np.zeros((3, 2), np.float32)
    broken = np.array([0, value, value, 1])
    frame._check_finite({"brain0": fine})
    with pytest.raises(RunFailed, match="output for brain1 is not finite in 2 of 4 values"):
        frame._check_finite({"brain0": fine, "brain1": broken})


def config(**changes):
    values = {"dataset": "nifti", "data_dir": "d", "allow_mixed": False}
    return types.SimpleNamespace(**values | changes)


def compared(monkeypatch, now: str, **changes) -> str:
    """What is said of a finished run whose record has data a."""
    monkeypatch.setattr(frame.result, "read", lambda _: {"digests": {"data": "a" * 64}})
    job = types.SimpleNamespace(digests={"data": now * 64})
    return frame._compared(Path("run"), config(**changes), lambda: job)


def test_a_finished_run_compares_the_files_it_was_made_from(monkeypatch):
    assert compared(monkeypatch, "a") == "; its inputs are unchanged"
    with pytest.raises(UserError, match=r"the finished run run differ from .*=d .*; expected") as e:
        compared(monkeypatch, "b")
    assert "\n" not in str(e.value) and "aaaaaaaaaaaa, now bbbbbbbbbbbb" in str(e.value)
    assert "differ" in compared(monkeypatch, "b", allow_mixed=True)
    assert compared(monkeypatch, "b", dataset="synthetic") == ""


def test_a_finished_run_whose_files_are_gone_stays_finished(monkeypatch):
    def gone():
        raise UserError("--data_dir=d does not exist; expected it; correct the path")

    said = frame._compared(Path("run"), config(), gone)
    assert said.startswith("; its inputs could not be compared: --data_dir=d does not exist")
