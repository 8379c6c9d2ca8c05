"""What a step leaves in the ledger, on its way from the device to the host."""

from collections.abc import Mapping

import torch
from torch import Tensor

from mrjax.train import finite
from mrjax.train.step import Evidence


class _Late:
    """A number of a step; it can be read when it has arrived, whatever the device does by then.

    Reading a tensor would wait for all that the device was told since, the next step included.
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
    """Return the evidence of a step as the loop reads it, without waiting for it.

    Args:
        loss: before the update.
        digests: of parameters and statistics after the update, of gradients, of the batch.
        broken: see `first_not_finite`.
        skipped: whether the update was skipped.

    Returns:
        Numbers that the loop can turn into Python's.
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
    """A copy under way to the host."""
    host = torch.empty_like(value, device="cpu", pin_memory=True)
    return host.copy_(value, non_blocking=True)


def first_not_finite(tensors: Mapping[str, Tensor]) -> Tensor:
    """Return the place of the first tensor with a value that is not finite, or `finite.NONE`.

    Looked at is the sum of each, of magnitudes on a GPU, where all are then one pass; it overflows
    for finite values only where they are some 1e30, past help.
    """
    values = [t if t.is_floating_point() else _parts(t) for t in tensors.values()]
    sums = torch._foreach_norm(values, 1) if values[0].is_cuda else [t.sum() for t in values]  # pyright: ignore
    broken = ~torch.stack(sums).isfinite()
    place = torch.argmax(broken.to(torch.uint8))  # of the first, on ties
    return torch.where(broken.any(), place, finite.NONE)


def _parts(value: Tensor) -> Tensor:
    """Numbers that are finite where those of a tensor are; integers always are."""
    return torch.view_as_real(value) if value.is_complex() else torch.zeros(1, device=value.device)
