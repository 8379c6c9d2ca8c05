"""Two processes that differ in their number of threads: one command names the operation."""

import os
import subprocess
import sys

import pytest
from helpers import ROOT
from programs_here import here

pytest.importorskip("torch", reason="needs torch, whose trainings are traced")

TRAINING = """
import sys
import torch
from mrjax.recorder import Recorder

torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Tanh())
optimizer = torch.optim.SGD(model.parameters(), 0.1)
record = Recorder(sys.argv[1], model, optimizer, trace_at=[1])
images = torch.linspace(-1, 1, 64).reshape(8, 8)
loss = model(images).square().mean()
for start in range(6):  # torch divides long sums among its threads
    loss = loss + torch.sin(1e4 * torch.linspace(start, 9, 300_007)).sum() * 1e-3
loss.backward()
optimizer.step()
record.step(loss, images)
record.finish()
"""


def train(folder, threads):
    environ = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", TRAINING, str(folder)], env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_one_thread_and_two_in_processes_of_their_own(tmp_path):
    """The other operations are equal: the sum is the one that threads divide."""
    runs = [train(tmp_path / str(threads), threads) for threads in (1, 2)]
    said = here("network", "diverge", *map(str, runs)).stdout
    assert "The trainings part at step 1, first in the loss." in said
    assert "backend.threads 1 there, 2 here" in said
    assert "The first operation with equal inputs and unequal results:" in said
    assert "  aten.sum.default, forward, outside of the network's modules, operation " in said
    again = train(tmp_path / "again", 2)
    said = here("network", "diverge", str(runs[1]), str(again)).stdout
    assert "No difference at the 1 steps that both recorded, up to 1." in said
    assert "operations are equal." in said
