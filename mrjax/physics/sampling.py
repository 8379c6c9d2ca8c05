"""Cartesian undersampling masks from integers, and the oversampling of the readout.

A mask says which columns (phase encoding) are acquired; the zero frequency is column ``n // 2``.
"""

from typing import Literal

import numpy as np
from jaxtyping import Bool, Complex, UInt32

from mrjax import keys
from mrjax.errors import UserError
from mrjax.numerics import host
from mrjax.numerics.spectral import centred_dft

Pattern = Literal["regular", "random"]
Columns = Bool[np.ndarray, " column"]


def _check(columns: int, acceleration: int, acs_lines: int) -> None:
    """Refuse a number of columns that cannot be sampled."""
    if acceleration < 1:
        raise UserError(f"acceleration {acceleration}; expected at least 1; see --acceleration")
    if not 0 <= acs_lines <= columns:
        raise UserError(
            f"{acs_lines} ACS lines of {columns} columns; expected 0 to {columns}; see --acs_lines"
        )


def _centre(columns: int, acs_lines: int) -> Columns:
    """The ACS lines, centred on the zero frequency."""
    distance = np.arange(columns) - columns // 2 + acs_lines // 2
    return (distance >= 0) & (distance < acs_lines)


def regular(columns: int, acceleration: int, acs_lines: int, offset: int = 0) -> Columns:
    """Acquire every ``acceleration``-th column and the central ACS lines.

    Column j of n is acquired if (j - offset) mod acceleration = 0, or if j is among the acs_lines
    columns from n // 2 - acs_lines // 2 on.

    Args:
        columns: number of phase-encoding columns.
        acceleration: distance of the acquired columns outside the centre.
        acs_lines: fully sampled columns in the centre (autocalibration signal).
        offset: first acquired column, modulo ``acceleration``.

    Returns:
        True where a column is acquired.

    Raises:
        UserError: the acceleration is below 1, or there are more ACS lines than columns.
    """
    _check(columns, acceleration, acs_lines)
    every = (np.arange(columns) - offset) % acceleration == 0
    return every | _centre(columns, acs_lines)


