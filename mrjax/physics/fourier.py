"""Centred orthonormal discrete Fourier transform."""

import jax
import jax.numpy as jnp


def fft(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """Centred orthonormal FFT: image centre and k-space centre both at index n // 2.

    Orthonormal, so that it is an isometry and its adjoint is :func:`ifft`.

    Args:
        x: real or complex array.
        axes: axes to transform; all others are batch axes.

    Returns:
        Complex array of the same shape.
    """
    shifted = jnp.fft.ifftshift(x, axes=axes)
    return jnp.fft.fftshift(jnp.fft.fftn(shifted, axes=axes, norm="ortho"), axes=axes)


def ifft(x: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """Inverse, and adjoint, of :func:`fft`.

    Args:
        x: complex array with the k-space centre at index n // 2 of each transformed axis.
        axes: axes to transform.

    Returns:
        Complex array of the same shape.
    """
    shifted = jnp.fft.ifftshift(x, axes=axes)
    return jnp.fft.fftshift(jnp.fft.ifftn(shifted, axes=axes, norm="ortho"), axes=axes)
