"""QSMnet: a 3-D U-Net N from the local field f to the susceptibility, chi = s N((f - m) / d) + c.

m, d and c, s are mean and standard deviation of field and susceptibility in the training set.

Source: Yoon et al., NeuroImage 179 (2018) 199-206, and the authors' public code
(SNU-LIST/QSMnet, Code/network_model.py: four poolings, 32 to 512 features, 5x5x5 windows).
"""

from mrjax.nets.unet import UNet
from mrjax.numerics.arithmetic import Arithmetic


def qsmnet(
    arithmetic: Arithmetic,
    *,
    width: int = 32,
    levels: int = 4,
    window: int = 5,
    momentum: float = 0.99,
) -> UNet:
    """Return QSMnet; the defaults are the publication's size (99,453,985 parameters).

    Args:
        arithmetic: the arithmetic.
        width: number of features of the first level.
        levels: number of poolings.
        window: edge of the cubic convolution window, odd.
        momentum: share of the old value in the running statistics of batch normalisation.

    Returns:
        A module from the normalised field (b, x, y, z, 1) to the normalised susceptibility of
        the same shape.
    """
    return UNet(
        width=width,
        levels=levels,
        window=(window,) * 3,
        momentum=momentum,
        arithmetic=arithmetic,
    )
