"""Exact convolutions against integer arithmetic, against float64, and against reordering."""

import jax
import numpy as np
import pytest
from helpers import draw

from mrjax.numerics.native import conv as native
from mrjax.numerics.reproducible import products
from mrjax.numerics.reproducible.conv import conv, conv_transpose
from mrjax.numerics.reproducible.correlate import kernel_gradient, slabs
from mrjax.numerics.reproducible.sums import BLOCK

FORMS = ("lax", "products")

# Image without channels, window, inputs, outputs.
SHAPES = [
    ((2, 4, 3, 5), (3, 3, 3), 2, 3),
    ((2, 9, 7), (3, 3), 2, 3),
    ((1, 8, 8), (5, 3), 4, 1),
    ((3, 40, 80), (3, 3), 2, 3),  # several slabs in the kernel's gradient
    ((2, 2, 64, 80), (3, 3, 3), 1, 2),  # a slab for each sample
    ((1, 2, 3, 2), (3, 3, 3), 400, 2),  # several blocks of input channels
    ((3, 5, 4), (1, 1), 3, 2),
]


def example(rng, images, window, inputs, outputs):
    shapes = ((*images, inputs), (*window, inputs, outputs), (*images, outputs))
    return [draw(rng, shape, np.float32) for shape in shapes]


def conv_and_gradients(x, kernel, g, form):
    """The response and its gradients by image and kernel, compiled as one."""

    def everything(x, kernel, g):
        y, pull = jax.vjp(lambda a, b: conv(a, b, form), x, kernel)
        return (y, *pull(g))

    return [np.asarray(a) for a in jax.jit(everything)(x, kernel, g)]


def integers(x, bits):
    """Python integers and the unit of a grid, from the definition."""
    unit = 2.0 ** (np.frexp(np.max(np.abs(x)))[1] - bits)
    return np.rint(x.astype(np.float64) / unit).astype(np.int64).astype(object), unit


@pytest.mark.parametrize("form", FORMS)
def test_response_is_the_exact_sum_of_grid_integers_rounded_once(form):
    rng = np.random.default_rng(0)
    x, kernel, _ = example(rng, (2, 5, 4), (3, 3), 2, 2)
    # 18 products leave 53 - 5 = 48 bits.
    y = np.asarray(conv(x, kernel, form))
    for sample in range(2):
        q, unit = integers(np.pad(x[sample], ((1, 1), (1, 1), (0, 0))), 24)
        for o in range(2):
            k, kernel_unit = integers(kernel[..., o], 24)
            for row, column in np.ndindex(5, 4):
                whole = int(np.sum(q[row : row + 3, column : column + 3] * k))
                expected = np.float32(whole * (unit * kernel_unit))
                assert y[sample, row, column, o] == expected


def test_kernel_gradient_is_the_sum_of_rounded_sums_of_slabs():
    """40 rows of 3 x 80: slabs of 20 rows, 4800 terms, 20 bits, and sums of two blocks."""
    rng = np.random.default_rng(1)
    x, _, g = example(rng, (3, 40, 80), (3, 3), 1, 1)
    plan = slabs((3, 40, 1, 80), 3)
    assert (plan.samples, plan.planes, plan.blocks, plan.terms) == (3, 20, 2, 4800)
    q, x_unit = integers(x, 20)
    k, g_unit = integers(g, 20)
    padded = np.pad(k, ((0, 0), (1, 1), (0, 0), (0, 0)))
    images = np.pad(q, ((0, 0), (0, 0), (1, 1), (0, 0)))
    total = np.zeros((3, 3), object)
    for start in (0, 20):
        for a, b in np.ndindex(3, 3):
            near = padded[:, start + 2 - a : start + 22 - a]
            block = int(np.sum(images[:, start : start + 20, b : b + 80] * near))
            total[a, b] += int(np.rint(block / 2)) * 2
    expected = (total.astype(np.float64) * (x_unit * g_unit)).astype(np.float32)
    for form in FORMS:
        np.testing.assert_array_equal(
            kernel_gradient(x, g, (3, 3), form)[..., 0, 0], expected, strict=True
        )


