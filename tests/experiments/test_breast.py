"""`python -m experiments.breast` from files to files: a run of runs.

The processes of a whole cross-validation are in test_contract.py; here its folds run in this one.
"""

import json
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from experiments_helpers import changed, digests, refused, result, start, wait_for
from helpers import shared
from micro_runs import FOLDS, micro
from programs_here import child_here, here

from mrjax import children
from mrjax.data.formats.dce import write_dce_mat
from mrjax.physics.phantoms.breast import breast
from mrjax.runs import digests as combination
from mrjax.runs import ledger


@pytest.fixture(scope="module", autouse=True)
def folds_here():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(children, "run", child_here)
        yield


def call(*flags: str, **options: bool) -> subprocess.CompletedProcess:
    return here("breast", *micro("breast"), *flags, **options)


@pytest.fixture(scope="module")
def base(folds_here, tmp_path_factory) -> Path:
    """A whole cross-validation of two folds."""
    workdir = tmp_path_factory.mktemp("breast") / "base"
    call(f"--workdir={workdir}")
    return workdir


def test_a_cross_validation_sums_its_folds_up(base):
    found, children = result(base), [result(base / name) for name in FOLDS]
    assert found["experiment"] == "breast" and found["level"] == "not_guaranteed"
    assert found["children"] == list(FOLDS) and found["subjects"] == ["repetition_000"]
    dice = [d for child in children for d in child["metrics"]["dice"]]
    names = [s for child in children for s in child["subjects"]]
    assert sorted(names) == [f"breast{i:04d}" for i in range(4)]
    assert found["metrics"]["dice"] == [pytest.approx(np.median(dice))]
    by_threshold = [d for child in children for d in child["baselines"]["threshold"]["dice"]]
    assert found["baselines"]["threshold"]["dice"] == [pytest.approx(np.median(by_threshold))]
    per_patient = found["extra"]["patients"]["network"]
    assert {n: [d] for n, d in zip(names, dice, strict=True)} == per_patient
    assert found["extra"]["dice_lower"] == [None]  # of four patients there is no such interval
    for name, digest in found["digests"].items():
        assert digest == combination.combine(child["digests"][name] for child in children)
    assert (base / "table.csv").read_text().startswith("Repetition,DSC [%],LB,UB\nRep.01,")
    assert (base / "table.tex").exists() and (base / "images" / "repetitions.png").exists()


def test_a_fold_is_a_run_like_any_other(base):
    fold = base / FOLDS[1]
    found = result(fold)
    assert found["steps"] == 4 and len(found["subjects"]) == 2
    assert [row["step"] for row in ledger.read(fold / "ledger.jsonl")] == [1, 2, 3, 4]
    assert sum(1 for _ in (fold / "images").glob("*.png")) == 2
    assert sum(1 for _ in (fold / "predictions").glob("*_mask.nii.gz")) == 4
    recorded = json.loads((fold / "config.json").read_text())["config"]
    assert recorded["fold"] == 1 and recorded["repetitions"] == 1


def test_one_fold_alone_is_that_of_the_whole(base, tmp_path):
    call("--fold=1", f"--workdir={tmp_path / 'w'}")
    assert digests(tmp_path / "w") == digests(base / FOLDS[1])
    ledgers = (tmp_path / "w" / "ledger.jsonl", base / FOLDS[1] / "ledger.jsonl")
    assert ledgers[0].read_bytes() == ledgers[1].read_bytes()


def test_without_variation_repetitions_agree_and_with_it_they_differ(tmp_path):
    call("--repetitions=2", "--vary=order", f"--workdir={tmp_path / 'w'}")
    first, second = (tmp_path / "w" / f"repetition_{r:03d}/fold_00" for r in range(2))
    assert changed(first, second) == {"order", "params", "predictions"}
    call("--fold=0", "--repetition=1", f"--workdir={tmp_path / 'none'}")
    assert digests(tmp_path / "none") == digests(first)
    assert len(result(tmp_path / "w")["metrics"]["dice"]) == 2


