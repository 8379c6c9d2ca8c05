"""Local fields, susceptibility maps and masks in NIfTI files, with their geometry.

Files of a subject are found by name, in any case: `localfield` (SEPIA, QSM-CI) or `fieldmap-local`
(qsm-forward), `Chimap` (BIDS) and `mask`. They belong together by their `sub-<label>[_ses-<label>]`
or else by folder and by what stands before those words: a_localfield.nii.gz and a_mask.nii.gz.
"""

import dataclasses
import re
from pathlib import Path

import nibabel as nib
import numpy as np

from mrjax.arrays import QsmSubject, Vector
from mrjax.data.formats import border
from mrjax.errors import UserError

# Proton in water (CODATA 2022, shielded), per 2 pi.
GYROMAGNETIC_MHZ_PER_TESLA = 42.57638543
UNITS = ("ppm", "Hz", "rad")

_KINDS = re.compile(r"(?P<field>localfield|fieldmap-local)|(?P<chi>chimap)|(?P<mask>mask)", re.I)
_BIDS = re.compile(r"sub-[A-Za-z0-9]+(_ses-[A-Za-z0-9]+)?")


def nifti(
    data_dir: Path, unit: str, *, field_strength: float = 0.0, echo_time: float = 0.0
) -> list[QsmSubject]:
    """All subjects below a folder, in the order of their names.

    Voxel size and the direction of B0 (the scanner's z axis in voxel axes) come from the affine;
    volumes stay on their grid. The unit is the field's; a Chimap is in ppm by BIDS.

    Args:
        data_dir: folder, searched with all its subfolders.
        unit: of the field: ppm, Hz, or rad (phase accrued during the echo time).
        field_strength: B0 [T], for Hz and rad.
        echo_time: [s], for rad.

    Returns:
        One subject for every local field; chi is None where there is no Chimap.

    Raises:
        UserError: unit missing or unknown, B0 or echo time missing, no such folder, no field in
            it, no mask for a field, two files for one purpose, or a volume that cannot be used.
    """
    scale = ppm_per_unit(unit, field_strength=field_strength, echo_time=echo_time)
    border.require_directory(data_dir)
    groups = _groups(data_dir)
    if not groups:
        raise UserError(
            f"no local field in {data_dir}; expected files named *localfield*.nii.gz with "
            "*mask* and *Chimap* beside them; rename the files or correct --data_dir"
        )
    return [_subject(name, files, scale) for name, files in sorted(groups.items())]


def ppm_per_unit(unit: str, *, field_strength: float = 0.0, echo_time: float = 0.0) -> float:
    """What a field is multiplied by to become ppm of B0.

    Hz / (gamma B0) and rad / (2 pi gamma B0 TE), with gamma in MHz/T.

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
) -> None:
    """Write one volume as float32, with an affine that carries voxel size and B0 direction.

    Args:
        path: ends with .nii or .nii.gz; its folder is made if absent.
        volume: [x y z].
        voxel_size: edge lengths [mm].
        b0_direction: unit vector in voxel axes; becomes the scanner's z axis.
        affine: voxel to scanner [mm], of the file the volume belongs to; instead of the two above.
    """
    if affine is None:
        affine = np.eye(4)
        affine[:3, :3] = _rotation(b0_direction) * np.asarray(voxel_size)
    image = nib.Nifti1Image(np.asarray(volume, dtype=np.float32), affine)
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


def _groups(data_dir: Path) -> dict[str, dict[str, Path]]:
    """Subject name -> purpose (field, chi, mask) -> file, for subjects that have a field."""
    groups: dict[str, dict[str, Path]] = {}
    for path in sorted(data_dir.rglob("*.nii*")):
        match = _KINDS.search(path.name)
        if not match or not path.name.endswith((".nii", ".nii.gz")):
            continue
        kind, name = str(match.lastgroup), _name(path, data_dir, match.start())
        other = groups.setdefault(name, {}).setdefault(kind, path)
        if other != path:
            raise UserError(
                f"{other} and {path} are both the {kind} of {name}; expected one; "
                "move the other out of --data_dir"
            )
    return {name: files for name, files in groups.items() if "field" in files}


def _name(path: Path, root: Path, start: int) -> str:
    relative = path.relative_to(root)
    bids = _BIDS.search(path.name) or _BIDS.search(relative.parent.as_posix())
    if bids:
        return bids[0]
    name = (relative.parent / path.name[:start].rstrip("_-.")).as_posix().strip("./")
    return name.replace("/", "_") or root.name  # a name becomes part of file names


def _subject(name: str, files: dict[str, Path], scale: float) -> QsmSubject:
    if "mask" not in files:
        raise UserError(
            f"no mask for {files['field']}; expected a file *mask*.nii.gz of the same subject; "
            "add it"
        )
    volumes, affines = {}, {}
    for kind, path in files.items():
        volumes[kind], affines[kind] = _read(path)
    _check_places(files, affines, {kind: v.shape for kind, v in volumes.items()})
    voxel_size, b0_direction = _geometry(affines["field"])
    subject = border.checked_subject(
        name=name,
        field=volumes["field"] * scale,
        chi=volumes.get("chi"),
        mask=volumes["mask"],
        voxel_size=voxel_size,
        b0_direction=b0_direction,
    )
    return dataclasses.replace(subject, affine=affines["field"])


def _check_places(
    files: dict[str, Path], affines: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]]
) -> None:
    for kind, path in files.items():
        same_grid = shapes[kind] == shapes["field"]  # other shapes are refused later, by name
        if same_grid and not np.allclose(affines[kind], affines["field"], atol=1e-2):
            raise UserError(
                f"{path} lies elsewhere than {files['field']}; expected equal affines; "
                "resample it to the field's grid"
            )


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Volume [x y z] in the file's unit, and its voxel-to-scanner affine [mm]."""
    try:
        image = nib.Nifti1Image.from_filename(path)
        volume = np.asarray(image.dataobj, dtype=np.float64)
    except Exception as error:  # a damaged file raises nearly anything from nibabel
        raise UserError(
            f"{path} cannot be read; expected a NIfTI volume; write it again"
        ) from error
    if volume.ndim == 4 and volume.shape[3] == 1:
        volume = volume[..., 0]
    return volume, np.asarray(image.affine, dtype=np.float64)


def _geometry(affine: np.ndarray) -> tuple[Vector, Vector]:
    """Voxel size [mm] and B0 (scanner z) in voxel axes, from a voxel-to-scanner affine."""
    size = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    direction = affine[2, :3] / size
    direction = direction / np.sqrt((direction * direction).sum()) + 0.0  # no minus zero
    x, y, z = (float(v) for v in size)
    return (x, y, z), (float(direction[0]), float(direction[1]), float(direction[2]))
