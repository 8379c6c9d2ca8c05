"""Question (a) against scipy called directly, and where there is nothing to test."""

import numpy as np
import pytest
from scipy import stats

from mrjax.study.statistics.subjects import conditional


@pytest.fixture
def networks():
    rng = np.random.default_rng(4)
    x = 0.4 + 0.05 * rng.normal(size=8)
    return x, x + 0.01 + 0.02 * rng.normal(size=8)


def test_tests_are_those_of_scipy(networks):
    x, y = networks
    found = conditional(x, y)
    t, rank = stats.ttest_rel(y, x), stats.wilcoxon(y - x)
    interval = t.confidence_interval(0.95)
    assert (found.t, found.p, found.df) == (t.statistic, t.pvalue, 7)
    assert (found.low, found.high) == (interval.low, interval.high)
    assert (found.wilcoxon, found.wilcoxon_p) == (rank.statistic, rank.pvalue)
    assert found.difference == pytest.approx(y.mean() - x.mean(), rel=1e-12)
    assert (found.first, found.second) == (x.mean(), y.mean())
    assert (found.n, found.n_different, found.unit, found.status) == (8, 8, "subject", "tested")
    assert found.label == "conditional on these two trainings"


def test_exchanged_networks_change_the_sign(networks):
    there, back = conditional(*networks), conditional(*networks[::-1])
    assert there.difference == pytest.approx(-back.difference) and there.difference > 0
    assert there.low == pytest.approx(-back.high) and there.p == pytest.approx(back.p)


def test_identical_networks_are_no_nan(networks):
    found = conditional(networks[0], networks[0])
    assert (found.status, found.n_different, found.difference) == ("identical", 0, 0.0)
    assert (found.low, found.high, found.p, found.wilcoxon_p) == (0.0, 0.0, None, None)


def test_a_constant_difference_is_a_fact_and_one_subject_is_too_few():
    x = np.array([0.25, 0.5, 0.75])
    found = conditional(x, x + 0.125)
    assert (found.status, found.difference, found.low, found.p) == ("constant", 0.125, 0.125, None)
    assert conditional(x[:1], x[:1] + 0.125).status == "too few"
    assert conditional(x[:1], x[:1]).status == "identical"


def test_differences_of_rounding_are_tested_without_a_warning():
    x = 0.4 + 1e-3 * np.arange(8.0)
    found = conditional(x, x + 1e-9 * (1 + 1e-8 * np.arange(8.0)))
    assert found.status == "tested" and np.isfinite(found.p) and found.p < 1e-6


def test_some_subjects_may_agree(networks):
    x, y = networks
    y = np.where(np.arange(8) < 3, x, y)
    found = conditional(x, y)
    assert found.n_different == 5 and 0.0 < found.wilcoxon_p <= 1.0


def test_wrong_samples_are_refused(networks):
    x, y = networks
    with pytest.raises(ValueError, match="paired; got 8 and 7"):
        conditional(x, y[1:])
    with pytest.raises(ValueError, match="second network: expected finite"):
        conditional(x, y * np.nan)
    with pytest.raises(ValueError, match="expected a vector"):
        conditional(x[None], y)
