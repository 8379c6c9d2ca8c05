"""Sums of Gaussians on equidistant nodes: the activation of the variational network.

Distances are in units of the node distance. With d = x - c, the Gaussian whose node lies k nodes
from a centre c is exp(-(d - k)^2 / 2) = exp(-d^2 / 2) exp(d)^k exp(-k^2 / 2), so the nodes around
one centre are a polynomial in exp(d) and one in exp(-d): two exponentials serve eight nodes,
whatever the weights. Gradients are computed anew from x, so that no array as large as x times the
number of nodes exists.
"""

import functools
import itertools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.numerics.native.fold import wide

REACH = 4
"""Number of nodes on each side of a centre; the float32 rounding errors of exp(d)^k grow with k."""

LIMIT = 18
"""Distances to a centre are cut to this: its Gaussians are then zero in float32, and
exp(LIMIT REACH) is finite."""


class Segment(NamedTuple):
    """Numbers of the neighbouring nodes first, ..., last that share the node `centre`."""

    first: int
    centre: int
    last: int


def segments(nodes: int) -> list[Segment]:
    """Divide the nodes among centres.

    Args:
        nodes: number of nodes.

    Returns:
        Segments of at most 2 REACH nodes, nearly equally long, in order.
    """
    number = math.ceil(nodes / (2 * REACH))
    ends = [nodes * i // number for i in range(number + 1)]
    return [Segment(a, (a + b - 1) // 2, b - 1) for a, b in itertools.pairwise(ends)]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def rbf(
    x: Float[Array, "*axes f"], weights: Float[Array, "f n"], low: float, high: float
) -> Float[Array, "*axes f"]:
    """Return sum over j of weights[f, j] exp(-(x - mu_j)^2 / (2 s^2)).

    Args:
        x: channels last; 16-bit types are computed in float32.
        weights: one weight for each channel and node; there are at least two nodes.
        low: position of the first node mu_0.
        high: position of the last node; the width s is the distance of two nodes.

    Returns:
        An array of the shape and type of x; 0 far outside the nodes.

    Source: Hammernik et al., Magn Reson Med 79:3055 (2018): the activation functions.

    Raises:
        ValueError: for a single node, which has no distance.
    """
    if weights.shape[1] < 2:
        raise ValueError(f"rbf needs at least two nodes, not {weights.shape[1]}")
    widened = wide(weights)
    place = _place(x, weights.shape[1], low, high)
    return _sum_of_segments(place, widened, derivative=False).astype(x.dtype)


def _place(x: Array, nodes: int, low: float, high: float) -> Array:
    """Return x in node distances from the middle of the nodes, near which float32 is finest."""
    widened = wide(x)
    centred = widened - jnp.asarray((low + high) / 2, widened.dtype)
    return centred * jnp.asarray((nodes - 1) / (high - low), widened.dtype)


def _sum_of_segments(place: Array, weights: Array, *, derivative: bool) -> Array:
    """Return the sum of Gaussians, or its derivative by `place`."""
    middle = (weights.shape[1] - 1) / 2
    rows = (1,) * (place.ndim - 1) + weights.shape[:1]
    total = jnp.zeros_like(place)
    for first, centre, last in segments(weights.shape[1]):
        d = jnp.clip(place - (centre - middle), -LIMIT, LIMIT)
        scaled = {
            node - centre: weights[:, node].reshape(rows) * math.exp(-((node - centre) ** 2) / 2)
            for node in range(first, last + 1)
        }
        value = _polynomial(d, scaled)
        if derivative:
            value = _polynomial(d, {k: w * k for k, w in scaled.items()}) - d * value
        total = total + jnp.exp(-0.5 * jnp.square(d)) * value
    return total


def _polynomial(d: Array, coefficients: dict[int, Array]) -> Array:
    """Return sum over k of coefficients[k] exp(d)^k by Horner's rule, for each sign of k."""
    rising = jnp.exp(d)
    total = coefficients[0]
    for base, sign in ((rising, 1), (1 / rising, -1)):
        part = jnp.zeros_like(d)
        for k in sorted((abs(k) for k in coefficients if k * sign > 0), reverse=True):
            part = (part + coefficients[sign * k]) * base
        total = total + part
    return total


def _forward(
    x: Array, weights: Array, low: float, high: float
) -> tuple[Array, tuple[Array, Array]]:
    return rbf(x, weights, low, high), (x, weights)


def _backward(
    low: float, high: float, saved: tuple[Array, Array], gradient: Array
) -> tuple[Array, Array]:
    x, weights = saved
    nodes = weights.shape[1]
    place, g = _place(x, nodes, low, high), wide(gradient)
    slope = _sum_of_segments(place, wide(weights), derivative=True)
    by_x = g * slope * jnp.asarray((nodes - 1) / (high - low), g.dtype)
    # XLA fuses this to one reduction, which computes each Gaussian, adds it and keeps no array.
    at = jnp.arange(nodes, dtype=place.dtype) - jnp.asarray((nodes - 1) / 2, place.dtype)
    offset = place[..., None] - at.reshape((1,) * x.ndim + (nodes,))
    gaussians = jnp.exp(-0.5 * jnp.square(offset))
    by_weights = jnp.sum(g[..., None] * gaussians, axis=tuple(range(x.ndim - 1)))
    return by_x.astype(x.dtype), by_weights.astype(weights.dtype)


rbf.defvjp(_forward, _backward)
