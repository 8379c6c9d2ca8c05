"""Normalisation and rectifier: exact statistics, rounded steps, gradients by hand.

The expressions here rely on one fact: a product of two float32 numbers is exact in float64, so a
sum of such products is an IEEE sum whether or not the compiler fuses product and sum. Every factor
is a float32 number or has been rounded to one by :func:`r`.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from mrjax.numerics.exact import finite_or_nan
from mrjax.numerics.reproducible.elementwise import add, div, exact, mul, sqrt, sub
from mrjax.numerics.reproducible.rounding import narrow, quotient, r, root, wide
from mrjax.numerics.reproducible.rounding import shortened as t
from mrjax.numerics.reproducible.sums import exact_sum
from mrjax.numerics.stored import stored


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def leaky_relu(x: Float[Array, "..."], slope: float) -> Float[Array, "..."]:
    """Return x where x > 0 and slope * x, rounded, elsewhere; the gradient is scaled alike."""
    return _leak(x, x, slope)


@exact
def _leak(x: Array, place: Array, slope: float) -> Array:
    """Return x where place > 0 and slope * x elsewhere; subnormals are zeros in x and place."""
    # A comparison with the smallest normal number is the same whether the device flushes or not.
    return narrow(wide(x) * jnp.where(place >= _SMALLEST, 1.0, _single(slope)))


leaky_relu.defvjp(
    lambda x, slope: (_leak(x, x, slope), x),
    lambda slope, x, gradient: (_leak(gradient, x, slope),),
)


_SMALLEST = np.float32(2.0**-126)


def _single(value: float) -> float:
    """Return the float32 number nearest to a constant."""
    return float(np.float32(value))


def _per_channel(values: Array, x: Array) -> Array:
    """Reshape the channels' values to as many axes as x has."""
    return values.reshape((1,) * (x.ndim - 1) + values.shape)


def normalise(
    x: Float[Array, "b *space c"],
    mean: Float[Array, " c"],
    var: Float[Array, " c"],
    scale: Float[Array, " c"],
    bias: Float[Array, " c"],
    eps: float,
) -> Float[Array, "b *space c"]:
    """Return scale * (x - mean) / sqrt(var + eps) + bias for given statistics of each channel.

    Args:
        x: float32.
        mean: mean of each channel.
        var: variance of each channel.
        scale: factor of each channel.
        bias: summand of each channel.
        eps: number added to the variance.

    Returns:
        float32. Every step is rounded; the factor scale / sqrt(var + eps) is one number for each
        channel. An infinite variance gives NaN, because a factor of 0 would leave only the bias.
    """
    deviation = stored(finite_or_nan(sqrt(add(var, jnp.full_like(var, eps)))))
    factor = stored(div(scale, deviation))
    centred = stored(sub(x, _per_channel(mean, x)))
    scaled = stored(mul(centred, _per_channel(factor, x)))
    return stored(add(scaled, _per_channel(bias, x)))


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def batch_norm(
    x: Float[Array, "b *space c"], scale: Float[Array, " c"], bias: Float[Array, " c"], eps: float
) -> tuple[Float[Array, "b *space c"], Float[Array, " c"], Float[Array, " c"]]:
    """Normalise each channel by the batch; return the mean and biased variance too.

    mean = E x and var = E (x - mean)^2 are exact sums, divided and rounded once; x - mean is
    rounded to float32 before it is squared. The rest has the bits of :func:`normalise`.

    Args:
        x: float32.
        scale: factor of each channel.
        bias: summand of each channel.
        eps: number added to the variance.

    Returns:
        scale * (x - mean) / sqrt(var + eps) + bias, mean and variance, float32. A variance that
        overflows is infinite and makes the first result NaN.

    Source: Ioffe and Szegedy, ICML 2015, algorithm 1.

    Errors of the gradients: let g be the gradient by the first result (the others having none),
    c = x - mean, s^2 = var + eps, f = |scale| / s, E the mean over the n terms of a channel, H(y)
    the error 2^-(B + 1) M of E y by its grid (`exact_sum`) and u = 2^-24. The rounded mean is wrong
    by d = u |mean| + H(x), and s^2 by the fraction e = (d^2 + H(c^2) + 2^-126) / s^2 of itself. For
    e below 0.1 and c that are zero or normal float32 numbers errors are at most, besides 2^-126:

        by x      f u (5 |g| + 7 |E g| + |c| (E |g c| + 17 |E g c|) / s^2) + f H(g)
                  + f (|c| H(g c) + d |E g c| + d |c E g|) / s^2
                  + f e (|g| + |E g| + 2 |c E g c| / s^2)
        by scale  n (u (E |g c| + 5 |E g c|) + H(g c) + d |E g| + e |E g c|) / s
        by bias   n (u |E g| + H(g))
    """
    return _forward(x, scale, bias, eps)[0]


