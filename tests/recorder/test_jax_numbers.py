"""Losses, metrics and kinds of arrays of JAX trainings: odd ones are told in one line."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.recorder import JaxRecorder
from mrjax.runs import jsonl, ledger
from mrjax.study.certificate import facts
from mrjax.study.certificate.reading import read

PARAMS = {"w": jnp.ones(3)}
ODD = {
    "NoneType": None,
    "dict": {"loss": 1.0},
    "str": "0.5",
    "list": [1.0, 2.0],
    "complex": 1j,
    "ndarray of object": np.array([None]),
    "ArrayImpl of complex64": jnp.complex64(1j),
    "ndarray of float64": np.zeros(0),
}
NUMBERS = {
    "float": 0.5,
    "bool": True,
    "float32": np.float32(0.25),
    "bfloat16": jnp.bfloat16(2),
    "one element": jnp.full((1, 1), 3.0),
    "int": np.int64(-1),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_number_is_said_and_the_step_is_recorded(tmp_path, capsys, kind):
    with JaxRecorder(tmp_path / "a", PARAMS) as record:
        for _ in range(2):
            record.step(ODD[kind], params=PARAMS, grads=PARAMS, batch=PARAMS)
            record.metrics(ssim=ODD[kind])
    told = capsys.readouterr().err.splitlines()
    rest = "expected a number or an array of one element; NaN is recorded; give the number itself"
    assert told == [f"note: recorder: {name} is {kind}; {rest}" for name in ("loss", "ssim")]
    lines = ledger.read(tmp_path / "a" / "ledger.jsonl")
    assert [(line["step"], line["loss"], line["loss_hex"]) for line in lines] == [
        (1, None, "nan"),
        (2, None, "nan"),
    ]
    metrics = list(jsonl.read(tmp_path / "a" / "metrics.jsonl"))
    assert metrics == [{"step": 1, "ssim": None}, {"step": 2, "ssim": None}]
    assert (tmp_path / "a" / "result.json").exists()


def test_numbers_of_any_kind_are_recorded(tmp_path, capsys):
    with JaxRecorder(tmp_path / "a", PARAMS) as record:
        for value in NUMBERS.values():
            record.step(value, params=PARAMS, grads=PARAMS, batch=PARAMS)
    losses = [line["loss"] for line in ledger.read(tmp_path / "a" / "ledger.jsonl")]
    assert losses == [0.5, 1.0, 0.25, 2.0, 3.0, -1.0] and capsys.readouterr().err == ""


def test_of_several_elements_the_mean_is_recorded_and_said(tmp_path, capsys):
    with JaxRecorder(tmp_path / "a", PARAMS) as record:
        record.step(jnp.array([1.0, 2.0]), params=PARAMS, grads=PARAMS, batch=PARAMS)
    assert ledger.read(tmp_path / "a" / "ledger.jsonl")[0]["loss"] == 1.5
    assert "loss has 2 elements; expected a number" in capsys.readouterr().err


def test_a_loss_that_is_donated_after_its_step_is_recorded(tmp_path, capsys):
    again = jax.jit(lambda loss: loss + 1, donate_argnums=0)
    with JaxRecorder(tmp_path / "a", PARAMS) as record:
        loss = jnp.float32(4.0)
        record.step(loss, params=PARAMS, grads=PARAMS, batch=PARAMS)
        later = again(loss)
        assert loss.is_deleted()
        record.step(loss, params=PARAMS, grads=PARAMS, batch=PARAMS)
        record.step(later, params=PARAMS, grads=PARAMS, batch=PARAMS)
    losses = [line["loss"] for line in ledger.read(tmp_path / "a" / "ledger.jsonl")]
    assert losses == [4.0, None, 5.0]
    assert "loss is an array that was donated; expected" in capsys.readouterr().err


@pytest.mark.parametrize("other", [(2, 3), (6,), "float16"])
def test_batches_that_differ_in_shape_or_type_alone_differ(tmp_path, other):
    batches = {"a": np.zeros((3, 2), np.float32)}
    batches["b"] = batches["a"].astype(other) if other == "float16" else np.zeros(other, np.float32)
    for name, batch in batches.items():
        with JaxRecorder(tmp_path / name, PARAMS) as record:
            record.step(1.0, params=PARAMS, grads=PARAMS, batch=batch)
    lines = [ledger.read(tmp_path / name / "ledger.jsonl")[0] for name in "ab"]
    assert lines[0]["batch"] == lines[1]["batch"]
    found = facts.compare(*(read(name.upper(), tmp_path / name) for name in "ab"))
    assert (found.parted, found.shaped) == ((1, ("batch",)), ("batch",)) and not found.identical


def test_kinds_are_those_of_the_pytorch_recorder(tmp_path):
    torch = pytest.importorskip("torch", reason="needs torch, which the recorder records")
    from mrjax.recorder import Recorder

    batch = {"x": np.zeros((2, 3), np.float32), "n": np.arange(3)}
    with JaxRecorder(tmp_path / "jax", PARAMS) as record:
        record.step(1.0, params=PARAMS, batch=batch)
    record = Recorder(tmp_path / "torch", torch.nn.Linear(1, 1))
    record.step(1.0, {name: torch.from_numpy(array) for name, array in batch.items()})
    found = [
        json.loads((tmp_path / name / "ledger.jsonl").read_text())["kinds"]["batch"]
        for name in ("jax", "torch")
    ]
    assert found[0] == found[1] != ledger.UNRECORDED
