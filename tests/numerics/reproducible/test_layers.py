"""Normalisation and rectifier in rounded steps: strict numpy, float64, reordering."""

import functools

import jax
import numpy as np
import pytest
from helpers import draw
from numerics.reproducible import strict

from mrjax.numerics.native import Native
from mrjax.numerics.reproducible import layers

EPS = 1e-3


def example(shape, seed=0):
    """An image with offset channels, scale, bias, and gradients by the three results."""
    rng, channels = np.random.default_rng(seed), shape[-1]
    x = draw(rng, shape, np.float32) * np.float32(3) + np.float32(10)
    gradients = tuple(draw(rng, s, np.float32) for s in (shape, (channels,), (channels,)))
    return (x, draw(rng, (channels,), np.float32), draw(rng, (channels,), np.float32)), gradients


@functools.partial(jax.jit, static_argnums=(2, 3))
def pulled(arguments, gradients, implementation, eps):
    results, pull = jax.vjp(lambda *a: implementation(*a, eps), *arguments)
    return *results, *pull(gradients)


def batch_norm_and_gradients(arguments, gradients, implementation=layers.batch_norm, eps=EPS):
    return [np.asarray(a) for a in pulled(arguments, gradients, implementation, eps)]


@pytest.mark.parametrize("shape", [(3, 4, 6, 2), (2, 12, 24, 32, 2)])
def test_batch_norm_agrees_with_float64(shape):
    """The second shape has more terms than one grid resolves."""
    arguments, gradients = example(shape)
    wide = jax.tree.map(lambda a: a.astype(np.float64), (arguments, gradients))
    expected = batch_norm_and_gradients(*wide, Native("float64").batch_norm)
    ours = batch_norm_and_gradients(arguments, gradients)
    for value, reference in zip(ours, expected, strict=True):
        assert value.dtype == np.float32
        largest = np.abs(reference).max()
        np.testing.assert_allclose(value, reference, rtol=0, atol=2e-6 * largest)


def bounds(x, scale, g, eps):
    """Errors of the gradients by x, scale and bias, as `layers.batch_norm` states them."""
    u, axes, n = 2.0**-24, tuple(range(x.ndim - 1)), x[..., 0].size
    grid = 2.0 ** -(min(51, 62 - (n - 1).bit_length()) + 1)

    def h(y):
        return grid * np.ldexp(1.0, np.frexp(np.abs(y).max(axes))[1])

    mean = x.mean(axes)
    c, s2 = x - mean, x.var(axes) + eps
    f, m, size = np.abs(scale) / np.sqrt(s2), np.abs(g.mean(axes)), np.abs(g * c).mean(axes)
    moment, far = np.abs((g * c).mean(axes)), np.abs(c)
    d = u * np.abs(mean) + h(x)
    e = (d**2 + h(c * c) + 2.0**-126) / s2
    assert np.all(e < 0.1)
    by_x = u * (5 * np.abs(g) + 7 * m + far * (size + 17 * moment) / s2) + h(g)
    by_x = by_x + (far * h(g * c) + d * moment + d * far * m) / s2
    by_x = by_x + e * (np.abs(g) + m + 2 * far * moment / s2)
    by_scale = n * (u * (size + 5 * moment) + h(g * c) + d * m + e * moment) / np.sqrt(s2)
    return [bound + 2.0**-126 for bound in (f * by_x, by_scale, n * (u * m + h(g)))]


def check_errors(x, scale, g, eps=EPS):
    """Check that gradients of batch normalisation keep within the bounds."""
    x, scale, g = (np.float32(a) for a in (x, scale, g))
    arguments, gradients = (x, scale, 0 * scale), (g, 0 * scale, 0 * scale)
    wide = jax.tree.map(lambda a: a.astype(np.float64), (arguments, gradients))
    expected = batch_norm_and_gradients(*wide, Native("float64").batch_norm, eps)[3:]
    ours = batch_norm_and_gradients(arguments, gradients, eps=eps)[3:]
    allowed = bounds(*wide[0][:2], wide[1][0], eps)
    for value, reference, bound in zip(ours, expected, allowed, strict=True):
        assert np.all(np.abs(value - reference) <= bound)


@pytest.mark.parametrize("shape", [(1, 1, 2), (3, 4, 6, 2), (2, 12, 24, 32, 2)])
@pytest.mark.parametrize("offset, spread", [(0, 1), (10, 3), (1e4, 0.05), (1e5, 1), (0, 1e-6)])
def test_errors_of_the_gradients_are_bounded(rng, shape, offset, spread):
    x, g = (draw(rng, shape) for _ in range(2))
    check_errors(offset + spread * x, draw(rng, shape[-1:]), g)


@pytest.mark.parametrize("factor_x, factor_g", [(1e17, 1e-5), (1e12, 1e-20), (1e-2, 1e-36)])
def test_no_step_of_the_gradient_underflows(rng, factor_x, factor_g):
    x = draw(rng, (2, 5, 6, 2))
    check_errors(factor_x * x, draw(rng, (2,)), factor_g * np.sign(x))


