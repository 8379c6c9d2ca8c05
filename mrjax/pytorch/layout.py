"""Where channels are: last on the host, first in torch, and in memory as its format says."""

from collections.abc import Mapping

import torch
from torch import Tensor

LAST = {2: torch.channels_last, 3: torch.channels_last_3d}
"""Number of spatial axes -> memory format with channels last."""


def first(batch: Mapping[str, Tensor], memory_format: torch.memory_format) -> dict[str, Tensor]:
    """Move channels from the last axis of every tensor to the second.

    Args:
        batch: (b, *space, c).
        memory_format: of the tensors returned.

    Returns:
        (b, c, *space).
    """
    moved = {name: tensor.movedim(-1, 1) for name, tensor in batch.items()}
    return {name: t.contiguous(memory_format=memory_format) for name, t in moved.items()}
