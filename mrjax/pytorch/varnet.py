"""The variational network in PyTorch: as the public code computes it, and written for speed.

Each stage computes u - R(u) - lambda A*(A u - f), with the regulariser R (filters, activation,
transposed filters) and A of `forward_model`. Both classes have the parameters of the public code
under its names, so that one state_dict loads into either. Images are complex (b, row, column),
k-space and maps (b, coil, row, column), masks (b, column) with 1 where a column was acquired; the
zero frequency is at index n // 2.

Source: Hammernik et al., Magn Reson Med 79:3055 (2018), equations 6 to 8; the algorithm, but no
line of code, is that of rixez/pytorch_mri_variationalnetwork.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mrjax.losses import MAGNITUDE_EPS
from mrjax.pytorch import forms
from mrjax.pytorch.rbf import CheapRbf, NodeByNode

LOW, HIGH = -1.0, 1.0


def centred(transform: Any, x: Tensor) -> Tensor:
    """Return a transform of the last two axes, orthonormal, with both centres at n // 2.

    Args:
        transform: ``torch.fft.fft2`` or ``torch.fft.ifft2``.
        x: complex, any leading axes.

    Returns:
        Complex, of the same shape.
    """
    axes = (-2, -1)
    shifted = torch.fft.ifftshift(x, dim=axes)
    return torch.fft.fftshift(transform(shifted, dim=axes, norm="ortho"), dim=axes)


def forward_model(image: Tensor, maps: Tensor, mask: Tensor) -> Tensor:
    """Return the k-space of an image: mask * F(maps * image).

    Args:
        image: complex (b, row, column).
        maps: coil sensitivities (b, coil, row, column).
        mask: (b, column).

    Returns:
        k-space (b, coil, row, column).
    """
    return mask[:, None, None, :] * centred(torch.fft.fft2, maps * image[:, None])


def adjoint_model(kspace: Tensor, maps: Tensor, mask: Tensor) -> Tensor:
    """Return the image of a k-space: sum over coils of conj(maps) * inverse F(mask * k-space)."""
    images = centred(torch.fft.ifft2, mask[:, None, None, :] * kspace)
    return (maps.conj() * images).sum(dim=1)


class _Weights(nn.Module):
    """Holds ``w`` (1, F, 1, 1, n), in the shape of the public code."""

    def __init__(self, filters: int, nodes: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1, filters, 1, 1, nodes))


class Cell(nn.Module):
    """One stage as in the public code: two convolutions each way, one node after the other."""

    def __init__(self, filters: int, nodes: int, window: int) -> None:
        """Make a stage whose weights are zero until they are loaded."""
        super().__init__()
        self.window = window
        self.conv_kernel = nn.Parameter(torch.zeros(filters, 1, window, window, 2))
        self.activation = _Weights(filters, nodes)
        self.lamb = nn.Parameter(torch.zeros(()))

    def regulariser(self, image: Tensor) -> Tensor:
        """Return the gradient of the learned energy, complex like the image."""
        kernels = self.conv_kernel[..., 0], self.conv_kernel[..., 1]
        margin, half = self.window, self.window // 2
        padded = [forms.reflected(part[:, None], margin) for part in (image.real, image.imag)]
        responses = [
            functional.conv2d(part, kernel, padding=half)
            for part, kernel in zip(padded, kernels, strict=True)
        ]
        active: Any = NodeByNode.apply(responses[0] + responses[1], self.activation.w, LOW, HIGH)
        back = [functional.conv_transpose2d(active, kernel, padding=half) for kernel in kernels]
        inside = slice(margin, -margin)
        real, imaginary = (part[:, 0, inside, inside] for part in back)
        return torch.complex(real, imaginary) / self.conv_kernel.shape[0]

    def forward(self, image: Tensor, kspace: Tensor, maps: Tensor, mask: Tensor) -> Tensor:
        """Return image - regulariser - lamb * A*(A image - k-space)."""
        residual = forward_model(image, maps, mask) - kspace
        data_term = self.lamb * adjoint_model(residual, maps, mask)
        return image - self.regulariser(image) - data_term


class TunedCell(Cell):
    """The same stage, with real and imaginary part as two channels and a cheaper activation."""

    def regulariser(self, image: Tensor) -> Tensor:
        """Return the gradient of the learned energy, complex like the image."""
        kernel = self.conv_kernel[:, 0].permute(0, 3, 1, 2)
        parts = torch.view_as_real(image).permute(0, 3, 1, 2)
        margin, half = 2 * (self.window // 2), self.window // 2
        padded = forms.reflected(parts, margin)
        response = functional.conv2d(padded, kernel)
        back = functional.conv_transpose2d(self._active(response), kernel, padding=2 * half)
        inside = back.permute(0, 2, 3, 1).to(kernel.dtype)
        return torch.view_as_complex(inside.contiguous()) / self.conv_kernel.shape[0]

    def _active(self, response: Tensor) -> Tensor:
        """Return the activation, which is computed in float32 even under autocast to 16 bits."""
        w = self.activation.w.to(response.dtype)
        if response.dtype == self.activation.w.dtype:
            return _apply(response, w)
        with torch.autocast(response.device.type, enabled=False):
            return _apply(response.float(), w.float()).to(response.dtype)


def _apply(response: Tensor, w: Tensor) -> Tensor:
    active: Any = CheapRbf.apply(response, w, LOW, HIGH)
    return active


class VarNet(nn.Module):
    """The variational network in the form of the public code."""

    cell: type[Cell] = Cell

    def __init__(
        self, stages: int = 10, filters: int = 24, nodes: int = 31, window: int = 11
    ) -> None:
        """Make the network.

        Args:
            stages: unrolled steps, each with its own weights.
            filters: number of filters of each stage.
            nodes: number of Gaussians of each filter's activation, from -1 to 1.
            window: edge of a filter, odd [pixels]; 11 in the public code.
        """
        super().__init__()
        cells = (self.cell(filters, nodes, window) for _ in range(stages))
        self.cell_list = nn.ModuleList(cells)

    def forward(self, image: Tensor, kspace: Tensor, maps: Tensor, mask: Tensor) -> Tensor:
        """Reconstruct.

        Args:
            image: A* of the k-space, with which the network begins, over its largest magnitude.
            kspace: acquired columns, zeros elsewhere; divided by the same magnitude.
            maps: coil sensitivities.
            mask: 1 where a column was acquired.

        Returns:
            The image of the last stage, complex (b, row, column).
        """
        for cell in self.cell_list:
            image = cell(image, kspace, maps, mask)
        return image


class TunedVarNet(VarNet):
    """The same network written for speed."""

    cell = TunedCell


@torch.no_grad()
def project(network: nn.Module) -> None:
    """Give every filter zero mean and unit norm and every data weight at least 0, in place.

    Args:
        network: in either form.

    Source: Hammernik et al., Magn Reson Med 79:3055 (2018), "Training".
    """
    for cell in network.modules():
        if isinstance(cell, Cell):
            kernel, axes = cell.conv_kernel, (1, 2, 3, 4)
            kernel -= kernel.mean(dim=axes, keepdim=True)
            norm = kernel.square().sum(dim=axes, keepdim=True).sqrt()
            kernel /= forms.divisor(norm)
            cell.lamb.copy_(forms.finite_or_nan(cell.lamb).clamp(min=0))


def mean_squared_error(image: Tensor, reference: Tensor) -> Tensor:
    """Mean over all pixels, and over real and imaginary parts, of the squared difference."""
    return functional.mse_loss(torch.view_as_real(image), torch.view_as_real(reference))


def magnitude_squared_error(image: Tensor, reference: Tensor) -> Tensor:
    """Mean over all pixels of the squared difference of magnitudes, `mrjax.losses.magnitude_mse`.

    The square root has no gradient at 0, so a small constant is added under it.
    """
    first, second = (
        (torch.view_as_real(x).square().sum(dim=-1) + MAGNITUDE_EPS).sqrt()
        for x in (image, reference)
    )
    return functional.mse_loss(first, second)
