"""A volume through a network a few planes at a time: little memory, and the values of the whole.

Tiles that overlap by the receptive field would be as large as the head: that of a U-Net with three
poolings and windows of five reaches 95 voxels to one side, with four poolings 199
(tests/train/test_slabs.py). So each operation is computed for all planes before the next one
begins, and a slab of planes needs only the neighbours within one window. Values between operations
are held on the host, so that a device holds one slab.

In order-free arithmetic the bits are those of the whole. In native arithmetic the form of a
convolution depends on its shape, so they differ as between machines.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from mrjax.errors import UserError
from mrjax.numerics.arithmetic import Arithmetic
from mrjax.numerics.reproducible import Reproducible

PLANES = 16
"""Planes that are computed at a time unless the user says otherwise."""
_MOST_WHOLE = 2**32
"""Memory up to which a volume is computed as a whole [bytes].

It is a constant: if it depended on the memory that is free, so would the bits of native runs.
"""
_BYTES = 170
"""Memory of a whole volume for each voxel and each feature of the first level: an estimate."""


def planes_for(shape: Sequence[int], width: int, asked: int | None = None) -> int:
    """How many planes of a volume are computed at a time.

    Args:
        shape: lengths of its spatial axes.
        width: features of the network's first level.
        asked: what the user asks for; None: what the size of the volume suggests.

    Returns:
        An even number; 0 for the whole volume at once.

    Raises:
        UserError: an odd number is asked for.
    """
    if asked is not None and asked % 2:
        raise UserError(
            f"--tile={asked} is odd; expected an even number of planes, since pooling joins two; "
            f"try {asked + 1}"
        )
    chosen = PLANES if asked is None else asked
    large = int(np.prod(shape, dtype=np.int64)) * width * _BYTES > _MOST_WHOLE
    return chosen if chosen < shape[0] and (large or asked is not None) else 0


@dataclasses.dataclass(frozen=True)
class Slabs:
    """The operations of a U-Net in inference, on numpy arrays (b, x, y, z, c) in slabs along x.

    Attributes:
        inner: computes each slab.
        planes: planes of a slab, even.
        device: where slabs are computed.
        told: called with the number of products of each convolution of a slab.
    """

    inner: Arithmetic
    planes: int
    device: Any
    told: Callable[[int], None]

    def conv(self, x: Any, kernel: Any) -> np.ndarray:
        """Cross-correlate with stride 1 and zero padding to the same size."""
        x, half = np.asarray(x), kernel.shape[0] // 2
        # Order-free arithmetic rounds to a grid that follows from the largest magnitude of all
        # planes. One more plane, too far off to reach those that are kept, shows it to each slab.
        sees_all = isinstance(self.inner, Reproducible) and max(kernel.shape[:-2]) > 1
        beyond = np.zeros((x.shape[0], int(sees_all), *x.shape[2:]), x.dtype)
        if sees_all:
            beyond[:, :, :1, :1, :1] = np.maximum(x.max(), -x.min())

        def convolved(start: int, stop: int) -> np.ndarray:
            slab = np.concatenate([_planes(x, start - half, stop + half), beyond], axis=1)
            found = self._computed("conv", slab, kernel)[:, half : half + stop - start]
            self.told(found[..., 0].size * kernel.size)
            return found

        return self._gathered(x, convolved)

    def conv_transpose(self, x: Any, kernel: Any) -> np.ndarray:
        """Transposed convolution whose stride is its window."""
        return self._each("conv_transpose", x, kernel)

    def max_pool(self, x: Any) -> np.ndarray:
        """Maximum over windows of 2."""
        return self._each("max_pool", x)

    def leaky_relu(self, x: Any, slope: float) -> np.ndarray:
        """Return x where x > 0 and slope * x elsewhere."""
        return self._each("leaky_relu", x, constants=(slope,))

    def normalise(
        self, x: Any, mean: Any, var: Any, scale: Any, bias: Any, eps: float
    ) -> np.ndarray:
        """Return scale * (x - mean) / sqrt(var + eps) + bias with the given mean and variance."""
        return self._each("normalise", x, mean, var, scale, bias, constants=(eps,))

    def add(self, x: Any, y: Any) -> np.ndarray:
        """Return x + y, for numbers y of all voxels or channels."""
        return self._each("add", x, y)

    def sub(self, x: Any, y: Any) -> np.ndarray:
        """Return x - y, likewise."""
        return self._each("sub", x, y)

    def mul(self, x: Any, y: Any) -> np.ndarray:
        """Return x * y, likewise."""
        return self._each("mul", x, y)

    def div(self, x: Any, y: Any) -> np.ndarray:
        """Return x / y, likewise, or the quotient of two numbers of each channel."""
        if x.ndim < 3:
            return self._computed("div", x, y)
        return self._each("div", x, y)

    def _each(self, name: str, x: Any, *others: Any, constants: tuple[float, ...] = ()) -> Any:
        """Apply an operation that takes planes, or pairs of them, one by one."""
        x = np.asarray(x)
        return self._gathered(
            x, lambda a, b: self._computed(name, x[:, a:b], *others, constants=constants)
        )

    def _gathered(self, x: np.ndarray, part: Callable[[int, int], np.ndarray]) -> np.ndarray:
        """Lay the results of all slabs side by side; the last slab overlaps, to have their size."""
        length = x.shape[1]
        size = min(self.planes, length)
        whole = np.zeros(0)
        for start in sorted({min(s, length - size) for s in range(0, length, size)}):
            found = part(start, start + size)
            if not whole.size:
                shape = (found.shape[0], length * found.shape[1] // size, *found.shape[2:])
                whole = np.empty(shape, found.dtype)
            first = start * found.shape[1] // size
            whole[:, first : first + found.shape[1]] = found
        return whole

    def _computed(
        self, name: str, x: Any, *others: Any, constants: tuple[float, ...] = ()
    ) -> np.ndarray:
        slab = jax.device_put(x, self.device)
        return np.asarray(_computed(self.inner, name, constants, slab, *others))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _computed(inner: Arithmetic, name: str, constants: tuple[float, ...], *arrays: Any) -> Any:
    return getattr(inner, name)(*arrays, *constants)


def _planes(x: np.ndarray, start: int, stop: int) -> np.ndarray:
    """The planes from start to stop, zeros where there are none."""
    first, last = max(start, 0), min(stop, x.shape[1])
    ends = ((0, 0), (first - start, stop - last), *((0, 0),) * (x.ndim - 2))
    return np.pad(x[:, first:last], ends)


def products(net: nn.Module, variables: Any, shape: tuple[int, ...]) -> int:
    """How many products the convolutions of a network take on a volume, for its progress.

    Args:
        net: with a field `arithmetic`; called with an image and False.
        variables: of the network.
        shape: of its input.
    """
    seen: list[int] = []
    counting = net.clone(arithmetic=_Counting(net.arithmetic, seen))  # type: ignore[attr-defined]
    image = jax.ShapeDtypeStruct(shape, "float32")
    jax.eval_shape(lambda x: counting.apply(variables, x, False), image)
    return sum(seen)


class _Counting:
    """An arithmetic that counts the products of convolutions."""

    def __init__(self, inner: Any, seen: list[int]) -> None:
        self._inner, self._seen = inner, seen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def conv(self, x: Any, kernel: Any) -> Any:
        self._seen.append(x[..., 0].size * kernel.size)
        return self._inner.conv(x, kernel)
