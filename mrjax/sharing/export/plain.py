"""A trained network in plain PyTorch, through its twin: a class, its arguments and its state."""

import dataclasses
import importlib
import io
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from mrjax.pytorch import nets, unet, varnet, weights
from mrjax.sharing.export.trained import Trained

State = dict[str, Tensor]
NETWORK = "network.py"
"""Name of the module beside exported weights."""
_FOLDER = Path(__file__).parent / "networks"
_PAIR = re.compile(r"(?:(down|merge)(\d+)|(bottom))_([01])\.")


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
    return _OF[found.task](found)


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


def channels_first(array: np.ndarray) -> np.ndarray:
    """Return (batch, channel, *space), contiguous, of (batch, *space, channel)."""
    return np.ascontiguousarray(np.moveaxis(array, -1, 1))


def real(array: np.ndarray) -> np.ndarray:
    """Return (batch, 2 n, row, column), float32, of complex (batch, n, row, column)."""
    both = np.stack([array.real, array.imag], axis=2)
    return both.reshape(array.shape[0], -1, *array.shape[2:]).astype(np.float32)


def inputs(found: Trained) -> dict[str, np.ndarray]:
    """Return the test input as the network in PyTorch takes it, by the names of its arguments."""
    if found.task == "varnet":
        first = {name: real(np.asarray(found.inputs[name])) for name in ("kspace", "maps")}
        return {**first, "mask": np.asarray(found.inputs["mask"], np.float32)}
    return {k: channels_first(v).astype(np.float32) for k, v in found.inputs.items()}


def output(found: Trained) -> np.ndarray:
    """Return the output of JAX for the test input as the network in PyTorch gives it."""
    array = in_float32(found)
    return real(array[:, None]) if found.task == "varnet" else channels_first(array)


def stacked(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the inputs of a variational network as the one input of ``StackedVarNet``."""
    kspace, mask = arrays["kspace"], arrays["mask"]
    plane = np.broadcast_to(mask[:, None, None, :], (kspace.shape[0], 1, *kspace.shape[2:]))
    return np.concatenate([kspace, arrays["maps"], plane], axis=1)


def _loaded(twin: nn.Module, found: Trained) -> State:
    params, stats = found.weights
    weights.load_weights(twin, params, stats or None)
    return {name: tensor.detach().clone() for name, tensor in twin.state_dict().items()}


def _unet(twin: nn.Module, found: Trained) -> State:
    """Rename the twin's tensors, and divide its running averages by their weight."""
    state = _loaded(twin, found)
    renamed: State = {}
    for name, tensor in state.items():
        owner, _, leaf = name.rpartition(".")
        if owner.endswith(".norm"):
            if leaf == "weight":
                renamed[f"{_name(owner)}.num_batches_tracked"] = torch.tensor(0)
                continue
            if leaf in ("mean", "var"):
                leaf, tensor = f"running_{leaf}", tensor / state[f"{owner}.weight"]
            leaf = "weight" if leaf == "scale" else leaf
        renamed[f"{_name(owner)}.{leaf}"] = tensor
    return {f"network.{name}": tensor for name, tensor in renamed.items()}


def _name(owner: str) -> str:
    """Return the path in `networks.unet.UNet` of a module of the twin."""

    def place(match: re.Match[str]) -> str:
        path, level, bottom, number = match.groups()
        return f"{bottom}.{number}." if bottom else f"{path}.{level}.{number}."

    return re.sub(r"^up(\d+)$", r"up.\1", _PAIR.sub(place, f"{owner}.").removesuffix("."))


def _qsm(found: Trained) -> Plain:
    c = found.config
    (known,) = found.arguments()
    constants = {k: torch.tensor(v) for k, v in dataclasses.asdict(known).items()}
    state = constants | _unet(nets.QSMnet(c.width, c.levels, c.window), found)
    arguments = {"width": c.width, "levels": c.levels, "window": c.window}
    return Plain("unet", "QsmNet", "QsmNet", arguments, state)


def _breast(found: Trained) -> Plain:
    c = found.config
    channels = found.inputs["image"].shape[-1]
    state = _unet(unet.UNet2d(channels, c.width, c.levels), found)
    arguments = {"inputs": channels, "width": c.width, "levels": c.levels}
    return Plain("unet", "BreastNet", "BreastNet", arguments, state)


def _varnet(found: Trained) -> Plain:
    c = found.config
    state = _loaded(varnet.TunedVarNet(c.stages, c.width, c.nodes, c.window), found)
    arguments = {"stages": c.stages, "filters": c.width, "nodes": c.nodes, "window": c.window}
    return Plain("varnet", "VarNet", "StackedVarNet", arguments, state)


_OF: Mapping[str, Callable[[Trained], Plain]] = {
    "qsm": _qsm,
    "breast": _breast,
    "varnet": _varnet,
}
