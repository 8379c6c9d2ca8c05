"""The operations a network, a loss or an optimiser may use: one protocol, several arithmetics.

A network is written once against this protocol. The object that it holds decides how numbers are
computed: :class:`mrjax.numerics.native.Native` calls XLA, whose results depend on the machine;
:class:`mrjax.numerics.reproducible.Reproducible` returns the same bits on every machine.

Every operation that rounds, sums or multiplies goes through an arithmetic. Plain ``jax.numpy`` is
allowed for operations that are exact on every machine: comparisons, selection, absolute value,
negation, maxima, reshaping, padding, concatenation, real and imaginary parts.
"""

from typing import Protocol

import optax
from jaxtyping import Array, Float, Inexact


class Arithmetic(Protocol):
    """Operations that round, with gradients that obey the same rules as the values.

    Implementations are frozen dataclasses: two with equal settings are equal and have one hash,
    so an arithmetic can be a field of a Linen module. Arrays have batches first, channels last.
    """

    def flush(self, x: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        """Replace subnormals, which JAX's own additions may leave, by zero.

        The result and its gradient are stored, so several readers do not recompute them.
        """
        ...

    def copies(self, x: Inexact[Array, "..."], n: int) -> tuple[Array, ...]:
        """Return x n times, for n uses, and add the n gradients by this arithmetic, the last first.

        Not needed for up to two uses: adding two gradients is one IEEE addition.
        """
        ...

    def add(self, x: Inexact[Array, "..."], y: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        """Return x + y; x and y are broadcast to one shape."""
        ...

    def sub(self, x: Inexact[Array, "..."], y: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        """Return x - y; x and y are broadcast to one shape."""
        ...

    def mul(self, x: Inexact[Array, "..."], y: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        """Return x * y; x and y are broadcast to one shape."""
        ...

    def div(self, x: Inexact[Array, "..."], y: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        """Return x / y; x and y are broadcast to one shape."""
        ...

    def sqrt(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """Return the square root of x >= 0."""
        ...

    def sum(self, x: Inexact[Array, "..."], axes: tuple[int, ...] | None = None) -> Array:
        """Return sum x over `axes` (all axes if None); the result lacks these axes."""
        ...

    def mean(self, x: Inexact[Array, "..."], axes: tuple[int, ...] | None = None) -> Array:
        """Return (1/n) sum x over the n elements along `axes` (all if None), which are dropped."""
        ...

    def conv(
        self, x: Float[Array, "b *space i"], kernel: Float[Array, "*window i o"]
    ) -> Float[Array, "b *space o"]:
        """Cross-correlate in 2-D or 3-D with stride 1 and zero padding.

        y[v, o] = sum over a, i of x[v + a - half, i] kernel[a, i, o], with a over the window and
        half = window // 2; the output is as large as the input.
        """
        ...

    def conv_transpose(
        self, x: Float[Array, "b *space i"], kernel: Float[Array, "*window i o"]
    ) -> Float[Array, "b *larger o"]:
        """Transposed convolution whose stride is its window: every voxel becomes one window.

        y[w v + a, o] = sum over i of x[v, i] kernel[a, i, o], with a over the window w.
        """
        ...

    def max_pool(self, x: Float[Array, "b *space c"]) -> Float[Array, "b *halved c"]:
        """y[v] = max over a in {0, 1}^d of x[2 v + a]; the first maximum gets the gradient."""
        ...

    def leaky_relu(self, x: Float[Array, "..."], slope: float) -> Float[Array, "..."]:
        """Return x where x > 0 and slope * x elsewhere."""
        ...

    def sigmoid(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """Return 1 / (1 + exp(-x))."""
        ...

    def rbf(
        self, x: Float[Array, "*axes f"], weights: Float[Array, "f n"], low: float, high: float
    ) -> Float[Array, "*axes f"]:
        """Return sum over j of weights[f, j] exp(-(x - mu_j)^2 / (2 s^2)) for each channel f.

        The nodes mu_j are n equidistant points from low to high, s is their distance.
        """
        ...

    def batch_norm(
        self,
        x: Float[Array, "b *space c"],
        scale: Float[Array, " c"],
        bias: Float[Array, " c"],
        eps: float,
    ) -> tuple[Float[Array, "b *space c"], Float[Array, " c"], Float[Array, " c"]]:
        """Normalise each channel by the batch: scale (x - m) / sqrt(v + eps) + bias.

        m = mean of x and v = mean of (x - m)^2 over all axes but the last. Returns the normalised
        x, m and v.

        Source: Ioffe and Szegedy, ICML 2015, algorithm 1.
        """
        ...

    def normalise(
        self,
        x: Float[Array, "b *space c"],
        mean: Float[Array, " c"],
        var: Float[Array, " c"],
        scale: Float[Array, " c"],
        bias: Float[Array, " c"],
        eps: float,
    ) -> Float[Array, "b *space c"]:
        """Return scale * (x - mean) / sqrt(var + eps) + bias with the given mean and variance."""
        ...

    def fft(self, x: Inexact[Array, "..."], axes: tuple[int, ...]) -> Inexact[Array, "..."]:
        """Orthonormal DFT over `axes`, the zero frequency first.

        X[k] = n^(-1/2) sum over j of x[j] exp(-2 pi i j k / n) along each axis of n points.
        """
        ...

    def ifft(self, x: Inexact[Array, "..."], axes: tuple[int, ...]) -> Inexact[Array, "..."]:
        """Inverse of :meth:`fft`: x[j] = n^(-1/2) sum over k of X[k] exp(2 pi i j k / n)."""
        ...

    def adam(self, learning_rate: optax.ScalarOrSchedule) -> optax.GradientTransformation:
        """Adam with b1 = 0.9, b2 = 0.999 and eps = 1e-8.

        m = b1 m + (1 - b1) g and v = b2 v + (1 - b2) g^2; the update after step t is
        -rate (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps). A learning rate that is a function
        gets the number of steps taken so far.

        Source: Kingma and Ba, ICLR 2015, algorithm 1.
        """
        ...

    def sgd(
        self, learning_rate: optax.ScalarOrSchedule, momentum: float
    ) -> optax.GradientTransformation:
        """Gradient descent with momentum: trace = g + momentum trace; the update is -rate trace.

        A learning rate that is a function gets the number of steps taken so far.
        """
        ...
