"""Coil sensitivity maps from autocalibration lines, and the combination of coil images."""

import functools
import math

import numpy as np
from jaxtyping import Complex, Float

from mrjax.errors import UserError
from mrjax.numerics import host
from mrjax.numerics.spectral import centred_dft

Coils = Complex[np.ndarray, "coil row column"]
Image = Complex[np.ndarray, "row column"]

THRESHOLD = 0.05
"""Maps are zero where the low-resolution image is below this share of its maximum."""
_SQUARINGS = 12
"""How often the coils' covariance is squared: every column of its 4096th power is, but for a
factor, its first eigenvector."""
_KERNEL = 6
"""Width of sigpy's calibration kernel."""


def combine(maps: Coils, coil_images: Coils) -> Image:
    """Combine coil images into one image, with a sum in a fixed order.

    m(r) = sum over coils c of conj(C_c(r)) I_c(r), with coil images I_c and maps C_c
    of which the sum over c of |C_c|^2 is 1.

    Args:
        maps: [coil row column] complex sensitivities.
        coil_images: [coil row column] complex.

    Returns:
        [row column] complex128.

    Raises:
        ValueError: shapes differ.

    Source: Roemer et al., Magn Reson Med 16:192 (1990), for coils of equal noise.
    """
    if maps.shape != coil_images.shape:
        raise ValueError(f"maps {maps.shape} and coil images {coil_images.shape} differ in shape")
    terms = map(host.product, maps.conj(), coil_images)
    return functools.reduce(np.add, terms)


def images(kspace: Complex[np.ndarray, "... row column"]) -> Complex[np.ndarray, "... row column"]:
    """Coil images of a k-space: centred orthonormal inverse DFT of the last two axes.

    I_c = F^-1 S_c, with F as in :func:`mrjax.physics.fourier.centred_fft`. The sums do not depend
    on their order, so references and maps of measured data have the same bits on every machine.

    Args:
        kspace: zero frequency at n // 2.

    Returns:
        complex128 images.
    """
    return centred_dft(kspace, (-2, -1), inverse=True)


def root_sum_of_squares(coil_images: Coils) -> Float[np.ndarray, "row column"]:
    """Root sum of squares sqrt(sum over coils c of |I_c|^2), with a sum in a fixed order.

    Args:
        coil_images: [coil row column] complex.

    Returns:
        [row column], in the type of the real parts and the unit of the images.

    Source: Roemer et al., Magn Reson Med 16:192 (1990).
    """
    return np.sqrt(functools.reduce(np.add, _squares(coil_images)))


def _check(kspace: Coils, acs_lines: int) -> None:
    columns = kspace.shape[-1]
    if not 2 <= acs_lines <= columns:
        raise UserError(
            f"{acs_lines} ACS lines cannot give coil maps of {columns} columns; "
            f"expected 2 to {columns}; see --acs_lines"
        )


def _squares(x: np.ndarray) -> np.ndarray:
    """Squared magnitude, from its parts: the bits of numpy's complex abs depend on the CPU."""
    real, imag = np.real(x), np.imag(x)
    return real * real + imag * imag


def _scaled(x: np.ndarray, factor: np.ndarray | float) -> np.ndarray:
    """Multiply a complex array by real numbers, part by part."""
    return host.assemble(np.real(x) * factor, np.imag(x) * factor)


def _window(n: int, width: int) -> np.ndarray:
    """Raised cosine of ``width`` samples about n // 2, zero outside."""
    window = np.zeros(n)
    start = n // 2 - width // 2
    window[start : start + width] = 0.5 - 0.5 * host.cosines(width)
    return window


def _low_pass(kspace: Coils, acs_lines: int) -> Coils:
    """Coil images of the ACS region, which a raised cosine cuts out."""
    rows, columns = kspace.shape[1:]
    window = _window(rows, min(acs_lines, rows))[:, None] * _window(columns, acs_lines)
    return images(_scaled(kspace, window))


def _virtual_weights(images: Coils) -> Complex[np.ndarray, " coil"]:
    """Weights of the coils whose combination has the most signal.

    They are the first principal component of the coils, found by squaring their covariance.
    """
    flat = images.reshape(len(images), -1)
    parts = np.concatenate([np.real(flat), np.imag(flat)])
    n, gram = len(images), host.exact_matmul(parts, parts.T)
    covariance = host.assemble(gram[:n, :n] + gram[n:, n:], gram[n:, :n] - gram[:n, n:])
    for _ in range(_SQUARINGS):
        largest = math.sqrt(float(np.max(_squares(covariance))) or 1.0)
        covariance = _scaled(covariance, 1.0 / largest)
        covariance = _matmul(covariance, covariance)
    column = covariance[:, int(np.argmax(np.real(covariance.diagonal())))]
    return _scaled(column, 1.0 / math.sqrt(math.fsum(_squares(column)) or 1.0))


