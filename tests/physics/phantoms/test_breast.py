"""Synthetic breast patients: streams, uptake, plausibility, difficulty."""

import numpy as np
import pytest

from mrjax import keys
from mrjax.physics.phantoms import breast as module
from mrjax.physics.phantoms.breast import NOISE, TIMES, breast, draw

SMALL = (24, 24, 4)


@pytest.fixture(scope="module")
def patient():
    return breast(0, 0, 1)


def test_types_and_mask(patient):
    assert patient.signal.dtype == np.float32 and patient.signal.shape == (64, 64, 12, len(TIMES))
    assert patient.mask.dtype == bool and patient.mask.shape == (64, 64, 12)
    assert (patient.signal >= 0).all() and list(patient.times) == list(TIMES)
    assert 0.03 < patient.mask.mean() < 0.3
    assert not patient.mask[:, -1].any(), "air in front of the nipples"
    # The breasts lie in front, so most voxels behind are not breast.
    places = np.argwhere(patient.mask)
    assert places[:, 1].mean() > 32 and not patient.mask[:, :16].any()


def test_streams_change_what_they_name():
    base, other = breast(0, 0, 0, SMALL), breast(0, 1, 0, SMALL)
    assert np.array_equal(base.mask, other.mask) and not np.array_equal(base.signal, other.signal)
    again = breast(0, 0, 0, SMALL)
    assert np.array_equal(base.signal, again.signal) and base.voxel_size == again.voxel_size
    for different in (breast(1, 0, 0, SMALL), breast(0, 0, 1, SMALL)):
        assert not np.array_equal(base.mask, different.mask)
    assert base.name != breast(0, 0, 1, SMALL).name


def test_noise_is_that_of_a_magnitude_image():
    drawn = draw(keys.stream(0, "data", 3))
    found = breast(0, 0, 3).signal / 100.0
    air = (drawn.signal.max(-1) == 0) & (drawn.behind == 0)
    # For a Rayleigh distribution, the mean square is twice the variance of one part.
    np.testing.assert_allclose((found[air] ** 2).mean(), 2 * NOISE**2, rtol=0.05)
    bright = (drawn.signal.min(-1) > 20 * NOISE) & (drawn.behind == 0)
    np.testing.assert_allclose((found - drawn.signal)[bright].std(), NOISE, rtol=0.05)


def test_contrast_agent_arrives_after_the_first_volume(monkeypatch):
    from mrjax.physics.phantoms import thorax

    drawn = draw(keys.stream(0, "data", 1), times=(0.0, 100.0, 200.0, 400.0))
    rise = drawn.signal[..., 1] - drawn.signal[..., 0]
    assert rise.min() > -1e-12 and rise.max() > 0.5 * drawn.signal[..., 0].max()
    # Without uptake nothing changes with time.
    for name in ("FAT", "SKIN", "GLAND", "LESION", "NECROSIS", "MUSCLE", "MARROW", "LUNG", "BLOOD"):
        still = getattr(thorax, name).__class__(getattr(thorax, name).signal)
        monkeypatch.setattr(thorax, name, still)
    for name in ("HEART", "LIVER", "MEDIASTINUM"):
        body = getattr(thorax, name)
        monkeypatch.setattr(thorax, name, body.__class__(body.centre, body.half_axes, still))
    flat = draw(keys.stream(0, "data", 1)).signal
    assert np.abs(flat - flat[..., :1]).max() < 1e-12


def test_patients_differ():
    several = [breast(0, 0, i, (32, 32, 6)) for i in range(8)]
    sizes = [p.mask.mean() for p in several]
    assert np.std(sizes) > 0.15 * np.mean(sizes)
    assert len({p.voxel_size for p in several}) == 8
    inside = [p.signal[p.mask][:, 0].mean() for p in several]
    assert np.std(inside) > 0.1 * np.mean(inside)


def test_fat_of_the_chest_looks_like_fat_of_the_breast(monkeypatch):
    """Thresholds fail because many voxels outside the mask have the intensities of the mask."""
    monkeypatch.setattr(module, "NOISE", 0.0)
    overlaps = []
    for i in range(6):
        p = breast(0, 0, i)
        low, high = np.quantile(p.signal[..., 0][p.mask], (0.05, 0.95))
        alike = (p.signal[..., 0] >= low) & (p.signal[..., 0] <= high)
        overlaps.append((alike & ~p.mask).sum() / p.mask.sum())
    assert 0.3 < np.median(overlaps) < 3
