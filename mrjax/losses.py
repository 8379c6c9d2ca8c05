"""Training losses, written against an arithmetic.

QSMnet minimises L = l1 + model_weight * model + gradient_weight * gradient_difference. The breast
U-Net minimises 1 - soft_dice. The variational network minimises complex_mse or magnitude_mse, the
end-to-end variational network one minus the structural similarity.

Source of the losses for susceptibility maps: Yoon et al., NeuroImage 179 (2018), "Loss function",
and the authors' code (SNU-LIST/QSMnet, Code/utils.py: l1, model_loss, grad_loss).
"""

import functools
import itertools
import math
from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex, Float

from mrjax.numerics.arithmetic import Arithmetic
from mrjax.numerics.exact import absolute, parts, rectify, safe_unit

Batch = Float[Array, "b x y z 1"]
SPACE = (1, 2, 3)


def l1(ar: Arithmetic, x: Float[Array, "..."], y: Float[Array, "..."]) -> Float[Array, ""]:
    """Mean absolute difference, (1/n) sum |x - y|.

    Args:
        ar: the arithmetic.
        x: any shape.
        y: the same shape.

    Returns:
        A scalar in the unit of the arguments.
    """
    return ar.mean(absolute(ar.sub(x, y)))


def circular_field(
    ar: Arithmetic, chi: Batch, kernel: Float[Array, "x y z"]
) -> Float[Array, "b x y z 1"]:
    """Field of a periodic susceptibility map, Re IDFT(D DFT(chi)), without padding.

    Args:
        ar: the arithmetic.
        chi: susceptibility [ppm].
        kernel: dipole kernel D in FFT order.

    Returns:
        Local field [ppm]. On a patch the sources outside the patch are missing and the fields of
        the sources inside wrap around; the authors train with this approximation, so it is kept.
    """
    spectrum = ar.mul(ar.fft(chi, SPACE), kernel[None, ..., None].astype(chi.dtype))
    return jnp.real(ar.ifft(spectrum, SPACE))


def model(
    ar: Arithmetic, chi: Batch, field: Batch, mask: Batch, kernel: Float[Array, "x y z"]
) -> Float[Array, ""]:
    """Disagreement of a susceptibility map with the measured field, by the dipole model.

    (1/n) sum |m (d * chi) - m f|, over all n voxels, with d * chi the field of chi.

    Args:
        ar: the arithmetic.
        chi: predicted susceptibility [ppm].
        field: measured local field f [ppm].
        mask: m, 1 inside the brain and 0 outside.
        kernel: dipole kernel of the patch in FFT order.

    Returns:
        A scalar [ppm].
    """
    predicted = circular_field(ar, chi, kernel)
    return l1(ar, ar.mul(predicted, mask), ar.mul(field, mask))


def rectified_differences(ar: Arithmetic, x: Batch) -> Float[Array, "b inner_x inner_y inner_z 1"]:
    """Sum over the 26 neighbours of each voxel of max(0, neighbour - centre) / distance.

    Args:
        ar: the arithmetic.
        x: image; each spatial axis has at least 3 voxels.

    Returns:
        An image one voxel shorter at each end, in the unit of x; distances are in voxels.
    """
    offsets = [o for o in itertools.product((-1, 0, 1), repeat=3) if any(o)]
    # Flush once here; otherwise value and gradient are recomputed for every neighbour.
    middle, *images = ar.copies(ar.flush(x.reshape(x.shape[:4])), 1 + len(offsets))
    centres = ar.copies(middle[:, 1:-1, 1:-1, 1:-1], len(offsets))
    total = jnp.zeros_like(centres[0])
    for offset, image, centre in zip(offsets, images, centres, strict=True):
        place = tuple(slice(1 + o, n - 1 + o) for o, n in zip(offset, x.shape[1:4], strict=True))
        rise = rectify(ar.sub(image[:, *place], centre))
        distance = math.sqrt(sum(o * o for o in offset))
        share = ar.mul(rise, jnp.asarray(1 / distance, x.dtype))
        total = ar.flush(ar.add(total, share))
    return total.reshape(*total.shape, 1)


