"""Dynamic contrast-enhanced series in NIfTI files.

<name>_dce.nii[.gz]     signal [x y z t], arbitrary units
<name>_mask.nii[.gz]    breast, two values; may be absent
<name>_dce.json         {"VolumeTiming": [seconds of each volume]}, as BIDS has it; may be
                        absent where the header gives the time between volumes and its unit
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from mrjax.arrays import DcePatient
from mrjax.data.formats import border, dce, found, nifti_file, nifti_names
from mrjax.data.intake import Intake, shown
from mrjax.data.plausible import frames, places
from mrjax.data.words import text
from mrjax.errors import UserError
from mrjax.runs import jsonfile

SERIES, MASK, TIMING = "_dce", "_mask", "VolumeTiming"
_SECONDS = {8: 1.0, 16: 1e-3, 24: 1e-6}
"""Of the codes that a header has for units of time."""


def dce_nifti(data_dir: Path, intake: Intake | None = None) -> list[DcePatient]:
    """All series below a folder, in the order of their names.

    Volumes are turned (by whole quarter turns and flips) until x points to the right, y to the
    front and z up, with the affine turned along.

    Args:
        data_dir: folder, searched with all its subfolders.
        intake: the run's account; by default one that accepts nothing and is not kept.

    Returns:
        One patient for every series.

    Raises:
        UserError: no such folder, no series in it, no times, two files for one
            purpose, or a series that cannot be used.
    """
    intake = Intake() if intake is None else intake
    border.require_directory(data_dir)
    paths = found.below(data_dir, nifti_file.SUFFIXES, intake)
    files: dict[tuple[Path, str], Path] = {}
    for path in paths:
        stem = nifti_file.stem(path)
        first = files.setdefault((path.parent, stem), path)
        for ending, kind in ((SERIES, "series"), (MASK, "mask")):
            if first != path and stem.endswith(ending):
                raise nifti_names.both(first, path, kind, stem.removesuffix(ending))
    series = {key: path for key, path in files.items() if key[1].endswith(SERIES)}
    if not series:
        raise UserError(
            f"no series in {data_dir}; expected files <name>{SERIES}.nii.gz with <name>{MASK}"
            ".nii.gz beside them; rename the files or correct --data_dir"
        )
    masks = {key: _mask_key(key) for key in series}
    _account(data_dir, files, {*series, *masks.values()}, intake)
    return [read(path, files.get(masks[key]), data_dir, intake) for key, path in series.items()]


def _mask_key(key: tuple[Path, str]) -> tuple[Path, str]:
    return key[0], key[1].removesuffix(SERIES) + MASK


def _account(
    root: Path,
    files: Mapping[tuple[Path, str], Path],
    used: set[tuple[Path, str]],
    intake: Intake,
) -> None:
    """Say which files are used for nothing."""
    rest = {key: p.relative_to(root).as_posix() for key, p in files.items() if key not in used}
    for key, name in rest.items():
        if key[1].endswith(MASK):
            intake.leave_out(name, f"a mask without a series *{SERIES}.nii.gz")
    others = [name for key, name in rest.items() if not key[1].endswith(MASK)]
    if others:
        intake.note(
            f"{len(others)} NIfTI files are not used, since their names do not end in {SERIES} or "
            f"{MASK}: {shown(others)}"
        )


def write_dce_nifti(patient: DcePatient, folder: Path) -> None:
    """Write one patient: series, times and, where there is one, mask.

    Args:
        patient: to write.
        folder: made if absent.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_volume(folder / f"{patient.name}{SERIES}.nii.gz", patient.signal, patient)
    timing = json.dumps({TIMING: patient.times.tolist()}, indent=1)
    (folder / f"{patient.name}{SERIES}.json").write_text(timing + "\n")
    if patient.mask is not None:
        write_volume(folder / f"{patient.name}{MASK}.nii.gz", patient.mask, patient)


def write_volume(path: Path, volume: np.ndarray, patient: DcePatient) -> None:
    """Write a volume that lies where a patient's series does.

    Args:
        path: ends with .nii or .nii.gz.
        volume: [x y z] or [x y z t]; masks become bytes, all else float32.
        patient: gives the file's grid, or else the affine, or else the voxel size.
    """
    if patient.grid is not None and volume.ndim == 3:
        nifti_file.write_on_grid(path, volume, patient.grid)
        return
    stored = volume.astype(np.uint8 if volume.dtype == bool else np.float32)
    affine = patient.affine
    if affine is None:
        affine = np.diag([*patient.voxel_size, 1.0])
    image = nib.Nifti1Image(stored, affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def read(path: Path, mask: Path | None, root: Path, intake: Intake) -> DcePatient:
    """Read one series.

    Args:
        path: of the series, below `root`.
        mask: of the breast, on its grid, or None.
        root: folder from which the patient's name begins.
        intake: the run's account.

    Raises:
        UserError: no times, or a series or mask that cannot be used.
    """
    file = nifti_file.read(path)
    frame = frames.anatomical(path, file.header, file.raw, intake)
    turn, affine, _ = places.upright(frame.affine, file.volume.shape[:3])
    signal = nib.orientations.apply_orientation(file.volume, turn)
    turned_frame = frames.Frame(frame.name, frame.code, affine)
    own = None if mask is None else places.turned_onto(nifti_file.read(mask), file, intake)
    if own is not None and own.ndim == 3:
        own = nib.orientations.apply_orientation(own, turn)
    stem = nifti_file.stem(path).removesuffix(SERIES)
    # A name becomes part of file names.
    name = (path.relative_to(root).parent / stem).as_posix().replace("/", "_")
    return dce.checked_patient(
        name=text(name),
        signal=signal,
        seconds=_times(path, file, intake),
        mask=own,
        voxel_size=turned_frame.voxel_size,
        affine=affine,
        grid=dataclasses.replace(file.grid, turned=turn),
        intake=intake,
    )


def _times(path: Path, file: nifti_file.File, intake: Intake) -> np.ndarray:
    """Seconds of each volume: from the file beside the series, else from its header."""
    beside = path.with_name(nifti_file.stem(path) + ".json")
    if beside.is_file():
        content = jsonfile.read(beside, f"the {TIMING} of a series", "write it again")
        if TIMING in content:
            return _listed(beside, content[TIMING])
    step = float(file.header["pixdim"][4]) * _seconds_per_unit(file.header)
    if not step > 0:
        raise UserError(
            f"no times for {path}; expected {beside.name} with {TIMING}, or a header with the time "
            "between volumes and its unit; add the file"
        )
    intake.note(
        f"the times of {path} come from the {step:g} s between volumes in its header, which some "
        f"converters fill with the repetition time; {beside.name} with {TIMING} would be sure"
    )
    return step * np.arange(file.volume.shape[3] if file.volume.ndim == 4 else 1)


def _listed(path: Path, times: Any) -> np.ndarray:
    try:
        found = np.asarray(times, np.float64)
    except (ValueError, TypeError):
        found = np.empty(())
    if found.ndim != 1:
        raise UserError(
            f"{TIMING} of {path} is no list of numbers; expected the seconds of each volume; "
            "correct it, or remove it if the header of the series gives the time between volumes"
        )
    return found


def _seconds_per_unit(header: Any) -> float:
    """Of times in a header; 0 where its code stands for no unit of time."""
    return _SECONDS.get(int(header["xyzt_units"]) & 0x38, 0.0)
