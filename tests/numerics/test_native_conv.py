"""The forms of convolution and of its gradients, against XLA's own, in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import draw, jit_quickly
from hypothesis import given, settings
from hypothesis import strategies as st

from mrjax.numerics.native import conv, correlate, fold, products

WINDOWS = [(5, 5, 5), (3, 5, 1), (1, 3, 3)]
# The last two are convolved in halves, of the first spatial axis and of the batch.
SHAPES = [(2, 6, 4, 5, 3, 4), (1, 3, 7, 2, 4, 2), (3, 11, 6, 6, 1, 2), (2, 9, 5, 6, 2, 3)]


def stock(x, kernel):
    return conv.conv(x, kernel, "lax")


def ours(x, kernel):
    return conv.conv(x, kernel, "products")


@functools.partial(jit_quickly, static_argnums=0)
def pulled(convolve, x, kernel, g):
    """A response and its gradients by image and kernel."""
    y, pull = jax.vjp(convolve, x, kernel)
    return y, *pull(g)


def close(actual, expected, rtol=1e-10):
    expected = np.asarray(expected)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=rtol * np.abs(expected).max())


def example(rng, shape, window, dtype=np.float64):
    b, x, y, z, i, o = shape
    sizes = ((b, x, y, z, i), (*window, i, o), (b, x, y, z, o))
    return tuple(jnp.asarray(draw(rng, size), dtype) for size in sizes)


@pytest.mark.parametrize("form", ["fold_inputs", "fold_outputs", "patches"])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_product_forms(rng, form, window, shape):
    x, kernel, _ = example(rng, shape, window)
    close(jit_quickly(fold.FORMS[form])(x, kernel), stock(x, kernel))


@pytest.mark.parametrize("form", ["planes", "convolutions"])
@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("shape", SHAPES)
def test_kernel_gradient_forms(rng, form, window, shape):
    x, kernel, g = example(rng, shape, window)
    actual = jit_quickly(lambda x, g: correlate.FORMS[form](x, g, window))(x, g)
    close(actual, pulled(stock, x, kernel, g)[2])


@pytest.mark.parametrize(
    ("shape", "window"),
    [
        ((1, 8, 3, 3, 1, 2), (9, 1, 1)),  # as thick as twice the reach: two halves
        ((1, 9, 3, 3, 1, 2), (11, 1, 1)),  # thinner: whole
        ((1, 1, 16, 16, 1, 2), (3, 3, 3)),  # one plane for the two sums of planes
        ((3, 3, 16, 16, 1, 2), (3, 3, 3)),
    ],
)
def test_where_halves_begin(rng, shape, window):
    x, kernel, g = example(rng, shape, window)
    for a, e in zip(pulled(ours, x, kernel, g), pulled(stock, x, kernel, g), strict=True):
        close(a, e)


@pytest.mark.parametrize("window", [*WINDOWS, (1, 1, 1)])
@pytest.mark.parametrize("shape", [*SHAPES, (1, 2, 32, 32, 2, 1)])
def test_convolution_and_gradients(rng, window, shape):
    x, kernel, g = example(rng, shape, window)
    for a, e in zip(pulled(ours, x, kernel, g), pulled(stock, x, kernel, g), strict=True):
        close(a, e)


@pytest.mark.parametrize(
    ("dtype", "rtol"), [("float32", 1e-5), ("bfloat16", 2e-2), ("float16", 2e-3)]
)
def test_data_types_are_kept(rng, dtype, rtol):
    x, kernel, g = example(rng, (2, 6, 4, 6, 3, 4), (5, 5, 5), dtype)
    wide = [a.astype("float64") for a in (x, kernel, g)]
    for a, e in zip(pulled(ours, x, kernel, g), pulled(stock, *wide), strict=True):
        assert a.dtype == dtype
        close(a.astype("float64"), e, rtol)


def test_float32_holds_no_float64(rng):
    def gradient(x, kernel):
        return jax.vjp(lambda *a: conv.conv(*a, "products"), x, kernel)[1](x)

    x, kernel, _ = example(rng, (2, 6, 4, 6, 3, 3), (5, 5, 5), np.float32)
    assert "f64" not in str(jax.make_jaxpr(gradient)(x, kernel))


def test_products_differ_from_stock_in_rounding(rng):
    """Positive control: the two forms are two sources of rounding, not one."""
    x, kernel, _ = example(rng, (2, 6, 6, 6, 8, 8), (5, 5, 5), np.float32)
    assert not np.array_equal(conv.conv(x, kernel, "products"), stock(x, kernel))


def test_two_dimensions(rng):
    x, kernel = (jnp.asarray(draw(rng, s)) for s in ((2, 6, 5, 3), (3, 3, 3, 2)))
    flat = conv.conv(x, kernel, "products")
    solid = conv.conv(x[:, None], kernel[None], "products")
    close(flat, solid[:, 0])


def test_mirrored_axes_commute(rng):
    """Exchanging y and z in image and kernel exchanges them in the response."""
    x, kernel, _ = example(rng, (2, 4, 5, 6, 2, 3), (3, 5, 1))
    turned = conv.conv(x.swapaxes(2, 3), kernel.swapaxes(1, 2), "products")
    close(turned.swapaxes(2, 3), conv.conv(x, kernel, "products"))


def test_errors(rng):
    x, kernel, _ = example(rng, (1, 4, 4, 4, 1, 1), (3, 3, 3))
    with pytest.raises(ValueError, match="unknown form"):
        conv.conv(x, kernel, "winograd")
    with pytest.raises(ValueError, match="odd"):
        conv.conv(x, kernel[:2], "products")


@settings(deadline=None, max_examples=200)
@given(
    st.tuples(*[st.integers(1, 70)] * 3),
    st.integers(1, 512),
    st.integers(1, 512),
    st.tuples(*[st.sampled_from([1, 3, 5, 7, 11])] * 3),
)
def test_every_shape_has_forms(volume, inputs, outputs, window):
    choice = products.choose(volume, inputs, outputs, window)
    assert choice.product in fold.FORMS
    assert choice.kernel_gradient in correlate.FORMS
    assert (choice.product == "point") == (window == (1, 1, 1))


@pytest.mark.parametrize("window", [(2, 2, 2), (2, 3), (1, 4)])
def test_transposed_convolution(rng, window):
    """Every voxel becomes one window: against a loop."""
    space = (3, 2, 4)[: len(window)]
    x, kernel = draw(rng, (2, *space, 3)), draw(rng, (*window, 3, 2))
    larger = tuple(n * w for n, w in zip(space, window, strict=True))
    expected = np.zeros((2, *larger, 2))
    for voxel in np.ndindex(*space):
        for place in np.ndindex(*window):
            at = tuple(v * w + p for v, w, p in zip(voxel, window, place, strict=True))
            expected[:, *at] = x[:, *voxel] @ kernel[place]
    close(conv.conv_transpose(jnp.asarray(x), jnp.asarray(kernel)), expected)