def gradient_difference(ar: Arithmetic, x: Batch, y: Batch) -> Float[Array, ""]:
    """Mean absolute difference of the rectified differences r of two images.

    (1/n) sum |r(x) - r(y)|, with r of `rectified_differences`.

    Args:
        ar: the arithmetic.
        x: image.
        y: image of the same shape.

    Returns:
        A scalar in the unit of the images.
    """
    return l1(ar, rectified_differences(ar, x), rectified_differences(ar, y))


def soft_dice(
    ar: Arithmetic,
    probability: Float[Array, "..."],
    mask: Float[Array, "..."],
    smoothing: float = 1.0,
) -> Float[Array, ""]:
    """Dice overlap of a probability with a mask, over the whole batch: 1 is perfect.

    (2 sum p m + s) / (sum p + sum m + s). The sums are over the batch and not over each image,
    because the overlap of an image whose mask is empty means nothing.

    Args:
        ar: the arithmetic.
        probability: p, from 0 to 1, any shape.
        mask: m, 0 or 1, the same shape.
        smoothing: s [voxels], above 0; it keeps the quotient defined where p and m are zero.

    Returns:
        A scalar fraction.

    Source: Piantadosi, Marrone and Sansone (2018), "Evaluation Strategy"; in differentiable form
    Milletari et al., 3DV 2016.
    """
    margin = jnp.asarray(smoothing, probability.dtype)
    common = ar.sum(ar.mul(probability, mask))
    total = ar.add(ar.sum(probability), ar.sum(mask))
    return ar.div(ar.add(ar.add(common, common), margin), ar.add(total, margin))


def magnitude(ar: Arithmetic, image: Complex[Array, "..."], eps: float = 0.0) -> Array:
    """Magnitude sqrt(re^2 + im^2 + eps).

    Args:
        ar: the arithmetic.
        image: re + i im, any shape.
        eps: above 0 where a gradient is taken, because the square root has no gradient at 0.

    Returns:
        A real array of the same shape.
    """
    square = squared_magnitude(ar, image)
    return ar.sqrt(ar.add(square, jnp.asarray(eps, square.dtype)) if eps else square)


def squared_magnitude(ar: Arithmetic, image: Complex[Array, "..."]) -> Array:
    """Squared magnitude re^2 + im^2 of re + i im, real and of the same shape."""
    real, imag = parts(image)
    return ar.add(ar.mul(real, real), ar.mul(imag, imag))


def largest_magnitude(
    ar: Arithmetic, images: Complex[Array, "b row column"]
) -> Float[Array, "b 1 1"]:
    """Largest magnitude of each image, max |z|, which is not meant to be differentiated.

    Args:
        ar: the arithmetic.
        images: in any unit; their squares may be out of range.

    Returns:
        The magnitudes in the unit of the images.
    """
    largest = jnp.max(jnp.stack([jnp.abs(part) for part in parts(images)]), axis=(0, 2, 3))
    unit = safe_unit(largest.reshape(-1, 1, 1))
    scaled = magnitude(ar, ar.div(images, unit))
    return ar.mul(unit, jnp.max(scaled, axis=(1, 2), keepdims=True))


def mse(ar: Arithmetic, x: Float[Array, "..."], y: Float[Array, "..."]) -> Float[Array, ""]:
    """Mean squared difference of two real arrays of one shape, (1/n) sum (x - y)^2."""
    difference = ar.sub(x, y)
    return ar.mean(ar.mul(difference, difference))


def complex_mse(
    ar: Arithmetic, x: Complex[Array, "..."], y: Complex[Array, "..."]
) -> Float[Array, ""]:
    """Mean squared difference of all real and imaginary parts, (1/2n) sum |x - y|^2 over n pixels.

    Args:
        ar: the arithmetic.
        x: image.
        y: image of the same shape.

    Returns:
        A scalar in the square of the images' unit.

    Source: rixez/pytorch_mri_variationalnetwork, models.py, loss_type "complex".
    """
    return mse(ar, *(jnp.stack(parts(z)) for z in (x, y)))


MAGNITUDE_EPS = 1e-12
"""Summand of squared magnitudes in `magnitude_mse`, for images of largest magnitude about 1."""


