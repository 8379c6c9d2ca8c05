"""Damaged runs and wrong words on the command line of studies: one line each, exit code 2."""

from pathlib import Path

import pytest
from experiments_helpers import call, refused
from study import synthetic_runs as made


def study(action: str, path: Path, *words: str):
    return call("study", action, *words, f"--study={path}", check=False)


@pytest.fixture
def finished(tmp_path) -> Path:
    """Two arms, two runs each."""
    arms = [made.arm("init", "init"), made.arm("gpu", "device", problem="needs a GPU")]
    made.make(tmp_path / "s", made.study(arms, 2), steps=3)
    return tmp_path / "s"


def test_collect_names_what_it_leaves_out(finished):
    (finished / "runs/init/000/result.json").write_text("{")
    (finished / "runs/init/001/result.json").unlink()
    done = study("collect", finished)
    assert done.returncode == 0, done.stderr
    damaged, unfinished = [x for x in done.stdout.splitlines() if x.startswith("left out: ")]
    assert damaged.startswith("left out: init 000: ") and "remove or move this run" in damaged
    assert unfinished.startswith("left out: init 001: not finished")
    assert "not run: gpu: needs a GPU" in done.stdout
    for path in finished.glob("runs/baseline/*/result.json"):
        path.write_text("{")
    refused(study("collect", finished), "no finished run", "baseline 000", "remove or move")
