"""CG-SENSE, tuned on training slices only, and the zero-filled image, to compare with.

Both are magnitudes, cut to the part of the image that the reference shows. CG-SENSE has the coil
sensitivity maps of the slices: on synthetic ones these are the true maps, which the network does
not have.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from mrjax.nets.e2e import cropped
from mrjax.physics import coils
from mrjax.tasks.varnet import classical
from mrjax.tasks.varnet.classical import SLICES_TO_TUNE_ON, Tuned

__all__ = ["SLICES_TO_TUNE_ON", "Tuned", "cg_sense", "reconstruct", "tune", "zero_filled"]

Acquisition = Mapping[str, np.ndarray]


def tune(acquisitions: Sequence[Acquisition]) -> Tuned:
    """Choose CG-SENSE's iterations and weight by the mean NRMSE over training slices.

    Args:
        acquisitions: training slices with a reference; only the first few are used.

    Returns:
        The pair of iterations and weight with the lowest NRMSE of those tried.
    """
    return classical.tune(acquisitions, lambda one, tuned: cg_sense(one, tuned, _shown(one)))


def zero_filled(acquisition: Acquisition, shown: tuple[int, int]) -> np.ndarray:
    """Return the root sum of squares of the zero-filled coil images, float32 [row column].

    Args:
        acquisition: an undersampled slice.
        shown: rows and columns in the middle of the image that are returned.
    """
    whole = coils.root_sum_of_squares(coils.images(acquisition["kspace"]))
    return cropped(whole.astype(np.float32), shown)


def cg_sense(acquisition: Acquisition, tuned: Tuned, shown: tuple[int, int]) -> np.ndarray:
    """Return the magnitude of the CG-SENSE image, float32 [row column].

    Args:
        acquisition: an undersampled slice.
        tuned: parameters.
        shown: rows and columns in the middle of the image that are returned.
    """
    return cropped(np.abs(classical.cg_sense(acquisition, tuned)).astype(np.float32), shown)


def reconstruct(
    acquisition: Acquisition, tuned: Tuned, shown: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Return both images of one acquisition, by name."""
    return {
        "zero_filled": zero_filled(acquisition, shown),
        "cg_sense": cg_sense(acquisition, tuned, shown),
    }


def _shown(one: Acquisition) -> tuple[int, int]:
    rows, columns = one["reference"].shape
    return rows, columns
