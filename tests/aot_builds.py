"""Functions to compile for the H200, in the form tests/aot.py asks for."""

import flax.linen as nn
import jax
import jax.numpy as jnp

X = jax.ShapeDtypeStruct((1, 8, 8, 8, 4), jnp.float32)


def max_pool_gradient():
    """The stock pooling: its gradient is select-and-scatter, with atomics on a GPU."""

    def loss(x):
        return jnp.sum(nn.max_pool(x, (2, 2, 2), strides=(2, 2, 2)) ** 2)

    return jax.grad(loss), (X,)


def convolution_gradient():
    """A 3-D convolution, its weight gradient and a sum: cuDNN calls, no atomics."""

    def loss(kernel, x):
        numbers = ("NDHWC", "DHWIO", "NDHWC")
        y = jax.lax.conv_general_dilated(
            x, kernel, (1, 1, 1), "SAME", dimension_numbers=numbers, precision="highest"
        )
        return jnp.mean(jnp.abs(y))

    return jax.grad(loss), (jax.ShapeDtypeStruct((5, 5, 5, 4, 8), jnp.float32), X)
