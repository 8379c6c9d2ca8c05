"""Slices in the layout of the variational network's public knee data (GLOBUS).

    <name>/<patient>/rawdata<slice>.mat   rawdata          [row column coil]   complex k-space
                                          padlength_left   columns of zero padding, optional
                                          padlength_right
    <name>/<patient>/espirit<slice>.mat   sensitivities    [row column coil]   complex
                                          reference        [row column]        complex
    <name>/masks/*_iPat4_masks.mat        mask             [row column]        0 or 1

Maps whose sum of squares is neither 1 nor 0 are divided by its root, and the reference, of which
they are the maps, is multiplied by it: coil images stay the same, and the norm of the operator
becomes 1. Patients and slices count from 1. The readout (rows) is twice oversampled unless the
matrix is square; the outer half is removed here, as the public code does before it computes
anything.

Source: VLOGroup/mri-variationalnetwork, mridata.py and mriutils.py.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.fft
import scipy.io

from mrjax.arrays import SenseSlice
from mrjax.data.formats import border, coil_maps, found, matlab, multicoil
from mrjax.data.formats.multicoil import checked_slice
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.physics import sampling

_LARGEST_ERROR = 0.1
"""Of a reference against the image of its k-space; regularised images differ by less."""
_LARGEST_SHARE = 0.15
"""Of the energy outside the field of view; legs go on there, where the coils see little."""


def patients(data_dir: Path, intake: Intake | None = None) -> list[Path]:
    """The patients' folders of one kind of scan, by number.

    Args:
        data_dir: the folder with the patients (`coronal_pd_fs`, say), or one above it.
        intake: the run's account; by default one that is not kept.

    Returns:
        Folders named by numbers, each with a `rawdata<slice>.mat`.

    Raises:
        UserError: no such folder, no patient in it, or several kinds of scans to choose from.
    """
    border.require_directory(data_dir)
    kinds = [data_dir, *sorted(p for p in data_dir.iterdir() if p.is_dir())]
    held_by = {kind: _numbered_folders(kind) for kind in kinds}
    used = [kind for kind in kinds if held_by[kind]]
    if len(used) != 1:
        held = ", ".join(kind.name for kind in used) or "none"
        raise UserError(
            f"folders in {data_dir} with patients: {held}; expected exactly one that holds "
            "1/rawdata1.mat and so on; point --data_dir at it"
        )
    for folder in _candidates(used[0]):
        if folder not in held_by[used[0]] and intake is not None:
            intake.note("patients' folders without rawdata<slice>.mat", folder.name)
    return held_by[used[0]]


def _candidates(kind: Path) -> list[Path]:
    return [p for p in kind.iterdir() if re.fullmatch(r"\d+", p.name) and p.is_dir()]


def _numbered_folders(kind: Path) -> list[Path]:
    folders = [p for p in _candidates(kind) if border.numbered(p, "rawdata")]
    return sorted(folders, key=lambda p: int(p.name))


def read(patient: Path, acceleration: int, intake: Intake | None = None) -> list[SenseSlice]:
    """All slices of one patient, by number.

    The mask is the one whose file name says `at<acceleration>`, or else the only one; it counts
    the columns of zero padding as acquired. Without mask files the slices have none and are
    undersampled like any fully sampled k-space.

    Args:
        patient: the folder.
        acceleration: chooses the mask file.
        intake: the run's account; by default one that accepts nothing and is not kept.

    Returns:
        Slices without the readout's oversampling, with maps and references of the files.

    Raises:
        UserError: a file or a variable missing, several masks none of which fits, arrays that do
            not fit together, or k-space with gaps that no mask of columns says.
    """
    intake = Intake() if intake is None else intake
    mask = _mask(patient.parent / "masks", acceleration, intake)
    numbered = border.numbered(patient, "rawdata")
    slices = [_slice(patient, number, path, mask, intake) for number, path in numbered]
    return [dataclasses.replace(one, volume=f"patient{patient.name}") for one in slices]


def _slice(
    patient: Path, number: int, path: Path, mask: np.ndarray | None, intake: Intake
) -> SenseSlice:
    espirit = patient / f"espirit{number}.mat"
    kspace = _coils_first(path, "rawdata", intake)
    if not np.iscomplexobj(kspace):
        raise UserError(
            f"variable rawdata of {path} holds real numbers; expected complex k-space; save the "
            "samples, not their magnitude"
        )
    maps = _coils_first(espirit, "sensitivities", intake)
    reference = matlab.read(espirit, "reference", matlab.COMPLEX, intake)
    name = f"patient{patient.name}_slice{number:02d}"
    maps, reference = coil_maps.normalised_with(name, maps, reference, intake)
    own = None if mask is None else _with_padding(path, mask, intake)
    # Checked before the oversampling is removed, so that messages name the sizes of the files.
    whole = checked_slice(name=name, kspace=kspace, maps=maps, reference=reference, mask=own)
    _check_complete(whole, intake)
    rows, columns = kspace.shape[1:]
    if rows == columns:
        return whole
    _check_oversampling(whole, intake)
    return checked_slice(
        name=name,
        kspace=sampling.crop_readout(whole.kspace),
        maps=sampling.remove_oversampling(maps),
        reference=sampling.remove_oversampling(reference),
        mask=own,
    )


def _check_complete(found: SenseSlice, intake: Intake) -> None:
    """Say so where k-space has gaps, since the layout's reference is that of complete k-space."""
    gaps = multicoil.look(found.name, found.kspace, intake)
    coil_maps.compare(found.name, found.kspace, found.maps, gaps, intake)
    if gaps is None:
        _compare(found, intake)
    else:
        intake.note(
            "columns of k-space are missing, though the layout's are complete; the reference of "
            "the file counts",
            f"{found.name} ({np.count_nonzero(~gaps)} of {gaps.size})",
        )


