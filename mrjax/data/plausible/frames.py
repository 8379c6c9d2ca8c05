"""Where a NIfTI volume lies in the scanner: which frame of its header to trust, and whether.

A header may hold two frames, `qform` and `sform`, each with a code that says what it leads to: 1
the scanner, 2 another scan, 3 to 5 a template. The direction of B0 is the scanner's z axis, so a
frame that leads elsewhere gives a wrong one without any other sign.

Source: nifti.nimh.nih.gov, nifti1.h, "3D IMAGE (VOLUME) ORIENTATION AND LOCATION IN SPACE".
"""

from typing import Any, NamedTuple

import nibabel as nib
import numpy as np

from mrjax.arrays import Vector
from mrjax.data.intake import Intake
from mrjax.errors import UserError

SCANNER, OTHER_SCAN = 1, 2
SMALLEST_MM, LARGEST_MM = 0.1, 10.0
LARGEST_COSINE = 1e-3
"""Of the angle between two axes; rounding gives 1e-6, and a shear of this much 0.1 %."""
_SAME_DIRECTION, _SAME_LENGTH = 1e-3, 1e-2
_ROUNDING = 1e-3
"""Headers hold float32, and the lengths of oblique axes are sums of squares of such numbers."""
_MM = {"meter": 1e3, "mm": 1.0, "micron": 1e-3, "unknown": 1.0}
_UNITS = {1: "meter", 2: "mm", 3: "micron"}
_LEADS_TO = {1: "the scanner", 2: "another scan", 3: "Talairach space", 4: "MNI space"}


class Frame(NamedTuple):
    """One way of a header from voxel indices to millimetres.

    Attributes:
        name: qform, sform, or "no frame" where the header has only voxel sizes.
        code: what it leads to; 0 for none.
        affine: voxel indices to its space [mm].
    """

    name: str
    code: int
    affine: np.ndarray

    @property
    def voxel_size(self) -> Vector:
        """Edge lengths [mm]."""
        x, y, z = (float(n) for n in _lengths(self.affine))
        return x, y, z

    @property
    def b0_direction(self) -> Vector:
        """The z axis of its space in voxel axes, a unit vector."""
        direction = self.affine[2, :3] / _lengths(self.affine)
        x, y, z = (float(v) for v in direction / np.sqrt((direction * direction).sum()) + 0.0)
        return x, y, z  # adding 0.0 left no minus zero


def scanner(path: object, header: Any, raw: Any, intake: Intake) -> Frame:
    """The frame that leads to the scanner, checked.

    Args:
        path: of the file, for messages.
        header: nibabel's NIfTI header.
        raw: the same as it stands in the file; nibabel repairs voxel sizes of zero when it reads.
        intake: the run's account.

    Returns:
        The frame of code 1, else 2, else (if accepted) of a template; sform before qform.

    Raises:
        UserError: no frame that can be used, two that contradict each other, or one that the user
            has not accepted.
    """
    found = usable(path, header, raw, intake)
    best = found[0]
    _check_kind(path, found, intake)
    _check_shear(path, best, intake)
    _check_voxels(path, best, unit(header), intake)
    return best


def anatomical(path: object, header: Any, raw: Any, intake: Intake) -> Frame:
    """The most trustworthy frame that says where right, front and top are; an atlas's will do.

    Args: as :func:`scanner`.

    Raises:
        UserError: the header has no usable frame, or the frame raises a doubt (shear, implausible
            voxels, another frame that contradicts it) that the user has not accepted.
    """
    found = usable(path, header, raw, intake)
    best = found[0]
    for other in found[1:]:
        _check_axes(path, best, other, intake)
    if best.code == 0:
        intake.note(f"the header of {path} names no frame: axes run to the left, front and top")
    _check_shear(path, best, intake)
    _check_voxels(path, best, unit(header), intake)
    return best


def unit(header: Any) -> str:
    """The unit of lengths: meter, mm, micron, or unknown, which any other code counts as."""
    return _UNITS.get(int(header["xyzt_units"]) & 7, "unknown")


def usable(path: object, header: Any, raw: Any, intake: Intake) -> list[Frame]:
    """All frames of a header that are not degenerate, the most trustworthy first.

    Args: as :func:`scanner`.

    Raises:
        UserError: there is none.
    """
    sized = bool((np.asarray(raw["pixdim"][1:4], np.float64) > 0).all())
    codes = {name: int(header[f"{name}_code"]) for name in ("sform", "qform")}
    coded = [name for name, code in codes.items() if code > 0] or ["no frame"]
    found, broken = [], []
    for name in coded:
        affine = _affine(header, name)
        good = affine is not None and _is_invertible(affine) and (name == "sform" or sized)
        (found if good else broken).append(Frame(name, codes.get(name, 0), affine))  # type: ignore[arg-type]
    if not found:
        names = " and ".join(broken_one.name for broken_one in broken)
        raise UserError(
            f"the header of {path} says nothing of where its voxels lie ({names}: zero, singular, "
            "NaN or without voxel sizes); expected an affine or three voxel sizes; write the "
            "header again from the scanner's images"
        )
    for one in broken:
        intake.note(f"the {one.name} of {path} is singular or NaN; its {found[0].name} is used")
    return sorted(found, key=_rank)


