"""QSMnet: from local field to susceptibility by a 3-D U-Net.

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
        arithmetic: what computes.
        width: features of the first level.
        levels: number of poolings.
        window: edge of the cubic convolution window, odd.
        momentum: of the running statistics of batch normalisation.

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
