"""Files in which PyTorch keeps the weights of a network; reading runs no code in them."""

import errno
import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mrjax.errors import UserError
from mrjax.runs import atomic

_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
"""Colours in torch's messages."""
LIGHTNING = "state_dict"
"""Key under which a checkpoint of Lightning has the weights, beside much else."""


def read(path: Path, expected: str) -> dict[str, Tensor]:
    """Return the state_dict in a file, which may be a checkpoint of Lightning.

    Args:
        path: the file; its suffix does not matter.
        expected: what it should hold, as a clause for the message of an error.

    Raises:
        UserError: there is no such file, or it holds no state_dict of dense arrays, or it holds
            objects other than weights and numbers, which are not loaded.
    """
    if not os.path.isfile(path):  # noqa: PTH113 is_file() raises for odd paths
        raise UserError(f"no file {path}; {expected}; correct the path")
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # The unpickler raises nearly anything for a foreign file.
        reason = _ESCAPES.sub("", str(error)).split("\n", 1)[0].rstrip(".")[:160]
        raise UserError(
            f"{path} cannot be read by torch ({reason}); expected a state_dict written by "
            "torch.save; save network.state_dict() again"
        ) from None
    if isinstance(state, dict) and isinstance(state.get(LIGHTNING), dict):
        state = state[LIGHTNING]
    if not (isinstance(state, dict) and all(map(_usual, state, state.values()))):
        raise UserError(
            f"{path} holds no state_dict; {expected}; save network.state_dict() of the network"
        )
    return dict(state)


def _usual(name: Any, value: Any) -> bool:
    """Whether a weight has a name and is a dense array."""
    dense = isinstance(value, Tensor) and value.layout == torch.strided and not value.is_quantized
    return isinstance(name, str) and dense


def check_finite(path: Path, leaves: Mapping[str, Any]) -> None:
    """Raise UserError for weights, arrays by name, that are not finite numbers."""
    for name, array in leaves.items():
        if not torch.isfinite(torch.as_tensor(array)).all():
            raise UserError(
                f"{name} in {path} holds values that are not finite numbers; expected trained "
                "weights; give another file"
            )


def write(path: str | Path, state: Mapping[str, Tensor]) -> None:
    """Write a state_dict, whole or not at all.

    Args:
        path: the file; equal weights give equal bytes under any name.
        state: the tensors.

    Raises:
        UserError: the file cannot be written.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    try:
        if os.path.isdir(path):  # noqa: PTH112 is_dir() raises for odd paths
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        atomic.write_bytes(path, buffer.getvalue())
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); expected the name of a file in a "
            "folder that exists and is open to you; choose another"
        ) from error
