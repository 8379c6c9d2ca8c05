"""Noise prewhitening: receive coils whose noise is uncorrelated and of one size afterwards.

Sums here have a fixed order, so the bits do not depend on the machine, as those of LAPACK do.
"""

import functools
import math

import numpy as np
from jaxtyping import Complex

from mrjax.errors import UserError
from mrjax.numerics import host

BANDWIDTH_RATIO = 0.793
"""Noise bandwidth of a receiver as a share of the sampling bandwidth, where nothing says it."""
_DEPENDENT = 1e-6
"""Share of a coil's noise power below which the other coils explain all of it."""

Lower = Complex[np.ndarray, "coil coil"]


def noise_factor(noise: Complex[np.ndarray, "coil sample"]) -> Lower:
    """Factor the covariance of the coils' noise: Psi = n n^H / (samples - 1) = L L^H.

    Args:
        noise: samples without signal.

    Returns:
        L, complex128 and lower triangular with a positive diagonal.

    Raises:
        UserError: not more samples than coils, a value that is not finite, or a coil without
            noise of its own.

    Source: Kellman and McVeigh, Magn Reson Med 54:1439 (2005); the factor by Cholesky's algorithm.
    """
    count, samples = noise.shape
    if samples <= count or not np.isfinite(noise).all():
        raise UserError(
            f"{samples} noise samples of {count} coils, finite or not; expected finite samples, "
            "more of them than coils; measure the noise again, or remove its readouts"
        )
    # Powers of two bring all coils to about one size, exactly: the product below rounds to a grid.
    largest = np.maximum(np.abs(np.real(noise)), np.abs(np.imag(noise))).max(axis=1)
    size = np.ldexp(1.0, np.frexp(largest)[1])[:, None]
    parts = np.concatenate([np.real(noise) / size, np.imag(noise) / size])
    gram = host.exact_matmul(parts, parts.T) / (samples - 1)
    real = gram[:count, :count] + gram[count:, count:]
    imag = gram[count:, :count] - gram[:count, count:]
    lower = _cholesky(host.assemble(real, imag))
    return host.assemble(np.real(lower) * size, np.imag(lower) * size)


def _cholesky(matrix: Lower) -> Lower:
    """Lower triangular L with matrix = L L^H, column by column."""
    lower = np.zeros_like(matrix)
    for j in range(len(matrix)):
        known = (host.product(lower[j:, k], np.conj(lower[j, k])) for k in range(j))
        column = functools.reduce(np.subtract, known, matrix[j:, j])
        if not column[0].real > _DEPENDENT * matrix[j, j].real:
            raise UserError(
                f"the noise of coil {j} is zero or that of the coils before it; expected noise of "
                "its own in each; remove the noise measurement or that coil"
            )
        pivot = math.sqrt(column[0].real)
        lower[j:, j] = _divided(column, pivot)
        lower[j, j] = pivot
    return lower


def prewhitened(
    kspace: Complex[np.ndarray, "coil ..."], factor: Lower, scale: float
) -> Complex[np.ndarray, "coil ..."]:
    """Combine coils to such as have uncorrelated noise: sqrt(2 s) L^-1 k.

    With s as below, real and imaginary part of the noise have variance 1 each.

    Args:
        kspace: as measured, complex.
        factor: L of :func:`noise_factor`.
        scale: s, the noise bandwidth of the noise measurement as a share of that of the k-space.

    Returns:
        complex128 of the same shape; zeros stay zero.

    Raises:
        ValueError: other numbers of coils.

    Source: Kellman and McVeigh, Magn Reson Med 54:1439 (2005); Hansen and Kellman, J Magn Reson
    Imaging 41:573 (2015).
    """
    if len(kspace) != len(factor):
        raise ValueError(f"k-space of {len(kspace)} coils, noise of {len(factor)}")
    rows: list[np.ndarray] = []
    for i, own in enumerate(kspace):
        known = (host.product(factor[i, j], row) for j, row in enumerate(rows))
        rest = functools.reduce(np.subtract, known, own.astype(np.complex128))
        pivot = factor[i, i].real
        rows.append(_divided(rest, pivot))
    return _divided(np.stack(rows), 1.0 / math.sqrt(2.0 * scale))


def _divided(x: np.ndarray, by: float) -> np.ndarray:
    """Divide complex numbers by a real one, part by part."""
    return host.assemble(np.real(x) / by, np.imag(x) / by)
