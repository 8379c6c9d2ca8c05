"""Whether the zero frequency of a k-space lies where every format of mrjax has it."""

import numpy as np
from jaxtyping import Complex

from mrjax.data.intake import Intake

_OUTER = 4.0
"""The outer half of an axis holds less energy than the inner one; noise has as much in both."""
_GATHERED = 0.3
"""Share of energy in the central quarter of both axes; images and noise have a sixteenth there."""


def check(name: str, kspace: Complex[np.ndarray, "coil row column"], intake: Intake) -> None:
    """Doubt a k-space whose energy lies at the ends of an axis instead of about its middle.

    Discrete Fourier transforms of programs begin with the zero frequency. Without a shift of half
    the axis, the lines from which coil sensitivity maps are estimated are those of the highest
    frequencies. The account is told of a k-space whose energy does not gather about its centre, as
    where coil images stand in its place.

    Args:
        name: of the slice.
        kspace: zero where nothing was acquired.
        intake: the run's account.

    Raises:
        UserError: such a k-space, and the user has not accepted it.
    """
    squares = np.real(kspace) ** 2 + np.imag(kspace) ** 2
    power = np.asarray(np.sum(squares, axis=0, dtype=np.float64))
    for axis, what in ((0, "rows"), (1, "columns")):
        profile = power.sum(axis=1 - axis)
        quarter = len(profile) // 4
        inner = float(profile[quarter : len(profile) - quarter].sum())
        outer = float(profile.sum()) - inner
        if outer > _OUTER * inner:
            intake.doubt(
                "sampling",
                f"the energy of the k-space of {name} lies in its outer {what} "
                f"({100 * outer / (outer + inner):.0f} %); expected the zero frequency at index "
                f"{len(profile) // 2} of {len(profile)}",
                f"shift the {what} by half their number (fftshift)",
            )
    rows, columns = (middle(n, max(n // 4, 1)) for n in power.shape)
    share = float(power[rows, columns].sum()) / max(float(power.sum()), 1e-300)
    if share < _GATHERED:
        intake.note(
            "the energy of k-space does not gather about its centre (coil images instead of "
            "k-space, or noise)",
            f"{name} ({100 * share:.0f} % in the central sixteenth)",
        )


def middle(length: int, width: int) -> slice:
    """Up to so many points of an axis about its zero frequency."""
    width = min(length, width)
    start = length // 2 - width // 2
    return slice(start, start + width)
