"""Question (a): do these two networks differ? The papers' tests, paired over subjects.

They take the two networks as given. Two trainings that differ in nothing but chance give two
networks, and over enough subjects these differ: under "the source has no effect" the test
rejects far more often than its level says (20-70 % where the scatter between trainings is 0.5-2
times that between subjects). It tells nothing about a source; questions (b) and (c) do.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from mrjax.study.statistics import common
from mrjax.study.statistics.common import Sample, Status

LABEL = "conditional on these two trainings"


@dataclass(frozen=True, kw_only=True)
class Conditional:
    """Difference of two networks over subjects; p-values are None unless ``status`` is tested."""

    status: Status
    n: int
    n_different: int
    """Subjects in which the networks differ at all."""
    first: float
    """Mean over subjects of the first network."""
    second: float
    difference: float
    """Second minus first, mean over subjects."""
    low: float | None = None
    """95 % interval of the difference (Student's t)."""
    high: float | None = None
    t: float | None = None
    df: float | None = None
    p: float | None = None
    wilcoxon: float | None = None
    """Smaller of the two sums of signed ranks."""
    wilcoxon_p: float | None = None
    label: str = LABEL
    test: str = "paired t-test over subjects"
    second_test: str = "Wilcoxon signed-rank test over subjects"
    unit: str = common.SUBJECT


def conditional(x: Sample, y: Sample) -> Conditional:
    """Compare two networks subject by subject, as both papers do.

    Args:
        x: metric of the first network, [subject].
        y: metric of the second network on the same subjects, [subject].

    Returns:
        Both tests, and the mean difference with its interval.

    Raises:
        ValueError: lengths differ, or a value is not finite.

    Source: Oh et al., ISMRM 2022, 1165 ("pairwise t-test").
    """
    x, y = common.pair(x, y, ("first network", "second network"), paired=True)
    difference = y - x
    status = _status(difference)
    numbers: dict = {}
    if status in ("identical", "constant"):
        numbers = {"low": float(difference[0]), "high": float(difference[0])}
    if status == "tested":
        ranks: Any = stats.wilcoxon(y, x)
        numbers = common.t_test(x, y, paired=True)
        numbers |= {"wilcoxon": float(ranks.statistic), "wilcoxon_p": float(ranks.pvalue)}
    return Conditional(
        status=status,
        n=x.size,
        n_different=int(np.count_nonzero(difference)),
        first=float(x.mean()),
        second=float(y.mean()),
        difference=float(difference[0] if common.constant(difference) else difference.mean()),
        **numbers,
    )


def _status(difference: Sample) -> Status:
    if not difference.any():
        return "identical"
    if difference.size < 2:
        return "too few"
    return "constant" if common.constant(difference) else "tested"
