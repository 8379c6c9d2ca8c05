"""What every loader of multi-coil data checks, and what it works out where a file is silent."""

import numpy as np
from jaxtyping import Bool, Complex

from mrjax.arrays import SenseSlice
from mrjax.data.formats import coil_maps
from mrjax.data.formats.border import SHORTEST_AXIS, check_values, times
from mrjax.data.intake import Intake
from mrjax.data.plausible import centre, pattern
from mrjax.errors import UserError
from mrjax.physics import coils

_FAINTEST = 1e-12
_MOST_COILS = 128
"""No scanner receives with more; a larger number is one of rows or columns."""
_LARGEST_LOSS = 0.25
"""Share of energy that rows beyond the field of view hold at most, with their half of the noise."""


def checked_slice(
    *,
    name: str,
    kspace: np.ndarray,
    maps: np.ndarray,
    reference: np.ndarray | None,
    mask: np.ndarray | None = None,
) -> SenseSlice:
    """A slice in mrjax's data types that :func:`check` accepts.

    Args:
        name: of the slice, for messages.
        kspace: [coil row column] complex, zero frequency at index n // 2.
        maps: coil sensitivity maps [coil row column].
        reference: [row column] complex, or None.
        mask: [column], above zero where a column was acquired, or None.

    Returns:
        The slice.

    Raises:
        UserError: as :func:`check`.
    """
    found = SenseSlice(
        name=name,
        kspace=np.asarray(kspace, np.complex64),
        maps=np.asarray(maps, np.complex64),
        reference=None if reference is None else np.asarray(reference, np.complex64),
        mask=None if mask is None else np.asarray(mask) > 0,
    )
    check(found)
    return found


def check(found: SenseSlice) -> None:
    """Refuse a slice from which nothing can be reconstructed.

    Args:
        found: the slice.

    Raises:
        UserError: axes or lengths that do not fit together, numbers of coils that differ, a mask
            of another width or without a column, k-space, maps or reference that are zero
            everywhere or not finite, or k-space whose squares overflow or vanish in float32.
    """
    name, kspace = found.name, found.kspace
    _check_kspace(name, kspace)
    _check_mask(name, kspace.shape[2], found.mask)
    _check_maps_shape(name, kspace.shape, found.maps.shape)
    check_values(f"coil sensitivity maps of {name} are", found.maps)
    if found.reference is not None:
        _check_reference(name, kspace.shape, found.reference)


def _check_kspace(name: str, kspace: np.ndarray) -> None:
    if kspace.ndim != 3:
        raise UserError(
            f"the k-space of {name} has {kspace.ndim} axes; expected coil, row and column; "
            "store one multi-coil slice"
        )
    if min(kspace.shape[1:]) < SHORTEST_AXIS:
        raise UserError(
            f"the k-space of {name} has {times(kspace.shape[1:])} rows x columns; expected at "
            f"least {SHORTEST_AXIS} of each; check the file and the order of its axes"
        )
    if len(kspace) > _MOST_COILS:
        raise UserError(
            f"the k-space of {name} has {times(kspace.shape)} samples (coil x row x column); "
            f"expected at most {_MOST_COILS} coils; check the order of its axes"
        )
    check_values(f"k-space of {name} is", kspace)
    peak = float(np.abs(kspace).max())
    if not _FAINTEST <= peak <= 1 / _FAINTEST:
        raise UserError(
            f"the k-space of {name} has magnitudes up to {peak:.1e}; expected {_FAINTEST:.0e} to "
            f"{1 / _FAINTEST:.0e}, whose squares float32 holds; scale the file"
        )


def _check_mask(name: str, columns: int, mask: np.ndarray | None) -> None:
    if mask is None:
        return
    if mask.shape != (columns,):
        raise UserError(
            f"the undersampling mask of {name} has {times(mask.shape)} columns, its k-space "
            f"{columns}; expected equal numbers; use the mask made for this data"
        )
    if not mask.any():
        raise UserError(
            f"the undersampling mask of {name} is empty; expected at least one acquired column; "
            "check the mask file"
        )


def _check_maps_shape(name: str, kspace: tuple[int, ...], maps: tuple[int, ...]) -> None:
    if len(maps) == 3 and maps[0] != kspace[0]:
        raise UserError(
            f"{name} has k-space of {kspace[0]} coils but coil sensitivity maps of {maps[0]}; "
            "expected equal numbers; estimate the maps from this k-space"
        )
    if maps != kspace:
        raise UserError(
            f"the coil sensitivity maps of {name} have shape {times(maps)} (coil x row x column), "
            f"its k-space {times(kspace)}; expected equal shapes; estimate the maps from this "
            "k-space"
        )


def _check_reference(name: str, kspace: tuple[int, ...], reference: np.ndarray) -> None:
    if reference.shape != kspace[1:]:
        raise UserError(
            f"the reference of {name} has shape {times(reference.shape)} (row x column), its "
            f"k-space {times(kspace[1:])}; expected equal shapes; reconstruct the reference from "
            "this k-space"
        )
    check_values(f"reference of {name} is", reference)


