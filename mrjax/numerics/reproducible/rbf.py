"""Sums of Gaussians on equidistant nodes, and their gradients, in order-free arithmetic.

Distances are in units of the node distance. With d = x - c for a node c, the Gaussian of the node
k nodes from c is exp(-(d - k)^2 / 2) = exp(-d^2 / 2) exp(d)^k exp(-k^2 / 2). Two exponentials and a
reciprocal serve all nodes within 15 of c, as two polynomials in exp(d) and exp(-d), whose powers
float64 can hold.
"""

import functools
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.numerics.exact import finite_or_nan
from mrjax.numerics.host import MANTISSA
from mrjax.numerics.reproducible.elementwise import exact
from mrjax.numerics.reproducible.functions import exponential
from mrjax.numerics.reproducible.grid import log2_ceil, nearest, units
from mrjax.numerics.reproducible.rounding import narrow, quotient, sealed, wide

REACH = 15
"""Number of nodes on each side of a centre."""

LIMIT = REACH + 18.0
"""Distances to a centre are cut to this: its Gaussians are then below 2^-233, and
exp(LIMIT REACH) is finite."""

PIECE = 1 << 13
"""How many numbers are treated at a time, so that their Gaussians (64 KiB) stay in the cache."""


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
@exact
def rbf(
    x: Float[Array, "*axes f"], weights: Float[Array, "f n"], low: float, high: float
) -> Float[Array, "*axes f"]:
    """Return sum over j of weights[f, j] exp(-(x - mu_j)^2 / (2 s^2)), rounded once.

    Args:
        x: float32, channels last.
        weights: float32, one weight for each channel and node; there are at least two nodes.
        low: position of the first node mu_0.
        high: position of the last node; the width s is the distance of two nodes.

    Returns:
        float32, with an error of at most 2^-28 of the sum S of the magnitudes of the terms, and one
        rounding. Infinite x, which means an overflow, gives NaN.

    Source: Hammernik et al., Magn Reson Med 79:3055 (2018): the activation functions.

    Errors of the gradients, for g the gradient by the result, n positions of each channel and M the
    power of two above the largest |g|: by x at most 2^-23 |g| S / s; by the weights at most 2^-28
    of the terms |g| exp() and n 2^-(53 - ceil(log2 n)) M; one rounding each. All this holds for |w|
    and |w g| / s below 2^100, because far from all nodes the Gaussians are 2^-233 instead of 0.
    """
    return narrow(_sum(_place(x, weights.shape[1], low, high), weights))


class Near(NamedTuple):
    """The factors of the Gaussians around one centre.

    Attributes:
        d: distance to the centre, in node distances.
        bell: exp(-d^2 / 2).
        rising: exp(d).
        falling: exp(-d).
    """

    d: Float[Array, "*axes f"]
    bell: Float[Array, "*axes f"]
    rising: Float[Array, "*axes f"]
    falling: Float[Array, "*axes f"]


def _place(x: Array, nodes: int, low: float, high: float) -> Array:
    """Return x in node distances from the middle of the nodes."""
    return sealed((finite_or_nan(wide(x)) - (low + high) / 2) * ((nodes - 1) / (high - low)))


def _segments(nodes: int) -> Iterator[tuple[int, range]]:
    """Yield each centre with the offsets of the nodes that belong to it."""
    number = math.ceil(nodes / (2 * REACH + 1))
    for i in range(number):
        start, stop = nodes * i // number, nodes * (i + 1) // number
        centre = (start + stop - 1) // 2
        yield centre, range(start - centre, stop - centre)


def _height(k: int) -> float:
    """Return exp(-k^2 / 2), correctly rounded, without the host's library of functions."""
    return float((Decimal(-k * k) / 2).exp())


def _near(place: Array, centre: int, nodes: int) -> Near:
    d = jnp.clip(place - (centre - (nodes - 1) / 2), -LIMIT, LIMIT)
    rising = exponential(d)
    bell = exponential(sealed(d * d) * -0.5)
    return Near(d, bell, rising, quotient(jnp.ones_like(d), rising))


def _polynomial(near: Near, coefficients: dict[int, Array]) -> Array:
    """Return sum over k of coefficients[k] exp(d)^k by Horner's rule, for each sign of k."""
    total = coefficients[0]
    for base, sign in ((near.rising, 1), (near.falling, -1)):
        part = jnp.zeros_like(near.d)
        for k in sorted((abs(k) for k in coefficients if k * sign > 0), reverse=True):
            part = sealed((part + coefficients[sign * k]) * base)
        total = total + part
    return total


