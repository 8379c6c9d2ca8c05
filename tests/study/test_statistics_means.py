"""Question (b) against scipy called directly; probability to be better against counting."""

import itertools

import numpy as np
import pytest
from scipy import stats

from mrjax.study.statistics import common, means


@pytest.fixture
def arms():
    rng = np.random.default_rng(11)
    baseline = 0.4 + 0.02 * rng.normal(size=6)
    return baseline, baseline + 0.03 + 0.01 * rng.normal(size=6)


def test_paired_test_is_that_of_scipy(arms):
    found = means.shift(*arms, paired=True)
    expected = stats.ttest_rel(arms[1], arms[0])
    assert found.t == pytest.approx(expected.statistic, rel=1e-12)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-12)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    steps = arms[1] - arms[0]
    assert found.effect == pytest.approx(steps.mean() / steps.std(ddof=1))
    assert (found.df, found.effect_name, found.status) == (5, "d_z", "tested")
    assert found.test == "paired t-test over runs"


@pytest.mark.parametrize("n", [3, 6])
def test_welch_test_is_that_of_scipy(arms, n):
    baseline, arm = arms[0][:n], 2 * arms[1]
    found = means.shift(baseline, arm, paired=False)
    expected = stats.ttest_ind(arm, baseline, equal_var=False)
    assert found.t == pytest.approx(expected.statistic, rel=1e-12)
    assert found.df == pytest.approx(expected.df, rel=1e-12)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-12)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    pooled = np.sqrt((baseline.var(ddof=1) + arm.var(ddof=1)) / 2)
    assert found.effect == pytest.approx((arm.mean() - baseline.mean()) / pooled)
    assert (found.n_baseline, found.n_arm, found.effect_name) == (n, 6, "d")


def test_effect_without_bias():
    """Over many small samples the corrected effect averages to the true one, the raw one not."""
    rng = np.random.default_rng(5)
    found = [means.shift(np.zeros(5), 1.0 + rng.normal(size=5), paired=True) for _ in range(4000)]
    assert np.mean([shift.effect_unbiased for shift in found]) == pytest.approx(1.0, abs=0.03)
    assert np.mean([shift.effect for shift in found]) > 1.15
    assert means.hedges(40.0) == pytest.approx(1 - 3 / (4 * 40 - 1), abs=1e-4)


@pytest.mark.parametrize("paired", [True, False])
def test_identical_arms_are_no_nan(arms, paired):
    found = means.shift(arms[0], arms[0], paired=paired)
    assert (found.status, found.difference, found.p, found.t) == ("identical", 0.0, None, None)
    assert (found.low, found.high, found.effect) == (0.0, 0.0, 0.0)
    constant = np.full(5, 0.1)
    assert means.shift(constant, constant, paired=paired).status == "identical"


def test_repeats_of_one_number_are_a_fact():
    """Inference repeated: 0.1 summed five times is no multiple of 0.1, yet nothing scatters."""
    baseline, arm = np.full(5, 0.1), np.full(5, 0.1 + 1e-9)
    for paired in (True, False):
        found = means.shift(baseline, arm, paired=paired)
        assert (found.status, found.p, found.effect) == ("constant", None, None)
        assert found.low == found.high == found.difference == pytest.approx(1e-9, rel=1e-6)
    found = means.shift(baseline, arm[:3], paired=False)
    assert found.status == "constant" and found.n_arm == 3


def test_one_run_is_too_few():
    found = means.shift([0.1], [0.2], paired=True)
    assert (found.status, found.low, found.p) == ("too few", None, None)
    assert found.difference == pytest.approx(0.1)
    assert means.shift([0.1, 0.2], [0.4, 0.2], paired=True).effect_unbiased is None


def test_one_side_without_scatter_is_tested(arms):
    found = means.shift(np.full(6, 0.4), arms[1], paired=False)
    assert found.status == "tested" and found.df == pytest.approx(5.0)


def _better(baseline, arm, **how):
    how = {"paired": True, "lower_is_better": True, "rng": np.random.default_rng(0)} | how
    return means.better(np.asarray(baseline, float), np.asarray(arm, float), **how)


def test_probability_to_be_better_counts_ties_half():
    found = _better([3, 3, 3, 3], [1, 2, 3, 4])
    assert found.probability == 2.5 / 4
    assert _better([3, 3, 3, 3], [1, 2, 3, 4], lower_is_better=False).probability == 1.5 / 4
    unpaired = _better([1, 4, 6], [2, 4], paired=False)
    assert unpaired.probability == 3.5 / 6
    assert unpaired.interval == "percentile bootstrap"


def test_bootstrap_of_pairs_against_all_resamples():
    """Four pairs have 4^4 resamples; the interval is that of their full distribution."""
    wins = np.array([1.0, 1.0, 0.5, 0.0])
    every = [np.mean(draw) for draw in itertools.product(wins, repeat=4)]
    found = _better([3, 3, 3, 3], [1, 2, 3, 4], resamples=50_000)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(every, (0.025, 0.975))))


def test_bootstrap_of_independent_arms_covers_the_truth():
    rng, held = np.random.default_rng(2), 0
    for _ in range(300):
        baseline, arm = rng.normal(size=25), rng.normal(size=25) + 1.0
        found = _better(baseline, arm, paired=False, lower_is_better=False, rng=rng, resamples=400)
        held += found.low <= stats.norm.cdf(1 / np.sqrt(2)) <= found.high
    assert held / 300 > 0.90


def test_all_runs_better_is_not_certainty():
    found = _better([3, 3, 3, 3, 3], [1, 1, 2, 2, 2])
    exact = stats.binomtest(5, 5).proportion_ci(0.95, method="exact")
    assert (found.probability, found.interval) == (1.0, "exact binomial")
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))
    worse = _better([3, 3, 3, 3, 3], [4, 4, 5, 5, 5])
    assert (worse.low, worse.high) == pytest.approx((0.0, 1 - exact.low))


def test_equal_arms_are_a_coin():
    found = _better([1, 2], [1, 2])
    assert (found.probability, found.low, found.high) == (0.5, 0.5, 0.5)


def test_generators_belong_to_their_names():
    draws = [common.generator(*args).random() for args in ((0, "a"), (0, "a"), (0, "b"), (1, "a"))]
    assert draws[0] == draws[1] and len(set(draws)) == 3
    assert common.generator(0, "ab", "c").random() != common.generator(0, "a", "bc").random()