def _compare(found: SenseSlice, intake: Intake) -> None:
    """Say so where the file's reference is not the image of its k-space and maps."""
    axes = (1, 2)  # scipy's transform is fast, and no result depends on these bits
    shifted = np.asarray(scipy.fft.ifft2(np.fft.ifftshift(found.kspace, axes), norm="ortho"))
    image = np.sum(np.conj(found.maps) * np.fft.fftshift(shifted, axes), axis=0)
    assert found.reference is not None
    length = max(float(np.linalg.norm(found.reference)), 1e-30)
    error = float(np.linalg.norm(image - found.reference)) / length
    if not error <= _LARGEST_ERROR:
        intake.note(
            "references differ from the image of their k-space and maps; those of the file count",
            f"{found.name} by {100 * error:.0f} %",
        )


def _check_oversampling(whole: SenseSlice, intake: Intake) -> None:
    """Say so where the rows that are removed as oversampling hold much of the image."""
    assert whole.reference is not None
    kept = np.linalg.norm(sampling.remove_oversampling(whole.reference))
    share = 1 - float(kept / np.linalg.norm(whole.reference)) ** 2
    if share > _LARGEST_SHARE:
        intake.note(
            "the outer half of the rows, which is removed as readout oversampling, holds a part "
            "of the image's energy; expected twice oversampled rows unless the matrix is square",
            f"{whole.name} ({100 * share:.0f} %)",
        )


def _coils_first(path: Path, key: str, intake: Intake) -> np.ndarray:
    stored = matlab.read(path, key, matlab.COMPLEX, intake)
    if stored.ndim == 2:  # MATLAB drops the axis of a single coil
        stored = stored[:, :, None]
    if stored.ndim != 3:
        raise UserError(
            f"variable {key} of {path} has {stored.ndim} axes; expected row, column and coil; "
            "save it again"
        )
    return np.moveaxis(stored, 2, 0)


