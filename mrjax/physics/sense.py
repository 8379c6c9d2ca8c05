"""The encoding operator of Cartesian parallel imaging, and the classical reconstructions.

(A u)_c = M F (C_c u): weight the image u by the sensitivity C_c of each coil c, transform it
(:func:`mrjax.physics.fourier.centred_fft`), keep the columns that the mask M says were acquired.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Shaped

from mrjax.numerics.arithmetic import Arithmetic
from mrjax.numerics.native import Native
from mrjax.physics.fourier import centred_fft, centred_ifft

Images = Complex[Array, "b row column"]
Coils = Complex[Array, "b coil row column"]
Masks = Shaped[Array, "b column"]

_AXES = (-2, -1)


def _check(expected: str, x: Array, maps: Array, mask: Array) -> None:
    """Raise ValueError unless images or k-space, maps and masks belong together."""
    if maps.ndim == 4:
        sizes = dict(zip("bcrp", maps.shape, strict=True))
        shape = tuple(sizes[name] for name in expected)
        if x.shape == shape and mask.shape == (sizes["b"], sizes["p"]):
            return
    raise ValueError(
        f"data {x.shape}, maps {maps.shape} and mask {mask.shape} do not belong together; expected "
        "[b row column] or [b coil row column], [b coil row column] and [b column]"
    )


def _acquired(kspace: Coils, mask: Masks) -> Coils:
    """Keep the acquired columns and put zeros elsewhere, by selection, so that nothing rounds."""
    return jnp.where(mask[:, None, None, :] != 0, kspace, 0)


def forward(ar: Arithmetic, image: Images, maps: Coils, mask: Masks) -> Coils:
    """K-space of an image as every coil sees it, on the acquired columns: f_c = M F (C_c u).

    Args:
        ar: arithmetic of products and transform.
        image: [b row column] complex.
        maps: [b coil row column] complex sensitivities.
        mask: [b column], True (or 1) where the column was acquired.

    Returns:
        [b coil row column] complex, zero frequency at n // 2, zero where not acquired.

    Raises:
        ValueError: the shapes do not belong together.

    Source: Pruessmann et al., Magn Reson Med 42:952 (1999); Hammernik et al., Magn Reson Med
    79:3055 (2018), Eq. 1.
    """
    _check("brp", image, maps, mask)
    single = image.reshape(image.shape[0], 1, *image.shape[1:])  # the gradient of [:, None] adds
    return _acquired(centred_fft(ar, ar.mul(maps, single), _AXES), mask)


def adjoint(ar: Arithmetic, kspace: Coils, maps: Coils, mask: Masks) -> Images:
    """Adjoint of :func:`forward`: A* f = sum over coils c of conj(C_c) F^-1 (M f_c).

    Args:
        ar: arithmetic of products, sum and transform.
        kspace: [b coil row column] complex; values in columns that were not acquired are ignored.
        maps: [b coil row column] complex sensitivities.
        mask: [b column], True (or 1) where the column was acquired.

    Returns:
        [b row column] complex.

    Raises:
        ValueError: the shapes do not belong together.
    """
    _check("bcrp", kspace, maps, mask)
    images = centred_ifft(ar, _acquired(kspace, mask), _AXES)
    return ar.sum(ar.mul(jnp.conj(maps), images), (1,))


def zero_filled(kspace: Coils, maps: Coils, mask: Masks) -> Images:
    """Zero-filled reconstruction: the adjoint A* f alone, in XLA's own arithmetic.

    Args:
        kspace: [b coil row column] complex.
        maps: [b coil row column] complex sensitivities.
        mask: [b column], True (or 1) where the column was acquired.

    Returns:
        [b row column] complex.

    Raises:
        ValueError: as :func:`adjoint`.
    """
    return adjoint(Native(), kspace, maps, mask)


def _power(x: Images) -> Float[Array, "b 1 1"]:
    """Squared norm of each image."""
    square = jnp.square(jnp.real(x)) + jnp.square(jnp.imag(x))
    return jnp.sum(square, axis=_AXES, keepdims=True)


def _ratio(x: Array, y: Array) -> Array:
    """Quotient, and 0 for 0 / 0, so that an image that has converged exactly does not change."""
    return jnp.where(y > 0, x / jnp.where(y > 0, y, 1), 0)


@jax.jit
def cg_sense(
    kspace: Coils, maps: Coils, mask: Masks, iterations: int | Array, weight: float | Array = 0.0
) -> Images:
    """CG-SENSE: conjugate gradients for (A* A + w) u = A* f, beginning with u = 0.

    With N = A* A + w and residual r = p = A* f at the start, each iteration does a = |r|^2 /
    Re<p, N p>, u += a p, r -= a N p, then p = r + (|r|^2 / |r|^2 before) p. The number of
    iterations is fixed, because with w = 0 stopping early is the regularisation.

    Args:
        kspace: [b coil row column] complex.
        maps: [b coil row column] complex sensitivities.
        mask: [b column], True (or 1) where the column was acquired.
        iterations: number of iterations; 0 gives zeros.
        weight: w, of the squared norm of the image, dimensionless.

    Returns:
        [b row column] complex.

    Raises:
        ValueError: as :func:`adjoint`.

    Source: Pruessmann et al., Magn Reson Med 46:638 (2001).
    """
    ar = Native()
    right = adjoint(ar, kspace, maps, mask)
    weight = jnp.asarray(weight, jnp.real(right).dtype)

    def step(_, state):
        image, residual, direction, power = state
        normal = adjoint(ar, forward(ar, direction, maps, mask), maps, mask) + weight * direction
        curvature = jnp.sum(jnp.real(jnp.conj(direction) * normal), axis=_AXES, keepdims=True)
        length = _ratio(power, curvature)
        image, residual = image + length * direction, residual - length * normal
        smaller = _power(residual)
        direction = residual + _ratio(smaller, power) * direction
        return image, residual, direction, smaller

    start = jnp.zeros_like(right), right, right, _power(right)
    return jax.lax.fori_loop(0, iterations, step, start)[0]
