"""Exact Fourier transforms against numpy's in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import draw, isometry_test

from mrjax.numerics.host import dft_matrices
from mrjax.numerics.reproducible import Reproducible, fourier
from mrjax.numerics.reproducible.fourier import transform

AR = Reproducible()
PAIRS = {"fft": (AR.fft, np.fft.fftn), "ifft": (AR.ifft, np.fft.ifftn)}


@pytest.mark.parametrize("kind", [np.float32, np.complex64])
@pytest.mark.parametrize("axes", [(1,), (0, 2), (2, 1, 0), (-1,)])
@pytest.mark.parametrize("name", PAIRS)
def test_values(rng, name, axes, kind):
    ours, numpys = PAIRS[name]
    x = draw(rng, (4, 9, 16), kind)
    result = np.asarray(jax.jit(ours, static_argnums=1)(x, axes))
    assert result.dtype == np.complex64
    np.testing.assert_allclose(result, numpys(x, axes=axes, norm="ortho"), atol=2e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 64, 100])
def test_error_of_one_axis(rng, n):
    """The error is relative to the power of two above the largest part of the line, as stated."""
    x = draw(rng, (50, n), np.complex64)
    bits = (52 - (n - 1).bit_length()) // 2
    largest = np.max(np.maximum(np.abs(x.real), np.abs(x.imag)), axis=1, keepdims=True)
    largest = np.ldexp(1.0, np.frexp(largest)[1])
    expected = np.fft.fft(x.astype(np.complex128), axis=1, norm="ortho")
    error = np.asarray(AR.fft(x, (1,))) - expected
    bound = n**0.5 * 2.0 ** (1 - bits) * largest + np.abs(expected) * 2.0**-24
    assert np.all(np.abs(error.real) <= bound) and np.all(np.abs(error.imag) <= bound)


def slow_sums(q: np.ndarray, bits: int) -> np.ndarray:
    """The forward transform of lines of integers, in Python's integers: (2, lines, n)."""
    cosine, sine = (np.rint(m * 2.0**bits).astype(int).astype(object) for m in dft_matrices(64))
    real, imag = q.astype(int).astype(object)
    return np.stack([real @ cosine + imag @ sine, imag @ cosine - real @ sine])


def test_the_largest_sums_are_exact(rng, monkeypatch):
    """The numbers have the largest magnitude and the signs of one frequency's cosines and sines."""
    seen, ours = [], fourier._sums
    monkeypatch.setattr(fourier, "_sums", lambda *a: seen.append((a, ours(*a))) or seen[-1][1])
    cosine, sine = (np.sign(m) for m in dft_matrices(64))
    x = rng.uniform(0.9, 1, cosine.shape) * cosine + 1j * rng.uniform(0.9, 1, sine.shape) * sine
    fourier._along(jnp.asarray(x.astype(np.complex64)), 1, False)
    ((q, bits, _), sums), *_ = seen
    exact = slow_sums(np.asarray(q), bits)
    assert np.max(np.abs(exact)) > 2**52
    np.testing.assert_array_equal(np.asarray(sums).astype(int).astype(object), exact)


@pytest.mark.parametrize("kind", [np.float32, np.complex64])
@pytest.mark.parametrize("name", PAIRS)
def test_gradients_are_the_transposed_map(rng, name, kind):
    x, g = draw(rng, (3, 6, 5), kind), draw(rng, (3, 6, 5), np.complex64)
    reference = {"fft": jnp.fft.fftn, "ifft": jnp.fft.ifftn}[name]
    (result,) = jax.vjp(jax.jit(lambda x: PAIRS[name][0](x, (1, 2))), x)[1](g)
    wide = np.complex128 if kind == np.complex64 else np.float64
    pull = jax.vjp(lambda x: reference(x, axes=(1, 2), norm="ortho"), x.astype(wide))[1]
    assert result.dtype == kind
    np.testing.assert_allclose(result, pull(g.astype(np.complex128))[0], atol=2e-6)


def test_an_isometry_with_its_inverse(rng):
    isometry_test(lambda x: AR.fft(x, (0, 1)), (8, 6), rng, dtype_in=np.complex64, rtol=1e-6)
    x = draw(rng, (8, 6), np.complex64)
    np.testing.assert_allclose(AR.ifft(AR.fft(x, (0, 1)), (0, 1)), x, atol=2e-6)


def test_lines_do_not_depend_on_their_neighbours(rng):
    x = draw(rng, (2, 8, 8), np.complex64)
    other = x.copy()
    other[1] *= 1e10
    np.testing.assert_array_equal(AR.fft(x, (1, 2))[0], AR.fft(other, (1, 2))[0])


def test_a_point_and_a_constant_are_exact():
    point = np.zeros((16, 16), np.complex64)
    point[0, 0] = 3
    np.testing.assert_array_equal(AR.fft(point, (0, 1)), np.full((16, 16), 3 / 16))
    np.testing.assert_array_equal(AR.ifft(np.full((16, 16), 3 / 16, np.complex64), (0, 1)), point)


def test_axes_have_a_longest_length():
    with pytest.raises(ValueError, match="at most 4096 points, not 4097"):
        transform(jnp.zeros((4097,), jnp.complex64), (0,), False)
