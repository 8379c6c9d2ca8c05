"""TKD against plain numpy, and closed-form L2 against the equations that it solves."""

import numpy as np
import pytest

from mrjax.physics import dipole, inversion

VOXEL, OBLIQUE = (1.0, 1.5, 2.0), (0.36, 0.48, 0.8)
SHAPE = (10, 9, 12)


@pytest.fixture
def case():
    rng = np.random.default_rng(0)
    mask = rng.random(SHAPE) > 0.3
    return rng.normal(size=SHAPE) * mask, mask


def test_tkd_against_plain_numpy(case):
    field, mask = case
    d = dipole.kernel(SHAPE, VOXEL, OBLIQUE)
    spectrum = np.fft.fftn(field)
    expected = np.zeros(SHAPE, complex)
    for index in np.ndindex(SHAPE):
        if index != (0, 0, 0):
            sign = -1.0 if d[index] < 0 else 1.0
            expected[index] = spectrum[index] / (sign * max(abs(d[index]), 0.15))
    expected = np.where(mask, np.fft.ifftn(expected).real, 0.0)
    result = inversion.tkd(field, mask, VOXEL, OBLIQUE, 0.15)
    assert np.abs(result - expected).max() < 1e-5 * np.abs(expected).max()
    other = inversion.tkd(field, mask, VOXEL, OBLIQUE, 0.3)
    assert np.abs(other - expected).max() > 0.1 * np.abs(expected).max()


def test_l2_solves_its_normal_equations(case):
    field, _ = case
    everywhere, weight = np.ones(SHAPE, bool), 0.02
    chi = inversion.l2(field, everywhere, VOXEL, OBLIQUE, weight)
    d = dipole.kernel(SHAPE, VOXEL, OBLIQUE)
    data = np.fft.ifftn(d * d * np.fft.fftn(chi)).real
    smooth = np.zeros(SHAPE)
    for axis, h in enumerate(VOXEL):
        forward, back = np.roll(chi, -1, axis), np.roll(chi, 1, axis)
        smooth += (2 * chi - forward - back) / (h * h)
    right = np.fft.ifftn(d * np.fft.fftn(field)).real
    assert np.abs(data + weight * smooth - right).max() < 1e-5 * np.abs(right).max()
    assert np.abs(data + 2 * weight * smooth - right).max() > 1e-2 * np.abs(right).max()


def test_what_is_outside_the_mask_does_not_count(case):
    field, mask = case
    for method in (inversion.tkd, inversion.l2):
        dirty = np.where(mask, field, 5.0)
        assert np.array_equal(method(dirty, mask), method(field, mask))
        assert not method(field, mask)[~mask].any()


def test_parameters_must_be_positive(case):
    with pytest.raises(ValueError, match="threshold"):
        inversion.tkd(*case, threshold=0.0)
    with pytest.raises(ValueError, match="weight"):
        inversion.l2(*case, weight=-1.0)
