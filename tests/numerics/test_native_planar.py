"""The 2-D convolution's gradients in every form, against XLA's own and a loop, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import draw
from hypothesis import given, settings
from hypothesis import strategies as st

from mrjax.numerics.native import conv, planar

CASES = [
    ((2, 6, 9, 3, 4), (11, 11)),  # a window larger than the image
    ((1, 13, 12, 4, 2), (11, 3)),
    ((2, 5, 4, 4, 2), (3, 5)),
    ((3, 8, 7, 1, 1), (5, 1)),
    ((2, 9, 8, 2, 3), (3, 3)),  # convolved in halves of the batch
]


def example(rng, shape, window, dtype=np.float64):
    b, rows, columns, i, o = shape
    sizes = ((b, rows, columns, i), (*window, i, o), (b, rows, columns, o))
    return tuple(jnp.asarray(draw(rng, size), dtype) for size in sizes)


def close(actual, expected, rtol=1e-11):
    expected = np.asarray(expected)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=rtol * np.abs(expected).max())


def slow_kernel_gradient(x, g, window):
    """Tap by tap: the image moved by the tap's offset, times the output's gradient."""
    m, n = window
    rows, columns = x.shape[1:3]
    padded = np.pad(x, ((0, 0), (m // 2,) * 2, (n // 2,) * 2, (0, 0)))
    result = np.zeros((m, n, x.shape[-1], g.shape[-1]))
    for a, b in np.ndindex(m, n):
        result[a, b] = np.einsum("bxyi,bxyo->io", padded[:, a : a + rows, b : b + columns], g)
    return result


@pytest.mark.parametrize("exchange", [False, True])
@pytest.mark.parametrize("form", ["library", "rows"])
@pytest.mark.parametrize(("shape", "window"), CASES)
def test_kernel_gradient_forms(rng, form, exchange, window, shape):
    x, _, g = example(rng, shape, window)
    actual = planar.kernel_gradient(x, g, window, planar.Choice(form, exchange))
    close(actual, slow_kernel_gradient(x, g, window))


@pytest.mark.parametrize(("shape", "window"), [*CASES, ((2, 4, 5, 3, 2), (1, 1))])
def test_convolution_and_gradients(rng, window, shape):
    x, kernel, g = example(rng, shape, window)
    expected, pull_expected = jax.vjp(lambda *a: conv.conv(*a, "lax"), x, kernel)
    actual, pull = jax.vjp(lambda *a: conv.conv(*a, "products"), x, kernel)
    close(actual, expected)
    for a, e in zip(pull(g), pull_expected(g), strict=True):
        close(a, e)


@pytest.mark.parametrize(
    ("dtype", "rtol"), [("float32", 1e-5), ("bfloat16", 2e-2), ("float16", 2e-3)]
)
def test_data_types_are_kept(rng, dtype, rtol):
    x, kernel, g = example(rng, (2, 12, 10, 4, 3), (11, 11), dtype)
    actual, pull = jax.vjp(planar.conv, x, kernel)
    wide = [a.astype("float64") for a in (x, kernel, g)]
    expected, pull_expected = jax.vjp(lambda *a: conv.conv(*a, "lax"), *wide[:2])
    pairs = [(actual, expected), *zip(pull(g), pull_expected(wide[2]), strict=True)]
    for a, e in pairs:
        assert a.dtype == dtype
        close(a.astype("float64"), e, rtol)


@pytest.mark.parametrize("window", [(11, 11), (3, 3), (1, 1)])
def test_float32_holds_no_float64(rng, window):
    def gradient(x, kernel, g):
        return jax.vjp(planar.conv, x, kernel)[1](g)

    arrays = example(rng, (2, 12, 10, 4, 3), window, np.float32)
    assert "f64" not in str(jax.make_jaxpr(gradient)(*arrays))


def test_the_forms_round_differently(rng):
    """Positive control: a choice of form is a source of rounding."""
    x, _, g = example(rng, (2, 16, 16, 4, 4), (5, 5), np.float32)
    found = {
        np.asarray(planar.kernel_gradient(x, g, (5, 5), planar.Choice(form, exchange))).tobytes()
        for form in ("library", "rows")
        for exchange in (False, True)
    }
    assert len(found) > 1


def test_narrow_gradients_are_exchanged():
    """The two convolutions of a variational network's stage, and those of a U-Net."""
    assert planar.choose(2, 24, (11, 11)) == ("rows", False)
    assert planar.choose(24, 2, (11, 11)) == ("rows", True)
    assert planar.choose(16, 8, (3, 3)) == ("library", True)


@settings(deadline=None)
@given(
    st.integers(1, 512), st.integers(1, 512), st.tuples(*[st.sampled_from([1, 3, 5, 7, 11])] * 2)
)
def test_every_shape_has_a_form(inputs, outputs, window):
    choice = planar.choose(inputs, outputs, window)
    assert choice.form in planar.FORMS
    assert (choice.form == "point") == (window == (1, 1))
