# Copyright 2026 The mrjax developers. SPDX-License-Identifier: Apache-2.0
"""The U-Nets of mrjax in plain PyTorch: `QsmNet` and `BreastNet`. This file needs torch alone.

Sources: Ronneberger et al., MICCAI 2015; Cicek et al., MICCAI 2016; Yoon et al., NeuroImage 179
(2018).
"""

import itertools

import torch
from torch import Tensor, nn

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}


class Block(nn.Module):
    """Convolution, batch normalisation and leaky ReLU."""

    def __init__(self, axes: int, inputs: int, outputs: int, window: int) -> None:
        """Make a block.

        Args:
            axes: spatial axes, 2 or 3.
            inputs: channels in.
            outputs: channels out.
            window: edge of the convolution window, odd.
        """
        super().__init__()
        self.conv = _CONV[axes](inputs, outputs, window, padding=window // 2)
        self.norm = _NORM[axes](outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activated response of (batch, channel, *space)."""
        return nn.functional.leaky_relu(self.norm(self.conv(x)), 0.1)


class UNet(nn.Module):
    """Contracting and expanding path with two blocks on each level, joined by concatenation."""

    def __init__(self, axes: int, inputs: int, width: int, levels: int, window: int) -> None:
        """Make the network.

        Args:
            axes: spatial axes, 2 or 3.
            inputs: channels of the image.
            width: channels of the first level, doubled at each level below.
            levels: number of poolings.
            window: edge of the convolution window, odd.
        """
        super().__init__()

        def pair(inputs: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(
                Block(axes, inputs, outputs, window), Block(axes, outputs, outputs, window)
            )

        widths = [width * 2**level for level in range(levels)]
        self.down = nn.ModuleList(pair(i, o) for i, o in itertools.pairwise([inputs, *widths]))
        self.bottom = pair(widths[-1], 2 * widths[-1])
        self.up = nn.ModuleList(_TRANSPOSED[axes](2 * o, o, 2, stride=2) for o in widths)
        self.merge = nn.ModuleList(pair(2 * o, o) for o in widths)
        self.out = _CONV[axes](width, 1, 1)
        self.pool = _POOL[axes](2)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, inputs, *space) to (batch, 1, *space); axes are divisible by 2^levels."""
        skips = []
        for pair in self.down:
            x = pair(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottom(x)
        for level in reversed(range(len(skips))):
            x = self.merge[level](torch.cat([skips[level], self.up[level](x)], dim=1))
        return self.out(x)


class QsmNet(nn.Module):
    """Magnetic susceptibility from the local field, both in ppm.

    The buffers are means and standard deviations of the training subjects, in ppm.
    """

    field_mean: Tensor
    field_std: Tensor
    chi_mean: Tensor
    chi_std: Tensor

    def __init__(self, width: int, levels: int, window: int) -> None:
        """Make the network; arguments as for `UNet`."""
        super().__init__()
        self.network = UNet(3, 1, width, levels, window)
        for name, value in (("field_mean", 0), ("field_std", 1), ("chi_mean", 0), ("chi_std", 1)):
            self.register_buffer(name, torch.tensor(float(value)))

    def forward(self, field: Tensor) -> Tensor:
        """Return the susceptibility [ppm] of a local field [ppm].

        Args:
            field: (batch, 1, x, y, z), zero outside the brain; axes are divisible by 2^levels.
        """
        output = self.network((field - self.field_mean) / self.field_std)
        return output * self.chi_std + self.chi_mean


class BreastNet(nn.Module):
    """Probability that a pixel shows breast tissue, from an axial slice of a DCE series."""

    def __init__(self, inputs: int, width: int, levels: int) -> None:
        """Make the network; arguments as for `UNet`."""
        super().__init__()
        self.network = UNet(2, inputs, width, levels, 3)

    def forward(self, image: Tensor) -> Tensor:
        """Return the probability (batch, 1, row, column) of an image (batch, 3, row, column)."""
        return torch.sigmoid(self.network(image))
