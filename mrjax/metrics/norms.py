"""Errors of an image as norms of its difference from the reference."""

import math

import numpy as np
from scipy import ndimage

from mrjax.metrics import checks

SIGMA = 1.5
"""Width [voxels] of the filter of HFEN."""
_RADIUS = 7


def nrmse(
    x: checks.Image, reference: checks.Image, mask: checks.Mask, demean: bool = False
) -> float:
    """Normalised root mean square error, ||m (x - r)|| / ||m r||.

    Args:
        x: image to judge, any shape.
        reference: image r of the same shape and unit.
        mask: m, True where the images are compared.
        demean: whether to subtract each image's mean in the mask first. Susceptibility maps need
            this, because a field does not determine their mean.

    Returns:
        A fraction: 0 is perfect, 1 is as wrong as an image of zeros.

    Raises:
        UserError: empty mask, values not finite, or a reference of zeros (with ``demean``, a
            constant one).
        ValueError: shapes differ.
    """
    x, reference, mask = checks.prepared(x, reference, mask)
    x, reference = x[mask], reference[mask]
    if demean:
        constant = reference.min() == reference.max()
        reference = np.zeros_like(reference) if constant else reference - reference.mean()
        x = x - x.mean()
    norm = checks.norm(reference, "constant" if demean else "zero")
    return float(np.linalg.norm(x - reference)) / norm


def psnr(x: checks.Image, reference: checks.Image, mask: checks.Mask) -> float:
    """Peak signal to noise ratio, 20 log10(max r / sqrt(mean (x - r)^2)) in the mask [dB].

    Args:
        x: image to judge, any shape.
        reference: image r of the same shape and unit.
        mask: True where the images are compared.

    Returns:
        Decibels; infinity where the images agree exactly.

    Raises:
        UserError: empty mask, values not finite, or a reference that is constant or without a
            positive maximum.
        ValueError: shapes differ.
    """
    x, reference, mask = checks.prepared(x, reference, mask)
    largest = checks.data_range(reference, mask)
    error = math.sqrt(float(np.mean(np.square(x[mask] - reference[mask]))))
    return math.inf if error == 0.0 else 20.0 * math.log10(largest / error)


def hfen(x: checks.Image, reference: checks.Image, mask: checks.Mask) -> float:
    """High-frequency error norm, ||LoG(x) - LoG(r)|| / ||LoG(r)|| in the mask.

    LoG is a Laplacian of Gaussian with sigma 1.5 and a window of 15 voxels on each axis; outside
    the image are zeros. Both images are set to zero outside the mask before the filter, because
    susceptibility maps are zero there.

    Args:
        x: image to judge, any number of axes.
        reference: image r of the same shape and unit.
        mask: True where the images are compared.

    Returns:
        A fraction: 0 is perfect.

    Raises:
        UserError: empty mask, values not finite, or a reference without detail in the mask.
        ValueError: shapes differ.

    Source: Ravishankar and Bresler, IEEE Trans Med Imaging 30:1028 (2011), section IV.
    """
    x, reference, mask = checks.prepared(x, reference, mask)
    filtered = [
        ndimage.gaussian_laplace(
            np.where(mask, image, 0.0), SIGMA, mode="constant", radius=_RADIUS
        )[mask]
        for image in (x, reference)
    ]
    return float(np.linalg.norm(filtered[0] - filtered[1])) / checks.norm(filtered[1], "zero")
