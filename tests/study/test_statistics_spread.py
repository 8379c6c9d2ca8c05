"""Question (c) against scipy called directly, formulas and simulation."""

import numpy as np
import pytest
from scipy import stats

from mrjax.study.statistics import spread as spreads


@pytest.fixture
def arms():
    rng = np.random.default_rng(8)
    shared = rng.normal(size=7)
    return 0.4 + 0.01 * (shared + rng.normal(size=7)), 0.4 + 0.03 * (shared + rng.normal(size=7))


def _spread(baseline, arm, paired, **how):
    rng = np.random.default_rng(0)
    return spreads.spread(np.asarray(baseline), np.asarray(arm), paired=paired, rng=rng, **how)


def test_brown_forsythe_is_levene_of_scipy(arms):
    expected = stats.levene(*arms, center="median")
    for paired in (True, False):
        found = _spread(*arms, paired)
        assert found.brown_forsythe == expected.statistic
        assert found.brown_forsythe_p == expected.pvalue


def test_pitman_morgan_is_the_correlation_of_sum_and_difference(arms):
    baseline, arm = arms
    expected = stats.pearsonr(baseline + arm, arm - baseline)
    found = _spread(*arms, True)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-10)
    assert found.ratio == pytest.approx(arm.std() / baseline.std())
    assert found.test.startswith("Pitman-Morgan")


def test_spread_of_arms_that_nearly_agree_is_no_rounding_error():
    """Another thread count in float64: equal but for the last digits; a null study as any other."""
    rng, p = np.random.default_rng(4), []
    for size in np.repeat([1e-6, 1e-10, 1e-14], 300):
        baseline = 0.4 + 0.01 * rng.normal(size=5)
        arm = baseline + size * rng.normal(size=5)
        found = spreads.pitman_morgan(baseline, arm)
        assert found["p"] == pytest.approx(stats.pearsonr(baseline + arm, arm - baseline).pvalue)
        assert found["low"] <= found["ratio"] <= found["high"]
        p.append(found["p"])
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize("paired", [True, False])
def test_interval_of_the_ratio_inverts_its_test(arms, paired, end):
    """Divided by a ratio at the interval's end, the arm is just not different: p = 0.05."""
    ratio = getattr(_spread(*arms, paired), end)
    assert _spread(arms[0], arms[1] / ratio, paired).p == pytest.approx(0.05, rel=1e-6)


def test_f_test_of_unequal_numbers(arms):
    baseline, arm = arms[0][:4], arms[1]
    found = _spread(baseline, arm, False)
    ratio = arm.var(ddof=1) / baseline.var(ddof=1)
    assert found.ratio == pytest.approx(np.sqrt(ratio))
    assert found.p == pytest.approx(2 * min(stats.f.sf(ratio, 6, 3), stats.f.cdf(ratio, 6, 3)))
    assert (found.baseline.n, found.arm.n) == (4, 7)


def test_sigma_with_its_intervals():
    values = np.random.default_rng(9).normal(size=40)
    found = spreads.sigma(values, np.random.default_rng(0))
    assert found.sd == pytest.approx(values.std(ddof=1)) and found.n == 40
    chi = stats.chi2.interval(0.95, 39)
    assert found.low == pytest.approx(found.sd * np.sqrt(39 / chi[1]))
    assert found.high == pytest.approx(found.sd * np.sqrt(39 / chi[0]))
    expected = stats.bootstrap(
        (values,), lambda x, axis: np.std(x, ddof=1, axis=axis), method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert (found.bootstrap_low, found.bootstrap_high) == pytest.approx(tuple(expected), rel=0.03)


def test_chi_square_interval_holds_its_level():
    rng = np.random.default_rng(3)
    found = [spreads.sigma(rng.normal(size=5), rng, resamples=10) for _ in range(2000)]
    held = np.mean([one.low <= 1.0 <= one.high for one in found])
    assert held == pytest.approx(0.95, abs=0.015)


def test_bootstrap_of_the_ratio_keeps_pairs_together():
    rng = np.random.default_rng(6)
    shared = rng.normal(size=60)
    baseline, arm = shared + 0.05 * rng.normal(size=60), 2 * shared + 0.05 * rng.normal(size=60)
    pairs, apart = _spread(baseline, arm, True), _spread(baseline, arm, False)
    for found in (pairs, apart):
        assert found.bootstrap_low < found.ratio < found.bootstrap_high
    assert (pairs.bootstrap_low, pairs.bootstrap_high) == pytest.approx(
        (pairs.low, pairs.high), rel=0.03
    )
    assert pairs.bootstrap_high - pairs.bootstrap_low < 0.3 * (apart.high - apart.low)


def test_same_generator_same_interval(arms):
    assert _spread(*arms, True) == _spread(*arms, True)


@pytest.mark.parametrize("paired", [True, False])
def test_arms_without_scatter_are_no_nan(arms, paired):
    repeats = np.full(7, 0.1)
    both = _spread(repeats, repeats, paired)
    assert (both.status, both.p, both.brown_forsythe_p) == ("identical", None, None)
    assert both.baseline.identical and both.baseline.sd == both.baseline.high == 0.0
    one = _spread(repeats, arms[1], paired)
    assert (one.status, one.p, one.ratio, one.arm.identical) == ("constant", None, None, False)
    other = _spread(arms[0], repeats, paired)
    assert (other.status, other.p, other.ratio) == ("constant", None, 0.0)
    same = _spread(arms[0], arms[0], paired)
    assert (same.status, same.p, same.ratio) == ("identical", None, 1.0)


def test_few_runs():
    one = _spread([0.1], [0.2], True)
    assert (one.status, one.baseline.sd, one.ratio) == ("too few", None, None)
    assert not one.baseline.identical
    two = _spread([0.1, 0.2], [0.1, 0.4], True)
    assert (two.status, two.p, two.ratio) == ("too few", None, pytest.approx(3.0))
    free = _spread([0.1, 0.2], [0.1, 0.4], False)
    assert free.status == "tested" and free.brown_forsythe_p is None and 0 < free.p < 1
