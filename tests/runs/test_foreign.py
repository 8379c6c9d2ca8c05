"""A program that knows only the documentation writes a run folder that mrjax accepts."""

import math
import subprocess
import sys

import numpy as np
import pytest

from mrjax.runs import digests, ledger, result
from mrjax.runs.folder import open_run

PROGRAM = """
import hashlib, json, os, struct, sys
folder = sys.argv[1]
values = [0.5, -1.25]
packed = struct.pack("<2f", *values)
content = hashlib.sha256(b"net/w\\nfloat32\\n1,2\\n" + packed).hexdigest()

def mix(z):
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
    return z ^ z >> 31

seed = int.from_bytes(hashlib.sha256(b"net/w").digest()[:8], "little")
bits = struct.unpack("<2I", packed)
terms = (seed + i * 0x9E3779B97F4A7C15 + b * 0xD1342543DE82EF95 for i, b in enumerate(bits))
digest = "%016x" % (sum(mix(z % 2**64) for z in terms) % 2**64)

def write(name, record, mode="w"):
    with open(os.path.join(folder, name), mode) as file:
        json.dump(record, file)
        file.write("\\n")

write("config.json", {"schema_version": 1, "digest": "c" * 64, "config": {"seed": 0}})
write("environment.json", {"schema_version": 1, "program": "other 1.0"})
for step, loss in ((1, "0x1p-1"), (2, "nan")):
    line = {"step": step, "loss": None, "loss_hex": loss}
    write("ledger.jsonl", line | dict.fromkeys(["params", "grads", "batch"], digest), "a")
names = ("init", "order", "data", "params", "predictions")
write("result.json", {
    "schema_version": 1, "experiment": "qsm", "framework": "other", "level": "not_guaranteed",
    "steps": 2, "subjects": ["a"], "metrics": {"nrmse": [0.5]}, "baselines": {},
    "digests": dict.fromkeys(names, content), "memory_bytes": None,
    "seconds": {"setup": 0, "compile": 0, "train": 1.5, "infer": 0},
})
"""


@pytest.fixture
def folder(tmp_path):
    subprocess.run([sys.executable, "-I", "-c", PROGRAM, str(tmp_path)], check=True)
    return tmp_path


def test_its_digests_are_ours(folder):
    weights = {"net/w": np.array([[0.5, -1.25]], np.float32)}
    assert result.read(folder)["digests"]["params"] == digests.content(weights)
    lines = ledger.read(folder / "ledger.jsonl")
    assert [line["params"] for line in lines] == [digests.hex64(digests.fingerprint(weights))] * 2


def test_its_ledger_compares_with_ours(folder, tmp_path_factory):
    ours = tmp_path_factory.mktemp("ours") / "ledger.jsonl"
    value = int(ledger.read(folder / "ledger.jsonl")[0]["params"], 16)
    with ledger.Ledger(ours) as log:
        log.append(1, 0.5, value, value, value)
        log.append(2, math.nan, value, value, value)
    assert ledger.first_difference(ours, folder / "ledger.jsonl") is None


def test_its_run_is_finished(folder):
    _, state = open_run(
        folder,
        flags_text="",
        config={"seed": 0},
        config_digest="c" * 64,
        environment={"schema_version": 1, "program": "other 1.0"},
        resume=True,
        allow_mixed=False,
    )
    assert state == "finished"
