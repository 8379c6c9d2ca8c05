"""Ways of training: recorded they repeat, no bit is changed, and a planted cause is found."""

import json
import os
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="needs torch, which the recorder records")

from helpers import ROOT  # noqa: E402
from recorder import variants  # noqa: E402

from mrjax.diverge import command  # noqa: E402
from mrjax.study.certificate import facts, words  # noqa: E402
from mrjax.study.certificate.reading import read  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*(lr_scheduler|fork)")


def compared(folder, other):
    return facts.compare(read("A", folder / "a"), read("B", folder / other))


@pytest.mark.parametrize("kind", variants.KINDS)
def test_a_way_of_training(tmp_path, kind):
    if kind == "loaded":  # its workers are forked, which a process with JAX in it must not be
        _in_a_process(tmp_path, kind)
    else:
        variants.four(tmp_path, kind)
    same, ulp = compared(tmp_path, "b"), compared(tmp_path, "ulp")
    assert same.identical and same.typed
    assert words.verdict(same) == "A and B are identical for 6 steps."
    assert ulp.parted == (3, ("params",)) and ulp.equal == 2
    said = command.run(tmp_path / "a", tmp_path / "ulp")
    assert "part at step 3, first in the parameters" in said
    assert "Tensors that differ first, at step 3: params " in said
    lines = [json.loads(x) for x in (tmp_path / "a" / "ledger.jsonl").read_text().splitlines()]
    assert len({line["params"] for line in lines}) == 6
    assert len({line["grads"] for line in lines}) == 6
    notes = json.loads((tmp_path / "a" / "environment.json").read_text())["backend"]["notes"]
    assert notes == []


def _in_a_process(folder, kind):
    script = ROOT / "tests" / "recorder" / "variants.py"
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(script), str(folder), kind],
        env=environ, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
