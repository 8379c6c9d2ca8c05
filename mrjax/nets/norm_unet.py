"""The U-Net inside the end-to-end variational network, on complex images of any size.

It is the U-Net of Ronneberger et al. 2015 with instance normalisation, average pooling and no bias
but at its end, on images that are normalised and padded before and restored behind.

Source: Sriram et al., MICCAI 2020; where the paper leaves something open, the modules
fastmri.models.Unet and fastmri.models.varnet.NormUnet of the package fastmri 0.3.0.
"""

import math

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from mrjax.nets.layers import Conv
from mrjax.nets.varnet import to_channels, to_complex
from mrjax.numerics.arithmetic import Arithmetic
from mrjax.numerics.exact import divisor

MULTIPLE = 16
"""Images are padded to a multiple of so many pixels before a U-Net."""
DEEPEST = 4
"""Number of halvings that a multiple of 16 allows."""
SLOPE = 0.2
EPS = 1e-5
CHANNELS = 2
"""Real and imaginary part."""

Image = Complex[Array, "b row column"]
Features = Float[Array, "b row column c"]
_zeros = nn.initializers.zeros


def instance_norm(ar: Arithmetic, x: Features) -> Features:
    """Normalise each channel of each image: (x - m) / sqrt(v + 1e-5).

    m and v are mean and variance (with divisor n) over the n pixels of this channel of this image.
    This is the arithmetic's batch normalisation with every channel of every image as a channel of
    its own, so its statistics do not depend on other images of the batch.

    Args:
        ar: the arithmetic.
        x: features.

    Returns:
        Features of the same shape.

    Source: Ulyanov, Vedaldi and Lempitsky, arXiv:1607.08022; torch.nn.InstanceNorm2d.
    """
    b, rows, columns, c = x.shape
    apart = jnp.moveaxis(x, 0, 2).reshape(1, rows, columns, b * c)
    wide = jnp.promote_types(x.dtype, jnp.float32)
    one, zero = jnp.ones((b * c,), wide), jnp.zeros((b * c,), wide)
    y, _, _ = ar.batch_norm(apart, one, zero, EPS)
    return jnp.moveaxis(y.reshape(rows, columns, b, c), 2, 0)


