"""Which samples of a k-space were acquired, as far as its zeros tell, over all coils.

The networks take undersampling by whole columns (phase encoding). Other patterns are found, so
that no image of an incomplete k-space counts as a reference.
"""

import numpy as np
from jaxtyping import Complex

from mrjax.data.intake import Intake
from mrjax.errors import UserError

_COMPLETE = 0.98
"""Share of nonzero samples of a column that was acquired; noise may be zero by rounding."""
_UNEVEN = 1 / 16
"""Difference of the zero margins of two edges, as a share of the axis; beyond it the k-space is
partial Fourier, which leaves out an eighth or more, and not zero padded."""
_WIDE = 0.25


def acquired_columns(
    name: str, kspace: Complex[np.ndarray, "coil row column"], intake: Intake
) -> np.ndarray | None:
    """Which columns of a k-space were acquired.

    Zero margins of about equal width at both edges are zero padding, which counts as acquired. A
    gap inside means undersampling, and a margin at one edge partial Fourier; then edges that are
    zero were not acquired either. Corners may be missing (elliptical shutter).

    Args:
        name: of the slice, for messages.
        kspace: zero where nothing was acquired.
        intake: the run's account.

    Returns:
        bool [column], or None for a k-space without gaps.

    Raises:
        UserError: rows are missing, or samples in both directions, unless they may be those of a
            phantom and the user has accepted that.
    """
    sampled = np.any(kspace != 0, axis=0)
    if not sampled.any():
        return None  # refused elsewhere, as zero
    rows, columns = (_edges(sampled.any(axis=axis)) for axis in (1, 0))
    _check_rows(name, rows, sampled)
    inner = sampled[rows[0] : rows[1], columns[0] : columns[1]]
    if len(kspace) == 1 and _has_zeros_of_a_box(inner):
        _doubt_box(name, inner, intake)
        return None
    _check_separable(name, inner, intake)
    acquired = sampled.any(axis=0)
    width = columns[1] - columns[0]
    if not acquired[columns[0] : columns[1]].all():
        return acquired
    if _is_uneven(columns, len(acquired)):
        intake.note(
            f"{width} of {len(acquired)} columns at one side of k-space (partial Fourier) give no "
            "reference",
            name,
        )
        return acquired
    if width < (1 - _WIDE) * len(acquired):
        intake.note(
            f"k-space that is zero outside its {width} central columns of {len(acquired)} counts "
            "as zero padded",
            name,
        )
    return None


def _edges(present: np.ndarray) -> tuple[int, int]:
    places = np.flatnonzero(present)
    return int(places[0]), int(places[-1]) + 1


def _is_uneven(edges: tuple[int, int], length: int) -> bool:
    before, after = edges[0], length - edges[1]
    return abs(before - after) > max(2, _UNEVEN * length)


def _check_rows(name: str, edges: tuple[int, int], sampled: np.ndarray) -> None:
    if _is_uneven(edges, len(sampled)):
        raise UserError(
            f"{name} has rows {edges[0]} to {edges[1] - 1} of {len(sampled)} only (an asymmetric "
            "echo, or partial Fourier along rows); expected rows that were all acquired; fill "
            "them first, or swap rows and columns if phase was encoded along rows"
        )


def _check_separable(name: str, sampled: np.ndarray, intake: Intake) -> None:
    """Refuse what is not whole columns, but for corners outside the largest ellipse."""
    acquired = sampled.any(axis=0)
    missing = ~sampled & acquired
    if _share(missing) <= 1 - _COMPLETE:
        return
    if _share(missing & _ellipse(sampled.shape)) <= 1 - _COMPLETE:
        intake.note("the corners of k-space are zero (an elliptical shutter)", name)
        return
    by_rows = np.any(sampled, axis=1, keepdims=True) & ~sampled
    if _share(by_rows) <= 1 - _COMPLETE:
        raise UserError(
            f"{name} is undersampled along rows; expected undersampling by whole columns (phase "
            "encoding); swap rows and columns of k-space"
        )
    raise UserError(
        f"{name} is undersampled in both directions ({100 * _share(sampled):.0f} % of its samples "
        "are there); expected whole columns, which the networks take; leave it out"
    )


def _has_zeros_of_a_box(sampled: np.ndarray) -> bool:
    """Whether what is missing forms whole rows and whole columns, both of them."""
    rows, columns = np.any(sampled, axis=1, keepdims=True), np.any(sampled, axis=0, keepdims=True)
    both = _share(rows) < _COMPLETE and _share(columns) < _COMPLETE
    return both and _share(sampled ^ (rows & columns)) <= 1 - _COMPLETE


def _doubt_box(name: str, sampled: np.ndarray, intake: Intake) -> None:
    """The analytic k-space of a box has the zeros of a sinc, as if every n-th line were left out.

    With several coils no such zeros remain, since the sensitivity maps fill them.
    """
    intake.doubt(
        "sampling",
        f"the one coil of {name} has whole rows and columns of zeros ({100 * _share(sampled):.0f} "
        "% of its samples are there), so it is undersampled in both directions or an analytic "
        "phantom; expected complete k-space or whole columns (accepted, its zeros were measured)",
        "leave it out",
    )


def _share(where: np.ndarray) -> float:
    return float(np.count_nonzero(where) / where.size)


def _ellipse(shape: tuple[int, ...]) -> np.ndarray:
    """Samples inside the ellipse that touches the edges, one sample less wide."""
    axes = [(np.arange(n) - (n - 1) / 2) / max(n / 2 - 1, 0.5) for n in shape]
    return axes[0][:, None] ** 2 + axes[1] ** 2 <= 1
