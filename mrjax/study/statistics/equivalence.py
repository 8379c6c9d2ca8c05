"""Question (b) turned round: is the shift of the mean smaller than what matters?

A test that finds no difference does not show that there is none; two one-sided tests (TOST) can.
"""

from dataclasses import dataclass

from scipy import stats

from mrjax.study.statistics import common, means, sizes
from mrjax.study.statistics.common import Sample, Status


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """Whether the mean of the arm's runs lies within the margin around the baseline's."""

    status: Status
    test: str
    n_baseline: int
    n_arm: int
    margin: float
    """In the metric's unit; equivalence means |difference| < margin."""
    difference: float
    low: float | None = None
    """90 % interval of the difference: inside the margin if and only if the test rejects."""
    high: float | None = None
    p: float | None = None
    """Larger of the two one-sided p-values."""
    equivalent: bool | None = None
    """True: shown equivalent. False: not shown. None: too few runs to say."""
    power: float | None = None
    """Chance that this design shows equivalence if the true difference is zero and the scatter is
    what was found; 1 where there is no scatter."""
    needed: int | None = None
    """Fewest replicates per arm for a power of 0.8 at that scatter; None: over a million."""
    unit: str = common.RUN


def margin(value: float, kind: str, baseline: Sample) -> float:
    """The equivalence margin in the metric's unit.

    Args:
        value: 0.02 for 2 % of the baseline, or an absolute difference.
        kind: "relative" (to the mean of the baseline's runs) or "absolute".
        baseline: mean metric of each baseline run, [replicate].

    Raises:
        ValueError: another kind, or a margin that is not positive.
    """
    if kind not in ("relative", "absolute"):
        raise ValueError(f"margin kind {kind!r}; expected relative or absolute")
    size = abs(float(common.sample(baseline, "baseline").mean())) if kind == "relative" else 1.0
    if not value * size > 0.0:
        raise ValueError(f"a margin of {value * size}; expected more than zero")
    return value * size


def tost(baseline: Sample, arm: Sample, *, paired: bool, margin: float) -> Equivalence:
    """Two one-sided t-tests on run means: is |arm - baseline| < margin?

    Args:
        baseline: mean metric of each run, [replicate].
        arm: those of the arm, [replicate].
        paired: on differences of pairs, else with Welch's degrees of freedom.
        margin: largest difference that does not matter, in the metric's unit.

    Raises:
        ValueError: as `mrjax.study.statistics.means.shift`.

    Source: Schuirmann, J Pharmacokinet Biopharm 15:657 (1987).
    """
    baseline, arm = common.pair(baseline, arm, means.NAMES, paired)
    status, difference, error, df, _ = means.scale(baseline, arm, paired)
    numbers: dict = {}
    if status in ("identical", "constant"):
        numbers = {"low": difference, "high": difference, "power": 1.0, "needed": 2}
        numbers["equivalent"] = abs(difference) < margin
    if status == "tested":
        half = float(stats.t.isf(common.ALPHA, df)) * error
        above = stats.t.sf((difference + margin) / error, df)
        below = stats.t.cdf((difference - margin) / error, df)
        p = float(max(above, below))
        numbers = {
            "low": difference - half,
            "high": difference + half,
            "p": p,
            "equivalent": p < common.ALPHA,
            "power": sizes.equivalence_power(margin, error, df),
            "needed": _needed(baseline, arm, paired, margin),
        }
    return Equivalence(
        status=status,
        test=f"two one-sided {'paired' if paired else 'Welch'} t-tests over runs",
        n_baseline=baseline.size,
        n_arm=arm.size,
        margin=margin,
        difference=difference,
        **numbers,
    )


def _needed(baseline: Sample, arm: Sample, paired: bool, margin: float) -> int | None:
    if paired:
        return sizes.for_equivalence_paired(margin, common.sd(arm - baseline))
    return sizes.for_equivalence(margin, common.sd(baseline), common.sd(arm))
