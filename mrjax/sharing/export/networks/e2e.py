# Copyright 2026 The mrjax developers. SPDX-License-Identifier: Apache-2.0
"""The end-to-end variational network of mrjax in plain PyTorch. This file needs torch alone.

K-space is a real tensor with twice as many channels as coils: channel 2 i is the real part of coil
i, channel 2 i + 1 its imaginary part. The image has one channel. The zero frequency of k-space is
at index n // 2 of rows and columns; the Fourier transform is orthonormal.

Source: Sriram et al., MICCAI 2020; names and values of weights are those of the class
fastmri.models.VarNet of the package fastmri 0.3.0, which has the same outputs.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

AXES = (-2, -1)
MULTIPLE = 16


def to_image(kspace: Tensor) -> Tensor:
    """Return the coil images of a k-space, complex."""
    shifted = torch.fft.ifftshift(kspace, dim=AXES)
    return torch.fft.fftshift(torch.fft.ifft2(shifted, dim=AXES, norm="ortho"), dim=AXES)


def to_kspace(images: Tensor) -> Tensor:
    """Return the k-space of coil images, complex."""
    shifted = torch.fft.ifftshift(images, dim=AXES)
    return torch.fft.fftshift(torch.fft.fft2(shifted, dim=AXES, norm="ortho"), dim=AXES)


def rss(images: Tensor) -> Tensor:
    """Return the root sum of squares over the coils of complex (batch, coil, row, column)."""
    return (images.real.square() + images.imag.square()).sum(dim=1).sqrt()


def nonzero(x: Tensor) -> Tensor:
    """Return a divisor: x, and 1 where x is 0."""
    return torch.where(x == 0, torch.ones_like(x), x)


class ConvBlock(nn.Module):
    """Two convolutions, each with instance normalisation and leaky ReLU."""

    def __init__(self, given: int, features: int) -> None:
        """Make the block."""
        super().__init__()
        layers: list[nn.Module] = []
        for inputs in (given, features):
            layers.append(nn.Conv2d(inputs, features, 3, padding=1, bias=False))
            layers.extend((nn.InstanceNorm2d(features), nn.LeakyReLU(0.2), nn.Identity()))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the features of (batch, channel, row, column)."""
        return self.layers(x)


class UpBlock(nn.Module):
    """Transposed convolution by 2, instance normalisation and leaky ReLU."""

    def __init__(self, given: int, features: int) -> None:
        """Make the block."""
        super().__init__()
        up = nn.ConvTranspose2d(given, features, 2, stride=2, bias=False)
        self.layers = nn.Sequential(up, nn.InstanceNorm2d(features), nn.LeakyReLU(0.2))

    def forward(self, x: Tensor) -> Tensor:
        """Return features twice as large along rows and columns."""
        return self.layers(x)