def _coefficients(weights: Array, centre: int, factors: dict[int, float], rank: int) -> dict:
    shape = (1,) * (rank - 1) + weights.shape[:1]
    columns = {k: wide(weights[:, centre + k]).reshape(shape) for k in factors}
    return {k: sealed(columns[k] * factor) for k, factor in factors.items()}


def _sum(place: Array, weights: Array) -> Array:
    total = jnp.zeros_like(place)
    for centre, offsets in _segments(weights.shape[1]):
        near = _near(place, centre, weights.shape[1])
        heights = {k: _height(k) for k in offsets}
        value = _polynomial(near, _coefficients(weights, centre, heights, place.ndim))
        total = total + sealed(near.bell * value)
    return total


def _slope(place: Array, weights: Array) -> Array:
    """Return the derivative of the sum by `place`; that of a Gaussian is k - d times itself."""
    total = jnp.zeros_like(place)
    for centre, offsets in _segments(weights.shape[1]):
        near = _near(place, centre, weights.shape[1])
        heights = {k: _height(k) for k in offsets}
        tilted = {k: k * height for k, height in heights.items()}
        value, moment = (
            _polynomial(near, _coefficients(weights, centre, factors, place.ndim))
            for factors in (heights, tilted)
        )
        total = total + sealed(near.bell * (moment - sealed(near.d * value)))
    return total


def _weight_gradient(place: Array, g: Array, nodes: int) -> Array:
    """Add g times each node's Gaussian over positions: an exact sum of terms rounded to a grid.

    Gaussians are at most 1, so the gradient alone determines the grid. The positions of each
    sample are treated piece after piece, so that values used for all nodes stay in the cache.
    """
    positions, channels = math.prod(g.shape[:-1]), g.shape[-1]
    bits = MANTISSA - 1 - log2_ceil(positions)
    scale, unit = units(g, bits, tuple(range(g.ndim - 1)))

    def add(totals: Array, piece: tuple[Array, Array]) -> tuple[Array, None]:
        near_place, weight = piece
        sums = [_sums_of_segment(near_place, weight, s, nodes) for s in _segments(nodes)]
        return totals + jnp.concatenate(sums), None

    samples = g.shape[0] if g.ndim > 1 else 1
    pieces = (_pieces(place, samples), _pieces(wide(g) * scale, samples))
    start = jnp.zeros((nodes, samples, channels))
    totals = jax.lax.scan(add, start, pieces)[0]
    return narrow(jnp.sum(totals, axis=1).T * unit.reshape(-1, 1))


def _pieces(x: Array, samples: int) -> Array:
    """Cut (*axes, f) into (pieces, samples, positions, f), padded with zeros."""
    x = x.reshape(samples, -1, x.shape[-1])
    number = math.ceil(x.size / PIECE)
    length = math.ceil(x.shape[1] / number)
    x = jnp.pad(x, ((0, 0), (0, number * length - x.shape[1]), (0, 0)))
    return x.reshape(samples, number, length, -1).swapaxes(0, 1)


def _sums_of_segment(place: Array, weight: Array, segment: tuple[int, range], nodes: int) -> Array:
    """Add weighted Gaussians, as integers, for each node of a segment: (n, samples, f)."""
    centre, offsets = segment
    near = _near(place, centre, nodes)
    middle = sealed(near.bell * weight)

    def rounded_sum(terms: Array) -> Array:
        return jnp.sum(nearest(terms), axis=1)

    def step(terms: tuple[Array, Array], height: Array) -> tuple[tuple, tuple]:
        below, above = sealed(terms[0] * near.falling), sealed(terms[1] * near.rising)
        return (below, above), (rounded_sum(below * height), rounded_sum(above * height))

    lower, upper = -offsets[0], offsets[-1]
    heights = jnp.asarray([_height(k) for k in range(1, max(lower, upper) + 1)])
    below, above = jax.lax.scan(step, (middle, middle), heights)[1]
    return jnp.concatenate([jnp.flip(below[:lower], 0), rounded_sum(middle)[None], above[:upper]])


def _forward(
    x: Array, weights: Array, low: float, high: float
) -> tuple[Array, tuple[Array, Array]]:
    return rbf(x, weights, low, high), (x, weights)


@exact
def _backward(
    low: float, high: float, saved: tuple[Array, Array], gradient: Array
) -> tuple[Array, Array]:
    x, weights = saved
    nodes = weights.shape[1]
    place = _place(x, nodes, low, high)
    slope = sealed(_slope(place, weights) * ((nodes - 1) / (high - low)))
    return narrow(wide(gradient) * slope), _weight_gradient(place, gradient, nodes)


rbf.defvjp(_forward, _backward)