def _virtual_coil(images: Coils, of: Coils | None = None) -> Image:
    """Combine coils, or others in their place, with the weights that give the coils most signal."""
    of = images if of is None else of
    weights = _virtual_weights(images)
    return combine(np.broadcast_to(weights[:, None, None], of.shape), of)


def _matmul(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Product of complex matrices, one outer product after the other."""
    terms = (host.product(x[:, i, None], y[None, i, :]) for i in range(x.shape[1]))
    return functools.reduce(np.add, terms)


def from_acs(kspace: Coils, acs_lines: int) -> Coils:
    """Estimate maps by dividing low-resolution coil images by their root sum of squares.

    C_c = (I_c / S) (conj(V) / |V|) with S = sqrt(sum over c of |I_c|^2): I_c are images of the ACS
    region, which is cut out with a raised cosine against ringing. V is a virtual coil, the
    combination with the most signal over the image. Phases are relative to V because a single coil
    is dark somewhere, and its phase there is noise.

    Args:
        kspace: [coil row column], zero frequency at n // 2, the ACS lines acquired.
        acs_lines: fully sampled columns in the centre.

    Returns:
        complex64 maps with sum |c|^2 = 1, zero where there is no signal.

    Raises:
        UserError: fewer than two ACS lines, or more ACS lines than columns.

    Source: McKenzie et al., Magn Reson Med 47:529 (2002); virtual coil: Buehrer et al., Magn
    Reson Med 57:1131 (2007), the first principal component.
    """
    _check(kspace, acs_lines)
    low = _low_pass(kspace, acs_lines)
    reference = _virtual_coil(low)
    total = np.sqrt(functools.reduce(np.add, _squares(low)))
    inside = total > THRESHOLD * np.max(total)
    length = total * np.sqrt(_squares(reference))
    scaled = host.product(low, reference.conj()[None])
    scale = np.where(inside & (length > 0.0), 1.0 / np.where(length > 0.0, length, 1.0), 0.0)
    return _scaled(scaled, scale).astype(np.complex64)


def espirit(kspace: Coils, acs_lines: int) -> Coils:
    """Estimate maps by ESPIRiT, as sigpy does with its default settings (one set of maps).

    At each pixel the map is the eigenvector, of eigenvalue near 1, of the projection onto the
    signals that local k-space kernels allow. These maps are sharper at the edges of the object than
    those of :func:`from_acs`, but their last bits depend on the machine: sigpy takes singular
    values from LAPACK. Sigpy's phases are relative to the first coil, which is dark somewhere;
    they are made relative to the virtual coil of :func:`from_acs`. A coil without signal has a map
    of zeros, and none of the other coils' maps depends on it.

    Args:
        kspace: [coil row column], zero frequency at n // 2, the ACS lines acquired.
        acs_lines: width of the calibration region along rows and columns.

    Returns:
        complex64 maps, zero where the eigenvalue is below sigpy's threshold.

    Raises:
        UserError: sigpy is missing, or the ACS region is smaller than sigpy's kernel or larger than
            k-space.

    Source: Uecker et al., Magn Reson Med 71:990 (2014); sigpy.mri.app.EspiritCalib.
    """
    _check(kspace, acs_lines)
    if acs_lines < _KERNEL or acs_lines > kspace.shape[-2]:
        raise UserError(
            f"{acs_lines} ACS lines are too few or too many for ESPIRiT; expected {_KERNEL} to "
            f"{min(kspace.shape[-2:])}; see --acs_lines, or take --maps=acs"
        )
    try:
        from sigpy.mri.app import EspiritCalib
    except ImportError:
        raise UserError(
            "ESPIRiT maps need sigpy, which is not installed; "
            'pip install "mrjax[espirit]", or take --maps=acs'
        ) from None
    maps = np.zeros(kspace.shape, np.complex64)
    heard = np.any(kspace != 0, axis=(1, 2))
    if not heard.any():
        return maps
    signal = kspace[heard].astype(np.complex64)
    calibration = EspiritCalib(signal, calib_width=acs_lines, show_pbar=False)
    maps[heard] = _with_virtual_phase(np.asarray(calibration.run()), _low_pass(signal, acs_lines))
    return maps


def _with_virtual_phase(maps: Coils, low: Coils) -> Coils:
    """Turn maps until the virtual coil, whose weights low-pass coil images give, is positive."""
    virtual = _virtual_coil(low, maps)
    length = np.sqrt(_squares(virtual))
    phase = np.where(length > 0.0, virtual / np.where(length > 0.0, length, 1.0), 1.0)
    return host.product(maps, phase.conj()[None])
