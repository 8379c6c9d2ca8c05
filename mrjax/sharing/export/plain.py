"""A trained network in plain PyTorch: a class, its arguments and its state."""

import dataclasses
import importlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mrjax.sharing.export.trained import Trained

State = dict[str, Tensor]
NETWORK = "network.py"
"""Name of the module beside exported weights."""
_FOLDER = Path(__file__).parent / "networks"


class Plain(NamedTuple):
    """A network in plain PyTorch.

    Attributes:
        module: name of its module in `mrjax.sharing.export.networks`.
        name: name of its class there.
        stacked: name of the class with the same parameters and a single input.
        arguments: arguments of either class.
        state: its parameters and buffers, on the host.
    """

    module: str
    name: str
    stacked: str
    arguments: dict[str, int]
    state: State

    @property
    def source(self) -> bytes:
        """The module's file, which imports torch alone."""
        return (_FOLDER / f"{self.module}.py").read_bytes()

    def network(self) -> nn.Module:
        """Return the network itself, for inference."""
        module = importlib.import_module(f"mrjax.sharing.export.networks.{self.module}")
        made = getattr(module, self.name)(**self.arguments)
        made.load_state_dict(self.state)
        return made.eval()


def of(found: Trained) -> Plain:
    """Return a trained network in plain PyTorch."""
    form, (params, stats) = found.export.torch, found.weights
    state = form.state(found.config, params, stats or {}, found.constants)
    return Plain(
        module=form.module,
        name=form.name,
        stacked=form.stacked,
        arguments=form.arguments(found.config),
        state={name: torch.from_numpy(np.array(array, order="C")) for name, array in state.items()},
    )


def saved(state: Mapping[str, Tensor]) -> bytes:
    """Return the bytes of a state_dict; ``torch.load(..., weights_only=True)`` reads them."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue()


def in_float32(found: Trained) -> np.ndarray:
    """Return the output that a copy in PyTorch, which computes in float32, is compared with."""
    if found.expected is not None and found.config.dtype == "float32":
        return found.expected
    return found.output(dataclasses.replace(found.config, dtype="float32"))


def inputs(found: Trained) -> dict[str, np.ndarray]:
    """Return the test input as the network in PyTorch takes it, by the names of its arguments."""
    return found.export.torch.inputs(found.inputs)


def output(found: Trained) -> np.ndarray:
    """Return the output of JAX for the test input as the network in PyTorch gives it."""
    return found.export.torch.output(in_float32(found))