def variable_density(
    words: UInt32[np.ndarray, " column"], acceleration: int, acs_lines: int
) -> Columns:
    """Acquire the ACS lines and random others, denser near the centre.

    In all, one column in ``acceleration`` is acquired. The others are drawn without replacement:
    column j has the priority p = w u / (1 - u), with u uniform on (0, 1) from its random word, the
    weight w = (1 - d)^2 + 1/16, and its distance d from the centre as a share of the largest; the
    columns of highest priority are taken. The form follows Efraimidis and Spirakis, Inform Process
    Lett 97:181 (2006). Their priority w / -log(u) is nearly the same for the columns taken, but
    the last bit of a logarithm depends on the machine.

    Args:
        words: one random 32-bit word for each column.
        acceleration: number of columns divided by the number acquired, ACS lines included.
        acs_lines: fully sampled columns in the centre.

    Returns:
        True where a column is acquired: in ``round(columns / acceleration)`` columns, or in the ACS
        lines alone if these are more.

    Raises:
        UserError: the acceleration is below 1, or there are more ACS lines than columns.
    """
    columns = len(words)
    _check(columns, acceleration, acs_lines)
    chosen = _centre(columns, acs_lines)
    uniform = (words.astype(np.float64) + 0.5) * 2.0**-32
    distance = np.abs(np.arange(columns) - columns // 2) / max(columns // 2, 1)
    weight = (1.0 - distance) * (1.0 - distance) + 0.0625
    priority = np.where(chosen, -1.0, weight * uniform / (1.0 - uniform))
    wanted = round(columns / acceleration) - acs_lines
    # A stable sort: columns of equal priority keep their order on every machine.
    chosen[np.argsort(-priority, kind="stable")[: max(wanted, 0)]] = True
    return chosen


def mask(
    pattern: Pattern,
    seed_mask: int,
    index: int,
    columns: int,
    acceleration: int,
    acs_lines: int,
) -> Columns:
    """The columns acquired of one slice, by the random stream ``mask``.

    The offset of the regular pattern is drawn once for all slices, because a scanner protocol fixes
    it; random patterns differ from slice to slice.

    Args:
        pattern: ``regular`` or ``random`` (variable density).
        seed_mask: seed of the stream.
        index: number of the slice.
        columns: number of phase-encoding columns.
        acceleration: see :func:`regular` and :func:`variable_density`.
        acs_lines: fully sampled columns in the centre.

    Returns:
        True where a column is acquired.

    Raises:
        UserError: the pattern is unknown, or as :func:`regular`.
    """
    _check(columns, acceleration, acs_lines)
    if pattern == "regular":
        offset = host.integers(keys.stream(seed_mask, "mask", 0), (1,), acceleration)
        return regular(columns, acceleration, acs_lines, int(offset[0]))
    if pattern == "random":
        words = host.bits(keys.stream(seed_mask, "mask", index), (columns,))
        return variable_density(words, acceleration, acs_lines)
    raise UserError(f"sampling pattern {pattern!r}; expected regular or random; see --sampling")


def _kept(n: int) -> slice:
    """The inner half of an oversampled readout; as in the public code, it begins one row late."""
    if n < 2 or n % 2:
        raise UserError(
            f"{n} readout points cannot be halved; expected an even number; "
            "check whether the readout is oversampled"
        )
    return slice(n // 4 + 1, n // 4 + 1 + n // 2)


def remove_oversampling(x: np.ndarray, axis: int = -2) -> np.ndarray:
    """Keep the inner half of an image along the readout: n // 2 points, from n // 4 + 1 on.

    Args:
        x: images, any number of axes.
        axis: the readout axis, twice oversampled.

    Returns:
        A view with half as many points on the axis.

    Raises:
        UserError: the number of points is odd.

    Source: github.com/VLOGroup/mri-variationalnetwork, mriutils.py (rows ``int(.25 n) + 1`` to
    ``int(.75 n)``).
    """
    index = [slice(None)] * x.ndim
    index[axis] = _kept(x.shape[axis])
    return x[tuple(index)]


def add_oversampling(x: np.ndarray, n: int, axis: int = -2) -> np.ndarray:
    """Pad with zeros to ``n`` points, the adjoint of :func:`remove_oversampling`.

    Args:
        x: images, any number of axes.
        n: points of the oversampled readout, twice as many as ``x`` has.
        axis: the readout axis.

    Returns:
        Array with ``n`` points on the axis; the points of ``x`` begin at ``n // 4 + 1``.

    Raises:
        UserError: the number of points is odd.
        ValueError: ``x`` does not have half as many points.
    """
    kept = _kept(n)
    if 2 * x.shape[axis] != n:
        raise ValueError(f"{x.shape[axis]} points are not half of {n}")
    widths = [(0, 0)] * x.ndim
    widths[axis] = (kept.start, n - kept.stop)
    return np.pad(x, widths)


def crop_readout(kspace: Complex[np.ndarray, "..."], axis: int = -2) -> Complex[np.ndarray, "..."]:
    """Remove the oversampling of the readout from k-space: F crop(F^-1 s) along the readout.

    A mask does not depend on the readout position. The encoding operator A of the cropped image
    therefore has the same A* A as that of the padded image, and the readout can be transformed,
    cropped and transformed back before any reconstruction. The sums do not depend on their order,
    so the bits are the same on every machine.

    Args:
        kspace: zero frequency at n // 2.
        axis: the readout axis, twice oversampled.

    Returns:
        complex64 with half as many points on the axis, zero frequency at n // 2.

    Raises:
        UserError: the number of points is odd.
    """
    images = remove_oversampling(centred_dft(kspace, (axis,), inverse=True), axis)
    return centred_dft(images, (axis,)).astype(np.complex64)
