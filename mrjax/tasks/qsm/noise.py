"""Noise in the shapes of a QSM training, with which a step is timed without subjects."""

import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.data.pipeline import Normalisation
from mrjax.tasks import trained
from mrjax.tasks.qsm.classical import Tuned
from mrjax.tasks.qsm.config import Config
from mrjax.tasks.qsm.inputs import Inputs
from mrjax.tasks.qsm.network import Constants


def batch(config: Config) -> dict[str, np.ndarray]:
    """Return patches of noise [ppm]: `field`, `chi` and `mask`, each (b, x, y, z, 1) float32."""
    rng = np.random.default_rng(0)
    shape = (config.batch_size, *(config.patch,) * 3, 1)
    drawn = {name: rng.standard_normal(shape, np.float32) for name in ("field", "chi")}
    return {**drawn, "mask": np.ones(shape, np.float32)}


def inputs(weights: trained.Weights) -> Inputs:
    """Return inputs from which an engine can be made: the weights and one empty subject."""
    empty = np.zeros((8, 8, 8), np.float32)
    subject = QsmSubject(name="noise", field=empty, chi=empty, mask=empty == 0)
    plain = Normalisation(field_mean=0.0, field_std=1.0, chi_mean=0.0, chi_std=1.0)
    constants = Constants(plain, Tuned(tkd_threshold=0.1, l2_weight=0.1))
    return Inputs([subject], None, [], constants, weights)
