"""XSIM against loops and closed forms; fastMRI's SSIM against scikit-image as fastMRI calls it."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import structural_similarity

from mrjax import metrics
from mrjax.errors import UserError

SHAPE = (9, 8, 10)


def maps(seed: int = 0, shape=SHAPE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A map [ppm], a reference and a mask that touches the border of the volume."""
    rng = np.random.default_rng(seed)
    reference = 0.15 * ndimage.gaussian_filter(rng.normal(size=shape), 1.0)
    x = 0.8 * reference + 0.01 * rng.normal(size=shape)
    return x, reference, ndimage.gaussian_filter(rng.normal(size=shape), 2.0) > 0.0


def xsim_by_loops(x: np.ndarray, reference: np.ndarray, mask: np.ndarray) -> float:
    """The mean over the mask of S in each window of 7 x 7 x 7 voxels; variances in two passes."""
    squares = sum((axis - 3) ** 2 for axis in np.indices((7, 7, 7)))
    weights = np.exp(-squares / (2 * 1.5**2))
    weights /= weights.sum()
    wide = [np.pad(image, 3, mode="edge") for image in (x, reference)]
    values = []
    for i, j, k in np.argwhere(mask):
        a, b = (image[i : i + 7, j : j + 7, k : k + 7] for image in wide)
        ma, mb = (weights * a).sum(), (weights * b).sum()
        va, vb = (weights * (a - ma) ** 2).sum(), (weights * (b - mb) ** 2).sum()
        covariance = (weights * (a - ma) * (b - mb)).sum()
        values.append(
            (2 * ma * mb + 0.0001)
            * (2 * covariance + 0.000001)
            / ((ma**2 + mb**2 + 0.0001) * (va + vb + 0.000001))
        )
    return float(np.mean(values))


@pytest.mark.parametrize("seed", [0, 1])
def test_xsim_is_that_of_the_loops(seed):
    x, reference, mask = maps(seed)
    assert not mask.all() and mask[0].any()
    found = metrics.xsim(x, reference, mask)
    assert found == pytest.approx(xsim_by_loops(x, reference, mask), abs=1e-9)
    assert 0.1 < found < 0.95


def test_xsim_of_constant_maps_is_that_of_the_means():
    """Without contrast S is (2 a b + (0.01 ppm)^2) / (a^2 + b^2 + (0.01 ppm)^2)."""
    flat, everywhere = np.ones(SHAPE), np.ones(SHAPE, bool)
    for a, b in ((0.1, 0.05), (-0.02, 0.03), (0.0, 0.01)):
        expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
        assert metrics.xsim(a * flat, b * flat, everywhere) == pytest.approx(expected, rel=1e-6)


def test_xsim_is_one_for_equal_maps_and_falls_with_streaks():
    _, reference, mask = maps(shape=(20, 20, 20))
    streaks = np.sin(np.indices(reference.shape).sum(axis=0))
    assert metrics.xsim(reference, reference, mask) == 1.0
    found = [metrics.xsim(reference + a * streaks, reference, mask) for a in (1e-3, 3e-3, 1e-2)]
    assert 1.0 > found[0] > found[1] > found[2]


def test_xsim_depends_on_the_unit_and_on_the_zero_of_the_maps():
    """It has neither of the invariances of the other metrics: ppm is its scale."""
    x, reference, mask = maps()
    ppb = metrics.xsim(1e3 * x, 1e3 * reference, mask)
    assert ppb < metrics.xsim(x, reference, mask) - 0.02
    assert metrics.ssim(1e3 * x, 1e3 * reference, mask) == pytest.approx(
        metrics.ssim(x, reference, mask)
    )
    assert metrics.xsim(x + 0.05, reference, mask) < metrics.xsim(x, reference, mask) - 0.1


def test_an_extreme_value_raises_ssim_but_not_xsim():
    """What Milovic et al. call hacking: one bright voxel widens the range of the whole map."""
    x, reference, mask = maps(shape=(24, 24, 24))
    mask[12, 12, 12] = True
    bright = [image.copy() for image in (x, reference)]
    for image in bright:
        image[12, 12, 12] = 3.0
    assert metrics.ssim(*bright, mask) > metrics.ssim(x, reference, mask) + 0.15
    assert metrics.xsim(*bright, mask) == pytest.approx(metrics.xsim(x, reference, mask), abs=0.02)


def test_xsim_averages_over_the_mask_and_sees_beyond_it():
    x, reference, mask = maps()
    flat = np.where(mask, x, 0.0)
    assert metrics.xsim(flat, reference, mask) != pytest.approx(
        metrics.xsim(x, reference, mask), abs=1e-3
    )
    unknown = np.where(mask, x, np.nan)
    assert metrics.xsim(unknown, reference, mask) == metrics.xsim(flat, reference, mask)


def volume(slices: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Slices of a reference, whose brightness falls, and a reconstruction of them."""
    rng = np.random.default_rng(2)
    fall = np.linspace(1.0, 0.2, slices)[:, None, None]
    reference = fall * np.abs(ndimage.gaussian_filter(rng.normal(size=(slices, 24, 21)), 1.0))
    return np.abs(reference + 0.02 * rng.normal(size=reference.shape)), reference


def test_ssim_fastmri_is_that_of_skimage_as_fastmri_calls_it():
    x, reference = volume()
    largest = reference.max()
    for one, truth in zip(x, reference, strict=True):
        expected = structural_similarity(truth, one, data_range=largest)
        assert metrics.ssim_fastmri(one, truth, largest) == pytest.approx(expected, abs=1e-12)
    assert reference[-1].max() < 0.5 * largest
    assert metrics.ssim_fastmri(x[-1], reference[-1], reference[-1].max()) != pytest.approx(
        metrics.ssim_fastmri(x[-1], reference[-1], largest), abs=1e-2
    )
    assert metrics.ssim_fastmri(reference[0], reference[0], largest) == 1.0


def test_what_has_no_similarity_is_said():
    x, reference, mask = maps()
    with pytest.raises(UserError, match="mask is empty"):
        metrics.xsim(x, reference, 0 * mask)
    with pytest.raises(UserError, match="image has NaN"):
        metrics.xsim(np.where(mask, np.nan, x), reference, mask)
    with pytest.raises(ValueError, match="shapes differ"):
        metrics.xsim(x, reference[1:], mask)
    with pytest.raises(ValueError, match="3 axes; got 2"):
        metrics.xsim(x[0], reference[0], mask[0])
    flat = np.ones((9, 9))
    for image, largest, words in (
        (flat[:6], 1.0, "at least 7 pixels"),
        (flat[None], 1.0, "2 axes"),
        (flat, 0.0, "above zero"),
    ):
        with pytest.raises(ValueError, match=words):
            metrics.ssim_fastmri(image, image, largest)
    with pytest.raises(UserError, match="reference has NaN"):
        metrics.ssim_fastmri(flat, flat * np.nan, 1.0)
