"""Order-free arithmetic behind the Arithmetic protocol, whose docstrings have the formulas."""

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
        conv_form: how convolutions are computed, ``lax`` or ``products``; it changes the time, but
            no bit.
    """

    conv_form: ConvForm = "lax"

    def flush(self, x: Array) -> Array:
        """Return x with zeros for subnormal numbers, stored."""
        return elementwise.flush(x)

    def copies(self, x: Array, n: int) -> tuple[Array, ...]:
        """Return x n times, for n uses; their gradients are added in rounded steps."""
        return elementwise.copies(x, n)

    def add(self, x: Array, y: Array) -> Array:
        """Return x + y, rounded once."""
        return elementwise.add(x, y)

    def sub(self, x: Array, y: Array) -> Array:
        """Return x - y, rounded once."""
        return elementwise.sub(x, y)

    def mul(self, x: Array, y: Array) -> Array:
        """Return x * y, rounded once; see :func:`elementwise.mul` for complex numbers."""
        return elementwise.mul(x, y)

    def div(self, x: Array, y: Array) -> Array:
        """Return x / y, rounded once; see :func:`elementwise.div` for complex numbers."""
        return elementwise.div(x, y)

    def sqrt(self, x: Array) -> Array:
        """Return the square root, rounded once."""
        return elementwise.sqrt(x)

    def sum(self, x: Array, axes: tuple[int, ...] | None = None) -> Array:
        """Return the exact sum over `axes` (all axes if None), rounded once."""
        return elementwise.total(x, _axes(x, axes))

    def mean(self, x: Array, axes: tuple[int, ...] | None = None) -> Array:
        """Return the exact sum over `axes` (all axes if None) divided by its number of terms."""
        return elementwise.mean(x, _axes(x, axes))

    def conv(self, x: Array, kernel: Array) -> Array:
        """Cross-correlate with stride 1 and zero padding to the same size, rounded once."""
        return conv.conv(x, kernel, self.conv_form)

    def conv_transpose(self, x: Array, kernel: Array) -> Array:
        """Transposed convolution whose stride is its window, rounded once."""
        return conv.conv_transpose(x, kernel)

    def max_pool(self, x: Array) -> Array:
        """Return the maximum over windows of edge 2 and stride 2 in each spatial axis."""
        return pooling.max_pool(x)

    def leaky_relu(self, x: Array, slope: float) -> Array:
        """Return x where x > 0 and slope * x elsewhere."""
        return layers.leaky_relu(x, slope)

    def sigmoid(self, x: Array) -> Array:
        """Return 1 / (1 + exp(-x))."""
        return functions.sigmoid(x)

    def rbf(self, x: Array, weights: Array, low: float, high: float) -> Array:
        """Return each channel's weighted sum of Gaussians on n nodes from low to high."""
        return gaussians.rbf(x, weights, low, high)

    def batch_norm(
        self, x: Array, scale: Array, bias: Array, eps: float
    ) -> tuple[Array, Array, Array]:
        """Normalise each channel by the batch; return the mean and biased variance too."""
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
    """Return the axes counted from the front, in rising order."""
    return tuple(range(x.ndim)) if axes is None else tuple(sorted(a % x.ndim for a in axes))
