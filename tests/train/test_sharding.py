"""A batch is divided among the devices; each device has the whole state."""

import json
import os
import subprocess
import sys

from helpers import ROOT

PROGRAM = """
import json
import jax
import numpy as np
from mrjax.train.sharding import place_batches

numbers = np.arange(12.0).reshape(4, 3)
place, batch_of = place_batches(jax.devices(), lambda step: {"x": numbers + step})
state, batch = place({"w": np.zeros((4, 3))}), batch_of(7)
parts = {s.device.id: np.asarray(s.data).tolist() for s in batch["x"].addressable_shards}
wholes = [list(s.data.shape) for s in state["w"].addressable_shards]
print(json.dumps([parts, wholes]))
"""


def test_each_device_holds_its_part_of_a_batch_and_all_of_a_state():
    environment = {
        **os.environ,
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    parts, wholes = json.loads(done.stdout)
    assert parts == {"0": [[7, 8, 9], [10, 11, 12]], "1": [[13, 14, 15], [16, 17, 18]]}
    assert wholes == [[4, 3], [4, 3]]