@pytest.mark.parametrize("images, window, inputs, outputs", SHAPES)
def test_forms_agree_to_the_bit_and_with_float64(images, window, inputs, outputs):
    rng = np.random.default_rng(2)
    x, kernel, g = example(rng, images, window, inputs, outputs)
    results = [conv_and_gradients(x, kernel, g, form) for form in FORMS]
    y, pull = jax.vjp(
        lambda a, b: native.conv(a, b, "lax"), x.astype(np.float64), kernel.astype(np.float64)
    )
    for first, second, expected in zip(*results, (y, *pull(g.astype(np.float64))), strict=True):
        np.testing.assert_array_equal(first, second, strict=True)
        assert first.dtype == np.float32
        # Errors of the grids, 2^-20 of the largest factor, add like a random walk.
        np.testing.assert_allclose(first, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


def test_blocks_of_channels_keep_twenty_bits():
    """75,000 products at once would leave 18 bits, and here all errors have one sign."""
    value = np.float32(0.75 + 0.49 / 2**18)
    x, kernel = np.full((1, 5, 5, 5, 600), value), np.full((5, 5, 5, 600, 1), value)
    middle = float(conv(x, kernel, "lax")[0, 2, 2, 2, 0])
    assert abs(middle - kernel.size * float(value) ** 2) <= kernel.size / 2**20


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("window", [(1, 1), (3, 3)])
def test_a_response_that_is_zero_has_no_sign(form, window):
    x, kernel = np.full((1, 3, 3, 1), -1, np.float32), np.zeros((*window, 1, 1), np.float32)
    assert not np.signbit(conv(x, kernel, form)).any()
    assert not np.signbit(conv_transpose(x, kernel)).any()


@pytest.mark.parametrize("images, window", [((2, 4, 3, 6), (5, 3, 5)), ((2, 7, 6), (3, 5))])
def test_matrix_products_are_the_convolution_of_integers(images, window):
    """The form of devices whose convolution library may round."""
    rng = np.random.default_rng(6)
    x, kernel, _ = (
        np.rint(1000 * a.astype(np.float64)) for a in example(rng, images, window, 2, 3)
    )
    np.testing.assert_array_equal(
        products.response(x, kernel), native.conv(x, kernel, "lax"), strict=True
    )


@pytest.mark.parametrize("form", FORMS)
def test_order_of_terms_has_no_effect(form):
    """Samples, input channels and, by mirroring, voxels are put into other orders."""
    rng = np.random.default_rng(3)
    x, kernel, g = example(rng, (3, 40, 80), (3, 3), 4, 2)
    y, by_x, by_kernel = conv_and_gradients(x, kernel, g, form)
    samples, channels = rng.permutation(3), rng.permutation(4)
    mirrored = [a[:, ::-1, ::-1] for a in (x, g)]
    turned, _, kernel_too = conv_and_gradients(
        mirrored[0][samples][..., channels],
        np.ascontiguousarray(kernel[::-1, ::-1][:, :, channels]),
        mirrored[1][samples],
        form,
    )
    np.testing.assert_array_equal(turned, y[samples][:, ::-1, ::-1])
    np.testing.assert_array_equal(kernel_too[::-1, ::-1], by_kernel[:, :, channels])
    assert np.abs(by_x).min() > 0


@pytest.mark.parametrize("form", FORMS)
def test_a_response_does_not_depend_on_its_neighbours(form):
    rng = np.random.default_rng(4)
    x, kernel, g = example(rng, (3, 6, 4, 4), (3, 3, 3), 2, 2)
    loud = x * np.array([1, 1e6, 1e-6], np.float32).reshape(3, 1, 1, 1, 1)
    loud[2] = np.nan
    alone, together = (
        conv_and_gradients(a, kernel, b, form) for a, b in ((x[:1], g[:1]), (loud, g))
    )
    np.testing.assert_array_equal(alone[0][0], together[0][0])
    np.testing.assert_array_equal(alone[1][0], together[1][0])
    assert np.isnan(together[0][2]).all()
    assert np.isnan(together[2]).all()


@pytest.mark.parametrize("form", FORMS)
def test_extreme_images(form):
    kernel = np.ones((3, 3, 1, 1), np.float32)
    zeros = np.zeros((1, 4, 4, 1), np.float32)
    assert all(not a.any() for a in conv_and_gradients(zeros, kernel, zeros, form))
    tiny, huge, one = zeros.copy(), zeros.copy(), np.full((1, 1, 1, 1), 3, np.float32)
    tiny[0, 1, 1] = 1e-40
    assert not np.asarray(conv(tiny, kernel, form)).any()
    huge[0, :2] = 3e38
    response = np.asarray(conv(huge, kernel, form))
    assert np.isposinf(response[0, 0]).all() and not response[0, 3].any()
    assert np.asarray(conv(one, kernel, form)).item() == 3


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 3, 2, 4)])
def test_transposed_convolution_agrees_with_float64(shape):
    rng = np.random.default_rng(5)
    window = (2,) * (len(shape) - 1)
    x, kernel, _ = example(rng, shape, window, 3, 2)
    g = draw(rng, (shape[0], *(2 * n for n in shape[1:]), 2), np.float32)
    y, pull = jax.vjp(conv_transpose, x, kernel)
    wide = [a.astype(np.float64) for a in (x, kernel, g)]
    expected, expected_pull = jax.vjp(native.conv_transpose, *wide[:2])
    for ours, theirs in zip((y, *pull(g)), (expected, *expected_pull(wide[2])), strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


def test_slabs_hold_all_voxels_and_not_too_many_terms():
    for shape in [
        (2, 32, 32, 32),
        (12, 64, 64, 64),
        (8, 16, 16, 16),
        (1, 17, 1, 180),
        (4, 7, 9, 5),
    ]:
        for copies in (9, 200, 4000):
            plan = slabs(shape, copies)
            assert plan.terms <= BLOCK
            assert plan.blocks in (1, np.prod(shape) // plan.terms)
            assert plan.blocks * plan.terms == np.prod(shape)


def test_mistakes():
    x = np.zeros((1, 4, 4, 1), np.float32)
    with pytest.raises(ValueError, match="odd"):
        conv(x, np.zeros((2, 2, 1, 1), np.float32), "lax")
    with pytest.raises(ValueError, match="lax or products"):
        conv(x, np.zeros((3, 3, 1, 1), np.float32), "fft")
