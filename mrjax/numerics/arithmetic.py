"""The operations a network, a loss or an optimizer may use: one protocol, several arithmetics.

A network is written once against this protocol. What the numbers then do is decided by the
object it holds: :class:`mrjax.numerics.native.Native` calls XLA and is as fast and as
order-dependent as the machine makes it; an order-free arithmetic can take its place without a
change to any network.

Whatever rounds, sums or multiplies goes through an arithmetic. Plain ``jax.numpy`` stays allowed
for what is exact on every machine: comparisons, selection, absolute value, negation, maxima,
reshaping, padding, concatenation, real and imaginary parts.
"""

from typing import Protocol

import optax
from jaxtyping import Array, Float, Inexact


class Arithmetic(Protocol):
    """Rounding operations, with gradients that obey the same rules as the values.

    Implementations are frozen dataclasses: equal settings compare equal and hash alike, so that
    they can be fields of Linen modules. Arrays have batches first and channels last.
    """

    def flush(self, x: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        """Return x as results of this arithmetic are: what JAX has added may be subnormal.

        Computed once, as its gradient is: for what has many readers.
        """
        ...

    def copies(self, x: Inexact[Array, "..."], n: int) -> tuple[Array, ...]:
        """Return x n times, for n uses: their gradients are added here, the last one's first.

        Those of a value with up to two uses need no copies: JAX's one addition is IEEE's.
        """
        ...

    def add(self, x: Inexact[Array, "..."], y: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        """Return x + y, broadcast."""
        ...

    def sub(self, x: Inexact[Array, "..."], y: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        """Return x - y, broadcast."""
        ...

    def mul(self, x: Inexact[Array, "..."], y: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        """Return x * y, broadcast."""
        ...

    def div(self, x: Inexact[Array, "..."], y: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
        """Return x / y, broadcast."""
        ...

    def sqrt(self, x: Float[Array, "..."]) -> Float[Array, "..."]:
        """Return the square root of x >= 0."""
        ...

    def sum(self, x: Inexact[Array, "..."], axes: tuple[int, ...] | None = None) -> Array:
        """Return the sum over `axes` (all if None), which are dropped."""
        ...

    def mean(self, x: Inexact[Array, "..."], axes: tuple[int, ...] | None = None) -> Array:
        """Return the mean over `axes` (all if None), which are dropped."""
        ...

    def conv(
        self, x: Float[Array, "b *space i"], kernel: Float[Array, "*window i o"]
    ) -> Float[Array, "b *space o"]:
        """Cross-correlate in 2-D or 3-D: stride 1, zero padding, output as large as the input."""
        ...

    def conv_transpose(
        self, x: Float[Array, "b *space i"], kernel: Float[Array, "*window i o"]
    ) -> Float[Array, "b *larger o"]:
        """Transposed convolution whose stride is its window: every voxel becomes one window."""
        ...

    def max_pool(self, x: Float[Array, "b *space c"]) -> Float[Array, "b *halved c"]:
        """Maximum over windows of 2 in each direction; the first maximum gets the gradient."""
        ...

    def leaky_relu(self, x: Float[Array, "..."], slope: float) -> Float[Array, "..."]:
        """Return x where x > 0, slope * x elsewhere."""
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
        """Normalise each channel by the batch; also its mean and biased variance."""
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
        """Return scale * (x - mean) / sqrt(var + eps) + bias for given statistics."""
        ...

    def fft(self, x: Inexact[Array, "..."], axes: tuple[int, ...]) -> Inexact[Array, "..."]:
        """Orthonormal DFT over `axes`, zero frequency first."""
        ...

    def ifft(self, x: Inexact[Array, "..."], axes: tuple[int, ...]) -> Inexact[Array, "..."]:
        """Inverse of :meth:`fft`."""
        ...

    def adam(self, learning_rate: optax.ScalarOrSchedule) -> optax.GradientTransformation:
        """Adam (Kingma and Ba 2015) with beta 0.9 and 0.999, eps 1e-8; a schedule sees steps."""
        ...

    def sgd(
        self, learning_rate: optax.ScalarOrSchedule, momentum: float
    ) -> optax.GradientTransformation:
        """Gradient descent, trace = gradient + momentum * trace; a schedule sees steps."""
        ...