def _with_padding(path: Path, mask: np.ndarray, intake: Intake) -> np.ndarray:
    left, right = (_scalar(path, f"padlength_{side}", intake) for side in ("left", "right"))
    columns = np.arange(len(mask))
    return mask | (columns < left) | (columns >= len(mask) - right)


def _scalar(path: Path, key: str, intake: Intake) -> int:
    stored = matlab.read_optional(path, key, intake=intake)
    if stored is None or stored.size == 0:
        return 0
    if not np.isfinite(stored.flat[0]):
        raise UserError(
            f"{key} of {path} is {stored.flat[0]}; expected a number of columns; write the file "
            "again"
        )
    return int(stored.flat[0])


def _mask(folder: Path, acceleration: int, intake: Intake) -> np.ndarray | None:
    files = found.inside(folder, (".mat",)) if folder.is_dir() else []
    if not files:
        return None
    fitting = [p for p in files if re.search(rf"at{acceleration}(?!\d)", p.name, re.I)]
    chosen = fitting if fitting else files
    if len(chosen) != 1:
        raise UserError(
            f"{len(files)} masks in {folder}, {len(fitting)} of them for acceleration "
            f"{acceleration}; expected one named *at{acceleration}*.mat; change --acceleration or "
            "rename the file"
        )
    mask = np.atleast_2d(matlab.read(chosen[0], "mask", intake=intake)) > 0
    if mask.ndim != 2 or (mask != mask[:1]).any():
        raise UserError(
            f"the mask of {chosen[0]} is not the same on all rows; expected rows (readout) x "
            "columns (phase encoding) with whole columns acquired; transpose or replace it"
        )
    return mask[0]


def write_hammernik(slices: Sequence[SenseSlice], data_dir: Path) -> None:
    """Write every slice as a patient of its own, numbered from 1 in their order.

    The readout is oversampled again, so what is read back is equal up to rounding (square slices:
    bit for bit).

    Args:
        slices: fully sampled, with references.
        data_dir: folder to write into; made if absent.

    Raises:
        UserError: a slice without a reference, or whose oversampled matrix would be square.
    """
    for number, one in enumerate(slices, 1):
        reference = _reference(one)
        folder = data_dir / "synthetic" / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        kspace, maps = one.kspace, one.maps
        rows, columns = kspace.shape[1:]
        if rows != columns:
            kspace = _oversampled(kspace)
            maps = sampling.add_oversampling(maps, 2 * rows)
            reference = sampling.add_oversampling(reference, 2 * rows)
        raw = {"rawdata": np.moveaxis(kspace, 0, 2)}
        espirit = {"sensitivities": np.moveaxis(maps, 0, 2), "reference": reference}
        scipy.io.savemat(folder / "rawdata1.mat", raw)
        scipy.io.savemat(folder / "espirit1.mat", espirit)


def _oversampled(kspace: np.ndarray) -> np.ndarray:
    """What :func:`mrjax.physics.sampling.crop_readout` crops to the given k-space."""
    shifted = np.fft.ifftshift(kspace.astype(np.complex128), axes=-2)
    images = np.fft.fftshift(np.fft.ifft(shifted, axis=-2, norm="ortho"), axes=-2)
    padded = sampling.add_oversampling(images, 2 * kspace.shape[-2])
    shifted = np.fft.fft(np.fft.ifftshift(padded, axes=-2), axis=-2, norm="ortho")
    return np.fft.fftshift(shifted, axes=-2).astype(np.complex64)


def _reference(one: SenseSlice) -> np.ndarray:
    rows, columns = one.kspace.shape[1:]
    if one.reference is None:
        raise UserError(
            f"slice {one.name} has no reference; expected one in the Hammernik layout; "
            "write fully sampled slices"
        )
    if 2 * rows == columns:
        raise UserError(
            f"slice {one.name} has {rows} rows of {columns} columns, which the Hammernik layout "
            "cannot say (a square matrix is not oversampled); expected other sizes; change --rows"
        )
    return one.reference
