"""Sensitivities of receive loops around a limb, by the law of Biot and Savart."""

import functools
import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Complex

from mrjax.numerics import host
from mrjax.physics.phantoms.shapes import Draws, Points, Triple, Volume

RADIUS = 92.0
"""Distance of the loops from the axis of the limb [mm]."""


def segment_field(points: Points, start: Triple, end: Triple) -> list[Volume]:
    """Magnetic field of a straight piece of wire, but for a constant factor.

    B = (a x b) (|a| + |b|) / (|a| |b| (|a| |b| + a . b)), with vectors a and b from the ends of the
    wire to the point. This form needs no angle.

    Args:
        points: coordinates x, y, z [mm], off the wire.
        start: where the current enters [mm].
        end: where the current leaves [mm].

    Returns:
        The components x, y, z.

    Source: Hanson and Hirshman, Phys Plasmas 9:4410 (2002).
    """
    a = [p - s for p, s in zip(points, start, strict=True)]
    b = [p - e for p, e in zip(points, end, strict=True)]
    length_a, length_b = (np.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]) for v in (a, b))
    lengths = length_a * length_b
    scale = (length_a + length_b) / (
        lengths * (lengths + (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]))
    )
    cross = ((1, 2), (2, 0), (0, 1))
    return [(a[i] * b[j] - a[j] * b[i]) * scale for i, j in cross]


def _corners(cosine: float, sine: float, height: float, half: float) -> list[Triple]:
    """Corners of a square loop that faces the axis of the limb; the first is also the last.

    Args:
        cosine: of the direction of the loop from the axis.
        sine: of that direction.
        height: of the loop's centre along the limb [mm].
        half: half the edge of the loop [mm].
    """
    steps = ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))
    return [
        (RADIUS * cosine - half * s * sine, height + half * t, RADIUS * sine + half * s * cosine)
        for s, t in steps
    ]


def _sensitivity(points: Points, corners: Sequence[Triple]) -> Complex[np.ndarray, "..."]:
    """C = Bx - i Bz, what a loop receives from spins that precess about the axis y of the limb."""
    pieces = [segment_field(points, start, end) for start, end in itertools.pairwise(corners)]
    x, _, z = (functools.reduce(np.add, parts) for parts in zip(*pieces, strict=True))
    return host.assemble(x, 0.0 - z)


def sensitivities(draws: Draws, points: Points, coils: int) -> Complex[np.ndarray, "coil ..."]:
    """Maps of loops on a cylinder around the limb, normalised so that the coils' |C_c|^2 sum to 1.

    Args:
        draws: source of random numbers; the turn of the cylinder, heights and sizes are drawn.
        points: coordinates x, y, z [mm]; the limb runs along y.
        coils: number of loops.

    Returns:
        complex128 maps.
    """
    cosines, turn = host.cosines(4 * coils), draws.between(-0.3, 0.3)
    scale = 1.0 / (1.0 + turn * turn)
    c, s = (1.0 - turn * turn) * scale, 2.0 * turn * scale
    maps = []
    for i in range(coils):
        cosine, sine = float(cosines[4 * i]), float(cosines[(4 * i - coils) % (4 * coils)])
        height = (35.0 if i % 2 else -35.0) + draws.between(-8.0, 8.0)
        half = draws.between(42.0, 50.0)
        corners = _corners(cosine * c - sine * s, sine * c + cosine * s, height, half)
        maps.append(_sensitivity(points, corners))
    squares = [m.real * m.real + m.imag * m.imag for m in maps]
    scale = 1.0 / np.sqrt(functools.reduce(np.add, squares))
    return np.stack([host.assemble(m.real * scale, m.imag * scale) for m in maps])
