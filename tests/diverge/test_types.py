"""Tensors that differ in type or shape alone; records without these; running statistics."""

import json

import pytest

torch = pytest.importorskip("torch", reason="needs torch, whose trainings are traced")

from diverge import trainings  # noqa: E402

from mrjax.diverge import command, traces  # noqa: E402
from mrjax.recorder import Recorder  # noqa: E402
from mrjax.study.certificate import facts, words  # noqa: E402
from mrjax.study.certificate.reading import read  # noqa: E402

TRACE = "trace-000003.jsonl"


class Network(torch.nn.Module):
    """Reads a batch of any shape and type."""

    def __init__(self):
        super().__init__()
        self.norm = torch.nn.BatchNorm1d(2)

    def forward(self, x):
        return self.norm(x.float().reshape(-1, 2)).square().sum()


def train(folder, batch):
    torch.manual_seed(0)
    model = Network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    record = Recorder(folder, model, optimizer, trace_at=[1])
    loss = model(batch)
    loss.backward()
    optimizer.step()
    record.step(loss, batch)
    record.finish()
    return folder


OTHERS = {
    "int8[6]": lambda x: x.reshape(6),
    "int8[2,3]": lambda x: x.reshape(2, 3),
    "uint8[3,2]": lambda x: x.to(torch.uint8),
    "int16[3,2]": lambda x: x.to(torch.int16),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_batches_that_differ_in_shape_or_type_alone(tmp_path, kind):
    batch = torch.arange(6, dtype=torch.int8).reshape(3, 2)
    a, b = train(tmp_path / "a", batch), train(tmp_path / "b", OTHERS[kind](batch))
    lines = [json.loads((run / "ledger.jsonl").read_text()) for run in (a, b)]
    assert lines[0]["batch"] == lines[1]["batch"]
    found = facts.compare(read("A", a), read("B", b))
    assert not found.identical and found.parted == (1, ("batch",)) and found.shaped == ("batch",)
    said = "\n".join(words._pair(found))
    assert "There the values of the batch are equal; types or shapes are not." in said
    told = command.run(a, b, str(tmp_path / "out"))
    assert "The values of the batch are equal there; types or shapes are not." in told
    assert f"A tensor has equal values, but is int8[3,2] in A and {kind} in B." in told
    assert command.compare(a, b).traced[0].parting.kind == "input"
    assert f"is int8[3,2] in A and {kind} in B" in (tmp_path / "out" / "diverge.html").read_text()


def without(folder, *fields):
    """Take fields out of each line of the ledger and of the trace, as an older recorder wrote."""
    for name in ("ledger.jsonl", TRACE):
        lines = [json.loads(line) for line in (folder / name).read_text().splitlines()]
        for line in lines:
            for field in fields:
                line.pop(field, None)
            if line.get("op") == "aten.native_batch_norm.default":
                for field in ("made", "types", "samples", "sums"):
                    line[field] = line[field][:3]
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_older_records_are_compared_by_values_and_it_says_so(tmp_path):
    a, b = trainings.train(tmp_path / "a"), trainings.train(tmp_path / "b")
    pair = facts.compare(read("A", a), read("B", b))
    told = command.run(a, b)
    assert pair.typed and "values alone" not in "\n".join(words._pair(pair)) + told
    without(b, "kinds", "given_types")
    pair = facts.compare(read("A", a), read("B", b))
    assert pair.identical and not pair.typed
    assert "values alone are compared" in "\n".join(words._pair(pair))
    told = command.run(a, b)
    assert "Types and shapes were not recorded at each step; values alone are compared" in told
    assert "Step 3: types and shapes were not recorded at each line; values are compared." in told
    assert "operations are equal" in told


def test_running_statistics_are_results_of_a_batch_normalisation(tmp_path):
    folder = trainings.train(tmp_path / "a")
    norm = [one for one in traces.read(folder / TRACE) if "batch_norm" in one.op]
    forward, backward = norm
    assert forward.phase == "forward" and len(forward.made) == 5
    assert forward.types[3:] == ("float32[2]", "float32[2]")
    assert backward.phase == "backward" and len(backward.made) == 3


def test_in_evaluation_it_writes_no_statistics(tmp_path):
    model = torch.nn.BatchNorm1d(2).eval()
    record = Recorder(tmp_path, model, trace_at=[1])
    model(torch.ones(3, 2))
    record.step(1.0)
    (norm,) = [o for o in traces.read(tmp_path / "trace-000001.jsonl") if "batch_norm" in o.op]
    assert all(not kind.startswith("float32[2]") or i < 3 for i, kind in enumerate(norm.types))
    assert len(norm.made) == 3
