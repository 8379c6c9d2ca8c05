"""Order-free discrete Fourier transforms, as exact matrix products."""

import functools
import math

import numpy as np
from jaxtyping import Complex, Float

from mrjax.numerics.host import assemble, dft_matrices, exact_matmul


@functools.lru_cache(maxsize=32)
def _forward(points: int, length: int, kept: int, real: bool) -> np.ndarray:
    """Matrix that takes [re | im] of ``points`` samples to [re | im] of ``kept`` frequencies.

    It has rows for the given samples only, so zero padding to ``length`` costs nothing.
    """
    cosine, sine = (table[:points, :kept] for table in dft_matrices(length))
    rows = [np.hstack([cosine, -sine])]
    if not real:
        rows.append(np.hstack([sine, cosine]))
    return np.vstack(rows)


@functools.lru_cache(maxsize=32)
def _inverse(points: int, length: int) -> np.ndarray:
    """The inverse of a complex transform (without 1/length), cropped to ``points`` samples."""
    cosine, sine = (table[:, :points] for table in dft_matrices(length))
    return np.vstack([np.hstack([cosine, sine]), np.hstack([-sine, cosine])])


@functools.lru_cache(maxsize=16)
def _centred(n: int, inverse: bool) -> np.ndarray:
    """Matrix of the complex transform of [re | im], both centres at n // 2, without 1 / sqrt(n)."""
    order = (np.arange(n) - n // 2) % n
    cosine, sine = (table[np.ix_(order, order)] for table in dft_matrices(n))
    sine = -sine if inverse else sine
    return np.vstack([np.hstack([cosine, -sine]), np.hstack([sine, cosine])])


def centred_dft(
    x: Complex[np.ndarray, "..."], axes: tuple[int, ...], inverse: bool = False
) -> Complex[np.ndarray, "..."]:
    """Centred orthonormal DFT on the host, the same bits on every machine.

    X[k] = n^(-1/2) sum over j of x[j] exp(-2 pi i (j - n // 2) (k - n // 2) / n) along each axis.
    The result of an FFT library depends on how the library was compiled. The error here is about
    2**-21 of the largest value at each axis.

    Args:
        x: complex array.
        axes: axes to transform; image centre and k-space centre are both at index n // 2.
        inverse: whether to apply the inverse, which is also the adjoint.

    Returns:
        complex128 array of the same shape.
    """
    for axis in axes:
        n = x.shape[axis]
        rows = np.moveaxis(x, axis, -1)
        rows = np.concatenate([np.real(rows), np.imag(rows)], axis=-1)
        pair = exact_matmul(rows, _centred(n, inverse)) * (1.0 / math.sqrt(n))
        x = np.moveaxis(assemble(pair[..., :n], pair[..., n:]), -1, axis)
    return x


@functools.lru_cache(maxsize=32)
def _inverse_real(points: int, length: int) -> np.ndarray:
    """Matrix from half a Hermitian spectrum to real samples: inner frequencies count twice."""
    kept = length // 2 + 1
    weight = np.full((kept, 1), 2.0)
    weight[0] = 1.0
    if length % 2 == 0:
        weight[-1] = 1.0
    cosine, sine = (table[:kept, :points] for table in dft_matrices(length))
    return np.vstack([weight * cosine, -weight * sine])


def even_part(transfer: np.ndarray) -> np.ndarray:
    """(T(k) + T(-k)) / 2 in FFT order: the part of a real transfer that keeps a volume real.

    On Nyquist planes -k aliases onto the same plane, so a dipole kernel of an oblique field is
    not even there; discarding the imaginary part of the result amounts to this average.
    """
    reverse = np.ix_(*(-np.arange(n) % n for n in transfer.shape))
    return 0.5 * (transfer + transfer[reverse])


def filter3d(
    x: Float[np.ndarray, "x y z"], transfer: Float[np.ndarray, "kx ky kz"]
) -> Float[np.ndarray, "x y z"]:
    """Real part of IDFT(transfer * DFT(x)), the same bits on every machine.

    An FFT library adds in an order that depends on its plan and instruction set. Here each axis
    is one :func:`mrjax.numerics.host.exact_matmul`, which is also fast for the sizes of a phantom.
    Where ``transfer`` is larger than ``x``, the volume is zero-padded at the far end and the
    result cropped. The error is about ``2**-21`` of the largest value at each of six products.

    Args:
        x: real volume.
        transfer: real transfer function in FFT order, at least as large as ``x`` on each axis.

    Returns:
        float64 volume of the shape of ``x``.

    Raises:
        ValueError: ``transfer`` is smaller than ``x``.
    """
    (nx, ny, nz), (mx, my, mz) = x.shape, transfer.shape
    if mx < nx or my < ny or mz < nz:
        raise ValueError(f"transfer {transfer.shape} is smaller than the volume {x.shape}")
    half = mz // 2 + 1
    weight = even_part(transfer)[:, :, :half].transpose(2, 1, 0)[:, :, None, :]

    def along(volume: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        rows = volume.reshape(-1, matrix.shape[0])
        return exact_matmul(rows, matrix).reshape(*volume.shape[:2], -1, matrix.shape[1] // 2)

    spectrum = along(x, _forward(nz, mz, half, True))  # x y c kz
    spectrum = along(spectrum.transpose(3, 0, 2, 1), _forward(ny, my, my, False))  # kz x c ky
    spectrum = along(spectrum.transpose(0, 3, 2, 1), _forward(nx, mx, mx, False))  # kz ky c kx
    spectrum = spectrum * weight
    spectrum = along(spectrum, _inverse(nx, mx))  # kz ky c x
    spectrum = along(spectrum.transpose(0, 3, 2, 1), _inverse(ny, my))  # kz x c y
    rows = spectrum.transpose(1, 3, 2, 0).reshape(-1, 2 * half)
    result = exact_matmul(rows, _inverse_real(nz, mz)).reshape(nx, ny, nz)
    return result / float(mx * my * mz)
