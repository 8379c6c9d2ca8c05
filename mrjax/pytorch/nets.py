"""QSMnet and its loss in PyTorch, written for speed."""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mrjax.pytorch.unet import UNet

_NEIGHBOURS = [n for n in itertools.product((-1, 0, 1), repeat=3) if any(n)]


class QSMnet(UNet):
    """The 3-D U-Net of :func:`mrjax.nets.qsmnet.qsmnet`, with channels first, as in torch."""

    def __init__(
        self, width: int = 32, levels: int = 4, window: int = 5, momentum: float = 0.99
    ) -> None:
        """Make the network; the defaults are the size of the publication.

        Args:
            width: channels of the first level, doubled at each level below.
            levels: number of poolings.
            window: edge of the cubic convolution window, odd.
            momentum: share of the old value in the running statistics.
        """
        super().__init__(3, 1, width, levels, window, momentum=momentum)


def gradient_difference(x: Tensor, y: Tensor) -> Tensor:
    """Mean of |G(x) - G(y)| over interior voxels.

    G(x) = sum over the 26 neighbours n of max(x_n - x, 0) / |n|, with the distance |n| [voxels].

    Args:
        x: (b, c, x, y, z).
        y: the same shape.

    Returns:
        A scalar.

    Source: the QSMnet authors' code, Code/utils.py.
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


class QsmConstants(NamedTuple):
    """What a QSM loss needs beside the batch.

    Attributes:
        dipole: kernel [x y z] in FFT order, circular on the patch; None if nothing is trained.
        field_mean: mean of the training subjects' local field [ppm].
        field_std: its standard deviation [ppm].
        chi_mean: mean of their susceptibility [ppm].
        chi_std: its standard deviation [ppm].
        model_weight: of the disagreement with the field.
        gradient_weight: of the gradient difference.
    """

    dipole: Tensor | None
    field_mean: float
    field_std: float
    chi_mean: float
    chi_std: float
    model_weight: float = 0.5
    gradient_weight: float = 0.1


def qsm_loss(
    prediction: Tensor, target: Tensor, field: Tensor, mask: Tensor, constants: QsmConstants
) -> Tensor:
    """L1 + weighted model and gradient difference, as :mod:`mrjax.losses` defines them.

    Args:
        prediction: normalised susceptibility (b, 1, x, y, z).
        target: normalised susceptibility, the same shape.
        field: local field [ppm], the same shape.
        mask: 1 inside the brain, the same shape.
        constants: with the dipole kernel.

    Returns:
        A scalar.
    """
    assert constants.dipole is not None, "a loss needs the dipole kernel"
    dipole = constants.dipole.to(prediction.dtype)
    chi = prediction * constants.chi_std + constants.chi_mean
    modelled = torch.fft.ifftn(dipole * torch.fft.fftn(chi, dim=(2, 3, 4)), dim=(2, 3, 4)).real
    model = (mask * field - mask * modelled).abs().mean()
    difference = gradient_difference(prediction, target)
    # Computed last: gradients of the terms are added in the reverse of the order of computation.
    l1 = (prediction - target).abs().mean()
    return l1 + constants.model_weight * model + constants.gradient_weight * difference
