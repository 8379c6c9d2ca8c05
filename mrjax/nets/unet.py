"""U-Net in two or three dimensions (Ronneberger et al. 2015; Cicek et al. 2016)."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from mrjax.nets.layers import BatchNorm, Conv, UpConv
from mrjax.numerics.arithmetic import Arithmetic


class ConvBlock(nn.Module):
    """Convolution, batch normalisation and leaky ReLU: y = lrelu(norm(conv(x))).

    lrelu(x) = x where x > 0 and slope * x elsewhere.
    """

    features: int
    window: tuple[int, ...]
    arithmetic: Arithmetic
    slope: float = 0.1
    momentum: float = 0.99
    eps: float = 1e-3

    @nn.compact
    def __call__(self, x: Float[Array, "b *space i"], train: bool) -> Float[Array, "b *space o"]:
        """Return the activated response."""
        y = Conv(self.features, self.window, self.arithmetic, name="conv")(x)
        y = BatchNorm(self.momentum, self.eps, self.arithmetic, name="norm")(y, train)
        return self.arithmetic.leaky_relu(y, self.slope)


class UNet(nn.Module):
    """A contracting and an expanding path, joined by concatenation.

    With B two blocks, d_l = B(x_l) and x_(l+1) = pool(d_l) for the levels l = 0 .. L - 1; then
    u_L = B(x_L) and u_l = B([d_l, up(u_(l+1))]) for l = L - 1 .. 0. The output is a convolution of
    u_0 with a window of one voxel. Level l has width * 2^l features.

    Attributes:
        width: number of features of the first level; each level below has twice as many.
        levels: number L of poolings.
        window: convolution window, one odd length per spatial axis.
        arithmetic: the arithmetic.
        out_features: number of output channels.
        momentum: share of the old value in the running statistics of batch normalisation.

    Source: Ronneberger et al., MICCAI 2015; in three dimensions Cicek et al., MICCAI 2016.
    """

    width: int
    levels: int
    window: tuple[int, ...]
    arithmetic: Arithmetic
    out_features: int = 1
    momentum: float = 0.99

    @nn.compact
    def __call__(self, x: Float[Array, "b *space i"], train: bool) -> Float[Array, "b *space o"]:
        """Map an image to an image of the same size.

        Args:
            x: images whose spatial axes are divisible by 2^levels.
            train: whether normalisation uses the batch's statistics and updates the running ones.

        Returns:
            `out_features` channels, without an activation function.

        Raises:
            ValueError: if a spatial axis is not divisible by 2^levels.
        """
        if any(n % 2**self.levels for n in x.shape[1:-1]):
            raise ValueError(
                f"axes {x.shape[1:-1]} must be divisible by 2^levels = {2**self.levels}"
            )
        skips = []
        for level in range(self.levels):
            x = self._pair(x, f"down{level}", level, train)
            skips.append(x)
            x = self.arithmetic.max_pool(x)
        x = self._pair(x, "bottom", self.levels, train)
        for level in reversed(range(self.levels)):
            up = UpConv(self.width * 2**level, self.arithmetic, name=f"up{level}")(x)
            x = self._pair(
                jnp.concatenate([skips[level], up], axis=-1), f"merge{level}", level, train
            )
        one = (1,) * len(self.window)
        return Conv(self.out_features, one, self.arithmetic, name="out")(x)

    def _pair(self, x: Array, name: str, level: int, train: bool) -> Array:
        for i in range(2):
            block = ConvBlock(
                self.width * 2**level,
                self.window,
                self.arithmetic,
                momentum=self.momentum,
                name=f"{name}_{i}",
            )
            x = block(x, train)
        return x
