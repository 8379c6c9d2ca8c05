"""XLA's own operations behind the Arithmetic protocol, whose docstrings have the formulas."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from mrjax.numerics import pooling
from mrjax.numerics.native import conv as forms
from mrjax.numerics.native import rbf

ConvForm = Literal["lax", "products"]


@dataclasses.dataclass(frozen=True)
class Native:
    """XLA's arithmetic in one data type.

    Convolutions and the activations between layers have the type `dtype`; statistics, means,
    optimisers and the inside of normalisation have at least float32. PyTorch calls this autocast.

    Attributes:
        dtype: name of the type in which convolutions are computed.
        conv_form: ``lax`` is one convolution call (cuDNN on a GPU); ``products`` is the form that
            is several times faster on a CPU (see :mod:`mrjax.numerics.native.conv`).
    """

    dtype: str = "float32"
    conv_form: ConvForm = "lax"

    def flush(self, x: Array) -> Array:
        """Return x."""
        return x

    def copies(self, x: Array, n: int) -> tuple[Array, ...]:
        """Return x n times; JAX adds the gradients."""
        return (x,) * n

    def add(self, x: Array, y: Array) -> Array:
        """Return x + y."""
        return x + y

    def sub(self, x: Array, y: Array) -> Array:
        """Return x - y."""
        return x - y

    def mul(self, x: Array, y: Array) -> Array:
        """Return x * y."""
        return x * y

    def div(self, x: Array, y: Array) -> Array:
        """Return x / y."""
        return x / y

    def sqrt(self, x: Array) -> Array:
        """Return the square root."""
        return jnp.sqrt(x)

    def sum(self, x: Array, axes: tuple[int, ...] | None = None) -> Array:
        """Return the sum over `axes` (all axes if None)."""
        return jnp.sum(x, axis=axes)

    def mean(self, x: Array, axes: tuple[int, ...] | None = None) -> Array:
        """Return the mean over `axes` (all axes if None)."""
        return jnp.mean(x, axis=axes)

    def conv(self, x: Array, kernel: Array) -> Array:
        """Cross-correlate with stride 1 and zero padding to the same size."""
        return forms.conv(self._cast(x), self._cast(kernel), self.conv_form)

    def conv_transpose(self, x: Array, kernel: Array) -> Array:
        """Transposed convolution whose stride is its window."""
        return forms.conv_transpose(self._cast(x), self._cast(kernel))

    def max_pool(self, x: Array) -> Array:
        """Maximum over windows of 2."""
        return pooling.max_pool(x)

    def leaky_relu(self, x: Array, slope: float) -> Array:
        """Return x where x > 0 and slope * x elsewhere."""
        return jnp.where(x > 0, x, x * jnp.asarray(slope, x.dtype))

    def sigmoid(self, x: Array) -> Array:
        """Return 1 / (1 + exp(-x))."""
        return jax.nn.sigmoid(x)

    def rbf(self, x: Array, weights: Array, low: float, high: float) -> Array:
        """Return each channel's weighted sum of Gaussians on n nodes from low to high."""
        return rbf.rbf(self._cast(x), self._cast(weights), low, high)

    def batch_norm(
        self, x: Array, scale: Array, bias: Array, eps: float
    ) -> tuple[Array, Array, Array]:
        """Normalise each channel by the batch; return the mean and biased variance too."""
        wide = x.astype(scale.dtype)
        axes = tuple(range(x.ndim - 1))
        mean = jnp.mean(wide, axis=axes)
        centred = wide - mean.reshape((1,) * len(axes) + mean.shape)
        var = jnp.mean(jnp.square(centred), axis=axes)
        return self.normalise(x, mean, var, scale, bias, eps), mean, var

    def normalise(
        self, x: Array, mean: Array, var: Array, scale: Array, bias: Array, eps: float
    ) -> Array:
        """Return scale * (x - mean) / sqrt(var + eps) + bias in the type of x."""
        shape = (1,) * (x.ndim - 1) + scale.shape
        factor = scale / jnp.sqrt(var + jnp.asarray(eps, var.dtype))
        centred = x.astype(scale.dtype) - mean.reshape(shape)
        return (centred * factor.reshape(shape) + bias.reshape(shape)).astype(x.dtype)

    def fft(self, x: Array, axes: tuple[int, ...]) -> Array:
        """Orthonormal DFT, zero frequency first."""
        return jnp.fft.fftn(x, axes=axes, norm="ortho")

    def ifft(self, x: Array, axes: tuple[int, ...]) -> Array:
        """Inverse of `fft`."""
        return jnp.fft.ifftn(x, axes=axes, norm="ortho")

    def adam(self, learning_rate: optax.ScalarOrSchedule) -> optax.GradientTransformation:
        """Adam of optax, with the bias correction in the type of the parameters.

        optax computes decay^count from an integer count, which under x64 is a float64 power. A
        floating-point count is exact up to 2^24 steps and keeps a float32 step free of float64.
        """
        return _with_floating_count(optax.adam(learning_rate))

    def sgd(
        self, learning_rate: optax.ScalarOrSchedule, momentum: float
    ) -> optax.GradientTransformation:
        """Gradient descent with momentum of optax; only a schedule needs a count of steps."""
        return _with_floating_count(optax.sgd(learning_rate, momentum))

    def _cast(self, x: Array) -> Array:
        return jax.lax.convert_element_type(x, self.dtype)


def _with_floating_count(rule: optax.GradientTransformation) -> optax.GradientTransformation:
    """Return the rule, the counts of its state having the type of the parameters."""

    def init(params: optax.Params) -> optax.OptState:
        dtype = jax.tree.leaves(params)[0].dtype
        state = rule.init(params)
        if optax.tree_utils.tree_get_all_with_path(state, "count"):
            state = optax.tree_utils.tree_set(state, count=jnp.zeros((), dtype))
        return jax.tree.map(jnp.copy, state)  # a step donates all leaves: each needs its own buffer

    return optax.GradientTransformation(init, rule.update)
