"""Weights between Linen's trees and PyTorch's modules, by a permutation of axes alone.

Every parameter, gradient and running statistic of a torch network is seen here under its Linen path
and in Linen's axes, as a view on its tensor. Numbers are therefore read and written bit for bit,
whatever the memory format or the device.
"""

import re
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from mrjax.errors import UserError
from mrjax.pytorch.public_varnet import LEAVES

_CONVOLUTIONS = (nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose2d, nn.ConvTranspose3d)
_STAGE = re.compile(r"cell_list\.(\d+)\.(.+)")
_FLOATS = (np.dtype("float32"), np.dtype("float64"))


def _path_and_view(network: nn.Module, name: str, tensor: Tensor) -> tuple[str, Tensor]:
    """Return the Linen path of a parameter or buffer, and the tensor in Linen's axes."""
    if stage := _STAGE.fullmatch(name):
        leaf = LEAVES[stage[2]]
        view = {"kernel": lambda t: t[:, 0].permute(1, 2, 3, 0), "rbf": lambda t: t[0, :, 0, 0]}
        return f"stage{stage[1]}/{leaf}", view.get(leaf, lambda t: t)(tensor)
    module, _, leaf = name.rpartition(".")
    owner = network.get_submodule(module)
    space = range(2, tensor.ndim)
    if leaf == "weight" and isinstance(owner, _CONVOLUTIONS):  # (o i *space)
        leaf, tensor = "kernel", tensor.permute(*space, 1, 0)
    elif leaf == "weight" and isinstance(owner, _TRANSPOSED):  # (i o *space)
        leaf, tensor = "transposed_kernel", tensor.permute(*space, 0, 1)
    return f"{module.replace('.', '/')}/{leaf}", tensor


def parameters(network: nn.Module) -> dict[str, Tensor]:
    """Return views on the parameters, without gradient, by Linen path and in Linen's axes.

    Args:
        network: a U-Net or VarNet of this package.

    Returns:
        Name, such as ``down0_0/conv/kernel`` or ``stage0/kernel``, -> view on the device.
    """
    return dict(_path_and_view(network, k, p.detach()) for k, p in network.named_parameters())


def gradients(network: nn.Module) -> dict[str, Tensor]:
    """Return views on the gradients, like `parameters`; zeros if none was computed.

    Args:
        network: after a backward pass.

    Returns:
        A tensor for each parameter.
    """
    return dict(
        _path_and_view(network, k, torch.zeros_like(p) if p.grad is None else p.grad.detach())
        for k, p in network.named_parameters()
    )


def statistics(network: nn.Module) -> dict[str, Tensor]:
    """Return views on the running statistics, like `parameters`.

    Args:
        network: a U-Net or VarNet of this package; the latter has no statistics.

    Returns:
        Name, such as ``down0_0/norm/mean``, -> view on the device.
    """
    return dict(_path_and_view(network, k, b) for k, b in network.named_buffers())


def load_weights(
    network: nn.Module,
    leaves: Mapping[str, np.ndarray],
    stats: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Copy Linen parameters and, if given, running statistics into the torch network.

    Numbers are copied exactly if they are of the network's type, and rounded to it otherwise.

    Args:
        network: overwritten on its device, in its memory format.
        leaves: Linen path -> array in Linen's axes, for all parameters; float32 or float64
            throughout.
        stats: the same for running statistics; None leaves those of the network unchanged.

    Raises:
        UserError: names or shapes are those of another network, or data types are mixed or not
            floating-point. Nothing has been written then.
    """
    groups = [("parameters", leaves, parameters(network))]
    if stats is not None:
        groups.append(("running statistics", stats, statistics(network)))
    arrays = [{k: np.asarray(v) for k, v in given.items()} for _, given, _ in groups]
    for (kind, _, wanted), given in zip(groups, arrays, strict=True):
        for problem in _mismatches(given, wanted):
            raise UserError(
                f"{kind} are not those of this network: {problem}; expected a network of the "
                "same architecture; check width, levels or stages of both"
            )
    _check_types({k: v for given in arrays for k, v in given.items()})
    with torch.no_grad():
        for (_, _, wanted), given in zip(groups, arrays, strict=True):
            for path, view in wanted.items():
                view.copy_(torch.from_numpy(np.array(given[path], order="C")))


def _mismatches(given: Mapping[str, np.ndarray], wanted: Mapping[str, Tensor]) -> Iterator[str]:
    """Say what differs, with the first name of each kind of difference."""
    for name in sorted(wanted.keys() - given.keys())[:1]:
        yield f"{name} is missing"
    for name in sorted(given.keys() - wanted.keys())[:1]:
        yield f"{name} is unexpected"
    for name in sorted(wanted.keys() & given.keys()):
        if given[name].shape != tuple(wanted[name].shape):
            yield f"{name} has shape {given[name].shape}, here {tuple(wanted[name].shape)}"


def _check_types(arrays: Mapping[str, np.ndarray]) -> None:
    """Require one floating-point type throughout."""
    first: dict[np.dtype, str] = {}
    for name, array in arrays.items():
        first.setdefault(array.dtype, name)
    if len(first) > 1 or not first.keys() <= set(_FLOATS):
        found = ", ".join(f"{name} {dtype}" for dtype, name in first.items())
        raise UserError(
            f"weights are of unsuited data types ({found}); expected float32 throughout, or "
            "float64; convert all of them to one type"
        )


def read_weights(network: nn.Module) -> dict[str, np.ndarray]:
    """Return the parameters on the host, as `load_weights` takes them, bit for bit.

    Args:
        network: a U-Net or VarNet of this package.

    Returns:
        Linen path -> array in Linen's axes.
    """
    return _to_host(parameters(network))


def read_stats(network: nn.Module) -> dict[str, np.ndarray]:
    """Return the running statistics on the host, as `load_weights` takes them, bit for bit.

    Args:
        network: a U-Net or VarNet of this package.

    Returns:
        Linen path -> array; empty for a network without batch normalisation.
    """
    return _to_host(statistics(network))


def _to_host(views: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {path: np.array(view.cpu().numpy(), order="C") for path, view in views.items()}
