"""Noise in the shapes of a VarNet training, with which a step is timed without slices."""

import numpy as np

from mrjax.arrays import SenseSlice
from mrjax.tasks import trained
from mrjax.tasks.varnet.classical import Tuned
from mrjax.tasks.varnet.config import Config
from mrjax.tasks.varnet.inputs import Inputs


def batch(config: Config) -> dict[str, np.ndarray]:
    """Return slices of noise, regularly undersampled.

    Returns:
        `kspace` and `maps` (b, coil, row, column) complex64, the maps with unit root sum of
        squares; `mask` (b, column) float32; `reference` (b, row, column) complex64.
    """
    shape = (config.batch_size, config.coils, config.rows, config.columns)
    kspace, maps, images = complex_noise(shape, 3)
    mask = np.zeros((config.batch_size, config.columns), np.float32)
    mask[:, :: config.acceleration] = 1
    return {
        "kspace": kspace * mask[:, None, None],
        "maps": maps / np.sqrt(np.sum(np.abs(maps) ** 2, axis=1, keepdims=True)),
        "mask": mask,
        "reference": images[:, 0],
    }


def complex_noise(shape: tuple[int, ...], number: int = 2) -> list[np.ndarray]:
    """Return so many arrays of complex64 noise, the same at each call."""
    rng = np.random.default_rng(0)
    pairs = (rng.standard_normal((*shape, 2), np.float32) for _ in range(number))
    return [pair.view(np.complex64)[..., 0] for pair in pairs]


def inputs(weights: trained.Weights) -> Inputs:
    """Return inputs from which an engine can be made: the weights and one empty slice."""
    empty = np.zeros((1, 8, 8), np.complex64)
    one = SenseSlice(name="noise", kspace=empty, maps=empty, reference=empty[0])
    return Inputs(None, [one], [], [], Tuned(), weights)
