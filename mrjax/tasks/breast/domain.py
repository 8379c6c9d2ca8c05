"""The domain of a breast network: size and place of its slices, times and spread of its images."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrjax.arrays import DcePatient
from mrjax.data import regrid
from mrjax.data.breast_slices import images, time_points
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.tasks import domain
from mrjax.tasks.breast.config import Config
from mrjax.tasks.domain import Domain, Property

PROPERTIES = {
    "slice_distance": Property("slices at a distance", "mm", 2.0),
    "tilt": Property("axes turned from right, front and top", "degrees", 15.0),
    "early": Property("a volume after contrast at a time", "s", 1.5),
    "late": Property("a last volume at a time", "s", 1.5),
    "spread": Property("images with a standard deviation, relative to the body's intensity,",
                       "", 2.0),
}  # fmt: skip
NAMES = ("voxel_size", *PROPERTIES)
WITHOUT_SIZES = ("mat",)
"""Layouts that do not say how large voxels are."""


def record(config: Config, train: Sequence[DcePatient]) -> dict[str, Any]:
    """The domain of a network that is trained with these patients."""
    seen = [[domain.rounded(edge) for edge in _edges(config, one)] for one in train]
    spans = [[min(along), max(along)] for along in zip(*seen, strict=True)]
    return {
        "voxel_size": None if config.dataset in WITHOUT_SIZES else spans,
        **domain.ranges(_measured(config, one) for one in train),
    }


def look(config: Config, known: Domain | None, test: Sequence[DcePatient], account: Intake) -> None:
    """Note which held-out patients lie outside a domain, and which of them are brought into it.

    Args:
        config: configuration of the run.
        known: the domain of the network; None where it is not recorded.
        test: held-out patients.
        account: gets the notes.

    Raises:
        UserError: a patient should be brought into the domain and cannot be.
    """
    if known is None:
        domain.unknown(config.from_run, config.resample, account)
        return
    _check_sizes(config, known, account)
    for one in test:
        voxels = _voxels(config, known, one)
        domain.place(config, one.name, voxels, passage(config, known, one), account)
        domain.tell(one.name, domain.beyond(PROPERTIES, known, _measured(config, one)), account)


def passage(config: Config, known: Domain | None, one: DcePatient) -> regrid.Passage | None:
    """How the slices of a patient get voxels of a domain, of the nearest size that it has.

    The distance of slices stays, since the network sees one slice at a time.

    Args:
        config: configuration of the run.
        known: the domain of the network.
        one: the patient.

    Returns:
        The passage; None where the slices stay as they are, as all do without ``--resample``.
    """
    if not config.resample or known is None or not _voxels(config, known, one):
        return None
    x, y = np.clip(_edges(config, one), *np.transpose(known["voxel_size"]))
    shape, own = one.signal.shape[:3], one.voxel_size
    return regrid.passage(shape, own, (float(x), float(y), own[2]))


def _edges(config: Config, one: DcePatient) -> tuple[float, float]:
    """In-plane edges of the voxels that the network sees [mm]."""
    return one.voxel_size[0] * config.shrink, one.voxel_size[1] * config.shrink


def _voxels(config: Config, known: Domain, one: DcePatient) -> list[str]:
    if config.dataset in WITHOUT_SIZES or known["voxel_size"] is None:
        return []
    clause = domain.voxels_beyond(_edges(config, one), known["voxel_size"])
    return [clause] if clause else []


def _check_sizes(config: Config, known: Domain, account: Intake) -> None:
    """Say where sizes of voxels cannot be compared, or UserError where they must be."""
    if config.dataset in WITHOUT_SIZES:
        what = f"the files of --dataset={config.dataset} do not say how large voxels are"
    elif known["voxel_size"] is None:
        what = f"the network in {config.from_run} was trained with voxels of unknown size"
    else:
        return
    if config.resample:
        raise UserError(
            f"{what}, so --resample does not know what to bring to what; expected voxel sizes of "
            "both, as NIfTI files have them; drop --resample"
        )
    if config.steps == 0:
        account.note(f"{what}: whether the network fits them is not known")


def _measured(config: Config, one: DcePatient) -> dict[str, float | None]:
    first, early, late = (float(one.times[index]) for index in time_points(one.times.tolist()))
    return {
        "slice_distance": None if config.dataset in WITHOUT_SIZES else one.voxel_size[2],
        "tilt": _tilt(one),
        "early": early - first,
        "late": late - first,
        "spread": float(np.std(images(one, config.shrink), dtype=np.float64)),
    }


def _tilt(one: DcePatient) -> float | None:
    """The largest angle of an axis from the scanner's [degrees]; None where it is not known."""
    if one.affine is None:
        return None
    axes = one.affine[:3, :3] / np.linalg.norm(one.affine[:3, :3], axis=0)
    return float(np.degrees(np.arccos(np.clip(np.diag(axes).min(), -1, 1))))
