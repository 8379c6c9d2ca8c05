"""Causes planted in trainings of PyTorch: each is named by one call of ``diverge``."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch, whose trainings are traced")

from diverge.trainings import STEP, train  # noqa: E402

from mrjax.diverge import command  # noqa: E402
from mrjax.study.certificate import facts, reading  # noqa: E402


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return train(tmp_path_factory.mktemp("reference") / "run")


def said(a, b):
    """What one command says, and the traced step."""
    found = command.compare(a, b)
    return command.text(found), found.traced[0]


def test_a_batch_of_an_unseeded_worker(tmp_path):
    runs = [
        train(tmp_path / name, steps=8, batch_at=place, trace_at=[7])
        for name, place in (("a", 0), ("b", 7))
    ]
    text, _ = said(*runs)
    assert "The trainings part at step 7, first in the batch." in text
    assert "A has that batch of B at no step, B that of A at step 1" in text


def test_batches_in_another_order(tmp_path):
    runs = [train(tmp_path / str(order), order=order) for order in ([1, 2, 3, 4], [1, 3, 2, 4])]
    text, _ = said(*runs)
    assert "part at step 2, first in the batch" in text
    assert "The order: A has that batch of B at step 3, B that of A at step 3." in text


def test_unseeded_dropout(tmp_path):
    runs = [train(tmp_path / str(seed), dropout=0.5, seed=seed, trace_at=[1]) for seed in (0, 1)]
    text, traced = said(*runs)
    assert "part at step 1, first in the loss" in text
    assert "random number generators of torch were in different states after step 1" in text
    assert (traced.parting.kind, traced.parting.operation.module) == ("random", "drop")
    assert "The first difference is a random number" in text


def test_one_weight_by_one_unit_in_the_last_place(reference, tmp_path):
    other = train(tmp_path / "b", ulp_at=STEP - 1)
    text, traced = said(reference, other)
    assert f"part at step {STEP - 1}, first in the parameters" in text
    assert "params last.weight" in text and "the parameters were changed after it" in text
    assert traced.parting.kind == "input" and traced.parting.operation.module == "last"
    assert traced.inputs.whole and (traced.inputs.unequal, traced.inputs.ulp) == (1, 1)
    assert "Distance of that tensor: 1 of 18 elements differ; 1 ulp" in text


def test_one_thread_and_two(tmp_path):
    runs = [train(tmp_path / str(n), threads=n, trace_at=[1]) for n in (1, 2)]
    text, traced = said(*runs)
    assert traced.parting.kind == "operation"
    assert traced.parting.operation.op == "aten.sum.default"
    assert traced.first.whole and traced.first.ulp >= 1
    assert "first in the loss" in text and f"{traced.first.ulp} ulp" in text


@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_an_operation_that_adds_in_another_order(reference, tmp_path, phase):
    text, traced = said(reference, train(tmp_path / "b", wobble=phase))
    one = traced.parting.operation
    assert (one.op, one.phase) == ("planted.wobbly.default", phase)
    assert f"planted.wobbly.default, {phase}, " in text and "(trainings.py:" in text
    assert traced.first.ulp == 1 and not traced.first.whole and "at least 1 ulp" in text
    assert 1e-8 < traced.first.relative < 1e-6
    assert f"trace_at=[{STEP}], values_of=[{one.number}]" in text


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam])
def test_another_learning_rate_at_one_step(tmp_path, make):
    runs = [
        train(tmp_path / str(at), steps=6, rate_at=at, trace_at=[5], make=make) for at in (0, 5)
    ]
    text, traced = said(*runs)
    assert "part at step 5, first in the parameters" in text
    assert "the update differs (a learning rate" in text
    found = traced.parting
    assert (found.kind, found.operation.phase, found.operation.module) == (
        "argument", "update", "first",
    )  # fmt: skip
    assert "  Arguments: -0.0" in text
    assert make is torch.optim.Adam or "Arguments: -0.01 in A, -0.015 in B." in text
    pair = facts.compare(*(reading.read(label, run) for label, run in zip("AB", runs, strict=True)))
    assert pair.parted == (5, ("params",)) and pair.equal == 4


@pytest.mark.parametrize("foreach", [False, True])
def test_updates_of_all_parameters_together_are_seen(tmp_path, foreach):
    def make(parameters, rate):
        return torch.optim.SGD(parameters, rate, foreach=foreach)

    runs = [train(tmp_path / str(at), rate_at=at, make=make) for at in (0, STEP)]
    _, traced = said(*runs)
    assert traced.parting.operation.phase == "update"
    assert ("foreach" in traced.parting.operation.op) == foreach


def test_a_metric_computed_otherwise(reference, tmp_path):
    text, traced = said(reference, train(tmp_path / "b", metric=0.25))
    assert "No difference at the 4 steps that both recorded" in text
    assert "The metric ssim differs first at step 3 (0.6875, 0.9375), though the parameters" in text
    assert traced.parting.kind == "none"
    runs = [reading.read(label, run) for label, run in (("A", reference), ("B", tmp_path / "b"))]
    assert facts.compare(*runs).metrics["ssim"].largest == (0.25, 3)


def test_a_module_computed_by_other_operations(tmp_path):
    runs = [train(tmp_path / str(fused), fused=fused, trace_at=[1]) for fused in (True, False)]
    text, traced = said(*runs)
    assert traced.parting.kind == "order"
    assert traced.parting.operation.op == "aten.silu.default"
    assert {"aten.sigmoid.default", "aten.mul.Tensor"} <= {
        one.op for one in traced.parting.alone[1]
    }
    assert "equal inputs and unequal outputs: module scale (output)" in text


def test_an_operation_more_moves_no_other(reference, tmp_path):
    text, traced = said(reference, train(tmp_path / "b", extra=True))
    assert traced.parting.kind == "order" and not traced.parting.alone[0]
    ops = [one.op for one in traced.parting.alone[1]]
    assert ops[:2] == ["aten.mul.Tensor", "aten.add.Tensor"]
    assert "planted.wobbly" not in text


def test_values_on_request(tmp_path):
    number = command.compare(
        train(tmp_path / "a"), train(tmp_path / "b", wobble="forward")
    ).traced[0].parting.operation.number  # fmt: skip
    runs = [
        train(tmp_path / f"{name}2", wobble=wobble, values_of=[number, "last"])
        for name, wobble in (("a", ""), ("b", "forward"))
    ]
    text, traced = said(*runs)
    given, made = traced.values[number]
    assert (given.name, given.equal, made.name, made.equal) == ("given_0", True, "made_0", False)
    assert made.distance.whole and made.distance.ulp == 1
    assert made.distance.unequal == made.distance.seen == 2 * 8 * 8
    assert f"made_0: 128 of 128 elements differ; 1 ulp; {made.distance.relative:.2g}" in text
    arrays = [np.load(run / f"values-{STEP:06d}-{number:06d}.npz")["made_0"] for run in runs]
    exact = np.linalg.norm(arrays[1] - arrays[0]) / np.linalg.norm(arrays[0])
    assert made.distance.relative == pytest.approx(exact, rel=1e-6)
    assert traced.distances[number].relative == pytest.approx(exact, rel=0.6)
    last = [line for line, _ in traced.parting.modules if line.module == "last"]
    assert {line.number for line in last} & traced.values.keys()
