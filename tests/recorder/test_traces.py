"""Traces of the recorder: they change nothing, and say which module made what."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs torch, which the recorder records")

from recorder import training  # noqa: E402

from mrjax.recorder import Recorder, RecorderError  # noqa: E402
from mrjax.runs import digests  # noqa: E402


class Block(torch.nn.Module):
    """A skip connection, an operation in place behind a convolution, and a dictionary as output."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 2, 3, padding=1)
        self.act = torch.nn.ReLU(inplace=True)

    def forward(self, x, *, scale):
        return {"y": x + scale * self.act(self.conv(x))}


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.head = torch.nn.Conv2d(1, 2, 1)
        self.block = Block()
        self.drop = torch.nn.Dropout(0.3)
        self.unused = torch.nn.Linear(2, 2)

    def forward(self, x):
        x = self.head(x)
        for _ in range(2):  # the same weights twice
            x = self.block(x, scale=0.5)["y"]
        return self.drop(x).sum(1)


def train(folder, trace_at=(2,), compiled=False, values_of=(), make=torch.optim.Adam):
    torch.manual_seed(0)
    model = Network()
    called = torch.compile(model, backend="eager") if compiled else model
    optimizer = make(model.parameters())
    record = Recorder(folder, called, optimizer, trace_at=trace_at, values_of=values_of)
    for step in range(3):
        x = torch.linspace(0, 1 + step, 128).reshape(2, 1, 8, 8)
        optimizer.zero_grad()
        loss = called(x).square().mean()
        loss.backward()
        optimizer.step()
        record.step(loss, x)
    record.finish()
    return folder, model


def lines(folder, name="trace-000002.jsonl"):
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def outline(folder, op):
    return [line for line in lines(folder) if line["op"] == f"module.{op}"]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_trace_changes_no_bit(tmp_path, compiled):
    plain, _ = train(tmp_path / "plain", trace_at=(), compiled=compiled)
    traced, _ = train(tmp_path / "traced", trace_at=(1, 2), values_of=[4], compiled=compiled)
    assert lines(plain, "ledger.jsonl") == lines(traced, "ledger.jsonl")


class Branches(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(3, 1)

    def forward(self, x):
        x = self.inner(x)
        return torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,))


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")  # of the compiler
def test_a_branch_chosen_by_a_tensor_is_one_operation(tmp_path):
    for name, trace_at in (("plain", ()), ("traced", [2])):
        torch.manual_seed(0)
        model = Branches()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        record = Recorder(tmp_path / name, model, optimizer, trace_at=trace_at)
        for _ in range(3):
            optimizer.zero_grad()
            loss = model(torch.eye(3)).square().mean()
            loss.backward()
            optimizer.step()
            record.step(loss)
    assert lines(tmp_path / "plain", "ledger.jsonl") == lines(tmp_path / "traced", "ledger.jsonl")
    branches = [line["phase"] for line in lines(tmp_path / "traced") if line["op"] == "cond"]
    assert branches == ["forward", "backward"]


def test_nothing_is_left_behind_a_trace(tmp_path):
    _, model = train(tmp_path / "a", trace_at=(2, 4))  # the fourth step never comes
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks
    assert all(not leaf._backward_hooks for leaf in model.parameters())
    before = (tmp_path / "a" / "trace-000002.jsonl").read_bytes()
    torch.ones(3) + 1
    assert (tmp_path / "a" / "trace-000002.jsonl").read_bytes() == before
    assert not (tmp_path / "a" / "trace-000004.jsonl").exists()


def test_modules_have_lines_of_their_outputs_and_gradients(tmp_path):
    folder, _ = train(tmp_path / "a")
    outputs = [line["module"] for line in outline(folder, "output")]
    block = ["block.conv", "block.act", "block"]
    assert outputs == ["head", *block, *block, "drop", ""]
    gradients = [line["module"] for line in outline(folder, "gradient") if line["made"]]
    assert sorted(gradients) == sorted([*block, *block, "drop"])
    parameters = {line["module"]: line["made"] for line in outline(folder, "parameters")}
    assert parameters.keys() == {"head", "block.conv"}
    assert [line["random"] is not None for line in outline(folder, "output")][-2:] == [True, True]


def test_the_gradient_of_a_module_is_that_of_torch(tmp_path):
    """Seen by torch's own hooks for gradients, which a trace must not use."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    record = Recorder(tmp_path / "a", model, trace_at=[1])
    x = torch.linspace(-1, 1, 6).reshape(2, 3)
    model(x).sum().backward()
    seen = {}

    def note(module, inputs, outputs):
        seen[id(module)] = (inputs[0].numpy(), outputs[0].numpy())

    record.step(1.0, x)
    grads = [model[k].weight.grad.numpy().copy() for k in (0, 2)]
    for module in (model[1], model[2]):
        module.register_full_backward_hook(note)
    model(x).sum().backward()

    def digest(array):
        return digests.hex64(digests.fingerprint({"": array}))

    found = lines(tmp_path / "a", "trace-000001.jsonl")
    gradients = {o["module"]: o for o in found if o["op"] == "module.gradient" and o["made"]}
    for name, module in (("1", model[1]), ("2", model[2])):
        inputs, outputs = seen[id(module)]
        assert gradients[name]["made"] == [digest(inputs)]
        assert gradients[name]["given"][-1] == digest(outputs)
    parameters = {o["module"]: o["made"][0] for o in found if o["op"] == "module.parameters"}
    assert parameters == {"0": digest(grads[0]), "2": digest(grads[1])}


def test_updates_in_place_and_of_many_tensors_are_seen(tmp_path):
    def make(parameters):
        return torch.optim.Adam(parameters, foreach=True)

    folder, _ = train(tmp_path / "a", make=make)
    update = [line for line in lines(folder) if line["phase"] == "update"]
    assert any(line["op"].startswith("aten._foreach_addcdiv_") for line in update)
    assert all(len(line["made"]) == len(line["types"]) for line in update)
    single, _ = train(tmp_path / "b")
    owners = {line["module"] for line in lines(single) if line["phase"] == "update"}
    assert {"head", "block.conv"} < owners


def test_values_are_those_of_the_trace(tmp_path):
    folder, _ = train(tmp_path / "a", values_of=[5, "block.conv"])
    found = {int(path.stem[-6:]): path for path in folder.glob("values-000002-*.npz")}
    ops = {line["step"] + 1: line for line in lines(folder)}
    assert 5 in found
    named = [number for number in found if number != 5]
    assert {ops[number]["module"] for number in named} == {"block.conv"} and len(named) == 5
    for number, path in found.items():
        with np.load(path) as arrays:
            made = [arrays[name] for name in arrays.files if name.startswith("made")]
            known = [digests.hex64(digests.fingerprint({"": array})) for array in made]
            assert known == ops[number]["made"]


def test_values_without_a_trace_are_refused(tmp_path):
    with pytest.raises(RecorderError, match="without trace_at"):
        Recorder(tmp_path / "a", training.network(0.0), values_of=[1])


def test_an_old_torch_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.delattr(torch._C, "_current_autograd_node")
    train(tmp_path / "a")
    assert "cannot trace operations; torch 2.1 can" in capsys.readouterr().err
    assert not list((tmp_path / "a").glob("trace-*"))
