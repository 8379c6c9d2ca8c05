"""The domain of a QSM network: voxel size, direction and strength of B0, spread of the field."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.data import regrid
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.tasks import domain
from mrjax.tasks.domain import Domain, Property
from mrjax.tasks.qsm.config import Config

SAME_DEGREES = 10.0
"""Angle that B0 may have with its direction in training."""
PROPERTIES = {
    "field_std": Property("a field with a standard deviation inside the mask", "ppm", 2.0),
    "field_strength": Property("a field strength", "T", 1.2),
}
NAMES = ("voxel_size", "b0_direction", *PROPERTIES)


def record(config: Config, train: Sequence[QsmSubject]) -> dict[str, Any]:
    """The domain of a network that is trained with these subjects, which share one geometry."""
    first = train[0]
    return {
        "voxel_size": [[domain.rounded(edge)] * 2 for edge in first.voxel_size],
        "b0_direction": [domain.rounded(part) for part in first.b0_direction],
        **domain.ranges(_measured(config, one) for one in train),
    }


def look(config: Config, known: Domain | None, test: Sequence[QsmSubject], account: Intake) -> None:
    """Note which held-out subjects lie outside a domain, and which of them are brought into it.

    Args:
        config: configuration of the run.
        known: the domain of the network; None where it is not recorded.
        test: held-out subjects.
        account: gets the notes.

    Raises:
        UserError: a subject should be brought into the domain and cannot be.
    """
    if known is None:
        domain.unknown(config.from_run, config.resample, account)
        return
    for one in test:
        geometry = _geometry(known, one)
        way = passage(config, known, one)
        domain.place(config, one.name, geometry, way, account)
        if way is not None:
            _check_mask(one, way)
        domain.tell(one.name, domain.beyond(PROPERTIES, known, _measured(config, one)), account)


def passage(config: Config, known: Domain | None, one: QsmSubject) -> regrid.Passage | None:
    """How a subject gets the voxel size and the direction of B0 of a domain.

    Args:
        config: configuration of the run.
        known: the domain of the network.
        one: the subject.

    Returns:
        The passage; None for a subject that stays as it is, which all do without ``--resample``.
    """
    if not config.resample or known is None or not _geometry(known, one):
        return None
    return regrid.passage(
        one.field.shape,
        one.voxel_size,
        [low for low, _ in known["voxel_size"]],
        regrid.rotation_between(one.b0_direction, known["b0_direction"]),
        near=domain.SAME_VOXELS,
        near_degrees=SAME_DEGREES,
    )


def degrees_between(one: Sequence[float], other: Sequence[float]) -> float:
    """The angle between two axes, from 0 to 90 degrees.

    Whichever way B0 points along its axis, the field of a map is the same.
    """
    cosine = abs(np.dot(one, other)) / (np.linalg.norm(one) * np.linalg.norm(other))
    return math.degrees(math.acos(min(float(cosine), 1.0)))


def _measured(config: Config, one: QsmSubject) -> dict[str, float | None]:
    values = one.field[one.mask]
    return {
        "field_std": float(np.std(values, dtype=np.float64)) if values.size else None,
        "field_strength": config.field_strength or None,
    }


def _geometry(known: Domain, one: QsmSubject) -> list[str]:
    """Say where voxel size and direction of B0 lie outside a domain."""
    clauses = [domain.voxels_beyond(one.voxel_size, known["voxel_size"])]
    angle = degrees_between(one.b0_direction, known["b0_direction"])
    if angle > SAME_DEGREES:
        clauses.append(
            f"B0 along {_shown(one.b0_direction)}; the network was trained with B0 along "
            f"{_shown(known['b0_direction'])}: {angle:.0f} degrees from it"
        )
    return [clause for clause in clauses if clause]


def _shown(direction: Sequence[float]) -> str:
    return f"({', '.join(f'{part + 0.0:.2g}' for part in direction)})"


def _check_mask(one: QsmSubject, way: regrid.Passage) -> None:
    if not way.mask_there(one.mask).any():
        raise UserError(
            f"the mask of {one.name} has no voxel left on the grid of the network; expected one "
            "that is thicker than the network's voxels; drop --resample or leave the subject out"
        )
