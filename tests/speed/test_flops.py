"""Operations counted in graphs, against sums done by hand."""

import jax
import jax.numpy as jnp
import pytest

from mrjax.speed import flops

X = jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.float32)
K = jax.ShapeDtypeStruct((5, 5, 3, 7), jnp.float32)
PRODUCTS = 2 * 8 * 8 * 7 * 5 * 5 * 3


def count(function, *arguments):
    return flops.of_graph(jax.make_jaxpr(function)(*arguments).jaxpr)


def convolve(x, k, **more):
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=numbers, **more)


def test_a_convolution():
    assert count(convolve, X, K) == 2 * PRODUCTS


def test_its_gradients_cost_as_much_each():
    both = jax.grad(lambda x, k: jnp.sum(convolve(x, k) ** 2), argnums=(0, 1))
    assert count(both, X, K) == 3 * 2 * PRODUCTS


def test_inserted_zeros_are_not_multiplied():
    def transposed(x, k):
        return jax.lax.conv_transpose(x, k, (2, 2), "VALID")

    kernel = jax.ShapeDtypeStruct((2, 2, 3, 7), jnp.float32)
    assert count(transposed, X, kernel) == 2 * (2 * 8 * 8 * 3) * (2 * 2 * 7)


@pytest.mark.parametrize(("dtype", "real"), [("float32", 2), ("complex64", 8)])
def test_a_batched_matrix_product(dtype, real):
    a, b = (jax.ShapeDtypeStruct(s, dtype) for s in ((4, 5, 6), (4, 6, 7)))
    assert count(jnp.matmul, a, b) == real * 4 * 5 * 6 * 7


def test_inside_calls_and_loops():
    a = jax.ShapeDtypeStruct((5, 5), jnp.float32)

    def repeated(a):
        return jax.lax.scan(lambda x, _: (jax.jit(jnp.matmul)(x, a), None), a, None, length=3)

    assert count(repeated, a) == 3 * 2 * 5**3


def test_what_is_no_product_is_left_out():
    assert count(lambda x: jnp.sum(jnp.exp(x) + x * x), X) == 0
