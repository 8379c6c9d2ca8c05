# Copyright 2026 The mrjax developers. SPDX-License-Identifier: Apache-2.0
"""The variational network of mrjax in plain PyTorch. This file needs torch alone.

Complex arrays are real tensors with twice as many channels: channel 2 i is the real part of coil i,
channel 2 i + 1 its imaginary part. An image has two channels. The zero frequency of k-space is at
index n // 2 of rows and columns; the Fourier transform is orthonormal.

Source: Hammernik et al., Magn Reson Med 79:3055 (2018), equations 4 to 8.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def to_complex(x: Tensor) -> Tensor:
    """Return (batch, n, row, column), complex, of real (batch, 2 n, row, column)."""
    return torch.complex(x[:, 0::2], x[:, 1::2])


def to_real(x: Tensor) -> Tensor:
    """Return (batch, 2 n, row, column), real, of complex (batch, n, row, column)."""
    return torch.stack([x.real, x.imag], dim=2).flatten(1, 2)


def sample(image: Tensor, maps: Tensor, mask: Tensor) -> Tensor:
    """Return the acquired k-space (batch, coil, row, column) of an image (batch, row, column)."""
    axes = (-2, -1)
    shifted = torch.fft.ifftshift(maps * image[:, None], dim=axes)
    kspace = torch.fft.fftshift(torch.fft.fft2(shifted, dim=axes, norm="ortho"), dim=axes)
    return mask[:, None, None, :] * kspace


def zero_filled(kspace: Tensor, maps: Tensor, mask: Tensor) -> Tensor:
    """Return the image of a k-space, the adjoint of `sample`."""
    axes = (-2, -1)
    shifted = torch.fft.ifftshift(mask[:, None, None, :] * kspace, dim=axes)
    images = torch.fft.fftshift(torch.fft.ifft2(shifted, dim=axes, norm="ortho"), dim=axes)
    return (maps.conj() * images).sum(dim=1)


class Activation(nn.Module):
    """A weighted sum of Gaussians for each filter, on equidistant nodes from -1 to 1."""

    def __init__(self, filters: int, nodes: int) -> None:
        """Make the functions; their weights `w` have the shape of the public VarNet code."""
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1, filters, 1, 1, nodes))

    def forward(self, x: Tensor) -> Tensor:
        """Return the activation of (batch, filter, row, column)."""
        nodes = self.w.shape[-1]
        distance = 2 / (nodes - 1)
        total = torch.zeros_like(x)
        for j in range(nodes):
            offset = (x - (j * distance - 1)) / distance
            total = total + self.w[..., j] * torch.exp(-0.5 * offset * offset)
        return total


class Stage(nn.Module):
    """One gradient step: image - regulariser - lamb * A*(A image - k-space)."""

    def __init__(self, filters: int, nodes: int, window: int) -> None:
        """Make a stage; its parameters have the names and shapes of the public VarNet code."""
        super().__init__()
        self.conv_kernel = nn.Parameter(torch.zeros(filters, 1, window, window, 2))
        self.activation = Activation(filters, nodes)
        self.lamb = nn.Parameter(torch.zeros(()))

    def regulariser(self, image: Tensor) -> Tensor:
        """Return the gradient of the learnt energy; the image is mirrored at its edges."""
        kernel = self.conv_kernel[:, 0].permute(0, 3, 1, 2)
        margin = 2 * (kernel.shape[-1] // 2)
        parts = torch.stack([image.real, image.imag], dim=1)
        response = functional.conv2d(functional.pad(parts, (margin,) * 4, mode="reflect"), kernel)
        active = self.activation(response)
        back = functional.conv_transpose2d(active, kernel, padding=margin)
        return torch.complex(back[:, 0], back[:, 1]) / kernel.shape[0]

    def forward(self, image: Tensor, kspace: Tensor, maps: Tensor, mask: Tensor) -> Tensor:
        """Return the next image."""
        residual = sample(image, maps, mask) - kspace
        return image - self.regulariser(image) - self.lamb * zero_filled(residual, maps, mask)


class VarNet(nn.Module):
    """The variational network with its scaling: the image has the unit of k-space."""

    def __init__(self, stages: int, filters: int, nodes: int, window: int) -> None:
        """Make the network.

        Args:
            stages: gradient steps, each with parameters of its own.
            filters: complex filters of each stage.
            nodes: Gaussians of each activation function.
            window: edge of a filter, odd [pixels].
        """
        super().__init__()
        self.cell_list = nn.ModuleList(Stage(filters, nodes, window) for _ in range(stages))

    def forward(self, kspace: Tensor, maps: Tensor, mask: Tensor) -> Tensor:
        """Reconstruct an image.

        Args:
            kspace: (batch, 2 coils, row, column), zero where nothing was acquired.
            maps: coil sensitivities, as large as k-space.
            mask: (batch, column), 1 where a column was acquired and 0 elsewhere.

        Returns:
            (batch, 2, row, column): real and imaginary part.
        """
        samples, coils = to_complex(kspace), to_complex(maps)
        image = zero_filled(samples, coils, mask)
        scale = image.abs().amax(dim=(1, 2), keepdim=True)
        scale = torch.where(scale == 0, torch.ones_like(scale), scale)
        image, samples = image / scale, samples / scale[:, None]
        for stage in self.cell_list:
            image = stage(image, samples, coils, mask)
        return to_real((image * scale)[:, None])


class StackedVarNet(VarNet):
    """The same network with one input, for programs that know only one."""

    def forward(self, image: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Reconstruct an image.

        Args:
            image: (batch, 4 coils + 1, row, column): the channels of k-space, those of the maps,
                then the mask, which is the same in every row.

        Returns:
            (batch, 2, row, column): real and imaginary part.
        """
        half = (image.shape[1] - 1) // 2
        return super().forward(image[:, :half], image[:, half : 2 * half], image[:, -1, 0])
