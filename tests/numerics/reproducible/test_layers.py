"""Normalisation and rectifier in rounded steps: strict numpy, float64, reordering."""

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


def batch_norm_and_gradients(arguments, gradients, implementation=layers.batch_norm):
    results, pull = jax.vjp(lambda *a: implementation(*a, EPS), *arguments)
    return [np.asarray(a) for a in (*results, *pull(gradients))]


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


def bounds(x, scale, g, by_mean, by_var):
    """Errors of the gradients by x, scale and bias, as `layers.batch_norm` states them."""
    unit, axes = 2.0**-24, tuple(range(x.ndim - 1))
    mean = x.mean(axes)
    c, s = x - mean, np.sqrt(x.var(axes) + EPS)
    n, f, shift = c[..., 0].size, np.abs(scale / s), unit * np.abs(mean)
    m, moment = np.abs(g.mean(axes)), np.abs((g * c).mean(axes))
    size = np.abs(g * c).mean(axes)
    slope = f * (size + 17 * moment) / s**2 + 4 * np.abs(by_var) / n
    terms = 5 * f * np.abs(g) + 7 * f * m + 2 * np.abs(by_mean) / n + np.abs(c) * slope
    moved = f * (moment + np.abs(c) * m) / s**2 + 2 * np.abs(by_var) / n
    by_x = unit * terms + shift * moved
    by_scale = unit * n * (size + 5 * moment) / s + shift * n * m / s
    return by_x, by_scale, unit * n * m


@pytest.mark.parametrize("shape", [(1, 1, 2), (3, 4, 6, 2), (2, 12, 24, 32, 2)])
@pytest.mark.parametrize("seed", range(3))
def test_errors_of_the_gradients_are_bounded(shape, seed):
    arguments, gradients = example(shape, seed)
    wide = jax.tree.map(lambda a: a.astype(np.float64), (arguments, gradients))
    expected = batch_norm_and_gradients(*wide, Native("float64").batch_norm)[3:]
    ours = batch_norm_and_gradients(arguments, gradients)[3:]
    allowed = bounds(*wide[0][:2], *wide[1])
    for value, reference, bound in zip(ours, expected, allowed, strict=True):
        assert np.all(np.abs(value - reference) <= bound)


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
