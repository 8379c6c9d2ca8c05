"""Centred orthonormal discrete Fourier transform."""

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
    return jnp.fft.fftshift(ar.fft(jnp.fft.ifftshift(x, axes=axes), axes), axes=axes)


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
    return jnp.fft.fftshift(ar.ifft(jnp.fft.ifftshift(x, axes=axes), axes), axes=axes)
