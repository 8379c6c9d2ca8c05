"""Sums of Gaussians on equidistant nodes, and their gradients, in order-free arithmetic.

In units of the node distance, and with d = x - c for a node c, exp(-(d - k)^2 / 2) is
exp(-d^2 / 2) exp(d)^k exp(-k^2 / 2): two exponentials and a reciprocal serve all nodes within 15
of c, as two polynomials in exp(d) and exp(-d). float64 holds their powers.
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
from mrjax.numerics.reproducible.elementwise import exact
from mrjax.numerics.reproducible.functions import exponential
from mrjax.numerics.reproducible.grid import MANTISSA, log2_ceil, nearest, units
from mrjax.numerics.reproducible.rounding import (
    narrow,
    quotient,
    sealed,
    wide,
)

REACH = 15
"""Nodes on each side of a centre."""

LIMIT = REACH + 18.0
"""Distance to a centre from which on its Gaussians are below 2^-233; exp(LIMIT REACH) is finite."""

PIECE = 1 << 13
"""Numbers of a piece whose Gaussians are made at a time: 64 KiB."""


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
@exact
def rbf(
    x: Float[Array, "*axes f"], weights: Float[Array, "f n"], low: float, high: float
) -> Float[Array, "*axes f"]:
    """Return sum over j of weights[f, j] exp(-(x - mu_j)^2 / (2 s^2)), rounded once.

    Args:
        x: channels last, float32.
        weights: of each channel and node, float32, at least two nodes.
        low: first node mu_0.
        high: last node; the width s is the distance of two nodes.

    Returns:
        float32, with an error of at most 2^-28 of the sum S of the magnitudes of its terms, and one
        rounding. NaN for infinite x, which is an overflow. The gradient g of the result gives one
        by x with an error of at most 2^-23 |g| S / s, and one by the weights of 2^-28 of its terms
        |g| exp() and n 2^-(53 - ceil(log2 n)) M, for n positions of each channel and M the power
        of two above the largest |g|; one rounding each. All for |w| and |w g| / s below 2^100:
        far from all nodes the Gaussians are not 0 but 2^-233.
    """
    return narrow(_sum(_place(x, weights.shape[1], low, high), weights))


class Near(NamedTuple):
    """What the Gaussians around one centre are made of.

    Attributes:
        d: distance to the centre.
        bell: exp(-d^2 / 2).
        rising: exp(d).
        falling: exp(-d).
    """

    d: Float[Array, "*axes f"]
    bell: Float[Array, "*axes f"]
    rising: Float[Array, "*axes f"]
    falling: Float[Array, "*axes f"]


def _place(x: Array, nodes: int, low: float, high: float) -> Array:
    """X in node distances from the middle of the nodes."""
    return sealed((finite_or_nan(wide(x)) - (low + high) / 2) * ((nodes - 1) / (high - low)))


def _segments(nodes: int) -> Iterator[tuple[int, range]]:
    """Centres, and the offsets of the nodes that belong to each."""
    number = math.ceil(nodes / (2 * REACH + 1))
    for i in range(number):
        start, stop = nodes * i // number, nodes * (i + 1) // number
        centre = (start + stop - 1) // 2
        yield centre, range(start - centre, stop - centre)


def _height(k: int) -> float:
    """exp(-k^2 / 2), correctly rounded without the host's library of functions."""
    return float((Decimal(-k * k) / 2).exp())


def _near(place: Array, centre: int, nodes: int) -> Near:
    d = jnp.clip(place - (centre - (nodes - 1) / 2), -LIMIT, LIMIT)
    rising = exponential(d)
    bell = exponential(sealed(d * d) * -0.5)
    return Near(d, bell, rising, quotient(jnp.ones_like(d), rising))


def _polynomial(near: Near, coefficients: dict[int, Array]) -> Array:
    """Sum over k of coefficients[k] exp(d)^k, both signs of k by Horner's rule."""
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
    """Derivative of the sum by the place: of one Gaussian it is (k - d) times itself."""
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
    """Sum over positions of g times each node's Gaussian: exact, of terms rounded to a grid.

    Gaussians are at most 1, so the grid is known from the gradient alone. Piece after piece of
    each sample, so that what is repeated for all nodes stays in the cache.
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
    """Cut (*axes, f) into (pieces, samples, positions, f), filled up with zeros."""
    x = x.reshape(samples, -1, x.shape[-1])
    number = math.ceil(x.size / PIECE)
    length = math.ceil(x.shape[1] / number)
    x = jnp.pad(x, ((0, 0), (0, number * length - x.shape[1]), (0, 0)))
    return x.reshape(samples, number, length, -1).swapaxes(0, 1)


def _sums_of_segment(place: Array, weight: Array, segment: tuple[int, range], nodes: int) -> Array:
    """Sum of weighted Gaussians, as integers, for each node of a segment: (n, samples, f)."""
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
