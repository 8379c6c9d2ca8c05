"""Order-free host arithmetic: exactness, error bounds, tables, draws."""

import operator
from decimal import Decimal, getcontext
from fractions import Fraction

import jax
import numpy as np
import pytest

from mrjax.numerics import host, spectral


def test_grid_keeps_integers_and_bounds_the_error():
    x = np.array([0.0, 1.0, -3.0, 0.75, 1e-9])
    assert np.array_equal(host.to_grid(x, 10)[:4], x[:4])
    rng = np.random.default_rng(0)
    x = rng.normal(size=1000) * 37.0
    assert np.abs(host.to_grid(x, 12) - x).max() <= np.abs(x).max() * 2.0**-12
    assert np.abs(host.to_grid(x, 12) - x).max() > np.abs(x).max() * 2.0**-15
    assert not host.to_grid(np.zeros(3), 8).any()
    with pytest.raises(ValueError, match="NaN"):
        host.to_grid(np.array([1.0, np.nan]), 8)


def test_product_is_exact_on_its_grid_and_plain_blas_is_not():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(5, 192)), rng.normal(size=(192, 7))
    left, right = host.to_grid(a, 22), host.to_grid(b, 22).T
    rows, columns = ([[Fraction(v) for v in line] for line in m] for m in (left, right))
    exact = [[sum(map(operator.mul, row, column)) for column in columns] for row in rows]
    assert host.exact_matmul(a, b).tolist() == exact
    assert np.abs(host.exact_matmul(a, b) - a @ b).max() < 192 * 2.0**-21 * np.abs(a).max() * 4
    shuffle = rng.permutation(192)
    same = host.exact_matmul(a[:, shuffle], b[shuffle])
    assert np.array_equal(host.exact_matmul(a, b), same)
    # positive control: the plain product depends on the order of its terms
    assert not np.array_equal(a @ b, a[:, shuffle] @ b[shuffle])


def test_grid_of_a_product_never_exceeds_the_significand():
    for terms in (1, 2, 3, 96, 192, 4096, 4097):
        a = np.full((1, terms), np.nextafter(1.0, 0.0))
        total = host.exact_matmul(a, a.T)[0, 0]
        assert total == terms or abs(total - terms) < 1e-4 * terms


def test_mean_does_not_depend_on_order():
    rng = np.random.default_rng(2)
    x = rng.normal(size=20001)
    everywhere = np.ones(20001, bool)
    shuffled = x[rng.permutation(20001)]
    assert host.exact_mean(x, everywhere) == host.exact_mean(shuffled, everywhere)
    assert host.exact_mean(x, everywhere) == pytest.approx(x.mean(), abs=1e-10)
    assert host.exact_mean(x, x > 1.0) == pytest.approx(x[x > 1.0].mean(), abs=1e-10)
    assert x.cumsum()[-1] != shuffled.cumsum()[-1]  # positive control: plain sums do differ


def _decimal_cosine(j: int, n: int) -> float:
    """Taylor series in 60 decimal digits, without any folding."""
    getcontext().prec = 60
    pi = Decimal("3.14159265358979323846264338327950288419716939937510582097494")
    angle, term, total, k = 2 * pi * j / n, Decimal(1), Decimal(0), 0
    while abs(term) > Decimal(10) ** -58:
        total += term
        k += 2
        term *= -angle * angle / (k * (k - 1))
    return float(total)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7, 8, 12, 26, 96])
def test_cosines_are_correctly_rounded(n):
    for j, value in enumerate(host.cosines(n)):
        expected = _decimal_cosine(j, n)
        assert value == expected or (abs(expected) < 1e-50 and value == 0.0), (j, n)


@pytest.mark.parametrize("n", [1, 4, 7, 24, 30])
def test_dft_matrices_are_the_dft(n):
    cosine, sine = host.dft_matrices(n)
    assert np.allclose(cosine - 1j * sine, np.fft.fft(np.eye(n)), atol=1e-13)
    assert not cosine.flags.writeable and not sine.flags.writeable


@pytest.mark.parametrize(
    ("shape", "larger"),
    [((8, 6, 10), (8, 6, 10)), ((5, 6, 7), (10, 12, 14)), ((4, 5, 3), (9, 5, 7)), ((2, 1, 3),) * 2],
)
def test_filter_is_that_of_numpy_fft(shape, larger):
    rng = np.random.default_rng(4)
    x, transfer = rng.normal(size=shape), rng.normal(size=larger)
    plain = np.fft.ifftn(np.fft.fftn(x, s=larger, axes=(0, 1, 2)) * transfer).real
    plain = plain[tuple(slice(n) for n in shape)]
    result = spectral.filter3d(x, transfer)
    assert result.shape == shape
    assert np.abs(result - plain).max() < 3e-6 * np.abs(plain).max()


@pytest.mark.parametrize("shape", [(2, 8, 6), (2, 7, 9)])
def test_centred_dft_is_that_of_numpy_fft(shape):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    axes = (1, 2)
    shifted = np.fft.ifftshift(x, axes=axes)
    forward = np.fft.fftshift(np.fft.fftn(shifted, axes=axes, norm="ortho"), axes=axes)
    back = np.fft.fftshift(np.fft.ifftn(shifted, axes=axes, norm="ortho"), axes=axes)
    assert np.abs(spectral.centred_dft(x, axes) - forward).max() < 4e-6
    assert np.abs(spectral.centred_dft(x, axes, inverse=True) - back).max() < 4e-6
    assert np.abs(forward - back).max() > 1.0  # positive control


def test_complex_product_rounds_each_step():
    """The product equals rational arithmetic rounded after every step, so nothing is fused."""
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=500) + 1j * rng.normal(size=500) for _ in range(2))
    result = host.product(x, y)
    for a, b, c in zip(x.tolist(), y.tolist(), result.tolist(), strict=True):
        real = Fraction(float(Fraction(a.real) * Fraction(b.real)))
        real -= Fraction(float(Fraction(a.imag) * Fraction(b.imag)))
        imag = Fraction(float(Fraction(a.real) * Fraction(b.imag)))
        imag += Fraction(float(Fraction(a.imag) * Fraction(b.real)))
        assert (c.real, c.imag) == (float(real), float(imag))
    assert host.product(x[:, None], y[None, :3]).shape == (500, 3)
    assert host.assemble(np.ones(2), np.zeros(2)).tolist() == [1, 1]


def test_filter_refuses_a_small_transfer():
    with pytest.raises(ValueError, match="smaller"):
        spectral.filter3d(np.zeros((4, 4, 4)), np.zeros((4, 4, 3)))


def test_draws():
    key = jax.random.key(5)
    uniform = host.uniform(key, (20000,))
    assert 0.0 < uniform.min() and uniform.max() < 1.0
    assert abs(uniform.mean() - 0.5) < 0.01 and abs(uniform.var() - 1 / 12) < 0.002
    dice = host.integers(key, (60000,), 6)
    assert np.abs(np.bincount(dice, minlength=6) - 10000).max() < 400 and dice.max() == 5
    normal = host.gaussian(key, (40000,))
    assert abs(normal.mean()) < 0.02 and abs(normal.std() - 1.0) < 0.02
    assert abs((np.abs(normal) < 1.0).mean() - 0.6827) < 0.01
    assert not np.array_equal(host.bits(key, (9,)), host.bits(jax.random.key(6), (9,)))
