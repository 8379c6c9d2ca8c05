"""What the weights of a public end-to-end variational network say of its configuration."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from mrjax.nets.fastmri_names import Sizes
from mrjax.tasks import exchange
from mrjax.tasks.e2e.config import Config


def describe(sizes: Sizes) -> Config:
    """Return the checked configuration of the paper preset with a network's sizes."""
    return exchange.configured(Config, dataclasses.asdict(sizes))


def sizes_of(leaves: Mapping[str, np.ndarray]) -> Sizes:
    """Return the sizes of a network of ours, which follow from its leaves."""
    width, levels = _of_unet(leaves, "cascade0/net/unet")
    sens_width, sens_levels = _of_unet(leaves, "sens/net/unet")
    cascades = sum(name.endswith("/data_weight") for name in leaves)
    return Sizes(cascades, width, levels, sens_width, sens_levels)


def _of_unet(leaves: Mapping[str, np.ndarray], path: str) -> tuple[int, int]:
    levels = sum(name.startswith(f"{path}/up") for name in leaves)
    return leaves[f"{path}/out/kernel"].shape[2], levels
