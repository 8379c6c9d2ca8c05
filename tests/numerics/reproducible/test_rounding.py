"""Every elementwise step is the IEEE float32 operation with subnormals flushed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numerics.reproducible import strict

from mrjax.numerics.reproducible import Reproducible
from mrjax.numerics.reproducible.rounding import narrow, r, sealed, wide

AR = Reproducible()
BINARY = {
    "add": (AR.add, np.add),
    "sub": (AR.sub, np.subtract),
    "mul": (AR.mul, np.multiply),
    "div": (AR.div, np.divide),
}


@pytest.mark.parametrize("name", BINARY)
def test_a_million_pairs(rng, name):
    ours, numpys = BINARY[name]
    x, y = strict.pairs(rng, 350_000)
    expected = strict.apply(numpys, x, y)
    result = np.asarray(jax.jit(ours)(x, y))
    np.testing.assert_array_equal(strict.bits(result), strict.bits(expected))
    with np.errstate(all="ignore"):
        plain = numpys(x, y)
    # The pairs are hard enough: subnormal results, results rounded up to 2^-126, overflow, NaN.
    assert np.sum((np.abs(plain) < strict.SMALLEST) & (plain != 0)) > 100
    assert np.sum(np.isinf(expected)) > 50
    assert np.sum(np.isnan(expected)) > 100


def test_square_roots(rng):
    x = np.concatenate([strict.any_float(rng, 1_000_000), strict.SPECIAL])
    result = np.asarray(jax.jit(AR.sqrt)(x))
    np.testing.assert_array_equal(strict.bits(result), strict.bits(strict.apply(np.sqrt, x)))


def test_what_gradual_underflow_rounds_up_is_flushed():
    """(1 - 2^-24) 2^-126 is below 2^-126 with 24 bits; float32's subnormals cannot tell."""
    almost, half = np.float32(1 - 2.0**-24), np.float32(2.0**-126)
    assert almost * half == half
    assert AR.mul(jnp.asarray(almost), jnp.asarray(half)) == 0


def test_operands_keep_their_sign_and_nothing_below_the_normal_numbers():
    x = np.array([-(2.0**-127), 2.0**-149, -0.0, 2.0**-126, -np.inf], np.float32)
    np.testing.assert_array_equal(wide(x), [-0.0, 0.0, -0.0, 2.0**-126, -np.inf])
    assert list(np.signbit(wide(x))) == [True, False, True, False, True]


def test_flush(rng):
    """A gradient that JAX has added up becomes its product with 1."""
    x = np.concatenate([strict.any_float(rng, 100_000), strict.SPECIAL])
    expected = strict.bits(strict.apply(np.multiply, x, np.float32(1)))
    np.testing.assert_array_equal(strict.bits(jax.jit(AR.flush)(x)), expected)
    complex_x = x.astype(np.complex64)
    np.testing.assert_array_equal(strict.bits(np.real(jax.jit(AR.flush)(complex_x))), expected)


def test_the_gradient_of_flush_is_flushed():
    _, gradient = jax.vjp(AR.flush, jnp.ones(3, jnp.float32))
    (found,) = gradient(jnp.asarray([1.0, -1e-40, 1e-40], jnp.float32))
    np.testing.assert_array_equal(strict.bits(found), strict.bits(np.float32([1.0, -0.0, 0.0])))


def test_kinds_of_nan_become_one():
    kinds = np.array([0x7FC00001, 0xFFC00000, 0x7F800001, 0xFFFFFFFF], np.uint32)
    result = AR.mul(kinds.view(np.float32), np.ones(4, np.float32))
    np.testing.assert_array_equal(strict.bits(result), np.uint32(0x7FC00000))


def test_rounding_in_float64(rng):
    x = rng.standard_normal(1000) * 10.0 ** rng.uniform(-30, 30, 1000)
    np.testing.assert_array_equal(r(jnp.asarray(x)), x.astype(np.float32))
    np.testing.assert_array_equal(narrow(jnp.asarray(x)), x.astype(np.float32))


def test_rounding_is_no_cast():
    """A cast to float32 and back rounds on this CPU; on a GPU, XLA deletes it."""
    for function in (r, narrow):
        graph = str(jax.make_jaxpr(function)(jnp.ones(3, jnp.float64)))
        assert "reduce_precision[exponent_bits=8 mantissa_bits=23]" in graph


def test_a_sealed_product_loses_one_bit_and_no_more(rng):
    x = rng.standard_normal(1000)
    result = np.asarray(sealed(jnp.asarray(x)))
    assert 300 < np.sum(result != x) < 700
    np.testing.assert_array_equal(result, np.where(result == x, x, np.nextafter(x, 0)))


def test_only_single_precision():
    with pytest.raises(TypeError, match="float32, not float64"):
        AR.add(jnp.ones(2, jnp.float64), jnp.ones(2, jnp.float32))
