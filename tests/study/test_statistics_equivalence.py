"""Equivalence tests and sample sizes against statsmodels and simulation."""

import numpy as np
import pytest
from scipy import stats

from mrjax.study.statistics import equivalence, means, sizes


@pytest.fixture
def arms():
    rng = np.random.default_rng(7)
    return 0.4 + 0.01 * rng.normal(size=6), 0.403 + 0.015 * rng.normal(size=6)


@pytest.mark.parametrize("margin", [0.01, 0.02, 0.2])
def test_p_is_that_of_statsmodels(arms, margin):
    weightstats = pytest.importorskip("statsmodels.stats.weightstats", reason="needs statsmodels")
    baseline, arm = arms
    found = equivalence.tost(baseline, arm, paired=True, margin=margin)
    assert found.p == pytest.approx(weightstats.ttost_paired(arm, baseline, -margin, margin)[0])
    found = equivalence.tost(baseline[:4], arm, paired=False, margin=margin)
    expected = weightstats.ttost_ind(arm, baseline[:4], -margin, margin, usevar="unequal")
    assert found.p == pytest.approx(expected[0])
    assert (found.n_baseline, found.n_arm) == (4, 6)


def test_interval_and_p_agree(arms):
    """The 90 % interval touches the margin where p is 0.05."""
    found = equivalence.tost(*arms, paired=True, margin=1.0)
    edge = max(-found.low, found.high)
    assert equivalence.tost(*arms, paired=True, margin=edge).p == pytest.approx(0.05)
    assert equivalence.tost(*arms, paired=True, margin=1.01 * edge).equivalent is True
    assert equivalence.tost(*arms, paired=True, margin=0.99 * edge).equivalent is False


@pytest.mark.parametrize(
    ("n", "margin", "difference"), [(5, 2.0, 0.0), (5, 1.2, 0.3), (3, 3.0, 0.0), (30, 0.5, 0.1)]
)
def test_power_is_that_of_simulated_studies(n, margin, difference):
    steps = np.random.default_rng(1).normal(difference, 1.0, size=(100_000, n))
    reach = stats.t.isf(0.05, n - 1) * steps.std(axis=1, ddof=1) / np.sqrt(n)
    shown = np.mean(np.abs(steps.mean(axis=1)) + reach < margin)
    power = sizes.equivalence_power(margin, 1 / np.sqrt(n), n - 1, difference)
    assert power == pytest.approx(shown, abs=0.006) and power > 0.05


@pytest.mark.parametrize(("n", "sds"), [(5, (1.0, 3.0)), (10, (1.0, 1.0)), (5, (0.0, 2.0))])
def test_power_of_welch_tests_is_that_of_simulated_studies(n, sds):
    """Satterthwaite's degrees of freedom, taken from the true deviations, are an approximation."""
    rng = np.random.default_rng(4)
    x, y = (sd * rng.normal(size=(100_000, n)) for sd in sds)
    a, b = (side.var(axis=1, ddof=1) / n for side in (x, y))
    df = (a + b) ** 2 * (n - 1) / (a**2 + b**2)
    reach = stats.t.isf(0.05, df) * np.sqrt(a + b)
    error = np.hypot(*sds) / np.sqrt(n)
    shown = np.mean(np.abs(y.mean(axis=1) - x.mean(axis=1)) + reach < 4 * error)
    power = sizes.equivalence_power(
        4 * error, error, means.welch_df(sds[0] ** 2, sds[1] ** 2, n, n)
    )
    assert power == pytest.approx(shown, abs=0.015) and 0.8 < power < 0.999


def test_power_at_the_margin_is_the_level():
    assert sizes.equivalence_power(50.0, 1.0, 9, difference=50.0) == pytest.approx(0.05, abs=1e-8)
    assert sizes.equivalence_power(50.0, 1.0, 4) == pytest.approx(1.0, abs=1e-5)
    assert sizes.equivalence_power(0.1, 1.0, 9) < 1e-6
    assert sizes.equivalence_power(1.0, 0.0, 4) == 1.0
    assert sizes.equivalence_power(1.0, 0.0, 4, difference=1.0) == 0.0
    assert sizes.equivalence_power(0.03, 0.01, 1e5) == pytest.approx(
        2 * stats.norm.cdf(3 - stats.norm.isf(0.05)) - 1, abs=1e-4
    )


def test_power_and_size_of_a_result(arms):
    baseline, arm = arms
    found = equivalence.tost(baseline, arm, paired=True, margin=0.02)
    sd = (arm - baseline).std(ddof=1)
    assert found.power == pytest.approx(sizes.equivalence_power(0.02, sd / np.sqrt(6), 5))
    n = found.needed
    assert sizes.equivalence_power(0.02, sd / np.sqrt(n), n - 1) >= 0.8
    assert sizes.equivalence_power(0.02, sd / np.sqrt(n - 1), n - 2) < 0.8
    welch = equivalence.tost(baseline, arm, paired=False, margin=0.02)
    assert welch.needed == sizes.for_equivalence(0.02, baseline.std(ddof=1), arm.std(ddof=1))


@pytest.mark.parametrize("paired", [True, False])
def test_identical_and_constant_arms_are_no_nan(arms, paired):
    same = equivalence.tost(arms[0], arms[0], paired=paired, margin=0.01)
    assert (same.status, same.equivalent, same.p, same.power) == ("identical", True, None, 1.0)
    repeats = np.full(4, 0.1)
    for step, equivalent in ((0.005, True), (0.02, False)):
        found = equivalence.tost(repeats, repeats + step, paired=paired, margin=0.01)
        assert (found.status, found.equivalent, found.p) == ("constant", equivalent, None)
    one = equivalence.tost([0.1], [0.2], paired=paired, margin=0.01)
    assert (one.status, one.equivalent, one.power, one.needed) == ("too few", None, None, None)


def test_margins():
    assert equivalence.margin(0.02, "relative", [0.3, 0.5]) == pytest.approx(0.008)
    assert equivalence.margin(0.01, "absolute", [0.3, 0.5]) == 0.01
    with pytest.raises(ValueError, match="expected relative or absolute"):
        equivalence.margin(0.02, "percent", [0.3])
    with pytest.raises(ValueError, match="more than zero"):
        equivalence.margin(0.0, "absolute", [0.3])


def test_a_tiny_margin_takes_more_runs_than_anyone_has():
    assert sizes.for_equivalence_paired(1e-9, 1.0) is None


def test_smallest_searches_every_number():
    assert [sizes.smallest(lambda n, k=k: n >= k) for k in range(2, 70)] == list(range(2, 70))
