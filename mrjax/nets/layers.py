"""Layers that the networks share. A module holds hyper-parameters only; arithmetic is a field.

Initial values are not drawn here. :mod:`mrjax.nets.initial` draws them on the host by leaf name
(``kernel``, ``transposed_kernel``, ``bias``, ``scale``), so that they depend neither on Flax's own
key folding nor on the device.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.numerics.arithmetic import Arithmetic

_zeros = nn.initializers.zeros


def per_channel(values: Float[Array, " c"], x: Float[Array, "*axes c"]) -> Array:
    """Return the channels' values in the type of x, with as many axes as x has."""
    return values.astype(x.dtype).reshape((1,) * (x.ndim - 1) + values.shape)


class Conv(nn.Module):
    """Convolution with bias, stride 1, and an output as large as the input.

    y[v, o] = bias[o] + sum over a, i of x[v + a - half, i] kernel[a, i, o], half = window // 2.

    Attributes:
        features: number of output channels.
        window: edges of the kernel, odd.
        arithmetic: the arithmetic.
    """

    features: int
    window: tuple[int, ...]
    arithmetic: Arithmetic

    @nn.compact
    def __call__(self, x: Float[Array, "b *space i"]) -> Float[Array, "b *space o"]:
        """Return the response."""
        kernel = self.param(
            "kernel", _zeros, (*self.window, x.shape[-1], self.features), jnp.float32
        )
        bias = self.param("bias", _zeros, (self.features,), jnp.float32)
        y = self.arithmetic.conv(x, kernel)
        return self.arithmetic.add(y, per_channel(bias, y))


class UpConv(nn.Module):
    """Transposed convolution by 2 along each spatial axis, with bias.

    y[2 v + a, o] = bias[o] + sum over i of x[v, i] kernel[a, i, o], with a in {0, 1}^d.

    Attributes:
        features: number of output channels.
        arithmetic: the arithmetic.
    """

    features: int
    arithmetic: Arithmetic

    @nn.compact
    def __call__(self, x: Float[Array, "b *space i"]) -> Float[Array, "b *doubled o"]:
        """Return the response, twice as large along each spatial axis."""
        window = (2,) * (x.ndim - 2)
        kernel = self.param(
            "transposed_kernel", _zeros, (*window, x.shape[-1], self.features), jnp.float32
        )
        bias = self.param("bias", _zeros, (self.features,), jnp.float32)
        y = self.arithmetic.conv_transpose(x, kernel)
        return self.arithmetic.add(y, per_channel(bias, y))


class BatchNorm(nn.Module):
    """Batch normalisation with debiased running statistics.

    Training: y = scale (x - m) / sqrt(v + eps) + bias, with the batch mean m and the biased batch
    variance v of each channel. Inference has running statistics instead. ``mean``, ``var`` and
    ``weight`` are exponential averages a = momentum a + (1 - momentum) value of m, v and 1, which
    all start at 0; inference divides by ``weight`` = 1 - momentum^t. After many steps this is the
    usual rule. After few steps it is not dominated by an arbitrary start, which with momentum 0.99
    would take 500 steps to fade.

    Attributes:
        momentum: share of the old value in the averages.
        eps: number added to the variance.
        arithmetic: the arithmetic.

    Source: Ioffe and Szegedy, ICML 2015, algorithm 1; the division is ours.
    """

    momentum: float
    eps: float
    arithmetic: Arithmetic

    @nn.compact
    def __call__(self, x: Float[Array, "b *space c"], train: bool) -> Float[Array, "b *space c"]:
        """Normalise by the batch in training, by the running statistics otherwise."""
        ar, shape = self.arithmetic, (x.shape[-1],)
        scale = self.param("scale", _zeros, shape, jnp.float32)
        bias = self.param("bias", _zeros, shape, jnp.float32)
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape, jnp.float32)
        var = self.variable("batch_stats", "var", jnp.zeros, shape, jnp.float32)
        weight = self.variable("batch_stats", "weight", jnp.zeros, (1,), jnp.float32)
        if not train:
            return ar.normalise(
                x,
                ar.div(mean.value, weight.value),
                ar.div(var.value, weight.value),
                scale,
                bias,
                self.eps,
            )
        y, batch_mean, batch_var = ar.batch_norm(x, scale, bias, self.eps)
        if not self.is_initializing():
            self._update(mean, batch_mean)
            self._update(var, batch_var)
            self._update(weight, jnp.ones_like(weight.value))
        return y

    def _update(self, average: nn.Variable, value: Array) -> None:
        ar, old = self.arithmetic, average.value
        keep, take = (jnp.full((1,), v, old.dtype) for v in (self.momentum, 1 - self.momentum))
        average.value = ar.add(ar.mul(old, keep), ar.mul(value.astype(old.dtype), take))
