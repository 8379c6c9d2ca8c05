"""Pooling and reflection whose gradients have the same bits every time, on a GPU too.

On a GPU, PyTorch's own gradients of both add in the order in which threads arrive, so
``torch.use_deterministic_algorithms`` refuses them. Here every gradient is assembled from whole
blocks, in the order in which PyTorch's loops on a CPU add, so that both forms give equal bits on a
CPU.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

_POOL = {2: functional.max_pool2d, 3: functional.max_pool3d}


def divisor(x: Tensor) -> Tensor:
    """Return x with 1 for 0 and NaN for infinity, as `mrjax.numerics.exact.divisor` does."""
    return torch.where(x == 0, 1, finite_or_nan(x))


def finite_or_nan(x: Tensor) -> Tensor:
    """Return x with NaN for infinity, as `mrjax.numerics.exact.finite_or_nan` does."""
    return torch.where(x.abs() < torch.inf, x, torch.nan)


def max_pool(x: Tensor) -> Tensor:
    """Return maxima over windows of 2 along each axis of (b, c, *space), of even lengths.

    The first of equal maxima, in row-major order, gets the gradient.
    """
    return _applied(FirstMaximum, x) if _asked(x) else _POOL[x.ndim - 2](x, 2)


def reflected(x: Tensor, margin: int) -> Tensor:
    """Continue (b, c, row, column) on all sides by its mirror image, without repeating the edge.

    Args:
        x: images with more than `margin` rows and columns.
        margin: rows and columns added on each side.
    """
    if _asked(x):
        return _applied(Reflection, x, margin)
    return functional.pad(x, (margin,) * 4, mode="reflect")


def _asked(x: Tensor) -> bool:
    """Whether PyTorch's own, faster form must be avoided; on a CPU it is deterministic."""
    return x.is_cuda and torch.are_deterministic_algorithms_enabled()


def _applied(function: type[Function], *arguments: Any) -> Tensor:
    found: Any = function.apply(*arguments)
    return found


def _corners(x: Tensor) -> Iterator[Tensor]:
    """Yield the 2^d strided views of x, one for each place in a window, in row-major order."""
    for place in itertools.product((0, 1), repeat=x.ndim - 2):
        yield x[(..., *(slice(first, None, 2) for first in place))]


class FirstMaximum(Function):
    """Pooling that remembers the place of the maximum in each window."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Return the maxima; as in PyTorch, NaN is larger than any number."""
        first, *others = _corners(x)
        largest, place = first, torch.zeros_like(first, dtype=torch.uint8)
        for number, corner in enumerate(others, 1):
            larger = (corner > largest) | corner.isnan()
            largest = torch.where(larger, corner, largest)
            place.masked_fill_(larger, number)
        ctx.save_for_backward(place)
        ctx.like = x.shape, x.stride()
        return largest

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Return the gradient with respect to x, by selection without a sum."""
        (gradient,), (place,) = gradients, ctx.saved_tensors
        shape, stride = ctx.like
        found = torch.empty_strided(shape, stride, dtype=gradient.dtype, device=gradient.device)
        for number, corner in enumerate(_corners(found)):
            # Adding 0 makes a negative zero positive, as PyTorch's addition to zeros does.
            corner.copy_(torch.where(place == number, gradient + 0, 0))
        return found


class Reflection(Function):
    """Continuation by mirror images; its gradient is the sum of nine blocks."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, margin: int) -> Tensor:
        """Return the continued image."""
        ctx.margin = margin
        for axis in (-1, -2):
            n = x.shape[axis]
            before = x.narrow(axis, 1, margin).flip(axis)
            after = x.narrow(axis, n - 1 - margin, margin).flip(axis)
            x = torch.cat([before, x, after], dim=axis)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the gradient with respect to x, a sum of blocks from top left to bottom right."""
        (gradient,), m = gradients, ctx.margin
        rows, columns = (n - 2 * m for n in gradient.shape[-2:])
        found = torch.zeros_like(gradient[..., :rows, :columns])
        for row, column in itertools.product(_blocks(rows, m), _blocks(columns, m)):
            there, here, turned = zip(row, column, strict=True)
            axes = [axis for axis, turn in zip((-2, -1), turned, strict=True) if turn]
            found[(..., *here)] += gradient[(..., *there)].flip(axes)
        return found, None


def _blocks(n: int, m: int) -> Iterator[tuple[slice, slice, bool]]:
    """Yield, for each block, its place in the continued axis, its origin, and if it is mirrored."""
    yield slice(0, m), slice(1, m + 1), True
    yield slice(m, m + n), slice(0, n), False
    yield slice(m + n, None), slice(n - 1 - m, n - 1), True
