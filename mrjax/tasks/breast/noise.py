"""Noise in the shapes of a breast training, with which a step is timed without patients."""

import numpy as np

from mrjax.arrays import DcePatient
from mrjax.data.breast_slices import CHANNELS
from mrjax.tasks import trained
from mrjax.tasks.breast.classical import Threshold
from mrjax.tasks.breast.config import Config
from mrjax.tasks.breast.inputs import Inputs


def batch(config: Config) -> dict[str, np.ndarray]:
    """Return slices of noise, padded as the network needs.

    Returns:
        `image` (b, row, column, 3) and `mask` (b, row, column, 1), float32.
    """
    rng = np.random.default_rng(0)
    padded = [-(-n // config.multiple) * config.multiple for n in (config.rows, config.columns)]
    shape = (config.batch_size, *padded)
    return {
        "image": rng.standard_normal((*shape, len(CHANNELS)), np.float32),
        "mask": (rng.standard_normal((*shape, 1)) > 0).astype(np.float32),
    }


def inputs(weights: trained.Weights) -> Inputs:
    """Return inputs from which an engine can be made: the weights and one empty patient."""
    signal = np.zeros((8, 8, 1, 3), np.float32)
    patient = DcePatient(name="noise", signal=signal, times=np.arange(3.0), mask=None)
    tuned = Threshold(channel=0, low=0.0, high=1.0)
    return Inputs([patient], None, [], tuned, weights)
