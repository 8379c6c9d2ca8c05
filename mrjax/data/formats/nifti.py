"""Local fields, susceptibility maps and masks in NIfTI files, with their geometry.

`mrjax.data.formats.nifti_names` says which files make a subject, `mrjax.data.plausible` whether
they make sense.
"""

import dataclasses
from pathlib import Path

import nibabel as nib
import numpy as np

from mrjax.arrays import Grid, QsmSubject, Vector
from mrjax.data.formats import border, nifti_file, nifti_labels, nifti_names
from mrjax.data.intake import Intake
from mrjax.data.plausible import frames, places, spread
from mrjax.data.plausible.spread import GYROMAGNETIC_MHZ_PER_TESLA
from mrjax.errors import UserError

UNITS = ("ppm", "Hz", "rad")


def nifti(
    data_dir: Path,
    unit: str,
    *,
    field_strength: float = 0.0,
    echo_time: float = 0.0,
    intake: Intake | None = None,
) -> list[QsmSubject]:
    """All subjects below a folder, in the order of their names.

    Voxel size and the direction of B0 (the scanner's z axis in voxel axes) come from the frame of
    the field's header that leads to the scanner; volumes stay on their grid. The unit is the
    field's; a Chimap is in ppm by BIDS.

    Args:
        data_dir: folder, searched with all its subfolders.
        unit: of the field: ppm, Hz, or rad (phase accrued during the echo time).
        field_strength: B0 [T], for Hz and rad.
        echo_time: [s], for rad.
        intake: the run's account; by default one that accepts nothing and is not kept.

    Returns:
        One subject for every local field; chi is None where there is no Chimap, regions are None
        where there is no segmentation that can be used.

    Raises:
        UserError: unit missing or unknown, B0 or echo time missing, no such folder, no field in
            it, no mask for a field, two files for one purpose, or a volume that cannot be used or
            makes no sense.
    """
    intake = Intake() if intake is None else intake
    scale = ppm_per_unit(unit, field_strength=field_strength, echo_time=echo_time)
    others = spread.field_units(unit, field_strength=field_strength, echo_time=echo_time)
    border.require_directory(data_dir)
    groups = nifti_names.groups(data_dir, intake)
    if not groups:
        raise UserError(
            f"no local field in {data_dir}; expected files named *localfield*.nii.gz with "
            "*mask* and *Chimap* beside them; rename the files or correct --data_dir"
        )
    found = [
        _subject(name, files, scale, data_dir, intake) for name, files in sorted(groups.items())
    ]
    for one in found:
        border.check_spread(one, others, intake)
    return found


def ppm_per_unit(unit: str, *, field_strength: float = 0.0, echo_time: float = 0.0) -> float:
    """Return the factor that turns a field into ppm of B0.

    1 for ppm, 1 / (gamma B0) for Hz and 1 / (2 pi gamma B0 TE) for rad, with gamma in MHz/T.

    Args:
        unit: ppm, Hz or rad.
        field_strength: B0 [T].
        echo_time: [s].

    Returns:
        The factor [ppm per unit].

    Raises:
        UserError: unit missing or unknown, or B0 or echo time missing where it is needed.
    """
    if unit not in UNITS:
        raise UserError(f"the unit of the field is {unit!r}; expected ppm, Hz or rad; set --unit")
    if unit == "ppm":
        return 1.0
    if not 0.01 < field_strength < 30:
        raise UserError(
            f"--unit={unit} needs B0, not {field_strength} T; expected for example 3; "
            "set --field_strength"
        )
    hertz_per_ppm = GYROMAGNETIC_MHZ_PER_TESLA * field_strength
    if unit == "Hz":
        return 1.0 / hertz_per_ppm
    if not 0 < echo_time < 0.5:
        raise UserError(
            f"--unit=rad needs the echo time in seconds, not {echo_time}; expected for example "
            "0.025; set --echo_time"
        )
    return 1.0 / (2 * np.pi * hertz_per_ppm * echo_time)


def write_nifti(
    path: Path,
    volume: np.ndarray,
    voxel_size: Vector = (1.0, 1.0, 1.0),
    b0_direction: Vector = (0.0, 0.0, 1.0),
    affine: np.ndarray | None = None,
    grid: Grid | None = None,
    dtype: type = np.float32,
) -> None:
    """Write one volume: on a file's grid, or with voxel size and B0 direction.

    Args:
        path: ends with .nii or .nii.gz; its folder is made if absent.
        volume: [x y z].
        voxel_size: edge lengths [mm].
        b0_direction: unit vector in voxel axes; becomes the scanner's z axis.
        affine: voxel to scanner [mm]; instead of the two above.
        grid: of the file the volume belongs to; instead of the three above.
        dtype: in the file; on a grid always float32.
    """
    if grid is not None:
        nifti_file.write_on_grid(path, np.asarray(volume, np.float32), grid)
        return
    if affine is None:
        affine = np.eye(4)
        affine[:3, :3] = _rotation(b0_direction) * np.asarray(voxel_size)
    image = nib.Nifti1Image(np.asarray(volume, dtype=dtype), affine)
    image.header.set_xyzt_units("mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)


def _rotation(b0_direction: Vector) -> np.ndarray:
    """A right-handed rotation whose third row is b0_direction; the identity for (0, 0, 1)."""
    z = np.asarray(b0_direction, dtype=np.float64)
    z = z / np.sqrt((z * z).sum())
    helper = np.eye(3)[1] if abs(z[1]) < 0.9 else np.eye(3)[0]
    x = np.cross(helper, z)
    x /= np.sqrt((x * x).sum())
    return np.stack([x, np.cross(z, x), z])


def _subject(
    name: str, files: dict[str, Path], scale: float, root: Path, intake: Intake
) -> QsmSubject:
    if "mask" not in files:
        raise UserError(
            f"no mask for {files['field']}; expected a file *mask*.nii.gz of the same subject; "
            "add it"
        )
    read = {kind: nifti_file.read(path) for kind, path in files.items() if kind != "labels"}
    field = read["field"]
    frame = frames.scanner(field.path, field.header, field.raw, intake)
    on_grid = {k: places.turned_onto(v, field, intake) for k, v in read.items() if k != "field"}
    subject = border.checked_subject(
        name=name,
        field=np.asarray(field.volume, np.float64) * scale,
        chi=on_grid.get("chi"),
        mask=on_grid["mask"],
        voxel_size=frame.voxel_size,
        b0_direction=frame.b0_direction,
        intake=intake,
    )
    regions = None
    if "labels" in files:
        regions = nifti_labels.regions(files["labels"], field, root, intake)
    return dataclasses.replace(subject, affine=frame.affine, grid=field.grid, regions=regions)
