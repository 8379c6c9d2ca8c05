"""What every module of a network returns in one training step, and the gradients of the step."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
import torch
from torch import Tensor, nn

from mrjax.pytorch import weights
from mrjax.train.step import Evidence

_STAGE = re.compile(r"cell_list/(\d+)")

Layers = dict[str, np.ndarray]


def observed(
    network: nn.Module, step: Any, state: Any, batch: Any
) -> tuple[Evidence, Layers, Layers]:
    """Take a step and keep what its modules return; PyTorch's modules compute one after the other.

    Args:
        network: in training; its modules have the names of the network in JAX.
        step: (state, batch) -> (state, evidence), which changes the network.
        state: before the step.
        batch: of the step.

    Returns:
        The evidence; outputs by path of the module; gradients by path of the parameter. Arrays have
        the axes that they have in JAX.
    """
    channels = any(isinstance(one, nn.Conv2d | nn.Conv3d) for one in network.modules())
    with _watching(network, channels) as outputs:
        _, evidence = step(state, batch)
    return evidence, outputs, _on_host(weights.gradients(network))


@contextlib.contextmanager
def _watching(network: nn.Module, channels: bool) -> Iterator[Layers]:
    """Collect the outputs of all named modules."""
    outputs: Layers = {}

    def hook(name: str) -> Any:
        def keep(module: nn.Module, given: Any, output: Any) -> None:
            if isinstance(output, Tensor):
                axes = output.detach().movedim(1, -1) if channels else output.detach()
                outputs[name] = _array(axes)

        return keep

    named = [(_path(name), one) for name, one in network.named_modules() if name]
    handles = [one.register_forward_hook(hook(name)) for name, one in named]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def _path(name: str) -> str:
    """Return the path in JAX of a module in PyTorch."""
    return _STAGE.sub(r"stage\1", name.replace(".", "/"))


def _on_host(tensors: dict[str, Tensor]) -> Layers:
    return {name: _array(tensor) for name, tensor in tensors.items()}


def _array(tensor: Tensor) -> np.ndarray:
    """Return a copy on the host; bfloat16, which NumPy lacks, as JAX gives it to NumPy."""
    host = tensor.cpu()
    if host.dtype != torch.bfloat16:
        return np.array(host.numpy(), order="C")
    return np.array(host.view(torch.int16).numpy(), order="C").view(jnp.bfloat16)