class _Saved(NamedTuple):
    """What the gradient needs.

    Attributes:
        centred: x - mean.
        scale: factor of each channel.
        deviation: sqrt(var + eps) of each channel.
    """

    centred: Array
    scale: Array
    deviation: Array


# Values that are read for every voxel, or more than once, are stored: otherwise XLA's CPU compiler
# would recompute a channel's mean for each voxel, and x - mean for each reader.


@exact
def _forward(
    x: Array, scale: Array, bias: Array, eps: float
) -> tuple[tuple[Array, Array, Array], _Saved]:
    x = stored(x)
    mean = stored(narrow(_mean(x)))
    centred = stored(narrow(wide(x) - _per_channel(wide(mean), x)))
    distance = wide(centred)
    var = stored(narrow(_mean(distance * distance)))
    deviation = stored(finite_or_nan(narrow(root(r(wide(var) + _single(eps))))))
    factor = wide(stored(narrow(quotient(wide(scale), wide(deviation)))))
    y = narrow(r(distance * _per_channel(factor, x)) + _per_channel(wide(bias), x))
    return (stored(y), mean, var), _Saved(centred, scale, deviation)


def _mean(x: Array) -> Array:
    """Divide each channel's exact sum by the number of its terms, in float64."""
    return _divided(exact_sum(x, tuple(range(x.ndim - 1))), x)


def _divided(value: Array, x: Array) -> Array:
    return quotient(value, jnp.asarray(math.prod(x.shape[:-1]), jnp.float64))


@exact
def _backward(
    eps: float, saved: _Saved, gradients: tuple[Array, Array, Array]
) -> tuple[Array, Array, Array]:
    """Return f g + C (x - mean) + D: three products and sums, with C and D of each channel.

    With the mean M of g and the mean N of g (x - mean), f = scale / s and s = sqrt(var + eps),
    the gradient by x is f (g - M) - f N / s^2 (x - mean). The derivative of the mean by x is 1 / n,
    and that of the variance is 2 (x - mean) / n.
    """
    g, by_mean, by_var = (wide(stored(gradient)) for gradient in gradients)
    x, scale, s = (wide(value) for value in saved)
    axes = tuple(range(x.ndim - 1))
    total, moment = exact_sum(g, axes), exact_sum(g * x, axes)
    f = stored(t(quotient(scale, s)))
    mean_of_g, mean_of_moment = (t(_divided(value, x)) for value in (total, moment))
    constant = stored(t(t(_divided(by_mean, x)) - t(f * mean_of_g)))
    share = t(quotient(t(quotient(t(f * mean_of_moment), s)), s))
    slope = stored(t(t(_divided(2 * by_var, x)) - share))
    by_x = g * _per_channel(f, x) + x * _per_channel(slope, x) + _per_channel(constant, x)
    return stored(narrow(by_x)), narrow(quotient(t(moment), s)), narrow(total)


batch_norm.defvjp(_forward, _backward)
