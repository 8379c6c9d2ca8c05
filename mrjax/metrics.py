"""Image quality against a reference, inside a mask, as fractions (float64, numpy and scipy)."""

import math

import numpy as np
from jaxtyping import Bool, Num
from scipy import ndimage

from mrjax.errors import UserError

Image = Num[np.ndarray, "..."]
Mask = Bool[np.ndarray, "..."]

SIGMA = 1.5
"""Width [voxels] of the windows of SSIM and HFEN."""
_SSIM_RADIUS = 5
_HFEN_RADIUS = 7


def _prepare(x: Image, reference: Image, mask: Mask) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check both images and the mask; return them as float64 and bool."""
    x, reference = np.asarray(x), np.asarray(reference)
    mask = np.asarray(mask).astype(bool)
    if not x.shape == reference.shape == mask.shape:
        raise ValueError(f"shapes differ: {x.shape=}, {reference.shape=}, {mask.shape=}")
    if np.iscomplexobj(x) or np.iscomplexobj(reference):
        raise ValueError("metrics compare real images; take the magnitude first")
    if not mask.any():
        raise UserError(
            "the mask is empty; expected at least one voxel inside; check the mask file"
        )
    for name, image in (("image", x), ("reference", reference)):
        if not np.isfinite(image[mask]).all():
            raise UserError(
                f"the {name} has NaN or infinite values in the mask; "
                "expected finite numbers; check where they come from"
            )
    # Outside the mask NaN means "not measured"; a window that reaches there sees zero.
    x, reference = (np.where(np.isfinite(i), i, 0).astype(np.float64) for i in (x, reference))
    return x, reference, mask


def _norm(reference: np.ndarray, meaning: str) -> float:
    norm = float(np.linalg.norm(reference))
    if norm == 0.0:
        raise UserError(
            f"the reference is {meaning} in the mask, so a relative error is not defined; "
            "expected a reference with contrast; check the reference file and the mask"
        )
    return norm


def _data_range(reference: np.ndarray, mask: np.ndarray) -> float:
    """Return the maximum of the reference in the mask, which must be a usable range."""
    largest = float(reference[mask].max())
    if largest <= 0.0:
        raise UserError(
            f"the maximum of the reference in the mask is {largest}, so there is no data range; "
            "expected a positive maximum; check the reference file and the mask"
        )
    if largest == float(reference[mask].min()):
        raise UserError(
            f"the reference is constant ({largest}) in the mask; "
            "expected a reference with contrast; check the reference file and the mask"
        )
    return largest


def nrmse(x: Image, reference: Image, mask: Mask, demean: bool = False) -> float:
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
    x, reference, mask = _prepare(x, reference, mask)
    x, reference = x[mask], reference[mask]
    if demean:
        constant = reference.min() == reference.max()
        reference = np.zeros_like(reference) if constant else reference - reference.mean()
        x = x - x.mean()
    norm = _norm(reference, "constant" if demean else "zero")
    return float(np.linalg.norm(x - reference)) / norm


def psnr(x: Image, reference: Image, mask: Mask) -> float:
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
    x, reference, mask = _prepare(x, reference, mask)
    largest = _data_range(reference, mask)
    error = math.sqrt(float(np.mean(np.square(x[mask] - reference[mask]))))
    return math.inf if error == 0.0 else 20.0 * math.log10(largest / error)


def ssim(x: Image, reference: Image, mask: Mask) -> float:
    """Structural similarity, averaged over the mask; windows reach beyond it.

    SSIM = (2 mx mr + c1) (2 cov + c2) / ((mx^2 + mr^2 + c1) (vx + vr + c2)), with local means m,
    variances v and covariance cov, c1 = (0.01 L)^2 and c2 = (0.03 L)^2. L is the maximum of the
    reference in the mask. Windows are Gaussian with sigma 1.5 and radius 5, covariances those of
    the population, and image borders are mirrored.

    Args:
        x: image to judge, [row column] or [x y z].
        reference: image of the same shape and unit.
        mask: True where the result is averaged.

    Returns:
        A number from -1 to 1; 1 for equal images.

    Raises:
        UserError: as :func:`psnr`.
        ValueError: shapes differ, or neither two nor three axes.

    Source: Wang et al., IEEE Trans Image Process 13:600 (2004), Eq. 13.
    """
    x, reference, mask = _prepare(x, reference, mask)
    if x.ndim not in (2, 3):
        raise ValueError(f"an image has 2 axes, a volume 3; got {x.ndim}")
    largest = _data_range(reference, mask)

    def blur(image: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(image, SIGMA, radius=_SSIM_RADIUS)

    mean_x, mean_r = blur(x), blur(reference)
    variance_x = blur(x * x) - mean_x * mean_x
    variance_r = blur(reference * reference) - mean_r * mean_r
    covariance = blur(x * reference) - mean_x * mean_r
    c1, c2 = (0.01 * largest) ** 2, (0.03 * largest) ** 2
    similarity = (2.0 * mean_x * mean_r + c1) * (2.0 * covariance + c2)
    similarity /= (mean_x * mean_x + mean_r * mean_r + c1) * (variance_x + variance_r + c2)
    return float(similarity[mask].mean())


def hfen(x: Image, reference: Image, mask: Mask) -> float:
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
    x, reference, mask = _prepare(x, reference, mask)
    filtered = [
        ndimage.gaussian_laplace(
            np.where(mask, image, 0.0), SIGMA, mode="constant", radius=_HFEN_RADIUS
        )[mask]
        for image in (x, reference)
    ]
    return float(np.linalg.norm(filtered[0] - filtered[1])) / _norm(filtered[1], "zero")


def dice(x: Image, reference: Image) -> float:
    """Dice overlap of two binary masks, 2 |A and B| / (|A| + |B|).

    Args:
        x: mask A to judge; nonzero voxels are inside.
        reference: mask B of the same shape.

    Returns:
        A fraction: 1 for equal masks, 0 for disjoint ones.

    Raises:
        UserError: both masks are empty.
        ValueError: shapes differ.

    Source: Dice, Ecology 26:297 (1945).
    """
    x, reference = np.asarray(x).astype(bool), np.asarray(reference).astype(bool)
    if x.shape != reference.shape:
        raise ValueError(f"shapes differ: {x.shape=}, {reference.shape=}")
    total = int(x.sum()) + int(reference.sum())
    if total == 0:
        raise UserError(
            "both masks are empty, so their overlap is not defined; "
            "expected at least one voxel in one of them; check the segmentations"
        )
    return 2.0 * int((x & reference).sum()) / total
