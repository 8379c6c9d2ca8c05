"""Test inputs of random numbers, the same on every machine.

Their axes have different lengths, so that a copy of the network that exchanges two of them fails.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mrjax.tasks import exporting

SEED = 0


def draw(
    task: str, config: Any, constants: Mapping[str, Any], size: Sequence[int] = ()
) -> dict[str, np.ndarray]:
    """Draw a test input.

    Args:
        task: key of `mrjax.tasks.registry.TASKS`.
        config: settings of the network.
        constants: constants of the network.
        size: lengths that `mrjax.tasks.exporting.Export.size` names; empty: small ones.

    Returns:
        Name -> array, float32 or complex64, see `mrjax.sharing.export.trained.Trained`.
    """
    rng = np.random.default_rng(SEED)
    return dict(exporting.of(task).draw(rng, config, constants, size))


def npy(array: np.ndarray) -> bytes:
    """Return the bytes of an array in numpy's format."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
