"""What exports tell about trained QSM networks."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mrjax.data.pipeline import Normalisation
from mrjax.tasks import unets
from mrjax.tasks.exporting import Arrays, Input, Output, Source
from mrjax.tasks.qsm.config import Config
from mrjax.tasks.qsm.model import Model

_FIELD = "local field [ppm], zero outside the brain, in the axes of the training data"


def normalisation(constants: Mapping[str, Any]) -> Normalisation:
    """Return the normalisation among the constants of a network."""
    return Normalisation(**constants["normalisation"])


def draw(
    rng: np.random.Generator, config: Config, constants: Mapping[str, Any], size: Sequence[int]
) -> Arrays:
    """Draw a local field [ppm] with the mean and the standard deviation of the training subjects.

    Returns:
        `field` (1, x, y, z, 1), float32.
    """
    known = normalisation(constants)
    values = rng.uniform(-1, 1, (1, *(size or unets.small(config, 3)), 1)) * np.sqrt(3)
    return {"field": (values * known.field_std + known.field_mean).astype(np.float32)}


def predictor(built: Model, constants: Mapping[str, Any]) -> Callable[[Any, Any, Any], Any]:
    """Return the map (parameters, statistics, {`field`}) -> susceptibility, both in ppm."""
    return unets.applied(built.predictor(normalisation(constants)))


def arguments(config: Config) -> dict[str, int]:
    """Return the arguments of the network in PyTorch."""
    return {"width": config.width, "levels": config.levels, "window": config.window}


def state(
    config: Config, params: Arrays, stats: Arrays, constants: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Return the state_dict of the network in PyTorch, with the normalisation as buffers."""
    known = dataclasses.asdict(normalisation(constants))
    buffers = {name: np.asarray(value, np.float32) for name, value in known.items()}
    return {**buffers, **unets.state(config, params, stats)}


EXPORT = unets.export(
    "QsmNet",
    title="Quantitative susceptibility mapping with QSMnet",
    description="A 3-D U-Net from the local field of a brain to its magnetic susceptibility, both "
    "in ppm. Normalisation by the training subjects is part of the network.",
    sources=(
        Source(
            "Yoon et al., Quantitative susceptibility mapping using deep neural network: QSMnet, "
            "NeuroImage 179 (2018)",
            "10.1016/j.neuroimage.2018.06.030",
        ),
    ),
    inputs={"field": Input(_FIELD, "xyz")},
    output=Output("magnetic susceptibility [ppm]; set it to zero outside the brain"),
    size=("X", "Y", "Z"),
    draw=draw,
    predictor=predictor,
    arguments=arguments,
    state=state,
)
