"""The ledger's digest, computed on the device of the tensors by the rule of `mrjax.runs.digests`.

torch hardly supports unsigned 64-bit integers. Signed products and sums wrap around to the same
bits, and a logical shift is an arithmetic shift whose copies of the sign bit are masked away.
"""

import functools
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from mrjax.runs import digests

_SMALL = 1 << 16
_BLOCK = {"cpu": 1 << 15, "cuda": 1 << 20}
"""Elements mixed at a time. On a CPU a block fits into the cache and one thread computes it; on a
GPU it is small beside a network, because memory for the digest counts as memory of the run."""
_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}

Sizes = tuple[tuple[str, int], ...]


def fingerprint(leaves: Mapping[str, Tensor]) -> Tensor:
    """64-bit digest of named tensors; equals `mrjax.runs.digests.fingerprint` of the same arrays.

    The sum has the same value in every order and on every device. Small leaves are mixed together,
    because a network has many of them and each operation has a fixed cost.

    Args:
        leaves: name -> tensor of numbers or bools, all on one device, with axes in the order in
            which the digest is defined.

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
    """Bits of the elements, flat in C order, as integers of the same width."""
    leaf = leaf.detach()
    if leaf.is_complex():
        leaf = torch.view_as_real(leaf.resolve_conj())
    if leaf.dtype == torch.bool:
        leaf = leaf.to(torch.uint8)
    return leaf.contiguous().reshape(-1).view(_INTEGERS[leaf.element_size()])


@functools.lru_cache(maxsize=16)
def _offsets(sizes: Sizes, pinned: bool) -> Tensor:
    """Seed plus weighted index of each element, for leaves in a row; on the host."""
    found = torch.cat([_places(size) + _signed(digests.seed(name)) for name, size in sizes])
    return found.pin_memory() if pinned else found


@functools.lru_cache(maxsize=8)
def _places(size: int) -> Tensor:
    """0, 1, 2 ... times the index factor; on the host."""
    return torch.arange(size).mul_(_signed(digests.INDEX_FACTOR))


def _stays(device: torch.device) -> bool:
    """Whether tables of indices may be kept on the device: not in the memory of a GPU."""
    return device.type == "cpu"


def _mixed(bits: Tensor, offsets: Tensor | None, start: int) -> Iterator[Tensor]:
    """Yield the sum of the mixed elements of each block.

    Args:
        bits: elements as integers.
        offsets: see `_offsets`; None: the elements are one leaf, whose seed is `start`.
        start: seed of that leaf.
    """
    block = _BLOCK.get(bits.device.type, 1 << 20)
    value = torch.empty(min(block, bits.numel()), dtype=torch.int64, device=bits.device)
    shifted = torch.empty_like(value)
    for first in range(0, bits.numel(), block):
        part = bits[first : first + block]
        v, s = value[: part.numel()], shifted[: part.numel()]
        v.copy_(part)
        if part.dtype in (torch.int16, torch.int32):  # The copy has extended the sign bit.
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
    """The same as `_places`, computed on the device, into `out`."""
    return torch.arange(out.numel(), out=out).mul_(_signed(digests.INDEX_FACTOR))


def _logical_shift(value: Tensor, places: int, out: Tensor) -> Tensor:
    torch.bitwise_right_shift(value, places, out=out)
    return out.bitwise_and_((1 << (64 - places)) - 1)


def _signed(value: int) -> int:
    """The signed integer of the same 64 bits."""
    value %= 1 << 64
    return value - (1 << 64) if value >= 1 << 63 else value
