"""Find the first tensor of a training step that is not finite.

An overflow reaches every later tensor within a step or two, so a user needs to know where it began.
"""

import jax.numpy as jnp
from jaxtyping import Array, Int32, PyTree

from mrjax.numerics.trees import named_leaves

NONE = -1
"""The result of `first` if every tensor is finite."""


def first(tensors: PyTree) -> Int32[Array, ""]:
    """Find the first tensor with a value that is infinite or not a number.

    Args:
        tensors: any JAX tree of arrays.

    Returns:
        The place of this tensor among the tree's leaves; `NONE` if all are finite.
    """
    flags = [~jnp.all(jnp.isfinite(leaf)) for leaf in named_leaves(tensors).values()]
    place = jnp.argmax(jnp.stack([*flags, jnp.asarray(True)]))  # the place of the first True
    return jnp.where(place < len(flags), place, NONE).astype(jnp.int32)


def names(tensors: PyTree) -> list[str]:
    """Return the names of the leaves by place, such as ``gradients/out/conv/kernel``."""
    return list(named_leaves(tensors))
