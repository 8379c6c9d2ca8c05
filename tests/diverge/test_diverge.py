"""The first operation in which two trainings of PyTorch part: planted causes, each found."""

import json

import pytest

torch = pytest.importorskip("torch", reason="needs torch, whose trainings are traced")

from diverge.mutations import check  # noqa: E402
from diverge.trainings import train  # noqa: E402

from mrjax.diverge import command, parting, traces  # noqa: E402
from mrjax.recorder import Recorder  # noqa: E402
from mrjax.runs import digests  # noqa: E402


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return train(tmp_path_factory.mktemp("reference") / "run")


def parted(a, b):
    return parting.part(*(traces.read(run / "trace-000003.jsonl") for run in (a, b)))


def test_equal_trainings_have_no_differing_operation(reference, tmp_path):
    other = train(tmp_path / "b")
    found = parted(reference, other)
    assert (found.kind, found.operation, found.alone) == ("none", None, ((), ()))
    assert found.compared > 30 and not any(n for n, _ in found.differing.values())
    said = command.run(reference, other)
    assert "No difference at the 4 steps that both recorded, up to 4." in said
    assert "operations are equal" in said and "Not recorded" not in said


@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_an_operation_that_adds_in_another_order(reference, tmp_path, phase):
    found = parted(reference, train(tmp_path / "b", wobble=phase))
    assert found.kind == "operation" and found.operation is not None
    assert found.operation.op == "planted.wobbly.default"
    assert found.operation.phase == phase and found.operation.module == ""
    assert "trainings.py" in found.operation.line
    differing = {module for module, (n, _) in found.differing.items() if n}
    assert ("last" in differing) == (phase == "forward") and "first" in differing


def test_a_batch_of_its_own(reference, tmp_path):
    other = train(tmp_path / "b", batch_at=3)
    found = parted(reference, other)
    # The batch is made in the script, so its making is the first difference.
    assert found.operation is not None and found.operation.module == ""
    assert (found.kind, found.operation.op) == ("argument", "aten.mul.Tensor")
    assert "part at step 3, first in the batch" in command.run(reference, other)


def test_one_weight_by_one_unit_in_the_last_place(reference, tmp_path):
    other = train(tmp_path / "b", ulp_at=2)
    found = parted(reference, other)
    assert found.kind == "input" and found.operation is not None
    assert (found.operation.module, found.operation.phase) == ("last", "forward")
    said = command.run(reference, other)
    assert "part at step 2, first in the parameters" in said and "params last.weight" in said


def test_random_numbers(tmp_path):
    runs = [train(tmp_path / str(seed), dropout=0.5, seed=seed) for seed in (0, 1)]
    found = parted(*runs)
    assert found.kind == "input"  # by step 3 the parameters are others
    torch.manual_seed(0)
    same = [train(tmp_path / f"same{i}", dropout=0.5) for i in range(2)]
    assert parted(*same).kind == "none"
    lines = (same[0] / "trace-000003.jsonl").read_text().splitlines()
    changed = [json.loads(line) for line in lines]
    place = next(i for i, one in enumerate(changed) if one["random"])
    for one in changed[place:]:
        one["made"] = ["f" * 16 for _ in one["made"]]
    changed[place]["random"] = "0" * 16
    (same[1] / "trace-000003.jsonl").write_text("".join(json.dumps(x) + "\n" for x in changed))
    found = parted(*same)
    assert found.kind == "random" and found.operation is not None
    assert found.operation.module == "drop"


def test_another_learning_rate(reference, tmp_path):
    found = parted(reference, train(tmp_path / "b", rate=1e-2 * (1 + 1e-9)))
    assert found.kind == "argument" and found.operation is not None
    assert found.operation.phase == "update"


def test_an_operation_that_only_one_training_has(reference, tmp_path):
    found = parted(reference, train(tmp_path / "b", extra=True))
    assert found.kind == "order" and any(found.alone)


def test_what_was_not_traced_is_said(tmp_path):
    runs = [Recorder(tmp_path / name, torch.nn.Linear(1, 1)) for name in "ab"]
    for run in runs:
        run.step(1.0)
    said = command.run(tmp_path / "a", tmp_path / "b")
    assert "trace_at=[1]" in said and "between" not in said and "first in the parameters" in said
    assert "Not recorded: the batch, the gradients." in said


def test_steps_that_only_one_training_recorded_are_passed_over(tmp_path):
    model = torch.nn.Linear(1, 1)
    for name, every in (("a", 1), ("b", 3)):
        record = Recorder(tmp_path / name, model, every=every)
        for _ in range(6):
            record.step(1.0, torch.ones(1))
    said = command.run(tmp_path / "a", tmp_path / "b")
    assert "No difference at the 3 steps that both recorded, up to 6." in said
    assert "trace_at" not in said


def test_a_parting_may_lie_between_two_recorded_steps(tmp_path):
    for name, moved in (("a", 0), ("b", 2)):
        model = torch.nn.Linear(1, 1)
        torch.nn.init.ones_(model.weight)
        torch.nn.init.ones_(model.bias)
        record = Recorder(tmp_path / name, model, every=3)
        for step in range(1, 7):
            if step == moved:
                torch.nn.init.zeros_(model.bias)
            record.step(1.0, torch.ones(1))
    said = command.run(tmp_path / "a", tmp_path / "b")
    assert "The trainings part at step 3, first in the parameters." in said
    assert "No step between 1 and 3 was recorded by both, so they may have parted before" in said
    assert "record every step" in said


def test_the_digests_are_those_of_the_rule(reference):
    first = next(o for o in traces.read(reference / "trace-000003.jsonl") if o.module == "first")
    image = torch.linspace(0, 1, 64).reshape(1, 1, 8, 8).numpy()
    digest = digests.hex64(digests.fingerprint({"": image}))
    assert first.given[0] == f"{digest} float32[1,1,8,8]"


def test_damaged_traces_are_one_line_or_never_called_equal(reference, tmp_path):
    outcomes = check(reference, tmp_path, 400)
    assert {"refused", "none", "operation", "order"} < outcomes.keys()
