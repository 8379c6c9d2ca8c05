"""The U-Net of :mod:`mrjax.nets.unet` in PyTorch, in two or three dimensions, channels first.

Modules have the names of the Linen network (``down0_0.conv`` for ``down0_0/conv``), so that weights
move between the two frameworks by a permutation of axes alone (:mod:`mrjax.pytorch.weights`).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mrjax.pytorch import forms, layout

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


class BatchNorm(nn.Module):
    """Batch normalisation with the debiased running statistics of :mod:`mrjax.nets.layers`.

    ``mean``, ``var`` and ``weight`` are exponential averages of the batch mean, of the biased batch
    variance and of 1, all beginning at 0; inference divides the first two by ``weight``. torch's
    own module averages n / (n - 1) times the variance, beginning at 1.
    """

    mean: Tensor
    var: Tensor
    weight: Tensor

    def __init__(self, channels: int, momentum: float, eps: float) -> None:
        """Make the layer.

        Args:
            channels: of the image.
            momentum: share of the old value in the running statistics.
            eps: added to the variance.
        """
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.scale = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("var", torch.zeros(channels))
        self.register_buffer("weight", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (b, c, *space): by the batch in training, else by the running statistics."""
        if not self.training:
            mean, var = self.mean / self.weight, self.var / self.weight
            return self._normalise(x, mean, var, training=False)
        # With momentum 1, torch's kernel leaves the moments of the batch in its running statistics.
        # So they need no further pass over x.
        mean, var = torch.zeros_like(self.mean), torch.zeros_like(self.var)
        y = self._normalise(x, mean, var, training=True)
        n = x.numel() // x.shape[1]
        biased = var * ((n - 1) / n) if n > 1 else torch.zeros_like(var)
        with torch.no_grad():
            for average, value in ((self.mean, mean), (self.var, biased), (self.weight, 1.0)):
                average.mul_(self.momentum).add_(value, alpha=1 - self.momentum)
        return y

    def _normalise(self, x: Tensor, mean: Tensor, var: Tensor, *, training: bool) -> Tensor:
        # functional.batch_norm would also refuse batches with one value for each channel.
        cudnn = torch.backends.cudnn.enabled
        return torch.batch_norm(x, self.scale, self.bias, mean, var, training, 1.0, self.eps, cudnn)


class Block(nn.Module):
    """Convolution, batch normalisation and leaky ReLU."""

    def __init__(
        self, dims: int, inputs: int, outputs: int, window: int, momentum: float = 0.99
    ) -> None:
        """Make a block.

        Args:
            dims: spatial axes, 2 or 3.
            inputs: channels in.
            outputs: channels out.
            window: edge of the convolution window, odd.
            momentum: share of the old value in the running statistics.
        """
        super().__init__()
        self.conv = _CONV[dims](inputs, outputs, window, padding=window // 2)
        self.norm = BatchNorm(outputs, momentum, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated response of (b, c, *space)."""
        return functional.leaky_relu(self.norm(self.conv(x)), 0.1, inplace=True)


class UNet(nn.Module):
    """Contracting and expanding path with two blocks on each level, joined by concatenation."""

    def __init__(
        self,
        dims: int,
        inputs: int = 1,
        width: int = 32,
        levels: int = 4,
        window: int = 5,
        out_features: int = 1,
        momentum: float = 0.99,
    ) -> None:
        """Make the network.

        Args:
            dims: spatial axes, 2 or 3.
            inputs: channels of the image.
            width: channels of the first level, doubled at each level below.
            levels: number of poolings.
            window: edge of the convolution window, odd.
            out_features: channels of the output.
            momentum: share of the old value in the running statistics.
        """
        super().__init__()
        self.dims, self.levels = dims, levels
        self._block: dict[str, Any] = {"window": window, "momentum": momentum}
        for level in range(levels):
            self._add_pair(f"down{level}", inputs, width * 2**level)
            inputs = width * 2**level
        self._add_pair("bottom", inputs, 2 * inputs)
        for level in range(levels):
            outputs = width * 2**level
            self.add_module(f"up{level}", _TRANSPOSED[dims](2 * outputs, outputs, 2, stride=2))
            self._add_pair(f"merge{level}", 2 * outputs, outputs)
        self.out = _CONV[dims](width, out_features, 1)

    def _add_pair(self, name: str, inputs: int, outputs: int) -> None:
        self.add_module(f"{name}_0", Block(self.dims, inputs, outputs, **self._block))
        self.add_module(f"{name}_1", Block(self.dims, outputs, outputs, **self._block))

    def _pair(self, name: str, x: Tensor) -> Tensor:
        return self.get_submodule(f"{name}_1")(self.get_submodule(f"{name}_0")(x))

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, inputs, *space), axes divisible by 2^levels, to (b, out_features, *space)."""
        x, skips = self._as_weights_lie(x), []
        for level in range(self.levels):
            x = self._pair(f"down{level}", x)
            skips.append(x)
            x = forms.max_pool(x)
        x = self._pair("bottom", x)
        for level in reversed(range(self.levels)):
            up = self.get_submodule(f"up{level}")(x)
            x = self._pair(f"merge{level}", torch.cat([skips[level], up], dim=1))
        return self.out(x)

    def _as_weights_lie(self, x: Tensor) -> Tensor:
        """Give an image of one channel the strides of the memory format of the weights.

        Such an image counts as contiguous in either format, whatever its strides, but layers follow
        the strides. Without this, an image whose channel axis was moved from the last place makes
        the whole network compute with channels last.
        """
        if x.shape[1] > 1:
            return x
        weight = self.get_parameter("bottom_1.conv.weight")
        format_ = torch.contiguous_format if weight.is_contiguous() else layout.LAST[self.dims]
        return x.clone(memory_format=format_)


class UNet2d(UNet):
    """The U-Net of the breast task, from images to one logit for each pixel."""

    def __init__(
        self, inputs: int = 3, width: int = 64, levels: int = 4, momentum: float = 0.99
    ) -> None:
        """Make the network, with windows of 3 x 3; arguments as for `UNet`."""
        super().__init__(2, inputs, width, levels, window=3, momentum=momentum)


def soft_dice_loss(logits: Tensor, mask: Tensor, smoothing: float = 1.0) -> Tensor:
    """Return 1 - Dice of the probabilities over the whole batch, like `mrjax.losses.soft_dice`.

    With probabilities p and mask m: 1 - (2 sum(p m) + smoothing) / (sum(p) + sum(m) + smoothing).

    Args:
        logits: (b, 1, row, column).
        mask: 0 or 1, the same shape.
        smoothing: added to numerator and denominator [pixels].

    Returns:
        A scalar.
    """
    probability = torch.sigmoid(logits)
    common, total = (probability * mask).sum(), probability.sum() + mask.sum()
    return 1 - (2 * common + smoothing) / (total + smoothing)
