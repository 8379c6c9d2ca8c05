"""Metrics against scikit-image, slow numpy and hand-made cases."""

import math

import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from mrjax import metrics
from mrjax.errors import UserError


@pytest.fixture(params=[(40, 37), (20, 22, 19)], ids=["2d", "3d"])
def pair(request):
    rng = np.random.default_rng(3)
    reference = ndimage.gaussian_filter(rng.normal(size=request.param), 1.0)
    x = reference + 0.1 * rng.normal(size=request.param)
    mask = ndimage.gaussian_filter(rng.normal(size=request.param), 3.0) > 0.0
    return x, reference, mask


def test_ssim_is_that_of_skimage(pair):
    x, reference, mask = pair
    _, expected = structural_similarity(
        x,
        reference,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=reference[mask].max(),
        full=True,
    )
    assert metrics.ssim(x, reference, mask) == pytest.approx(expected[mask].mean(), abs=1e-12)
    assert metrics.ssim(x, reference, mask) != pytest.approx(expected.mean(), abs=1e-4)


def test_psnr_is_that_of_skimage(pair):
    x, reference, mask = pair
    expected = peak_signal_noise_ratio(reference[mask], x[mask], data_range=reference[mask].max())
    assert metrics.psnr(x, reference, mask) == pytest.approx(expected, abs=1e-10)
    assert metrics.psnr(reference, reference, mask) == math.inf


def test_nrmse_of_a_scaled_and_shifted_image(pair):
    _, reference, mask = pair
    assert metrics.nrmse(1.25 * reference, reference, mask) == pytest.approx(0.25)
    assert metrics.nrmse(1.25 * reference + 7, reference, mask, demean=True) == pytest.approx(0.25)
    assert metrics.nrmse(1.25 * reference + 7, reference, mask) > 1.0


def test_nan_outside_the_mask_counts_as_zero(pair):
    x, reference, mask = pair
    unknown, zero = np.where(mask, x, np.nan), np.where(mask, x, 0.0)
    for metric in (metrics.nrmse, metrics.psnr, metrics.ssim, metrics.hfen):
        assert metric(unknown, reference, mask) == metric(zero, reference, mask)


def _laplacian_of_gaussian(dimensions):
    """The 15^d kernel from its formula, normalised to the sum of the Gaussian."""
    grids = np.meshgrid(*[np.arange(-7.0, 8.0)] * dimensions, indexing="ij")
    square = sum(g * g for g in grids)
    gauss = np.exp(-square / (2 * 1.5**2))
    gauss /= gauss.sum()
    return gauss * (square - dimensions * 1.5**2) / 1.5**4


def test_hfen_is_that_of_the_explicit_kernel(pair):
    x, reference, mask = pair
    kernel = _laplacian_of_gaussian(x.ndim)
    a, b = (
        ndimage.convolve(np.where(mask, image, 0), kernel, mode="constant")[mask]
        for image in (x, reference)
    )
    expected = np.linalg.norm(a - b) / np.linalg.norm(b)
    assert metrics.hfen(x, reference, mask) == pytest.approx(expected, rel=1e-4)
    assert metrics.hfen(reference, reference, mask) == 0.0


def test_dice():
    a, b = np.array([1, 1, 1, 0, 0]), np.array([0, 1, 1, 1, 0])
    assert metrics.dice(a, b) == pytest.approx(2 / 3)
    assert metrics.dice(a, a) == 1.0
    assert metrics.dice(a, 1 - a) == 0.0
    assert metrics.dice(a, 0 * a) == 0.0


@pytest.mark.parametrize("metric", [metrics.nrmse, metrics.psnr, metrics.ssim, metrics.hfen])
def test_what_has_no_metric_is_said_in_one_line(metric, pair):
    x, reference, mask = pair
    broken = np.where(mask, np.nan, x)
    for arguments, words in (
        ((x, reference, 0 * mask), "mask is empty"),
        ((x, 0 * reference, mask), "reference"),
        ((broken, reference, mask), "image has NaN"),
        ((x, broken, mask), "reference has NaN"),
    ):
        with pytest.raises(UserError, match=words) as error:
            metric(*arguments)
        assert "\n" not in str(error.value) and "expected" in str(error.value)
    with pytest.raises(ValueError, match="shapes differ"):
        metric(x, reference[1:], mask)


def test_constant_references_and_empty_masks():
    flat, mask = np.full((9, 9), 0.1), np.ones((9, 9), bool)
    for metric in (metrics.psnr, metrics.ssim):
        with pytest.raises(UserError, match="constant"):
            metric(flat, flat, mask)
    with pytest.raises(UserError, match="constant"):
        metrics.nrmse(flat, flat, mask, demean=True)
    assert metrics.nrmse(flat, flat, mask) == 0.0
    with pytest.raises(UserError, match="both masks are empty"):
        metrics.dice(0 * flat, 0 * flat)
