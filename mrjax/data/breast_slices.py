"""Axial slices of contrast-enhanced series as the U-Net sees them, and as training examples."""

import itertools
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float

from mrjax.arrays import DcePatient
from mrjax.errors import UserError
from mrjax.numerics import host

CHANNELS = ("before contrast", "early", "late")
EARLY = 120.0
"""When fast lesions are brightest [s after the first volume]."""

Batch = dict[str, Float[np.ndarray, "batch row column channel"]]


def time_points(times: Sequence[float]) -> tuple[int, int, int]:
    """Which volumes show the contrast agent coming and going: first, about 120 s later, last.

    Args:
        times: of at least three volumes [s].

    Returns:
        Three different indices.
    """
    inner = range(1, len(times) - 1)
    early = min(inner, key=lambda i: abs(times[i] - times[0] - EARLY))
    return 0, early, len(times) - 1


def scale(patient: DcePatient) -> float:
    """Intensity of the body before contrast: mean of the voxels brighter than the mean.

    Scanners have no unit of intensity, so a patient is measured against itself. Both means are
    order-free: the same bits on any machine.

    Args:
        patient: of any intensity.

    Returns:
        What the signal is divided by, above 0.
    """
    before = patient.signal[..., 0].astype(np.float64)
    everywhere = np.ones(before.shape, bool)
    return host.exact_mean(before, before > host.exact_mean(before, everywhere))


def images(patient: DcePatient, shrink: int = 1) -> Float[np.ndarray, "x y z 3"]:
    """The three volumes the network sees, relative to the patient's own intensity.

    Args:
        patient: with at least three volumes.
        shrink: edge of the in-plane blocks that are averaged [voxels]; the last block of an axis
            repeats the border.

    Returns:
        float32; channels as in CHANNELS; x and y shorter by `shrink`.
    """
    chosen = patient.signal[..., list(time_points(patient.times.tolist()))].astype(np.float64)
    return (shrunk(chosen, shrink) / scale(patient)).astype(np.float32)


def shrunk(volume: np.ndarray, shrink: int) -> np.ndarray:
    """Average blocks of ``shrink x shrink`` voxels of the first two axes, in a fixed order."""
    margins = [(0, -n % shrink) for n in volume.shape[:2]]
    padded = np.pad(volume, margins + [(0, 0)] * (volume.ndim - 2), mode="edge")
    total = np.zeros_like(padded[::shrink, ::shrink], dtype=np.float64)
    for i, j in itertools.product(range(shrink), repeat=2):
        total = total + padded[i::shrink, j::shrink]
    return total / (shrink * shrink)


def enlarged(volume: np.ndarray, shape: Sequence[int], shrink: int) -> np.ndarray:
    """Undo `shrunk` as far as possible: every voxel becomes a block of its value.

    Args:
        volume: [x y z] of shrunken slices.
        shape: [x y z] before they shrank.
        shrink: edge of the blocks [voxels].

    Returns:
        The volume in that shape.
    """
    large = np.repeat(np.repeat(volume, shrink, axis=0), shrink, axis=1)
    return large[: shape[0], : shape[1]]


class Slices:
    """All axial slices of some patients as examples, padded with zeros to one size.

    Example i counts through the patients in their order, and through each one's slices upwards.
    """

    def __init__(self, patients: Sequence[DcePatient], multiple: int, shrink: int = 1) -> None:
        """Prepare the slices.

        Args:
            patients: at least one, each with a mask.
            multiple: what rows and columns must be divisible by.
            shrink: edge of the in-plane blocks that are averaged [voxels].

        Raises:
            UserError: a patient without a mask.
        """
        pairs = [(images(p, shrink), _mask(p, shrink)) for p in patients]
        size = [-(-max(m.shape[axis] for _, m in pairs) // multiple) * multiple for axis in (0, 1)]
        stacks = [[_slices(array, size) for array in pair] for pair in zip(*pairs, strict=True)]
        self._images, self._masks = (np.concatenate(stack) for stack in stacks)

    def __len__(self) -> int:
        """Number of slices of all patients together."""
        return len(self._images)

    def stack(self, indices: Iterable[int]) -> Batch:
        """Several slices as one batch.

        Args:
            indices: which slices, in this order.

        Returns:
            float32 `image` [b row column 3] and `mask` [b row column 1], 0 or 1.
        """
        chosen = list(indices)
        return {"image": self._images[chosen], "mask": self._masks[chosen]}


def _mask(patient: DcePatient, shrink: int) -> np.ndarray:
    if patient.mask is None:
        raise UserError(
            f"patient {patient.name} has no mask; expected one to train on; add its file or leave "
            "the patient out"
        )
    share = shrunk(patient.mask.astype(np.float64), shrink)
    return (share >= 0.5).astype(np.float32)[..., None]


def _slices(volume: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """[x y z c] -> [z *size c], centred."""
    missing = [n - m for n, m in zip(size, volume.shape[:2], strict=True)]
    margins = [(m // 2, m - m // 2) for m in missing]
    return np.moveaxis(np.pad(volume, [*margins, (0, 0), (0, 0)]), 2, 0)
