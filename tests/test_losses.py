"""Losses against slow numpy written out voxel by voxel."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax import losses, metrics
from mrjax.numerics.native import Native
from mrjax.physics import dipole

AR = Native(dtype="float64")
SHAPE = (2, 6, 5, 4, 1)


@pytest.fixture
def images() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=SHAPE), rng.normal(size=SHAPE)


def slow_rectified_differences(x: np.ndarray) -> np.ndarray:
    b, nx, ny, nz, _ = x.shape
    out = np.zeros((b, nx - 2, ny - 2, nz - 2, 1))
    for s, i, j, k in itertools.product(range(b), range(nx - 2), range(ny - 2), range(nz - 2)):
        centre = x[s, i + 1, j + 1, k + 1, 0]
        for di, dj, dk in itertools.product((0, 1, 2), repeat=3):
            distance = math.dist((di, dj, dk), (1, 1, 1))
            if distance:
                rise = max(0.0, x[s, i + di, j + dj, k + dk, 0] - centre)
                out[s, i, j, k, 0] += rise / distance
    return out


def test_l1_is_the_mean_absolute_difference(images):
    x, y = images
    slow = sum(abs(a - b) for a, b in zip(x.ravel(), y.ravel(), strict=True)) / x.size
    np.testing.assert_allclose(losses.l1(AR, x, y), slow, rtol=1e-12)


def test_rectified_differences_equal_the_slow_sum(images):
    x, _ = images
    found = losses.rectified_differences(AR, jnp.asarray(x))
    np.testing.assert_allclose(found, slow_rectified_differences(x), rtol=1e-12)


def test_gradient_difference_equals_the_slow_mean(images):
    x, y = images
    slow = np.mean(np.abs(slow_rectified_differences(x) - slow_rectified_differences(y)))
    found = losses.gradient_difference(AR, jnp.asarray(x), jnp.asarray(y))
    np.testing.assert_allclose(found, slow, rtol=1e-12)


def test_rectified_differences_of_a_ramp_are_known():
    # On x itself only the nine neighbours ahead rise: one face, four edges, four corners.
    ramp = jnp.broadcast_to(jnp.arange(5.0)[None, :, None, None, None], (1, 5, 5, 5, 1))
    expected = 1 + 4 / math.sqrt(2) + 4 / math.sqrt(3)
    np.testing.assert_allclose(losses.rectified_differences(AR, ramp), expected, rtol=1e-12)


def test_model_loss_equals_a_slow_dft(images):
    chi, field = images
    mask = (np.random.default_rng(1).random(SHAPE) > 0.3).astype(float)
    kernel = dipole.kernel(SHAPE[1:4], (1.0, 1.5, 2.0), (0.0, 0.6, 0.8))
    slow = np.zeros_like(chi)
    for s in range(SHAPE[0]):
        spectrum = chi[s, ..., 0].astype(complex)
        for axis, n in enumerate(SHAPE[1:4]):
            table = np.exp(-2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n)
            spectrum = np.moveaxis(np.tensordot(table, spectrum, (1, axis)), 0, axis)
        spectrum = spectrum * kernel
        for axis, n in enumerate(SHAPE[1:4]):
            table = np.exp(2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n) / n
            spectrum = np.moveaxis(np.tensordot(table, spectrum, (1, axis)), 0, axis)
        slow[s, ..., 0] = spectrum.real
    expected = np.mean(np.abs(mask * slow - mask * field))
    found = losses.model(AR, *(jnp.asarray(a) for a in (chi, field, mask, kernel)))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_model_loss_vanishes_on_its_own_field(images):
    chi = jnp.asarray(images[0])
    kernel = jnp.asarray(dipole.kernel(SHAPE[1:4]))
    field = losses.circular_field(AR, chi, kernel)
    assert losses.model(AR, chi, field, jnp.ones(SHAPE), kernel) == 0
    assert losses.model(AR, chi + chi, field, jnp.ones(SHAPE), kernel) > 0.01


@pytest.mark.parametrize("name", ["l1", "gradient_difference"])
def test_gradients_equal_finite_differences(images, name):
    x, y = (jnp.asarray(a) for a in images)
    loss = getattr(losses, name)
    direction = jnp.asarray(np.random.default_rng(2).normal(size=SHAPE))
    slope = jnp.vdot(jax.grad(lambda v: loss(AR, v, y))(x), direction)
    step = 1e-6
    ahead, behind = loss(AR, x + step * direction, y), loss(AR, x - step * direction, y)
    np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-5)


def test_soft_dice_of_masks_is_their_dice(rng):
    a, b = (rng.random((3, 8, 8, 1)) > 0.5 for _ in range(2))
    found = losses.soft_dice(AR, jnp.asarray(a, float), jnp.asarray(b, float), smoothing=1e-12)
    np.testing.assert_allclose(found, metrics.dice(a, b), rtol=1e-10)
    assert losses.soft_dice(AR, jnp.asarray(a, float), jnp.asarray(a, float)) == 1
    assert losses.soft_dice(AR, jnp.zeros((2, 2)), jnp.zeros((2, 2))) == 1


def test_soft_dice_is_over_the_batch_and_has_the_quotients_gradient(rng):
    p, m = rng.random((2, 4, 4, 1)), (rng.random((2, 4, 4, 1)) > 0.4).astype(float)
    common, total = 2 * (p * m).sum() + 1, p.sum() + m.sum() + 1
    found, slope = jax.value_and_grad(lambda x: losses.soft_dice(AR, x, jnp.asarray(m)))(p)
    np.testing.assert_allclose(found, common / total, rtol=1e-12)
    np.testing.assert_allclose(slope, 2 * m / total - common / total**2, rtol=1e-10)
