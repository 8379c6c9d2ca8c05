"""Are the times of a dynamic series those of contrast agent coming and going?"""

import numpy as np

from mrjax.data.intake import Intake

SHORTEST, LONGEST = 60.0, 7200.0
"""Length of a dynamic contrast-enhanced series [s]."""
_UNITS = {"minutes": 60.0, "milliseconds": 1e-3, "microseconds": 1e-6, "hours": 3600.0}


def check(name: str, seconds: np.ndarray, intake: Intake) -> None:
    """Doubt a series of less than a minute or more than two hours.

    Headers often give the repetition time of the sequence instead of the time between volumes,
    and tables give minutes or milliseconds. Then another volume would count as the early one.

    Args:
        name: of the patient, for messages.
        seconds: times of the volumes [s], rising.
        intake: the run's account.

    Raises:
        UserError: the length is implausible, and the user has not accepted it.
    """
    length = float(seconds[-1] - seconds[0])
    if SHORTEST <= length <= LONGEST:
        return
    fitting = [unit for unit, f in _UNITS.items() if SHORTEST <= length * f <= LONGEST]
    hint = f"it would be plausible in {' or '.join(fitting)}" if fitting else "no unit fits"
    intake.doubt(
        "times",
        f"the series of {name} lasts {length:.4g} s from the first to the last of its "
        f"{len(seconds)} volumes; expected {SHORTEST:g} to {LONGEST:g} s; {hint}, or it is the "
        "repetition time of the sequence",
        "give the seconds of each volume",
    )
