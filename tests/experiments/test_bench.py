"""The benchmark as a user runs it, at a tiny shape."""

import json
import subprocess
import sys

import pytest
from helpers import ROOT

pytest.importorskip("torch", reason="needs torch, the benchmark's other side")


def test_one_json_line():
    sizes = ["--width=2", "--levels=1", "--patch=8", "--batch_size=1", "--window=3", "--rounds=1"]
    done = subprocess.run(
        [sys.executable, "-m", "experiments.bench", "--task=qsm", *sizes],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    record = json.loads(line)
    assert {"task", "shape", "ours_s", "peer_s", "stock_s", "ratio"} <= record.keys()
    assert record["task"] == "qsm"
    assert record["shape"]["width"] == 2
    assert record["shape"]["patch"] == 8
    assert record["ratio"] == record["ours_s"] / record["peer_s"]
    assert min(record["ours_s"], record["peer_s"], record["stock_s"]) > 0
