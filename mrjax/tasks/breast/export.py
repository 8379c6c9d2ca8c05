"""What exports tell about trained breast networks."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mrjax.data.breast_slices import CHANNELS
from mrjax.tasks import unets
from mrjax.tasks.breast.config import Config
from mrjax.tasks.breast.model import Model
from mrjax.tasks.exporting import Arrays, Input, Output, Source

_IMAGE = "three channels of a slice, scaled as mrjax/data/breast_slices.py does"


def draw(
    rng: np.random.Generator, config: Config, constants: Mapping[str, Any], size: Sequence[int]
) -> Arrays:
    """Draw a slice with values from 0 to 1.

    Returns:
        `image` (1, row, column, 3), float32.
    """
    shape = (1, *(size or unets.small(config, 2)), len(CHANNELS))
    return {"image": rng.uniform(0, 1, shape).astype(np.float32)}


def predictor(built: Model, constants: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    """Return the map (parameters, statistics, {`image`}) -> probability of breast."""
    return unets.applied(built.predictor())


def arguments(config: Config) -> dict[str, int]:
    """Return the arguments of the network in PyTorch."""
    return {"inputs": len(CHANNELS), "width": config.width, "levels": config.levels}


def state(
    config: Config, params: Arrays, stats: Arrays, constants: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Return the state_dict of the network in PyTorch."""
    return unets.state(config, params, stats)


EXPORT = unets.export(
    "BreastNet",
    title="Breast masks with a U-Net",
    description="A 2-D U-Net from an axial slice of a contrast-enhanced breast series to the "
    "probability that a pixel shows breast tissue.",
    sources=(
        Source(
            "Ronneberger, Fischer and Brox, U-Net: convolutional networks for biomedical image "
            "segmentation, MICCAI 2015",
            "10.1007/978-3-319-24574-4_28",
        ),
    ),
    inputs={"image": Input(_IMAGE, "yx")},
    output=Output("probability of breast tissue, from 0 to 1", values=(0, 1)),
    size=("ROWS", "COLUMNS"),
    draw=draw,
    predictor=predictor,
    arguments=arguments,
    state=state,
)
