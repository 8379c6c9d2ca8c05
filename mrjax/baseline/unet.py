"""The U-Net of :mod:`mrjax.nets.unet` in PyTorch, in two or three dimensions, channels first.

Modules carry the names of the Linen network's (``down0_0.conv`` for ``down0_0/conv``), so that
weights move between the two frameworks by a permutation of axes and nothing else
(:mod:`mrjax.baseline.weights`).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOL = {2: functional.max_pool2d, 3: functional.max_pool3d}


class Block(nn.Module):
    """Convolution, batch normalisation, leaky ReLU."""

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
        # Flax and TensorFlow name the share that is kept; torch names the part that is new.
        self.norm = _NORM[dims](outputs, eps=1e-3, momentum=1 - momentum)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated response of (b, c, *space)."""
        return functional.leaky_relu(self.norm(self.conv(x)), 0.1, inplace=True)


class UNet(nn.Module):
    """Contracting and expanding path, two blocks a level, joined by concatenation."""

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
        skips = []
        for level in range(self.levels):
            x = self._pair(f"down{level}", x)
            skips.append(x)
            x = _POOL[self.dims](x, 2)
        x = self._pair("bottom", x)
        for level in reversed(range(self.levels)):
            up = self.get_submodule(f"up{level}")(x)
            x = self._pair(f"merge{level}", torch.cat([skips[level], up], dim=1))
        return self.out(x)


class UNet2d(UNet):
    """The U-Net of the breast task: images in, one logit a pixel out."""

    def __init__(
        self, inputs: int = 3, width: int = 64, levels: int = 4, momentum: float = 0.99
    ) -> None:
        """Make the network, with windows of 3 x 3; arguments as for `UNet`."""
        super().__init__(2, inputs, width, levels, window=3, momentum=momentum)


def soft_dice_loss(logits: Tensor, mask: Tensor, smoothing: float = 1.0) -> Tensor:
    """Return 1 - Dice of the probabilities over the whole batch, as `mrjax.losses.soft_dice`.

    Args:
        logits: (b, 1, row, column).
        mask: 0 or 1, the same shape.
        smoothing: added above and below the fraction [pixels].

    Returns:
        A scalar.
    """
    probability = torch.sigmoid(logits)
    common, total = (probability * mask).sum(), probability.sum() + mask.sum()
    return 1 - (2 * common + smoothing) / (total + smoothing)