def check_finite(name: str, kspace: np.ndarray) -> None:
    """Refuse k-space that :func:`check` would refuse for its values, before it is transformed.

    Args:
        name: of the slice.
        kspace: of any shape.

    Raises:
        UserError: values that are not finite, or zero everywhere.
    """
    check_values(f"k-space of {name} is", kspace)


def completed(
    name: str,
    kspace: Complex[np.ndarray, "coil row column"],
    *,
    acquired: Complex[np.ndarray, "coil readout column"] | None = None,
    mask: Bool[np.ndarray, " column"] | None = None,
    maps: np.ndarray | None = None,
    calibration: Complex[np.ndarray, "coil row column"] | None = None,
    estimate: str = "acs",
    acs_lines: int = 24,
    intake: Intake | None = None,
) -> SenseSlice:
    """A slice from k-space alone: maps estimated, reference where no sample is missing.

    What was acquired, the zeros of k-space tell, and no mask says otherwise. A mask beside a
    complete k-space says what the network is to see of it; the reference is that of the whole.

    Args:
        name: of the slice.
        kspace: zero where nothing was acquired.
        acquired: as the scanner gave it, where the readout of `kspace` is cropped: no zeros along
            rows survive that.
        mask: columns that the file says were acquired, or None where it does not say.
        maps: coil sensitivity maps, or None to estimate them.
        calibration: lines to estimate them from that are none of the image's, zero elsewhere;
            None to estimate them from `kspace`.
        estimate: how: acs (low-pass images of the ACS lines) or espirit.
        acs_lines: central columns to estimate from.
        intake: the run's account; by default one that accepts nothing and is not kept.

    Returns:
        The slice; its reference is None where columns are missing.

    Raises:
        UserError: samples missing along rows, an ACS line that was not acquired, an unknown
            estimate, or as :func:`check`.
    """
    intake = Intake() if intake is None else intake
    _check_kspace(name, kspace)  # before maps are estimated from it
    _check_mask(name, kspace.shape[2], mask)
    whole = kspace if acquired is None else acquired
    check_values(f"k-space of {name} is", whole)
    gaps = look(name, whole, intake)
    mask = gaps if mask is None else _present(name, mask, whole, intake)
    if maps is None:
        known = kspace if calibration is None else calibration
        present = mask if calibration is None else np.any(calibration != 0, axis=(0, 1))
        lines = coil_maps.acs_lines(name, kspace.shape[2], present, acs_lines, intake)
        maps = coil_maps.estimated(name, known, estimate, lines)
    else:
        _check_maps_shape(name, kspace.shape, maps.shape)
        maps = coil_maps.normalised(name, maps, intake)
    coil_maps.compare(name, kspace, maps, gaps, intake)
    if acquired is not None:
        _check_oversampling(name, kspace, acquired, intake)
    reference = None if gaps is not None else coils.combine(maps, coils.images(kspace))
    return checked_slice(name=name, kspace=kspace, maps=maps, reference=reference, mask=mask)


def look(
    name: str, kspace: Complex[np.ndarray, "coil row column"], intake: Intake
) -> Bool[np.ndarray, " column"] | None:
    """Which columns were acquired; say so where k-space does not look like that of coils.

    Args:
        name: of the slice.
        kspace: zero where nothing was acquired.
        intake: the run's account.

    Returns:
        As `mrjax.data.plausible.pattern.acquired_columns`.

    Raises:
        UserError: samples missing along rows, or a doubt that the user has not accepted.
    """
    gaps = pattern.acquired_columns(name, kspace, intake)
    centre.check(name, kspace, intake)
    if not np.imag(kspace).any():
        intake.note("k-space has no imaginary part (its magnitude was saved, or a phantom's)", name)
    silent = [str(coil) for coil, one in enumerate(kspace, 1) if not one.any()]
    if silent:
        intake.note("coils have no signal", f"{name} (coil {', '.join(silent)} of {len(kspace)})")
    return gaps


def _check_oversampling(
    name: str, kspace: np.ndarray, acquired: np.ndarray, intake: Intake
) -> None:
    """Say so where the rows that are cut off as readout oversampling hold much of the image.

    The transform along the readout keeps energy, so k-space tells it.
    """
    lost = 1 - (float(np.linalg.norm(kspace)) / float(np.linalg.norm(acquired))) ** 2
    if lost > _LARGEST_LOSS:
        intake.note(
            "the rows that are cut off as readout oversampling hold a part of the image's energy "
            "(expected noise and what the coils see of the body beyond the field of view)",
            f"{name} ({100 * lost:.0f} %)",
        )


def _present(name: str, mask: np.ndarray, kspace: np.ndarray, intake: Intake) -> np.ndarray:
    """The columns of a mask whose k-space is not zero everywhere."""
    present = np.any(kspace != 0, axis=(0, 1))
    zero = int(np.count_nonzero(mask & ~present))
    if zero:
        intake.note(
            f"{zero} of {np.count_nonzero(mask)} columns that the mask names are zero in k-space "
            "and count as not acquired",
            name,
        )
    if not (mask & present).any():
        raise UserError(
            f"the k-space of {name} is zero in all columns of its undersampling mask; "
            "expected a signal; use the mask made for this data"
        )
    return mask & present
