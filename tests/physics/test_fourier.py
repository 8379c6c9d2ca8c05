"""Centred orthonormal FFT: against sigpy, isometry, adjoint."""

import functools

import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.numerics.native import Native
from mrjax.physics import fourier

FFT = functools.partial(fourier.centred_fft, Native())
IFFT = functools.partial(fourier.centred_ifft, Native())


@pytest.fixture(params=[(2, 8, 6), (3, 7, 9)], ids=["even", "odd"])
def images(request):
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, *request.param)) + 1j * rng.normal(size=(2, *request.param))


def test_matrix_of_the_centred_dft(images):
    x = images[0]
    expected = x
    for axis in (1, 2):
        n = x.shape[axis]
        index = np.arange(n) - n // 2
        matrix = np.exp(-2j * np.pi * np.outer(index, index) / n) / np.sqrt(n)
        expected = np.moveaxis(np.tensordot(matrix, expected, (1, axis)), 0, axis)
    assert np.allclose(FFT(jnp.asarray(x), (1, 2)), expected, atol=1e-12)


def test_agrees_with_sigpy(images):
    sigpy = pytest.importorskip("sigpy")
    x = images[0]
    assert np.allclose(FFT(jnp.asarray(x), (1, 2)), sigpy.fft(x, axes=(1, 2)), atol=1e-12)
    assert np.allclose(IFFT(jnp.asarray(x), (1, 2)), sigpy.ifft(x, axes=(1, 2)), atol=1e-12)


def test_isometry_inverse_and_adjoint(images):
    x, y = map(jnp.asarray, images)
    k = FFT(x, (1, 2))
    assert jnp.linalg.norm(k) == pytest.approx(float(jnp.linalg.norm(x)), rel=1e-12)
    assert np.allclose(IFFT(k, (1, 2)), x, atol=1e-12)
    left, right = jnp.vdot(y, k), jnp.vdot(IFFT(y, (1, 2)), x)
    assert complex(left) == pytest.approx(complex(right), rel=1e-12)


def test_single_precision_stays_single(images):
    x = jnp.asarray(images[0], jnp.complex64)
    assert FFT(x, (1, 2)).dtype == jnp.complex64
