"""Which tensor of a training step is the first that is not finite.

An overflow reaches every later tensor within a step or two, and what a person needs is where it
began.
"""

import jax.numpy as jnp
from jaxtyping import Array, Int32, PyTree

from mrjax.numerics.trees import named_leaves

NONE = -1
"""Stands for: every tensor is finite."""


def first(tensors: PyTree) -> Int32[Array, ""]:
    """Find the first tensor with a value that is infinite or not a number.

    Args:
        tensors: any JAX tree of arrays.

    Returns:
        Its place among the tree's leaves; `NONE` if all are finite.
    """
    flags = [~jnp.all(jnp.isfinite(leaf)) for leaf in named_leaves(tensors).values()]
    place = jnp.argmax(jnp.stack([*flags, jnp.asarray(True)]))  # of the first True
    return jnp.where(place < len(flags), place, NONE).astype(jnp.int32)


def names(tensors: PyTree) -> list[str]:
    """Names of the leaves by place, such as ``gradients/out/conv/kernel``."""
    return list(named_leaves(tensors))
