"""The end-to-end variational network: cascades of a U-Net and soft data consistency in k-space.

k_(t+1) = k_t - lambda_t M (k_t - f) - F E(G_t(R F^-1 k_t)), with the measured k-space f, the
sampling mask M, the centred Fourier transform F, a data weight lambda and a U-Net G of each cascade
t. E x = (C_c x)_c spreads an image over the coils, R (x_c)_c = sum over c of conj(C_c) x_c combines
coil images, and the sensitivity maps C are the output of a U-Net on the calibration lines. The
result is the root sum of squares of the last coil images.

Source: Sriram et al., MICCAI 2020, Eq. 7-11. Where the paper leaves something open, the module
fastmri.models.VarNet of the package fastmri 0.3.0: with its weights this network has its values,
if that module restricts the estimate of the maps to the calibration lines (its default; weights do
not tell) and every coil has a signal.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float, Int, Shaped

from mrjax.losses import squared_magnitude
from mrjax.nets.norm_unet import NormUNet, safe_root
from mrjax.numerics.arithmetic import Arithmetic
from mrjax.numerics.exact import divisor
from mrjax.physics.fourier import centred_fft, centred_ifft

Coils = Complex[Array, "b coil row column"]
Masks = Shaped[Array, "b column"]
Cut = TypeVar("Cut")
"""An array that can be indexed: of JAX, numpy or PyTorch."""
_AXES = (-2, -1)
_zeros = nn.initializers.zeros


def calibration_columns(mask: Masks, lines: Int[Array, " b"] | None = None) -> Bool[Array, "b p"]:
    """Return which columns in the middle of k-space estimate the sensitivities.

    Of p columns those from (p - n + 1) // 2 on, n in number. n is `lines`, or where this is absent
    or 0, the largest even number of columns acquired without a gap around the middle p // 2, but at
    least 1. For an odd p the block that is returned lies one column to the right of those counted.
    As in fastMRI, a half of k-space without any gap counts as empty, so that a fully sampled
    k-space without `lines` has one calibration column.

    Args:
        mask: not 0 for acquired columns.
        lines: number of calibration columns of each example.

    Returns:
        True for calibration columns.

    Source: fastmri.models.varnet.SensitivityModel.get_pad_and_num_low_freqs.
    """
    columns = mask.shape[1]
    missing = mask == 0
    left, right = (jnp.argmax(half, axis=1) for half in _halves(missing))
    counted = jnp.maximum(2 * jnp.minimum(left, right), 1)
    n = counted if lines is None else jnp.where(lines == 0, counted, lines)
    first = (columns - n + 1) // 2
    place = jnp.arange(columns)[None]
    return (place >= first[:, None]) & (place < (first + n)[:, None])


def _halves(x: Array) -> tuple[Array, Array]:
    """Return the left half of the columns, from the middle outwards, and the right half."""
    middle = x.shape[1] // 2
    return jnp.flip(x[:, :middle], 1), x[:, middle:]


def root_sum_of_squares(ar: Arithmetic, images: Coils) -> Float[Array, "b row column"]:
    """Root sum of squares over the coils, sqrt(sum over c of |x_c|^2).

    Args:
        ar: the arithmetic.
        images: coil images.

    Returns:
        Images in the unit of the coil images; the gradient is 0 where all coils are 0.
    """
    return safe_root(ar, ar.sum(squared_magnitude(ar, images), (1,)))


def cropped(image: Cut, shape: Sequence[int]) -> Cut:
    """Cut the middle out of images, as the references of fastMRI are cut.

    Of n rows, m are kept from (n - m) // 2 on; an axis that is shorter than asked is kept whole. An
    image and a reference of different size are thus both cut to the shorter of their lengths.

    Args:
        image: images [... row column] of JAX, numpy or PyTorch.
        shape: largest numbers of rows and columns.

    Returns:
        The middle of the images.

    Source: fastmri.data.transforms.center_crop_to_smallest.
    """
    array: Any = image
    kept = [min(n, m) for n, m in zip(array.shape[-2:], shape, strict=True)]
    first = [(n - m) // 2 for n, m in zip(array.shape[-2:], kept, strict=True)]
    rows, columns = (slice(start, start + m) for start, m in zip(first, kept, strict=True))
    return array[..., rows, columns]


class SensitivityNet(nn.Module):
    """Sensitivity maps from the calibration lines: C_c = x_c / rss(x), x_c = G(F^-1 M_c k_c).

    M_c keeps the calibration columns. One network G serves all coils.

    Attributes:
        width: see `mrjax.nets.norm_unet.UNet`.
        levels: see `mrjax.nets.norm_unet.UNet`.
        arithmetic: the arithmetic.

    Source: Sriram et al., MICCAI 2020, Eq. 11.
    """

    width: int
    levels: int
    arithmetic: Arithmetic

    @nn.compact
    def __call__(self, kspace: Coils, calibration: Masks) -> Coils:
        """Return maps whose root sum of squares is 1, or 0 where all coils are 0."""
        ar = self.arithmetic
        images = centred_ifft(ar, jnp.where(calibration[:, None, None], kspace, 0), _AXES)
        single = images.reshape(-1, *images.shape[2:])
        net = NormUNet(self.width, self.levels, ar, name="net")
        # Squaring uses its operand twice, so the gradients here are three.
        maps, squared = ar.copies(net(single).reshape(images.shape), 2)
        size = divisor(root_sum_of_squares(ar, squared))
        return ar.div(maps, size.reshape(size.shape[0], 1, *size.shape[1:]))


class Cascade(nn.Module):
    """One step in k-space: k - lambda M (k - f) - F E(G(R F^-1 k)).

    Attributes:
        width: see `mrjax.nets.norm_unet.UNet`.
        levels: see `mrjax.nets.norm_unet.UNet`.
        arithmetic: the arithmetic.
    """

    width: int
    levels: int
    arithmetic: Arithmetic

    @nn.compact
    def __call__(self, kspace: Coils, measured: Coils, maps: Coils, mask: Masks) -> Coils:
        """Return the next k-space."""
        ar = self.arithmetic
        data_weight = self.param("data_weight", _zeros, (), jnp.float32)
        start, compared, combined = ar.copies(kspace, 3)
        difference = jnp.where(mask[:, None, None] != 0, ar.sub(compared, measured), 0)
        images = centred_ifft(ar, combined, _AXES)
        image = ar.sum(ar.mul(images, jnp.conj(maps)), (1,))
        refined = NormUNet(self.width, self.levels, ar, name="net")(image)
        single = refined.reshape(refined.shape[0], 1, *refined.shape[1:])
        spread = centred_fft(ar, ar.mul(single, maps), _AXES)
        return ar.sub(ar.sub(start, ar.mul(difference, data_weight)), spread)


class E2EVarNet(nn.Module):
    """End-to-end variational network: sensitivity maps, cascades, root sum of squares.

    Attributes:
        arithmetic: the arithmetic.
        cascades: number of cascades, each with weights of its own.
        width: features of the first level of each cascade's U-Net.
        levels: poolings of each cascade's U-Net, at most 4.
        sens_width: features of the first level of the sensitivity network.
        sens_levels: poolings of the sensitivity network, at most 4.

    Source: Sriram et al., MICCAI 2020; the defaults are those of fastmri.models.VarNet.
    """

    arithmetic: Arithmetic
    cascades: int = 12
    width: int = 18
    levels: int = 4
    sens_width: int = 8
    sens_levels: int = 4

    @nn.compact
    def __call__(
        self, kspace: Coils, mask: Masks, lines: Int[Array, " b"] | None = None
    ) -> Float[Array, "b row column"]:
        """Reconstruct images.

        Args:
            kspace: samples of all coils, the zero frequency at n // 2; zero where nothing was
                acquired.
            mask: 1 for acquired columns, 0 for others.
            lines: number of calibration columns of each example; see `calibration_columns`.

        Returns:
            Magnitudes in the unit of the coil images.
        """
        ar = self.arithmetic
        calibration = calibration_columns(mask, lines)
        sens = SensitivityNet(self.sens_width, self.sens_levels, ar, name="sens")
        maps = ar.copies(sens(kspace, calibration), self.cascades)
        found = kspace
        for i in range(self.cascades):
            cascade = Cascade(self.width, self.levels, ar, name=f"cascade{i}")
            found = cascade(found, kspace, maps[i], mask)
        return root_sum_of_squares(ar, centred_ifft(ar, found, _AXES))
