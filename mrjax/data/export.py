"""Subjects written in the formats that `--dataset` reads, to exchange them or to try a format."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mrjax.arrays import QsmSubject
from mrjax.data.formats import (
    bart,
    fastmri,
    hammernik,
    ismrmrd,
    nifti,
    nifti_labels,
    qsmnet,
    qsmnet_hdf5,
)
from mrjax.data.synthetic import SliceSplit, Split
from mrjax.errors import UserError

FORMATS = ("qsmnet_mat", "qsmnet_hdf5", "nifti")
SLICE_FORMATS = ("hammernik", "fastmri", "ismrmrd", "bart")


def write(
    name: str,
    split: Split,
    data_dir: Path,
    *,
    patch: int = 32,
    per_axis: int | Sequence[int] = 2,
) -> None:
    """Write training and test subjects so that `--dataset=<name> --data_dir=...` reads them back.

    For nifti the subjects are numbered, training first: `--n_test` then finds the same split.

    Args:
        name: one of `FORMATS`.
        split: (training, test) subjects.
        data_dir: an empty or absent folder.
        patch: qsmnet_hdf5: edge of a patch [voxels].
        per_axis: qsmnet_hdf5: patches along each axis.

    Raises:
        UserError: unknown format, a folder with something in it or that cannot be written, or
            subjects that the format cannot hold.
    """
    _require_known(name, FORMATS)
    require_empty(data_dir)
    train, test = split
    if name == "qsmnet_mat":
        qsmnet.write_qsmnet_mat(train, data_dir, test=test)
    elif name == "qsmnet_hdf5":
        file = f"Train/Training_data_patch/training_data_patch_QSMnet_{patch}.hdf5"
        qsmnet_hdf5.write_qsmnet_patches(data_dir / file, train, patch, per_axis)
        qsmnet.write_qsmnet_mat([], data_dir, test=test)
    else:
        _write_nifti([*train, *test], data_dir)


def _write_nifti(subjects: Sequence[QsmSubject], data_dir: Path) -> None:
    for number, subject in enumerate(subjects, 1):
        stem = f"sub-{number:04d}"
        volumes = {"localfield": subject.field, "mask": subject.mask, "Chimap": subject.chi}
        for kind, volume in volumes.items():
            if volume is None:
                continue
            nifti.write_nifti(
                data_dir / stem / f"{stem}_{kind}.nii.gz",
                volume,
                subject.voxel_size,
                subject.b0_direction,
            )
        if subject.regions is not None:
            _write_regions(data_dir, stem, subject)


def _write_regions(data_dir: Path, stem: str, subject: QsmSubject) -> None:
    """Write a segmentation of BIDS; the names of all subjects' labels stand in one table."""
    assert subject.regions is not None
    path = data_dir / stem / f"{stem}_dseg.nii.gz"
    place = (subject.voxel_size, subject.b0_direction)
    nifti.write_nifti(path, subject.regions.labels, *place, dtype=np.int16)
    nifti_labels.write_names(data_dir / "dseg.tsv", subject.regions.names)


def write_slices(name: str, split: SliceSplit, data_dir: Path) -> None:
    """Write multi-coil slices so that `--dataset=<name> --data_dir=...` reads them back.

    Every slice is a patient or a file of its own, training ones first: `--n_test` then finds the
    same split.

    Args:
        name: one of `SLICE_FORMATS`.
        split: (training, test) slices.
        data_dir: an empty or absent folder.

    Raises:
        UserError: unknown format, a folder with something in it or that cannot be written, or
            slices that the format cannot hold.
    """
    _require_known(name, SLICE_FORMATS)
    require_empty(data_dir)
    slices = [*split[0], *split[1]]
    if name == "hammernik":
        hammernik.write_hammernik(slices, data_dir)
    elif name == "bart":
        bart.write_bart(slices, data_dir)
    else:
        writer = fastmri.write_fastmri if name == "fastmri" else ismrmrd.write_ismrmrd
        for number, one in enumerate(slices, 1):
            writer([one], data_dir / f"file{number:04d}.h5")


def _require_known(name: str, formats: Sequence[str]) -> None:
    if name not in formats:
        raise UserError(
            f"unknown format {name!r}; expected one of {', '.join(formats)}; change --write"
        )


def require_empty(data_dir: Path) -> None:
    """Make a folder, or UserError where it has something in it or cannot be written.

    Subjects are found by name, so an older one would be taken for a part of the new set.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        occupied = any(data_dir.iterdir())
    except OSError as error:
        raise UserError(
            f"cannot write to {data_dir} ({error.strerror}); expected a writable folder; "
            "choose another --data_dir"
        ) from error
    if occupied:
        raise UserError(
            f"{data_dir} is not empty; expected an empty or absent folder; "
            "choose another --data_dir"
        )
