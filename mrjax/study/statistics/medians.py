"""Monte Carlo repetitions by their medians, with intervals from order statistics alone."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from mrjax.study.statistics import common
from mrjax.study.statistics.common import Sample


@dataclass(frozen=True, kw_only=True)
class Median:
    """Median of a sample with an interval that assumes no distribution."""

    n: int
    median: float
    low: float | None
    """Lower end of the 95 % interval, one of the values; None for fewer than six values, of
    which no two hold 95 %."""
    high: float | None
    unit: str = common.SUBJECT


@dataclass(frozen=True, kw_only=True)
class Repetitions:
    """The table of a Monte Carlo study: one median for each repetition, and their scatter."""

    rows: tuple[Median, ...]
    """One a repetition, over its subjects."""
    identical: bool
    """Every repetition gave every subject the same number."""
    center: Median
    """Of the repetitions' medians."""
    smallest: float
    largest: float
    sd: float | None
    """Standard deviation of the repetitions' medians; None for one repetition."""
    overlap: bool | None
    """All intervals have a point in common: the papers' sign of stability. It is no test: the
    intervals hold the scatter of subjects, which is the same in all repetitions, so it says
    little about the scatter of runs. None where an interval is missing."""


def median(values: Sample, unit: str = common.SUBJECT) -> Median:
    """Median and its 95 % interval between two order statistics.

    Args:
        values: [n].
        unit: what was counted.

    Raises:
        ValueError: no value, or one that is not finite.

    Source: Conover, Practical Nonparametric Statistics (1999), chapter 3.2, in scipy.
    """
    values = common.sample(values, "values")
    ends = stats.quantile_test(values, p=0.5).confidence_interval(1 - common.ALPHA)
    low, high = (None if np.isnan(end) else float(end) for end in (ends.low, ends.high))
    return Median(n=values.size, median=float(np.median(values)), low=low, high=high, unit=unit)


def repetitions(values: Float[np.ndarray, "repetition subject"]) -> Repetitions:
    """Summarise repetitions of "the same everything" as Piantadosi et al. do.

    Args:
        values: metric of every subject in every repetition, [repetition subject].

    Raises:
        ValueError: not a table, or a value that is not finite.

    Source: Piantadosi et al., RRPR 2018, table of Monte Carlo executions.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise ValueError(f"expected a table [repetition subject], got shape {values.shape}")
    rows = tuple(median(row) for row in values)
    middles = np.array([row.median for row in rows])
    lows = [row.low for row in rows if row.low is not None]
    highs = [row.high for row in rows if row.high is not None]
    return Repetitions(
        rows=rows,
        identical=bool((values == values[0]).all()),
        center=median(middles, unit="repetition"),
        smallest=float(middles.min()),
        largest=float(middles.max()),
        sd=common.sd(middles) if middles.size > 1 else None,
        overlap=max(lows) <= min(highs) if lows else None,
    )
