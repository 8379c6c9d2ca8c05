"""Several processes train the network that one process trains, and end and go on together."""

import json
import os
import signal
import subprocess
import sys

import pytest
from experiments_helpers import SECONDS, call, environment, start, wait_for
from helpers import ROOT
from programs_here import here
from slurm_cluster import Cluster, missing

from mrjax.command import together

SMALL = (
    "--preset=tiny", "--fold=0", "--width=2", "--levels=1", "--rows=16", "--columns=16",
    "--steps=40", "--batch_size=8", "--checkpoint_every=10", "--platform=cpu",
)  # fmt: skip
ORDER_FREE = "--numerics=reproducible"
TOGETHER = "--processes=2"


def children_of(process: subprocess.Popen) -> list[int]:
    """The processes that a program has started, in the order of their start."""
    found = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=False
    )
    return [int(word) for word in found.stdout.split()]


def read(folder, name):
    return json.loads((folder / name).read_text())


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone") / "run"
    here("breast", *SMALL, ORDER_FREE, f"--workdir={folder}")
    return folder


@pytest.fixture(scope="module")
def srun(tmp_path_factory):
    """Start a program twice through a real Slurm, by which the two find each other."""
    if reason := missing():
        pytest.skip(reason)
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield lambda *words: subprocess.run(
            ["srun", "--ntasks=2", sys.executable, "-m", *words],
            cwd=ROOT, env={**environment(), **slurm_only(cluster.environ)},
            capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    finally:
        cluster.stop()


def slurm_only(environ):
    return {name: environ[name] for name in ("SLURM_CONF", "PATH")}


def test_killed_and_repeated_by_slurm_they_train_what_one_trains(alone, srun, tmp_path):
    flags = (*SMALL, ORDER_FREE, TOGETHER, f"--workdir={tmp_path / 'run'}")
    process = start("breast", *flags)
    wait_for(lambda: any(tmp_path.glob("run/checkpoints/step_*.npz")))
    members = children_of(process)
    assert len(members) == 2
    os.kill(members[1], signal.SIGKILL)
    said = process.communicate(timeout=100)[1]
    assert process.returncode == 1
    assert said == (
        "error: process 1 was ended by SIGKILL, so all processes of this run have ended; "
        "what is saved is whole; start all again, and they go on from the last checkpoint\n"
    )
    assert not (tmp_path / "run" / "result.json").exists()
    again = srun("experiments.breast", *flags)
    assert again.returncode == 0, again.stdout + again.stderr
    ledger = "ledger.jsonl"
    assert (tmp_path / "run" / ledger).read_bytes() == (alone / ledger).read_bytes()
    one, both = read(alone, "result.json"), read(tmp_path / "run", "result.json")
    assert one["digests"] == both["digests"] and one["metrics"] == both["metrics"]
    facts = read(tmp_path / "run", "environment.json")["backend"]
    assert (facts["process_count"], facts["device_count"]) == (2, 2)
    assert "already finished" in call("breast", *flags).stdout


def test_a_signal_stops_all_after_the_same_step_and_they_go_on(tmp_path):
    flags = (*SMALL, "--steps=4000", TOGETHER, f"--workdir={tmp_path}")
    process = start("breast", *flags)
    wait_for(lambda: any(tmp_path.glob("checkpoints/step_*.npz")))
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=100)[1]
    assert (process.returncode, said) == (143, "stopped; the same command goes on from there\n")
    last = (tmp_path / "ledger.jsonl").read_text().splitlines()[-1]
    newest = sorted(tmp_path.glob("checkpoints/step_*.npz"))[-1]
    assert json.loads(last)["step"] == int(newest.stem[5:])


def test_processes_that_differ_do_not_train(tmp_path):
    port = together.free_port()
    meet = (TOGETHER, f"--coordinator=127.0.0.1:{port}")
    one = start("breast", *SMALL, *meet, "--process_id=0", f"--workdir={tmp_path}")
    other = (*SMALL, *meet, "--process_id=1", "--learning_rate=0.5", f"--workdir={tmp_path}")
    done = call("breast", *other, check=False)
    said = one.communicate(timeout=100)[1]
    assert (done.returncode, one.returncode) == (2, 2)
    for text in (said, done.stderr):
        assert text.count("error:") == 1 and "process 1 has settings other than" in text
    assert not (tmp_path / "ledger.jsonl").exists()