def magnitude_mse(
    ar: Arithmetic, x: Complex[Array, "..."], y: Complex[Array, "..."]
) -> Float[Array, ""]:
    """Mean squared difference of magnitudes, (1/n) sum (|x| - |y|)^2, |z| = sqrt(z z* + eps).

    Args:
        ar: the arithmetic.
        x: image.
        y: image of the same shape.

    Returns:
        A scalar in the square of the images' unit.

    Source: Hammernik et al. 2018, Eq. 7.
    """
    return mse(ar, *(magnitude(ar, z, MAGNITUDE_EPS) for z in (x, y)))


SSIM_WINDOW = 7
SSIM_K1, SSIM_K2 = 0.01, 0.03


def ssim_loss(
    ar: Arithmetic,
    x: Float[Array, "b row column"],
    y: Float[Array, "b row column"],
    data_range: Float[Array, " b"],
) -> Float[Array, ""]:
    """One minus the mean structural similarity of two sets of images, as fastMRI defines it.

    1 - (1/n) sum over windows of (2 m_x m_y + c1)(2 s_xy + c2) /
    ((m_x^2 + m_y^2 + c1)(s_x^2 + s_y^2 + c2)), with the means m, the variances s^2 and the
    covariance s_xy (divisor 48) of the 49 pixels of every window of 7 x 7 pixels inside the images,
    c1 = (0.01 L)^2, c2 = (0.03 L)^2 and the data range L. The mean is over all windows of all
    images.

    Args:
        ar: the arithmetic.
        x: images of at least 7 x 7 pixels.
        y: images of the same shape.
        data_range: L of each image, in the unit of the images, above 0; two images of zeros with
            L = 0 give NaN.

    Returns:
        A scalar.

    Raises:
        ValueError: the images are smaller than a window.

    Source: Wang et al., IEEE Trans Image Process 13:600 (2004); fastmri.losses.SSIMLoss.
    """
    if min(x.shape[1:]) < SSIM_WINDOW:
        raise ValueError(f"images of {x.shape[1:]} are smaller than a window of {SSIM_WINDOW}")
    mean_x, mean_y, square_x, square_y, product = _window_means(ar, x, y)
    (x1, x2), (y1, y2) = ar.copies(mean_x, 2), ar.copies(mean_y, 2)
    both, xx, yy = ar.mul(x1, y1), ar.mul(x2, x2), ar.mul(y2, y2)
    n = SSIM_WINDOW**2
    unbiased = jnp.asarray(n / (n - 1), x.dtype)
    covariance = ar.mul(unbiased, ar.sub(product, both))
    variances = ar.mul(unbiased, ar.add(ar.sub(square_x, xx), ar.sub(square_y, yy)))
    c1, c2 = (_squared(ar, k, data_range) for k in (SSIM_K1, SSIM_K2))
    two = jnp.asarray(2, x.dtype)
    above = ar.mul(ar.add(ar.mul(two, both), c1), ar.add(ar.mul(two, covariance), c2))
    below = ar.mul(ar.add(ar.add(xx, yy), c1), ar.add(variances, c2))
    return ar.sub(jnp.ones((), x.dtype), ar.mean(ar.div(above, below)))


def _squared(ar: Arithmetic, share: float, data_range: Float[Array, " b"]) -> Array:
    """Return (share * data_range)^2 with the axes of images."""
    value = ar.mul(jnp.asarray(share, data_range.dtype), data_range).reshape(-1, 1, 1)
    return ar.mul(value, value)


def _window_means(ar: Arithmetic, x: Array, y: Array) -> Sequence[Array]:
    """Return the means of x, y, x x, y y and x y over every window inside the images."""
    # No convolution: its type is that of the network's convolutions, which may have 8 bits.
    (x1, x2, x3), (y1, y2, y3) = ar.copies(x, 3), ar.copies(y, 3)
    images = [x1, y1, ar.mul(x2, x2), ar.mul(y2, y2), ar.mul(x3, y3)]
    total = jnp.concatenate(images)
    for axis in (1, 2):
        shifts, last = ar.copies(ar.flush(total), SSIM_WINDOW), total.shape[axis] - SSIM_WINDOW + 1
        moved = (lax.slice_in_dim(z, i, i + last, axis=axis) for i, z in enumerate(shifts))
        total = functools.reduce(ar.add, moved)
    means = ar.mul(total, jnp.asarray(1 / SSIM_WINDOW**2, x.dtype))
    return lax.split(means, (len(x),) * len(images))
