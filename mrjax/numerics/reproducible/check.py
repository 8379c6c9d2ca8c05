"""Test whether this device's float64 products are exact on integers, which the arithmetic needs.

A library may replace float64 products by a Fourier transform, by Winograd's algorithm or by an
emulation in fewer bits, which is fast and inexact. Integers whose sums fill the 53 bits of a
significand reveal such a device.
"""

import functools
from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from mrjax.errors import UserError
from mrjax.numerics.reproducible import conv, correlate
from mrjax.numerics.reproducible.sums import BLOCK, product_bits

IMAGE = (1, 8, 8, 128)
"""Shape of an image of `BLOCK` voxels, the most terms of a kernel gradient that one sum adds."""

CHANNELS = 303
"""Channels of 27 products each, which together are about `BLOCK` terms of a response."""


def check(form: str) -> None:
    """Compare this device's sums of products of integers with those of integer arithmetic.

    Args:
        form: form of the convolutions, ``lax`` or ``products``.

    Raises:
        UserError: a result of this device is not the integer that it should be.
    """
    for name, function, arrays, expected in _trials(form):
        found = np.asarray(jax.jit(function)(*arrays))
        wrong = int(np.sum(found != expected))
        if wrong:
            raise UserError(
                f"{jax.devices()[0].device_kind}: {name} of integers in float64 is wrong in "
                f"{wrong} of {found.size} numbers; expected exact sums; use another device or "
                "driver, or --numerics=native"
            )


def _trials(form: str) -> Iterator[tuple[str, Callable, tuple[np.ndarray, ...], np.ndarray]]:
    """Yield name, function, operands (integers as float64), and the result of numpy's int64."""
    rng = np.random.default_rng(0)

    def draw(bits: int, *shape: int) -> np.ndarray:
        """Draw integers that mostly have one sign, so that their sums are large."""
        return rng.integers(-(2**bits) // 8, 2**bits, shape, endpoint=True)

    left, right = product_bits(BLOCK)
    a, b = draw(left, 64, BLOCK), draw(right, BLOCK, 64)
    yield "a matrix product", jnp.matmul, _floats(a, b), a @ b
    x, k = draw(left, 1, 4, 4, 4, CHANNELS), draw(right, 3, 3, 3, CHANNELS, 2)
    yield "a convolution", functools.partial(conv.sums, form=form), _floats(x, k), _convolved(x, k)
    x, g = draw(left, *IMAGE, 1), draw(right, *IMAGE, 1)
    shifted = _shifts(x, (3, 3, 3))
    gradient = np.stack([np.sum(part * g) for part in shifted]).reshape(3, 3, 3, 1, 1)
    plan = correlate.slabs(IMAGE, 9)
    by_kernel = functools.partial(correlate.sums, window=(3, 3, 3), plan=plan, form=form)
    yield "a kernel's gradient", by_kernel, _floats(x, g), gradient


def _shifts(x: np.ndarray, window: tuple[int, ...]) -> list[np.ndarray]:
    """Return the image shifted to each place of the window, with zeros outside."""
    padded = np.pad(x, ((0, 0), *((w // 2, w // 2) for w in window), (0, 0)))
    places = [
        tuple(slice(a, a + n) for a, n in zip(start, x.shape[1:-1], strict=True))
        for start in np.ndindex(*window)
    ]
    return [padded[:, *place] for place in places]


def _convolved(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    window = kernel.shape[:-2]
    taps = kernel.reshape(-1, *kernel.shape[-2:])
    return np.sum([part @ tap for part, tap in zip(_shifts(x, window), taps, strict=True)], axis=0)


def _floats(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(a.astype(np.float64) for a in arrays)
