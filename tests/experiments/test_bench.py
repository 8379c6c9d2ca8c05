"""The benchmark as a user runs it, at a tiny shape."""

import json
import subprocess
import sys

import pytest
from helpers import ROOT

pytest.importorskip("torch", reason="needs torch, the benchmark's other side")


def records(task: str) -> list[dict]:
    sizes = ["--width=2", "--levels=1", "--patch=8", "--batch_size=1", "--window=3", "--rounds=1"]
    done = subprocess.run(
        [sys.executable, "-m", "experiments.bench", f"--task={task}", *sizes],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_one_json_line():
    (record,) = records("qsm")
    assert {"task", "shape", "ours_s", "peer_s", "stock_s", "ratio"} <= record.keys()
    assert record["task"] == "qsm"
    assert record["shape"]["width"] == 2
    assert record["shape"]["patch"] == 8
    assert record["ratio"] == record["ours_s"] / record["peer_s"]
    assert min(record["ours_s"], record["peer_s"], record["stock_s"]) > 0


def test_forms_of_every_convolution():
    found = records("conv_forms")
    assert [r["convolution"] for r in found] == [
        "8^3, 1 to 2",
        "8^3, 2 to 2",
        "8^3, 4 to 2",
        "4^3, 2 to 4",
        "4^3, 4 to 4",
    ]
    for record in found:
        assert record["chosen"]["product"] in record["product_ms"]
        assert record["chosen"]["kernel_gradient"] in record["kernel_gradient_ms"]
