"""Weights of variational networks in files of the public PyTorch implementation.

Such a file, whatever its suffix, is a ``torch.save`` of the network's state_dict. For each stage i
it has ``cell_list.{i}.conv_kernel`` [filter 1 row column part], ``cell_list.{i}.activation.w``
[1 filter 1 1 node] and ``cell_list.{i}.lamb``. Reading and writing only move numbers.

Source: rixez/pytorch_mri_variationalnetwork, the implementation that Oh, Jung and Lee used.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mrjax.errors import UserError
from mrjax.pytorch import state_files

LEAVES = {"conv_kernel": "kernel", "lamb": "data_weight", "activation.w": "rbf"}
"""Name inside a stage in the public code -> our name, in the order of the public code's files."""

_NAME = re.compile(r"cell_list\.(0|[1-9]\d*)\.(conv_kernel|activation\.w|lamb)")
_LEAF = re.compile(r"stage(0|[1-9]\d*)/(kernel|rbf|data_weight)")
_EXPECTED = (
    "expected cell_list.{i}.conv_kernel, .activation.w and .lamb for every stage i from 0, "
    "as the public VarNet code saves them"
)


def from_state_dict(state: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Return the Linen leaves of a state_dict of the public form.

    Args:
        state: the whole state_dict.

    Returns:
        ``stage{i}/kernel`` [row column part filter], ``stage{i}/rbf`` [filter node] and
        ``stage{i}/data_weight`` [], bit for bit; part 0 is real, part 1 imaginary.

    Raises:
        ValueError: a name or shape, which the message gives, is not that of such a network.
    """
    names = [_NAME.fullmatch(name) for name in state]
    if not state or None in names:
        strange = [name for name, match in zip(state, names, strict=True) if match is None]
        raise ValueError(f"it holds {strange[0] if strange else 'nothing'}")
    stages = len({match[1] for match in names if match})
    leaves = {}
    for i in range(stages):
        for public, ours in LEAVES.items():
            name = f"cell_list.{i}.{public}"
            if name not in state:
                raise ValueError(f"{name} is missing")
            leaves[f"stage{i}/{ours}"] = _to_linen(name, ours, _to_numpy(name, state[name]))
    _check_sizes(leaves, stages)
    return leaves


def _to_numpy(name: str, tensor: Tensor) -> np.ndarray:
    if tensor.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{name} is of type {tensor.dtype}, not float32 or float64")
    return tensor.detach().cpu().numpy()


def _to_linen(name: str, leaf: str, array: np.ndarray) -> np.ndarray:
    """Move one array to Linen's axes."""
    if leaf == "kernel" and array.ndim == 5 and array.shape[1] == 1 and array.shape[4] == 2:
        return np.ascontiguousarray(array[:, 0].transpose(1, 2, 3, 0))
    if (
        leaf == "rbf"
        and array.ndim == 5
        and array.shape[0] == array.shape[2] == array.shape[3] == 1
    ):
        return np.ascontiguousarray(array[0, :, 0, 0])
    if leaf == "data_weight" and array.shape == ():
        return array.copy()
    raise ValueError(f"{name} has shape {array.shape}")


def _check_sizes(leaves: Mapping[str, np.ndarray], stages: int) -> None:
    """Require the same window and the same numbers of filters and nodes in all stages."""
    window = leaves["stage0/kernel"].shape
    nodes = leaves["stage0/rbf"].shape[1]
    for i in range(stages):
        shapes = leaves[f"stage{i}/kernel"].shape, leaves[f"stage{i}/rbf"].shape
        if shapes != (window, (window[3], nodes)):
            raise ValueError(f"shapes of stage {i} do not go together: {shapes}")


def to_state_dict(leaves: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Return the state_dict of the public form; the inverse of `from_state_dict`.

    Args:
        leaves: kernel, rbf and data_weight of every stage, as `from_state_dict` returns them.

    Returns:
        Tensors that share no memory with the arrays.

    Raises:
        ValueError: names or shapes are not those of such a network.
    """
    strange = [name for name in leaves if not _LEAF.fullmatch(name)]
    if strange or not leaves:
        raise ValueError(f"no leaf of a VarNet: {strange[0] if strange else 'nothing given'}")
    state = {}
    for i in range(len({name.split("/")[0] for name in leaves})):
        for public, ours in LEAVES.items():
            if f"stage{i}/{ours}" not in leaves:
                raise ValueError(f"stage{i}/{ours} is missing")
            array = np.asarray(leaves[f"stage{i}/{ours}"])
            state[f"cell_list.{i}.{public}"] = torch.from_numpy(_to_public(ours, array))
    from_state_dict(state)
    return state


def _to_public(leaf: str, array: np.ndarray) -> np.ndarray:
    """Move one array to torch's axes."""
    if leaf == "kernel":
        array = array.transpose(3, 0, 1, 2)[:, None]
    elif leaf == "rbf":
        array = array[None, :, None, None]
    return np.array(array, order="C")


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Return the weights in a file of the public form as Linen leaves, bit for bit.

    Args:
        path: the file; its suffix does not matter. Code in the file is not run.

    Returns:
        See `from_state_dict`.

    Raises:
        UserError: there is no such file, or it holds no state_dict, another architecture or values
            that are not finite.
    """
    state = state_files.read(Path(path), _EXPECTED)
    try:
        leaves = from_state_dict(state)
    except ValueError as error:
        raise UserError(
            f"{path} is not a variational network of the public form: {error}; {_EXPECTED}; "
            "give such a file"
        ) from None
    state_files.check_finite(Path(path), leaves)
    return leaves


def write_state_dict(path: str | Path, leaves: Mapping[str, np.ndarray]) -> None:
    """Write Linen leaves as a file that the public code can load, whole or not at all.

    Args:
        path: the file; equal leaves give equal bytes under any name.
        leaves: see `to_state_dict`.

    Raises:
        ValueError: the leaves are not those of a variational network.
        UserError: the file cannot be written.
    """
    state_files.write(path, to_state_dict(leaves))
