"""The phases to which a run's time is counted, and the load of its machine."""

import os
import types

import numpy as np
import pytest

from mrjax.tasks import frame, records
from mrjax.tasks.breast import summary
from mrjax.train import infer


class Clock(records.Clock):
    """A clock whose time is the amount of work done so far."""

    def __init__(self) -> None:
        super().__init__()
        self.work = self._before = 0.0

    def lap(self, phase: str) -> None:
        self.seconds[phase] += self.work - self._before
        self._before = self.work


def test_the_first_use_of_a_network_is_compilation_and_other_methods_are_no_inference():
    clock = Clock()

    def costs(work: float, output: str):
        def does(*_: object):
            clock.work += work
            return output

        return does

    def judge(*found: object):
        return frame.Judged([], {}, {}, {"found": found})

    job = types.SimpleNamespace(
        warm_up=costs(16, "lost"), infer=costs(1, "n"), classical=costs(4, "c"), judge=judge
    )
    assert frame._judge(job, None, "state", clock).extra == {"found": (None, "n", "c")}
    assert clock.seconds == {"setup": 0, "compile": 16, "train": 0, "infer": 1, "classical": 4}


def test_one_input_of_every_shape_warms_up():
    arrays = [np.full(shape, i) for i, shape in enumerate([(2,), (3,), (2,), (1, 2), (3,)])]
    found = infer.one_of_each(arrays, np.shape)
    assert sorted(int(a.flat[0]) for a in found) == [0, 1, 3]
    assert infer.one_of_each([], np.shape) == []


def test_a_clock_knows_how_busy_the_machine_was(monkeypatch):
    loads = iter([(0.5, 9, 9), (3.25, 9, 9)])
    monkeypatch.setattr(os, "getloadavg", lambda: next(loads))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert records.Clock().load() == {"cores": 2, "begin": 0.5, "end": 3.25}

    def unknown():
        raise OSError

    monkeypatch.setattr(os, "getloadavg", unknown)
    assert records.Clock().load() is None


@pytest.mark.parametrize("missing", ["load", "classical"])
def test_a_summary_of_folds_says_no_more_than_all_of_them(missing):
    load = {"cores": 2, "begin": 0.5, "end": 3.0}
    seconds = dict.fromkeys(("setup", "compile", "train", "infer", "classical"), 1.0)
    folds = [{"load": load, "seconds": seconds}, {"load": load | {"begin": 4}, "seconds": seconds}]
    assert summary._load(folds) == {"load": {"cores": 2, "begin": 4, "end": 3.0}}
    assert summary._seconds(folds) == dict.fromkeys(seconds, 2.0)
    older = {"load": load, "seconds": dict(seconds)}
    (older if missing == "load" else older["seconds"]).pop(missing)
    assert summary._load([*folds, older]) == ({} if missing == "load" else summary._load(folds))
    assert ("classical" in summary._seconds([*folds, older])) == (missing == "load")
