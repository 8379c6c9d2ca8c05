"""Structural similarity in three forms, which differ in windows, constants and borders.

All have one formula. With means m, variances v and the covariance cov of the image x and the
reference r in a window around each voxel,

    S = (2 mx mr + c1) (2 cov + c2) / ((mx^2 + mr^2 + c1) (vx + vr + c2)),

c1 = (K1 L)^2 and c2 = (K2 L)^2, averaged over voxels.

`ssim`: Gaussian windows of radius 5, K1 = 0.01, K2 = 0.03, L the maximum of the reference in the
mask; over the mask. `xsim`: Gaussian windows of radius 3, K1 = 0.01, K2 = 0.001, L = 1 ppm; over
the mask. `ssim_fastmri`: uniform windows of 7 x 7, K1 = 0.01, K2 = 0.03, L the maximum of the
reference of the whole volume; over all pixels but three at each border.

Source: Wang et al., IEEE Trans Image Process 13:600 (2004), Eq. 13.
"""

import functools
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from mrjax.metrics import checks

Blur = Callable[[np.ndarray], np.ndarray]

SIGMA = 1.5
"""Width [voxels] of Gaussian windows."""
_SSIM_RADIUS = 5
_XSIM_RADIUS = 3
_FASTMRI_WINDOW = 7


def _similarity(
    x: np.ndarray, reference: np.ndarray, blur: Blur, c1: float, c2: float, sample: float = 1.0
) -> np.ndarray:
    """Return S at each voxel; `sample` turns (co)variances of a window into those of a sample."""
    mean_x, mean_r = blur(x), blur(reference)
    variance_x = sample * (blur(x * x) - mean_x * mean_x)
    variance_r = sample * (blur(reference * reference) - mean_r * mean_r)
    covariance = sample * (blur(x * reference) - mean_x * mean_r)
    similarity = (2.0 * mean_x * mean_r + c1) * (2.0 * covariance + c2)
    similarity /= (mean_x * mean_x + mean_r * mean_r + c1) * (variance_x + variance_r + c2)
    return similarity


def ssim(x: checks.Image, reference: checks.Image, mask: checks.Mask) -> float:
    """Structural similarity, averaged over the mask; windows reach beyond it.

    The formula stands at the head of this module. L is the maximum of the reference in the mask.
    Covariances are those of the population, and image borders are mirrored.

    Args:
        x: image to judge, [row column] or [x y z].
        reference: image of the same shape and unit.
        mask: True where the result is averaged.

    Returns:
        A number from -1 to 1; 1 for equal images.

    Raises:
        UserError: empty mask, values not finite, or a reference that is constant or without a
            positive maximum.
        ValueError: shapes differ, or neither two nor three axes.

    Source: Wang et al., IEEE Trans Image Process 13:600 (2004), Eq. 13.
    """
    x, reference, mask = checks.prepared(x, reference, mask)
    if x.ndim not in (2, 3):
        raise ValueError(f"an image has 2 axes, a volume 3; got {x.ndim}")
    largest = checks.data_range(reference, mask)
    blur = functools.partial(ndimage.gaussian_filter, sigma=SIGMA, radius=_SSIM_RADIUS)
    similarity = _similarity(x, reference, blur, (0.01 * largest) ** 2, (0.03 * largest) ** 2)
    return float(similarity[mask].mean())


def xsim(x: checks.Image, reference: checks.Image, mask: checks.Mask) -> float:
    """XSIM, the structural similarity of susceptibility maps [ppm], averaged over the mask.

    S = (2 mx mr + 1e-4) (2 cov + 1e-6) / ((mx^2 + mr^2 + 1e-4) (vx + vr + 1e-6)) in ppm, which is
    SSIM with L = 1 ppm, K1 = 0.01 and K2 = 0.001. The maps are taken in ppm as they are: SSIM's L
    follows the reference, so extreme values raise it ("hacking"), and its constants weigh errors
    in paramagnetic and diamagnetic tissue differently. An offset or another unit changes XSIM.
    Windows are Gaussian with sigma 1.5 and 7 voxels on each axis, covariances those of the
    population; beyond the volume its outermost voxels are repeated.

    Args:
        x: susceptibility to judge, [x y z] [ppm], on the zero of the reference.
        reference: susceptibility of the same shape [ppm].
        mask: True where the result is averaged; windows reach beyond it.

    Returns:
        A number from -1 to 1; 1 for equal maps.

    Raises:
        UserError: empty mask, or values not finite.
        ValueError: shapes differ, or not three axes.

    Source: Milovic et al., Magn Reson Med (2025), doi 10.1002/mrm.30271; window and borders as in
        version 2 of the authors' function compute_xsim (2022, FANSI toolbox). Version 1 (2019) has
        zeros beyond the volume.
    """
    x, reference, mask = checks.prepared(x, reference, mask)
    if x.ndim != 3:
        raise ValueError(f"a susceptibility map has 3 axes; got {x.ndim}")
    blur = functools.partial(
        ndimage.gaussian_filter, sigma=SIGMA, radius=_XSIM_RADIUS, mode="nearest"
    )
    return float(_similarity(x, reference, blur, 0.01**2, 0.001**2)[mask].mean())


def ssim_fastmri(x: checks.Image, reference: checks.Image, largest: float) -> float:
    """Structural similarity of a slice as fastMRI's evaluation computes it.

    Windows are uniform, 7 x 7, covariances those of the sample, and pixels whose window would
    reach beyond the slice are left out. fastMRI's value of a volume is the mean over its slices,
    all with one L.

    Args:
        x: magnitude image to judge, [row column].
        reference: magnitude image of the same shape and unit.
        largest: L, the maximum of the reference of the whole volume.

    Returns:
        A number from -1 to 1; 1 for equal images.

    Raises:
        UserError: values not finite.
        ValueError: shapes differ, not two axes, an axis shorter than the window, or `largest` not
            above zero.

    Source: Zbontar et al., arXiv 1811.08839; facebookresearch/fastMRI 0.3.0, fastmri/evaluate.py
        (ssim), which calls structural_similarity of scikit-image with its defaults.
    """
    x, reference, _ = checks.prepared(x, reference, np.ones(np.shape(reference), bool))
    if x.ndim != 2 or min(x.shape) < _FASTMRI_WINDOW:
        raise ValueError(f"a slice has 2 axes of at least {_FASTMRI_WINDOW} pixels; got {x.shape}")
    if not largest > 0.0:
        raise ValueError(f"the largest value of a volume is above zero; got {largest}")
    blur = functools.partial(ndimage.uniform_filter, size=_FASTMRI_WINDOW)
    count = _FASTMRI_WINDOW**2
    c1, c2 = (0.01 * largest) ** 2, (0.03 * largest) ** 2
    similarity = _similarity(x, reference, blur, c1, c2, sample=count / (count - 1))
    inside = slice(_FASTMRI_WINDOW // 2, -(_FASTMRI_WINDOW // 2))
    return float(similarity[inside, inside].mean())
