"""Order-free arithmetic under the Arithmetic protocol."""

import dataclasses
from typing import Literal

import optax
from jaxtyping import Array

from mrjax.numerics import pooling
from mrjax.numerics.reproducible import conv, elementwise, fourier, functions, layers, optimizers
from mrjax.numerics.reproducible import rbf as gaussians

ConvForm = Literal["lax", "products"]


@dataclasses.dataclass(frozen=True)
class Reproducible:
    """Float32 arithmetic whose results depend on the operands only.

    Attributes:
        conv_form: how convolutions are computed, ``lax`` or ``products``; changes the time, and
            not a bit.
    """

    conv_form: ConvForm = "lax"

    def flush(self, x: Array) -> Array:
        """Return x, subnormal numbers as zeros, computed once."""
        return elementwise.flush(x)

    def copies(self, x: Array, n: int) -> tuple[Array, ...]:
        """Return x n times, for n uses, whose gradients are added in rounded steps."""
        return elementwise.copies(x, n)

    def add(self, x: Array, y: Array) -> Array:
        """Return x + y, broadcast."""
        return elementwise.add(x, y)

    def sub(self, x: Array, y: Array) -> Array:
        """Return x - y, broadcast."""
        return elementwise.sub(x, y)

    def mul(self, x: Array, y: Array) -> Array:
        """Return x * y, broadcast."""
        return elementwise.mul(x, y)

    def div(self, x: Array, y: Array) -> Array:
        """Return x / y, broadcast."""
        return elementwise.div(x, y)

    def sqrt(self, x: Array) -> Array:
        """Return the square root."""
        return elementwise.sqrt(x)

    def sum(self, x: Array, axes: tuple[int, ...] | None = None) -> Array:
        """Return the sum over `axes`, all if None."""
        return elementwise.total(x, _axes(x, axes))

    def mean(self, x: Array, axes: tuple[int, ...] | None = None) -> Array:
        """Return the mean over `axes`, all if None."""
        return elementwise.mean(x, _axes(x, axes))

    def conv(self, x: Array, kernel: Array) -> Array:
        """Cross-correlate, stride 1, zero padding to the same size."""
        return conv.conv(x, kernel, self.conv_form)

    def conv_transpose(self, x: Array, kernel: Array) -> Array:
        """Transposed convolution whose stride is its window."""
        return conv.conv_transpose(x, kernel)

    def max_pool(self, x: Array) -> Array:
        """Maximum over windows of 2."""
        return pooling.max_pool(x)

    def leaky_relu(self, x: Array, slope: float) -> Array:
        """Return x where positive, slope * x elsewhere."""
        return layers.leaky_relu(x, slope)

    def sigmoid(self, x: Array) -> Array:
        """Return 1 / (1 + exp(-x))."""
        return functions.sigmoid(x)

    def rbf(self, x: Array, weights: Array, low: float, high: float) -> Array:
        """Sum of Gaussians on n nodes from low to high, with weights of each channel."""
        return gaussians.rbf(x, weights, low, high)

    def batch_norm(
        self, x: Array, scale: Array, bias: Array, eps: float
    ) -> tuple[Array, Array, Array]:
        """Normalise each channel by the batch; also its mean and biased variance."""
        return layers.batch_norm(x, scale, bias, eps)

    def normalise(
        self, x: Array, mean: Array, var: Array, scale: Array, bias: Array, eps: float
    ) -> Array:
        """Return scale * (x - mean) / sqrt(var + eps) + bias for given statistics."""
        return layers.normalise(x, mean, var, scale, bias, eps)

    def fft(self, x: Array, axes: tuple[int, ...]) -> Array:
        """Orthonormal DFT, zero frequency first."""
        return fourier.transform(x, _axes(x, axes), False)

    def ifft(self, x: Array, axes: tuple[int, ...]) -> Array:
        """Inverse of `fft`."""
        return fourier.transform(x, _axes(x, axes), True)

    def adam(self, learning_rate: optax.ScalarOrSchedule) -> optax.GradientTransformation:
        """Adam in rounded steps."""
        return optimizers.adam(learning_rate)

    def sgd(
        self, learning_rate: optax.ScalarOrSchedule, momentum: float
    ) -> optax.GradientTransformation:
        """Gradient descent with momentum in rounded steps."""
        return optimizers.sgd(learning_rate, momentum)


def _axes(x: Array, axes: tuple[int, ...] | None) -> tuple[int, ...]:
    """Axes counted from the front, in order."""
    return tuple(range(x.ndim)) if axes is None else tuple(sorted(a % x.ndim for a in axes))
