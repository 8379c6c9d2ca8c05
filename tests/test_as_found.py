"""No test meets what another has changed of the process."""

import locale
import logging
import os
import random
import signal
import sys

import jax
import matplotlib
import numpy as np
import pytest
from as_found import STATES, left_as_found
from matplotlib import pyplot

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


CHANGES = {
    "folder": lambda: os.chdir("/"),
    "umask": lambda: os.umask(0o037),
    "path": lambda: sys.path.insert(0, "/nowhere"),
    "arguments": lambda: setattr(sys, "argv", ["other"]),
    "hook": lambda: setattr(sys, "excepthook", print),
    "signal": lambda: signal.signal(signal.SIGUSR1, lambda *_: None),
    "locale": lambda: locale.setlocale(locale.LC_ALL, "C.UTF-8"),
    "log level": lambda: logging.getLogger().setLevel(logging.DEBUG),
    "log handler": lambda: logging.getLogger().addHandler(logging.NullHandler()),
    "logs off": lambda: logging.disable(logging.ERROR),
    "random": lambda: random.seed(7),
    "numpy's generator": lambda: np.random.seed(7),  # noqa: NPY002
    "numpy's errors": lambda: np.seterr(over="raise"),
    "numpy's digits": lambda: np.set_printoptions(precision=3),
    "jax": lambda: jax.config.update("jax_default_matmul_precision", "float32"),
    "figures": lambda: matplotlib.rcParams.update({"font.size": 3}),
    "open figure": lambda: (pyplot.switch_backend("agg"), pyplot.figure()),
    "torch's generator": lambda: torch.manual_seed(7),
    "torch's numbers": lambda: torch.set_default_dtype(torch.float64),
    "torch's gradients": lambda: torch.set_grad_enabled(False),
}


def found() -> list[str]:
    values = [state.read(sys.modules[state.module]) for state in STATES]
    return [repr(v.tolist() if isinstance(v, torch.Tensor) else v) for v in values]


@pytest.mark.parametrize("name", CHANGES)
def test_every_state_is_put_back(name):
    locale.setlocale(locale.LC_ALL, "C")
    before = found()
    with pytest.raises(ZeroDivisionError), left_as_found():
        CHANGES[name]()
        changed = found()
        raise ZeroDivisionError
    assert changed != before and found() == before


@pytest.mark.parametrize("which", [1, 2])
def test_no_state_reaches_the_next_test(which):
    place, drawn = os.getcwd(), np.random.randint(2**30)  # noqa: NPY002, PTH109
    assert place != "/" and drawn == FIRST.setdefault("drawn", drawn)
    os.chdir("/")


FIRST: dict[str, int] = {}


def test_without_torch_only_variables(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    with left_as_found():
        os.environ["LEFT_BEHIND"] = "3"
    assert "LEFT_BEHIND" not in os.environ and "torch" not in sys.modules
