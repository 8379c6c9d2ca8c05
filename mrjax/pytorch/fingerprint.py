"""The ledger's digest where torch's tensors are, by the rule of :mod:`mrjax.runs.digests`.

torch has no unsigned 64-bit arithmetic worth the name; signed products and sums wrap around to the
same bits, and a logical shift is an arithmetic one with its copies of the sign bit masked away.
"""

import functools
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from mrjax.runs import digests

_SMALL = 1 << 16
_BLOCK = {"cpu": 1 << 15, "cuda": 1 << 20}
"""Elements mixed at a time: on a CPU what its cache holds and torch leaves to one thread; on a GPU
little beside a network, since what the digest takes counts as the run's memory."""
_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}

Sizes = tuple[tuple[str, int], ...]


def fingerprint(leaves: Mapping[str, Tensor]) -> Tensor:
    """64-bit digest of named tensors; equals `mrjax.runs.digests.fingerprint` of the same arrays.

    The sum has one value in every order, on every device. Small leaves are mixed together, since
    a network has many of them and every operation has a price of its own.

    Args:
        leaves: name to tensor of numbers or bools, in the axes of the digest's definition, all on
            one device.

    Returns:
        int64 scalar on that device, the digest's bits; `mrjax.runs.digests.hex64` writes it as the
        ledger does.
    """
    together: dict[torch.dtype, dict[str, Tensor]] = {}
    parts = []
    for name, leaf in leaves.items():
        bits = _bits(leaf)
        if bits.numel() <= _SMALL:
            together.setdefault(bits.dtype, {})[name] = bits
        else:
            parts += _mixed(bits, None, digests.seed(name))
    for group in together.values():
        bits = torch.cat(list(group.values()))
        sizes = tuple((name, values.numel()) for name, values in group.items())
        parts += _mixed(bits, _offsets(sizes, bits.is_cuda), 0)
    return torch.stack(parts).sum() if parts else torch.zeros((), dtype=torch.int64)


def _bits(leaf: Tensor) -> Tensor:
    """Bits of the elements, flat in C order, as integers of the elements' own width."""
    leaf = leaf.detach()
    if leaf.is_complex():
        leaf = torch.view_as_real(leaf.resolve_conj())
    if leaf.dtype == torch.bool:
        leaf = leaf.to(torch.uint8)
    return leaf.contiguous().reshape(-1).view(_INTEGERS[leaf.element_size()])


@functools.lru_cache(maxsize=16)
def _offsets(sizes: Sizes, pinned: bool) -> Tensor:
    """Seed of the name plus the weighted place, for leaves one after the other; on the host."""
    found = torch.cat([_places(size) + _signed(digests.seed(name)) for name, size in sizes])
    return found.pin_memory() if pinned else found


@functools.lru_cache(maxsize=8)
def _places(size: int) -> Tensor:
    """0, 1, 2 ... times the index factor; on the host."""
    return torch.arange(size).mul_(_signed(digests.INDEX_FACTOR))


def _stays(device: torch.device) -> bool:
    """Whether tables may be kept where the tensors are: not in a GPU's memory."""
    return device.type == "cpu"


def _mixed(bits: Tensor, offsets: Tensor | None, start: int) -> Iterator[Tensor]:
    """Yield sums of mixed elements; without offsets those of a leaf whose seed is `start`."""
    block = _BLOCK.get(bits.device.type, 1 << 20)
    value = torch.empty(min(block, bits.numel()), dtype=torch.int64, device=bits.device)
    shifted = torch.empty_like(value)
    for first in range(0, bits.numel(), block):
        part = bits[first : first + block]
        v, s = value[: part.numel()], shifted[: part.numel()]
        v.copy_(part)
        if part.dtype in (torch.int16, torch.int32):  # undo the extension of the sign
            v &= (1 << 8 * part.element_size()) - 1
        v *= _signed(digests.BITS_FACTOR)
        if offsets is None:
            v += _places(block)[: part.numel()] if _stays(bits.device) else _counted(s)
            v += _signed(start + first * digests.INDEX_FACTOR)
        else:
            here = offsets[first : first + block]
            v += here if _stays(bits.device) else s.copy_(here, non_blocking=True)
        for places, factor in digests.MIX_STEPS:
            v ^= _logical_shift(v, places, s)
            v *= _signed(factor)
        yield v.bitwise_xor_(_logical_shift(v, digests.MIX_LAST, s)).sum()


def _counted(out: Tensor) -> Tensor:
    """The same as `_places`, made where it is used."""
    return torch.arange(out.numel(), out=out).mul_(_signed(digests.INDEX_FACTOR))


def _logical_shift(value: Tensor, places: int, out: Tensor) -> Tensor:
    torch.bitwise_right_shift(value, places, out=out)
    return out.bitwise_and_((1 << (64 - places)) - 1)


def _signed(value: int) -> int:
    """The signed integer of the same 64 bits."""
    value %= 1 << 64
    return value - (1 << 64) if value >= 1 << 63 else value