def test_sigterm_reaches_the_fold_and_the_whole_goes_on_later(base, tmp_path):
    workdir = tmp_path / "stopped"
    long = ("--steps=10000", f"--workdir={workdir}", "--checkpoint_every=0")
    process = start("breast", *micro("breast"), *long)
    child = workdir / FOLDS[0]
    wait_for((child / "ledger.jsonl").exists)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert "stopped by signal 15; the same command goes on" in said
    # The fold had time to save, although no checkpoint was due.
    assert list((child / "checkpoints").glob("step_*"))
    assert not (workdir / "result.json").exists()


def test_finished_folds_are_not_done_again(base, tmp_path):
    workdir = tmp_path / "half"
    flags = ("--device_index=1", f"--workdir={workdir}")
    note = "note: --device_index=1 has no effect on a cpu"
    assert call(*flags).stderr.count(note) == 1  # not once a fold
    logs = [workdir / f"{name}.log" for name in FOLDS]
    texts = [log.read_text() for log in logs]
    assert all(note in text and "finished" in text for text in texts)
    (workdir / "result.json").unlink()
    before = {n: (workdir / n / "result.json").stat().st_mtime_ns for n in FOLDS}
    (workdir / FOLDS[1] / "result.json").unlink()
    call(*flags)
    after = {n: (workdir / n / "result.json").stat().st_mtime_ns for n in FOLDS}
    assert after[FOLDS[0]] == before[FOLDS[0]] and after[FOLDS[1]] != before[FOLDS[1]]
    assert logs[0].read_text() == texts[0]
    assert logs[1].read_text().startswith(texts[1]) and logs[1].read_text() != texts[1]
    assert digests(workdir) == digests(base)


def test_a_mistake_that_a_fold_finds_is_one_line_of_the_whole(tmp_path):
    done = call("--batch_size=64", f"--workdir={tmp_path / 'w'}", check=False)
    refused(done, "repetition_000/fold_00", "--batch_size")


def test_mistakes_in_files_are_found_before_anything_starts(tmp_path):
    data, workdir = tmp_path / "data", tmp_path / "w"
    for i in range(3):
        write_dce_mat(breast(0, 0, i, (16, 16, 2)), data / f"p{i}.mat")
    files = ("--dataset=mat", f"--data_dir={data}", f"--workdir={workdir}")
    refused(call(*files, "--folds=4", check=False), "3 patients are fewer than --folds=4")
    assert not workdir.exists()
    call(*files)
    assert set(result(workdir)["extra"]["patients"]["network"]) == {"p0", "p1", "p2"}
    assert "already finished" in (said := call(*files).stderr) and "inputs are unchanged" in said
    write_dce_mat(breast(0, 1, 2, (16, 16, 2)), data / "p2.mat")
    changed_since = f"finished run {workdir / FOLDS[0]} differ from those in --data_dir={data}"
    refused(call(*files, check=False), changed_since)


def test_a_fold_that_diverges_stops_the_whole_with_its_line(tmp_path):
    done = call("--learning_rate=1e30", f"--workdir={tmp_path}", check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert "repetition_000/fold_00" in last and "at step" in last
    assert not (tmp_path / "repetition_000/fold_01").exists()


def test_the_real_slice_is_segmented_by_a_trained_fold(base, tmp_path):
    path = shared("data/dce_invivo.mat")
    real = ("--steps=0", "--dataset=mat", f"--data_dir={path}", "--shrink=6")
    workdir = tmp_path / "real"
    call(*real, f"--from_run={base / FOLDS[0]}", f"--workdir={workdir}", figures=True)
    assert result(workdir)["subjects"] == ["dce_invivo"] and not result(workdir)["metrics"]
    assert (workdir / "images" / "dce_invivo.png").stat().st_size > 1e4
    done = call(*real, f"--from_run={base}", f"--workdir={tmp_path / 'w'}", check=False)
    refused(done, "whole cross-validation", FOLDS[0])
