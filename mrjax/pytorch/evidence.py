"""The evidence of a step (loss and digests), on its way from the device to the host."""

from collections.abc import Mapping

import torch
from torch import Tensor

from mrjax.train import finite
from mrjax.train.step import Evidence


class _Late:
    """A number of a step that can be read as soon as it has arrived on the host.

    Reading a tensor on a GPU would wait for everything that the device was told to do since,
    including the next step.
    """

    def __init__(self, value: Tensor, arrived: "torch.cuda.Event | None") -> None:
        self._value, self._arrived = value, arrived

    def _read(self) -> float | int | bool:
        if self._arrived is not None:
            self._arrived.synchronize()
        return self._value.item()

    def __float__(self) -> float:
        return float(self._read())

    def __int__(self) -> int:
        return int(self._read())

    def __bool__(self) -> bool:
        return bool(self._read())


def evidence(
    loss: Tensor, digests: tuple[Tensor, Tensor, Tensor], broken: Tensor, *, skipped: bool
) -> Evidence:
    """Return the evidence of a step for the training loop, without waiting for the device.

    Args:
        loss: before the update.
        digests: of parameters and statistics after the update, of gradients, of the batch.
        broken: index from `first_not_finite`.
        skipped: whether the update was skipped.

    Returns:
        Numbers that wait for their value only when they are converted to a Python number.
    """
    values = [loss.detach(), *digests, broken]
    event = None
    if loss.is_cuda:
        values = [_sent(value) for value in values]
        event = torch.cuda.Event()
        event.record()
    late = [_Late(value, event) for value in values]
    return Evidence(*late[:4], skipped=skipped, not_finite=finite.NONE if skipped else late[4])  # pyright: ignore[reportArgumentType]


def _sent(value: Tensor) -> Tensor:
    """Start a copy to the host and return it."""
    host = torch.empty_like(value, device="cpu", pin_memory=True)
    return host.copy_(value, non_blocking=True)


def first_not_finite(tensors: Mapping[str, Tensor]) -> Tensor:
    """Return the index of the first tensor with a value that is not finite, or `finite.NONE`.

    Only the sum of each tensor is tested; on a GPU it is the sum of magnitudes, which one kernel
    computes for all tensors. A sum of finite values overflows only if they are near 1e30, where
    training has failed anyway.
    """
    values = [t if t.is_floating_point() else _parts(t) for t in tensors.values()]
    sums = torch._foreach_norm(values, 1) if values[0].is_cuda else [t.sum() for t in values]  # pyright: ignore
    broken = ~torch.stack(sums).isfinite()
    place = torch.argmax(broken.to(torch.uint8))  # the first index, if there are several
    return torch.where(broken.any(), place, finite.NONE)


def _parts(value: Tensor) -> Tensor:
    """Real numbers that are finite if all values of a tensor are; zero for integers."""
    return torch.view_as_real(value) if value.is_complex() else torch.zeros(1, device=value.device)