class Unet(nn.Module):
    """U-Net from two channels to two channels, with average pooling."""

    def __init__(self, width: int, levels: int) -> None:
        """Make the network; each level below has twice as many features."""
        super().__init__()
        widths = [width * 2**level for level in range(levels)]
        given = [2, *widths[:-1]]
        self.down_sample_layers = nn.ModuleList(map(ConvBlock, given, widths))
        self.conv = ConvBlock(widths[-1], 2 * widths[-1])
        rising = widths[::-1]
        self.up_transpose_conv = nn.ModuleList(UpBlock(2 * n, n) for n in rising)
        merging: list[nn.Module] = [ConvBlock(2 * n, n) for n in rising]
        merging[-1] = nn.Sequential(merging[-1], nn.Conv2d(width, 2, 1))
        self.up_conv = nn.ModuleList(merging)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, 2, row, column), divisible by 2^levels, to the same shape."""
        skips = []
        for block in self.down_sample_layers:
            x = block(x)
            skips.append(x)
            x = functional.avg_pool2d(x, 2)
        x = self.conv(x)
        for up, merge in zip(self.up_transpose_conv, self.up_conv, strict=True):
            x = merge(torch.cat([up(x), skips.pop()], dim=1))
        return x


class NormUnet(nn.Module):
    """The U-Net on images of zero mean and unit deviation in real and imaginary part."""

    def __init__(self, width: int, levels: int) -> None:
        """Make the network."""
        super().__init__()
        self.unet = Unet(width, levels)

    def forward(self, image: Tensor) -> Tensor:
        """Map complex (batch, row, column) to the same shape."""
        x = torch.stack([image.real, image.imag], dim=1)
        mean = x.mean(dim=AXES, keepdim=True)
        deviation = nonzero(x.std(dim=AXES, keepdim=True))
        rows, columns = x.shape[-2:]
        down, right = (-n % MULTIPLE for n in (rows, columns))
        margins = (right // 2, right - right // 2, down // 2, down - down // 2)
        y = self.unet(functional.pad((x - mean) / deviation, margins))
        y = y[..., down // 2 : down // 2 + rows, right // 2 : right // 2 + columns]
        y = y * deviation + mean
        return torch.complex(y[:, 0], y[:, 1])


class SensitivityModel(nn.Module):
    """Sensitivity maps of unit root sum of squares from the calibration lines."""

    def __init__(self, width: int, levels: int) -> None:
        """Make the network."""
        super().__init__()
        self.norm_unet = NormUnet(width, levels)

    def forward(self, kspace: Tensor, mask: Tensor, lines: Tensor) -> Tensor:
        """Return the maps of a complex k-space, see `VarNet.forward`."""
        columns = mask.shape[1]
        missing = (mask == 0).to(torch.int8)
        left = missing[:, : columns // 2].flip(1).argmax(dim=1)
        right = missing[:, columns // 2 :].argmax(dim=1)
        counted = (2 * torch.minimum(left, right)).clamp(min=1)
        n = torch.where(lines[:, 0] == 0, counted, lines[:, 0].to(counted.dtype))
        first = (columns - n + 1) // 2
        place = torch.arange(columns, device=mask.device)
        kept = (place >= first[:, None]) & (place < (first + n)[:, None])
        images = to_image(torch.where(kept[:, None, None], kspace, torch.zeros_like(kspace)))
        maps = self.norm_unet(images.flatten(0, 1)).reshape(images.shape)
        return maps / nonzero(rss(maps))[:, None]


class VarNetBlock(nn.Module):
    """One step in k-space: data consistency and a U-Net on the combined image."""

    def __init__(self, width: int, levels: int) -> None:
        """Make the cascade."""
        super().__init__()
        self.dc_weight = nn.Parameter(torch.ones(1))
        self.model = NormUnet(width, levels)

    def forward(self, kspace: Tensor, measured: Tensor, maps: Tensor, mask: Tensor) -> Tensor:
        """Return the next k-space, complex."""
        difference = mask[:, None, None] * (kspace - measured)
        image = (to_image(kspace) * maps.conj()).sum(dim=1)
        spread = to_kspace(self.model(image)[:, None] * maps)
        return kspace - difference * self.dc_weight - spread


class E2EVarNet(nn.Module):
    """The end-to-end variational network."""

    def __init__(
        self, cascades: int, width: int, levels: int, sens_width: int, sens_levels: int
    ) -> None:
        """Make the network.

        Args:
            cascades: number of cascades, each with weights of its own.
            width: features of the first level of each cascade's U-Net.
            levels: poolings of each cascade's U-Net, at most 4.
            sens_width: features of the first level of the sensitivity network.
            sens_levels: poolings of the sensitivity network, at most 4.
        """
        super().__init__()
        self.sens_net = SensitivityModel(sens_width, sens_levels)
        self.cascades = nn.ModuleList(VarNetBlock(width, levels) for _ in range(cascades))

    def forward(self, kspace: Tensor, mask: Tensor, lines: Tensor) -> Tensor:
        """Reconstruct a magnitude.

        Args:
            kspace: (batch, 2 coils, row, column), zero where nothing was acquired.
            mask: (batch, column), 1 where a column was acquired and 0 elsewhere.
            lines: (batch, 1), number of columns in the middle from which sensitivities are
                estimated; 0: those that were acquired without a gap are counted.

        Returns:
            (batch, 1, row, column).
        """
        measured = torch.complex(kspace[:, 0::2], kspace[:, 1::2])
        maps = self.sens_net(measured, mask, lines)
        found = measured
        for cascade in self.cascades:
            found = cascade(found, measured, maps, mask)
        return rss(to_image(found))[:, None]


class StackedE2EVarNet(E2EVarNet):
    """The same network with one input, for programs that know only one."""

    def forward(self, image: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Reconstruct a magnitude.

        Args:
            image: (batch, 2 coils + 2, row, column): the channels of k-space, the mask, which is
                the same in every row, and the number of calibration lines, the same everywhere.

        Returns:
            (batch, 1, row, column).
        """
        return super().forward(image[:, :-2], image[:, -2, 0], image[:, -1, 0, :1])
