"""Readers of a stored value do not compute it again."""

import jax
import jax.numpy as jnp
import numpy as np

from mrjax.numerics.stored import stored


def products(keep):
    """The number of products in the compiled program of a chain with four readers."""

    def function(x, y):
        chain = x
        for _ in range(5):
            chain = chain * y + x
        chain = keep(chain)
        return [jnp.sum(chain[i:] * chain[: 512 - i], axis=0) for i in range(1, 5)]

    shape = jax.ShapeDtypeStruct((512, 512), np.float32)
    return jax.jit(function).lower(shape, shape).compile().as_text().count(" multiply(")


def test_readers_do_not_compute_it_again():
    assert products(stored) == 5 + 4
    assert products(lambda x: x) > 5 + 4


def test_it_is_the_identity_and_so_is_its_derivative():
    x = np.array([1, -0.0, np.inf, 1e-30], np.float32)
    y, pull = jax.vjp(jax.jit(stored), x)
    np.testing.assert_array_equal(np.asarray(y).view(np.int32), x.view(np.int32))
    np.testing.assert_array_equal(pull(jnp.asarray(x))[0], x)
    np.testing.assert_array_equal(jax.vmap(stored)(x), x)
