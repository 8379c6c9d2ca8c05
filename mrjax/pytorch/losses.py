"""Losses and predictions of all tasks in PyTorch, from a batch of a run.

Each function is the counterpart of `loss_function` or `predictor` of the task's model in
:mod:`mrjax.tasks`, with the same operations in the same order and with channels first. Everything
outside the network has the type of its parameters; under autocast only the network computes in
lower precision.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mrjax.nets.e2e import cropped
from mrjax.pytorch import e2e, forms, nets, unet, varnet
from mrjax.pytorch.nets import QsmConstants

Batch = Mapping[str, Tensor]
_COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}


def _dtype(network: nn.Module) -> torch.dtype:
    return next(network.parameters()).dtype


def qsm_loss(network: nn.Module, batch: Batch, constants: QsmConstants) -> Tensor:
    """Return the loss of Yoon et al. on a batch, as `mrjax.tasks.qsm.model` defines it.

    Args:
        network: a QSMnet in training mode; its running statistics are updated.
        batch: `field`, `chi` [ppm] and `mask`, each (b, 1, x, y, z).
        constants: from the training subjects, with the dipole kernel.

    Returns:
        A scalar.
    """
    dtype = _dtype(network)
    field, chi, mask = (batch[name].to(dtype) for name in ("field", "chi", "mask"))
    output = network((field - constants.field_mean) / constants.field_std).to(dtype)
    target = (chi - constants.chi_mean) / constants.chi_std
    return nets.qsm_loss(output, target, field, mask, constants)


def qsm_predict(network: nn.Module, field: Tensor, constants: QsmConstants) -> Tensor:
    """Return the susceptibility [ppm] of a local field [ppm], (b, 1, x, y, z)."""
    dtype = _dtype(network)
    inputs = (field.to(dtype) - constants.field_mean) / constants.field_std
    return network(inputs).to(dtype) * constants.chi_std + constants.chi_mean


def varnet_reconstruct(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Reconstruct a batch in the unit in which the network works.

    Args:
        network: a VarNet of either form.
        batch: `kspace`, `maps` (b, coil, row, column), `mask` (b, column).

    Returns:
        Images (b, row, column) divided by the scale, and the scale (b, 1, 1), which is the largest
        magnitude of each zero-filled image.
    """
    dtype = _dtype(network)
    kspace, maps = (batch[name].to(_COMPLEX[dtype]) for name in ("kspace", "maps"))
    mask = batch["mask"].to(dtype)
    first = varnet.adjoint_model(kspace, maps, mask)
    scale = forms.divisor(first.abs().amax(dim=(1, 2), keepdim=True))
    return network(first / scale, kspace / scale[:, None], maps, mask), scale


def varnet_loss(network: nn.Module, batch: Batch, kind: str = "complex") -> Tensor:
    """Return the mean squared error on a batch, as `mrjax.tasks.varnet.model` defines it.

    Args:
        network: a VarNet of either form.
        batch: as for `varnet_reconstruct`, with `reference` (b, row, column).
        kind: error of real and imaginary parts (``complex``) or of magnitudes (``magnitude``).

    Returns:
        A scalar.
    """
    image, scale = varnet_reconstruct(network, batch)
    reference = batch["reference"].to(image.dtype) / scale
    error = varnet.mean_squared_error if kind == "complex" else varnet.magnitude_squared_error
    return error(image, reference)


def varnet_predict(network: nn.Module, batch: Batch) -> Tensor:
    """Return images (b, row, column) in the unit of the reference."""
    image, scale = varnet_reconstruct(network, batch)
    return image * scale


def e2e_reconstruct(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Reconstruct a batch in the unit in which the network works.

    Args:
        network: an `mrjax.pytorch.e2e.E2EVarNet`.
        batch: `kspace` (b, coil, row, column), `mask` (b, column), `lines` (b,).

    Returns:
        Images (b, row, column) divided by the unit, and the unit (b, 1, 1).
    """
    dtype = _dtype(network)
    kspace = batch["kspace"].to(_COMPLEX[dtype])
    largest = torch.view_as_real(kspace).abs().amax(dim=(1, 2, 3, 4))
    ordinary = (largest > 2.0**-40) & (largest < 2.0**40)
    unit = torch.where(ordinary, 1, forms.divisor(largest))[:, None, None]
    return network(kspace / unit[:, None], batch["mask"].to(dtype), batch["lines"].long()), unit


def e2e_loss(network: nn.Module, batch: Batch) -> Tensor:
    """Return the loss on a batch, as `mrjax.tasks.e2e.model` defines it.

    Args:
        network: as for `e2e_reconstruct`.
        batch: as there, with `reference` (b, fewer rows, fewer columns) and `data_range` (b,).

    Returns:
        A scalar.
    """
    image, unit = e2e_reconstruct(network, batch)
    reference = batch["reference"].to(image.dtype)
    largest = forms.divisor(batch["data_range"].to(image.dtype))[:, None, None]
    x = cropped(image, reference.shape[1:]) / (largest / unit)
    return e2e.ssim_loss(x, reference / largest, torch.ones_like(largest[:, 0, 0]))


def e2e_predict(network: nn.Module, batch: Batch) -> Tensor:
    """Return whole images (b, row, column) in the unit of the reference."""
    image, unit = e2e_reconstruct(network, batch)
    return image * unit


def breast_loss(network: nn.Module, batch: Batch) -> Tensor:
    """Return 1 - Dice over a batch, as `mrjax.tasks.breast.model` defines it.

    Args:
        network: a U-Net in training mode; its running statistics are updated.
        batch: `image` (b, 3, row, column) and `mask` (b, 1, row, column).

    Returns:
        A scalar.
    """
    dtype = _dtype(network)
    logits = network(batch["image"].to(dtype)).to(dtype)
    return unet.soft_dice_loss(logits, batch["mask"].to(dtype))


def breast_predict(network: nn.Module, image: Tensor) -> Tensor:
    """Return the probability of breast (b, 1, row, column) for an image (b, 3, row, column)."""
    dtype = _dtype(network)
    return torch.sigmoid(network(image.to(dtype)).to(dtype))
