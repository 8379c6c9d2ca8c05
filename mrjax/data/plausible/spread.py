"""Does a field or a susceptibility map spread as brains do, and in which unit would it?"""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from mrjax.data.intake import Intake

FIELD_PPM = (0.004, 0.15)
"""Standard deviation of a local field inside a mask [ppm]; brains have 0.01 to 0.06."""
CHI_PPM = (0.003, 0.5)
"""The same of a susceptibility map [ppm]; brains have about 0.03."""
_TYPICAL, _FAR = 0.025, math.log(4)
GYROMAGNETIC_MHZ_PER_TESLA = 42.57638543
"""Proton in water (CODATA 2022, shielded), per 2 pi."""
_COMMON_TESLA, _COMMON_SECONDS = 3.0, 0.02
_PHASE_STEPS = 4096
_FACTORS = (0.1, 10, 0.01, 100, 0.001)
"""By which an echo time may be wrong."""
_PERCENTILES = 2 * 1.6449
"""Between the 5th and the 95th percentile of a normal distribution [standard deviations]."""


def field_units(
    unit: str = "ppm", *, field_strength: float = 0.0, echo_time: float = 0.0
) -> dict[str, float]:
    """What a field that was read in a unit would be multiplied by, had it been another one.

    Args:
        unit: in which it was read: ppm, Hz or rad.
        field_strength: B0 [T] where known.
        echo_time: [s] where known.

    Returns:
        Name of the other unit (with what it assumes) -> factor.
    """
    hertz = GYROMAGNETIC_MHZ_PER_TESLA * (field_strength or _COMMON_TESLA)  # of one ppm
    tesla = f"{field_strength or _COMMON_TESLA:g} T"
    here = {"ppm": 1.0, "Hz": hertz, "rad": 2 * math.pi * hertz * (echo_time or 1.0)}[unit]
    found = {
        "ppm": here,
        "ppb": here * 1e-3,
        f"Hz at {tesla}": here / hertz,
        f"rad/s at {tesla}": here / (2 * math.pi * hertz),
    }
    if unit == "rad":
        scaled = f"rad had -{_PHASE_STEPS} to {_PHASE_STEPS - 1} been scaled to -pi to pi"
        found[scaled] = math.pi / _PHASE_STEPS
        found |= {f"rad at an echo time of {echo_time * s:g} s": 1 / s for s in _FACTORS}
    else:
        turns = hertz * _COMMON_SECONDS  # of the phase, for one ppm
        after = f"after {_COMMON_SECONDS} s at {tesla}"
        found |= {
            f"rad {after}": here / (2 * math.pi * turns),
            f"phase of -{_PHASE_STEPS} to {_PHASE_STEPS - 1} {after}": here
            / (2 * turns * _PHASE_STEPS),
        }
    if unit == "ppm":
        found["ppm, had it been divided by an echo time in s, not ms"] = 1e3
    return {name: factor for name, factor in found.items() if abs(math.log(factor)) > 1e-6}


CHI_UNITS = {"ppb": 1e-3, "SI, not ppm": 1e6}
"""Units of a susceptibility map other than ppm."""


def check(
    name: str,
    kind: str,
    values: np.ndarray | Sequence[float],
    limits: tuple[float, float],
    others: Mapping[str, float],
    intake: Intake,
) -> None:
    """Doubt a map whose spread is not that of a head.

    A wrong unit, echo time or scaling gives a map that looks right and is wrong by a factor. An
    in-vivo brain's spread varies much less than these factors.

    Args:
        name: of the subject, for messages.
        kind: "field" or "chi", which is also the name of the check.
        values: of all voxels inside the mask [ppm].
        limits: smallest and largest plausible standard deviation [ppm].
        others: units that it may have been instead -> factor.
        intake: the run's account.

    Raises:
        UserError: the spread is outside the limits, and the user has not accepted it.
    """
    spread = robust_std(np.asarray(values))
    if limits[0] <= spread <= limits[1]:
        return
    intake.doubt(
        kind,
        f"the {kind} of {name} has a robust standard deviation of {spread:.2g} ppm in the mask; "
        f"expected {limits[0]} to {limits[1]} ppm of a head; {_hint(spread, limits, others)}",
        f"correct the unit or scale of the {kind}",
    )


def robust_std(values: np.ndarray) -> float:
    """A standard deviation that few wrong voxels do not change.

    It is that of the normal distribution which has the same 5th and 95th percentiles; where these
    are equal, as of a map that is constant in most voxels, the usual one.
    """
    low, high = np.percentile(values, [5, 95]) if values.size else (0.0, 0.0)
    if high > low:
        return float(high - low) / _PERCENTILES
    return float(np.std(values, dtype=np.float64))


def _hint(spread: float, limits: tuple[float, float], others: Mapping[str, float]) -> str:
    """The units that would make a spread plausible, the usual ones first."""
    fitting = {u: spread * f for u, f in others.items() if limits[0] <= spread * f <= limits[1]}
    best = sorted(fitting, key=lambda unit: abs(math.log(fitting[unit] / _TYPICAL)) > _FAR)[:3]
    if not best:
        return "no usual unit would make it so"
    return "it would be plausible in " + ", or ".join(f"{u} ({fitting[u]:.2g} ppm)" for u in best)
