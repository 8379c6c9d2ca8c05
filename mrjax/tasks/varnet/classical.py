"""CG-SENSE, tuned on training slices only, and the zero-filled image, to compare with."""

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence

import jax.numpy as jnp
import numpy as np

from mrjax.metrics import nrmse
from mrjax.physics import sense

ITERATIONS = (3, 5, 8, 12, 20, 30)
WEIGHTS = (0.0, 1e-3, 1e-2, 3e-2)
# Tuning curves are flat near their minimum; more slices move the choice by at most one value.
SLICES_TO_TUNE_ON = 6
Acquisition = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tuned:
    """Parameters of CG-SENSE.

    Attributes:
        iterations: number of conjugate gradient iterations; stopping early regularises.
        weight: weight of the Tikhonov penalty, for coil maps with unit root sum of squares.
    """

    iterations: int = 8
    weight: float = 0.0


Reconstruction = Callable[[Acquisition, "Tuned"], np.ndarray]
"""CG-SENSE of one acquisition: its image, as it is compared with the reference."""


def tune(acquisitions: Sequence[Acquisition], image: Reconstruction | None = None) -> Tuned:
    """Choose CG-SENSE's iterations and weight by the mean magnitude NRMSE over training slices.

    Args:
        acquisitions: training slices with a reference; only the first few are used.
        image: what is compared with the reference; by default the image of `cg_sense`.

    Returns:
        The pair of iterations and weight with the lowest NRMSE of those tried.
    """
    used, found = acquisitions[:SLICES_TO_TUNE_ON], image or cg_sense

    def error(choice: Tuned) -> float:
        return float(np.mean([magnitude_nrmse(found(a, choice), a["reference"]) for a in used]))

    pairs = itertools.product(ITERATIONS, WEIGHTS)
    return min((Tuned(iterations=i, weight=w) for i, w in pairs), key=error)


def magnitude_nrmse(image: np.ndarray, reference: np.ndarray) -> float:
    """Return the NRMSE of magnitude images over the whole slice."""
    return nrmse(np.abs(image), np.abs(reference), np.ones(reference.shape, bool))


def zero_filled(acquisition: Acquisition) -> np.ndarray:
    """Return the zero-filled image [row column] of one acquisition."""
    return np.asarray(sense.zero_filled(*_batch(acquisition)))[0]


def cg_sense(acquisition: Acquisition, tuned: Tuned) -> np.ndarray:
    """Return the CG-SENSE image [row column] of one acquisition."""
    found = sense.cg_sense(*_batch(acquisition), iterations=tuned.iterations, weight=tuned.weight)
    return np.asarray(found)[0]


def reconstruct(acquisition: Acquisition, tuned: Tuned) -> dict[str, np.ndarray]:
    """Return both images of one acquisition, by name."""
    return {"zero_filled": zero_filled(acquisition), "cg_sense": cg_sense(acquisition, tuned)}


def _batch(acquisition: Acquisition) -> list:
    return [jnp.asarray(acquisition[k])[None] for k in ("kspace", "maps", "mask")]
