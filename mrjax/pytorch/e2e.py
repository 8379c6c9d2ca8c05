"""The end-to-end variational network in PyTorch, the twin of :mod:`mrjax.nets.e2e`.

Modules have the names of the network in JAX, so that :mod:`mrjax.pytorch.weights` finds every
weight under its path there. K-space and maps are complex (b, coil, row, column), masks (b, column)
with 1 where a column was acquired; the zero frequency is at index n // 2.

Source: Sriram et al., MICCAI 2020, Eq. 7-11; where the paper leaves something open, the values are
those of fastmri.models.VarNet of the package fastmri 0.3.0.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from mrjax.losses import SSIM_K1, SSIM_K2, SSIM_WINDOW
from mrjax.nets.norm_unet import CHANNELS, EPS, SLOPE, margins
from mrjax.pytorch.forms import divisor
from mrjax.pytorch.varnet import centred


def _activated(x: Tensor) -> Tensor:
    """Return the leaky ReLU of features whose channels are normalised in each image."""
    return functional.leaky_relu(functional.instance_norm(x, eps=EPS), SLOPE)


def _safe_root(x: Tensor) -> Tensor:
    """Return the square root of x >= 0, with the gradient 0 where x is 0."""
    zero = x == 0
    return torch.where(zero, 0, torch.where(zero, 1, x).sqrt())


class NormConv(nn.Conv2d):
    """Convolution with a window of 3 x 3 and no bias, instance normalisation and leaky ReLU."""

    def __init__(self, given: int, features: int) -> None:
        """Make the layer with `given` input channels and `features` output channels."""
        super().__init__(given, features, 3, padding=1, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Return the activated response to (b, c, row, column)."""
        return _activated(super().forward(input))


class NormUp(nn.ConvTranspose2d):
    """Transposed convolution by 2 without bias, instance normalisation and leaky ReLU."""

    def __init__(self, features: int) -> None:
        """Make the layer with twice `features` input channels and `features` output channels."""
        super().__init__(2 * features, features, 2, stride=2, bias=False)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Return the activated response, twice as large along rows and columns."""
        return _activated(super().forward(input, output_size))


class UNet(nn.Module):
    """The U-Net `mrjax.nets.norm_unet.UNet`, from two channels to two channels."""

    def __init__(self, width: int, levels: int) -> None:
        """Make the network.

        Args:
            width: number of features of the first level; each level below has twice as many.
            levels: number of poolings.
        """
        super().__init__()
        self.levels = levels
        for level in range(levels):
            features = width * 2**level
            self._add_pair(f"down{level}", features // 2 if level else CHANNELS, features)
            self.add_module(f"up{level}", NormUp(features))
            self._add_pair(f"merge{level}", 2 * features, features)
        self._add_pair("bottom", width * 2**levels // 2, width * 2**levels)
        self.out = nn.Conv2d(width, CHANNELS, 1)

    def _add_pair(self, name: str, given: int, features: int) -> None:
        self.add_module(f"{name}_0", NormConv(given, features))
        self.add_module(f"{name}_1", NormConv(features, features))

    def _pair(self, name: str, x: Tensor) -> Tensor:
        return self.get_submodule(f"{name}_1")(self.get_submodule(f"{name}_0")(x))

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, 2, row, column), divisible by 2^levels, to the same shape."""
        skips = []
        for level in range(self.levels):
            x = self._pair(f"down{level}", x)
            skips.append(x)
            x = functional.avg_pool2d(x, 2)
        x = self._pair("bottom", x)
        for level in reversed(range(self.levels)):
            up = self.get_submodule(f"up{level}")(x)
            x = self._pair(f"merge{level}", torch.cat([up, skips[level]], dim=1))
        return self.out(x)


class NormUNet(nn.Module):
    """The U-Net on complex images of zero mean and unit deviation in each part, and of any size."""

    def __init__(self, width: int, levels: int) -> None:
        """Make the network; see `UNet`."""
        super().__init__()
        self.levels = levels
        self.unet = UNet(width, levels)

    def forward(self, image: Tensor) -> Tensor:
        """Map complex (b, row, column) to the same shape."""
        rows, columns = image.shape[1:]
        (top, left), (bottom, right) = margins((rows, columns), self.levels)
        x = torch.view_as_real(image).permute(0, 3, 1, 2)
        mean = x.mean(dim=(2, 3), keepdim=True)
        deviation = divisor(_safe_root(x.var(dim=(2, 3), keepdim=True)))
        y = self.unet(functional.pad((x - mean) / deviation, (left, right, top, bottom)))
        y = y[:, :, top : top + rows, left : left + columns].to(x.dtype) * deviation + mean
        return torch.view_as_complex(y.permute(0, 2, 3, 1).contiguous())


