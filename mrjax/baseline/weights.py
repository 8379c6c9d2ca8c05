"""U-Net weights between Linen's trees and PyTorch's modules: a permutation, nothing else."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

_LEAVES = {
    nn.Conv2d: "kernel",
    nn.Conv3d: "kernel",
    nn.ConvTranspose2d: "transposed_kernel",
    nn.ConvTranspose3d: "transposed_kernel",
}


def _axes(leaf: str, ndim: int) -> tuple[int, ...]:
    """Return torch's axes in terms of Linen's: (*space i o) -> (o i *space), or (i o *space)."""
    space, inputs, outputs = tuple(range(ndim - 2)), ndim - 2, ndim - 1
    if leaf == "kernel":
        return (outputs, inputs, *space)
    return (inputs, outputs, *space) if leaf == "transposed_kernel" else tuple(range(ndim))


def _torch_name(path: str) -> tuple[str, str]:
    """Return torch's name of a Linen leaf, and the leaf's own last name."""
    *modules, leaf = path.split("/")
    last = "bias" if leaf == "bias" else "weight"
    return ".".join([*modules, last]), leaf


def load_weights(network: nn.Module, leaves: Mapping[str, np.ndarray]) -> None:
    """Copy Linen parameters into the torch network, exactly.

    Args:
        network: the torch network; its parameters are overwritten, running statistics are not.
        leaves: ``down0_0/conv/kernel`` and so on to arrays in Linen's axes; all of them.

    Raises:
        ValueError: if names or shapes are not those of the network.
    """
    parameters = dict(network.named_parameters())
    names = {path: _torch_name(path) for path in leaves}
    if {name for name, _ in names.values()} != set(parameters):
        different = {name for name, _ in names.values()} ^ set(parameters)
        raise ValueError(f"leaves and network do not match: {sorted(different)}")
    with torch.no_grad():
        for path, (name, leaf) in names.items():
            array = np.asarray(leaves[path])
            array = array.transpose(_axes(leaf, array.ndim))
            if array.shape != tuple(parameters[name].shape):
                raise ValueError(f"{path} has shape {array.shape}, torch {parameters[name].shape}")
            parameters[name].copy_(torch.from_numpy(np.ascontiguousarray(array)))


def read_weights(network: nn.Module) -> dict[str, np.ndarray]:
    """Return the torch network's parameters under Linen's names and in Linen's axes.

    Args:
        network: the torch network.

    Returns:
        The dict that `load_weights` takes, bit for bit.
    """
    return dict(
        _linen_leaf(network, name, parameter) for name, parameter in network.named_parameters()
    )


def _linen_leaf(network: nn.Module, name: str, parameter: Tensor) -> tuple[str, np.ndarray]:
    module, _, last = name.rpartition(".")
    leaf = last
    if last == "weight":
        kind = network.get_submodule(module)
        leaf = _LEAVES.get(type(kind), "scale")
    array = parameter.detach().cpu().numpy()
    array = array.transpose(np.argsort(_axes(leaf, array.ndim)))
    return f"{module.replace('.', '/')}/{leaf}", np.ascontiguousarray(array)
