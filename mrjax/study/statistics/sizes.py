"""How many replicates a study needs: per arm, for a power of 0.8 at the level of 5 %."""

import bisect
from collections.abc import Callable

import numpy as np
from scipy import special

from mrjax.study.statistics import common, means

POWER = 0.8
LARGEST = 1_000_000

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(100)
_TAIL = 1e-13


def for_equivalence(
    margin: float, sd_baseline: float, sd_arm: float, *, power: float = POWER
) -> int | None:
    """Fewest replicates with which two one-sided Welch tests show equivalence at no difference.

    Args:
        margin: equivalence margin, in the metric's unit.
        sd_baseline: standard deviation over the baseline's runs, same unit.
        sd_arm: standard deviation over the arm's runs.
        power: chance to show it.

    Returns:
        Replicates per arm; None if a million do not suffice.
    """
    _check(min(sd_baseline, sd_arm), power)
    a, b = sd_baseline**2, sd_arm**2

    def enough(n: int) -> bool:
        df = means.welch_df(a, b, n, n)
        return equivalence_power(margin, float(np.sqrt((a + b) / n)), df) >= power

    return smallest(enough)


def for_equivalence_paired(margin: float, sd: float, *, power: float = POWER) -> int | None:
    """The same for two one-sided paired tests; ``sd`` is that of the differences of pairs."""
    _check(sd, power)
    return smallest(lambda n: equivalence_power(margin, sd / n**0.5, n - 1) >= power)


def equivalence_power(margin: float, error: float, df: float, difference: float = 0.0) -> float:
    """Chance that the two one-sided tests show equivalence.

    The exact integral over the estimated standard error, for normal run means and a known true
    one (for Welch's test up to Satterthwaite's approximation).

    Args:
        margin: equivalence margin, in the metric's unit.
        error: true standard error of the difference of means, same unit; zero if no scatter.
        df: degrees of freedom of its estimate.
        difference: true difference, same unit.

    Returns:
        0 to 1.

    Source: Phillips, J Pharmacokinet Biopharm 18:137 (1990); the integral of Owen's Q function.
    """
    if error <= 0.0:
        return 1.0 if abs(difference) < margin else 0.0
    critical = -special.stdtrit(df, common.ALPHA)
    # v is the estimated over the true standard error; beyond v = end, no difference is so small
    # that equivalence is shown
    start = np.sqrt(2 * special.gammaincinv(df / 2, _TAIL) / df)
    stop = np.sqrt(2 * special.gammainccinv(df / 2, _TAIL) / df)
    end = min(stop, margin / (critical * error))
    if end <= start:
        return 0.0
    v = start + (end - start) * (_NODES + 1) / 2
    reach = margin / error - critical * v
    inside = special.ndtr(reach - difference / error) - special.ndtr(-reach - difference / error)
    log_density = (df - 1) * np.log(v) - df * v**2 / 2 + df / 2 * np.log(df / 2)
    density = 2 * np.exp(log_density - special.gammaln(df / 2))
    return float(np.clip(np.sum(_WEIGHTS * inside * density) * (end - start) / 2, 0.0, 1.0))


def smallest(enough: Callable[[int], bool]) -> int | None:
    """Smallest whole number from 2 on that is enough; None: even `LARGEST` is not.

    Args:
        enough: whether a number is; if one is, all larger ones must be.
    """
    number = 2 + bisect.bisect_left(range(2, LARGEST + 1), True, key=enough)
    return number if number <= LARGEST else None


def _check(sd: float, power: float) -> None:
    if not (sd >= 0.0 and 0.0 < power < 1.0):
        raise ValueError(f"expected sd >= 0 and a power between 0 and 1, got {sd} and {power}")