def calibration_columns(mask: Tensor, lines: Tensor | None = None) -> Tensor:
    """Return the columns that estimate sensitivities, `mrjax.nets.e2e.calibration_columns`.

    Args:
        mask: (b, column), not 0 for acquired columns.
        lines: number of calibration columns of each example, 0 to count them; None counts all.

    Returns:
        (b, column), True for calibration columns.
    """
    columns = mask.shape[1]
    missing = (mask == 0).to(torch.int8)
    left = missing[:, : columns // 2].flip(1).argmax(dim=1)
    right = missing[:, columns // 2 :].argmax(dim=1)
    counted = (2 * torch.minimum(left, right)).clamp(min=1)
    n = counted if lines is None else torch.where(lines == 0, counted, lines)
    first = (columns - n + 1) // 2
    place = torch.arange(columns, device=mask.device)
    return (place >= first[:, None]) & (place < (first + n)[:, None])


def root_sum_of_squares(images: Tensor) -> Tensor:
    """Return sqrt(sum over coils of |x_c|^2) of complex (b, coil, row, column)."""
    return _safe_root(torch.view_as_real(images).square().sum(dim=-1).sum(dim=1))


class SensitivityNet(nn.Module):
    """Sensitivity maps, of unit root sum of squares, from the calibration lines."""

    def __init__(self, width: int, levels: int) -> None:
        """Make the network; see `UNet`."""
        super().__init__()
        self.net = NormUNet(width, levels)

    def forward(self, kspace: Tensor, calibration: Tensor) -> Tensor:
        """Return the maps of a k-space whose `calibration` columns (b, column) are kept."""
        kept = torch.where(calibration[:, None, None], kspace, 0)
        images = centred(torch.fft.ifft2, kept)
        maps = self.net(images.flatten(0, 1)).reshape(images.shape)
        return maps / divisor(root_sum_of_squares(maps))[:, None]


class Cascade(nn.Module):
    """One step in k-space: k - lambda M (k - f) - F E(G(R F^-1 k))."""

    def __init__(self, width: int, levels: int) -> None:
        """Make the cascade; see `UNet`."""
        super().__init__()
        self.data_weight = nn.Parameter(torch.ones(()))
        self.net = NormUNet(width, levels)

    def forward(self, kspace: Tensor, measured: Tensor, maps: Tensor, mask: Tensor) -> Tensor:
        """Return the next k-space."""
        difference = torch.where(mask[:, None, None] != 0, kspace - measured, 0)
        image = (centred(torch.fft.ifft2, kspace) * maps.conj()).sum(dim=1)
        spread = centred(torch.fft.fft2, self.net(image)[:, None] * maps)
        return kspace - difference * self.data_weight - spread


class E2EVarNet(nn.Module):
    """End-to-end variational network: sensitivity maps, cascades, root sum of squares."""

    def __init__(
        self,
        cascades: int = 12,
        width: int = 18,
        levels: int = 4,
        sens_width: int = 8,
        sens_levels: int = 4,
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
        self.sens = SensitivityNet(sens_width, sens_levels)
        for i in range(cascades):
            self.add_module(f"cascade{i}", Cascade(width, levels))
        self.cascades = cascades

    def forward(self, kspace: Tensor, mask: Tensor, lines: Tensor | None = None) -> Tensor:
        """Reconstruct magnitudes (b, row, column).

        Args:
            kspace: acquired columns, zeros elsewhere.
            mask: 1 where a column was acquired.
            lines: see `calibration_columns`.
        """
        maps = self.sens(kspace, calibration_columns(mask, lines))
        found = kspace
        for i in range(self.cascades):
            found = self.get_submodule(f"cascade{i}")(found, kspace, maps, mask)
        return root_sum_of_squares(centred(torch.fft.ifft2, found))


def ssim_loss(x: Tensor, y: Tensor, data_range: Tensor) -> Tensor:
    """Return one minus the mean structural similarity, as `mrjax.losses.ssim_loss` defines it.

    Args:
        x: images (b, row, column) of at least 7 x 7 pixels.
        y: images of the same shape.
        data_range: (b,), in the unit of the images.

    Returns:
        A scalar.
    """
    images = torch.stack([x, y, x * x, y * y, x * y])
    means = functional.avg_pool2d(images, SSIM_WINDOW, stride=1)
    mean_x, mean_y, square_x, square_y, product = means
    n = SSIM_WINDOW**2
    unbiased = n / (n - 1)
    covariance = unbiased * (product - mean_x * mean_y)
    variances = unbiased * (square_x - mean_x**2 + square_y - mean_y**2)
    c1, c2 = ((k * data_range[:, None, None]) ** 2 for k in (SSIM_K1, SSIM_K2))
    above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    below = (mean_x**2 + mean_y**2 + c1) * (variances + c2)
    return 1 - (above / below).mean()
