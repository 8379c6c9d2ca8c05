"""Test inputs of random numbers, the same on every machine.

Their axes have different lengths, so that a copy of the network that exchanges two of them fails.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SEED = 0
SMALLEST = 24
"""Least length of an axis [voxels]."""
COILS = 3


Size = Sequence[int]


def draw(
    task: str, config: Any, constants: Mapping[str, Any], size: Size = ()
) -> dict[str, np.ndarray]:
    """Draw a test input.

    Args:
        task: key of `mrjax.tasks.registry.TASKS`.
        config: settings of the network.
        constants: constants of the network.
        size: lengths of the axes in space, of k-space with the number of coils before them; empty:
            small ones.

    Returns:
        Name -> array, float32 or complex64, see `mrjax.sharing.export.trained.Trained`.
    """
    return _DRAWS[task](np.random.default_rng(SEED), config, constants, size)


def npy(array: np.ndarray) -> bytes:
    """Return the bytes of an array in numpy's format."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _lengths(multiple: int, axes: int) -> Size:
    least = -(-SMALLEST // multiple)
    return [multiple * (least + axis) for axis in range(axes)]


def _field(rng: np.random.Generator, config: Any, constants: Any, size: Size) -> Any:
    """A local field [ppm] with the mean and the standard deviation of the training subjects."""
    known = constants["normalisation"]
    values = rng.uniform(-1, 1, (1, *(size or _lengths(config.multiple, 3)), 1)) * np.sqrt(3)
    return {"field": (values * known["field_std"] + known["field_mean"]).astype(np.float32)}


def _image(rng: np.random.Generator, config: Any, constants: Any, size: Size) -> Any:
    """A slice with values from 0 to 1."""
    shape = (1, *(size or _lengths(config.multiple, 2)), 3)
    return {"image": rng.uniform(0, 1, shape).astype(np.float32)}


def _acquired(rng: np.random.Generator, config: Any, constants: Any, size: Size) -> Any:
    """A k-space in which two of three columns are missing, and maps with a sum of squares of 1."""
    edge = max(SMALLEST, 2 * config.window)
    shape = (1, *(size or (COILS, edge, edge + 4)))
    mask = (np.arange(shape[-1]) % 3 == 0).astype(np.float32)[None]
    kspace, maps = _complex(rng, shape), _complex(rng, shape)
    maps /= np.sqrt((np.abs(maps) ** 2).sum(axis=1, keepdims=True))
    return {
        "kspace": (kspace * mask[:, None, None, :]).astype(np.complex64),
        "maps": maps.astype(np.complex64),
        "mask": mask,
    }


def _complex(rng: np.random.Generator, shape: Size) -> np.ndarray:
    return rng.uniform(-1, 1, shape) + 1j * rng.uniform(-1, 1, shape)


_DRAWS = {"qsm": _field, "breast": _image, "varnet": _acquired}
