"""Centred orthonormal discrete Fourier transform."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Inexact

from mrjax.numerics.arithmetic import Arithmetic


def centred_fft(
    ar: Arithmetic, x: Inexact[Array, "..."], axes: tuple[int, ...]
) -> Complex[Array, "..."]:
    """Centred orthonormal FFT: image centre and k-space centre both at index n // 2.

    Orthonormal, so that it is an isometry and its adjoint is :func:`centred_ifft`. Rolling is
    exact; only the transform itself rounds.

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
    """Inverse, and adjoint, of :func:`centred_fft`.

    Args:
        ar: arithmetic of the transform.
        x: array with the k-space centre at index n // 2 of each transformed axis.
        axes: axes to transform.

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
    """The first numbers of an axis behind the others; unlike `jnp.roll`, its gradient moves too."""
    axis %= x.ndim
    head, tail = jax.lax.split(x, (first, x.shape[axis] - first), axis=axis)
    return jnp.concatenate([tail, head], axis)
