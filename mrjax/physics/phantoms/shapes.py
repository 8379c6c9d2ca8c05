"""Building blocks of phantoms: random draws, smooth random fields, distances, soft membership.

They use only ``+ - * /``, square roots, comparisons and exact products, so the bytes of a phantom
do not depend on the machine.
"""

import functools
import itertools
import math
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Float

from mrjax.numerics import host
from mrjax.physics.grid import along

Volume = Float[np.ndarray, "x y z"]
Points = Sequence[Volume]
Triple = Sequence[float]


class Draws:
    """Random numbers of one subject, taken in a fixed order from blocks of one size.

    All blocks have one size because every new array shape costs a compilation.
    """

    BLOCK = 1 << 14

    def __init__(self, key: jax.Array):
        """Start at the first word.

        Args:
            key: typed key of the subject.
        """
        self._key, self._blocks, self._pool = key, 0, np.zeros(0)

    def words(self, count: int) -> Float[np.ndarray, " count"]:
        """The next ``count`` uniforms on (0, 1)."""
        while self._pool.size < count:
            block = host.uniform(jax.random.fold_in(self._key, self._blocks), (self.BLOCK,))
            self._pool = np.concatenate([self._pool, block])
            self._blocks += 1
        taken, self._pool = self._pool[:count], self._pool[count:]
        return taken

    def between(self, low: float, high: float) -> float:
        """One number, uniform on (low, high)."""
        return low + (high - low) * float(self.words(1)[0])

    def normal(self, mean: float, deviation: float) -> float:
        """One nearly normal number, a sum of six uniforms: at most 4.2 deviations off the mean."""
        total = sum(self.between(-0.5, 0.5) for _ in range(6))
        return mean + deviation * total * math.sqrt(2.0)

    def direction(self) -> tuple[float, float, float]:
        """A unit vector, drawn by rejection from a cube."""
        while True:
            x, y, z = (self.between(-1.0, 1.0) for _ in range(3))
            square = x * x + y * y + z * z
            if 0.01 < square < 1.0:
                length = math.sqrt(square)
                return x / length, y / length, z / length


def _spline_weights(positions: np.ndarray, controls: int) -> np.ndarray:
    """Cubic B-spline weights [points controls] at positions in units of the control spacing."""
    cell = np.floor(positions)
    t = positions - cell
    u = 1.0 - t
    pieces = (
        u * u * u,
        4.0 - 3.0 * t * t * (2.0 - t),
        4.0 - 3.0 * u * u * (2.0 - u),
        t * t * t,
    )
    weights = np.zeros((len(positions), controls))
    rows, first = np.arange(len(positions)), cell.astype(np.int64)
    for offset, piece in enumerate(pieces):
        weights[rows, first + offset] = piece / 6.0
    return weights


def smooth_field(
    draws: Draws, shape: tuple[int, int, int], edges: Triple, spacing: float
) -> Volume:
    """Smooth random field of mean 0 and variance near 1: a cubic B-spline of random controls.

    Args:
        draws: source of random numbers.
        shape: voxels along each axis.
        edges: edge lengths of a voxel, in the unit of ``spacing``.
        spacing: distance of the control points, about half the size of a blob.

    Returns:
        float64 field.
    """
    axes = [np.arange(n) * (h / spacing) for n, h in zip(shape, edges, strict=True)]
    weights = [_spline_weights(axis, int(axis[-1]) + 4) for axis in axes]
    # 5.22 = sqrt(3), for uniform controls, times (315 / 151)^(3/2), for the spline's smoothing.
    controls = [w.shape[1] for w in weights]
    field = (draws.words(math.prod(controls)) - 0.5).reshape(controls) * (2.0 * 5.22)
    for weight in weights:
        flat = field.reshape(field.shape[0], -1).T
        field = host.exact_matmul(flat, weight.T).reshape(*field.shape[1:], -1)
    return field


def smooth_plane(
    draws: Draws, shape: tuple[int, int], edges: Sequence[float], spacing: float
) -> Float[np.ndarray, "row column"]:
    """The field of :func:`smooth_field` in two dimensions."""
    return smooth_field(draws, (*shape, 1), (*edges, 1.0), spacing)[:, :, 0]


def radius(points: Points, centre: Triple, half_axes: Triple) -> Volume:
    """Ellipsoidal radius: 0 at the centre, 1 on the surface."""
    total = np.zeros(())
    for p, c, a in zip(points, centre, half_axes, strict=True):
        scaled = (p - c) * (1.0 / a)
        total = total + scaled * scaled
    return np.sqrt(total)


def ellipsoid(points: Points, centre: Triple, half_axes: Triple) -> Volume:
    """Estimate, to first order, the distance [mm] to an ellipsoid's surface; negative inside."""
    smallest = min(half_axes)
    return (radius(points, centre, half_axes) - 1.0) * smallest


def segment(points: Points, start: Triple, end: Triple) -> Volume:
    """Distance [mm] to a line segment."""
    step = [e - s for s, e in zip(start, end, strict=True)]
    offsets = [p - s for p, s in zip(points, start, strict=True)]
    square = step[0] * step[0] + step[1] * step[1] + step[2] * step[2] + 1e-9
    along = offsets[0] * step[0] + offsets[1] * step[1] + offsets[2] * step[2]
    along = np.clip(along / square, 0.0, 1.0)
    total = np.zeros(())
    for offset, d in zip(offsets, step, strict=True):
        gap = offset - along * d
        total = total + gap * gap
    return np.sqrt(total)


def path(points: Points, knots: Sequence[Triple]) -> Volume:
    """Distance [mm] to a polyline."""
    pieces = (segment(points, start, end) for start, end in itertools.pairwise(knots))
    return functools.reduce(np.minimum, pieces)


def inside(distance: Volume, width: float) -> Volume:
    """Share of a voxel that is inside a surface: a ramp of the signed distance, one voxel wide."""
    return np.clip(0.5 - distance * (1.0 / width), 0.0, 1.0)


def turned(draws: Draws, spread: float, axes: Sequence[np.ndarray]) -> list[Volume]:
    """Coordinates of a grid after a small random rotation.

    The rotation comes from a quaternion (1, a, b, c), which needs no sine or cosine.

    Args:
        draws: source of random numbers.
        spread: half range of a, b, c, which are about half the angles [rad].
        axes: coordinates along x, y and z, from the point about which the grid is turned.

    Returns:
        Coordinates x, y, z of every point of the grid.
    """
    x, y, z = (along(values, axis) for axis, values in enumerate(axes))
    return [x * row[0] + y * row[1] + z * row[2] for row in _rotation(draws, spread)]


def _rotation(draws: Draws, spread: float) -> tuple[Triple, Triple, Triple]:
    """Rotation matrix of a random quaternion, row by row."""
    a, b, c = (draws.between(-spread, spread) for _ in range(3))
    n = 1.0 + a * a + b * b + c * c
    return (
        ((1 + a * a - b * b - c * c) / n, 2 * (a * b - c) / n, 2 * (a * c + b) / n),
        (2 * (a * b + c) / n, (1 - a * a + b * b - c * c) / n, 2 * (b * c - a) / n),
        (2 * (a * c - b) / n, 2 * (b * c + a) / n, (1 - a * a - b * b + c * c) / n),
    )
