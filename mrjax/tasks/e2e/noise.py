"""Noise in the shapes of a training, with which a step is timed without slices."""

import numpy as np

from mrjax.arrays import SenseSlice
from mrjax.tasks import trained
from mrjax.tasks.e2e.classical import Tuned
from mrjax.tasks.e2e.config import Config
from mrjax.tasks.e2e.inputs import Inputs
from mrjax.tasks.varnet import noise


def batch(config: Config) -> dict[str, np.ndarray]:
    """Return slices of noise, regularly undersampled, with calibration lines.

    Returns:
        `kspace` (b, coil, row, column) complex64; `mask` (b, column), `reference` (b, row,
        column) and `data_range` (b,) float32; `lines` (b,) int32.
    """
    shape = (config.batch_size, config.coils, config.rows, config.columns)
    kspace, images = noise.complex_noise(shape)
    lines = max(round(config.columns * config.centre_fraction), 1)
    first = (config.columns - lines + 1) // 2
    mask = np.zeros((config.batch_size, config.columns), np.float32)
    mask[:, :: config.acceleration] = 1
    mask[:, first : first + lines] = 1
    reference = np.abs(images[:, 0])
    return {
        "kspace": kspace * mask[:, None, None],
        "mask": mask,
        "lines": np.full(config.batch_size, lines, np.int32),
        "reference": reference,
        "data_range": reference.max(axis=(1, 2)),
    }


def inputs(weights: trained.Weights) -> Inputs:
    """Return inputs from which an engine can be made: the weights and one empty slice."""
    empty = np.zeros((1, 8, 8), np.complex64)
    one = SenseSlice(name="noise", kspace=empty, maps=empty, reference=np.abs(empty[0]))
    return Inputs(None, [one], [], [], Tuned(), weights)
