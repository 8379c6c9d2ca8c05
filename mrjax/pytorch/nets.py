"""QSMnet and its loss in PyTorch, written for speed as an engineer would write them."""

import itertools

import torch
from torch import Tensor
from torch.nn import functional

from mrjax.pytorch.unet import UNet

_NEIGHBOURS = [n for n in itertools.product((-1, 0, 1), repeat=3) if any(n)]


class QSMnet(UNet):
    """The 3-D U-Net of :func:`mrjax.nets.qsmnet.qsmnet`, channels first as torch has them."""

    def __init__(
        self, width: int = 32, levels: int = 4, window: int = 5, momentum: float = 0.99
    ) -> None:
        """Make the network; the defaults are the publication's size.

        Args:
            width: channels of the first level, doubled at each level below.
            levels: number of poolings.
            window: edge of the cubic convolution window, odd.
            momentum: share of the old value in the running statistics.
        """
        super().__init__(3, 1, width, levels, window, momentum=momentum)


def gradient_difference(x: Tensor, y: Tensor) -> Tensor:
    """Mean |G(x) - G(y)| over interior voxels; G sums rectified differences by distance.

    Args:
        x: (b, c, x, y, z).
        y: the same shape.

    Returns:
        A scalar.

    Source: the QSMnet authors' code, Code/utils.py (gradient difference to 26 neighbours).
    """
    return (_rectified(x) - _rectified(y)).abs().mean()


def _rectified(x: Tensor) -> Tensor:
    size = x.shape[2:]
    centre = x[:, :, 1:-1, 1:-1, 1:-1]
    total = torch.zeros_like(centre)
    for neighbour in _NEIGHBOURS:
        cut = [slice(1 + o, n - 1 + o) for o, n in zip(neighbour, size, strict=True)]
        distance = sum(o * o for o in neighbour) ** 0.5
        total = total + functional.relu(x[:, :, cut[0], cut[1], cut[2]] - centre) / distance
    return total


def qsm_loss(
    prediction: Tensor,
    target: Tensor,
    field: Tensor,
    mask: Tensor,
    dipole: Tensor,
    chi_mean: float,
    chi_std: float,
    model_weight: float = 0.5,
    gradient_weight: float = 0.1,
) -> Tensor:
    """L1 + weighted model and gradient difference, as :mod:`mrjax.losses` defines them.

    Args:
        prediction: normalised susceptibility (b, 1, x, y, z).
        target: normalised susceptibility, the same shape.
        field: local field [ppm], the same shape.
        mask: 1 inside the brain, the same shape.
        dipole: kernel (x, y, z) in FFT order, circular on the patch.
        chi_mean: mean of the susceptibility [ppm].
        chi_std: standard deviation of the susceptibility [ppm].
        model_weight: of the disagreement with the field.
        gradient_weight: of the gradient difference.

    Returns:
        A scalar.
    """
    chi = prediction * chi_std + chi_mean
    modelled = torch.fft.ifftn(dipole * torch.fft.fftn(chi, dim=(2, 3, 4)), dim=(2, 3, 4)).real
    model = (mask * field - mask * modelled).abs().mean()
    difference = gradient_difference(prediction, target)
    return (prediction - target).abs().mean() + model_weight * model + gradient_weight * difference
