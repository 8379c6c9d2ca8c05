"""No test meets what another has changed of the process."""

import os
import sys

import pytest
from as_found import left_as_found

torch = pytest.importorskip("torch", reason="needs torch, whose switches are put back")


def test_variables_and_switches_are_put_back(monkeypatch):
    monkeypatch.setenv("KEPT", "1")
    monkeypatch.setenv("CHANGED", "1")
    monkeypatch.delenv("ADDED", raising=False)
    cudnn, threads = torch.backends.cudnn, torch.get_num_threads()
    precision = cudnn.conv.fp32_precision
    with pytest.raises(ZeroDivisionError), left_as_found():
        os.environ |= {"CHANGED": "2", "ADDED": "3"}
        torch.use_deterministic_algorithms(True)
        torch.set_num_threads(threads + 1)
        cudnn.benchmark = cudnn.deterministic = True
        cudnn.conv.fp32_precision = "tf32" if precision == "ieee" else "ieee"
        raise ZeroDivisionError
    assert [os.environ.get(name) for name in ("KEPT", "CHANGED", "ADDED")] == ["1", "1", None]
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == threads
    assert not cudnn.benchmark and not cudnn.deterministic
    assert cudnn.conv.fp32_precision == precision


@pytest.mark.parametrize("which", [1, 2])
def test_a_change_does_not_reach_the_next_test(which):
    assert "LEFT_BEHIND" not in os.environ and not torch.are_deterministic_algorithms_enabled()
    os.environ["LEFT_BEHIND"] = str(which)
    torch.use_deterministic_algorithms(True)


def test_without_torch_only_variables(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    with left_as_found():
        os.environ["LEFT_BEHIND"] = "3"
    assert "LEFT_BEHIND" not in os.environ and "torch" not in sys.modules
