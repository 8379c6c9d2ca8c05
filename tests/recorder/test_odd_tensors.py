"""Tensors that the recorder cannot read, and modes and processes beside it, end no training."""

import functools
import json
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch", reason="needs torch, which the recorder records")

from helpers import ROOT  # noqa: E402
from torch.testing._internal.two_tensor import TwoTensor  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from mrjax.diverge import parting, traces  # noqa: E402
from mrjax.recorder import Recorder, RecorderError  # noqa: E402
from mrjax.runs import ledger  # noqa: E402

pytestmark = pytest.mark.filterwarnings(
    "ignore:Sparse CSR", "ignore:The PyTorch API of nested", "ignore:Lazy modules"
)


def train(folder, model, batch, trace_at=(2,)):
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    record = Recorder(folder, model, optimizer, trace_at=trace_at, leaves=True)
    for _ in range(2):
        optimizer.zero_grad()
        x = batch if batch.layout == torch.strided else batch.to_dense()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        record.step(loss, batch)
    record.finish()
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("make", ["to_sparse", "to_sparse_csr", "to_mkldnn"])
def test_batches_of_other_layouts_have_the_digest_of_their_elements(tmp_path, make):
    batch = torch.eye(3)
    found = [
        train(tmp_path / name, torch.nn.Linear(3, 1), one)[0]["batch"]
        for name, one in (("a", batch), ("b", getattr(batch, make)()))
    ]
    assert found[0] == found[1]


def test_a_batch_of_nested_tensors_is_not_recorded(tmp_path, capsys):
    record = Recorder(tmp_path, torch.nn.Linear(2, 1))
    record.step(0.0, torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]))
    assert json.loads((tmp_path / "ledger.jsonl").read_text())["batch"] == ledger.UNRECORDED
    assert "the batch is not recorded" in capsys.readouterr().err


def test_parameters_that_wrap_tensors_are_not_recorded(tmp_path, capsys):
    model = torch.nn.Linear(3, 1)
    weight = model.weight.data
    model.weight = torch.nn.Parameter(TwoTensor(weight, weight.clone()))
    found = train(tmp_path, model, torch.eye(3))
    assert {line["params"] for line in found} == {ledger.UNRECORDED}
    assert capsys.readouterr().err.count("the parameters are not recorded") == 1
    operations = traces.read(tmp_path / "trace-000002.jsonl")
    assert any(traces.NO_DIGEST in one.given for one in operations)


def test_operations_whose_inputs_have_no_digest_are_no_origin():
    one, other = [
        traces.Operation(
            place=0,
            phase="forward",
            module="",
            op="aten.mm",
            line="",
            given=given,
            made=made,
            random=None,
        )
        for given, made in (((traces.NO_DIGEST,), ("0" * 16,)), ((traces.NO_DIGEST,), ("1" * 16,)))
    ]
    assert not parting._is_origin(one, other)
    assert parting._kind(one, other, (set(), set())) == "input"


def test_a_mode_that_began_during_a_trace_stays(tmp_path):
    model = torch.nn.Linear(3, 1)
    record = Recorder(tmp_path, model, trace_at=[1])
    with FlopCounterMode(display=False) as counter:
        for _ in range(2):
            model(torch.eye(3))
            record.step(0.0)
        assert counter.get_total_flops() == 2 * 18
    record.step(0.0)
    record.finish()
    assert torch._C._len_torch_dispatch_stack() == 0


FORK = """
import sys, torch
from torch.utils.data import DataLoader, Dataset
from mrjax.recorder import Recorder

class Data(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, place):
        return torch.full((4,), float(place)) + torch.rand(4)

torch.set_num_threads(1)
model = torch.nn.Linear(4, 1)
record = Recorder(sys.argv[1], model, trace_at=[1])
for batch in DataLoader(Data(), 2, num_workers=1, multiprocessing_context="fork"):
    record.step(model(batch).mean(), batch)
record.finish()
"""


def test_a_worker_forked_during_a_trace_does_not_hang(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FORK, str(tmp_path)], cwd=ROOT, timeout=120, capture_output=True
    )
    assert done.returncode == 0, done.stderr


def given(folder, act, op, what="given"):
    class Act(torch.nn.Module):
        def forward(self, x):
            return act(x)

    model = Act()
    record = Recorder(folder, model, trace_at=[1])
    model(torch.eye(2))
    record.step(0.0)
    found = traces.read(folder / "trace-000001.jsonl")
    return next(getattr(one, what) for one in found if one.op.startswith(op))


def test_which_argument_a_constant_is(tmp_path):
    low = given(tmp_path / "a", lambda x: torch.clamp(x, min=0.0), "aten.clamp")
    high = given(tmp_path / "b", lambda x: torch.clamp(x, max=0.0), "aten.clamp")
    assert low != high
    half = given(tmp_path / "c", lambda x: x.to(torch.float16), "aten._to_copy")
    brain = given(tmp_path / "d", lambda x: x.to(torch.bfloat16), "aten._to_copy")
    assert half != brain


def test_the_state_of_a_generator_that_an_operation_is_given(tmp_path):
    found = []
    for place, seed in enumerate((0, 0, 1)):
        own = torch.Generator().manual_seed(seed)
        act = functools.partial(torch.randn, 2, generator=own)
        found.append(given(tmp_path / str(place), lambda x, a=act: x + a(), "aten.randn", "random"))
    assert found[0] == found[1] != found[2]


def test_what_is_no_number_is_not_recorded(tmp_path, capsys):
    model = torch.nn.Linear(3, 1)
    record = Recorder(tmp_path, model, [torch.optim.SGD(model.parameters(), 0.1)])
    record.step(None)
    record.step({"a": torch.ones(())})
    record.metrics(ssim=None)
    record.finish()
    told = capsys.readouterr().err
    assert "loss is NoneType" in told and "loss is dict" in told and "ssim is NoneType" in told
    assert json.loads((tmp_path / "result.json").read_text())["metrics"] == {}


def test_lazy_parameters_and_what_is_no_optimizer_are_refused(tmp_path):
    with pytest.raises(RecorderError, match="lazy"):
        Recorder(tmp_path, torch.nn.LazyLinear(1))
    with pytest.raises(RecorderError, match="optimizer is float"):
        Recorder(tmp_path, torch.nn.Linear(1, 1), 0.1)
