"""A trained QSM network: its weights, and the constants that give the weights a meaning."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.data.pipeline import Normalisation
from mrjax.errors import UserError
from mrjax.tasks import domain, trained
from mrjax.tasks.qsm import model
from mrjax.tasks.qsm.classical import Tuned
from mrjax.tasks.qsm.config import Config
from mrjax.tasks.qsm.domain import NAMES

ARCHITECTURE = ("width", "levels", "window")
SAME_GEOMETRY = 1e-4
"""Share by which voxel sizes may differ, and components of B0: headers of one scan are rounded."""


class Constants(NamedTuple):
    """The constants that a network keeps from its training subjects.

    Attributes:
        normalisation: means and standard deviations [ppm].
        tuned: parameters of the classical inversions that the network is compared with.
    """

    normalisation: Normalisation
    tuned: Tuned

    def content(self) -> dict[str, Mapping[str, Any]]:
        """Return the constants as JSON."""
        return {k: dataclasses.asdict(v) for k, v in self._asdict().items()}


def load(
    config: Config, built: model.Model
) -> tuple[trained.Weights, Constants, domain.Domain | None]:
    """Read the network of --from_run.

    Args:
        config: configuration, with the run folder and the wanted architecture.
        built: a model of that architecture.

    Returns:
        Weights, constants, and the domain where it is recorded.

    Raises:
        UserError: there is no finished run, or its network has another architecture.
    """
    weights, content = trained.load("qsm", config, config.from_run, ARCHITECTURE, built.shapes)
    tuned = Tuned(**content["tuned"])
    constants = Constants(Normalisation(**content["normalisation"]), tuned)
    return weights, constants, domain.look_up(content, NAMES, config.from_run)


def check_geometry(subjects: Sequence[QsmSubject]) -> None:
    """Raise UserError unless all subjects share voxel size and B0 direction, up to rounding.

    The model loss uses one dipole kernel for all patches, as the authors do, who rotate and
    resample their subjects before.
    """
    first = subjects[0]
    for s in subjects[1:]:
        sizes = np.allclose(s.voxel_size, first.voxel_size, rtol=SAME_GEOMETRY, atol=0)
        if not sizes or not np.allclose(s.b0_direction, first.b0_direction, atol=SAME_GEOMETRY):
            raise UserError(
                f"training subjects {first.name} and {s.name} differ in voxel size "
                f"({first.voxel_size}, {s.voxel_size} mm) or B0 direction ({first.b0_direction}, "
                f"{s.b0_direction}); expected one geometry; resample them to one grid"
            )
