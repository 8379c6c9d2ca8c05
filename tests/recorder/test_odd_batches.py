"""Batches, networks and settings of an unusual kind, as the PyTorch recorder has them."""

import argparse
import collections
import json

import pytest

torch = pytest.importorskip("torch", reason="needs torch, which the recorder records")

from mrjax.recorder import Recorder, RecorderError  # noqa: E402
from mrjax.recorder import recorder as module  # noqa: E402
from mrjax.runs import ledger  # noqa: E402


class Held:
    """A batch as an object."""

    def __init__(self, x):
        self.x, self.me = x, self


class Slotted:
    __slots__ = ("__x",)

    def __init__(self, x):
        self.__x = x


@pytest.mark.parametrize("make", [Held, Slotted, lambda x: collections.UserDict(x=x)])
def test_a_batch_that_is_an_object_is_digested(make):
    large = torch.zeros(2, 1000)
    other = large.clone()
    other[1, 500] = 1
    first, again, second = [
        module._hex(module.fingerprint(module._flat(make(x)))) for x in (large, large, other)
    ]
    assert first == again != second


def test_a_batch_without_a_digest_is_not_recorded(tmp_path, capsys):
    record = Recorder(tmp_path, torch.nn.Linear(2, 2))
    for _ in range(2):
        record.step(0.0, {"x": torch.zeros(1), "y": object()})
    record.finish()
    assert [line["batch"] for line in ledger.read(tmp_path / "ledger.jsonl")] == [
        ledger.UNRECORDED
    ] * 2
    assert capsys.readouterr().err.count("the batch is not recorded: batch/y is object") == 1


class Wrapper(torch.nn.Module):
    """Names of parameters that are equal without ``module.``."""

    def __init__(self):
        super().__init__()
        self.module = torch.nn.Linear(2, 1)
        self.weight = torch.nn.Parameter(torch.ones(1))


def test_no_parameter_is_lost_where_two_plain_names_are_equal():
    names = {"module.weight", "module.bias", "weight"}
    assert set(module._named_parameters(Wrapper())) == names == set(module._named_state(Wrapper()))


def test_settings_are_a_dictionary_or_a_namespace(tmp_path):
    Recorder(tmp_path / "a", torch.nn.Linear(2, 2), config=argparse.Namespace(lr=0.1))
    assert json.loads((tmp_path / "a" / "config.json").read_text())["config"] == {"lr": 0.1}
    with pytest.raises(RecorderError, match="config is float; expected a dictionary"):
        Recorder(tmp_path / "b", torch.nn.Linear(2, 2), config=3.0)
