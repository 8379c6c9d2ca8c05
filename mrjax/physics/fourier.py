"""Centred orthonormal discrete Fourier transform."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Inexact

from mrjax.numerics.arithmetic import Arithmetic


def centred_fft(
    ar: Arithmetic, x: Inexact[Array, "..."], axes: tuple[int, ...]
) -> Complex[Array, "..."]:
    """Centred orthonormal FFT: image centre and k-space centre are both at index n // 2.

    Along each axis of n points, with c = n // 2::

        X[k] = n^(-1/2) sum over j of x[j] exp(-2 pi i (k - c) (j - c) / n)

    The factor makes the transform an isometry, whose adjoint is :func:`centred_ifft`. Moving the
    centre is exact; only the transform itself rounds.

    Args:
        ar: arithmetic of the transform.
        x: real or complex array.
        axes: axes to transform; all others are batch axes.

    Returns:
        Complex array of the same shape.
    """
    return _centred(ar.fft(_uncentred(x, axes), axes), axes)


def centred_ifft(
    ar: Arithmetic, x: Inexact[Array, "..."], axes: tuple[int, ...]
) -> Complex[Array, "..."]:
    """Inverse of :func:`centred_fft`, which is also its adjoint.

    x[j] = n^(-1/2) sum over k of X[k] exp(+2 pi i (k - c) (j - c) / n), with c = n // 2.

    Args:
        ar: arithmetic of the transform.
        x: array with the k-space centre at index n // 2 of each transformed axis.
        axes: axes to transform; all others are batch axes.

    Returns:
        Complex array of the same shape.
    """
    return _centred(ar.ifft(_uncentred(x, axes), axes), axes)


def _centred(x: Array, axes: tuple[int, ...]) -> Array:
    """Move index 0 to n // 2."""
    for axis in axes:
        x = _exchanged(x, axis, x.shape[axis] - x.shape[axis] // 2)
    return x


def _uncentred(x: Array, axes: tuple[int, ...]) -> Array:
    """Move index n // 2 to 0."""
    for axis in axes:
        x = _exchanged(x, axis, x.shape[axis] // 2)
    return x


def _exchanged(x: Array, axis: int, first: int) -> Array:
    """Put the first numbers of an axis behind the others.

    The gradient only moves numbers as well; that of `jnp.roll` adds zeros.
    """
    axis %= x.ndim
    head, tail = jax.lax.split(x, (first, x.shape[axis] - first), axis=axis)
    return jnp.concatenate([tail, head], axis)