def _rank(frame: Frame) -> tuple[int, bool]:
    order = {SCANNER: 0, OTHER_SCAN: 1, 0: 2}
    return order.get(frame.code, 3), frame.name != "sform"


def _affine(header: Any, name: str) -> np.ndarray | None:
    mm = _MM[unit(header)]
    try:
        found = {
            "sform": lambda: header.get_sform(),
            "qform": lambda: header.get_qform(),
            "no frame": lambda: header.get_base_affine(),
        }[name]()
    except ValueError:  # a quaternion longer than 1
        return None
    return np.diag([mm, mm, mm, 1.0]) @ np.asarray(found, np.float64)


def _is_invertible(affine: np.ndarray) -> bool:
    if not np.isfinite(affine).all():
        return False
    size = _lengths(affine)
    return bool(size.all() and abs(np.linalg.det(affine[:3, :3] / size)) > 1e-3)


def _lengths(affine: np.ndarray) -> np.ndarray:
    return np.sqrt((affine[:3, :3] ** 2).sum(axis=0))


def alike(one: Frame, other: Frame) -> bool:
    """Whether two frames agree in voxel size and in the direction of B0."""
    sizes = np.abs(np.divide(one.voxel_size, other.voxel_size) - 1)
    turned = np.abs(np.subtract(one.b0_direction, other.b0_direction))
    return bool(sizes.max() < _SAME_LENGTH and turned.max() < _SAME_DIRECTION)


def _check_kind(path: object, found: list[Frame], intake: Intake) -> None:
    """Say which frame was taken where it matters, and doubt what cannot be decided."""
    best, others = found[0], [one for one in found[1:] if not alike(found[0], one)]
    if best.code == 0:
        intake.note(f"the header of {path} names no frame: B0 is taken along its third axis")
    elif best.code > OTHER_SCAN:
        intake.doubt(
            "frame",
            f"the {best.name} of {path} leads to {_leads_to(best)} and no frame to the scanner; "
            "expected one that does, since the direction of B0 is the scanner's z axis",
            "use the volume as it left the scanner",
        )
    for other in others:
        if _rank(other)[0] == _rank(best)[0]:
            intake.doubt(
                "frame",
                f"qform and sform of {path} both lead to {_leads_to(best)} but differ in voxel "
                "size or direction of B0; expected equal ones (accepted, the sform counts)",
                "remove the wrong one",
            )
        else:
            intake.note(
                f"the {best.name} of {path}, which leads to {_leads_to(best)}, is used; its "
                f"{other.name} leads to {_leads_to(other)}"
            )


def _check_axes(path: object, best: Frame, other: Frame, intake: Intake) -> None:
    """Doubt two frames of one kind that disagree about which way the axes run."""
    turns = [nib.orientations.io_orientation(one.affine) for one in (best, other)]
    if _rank(other)[0] != _rank(best)[0] or np.array_equal(turns[0], turns[1]):
        return
    axes = ["".join(nib.aff2axcodes(one.affine)) for one in (best, other)]
    intake.doubt(
        "frame",
        f"{best.name} and {other.name} of {path} both lead to {_leads_to(best)} but its axes run "
        f"to {axes[0]} by the one and to {axes[1]} by the other; expected equal ones (accepted, "
        f"the {best.name} counts)",
        "remove the wrong one",
    )


def _leads_to(frame: Frame) -> str:
    return f"{_LEADS_TO.get(frame.code, 'a template')} (code {frame.code})"


def _check_shear(path: object, frame: Frame, intake: Intake) -> None:
    axes = frame.affine[:3, :3] / _lengths(frame.affine)
    largest = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if largest > LARGEST_COSINE:
        intake.doubt(
            "shear",
            f"the {frame.name} of {path} is sheared (the cosine of the angle between two of its "
            f"axes is {largest:.2g}); expected perpendicular axes (accepted, they count as such)",
            "resample the volume to a grid without shear",
        )


def _check_voxels(path: object, frame: Frame, unit: str, intake: Intake) -> None:
    size = np.asarray(frame.voxel_size)
    if _is_plausible(size):
        return
    raw = size / _MM.get(unit, 1.0)
    fitting = [u for u, mm in _MM.items() if u != "unknown" and _is_plausible(raw * mm)]
    hint = f"they would be plausible in {' or '.join(fitting)}" if fitting else "no unit fits"
    shown = " x ".join(f"{n:.4g}" for n in size)
    intake.doubt(
        "voxel",
        f"the voxels of {path} have {shown} mm (the header's unit is {unit}); expected "
        f"{SMALLEST_MM:g} to {LARGEST_MM:g} mm; {hint}",
        "correct the header",
    )


def _is_plausible(size: np.ndarray) -> bool:
    """Whether all edges [mm] are those of voxels, up to the rounding of headers."""
    smallest, largest = SMALLEST_MM * (1 - _ROUNDING), LARGEST_MM * (1 + _ROUNDING)
    return bool(size.min() >= smallest and size.max() <= largest)
