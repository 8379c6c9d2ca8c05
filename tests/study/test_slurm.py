"""Studies through a real Slurm, and what a launcher writes for it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import ROOT
from slurm_cluster import Cluster, missing

from mrjax.study.records import read_runs

FOREIGN = str(ROOT / "experiments" / "recipes" / "foreign_example.py")
SLURM = ("--launcher=slurm", "--slots=2", "--poll=1")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    if reason := missing():
        pytest.skip(reason)
    found = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        found.start()
        yield found
    finally:
        found.stop()


def command(action: str, study: Path, *flags: str) -> list[str]:
    return [sys.executable, "-m", "experiments.study", action, f"--study={study}", *flags]


def call(environ, action: str, study: Path, *flags: str, code: int = 0) -> str:
    done = subprocess.run(
        command(action, study, *flags),
        cwd=ROOT, env=environ, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def plan(environ, study: Path, *flags: str) -> None:
    foreign = f"--command={{python}} {FOREIGN}"
    call(environ, "plan", study, "--name=slurm", "--experiment=deblur", foreign, *flags)


def tables(environ, study: Path) -> bytes:
    call(environ, "collect", study)
    return (study / "results.csv").read_bytes()


def test_an_array_does_a_study_and_what_was_cancelled_is_done_by_the_next_run(cluster, tmp_path):
    recipe = ("--baseline=--steps=100 --pause=0.03", "--arm=init: --seed_order=0 --seed_init={r}")
    here, there = tmp_path / "here", tmp_path / "there"
    for study in (here, there):
        plan(cluster.environ, study, *recipe, "--replicates=4")
    said = call(cluster.environ, "run", there, *SLURM)
    assert "job 1: 8 runs" in said
    assert "8 runs are queued already" in call(cluster.environ, "run", there, *SLURM)
    tasks, most = cancel_one(cluster)
    assert len(tasks) == 8 and most == 2
    left = [run for run in read_runs(there) if not (there / run.workdir / "result.json").exists()]
    assert len(left) == 1
    log = there / left[0].log
    assert "# " in log.read_text() and "host" in log.read_text() and "job 1_" in log.read_text()
    said = call(cluster.environ, "run", there, *SLURM, "--wait")
    assert "1 runs, resource default" in said and "all 1 runs are finished" in said
    assert "nothing to do" in call(cluster.environ, "run", there, *SLURM)
    call(cluster.environ, "run", here, "--slots=4")
    assert tables(cluster.environ, there) == tables(cluster.environ, here)


def cancel_one(cluster: Cluster) -> tuple[set[str], int]:
    """Cancel the first task seen running, wait for the others; all tasks, most at a time."""
    seen: set[str] = set()
    most, cancelled, deadline = 0, False, time.monotonic() + 120
    while time.monotonic() < deadline:
        rows = cluster.call("squeue", "-h", "-r", "-o", "%F_%K %T").splitlines()
        seen |= {row.split()[0] for row in rows}
        running = [row.split()[0] for row in rows if row.endswith(" RUNNING")]
        most = max(most, len(running))
        if running and not cancelled:
            time.sleep(0.5)
            cluster.call("scancel", running[0])
            cancelled = True
        if not rows:
            return seen, most
        time.sleep(0.2)
    raise AssertionError("the queue does not empty")


def test_inference_waits_for_its_network_and_classes_have_their_nodes(cluster, tmp_path):
    arms = ("--arm=other [device]: resource=far", "--infer_arm=infer_f32: --dtype=float32")
    study = tmp_path / "a b"
    plan(cluster.environ, study, "--baseline=--steps=20 --pause=0.05", *arms, "--replicates=2")
    flags = (*SLURM, "--wait")
    done = subprocess.run(
        command("run", study, *flags),
        cwd=ROOT, env=cluster.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "resource far" in done.stderr
    bad = call(cluster.environ, "run", study, *flags, "--resource=far: --partition=none", code=1)
    assert "job" in bad  # the default class had been submitted
    far = "--resource=far: --partition=second python=" + sys.executable
    said = call(cluster.environ, "run", study, *flags, far)
    assert "2 runs, resource far" in said
    assert "nothing to do" in call(cluster.environ, "run", study, *flags, far)


def test_without_slurm_it_is_said_in_one_line(tmp_path):
    environ = {**os.environ, "PATH": str(tmp_path)}
    plan(environ, tmp_path / "s", "--replicates=1")
    done = subprocess.run(
        command("run", tmp_path / "s", *SLURM),
        cwd=ROOT, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: --launcher=slurm finds no sbatch")
    assert len(done.stderr.splitlines()) == 1