def average_pool(ar: Arithmetic, x: Features) -> Features:
    """Mean over windows of 2 x 2 pixels, y[v] = (1/4) sum over a in {0, 1}^2 of x[2 v + a].

    Args:
        ar: the arithmetic.
        x: features with an even number of rows and of columns.

    Returns:
        Features half as large along rows and columns.
    """
    b, rows, columns, c = x.shape
    return ar.mean(x.reshape(b, rows // 2, 2, columns // 2, 2, c), (2, 4))


class NormConv(nn.Module):
    """Convolution with a window of 3 x 3 and no bias, instance normalisation and leaky ReLU.

    y = lrelu(instance_norm(conv(x))), with lrelu(x) = x where x > 0 and 0.2 x elsewhere.

    Attributes:
        features: number of output channels.
        arithmetic: the arithmetic.
    """

    features: int
    arithmetic: Arithmetic

    @nn.compact
    def __call__(self, x: Features) -> Features:
        """Return the activated response."""
        ar, shape = self.arithmetic, (3, 3, x.shape[-1], self.features)
        kernel = self.param("kernel", _zeros, shape, jnp.float32)
        return ar.leaky_relu(instance_norm(ar, ar.conv(x, kernel)), SLOPE)


class NormUp(nn.Module):
    """Transposed convolution by 2 without bias, instance normalisation and leaky ReLU.

    Attributes:
        features: number of output channels.
        arithmetic: the arithmetic.
    """

    features: int
    arithmetic: Arithmetic

    @nn.compact
    def __call__(self, x: Features) -> Features:
        """Return the activated response, twice as large along rows and columns."""
        ar, shape = self.arithmetic, (2, 2, x.shape[-1], self.features)
        kernel = self.param("transposed_kernel", _zeros, shape, jnp.float32)
        return ar.leaky_relu(instance_norm(ar, ar.conv_transpose(x, kernel)), SLOPE)


class UNet(nn.Module):
    """U-Net of the end-to-end variational network, from two channels to two channels.

    With B two blocks (`NormConv`), d_l = B(x_l) and x_(l+1) = average_pool(d_l) for the levels
    l = 0 .. L - 1; then u_L = B(x_L) and u_l = B([up(u_(l+1)), d_l]) for l = L - 1 .. 0. The output
    is a convolution of u_0 with a window of one pixel and a bias.

    Attributes:
        width: number of features of the first level; each level below has twice as many.
        levels: number L of poolings.
        arithmetic: the arithmetic.

    Source: Ronneberger et al., MICCAI 2015; fastmri.models.Unet.
    """

    width: int
    levels: int
    arithmetic: Arithmetic

    @nn.compact
    def __call__(self, x: Features) -> Features:
        """Map images, whose axes are divisible by 2^levels, to images of the same size."""
        ar, skips = self.arithmetic, []
        for level in range(self.levels):
            x = self._pair(x, f"down{level}", level)
            skips.append(x)
            x = average_pool(ar, x)
        x = self._pair(x, "bottom", self.levels)
        for level in reversed(range(self.levels)):
            up = NormUp(self.width * 2**level, ar, name=f"up{level}")(x)
            x = jnp.concatenate([up, skips[level]], axis=-1)
            x = self._pair(x, f"merge{level}", level)
        return Conv(CHANNELS, (1, 1), ar, name="out")(x)

    def _pair(self, x: Features, name: str, level: int) -> Features:
        for i in range(2):
            x = NormConv(self.width * 2**level, self.arithmetic, name=f"{name}_{i}")(x)
        return x


class NormUNet(nn.Module):
    """A U-Net on images of zero mean and unit deviation, in real and imaginary part separately.

    G(z) = s U((z - m) / s) + m, with m the mean and s the standard deviation (with divisor n - 1)
    of the n pixels of each part. Between, zeros are put around the image until both axes are
    multiples of 16, where an odd number of rows or columns is added one more behind than before.

    Attributes:
        width: see `UNet`.
        levels: see `UNet`, at most 4.
        arithmetic: the arithmetic.

    Source: Sriram et al., MICCAI 2020; fastmri.models.varnet.NormUnet.
    """

    width: int
    levels: int
    arithmetic: Arithmetic

    @nn.compact
    def __call__(self, image: Image) -> Image:
        """Map complex images to complex images of the same size.

        Args:
            image: any size; a coil without any signal, all zeros, is allowed.

        Returns:
            Images in the unit of the input.

        Raises:
            ValueError: more than 4 levels, or an image of which one pixel is left at the bottom.
        """
        ar, shape = self.arithmetic, image.shape[1:]
        before, after = margins(shape, self.levels)
        x, mean, deviation = standardised(ar, to_channels(image))
        widths = [(0, 0), *zip(before, after, strict=True), (0, 0)]
        y = UNet(self.width, self.levels, ar, name="unet")(jnp.pad(x, widths))
        inside = tuple(slice(m, m + n) for m, n in zip(before, shape, strict=True))
        return to_complex(ar.add(ar.mul(y[:, *inside].astype(x.dtype), deviation), mean))


def standardised(
    ar: Arithmetic, x: Features
) -> tuple[Features, Float[Array, "b 1 1 c"], Float[Array, "b 1 1 c"]]:
    """Bring each channel of each image to zero mean and unit deviation, without an epsilon.

    Returns (x - m) / s, m and s, with m = (1/n) sum x and s^2 = (1/(n - 1)) sum (x - m)^2 over the
    n pixels of the channel. For a constant channel s is 1, where fastMRI divides by 0.
    """
    n, space = x.shape[1] * x.shape[2], (1, 2)
    shape = (x.shape[0], 1, 1, x.shape[-1])
    mean = ar.mean(x, space).reshape(shape)
    squared, scaled = ar.copies(ar.sub(x, mean), 2)
    total = ar.sum(ar.mul(squared, squared), space).reshape(shape)
    variance = ar.div(total, jnp.asarray(n - 1, total.dtype))
    deviation = divisor(safe_root(ar, variance))
    return ar.div(scaled, deviation), mean, deviation


def safe_root(ar: Arithmetic, x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Return the square root of x >= 0, with the gradient 0 where x is 0 instead of infinity."""
    zero = x == 0
    return jnp.where(zero, 0, ar.sqrt(jnp.where(zero, 1, x)))


def margins(shape: tuple[int, ...], levels: int) -> tuple[list[int], list[int]]:
    """Return how many zeros come before and after each axis to make it a multiple of 16.

    Args:
        shape: number of rows and of columns.
        levels: number of poolings.

    Returns:
        Zeros before each axis, and zeros after it, one more where their sum is odd.

    Raises:
        ValueError: more than 4 levels, or an image of which one pixel is left at the bottom.
    """
    if levels > DEEPEST:
        raise ValueError(f"{levels} poolings; images are padded for at most {DEEPEST}")
    larger = [-(-n // MULTIPLE) * MULTIPLE for n in shape]
    if math.prod(n >> levels for n in larger) < 2:
        raise ValueError(f"an image of {shape} is one pixel after {levels} poolings; use fewer")
    missing = [m - n for m, n in zip(larger, shape, strict=True)]
    return [m // 2 for m in missing], [m - m // 2 for m in missing]