@pytest.mark.parametrize(
    "x, scale, g, eps",
    [
        ([1e10, 2e10, 4e10], 1e-30, [1e30, 2e30, 3e31], EPS),
        ([1e3, 2e3, 4e3], 1e-36, [1e30, 2e30, 3e30], EPS),
        ([1e-20, 3e-20, -7e-20], 1, [1, 2, 5], 1e-36),
    ],
)
def test_factors_near_the_end_of_the_range_keep_the_bounds(x, scale, g, eps):
    check_errors(np.reshape(x, (1, 3, 1)), [scale], np.reshape(g, (1, 3, 1)), eps)


def test_a_variance_that_overflows_is_not_hidden():
    (x, scale, bias), gradients = example((2, 4, 4, 2))
    x[..., 0] *= np.float32(1e20)
    y, mean, var, *by = batch_norm_and_gradients((x, scale, bias), gradients)
    assert np.isposinf(var[0]) and np.isnan(y[..., 0]).all() and np.isnan(by[0][..., 0]).all()
    assert np.isfinite(y[..., 1]).all() and np.isfinite(by[0][..., 1]).all()
    np.testing.assert_array_equal(layers.normalise(x, mean, var, scale, bias, EPS), y)


def test_large_terms_that_cancel_leave_the_grid_of_small_ones():
    n = 2**20
    x = np.where(np.arange(n) % 2, 1.0, -1.0).reshape(1, -1, 1)
    g = 0.49 * 2.0 ** (1 - 42) * x
    g[0, 1], g[0, 3] = 1, -1
    check_errors(x, np.ones(1), g)


def test_batch_norm_is_strict_float32_on_exact_sums():
    (x, scale, bias), _ = example((3, 4, 6, 2))
    y, mean, var = layers.batch_norm(x, scale, bias, EPS)
    count, axes, single = 72, (0, 1, 2), np.float32
    exact_mean = np.sum(x.astype(np.longdouble), axes) / count
    np.testing.assert_array_equal(mean, exact_mean.astype(single), strict=True)
    centred = x - np.asarray(mean)
    exact_var = np.sum(centred.astype(np.longdouble) ** 2, axes) / count
    np.testing.assert_array_equal(var, exact_var.astype(single), strict=True)
    factor = scale / np.sqrt(np.asarray(var) + single(EPS))
    np.testing.assert_array_equal(y, centred * factor + bias, strict=True)


def test_normalise_by_the_batch_is_batch_norm_to_the_bit():
    (x, scale, bias), _ = example((2, 5, 6, 3))
    y, mean, var = layers.batch_norm(x, scale, bias, EPS)
    np.testing.assert_array_equal(layers.normalise(x, mean, var, scale, bias, EPS), y)


def test_gradients_of_normalise_agree_with_float64():
    (x, scale, bias), (g, mean, var) = example((2, 5, 6, 3))
    arguments = (x, mean, np.abs(var), scale, bias)
    _, pull = jax.vjp(lambda *a: layers.normalise(*a, EPS), *arguments)
    _, expected = jax.vjp(
        lambda *a: Native("float64").normalise(*a, EPS), *(a.astype(np.float64) for a in arguments)
    )
    for ours, reference in zip(pull(g), expected(g.astype(np.float64)), strict=True):
        np.testing.assert_allclose(ours, reference, rtol=0, atol=2e-6 * np.abs(reference).max())


@pytest.mark.parametrize("shape", [(3, 4, 6, 2), (2, 12, 24, 32, 2)])
def test_order_of_voxels_has_no_effect_on_batch_norm(shape):
    arguments, gradients = example(shape, seed=1)
    ours = batch_norm_and_gradients(arguments, gradients)
    order = np.random.default_rng(2).permutation(int(np.prod(shape[:-1])))

    def shuffled(a):
        return np.asarray(a).reshape(-1, shape[-1])[order].reshape(shape)

    mixed = (shuffled(arguments[0]), *arguments[1:]), (shuffled(gradients[0]), *gradients[1:])
    results = batch_norm_and_gradients(*mixed)
    for index, (first, second) in enumerate(zip(ours, results, strict=True)):
        expected = shuffled(first) if first.shape == shape else first
        np.testing.assert_array_equal(second, expected, err_msg=f"result {index}")


def test_constant_and_broken_images():
    (x, scale, bias), _ = example((2, 4, 4, 2))
    x[..., 0] = 5
    x[0, 0, 0, 1] = np.nan
    y, mean, var = layers.batch_norm(x, scale, bias, EPS)
    np.testing.assert_array_equal(y[..., 0], np.full(x.shape[:-1], bias[0]))
    assert mean[0] == 5 and var[0] == 0
    assert np.isnan(y[..., 1]).all() and np.isnan(mean[1]) and np.isnan(var[1])


def test_leaky_relu_is_strict_float32():
    rng = np.random.default_rng(3)
    x = draw(rng, (1000,), np.float32) * np.float32(2) ** rng.integers(-126, 127, 1000)
    special = np.array([0, -0.0, np.inf, -np.inf, 1e-40, -1e-40, -2e-38, np.nan], np.float32)
    x, slope = np.concatenate([x.astype(np.float32), special]), np.float32(0.1)
    g = draw(rng, x.shape, np.float32)
    y, pull = jax.vjp(lambda a: layers.leaky_relu(a, 0.1), x)
    up = strict.flushed(x) > 0
    expected = np.where(up, strict.flushed(x), strict.apply(np.multiply, x, slope))
    np.testing.assert_array_equal(strict.bits(y), strict.bits(expected))
    np.testing.assert_array_equal(pull(g)[0], np.where(up, g, g * slope))
