"""Sampling masks as fastMRI defines them, from centre fractions and given random numbers.

They differ from those of :mod:`mrjax.physics.sampling`: the number of calibration lines is a share
of the columns, an odd number of them lies one column further to the right, and the outer columns
are drawn independently of each other, or lie at a distance that need not be an integer.

Source: Zbontar et al., arXiv:1811.08839, "k-space undersampling"; fastmri/data/subsample.py of the
package fastmri 0.3.0.
"""

import math
from typing import Literal

import jax
import numpy as np
from jaxtyping import Bool, Float

from mrjax import keys
from mrjax.errors import UserError
from mrjax.numerics import host

Pattern = Literal["random", "equispaced", "equispaced_fraction"]
Columns = Bool[np.ndarray, " column"]


def centre_lines(columns: int, centre_fraction: float) -> int:
    """Return the number of calibration lines, columns * centre_fraction rounded half to even.

    Args:
        columns: number of phase-encoding columns.
        centre_fraction: share of the columns, above 0 and below 1.

    Returns:
        The number, from 0.

    Raises:
        UserError: the fraction is not between 0 and 1.
    """
    if not 0 < centre_fraction < 1:
        raise UserError(
            f"centre fraction {centre_fraction}; expected a number between 0 and 1; "
            "see --centre_fraction"
        )
    return round(columns * centre_fraction)


def centre(columns: int, lines: int) -> Columns:
    """Acquire the calibration lines: those from (columns - lines + 1) // 2 on."""
    first = (columns - lines + 1) // 2
    place = np.arange(columns)
    return (place >= first) & (place < first + lines)


def random(uniform: Float[np.ndarray, " column"], acceleration: float, lines: int) -> Columns:
    """Acquire the calibration lines and each other column by chance.

    Column j is acquired if u_j < (n / R - c) / (n - c), with n columns, acceleration R and c
    calibration lines, so that n / R columns are expected. If c is above n / R, only the calibration
    lines are acquired.

    Args:
        uniform: u, one number from 0 to 1 for each column.
        acceleration: R, at least 1.
        lines: c.

    Returns:
        True where a column is acquired.

    Raises:
        UserError: the acceleration is below 1, or all columns are calibration lines.
    """
    columns = len(uniform)
    _check(columns, acceleration, lines)
    probability = (columns / acceleration - lines) / (columns - lines)
    return (uniform < probability) | centre(columns, lines)


def equispaced(columns: int, acceleration: int, lines: int, offset: int) -> Columns:
    """Acquire the calibration lines and every R-th column from the offset on.

    Args:
        columns: number of phase-encoding columns.
        acceleration: R, at least 1; the true acceleration is smaller because of the centre.
        lines: number of calibration lines.
        offset: first column, from 0 to R - 1.

    Returns:
        True where a column is acquired.

    Raises:
        UserError: as `random`.
    """
    _check(columns, acceleration, lines)
    place = np.arange(columns)
    every = (place >= offset) & ((place - offset) % acceleration == 0)
    return every | centre(columns, lines)


def spacing(columns: int, acceleration: float, lines: int) -> float:
    """Distance of the outer columns with which the whole mask has the wanted acceleration.

    d = R (c - n) / (c R - n), with n columns, acceleration R and c calibration lines.

    Args:
        columns: n.
        acceleration: R, at least 1.
        lines: c.

    Returns:
        d, at least 1 [columns].

    Raises:
        UserError: as `random`, or the calibration lines alone are the columns wanted.
    """
    _check(columns, acceleration, lines)
    if lines * acceleration >= columns:
        raise UserError(
            f"{lines} calibration lines of {columns} columns are as many as acceleration "
            f"{acceleration} leaves in all; expected fewer; see --centre_fraction"
        )
    return acceleration * (lines - columns) / (lines * acceleration - columns)


def equispaced_fraction(columns: int, acceleration: float, lines: int, offset: int) -> Columns:
    """Acquire the calibration lines and columns at the distance d of `spacing`.

    Column j is acquired if it is offset + i d, rounded half to even, for an integer i with offset +
    i d < n - 1, so that in all n / R columns are expected. Neighbours are d rounded up or down
    apart.

    Args:
        columns: number n of phase-encoding columns.
        acceleration: R, at least 1.
        lines: number of calibration lines.
        offset: first column, from 0 to round(d) - 1.

    Returns:
        True where a column is acquired.

    Raises:
        UserError: as `spacing`.
    """
    distance = spacing(columns, acceleration, lines)
    count = max(math.ceil((columns - 1 - offset) / distance), 0)
    # The difference rounds as that inside numpy.arange does, whose values these are; a product and
    # a sum of their own cannot be fused, which would round once on some machines.
    step = (offset + distance) - offset
    steps = np.arange(count) * step
    chosen = np.zeros(columns, bool)
    chosen[np.around(offset + steps).astype(np.int64)] = True
    return chosen | centre(columns, lines)


def _check(columns: int, acceleration: float, lines: int) -> None:
    if acceleration < 1:
        raise UserError(f"acceleration {acceleration}; expected at least 1; see --acceleration")
    if not 0 <= lines < columns:
        raise UserError(
            f"{lines} calibration lines of {columns} columns; expected 0 to {columns - 1}; "
            "see --centre_fraction"
        )


def mask(
    pattern: Pattern,
    seed_mask: int,
    index: int,
    columns: int,
    acceleration: int,
    centre_fraction: float,
) -> Columns:
    """The columns acquired of one slice, by the random stream ``mask``.

    Every slice has random numbers of its own. (fastMRI draws a mask anew each time that a slice is
    trained on, and one for all slices of a file in validation.)

    Args:
        pattern: ``random``, ``equispaced`` or ``equispaced_fraction``.
        seed_mask: seed of the stream.
        index: number of the slice.
        columns: number of phase-encoding columns.
        acceleration: R.
        centre_fraction: share of the columns that are calibration lines.

    Returns:
        True where a column is acquired.

    Raises:
        UserError: the pattern is unknown, or as the function of the pattern.
    """
    lines = centre_lines(columns, centre_fraction)
    key = keys.stream(seed_mask, "mask", index)
    if pattern == "random":
        words = host.bits(key, (columns,))
        return random((words.astype(np.float64) + 0.5) * 2.0**-32, acceleration, lines)
    if pattern == "equispaced":
        _check(columns, acceleration, lines)
        return equispaced(columns, acceleration, lines, _integer(key, acceleration))
    if pattern == "equispaced_fraction":
        below = round(spacing(columns, acceleration, lines))
        return equispaced_fraction(columns, acceleration, lines, _integer(key, below))
    raise UserError(
        f"sampling pattern {pattern!r}; expected random, equispaced or equispaced_fraction; "
        "see --sampling"
    )


def _integer(key: jax.Array, below: int) -> int:
    return int(host.integers(key, (1,), below)[0])
