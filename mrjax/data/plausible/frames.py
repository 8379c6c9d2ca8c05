"""Where a NIfTI volume lies in the scanner: which frame of its header to trust, and whether.

A header may hold two frames, `qform` and `sform`, each with a code that says what it leads to: 1
the scanner, 2 another scan, 3 to 5 a template. The direction of B0 is the scanner's z axis, so a
frame that leads elsewhere gives a wrong one without any other sign.

Source: nifti.nimh.nih.gov, nifti1.h, "3D IMAGE (VOLUME) ORIENTATION AND LOCATION IN SPACE".
"""

from typing import Any, NamedTuple, Protocol

import numpy as np

from mrjax.arrays import Vector
from mrjax.data.intake import Intake
from mrjax.errors import UserError

SCANNER, OTHER_SCAN = 1, 2
SMALLEST_MM, LARGEST_MM = 0.1, 10.0
LARGEST_COSINE = 1e-3
"""Of the angle between two axes; rounding gives 1e-6, and a shear of this much 0.1 %."""
_SAME_DIRECTION, _SAME_LENGTH = 1e-3, 1e-2
_LARGEST_SHIFT = 0.05
"""Distance of two grids that count as one [voxels]."""
_MM = {"meter": 1e3, "mm": 1.0, "micron": 1e-3, "unknown": 1.0}
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
    _check_voxels(path, best, str(header.get_xyzt_units()[0]), intake)
    return best


def anatomical(path: object, header: Any, raw: Any, intake: Intake) -> Frame:
    """The frame that says where right, front and up are: any will do, the scanner's first.

    Args: as :func:`scanner`.

    Raises:
        UserError: no frame that can be used, or one that the user has not accepted.
    """
    best = usable(path, header, raw, intake)[0]
    if best.code == 0:
        intake.note(f"the header of {path} names no frame: axes run to the left, front and top")
    _check_shear(path, best, intake)
    _check_voxels(path, best, str(header.get_xyzt_units()[0]), intake)
    return best


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
    unit = _MM.get(str(header.get_xyzt_units()[0]), 1.0)
    try:
        found = {
            "sform": lambda: header.get_sform(),
            "qform": lambda: header.get_qform(),
            "no frame": lambda: header.get_base_affine(),
        }[name]()
    except ValueError:  # a quaternion longer than 1
        return None
    return np.diag([unit, unit, unit, 1.0]) @ np.asarray(found, np.float64)


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
    if size.min() >= SMALLEST_MM and size.max() <= LARGEST_MM:
        return
    raw = size / _MM.get(unit, 1.0)
    fitting = [
        u
        for u, mm in _MM.items()
        if u != "unknown" and (raw * mm).min() >= SMALLEST_MM and (raw * mm).max() <= LARGEST_MM
    ]
    hint = f"they would be plausible in {' or '.join(fitting)}" if fitting else "no unit fits"
    shown = " x ".join(f"{n:.4g}" for n in size)
    intake.doubt(
        "voxel",
        f"the voxels of {path} have {shown} mm (the header's unit is {unit}); expected "
        f"{SMALLEST_MM:g} to {LARGEST_MM:g} mm; {hint}",
        "correct the header",
    )


class Placed(Protocol):
    """A volume with its header."""

    @property
    def path(self) -> object: ...  # noqa: D102
    @property
    def volume(self) -> np.ndarray: ...  # noqa: D102
    @property
    def header(self) -> Any: ...  # noqa: D102
    @property
    def raw(self) -> Any: ...  # noqa: D102


def check_place(other: Placed, first: Placed, frame: Frame, intake: Intake) -> None:
    """Refuse a volume that lies elsewhere than another one of its shape.

    Headers of one scan differ by rounding, so a twentieth of a voxel is allowed at the corners.

    Args:
        other: a mask or map; of another shape it is not looked at here.
        first: what it must lie on.
        frame: of `first`.
        intake: the run's account.

    Raises:
        UserError: it lies elsewhere by every frame that can be compared, or has none.
    """
    shape = first.volume.shape[:3]
    if other.volume.shape != shape:
        return
    own = usable(other.path, other.header, other.raw, intake)
    if own[0].code == 0 or frame.code == 0:
        if own[0].code != frame.code:
            intake.note(f"one of {other.path} and {first.path} names no frame; one grid is assumed")
        return
    alike = [one for one in own if one.name == frame.name] or own
    if min(_shift(one.affine, frame.affine, shape) for one in alike) > _LARGEST_SHIFT:
        raise UserError(
            f"{other.path} lies elsewhere than {first.path}; expected equal affines; "
            "resample it to that grid"
        )


def _shift(one: np.ndarray, other: np.ndarray, shape: tuple[int, ...]) -> float:
    """Largest distance between the corners of two grids of one shape [voxels of the other]."""
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in shape], (1,))).reshape(4, -1)
    apart = np.linalg.inv(other) @ one @ corners - corners
    return float(np.sqrt((apart**2).sum(axis=0)).max())
