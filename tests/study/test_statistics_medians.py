"""Medians and their intervals against scipy and the binomial distribution."""

import numpy as np
import pytest
from scipy import stats

from mrjax.study.statistics import medians


def rank(n: int) -> int:
    """Largest k for which the k-th values from either end hold the median in 95 % of samples."""
    return max(k for k in range(1, n) if 1 - 2 * stats.binom.cdf(k - 1, n, 0.5) >= 0.95)


@pytest.mark.parametrize("n", [6, 9, 10, 34, 101])
def test_interval_is_that_of_the_binomial_distribution(n):
    values = np.random.default_rng(n).normal(size=n)
    found, ordered = medians.median(values), np.sort(values)
    assert (found.low, found.high) == (ordered[rank(n) - 1], ordered[-rank(n)])
    assert found.median == np.median(values) and found.n == n


@pytest.mark.parametrize("n", [6, 10, 34])
def test_coverage_is_what_it_says(n):
    rng = np.random.default_rng(1)
    found = [medians.median(rng.exponential(size=n)) for _ in range(300)]
    held = np.mean([one.low <= np.log(2) <= one.high for one in found])
    expected = 1 - 2 * stats.binom.cdf(rank(n) - 1, n, 0.5)
    assert held == pytest.approx(expected, abs=0.035) and expected >= 0.95


def test_five_values_have_no_interval():
    found = medians.median([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.median, found.low, found.high) == (3.0, None, None)
    six = medians.median(np.arange(6.0))
    assert (six.low, six.high) == (0.0, 5.0)


def test_repetitions():
    rng = np.random.default_rng(0)
    values = 0.95 + 0.01 * rng.normal(size=(4, 10)) + 0.001 * np.arange(4)[:, None]
    found = medians.repetitions(values)
    middles = np.median(values, axis=1)
    assert [row.median for row in found.rows] == list(middles)
    assert (found.smallest, found.largest) == (middles.min(), middles.max())
    assert found.sd == pytest.approx(middles.std(ddof=1))
    assert found.center.median == np.median(middles) and found.center.unit == "repetition"
    assert found.overlap is True and found.identical is False


def test_intervals_that_do_not_overlap():
    values = np.arange(10.0) + 100 * np.arange(2)[:, None]
    assert medians.repetitions(values).overlap is False
    touching = np.arange(10.0) + 7 * np.arange(2)[:, None]  # 1 to 8, and 8 to 15
    assert medians.repetitions(touching).overlap is True


def test_identical_repetitions_are_no_nan():
    found = medians.repetitions(np.tile(np.linspace(0.9, 0.99, 10), (6, 1)))
    assert found.identical and found.sd == 0.0 and found.overlap is True
    few = medians.repetitions(np.full((1, 3), 0.1))
    assert few.sd is None and few.overlap is None and few.identical


def test_wrong_tables_are_refused():
    with pytest.raises(ValueError, match="table"):
        medians.repetitions(np.zeros(3))
    with pytest.raises(ValueError, match="finite"):
        medians.repetitions(np.full((2, 3), np.nan))
