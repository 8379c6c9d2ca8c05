import json
import math
import os
import signal
import struct
import subprocess
import sys
import time

import pytest
from helpers import ROOT

from mrjax.errors import UserError
from mrjax.runs import jsonl, ledger

WRITER = """
import itertools, sys
from mrjax.runs.ledger import Ledger
log = Ledger(sys.argv[1])
for step in itertools.count(1):
    log.append(step, 1 / step, step, step + 1, step + 2)
"""


def write(path, losses, **changed):
    """Write a ledger, in which `changed` (step -> {field: value}) replaces values."""
    with ledger.Ledger(path) as log:
        for step, loss in enumerate(losses, 1):
            values = {"loss": loss, "params": step, "grads": 2 * step, "batch": 3 * step}
            log.append(step, **(values | changed.get(f"step{step}", {})))
    return path


def test_a_line_is_the_documented_one(tmp_path):
    path = tmp_path / "ledger.jsonl"
    with ledger.Ledger(path) as log:
        log.append(1, 0.5, params=2**64 - 1, grads=0x1F, batch=0)
    wanted = (
        '{"step":1,"loss":0.5,"loss_hex":"0x1.0000000000000p-1","params":"ffffffffffffffff",'
        '"grads":"000000000000001f","batch":"0000000000000000"}\n'
    )
    assert path.read_text() == wanted
    assert ledger.read(path) == [json.loads(wanted)]


def test_losses_are_exact_and_may_be_anything(tmp_path):
    losses = [0.1, -0.0, 5e-324, math.nan, math.inf, -math.inf]
    lines = ledger.read(write(tmp_path / "a", losses))
    assert [line["loss"] for line in lines] == [0.1, -0.0, 5e-324, None, None, None]
    assert [line["loss_hex"] for line in lines[3:]] == ["nan", "inf", "-inf"]
    back = [float.fromhex(line["loss_hex"]) for line in lines[:3]]
    assert struct.pack("<3d", *back) == struct.pack("<3d", *losses[:3])


def test_equal_ledgers_have_no_difference(tmp_path):
    losses = [1.0, math.nan, 0.25]
    a, b = write(tmp_path / "a", losses), write(tmp_path / "b", losses)
    assert ledger.first_difference(a, b) is None
    assert a.read_bytes() == b.read_bytes()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"params": 7}, "params"),
        ({"params": 7, "grads": 7}, "grads"),
        ({"params": 7, "grads": 7, "loss": 7.0}, "loss_hex"),
        ({"params": 7, "loss": 7.0, "batch": 7}, "batch"),
        ({"loss": -0.0}, "loss_hex"),
    ],
)
def test_the_first_difference_is_the_cause(tmp_path, change, field):
    losses = [1.0, 0.0, 1.0]
    a = write(tmp_path / "a", losses)
    b = write(tmp_path / "b", losses, step2=change, step3={"batch": 99})
    found = ledger.first_difference(a, b)
    assert (found.step, found.field) == (2, field)
    assert found.values == tuple(ledger.read(path)[1][field] for path in (a, b))
    assert found.values[0] != found.values[1]


def test_a_shorter_ledger_differs_at_its_end(tmp_path):
    a, b = write(tmp_path / "a", [1.0]), write(tmp_path / "b", [1.0, 2.0])
    assert ledger.first_difference(a, b) == ledger.Difference(2, "end", ("", "2"))
    assert ledger.first_difference(b, a) == ledger.Difference(2, "end", ("2", ""))


def test_spellings_of_one_loss_agree(tmp_path):
    a = write(tmp_path / "a", [0.5])
    b = tmp_path / "b"
    b.write_text(a.read_text().replace("0x1.0000000000000p-1", "0x8p-4"))
    assert a.read_bytes() != b.read_bytes()
    assert ledger.first_difference(a, b) is None


def test_cut_needs_the_checkpoints_step(tmp_path):
    path = write(tmp_path / "a", [1.0, 2.0, 3.0])
    with ledger.Ledger(path) as log:
        log.cut(2)
        assert [line["step"] for line in ledger.read(path)] == [1, 2]
        with pytest.raises(UserError, match="ends at step 2, the checkpoint is of step 3; "):
            log.cut(3)
        log.cut(0)
    assert ledger.read(path) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"grads": "12"},
        {"batch": None},
        {"params": "G" * 16},
        {"loss_hex": 0.5},
        {"loss_hex": "abc!"},
        {"step": 1},
    ],
)
def test_a_foreign_ledger_is_checked(tmp_path, wrong):
    path = write(tmp_path / "a", [1.0, 2.0])
    first, second = ledger.read(path)
    path.write_text("".join(json.dumps(line) + "\n" for line in (first, second | wrong)))
    with pytest.raises(UserError, match=r"not a ledger line; expected .*; see ") as error:
        ledger.read(path)
    assert "\n" not in str(error.value)


def test_a_killed_writer_leaves_a_readable_ledger(tmp_path):
    path = tmp_path / "ledger.jsonl"
    for _ in range(3):
        path.unlink(missing_ok=True)
        child = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], cwd=ROOT)
        while not path.exists() or path.stat().st_size < 50_000:
            assert child.poll() is None
            time.sleep(0.005)
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        lines = ledger.read(path)
        assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
        # Every line reached the system when it was written, so only the last may be incomplete.
        assert path.read_bytes().count(b"\n") == len(lines) > 300
        with ledger.Ledger(path) as log:
            log.cut(100)
            log.append(101, 0.0, 0, 0, 0)
        assert len(list(jsonl.read(path))) == 101
