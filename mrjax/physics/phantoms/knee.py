"""Synthetic multi-coil knee slices, with the same bytes on every machine."""

import jax
import numpy as np
from jaxtyping import Complex

from mrjax import keys
from mrjax.arrays import SenseSlice
from mrjax.numerics import host
from mrjax.numerics.spectral import centred_dft
from mrjax.physics import coils as receive
from mrjax.physics.phantoms import joint, loops, shapes
from mrjax.physics.phantoms.shapes import Draws, Points

FIELD_OF_VIEW = 144.0
"""Extent along the columns [mm]: a knee fills it, so that aliases overlap with the knee."""
NOISE = 0.015
"""Standard deviation of real and imaginary noise in each coil; fat has intensity 1.

At 4-fold regular undersampling with 20 ACS lines (96 x 96 pixels, 6 coils), the NRMSE of zero
filling is about 0.21 and that of the best CG-SENSE 0.13, half of it aliasing and half amplified
noise.
"""


def _points(draws: Draws, shape: tuple[int, int], pixel: float) -> Points:
    """Coordinates x, y, z [mm] of the pixels in a joint that is turned, scaled and bent."""
    rows, columns = shape
    scale = draws.between(0.95, 1.08)
    turn = draws.between(-0.08, 0.08)
    x = (np.arange(columns) - columns // 2)[None, :] * (pixel * scale) + draws.between(-3.0, 3.0)
    y = (rows // 2 - np.arange(rows))[:, None] * (pixel * scale) + draws.between(-6.0, 6.0)
    edges = (pixel, pixel)
    bent = [
        2.5 * shapes.smooth_plane(draws, shape, edges, 40.0)
        + 0.8 * shapes.smooth_plane(draws, shape, edges, 16.0)
        for _ in range(2)
    ]
    return [x + turn * y + bent[0], y - turn * x + bent[1], np.zeros(())]


def _phase(draws: Draws, shape: tuple[int, int], pixel: float) -> Complex[np.ndarray, "row column"]:
    """Smooth unit phasors (1 + it)^2 / (1 + t^2), of phase 2 arctan t."""
    t = 0.35 * shapes.smooth_plane(draws, shape, (pixel, pixel), 55.0)
    scale = 1.0 / (1.0 + t * t)
    return host.assemble((1.0 - t * t) * scale, 2.0 * t * scale)


def draw(
    key: jax.Array, shape: tuple[int, int] = (96, 96), coils: int = 6
) -> tuple[Complex[np.ndarray, "row column"], Complex[np.ndarray, "coil row column"]]:
    """Draw a random knee slice and the coils around it, without noise.

    Args:
        key: typed key, from which everything follows.
        shape: rows (head to foot, readout) and columns (front to back, phase encoding).
        coils: number of receive loops.

    Returns:
        Image, of magnitude 1 in subcutaneous fat, and sensitivity maps; both complex128.
    """
    draws, pixel = Draws(key), FIELD_OF_VIEW / shape[1]
    points = _points(draws, shape, pixel)
    image = joint.paint(joint.Canvas(draws, shape, pixel), points)
    phase = _phase(draws, shape, pixel)
    rows, columns = ((np.arange(n) - n // 2) * pixel for n in shape)
    offset = draws.between(-25.0, 25.0)  # Distance of the slice from the axis of the leg [mm].
    place = [columns[None, :], 0.0 - rows[:, None], np.full((1, 1), offset)]
    maps = loops.sensitivities(draws, place, coils)
    return host.assemble(image * np.real(phase), image * np.imag(phase)), maps


def knee(
    seed_data: int,
    seed_noise: int,
    index: int,
    shape: tuple[int, int] = (96, 96),
    coils: int = 6,
) -> SenseSlice:
    """Make a synthetic slice: a random anatomy seen by coils, fully sampled, with noise.

    Args:
        seed_data: seed of the anatomy and the coils.
        seed_noise: seed of the noise.
        index: number of the slice; slices of different numbers are independent.
        shape: rows (readout) and columns (phase encoding).
        coils: number of receive loops.

    Returns:
        Slice without a mask; its reference is the combination of the noisy coil images.
    """
    image, maps = draw(keys.stream(seed_data, "data", index), shape, coils)
    noise = host.gaussian(keys.stream(seed_noise, "noise", index), (2, coils, *shape))
    kspace = centred_dft(host.product(maps, image[None]), (-2, -1))
    kspace = kspace + NOISE * host.assemble(noise[0], noise[1])
    kspace, maps = kspace.astype(np.complex64), maps.astype(np.complex64)
    return SenseSlice(
        name=f"knee{index:04d}",
        kspace=kspace,
        maps=maps,
        reference=receive.combine(maps, receive.images(kspace)).astype(np.complex64),
    )
