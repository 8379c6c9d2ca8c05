"""Sum of Gaussians on equidistant nodes: the activation of the variational network."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def rbf(
    x: Float[Array, "*axes f"], weights: Float[Array, "f n"], low: float, high: float
) -> Float[Array, "*axes f"]:
    """Return sum over j of weights[f, j] exp(-(x - mu_j)^2 / (2 s^2)).

    Args:
        x: channels last.
        weights: of each channel and node.
        low: first node.
        high: last node; the width s is the distance of two nodes.

    Returns:
        The shape and type of x.
    """
    nodes = weights.shape[1]
    spacing = (high - low) / (nodes - 1)
    place = (x - jnp.asarray(low, x.dtype)) / jnp.asarray(spacing, x.dtype)
    offset = place[..., None] - jnp.arange(nodes, dtype=x.dtype).reshape((1,) * x.ndim + (-1,))
    gauss = jnp.exp(jnp.square(offset) * jnp.asarray(-0.5, x.dtype))
    return jnp.sum(gauss * weights.reshape((1,) * (x.ndim - 1) + weights.shape), axis=-1)
