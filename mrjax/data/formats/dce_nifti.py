"""Dynamic contrast-enhanced series in NIfTI files.

<name>_dce.nii[.gz]     signal [x y z t], arbitrary units
<name>_mask.nii[.gz]    breast, above zero inside; may be absent
<name>_dce.json         {"VolumeTiming": [seconds of each volume]}, as BIDS has it; may be
absent where the header gives the time between volumes and its unit
"""

import json
from pathlib import Path

import nibabel as nib
import numpy as np

from mrjax.arrays import DcePatient, Vector
from mrjax.data.formats import border, dce
from mrjax.errors import UserError
from mrjax.runs import jsonfile

SERIES, MASK, TIMING = "_dce", "_mask", "VolumeTiming"
SUFFIXES = (".nii.gz", ".nii")
_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}


def dce_nifti(data_dir: Path) -> list[DcePatient]:
    """All series below a folder, in the order of their names.

    Volumes are turned (by whole quarter turns and flips) until x points to the right, y to the
    front and z up, with the affine turned along.

    Args:
        data_dir: folder, searched with all its subfolders.

    Returns:
        One patient for every series.

    Raises:
        UserError: no such folder, no series in it, no times, or a series that cannot be used.
    """
    border.require_directory(data_dir)
    paths = sorted(p for p in data_dir.rglob("*.nii*") if _stem(p).endswith(SERIES))
    if not paths:
        raise UserError(
            f"no series in {data_dir}; expected files <name>{SERIES}.nii.gz with <name>{MASK}"
            ".nii.gz beside them; rename the files or correct --data_dir"
        )
    return [_patient(path, data_dir) for path in paths]


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
        patient: gives the affine, or else the voxel size.
    """
    stored = volume.astype(np.uint8 if volume.dtype == bool else np.float32)
    affine = patient.affine
    if affine is None:
        affine = np.diag([*patient.voxel_size, 1.0])
    image = nib.Nifti1Image(stored, affine)
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def _stem(path: Path) -> str:
    for suffix in SUFFIXES:
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix)
    return ""


def _patient(path: Path, root: Path) -> DcePatient:
    stem = _stem(path).removesuffix(SERIES)
    masks = [m for s in SUFFIXES if (m := path.with_name(f"{stem}{MASK}{s}")).is_file()]
    image = _read(path)
    mask = _read(masks[0]) if masks else None
    if mask is not None and not np.allclose(_affine(mask), _affine(image), atol=1e-2):
        raise UserError(
            f"{masks[0]} lies elsewhere than {path}; expected equal affines; resample it to the "
            "grid of the series"
        )
    # A name becomes part of file names.
    name = (path.relative_to(root).parent / stem).as_posix().replace("/", "_")
    return dce.checked_patient(
        name=name,
        signal=np.asarray(image.dataobj, np.float64),
        seconds=_times(path, image),
        mask=None if mask is None else _volume(mask),
        voxel_size=_voxel_size(image),
        affine=_affine(image),
    )


def _read(path: Path) -> nib.Nifti1Image:
    try:
        image = nib.Nifti1Image.from_filename(path)
        np.asarray(image.dataobj)
        return nib.as_closest_canonical(image)
    except Exception as error:  # a damaged file raises nearly anything from nibabel
        raise UserError(
            f"{path} cannot be read; expected a NIfTI volume; write it again"
        ) from error


def _volume(image: nib.Nifti1Image) -> np.ndarray:
    volume = np.asarray(image.dataobj, np.float64)
    return volume[..., 0] if volume.ndim == 4 and volume.shape[3] == 1 else volume


def _affine(image: nib.Nifti1Image) -> np.ndarray:
    return np.asarray(image.affine, np.float64)


def _voxel_size(image: nib.Nifti1Image) -> Vector:
    columns = _affine(image)[:3, :3]
    x, y, z = (float(v) for v in np.sqrt((columns * columns).sum(axis=0)))
    return x, y, z


def _times(path: Path, image: nib.Nifti1Image) -> np.ndarray:
    """Seconds of each volume: from the file beside the series, else from its header."""
    beside = path.with_name(_stem(path) + ".json")
    if beside.is_file():
        content = jsonfile.read(beside, f"the {TIMING} of a series", "write it again")
        try:
            return np.asarray(content[TIMING], np.float64).ravel()
        except (KeyError, ValueError, TypeError):
            raise UserError(
                f"{beside} gives no {TIMING}; expected a list of seconds, one a volume; add it"
            ) from None
    unit = str(image.header.get_xyzt_units()[1])
    step = float(image.header["pixdim"][4]) * _SECONDS.get(unit, 0.0)  # type: ignore[index]
    if not step > 0:
        raise UserError(
            f"no times for {path}; expected {beside.name} with {TIMING}, or a header with the time "
            "between volumes and its unit; add the file"
        )
    return step * np.arange(image.shape[3] if image.ndim == 4 else 1)
