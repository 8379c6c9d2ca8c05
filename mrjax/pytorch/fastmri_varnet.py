"""Weights of end-to-end variational networks in files of the package fastmri.

Such a file is a ``torch.save`` of the state_dict of a ``fastmri.models.VarNet``, or a checkpoint of
Lightning around one. Reading and writing only move numbers; `mrjax.nets.fastmri_names` has the
names.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from mrjax.errors import UserError
from mrjax.nets import fastmri_names
from mrjax.nets.fastmri_names import Sizes
from mrjax.pytorch import state_files

_EXPECTED = "expected the weights of a fastmri.models.VarNet, as torch.save or Lightning saves them"


def read(path: Path) -> tuple[Sizes, dict[str, np.ndarray]]:
    """Return the sizes and the Linen leaves of the network in a file, bit for bit.

    Args:
        path: the file; its suffix does not matter. Code in the file is not run.

    Returns:
        See `mrjax.nets.fastmri_names.imported`.

    Raises:
        UserError: there is no such file, or it holds no state_dict, another architecture or values
            that are not finite.
    """
    state = state_files.read(path, _EXPECTED)
    state_files.check_finite(path, state)
    for name, tensor in state.items():
        if tensor.dtype == torch.bfloat16:  # which numpy lacks; other types are refused by name
            raise UserError(
                f"weight {name} in {path} is bfloat16; expected float32; give the weights of a "
                "fastmri.models.VarNet in float32"
            )
    return fastmri_names.imported({k: v.detach().numpy() for k, v in state.items()})


def write(path: Path, sizes: Sizes, leaves: Mapping[str, np.ndarray]) -> None:
    """Write Linen leaves as a file whose content ``load_state_dict`` of fastMRI's class takes.

    Args:
        path: the file.
        sizes: sizes of the network.
        leaves: the leaves.

    Raises:
        UserError: the leaves are not those of such a network, or the file cannot be written.
    """
    named = fastmri_names.exported(sizes, leaves)
    state_files.write(path, {k: torch.from_numpy(array) for k, array in named.items()})
