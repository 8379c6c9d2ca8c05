"""Question (c): does a source change the spread over runs? Standard deviations and their ratio."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from mrjax.study.statistics import common
from mrjax.study.statistics.common import RESAMPLES, Sample, Status
from mrjax.study.statistics.means import NAMES


@dataclass(frozen=True, kw_only=True)
class Sigma:
    """Standard deviation over the runs of one arm."""

    n: int
    identical: bool
    """All runs gave the same number; sd is exactly zero."""
    mean: float
    sd: float | None = None
    """None with a single run."""
    low: float | None = None
    """95 % interval, chi-square: exact for normal run means."""
    high: float | None = None
    bootstrap_low: float | None = None
    """95 % interval, percentile bootstrap: free of that assumption, too narrow below ten runs."""
    bootstrap_high: float | None = None
    unit: str = common.RUN


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Change of the spread over runs; p-values are None unless ``status`` is tested."""

    status: Status
    """constant: one side has no spread at all and the other has; identical: neither has, or one
    sample is the other plus a constant."""
    test: str
    baseline: Sigma
    arm: Sigma
    ratio: float | None = None
    """Standard deviation of the arm over that of the baseline; None if that is zero."""
    low: float | None = None
    """95 % interval of the ratio, of the same normal theory as ``p``."""
    high: float | None = None
    bootstrap_low: float | None = None
    bootstrap_high: float | None = None
    p: float | None = None
    """Exact for normal run means: Pitman and Morgan's test (paired) or the F test. Heavy tails make
    both reject too often (t with 4 degrees of freedom, 5 to 10 runs: 10 to 16 % of null studies, if
    pairs share nothing); an outlying run is then better judged by ``brown_forsythe_p``."""
    brown_forsythe: float | None = None
    """F statistic of Levene's test around medians."""
    brown_forsythe_p: float | None = None
    """Robust against heavy tails, but blind for few runs: at n = 5 it rejects 0.5 % of null
    studies, not 5 %, and less where pairs share their seeds. None below three runs."""
    unit: str = common.RUN


def sigma(values: Sample, rng: np.random.Generator, resamples: int = RESAMPLES) -> Sigma:
    """Standard deviation over runs with two 95 % intervals.

    Args:
        values: mean metric of each run, [replicate].
        rng: draws the bootstrap samples.
        resamples: how many.

    Raises:
        ValueError: no value, or one that is not finite.
    """
    values = common.sample(values, "runs")
    n, same = values.size, common.constant(values)
    numbers: dict = {}
    if n > 1 and same:
        numbers = dict.fromkeys(("sd", "low", "high", "bootstrap_low", "bootstrap_high"), 0.0)
    elif n > 1:
        spread = common.sd(values)
        draws = np.std(values[common.resampled(rng, n, resamples)], axis=1, ddof=1)
        ends = common.percentiles(draws)
        numbers = {
            "sd": spread,
            "low": spread * float(np.sqrt((n - 1) / stats.chi2.isf(common.ALPHA / 2, n - 1))),
            "high": spread * float(np.sqrt((n - 1) / stats.chi2.ppf(common.ALPHA / 2, n - 1))),
            "bootstrap_low": float(ends[0]),
            "bootstrap_high": float(ends[1]),
        }
    mean = float(values[0] if same else values.mean())
    return Sigma(n=n, identical=same and n > 1, mean=mean, **numbers)


def spread(
    baseline: Sample,
    arm: Sample,
    *,
    paired: bool,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Spread:
    """Test whether the arm's runs scatter more or less than the baseline's.

    Args:
        baseline: mean metric of each run, [replicate].
        arm: those of the arm, [replicate]; run r shares its seeds with baseline run r if paired.
        paired: whether they do. Levene-type tests assume that they do not: shared seeds move
            both arms together, and the test then hardly ever rejects.
        rng: draws the bootstrap samples.
        resamples: how many.

    Raises:
        ValueError: a value is not finite, or paired samples of different lengths.

    Source: Pitman, Biometrika 31:9 (1939); Morgan, ibid. 13; Brown and Forsythe, J Am Stat Assoc
        69:364 (1974).
    """
    baseline, arm = common.pair(baseline, arm, NAMES, paired)
    sides = {
        "baseline": sigma(baseline, rng, resamples),
        "arm": sigma(arm, rng, resamples),
    }
    status = _status(baseline, arm, paired)
    numbers: dict = {}
    if status == "tested":
        numbers |= pitman_morgan(baseline, arm) if paired else f_test(baseline, arm)
        numbers |= _brown_forsythe(baseline, arm)
        numbers |= _bootstrap_ratio(baseline, arm, paired, rng, resamples)
    elif common.sd(baseline) > 0.0 and arm.size > 1:
        numbers["ratio"] = common.sd(arm) / common.sd(baseline)
    test = "Pitman-Morgan test on pairs of runs" if paired else "F test of variances over runs"
    return Spread(status=status, test=test, **sides, **numbers)


def _status(baseline: Sample, arm: Sample, paired: bool) -> Status:
    if min(baseline.size, arm.size) < 2:
        return "too few"
    zeros = common.constant(baseline) + common.constant(arm)
    moved = np.array_equal(baseline, arm) or (paired and common.constant(arm - baseline))
    if zeros == 2 or moved:
        return "identical"
    if zeros == 1:
        return "constant"
    return "too few" if paired and baseline.size < 3 else "tested"


def pitman_morgan(baseline: Sample, arm: Sample) -> dict[str, float]:
    """Ratio of two correlated standard deviations: test and interval.

    Sum and difference of a pair are uncorrelated if and only if both have the same variance.

    Args:
        baseline: [replicate], at least 3 values that scatter.
        arm: [replicate], paired with them.

    Returns:
        ``ratio`` (arm / baseline), ``low``, ``high``, ``p``.

    Source: Pitman, Biometrika 31:9 (1939), Eq. for the fiducial limits.
    """
    n = baseline.size
    a, b = _centred(baseline), _centred(arm)
    total, step = _centred(baseline + arm), _centred(arm - baseline)
    aa, bb = common.dot(a, a), common.dot(b, b)
    ss, dd, sd = common.dot(total, total), common.dot(step, step), common.dot(total, step)
    # ss dd - sd^2 = 4 (aa bb - ab^2), of which arms that nearly agree leave nothing but rounding
    rest = max(ss * dd - sd**2, 0.0)
    t = abs(sd) * np.sqrt((n - 2) / rest) if rest else np.inf if sd else 0.0
    quantile = float(stats.t.isf(common.ALPHA / 2, n - 2))
    k = quantile**2 * rest / (2 * aa * bb * (n - 2))
    width = np.sqrt(1 + k + np.sqrt(k * (2 + k)))
    ratio = float(np.sqrt(bb / aa))
    return {
        "ratio": ratio,
        "low": float(ratio / width),
        "high": float(ratio * width),
        "p": float(2 * stats.t.sf(t, n - 2)),
    }


def _centred(values: Sample) -> Sample:
    return values - values.mean()


def f_test(baseline: Sample, arm: Sample) -> dict[str, float]:
    """Ratio of two independent standard deviations: two-sided F test and interval.

    Args:
        baseline: [replicate], at least 2 values that scatter.
        arm: [replicate].

    Returns:
        ``ratio`` (arm / baseline), ``low``, ``high``, ``p``.
    """
    ratio = common.sd(arm) / common.sd(baseline)
    f = stats.f(arm.size - 1, baseline.size - 1)
    low, high = ratio / np.sqrt(f.isf(common.ALPHA / 2)), ratio / np.sqrt(f.ppf(common.ALPHA / 2))
    p = min(1.0, 2 * min(float(f.cdf(ratio**2)), float(f.sf(ratio**2))))
    return {"ratio": ratio, "low": float(low), "high": float(high), "p": p}


def _brown_forsythe(baseline: Sample, arm: Sample) -> dict[str, float | None]:
    apart = [np.abs(values - np.median(values)) for values in (baseline, arm)]
    # two runs lie equally far from their median, up to rounding: nothing to compare
    scatter = any(np.ptp(values) > 1e-9 * np.max(values) for values in apart)
    if min(baseline.size, arm.size) < 3 or not scatter:
        return {}
    result = stats.levene(baseline, arm, center="median")
    return {
        "brown_forsythe": float(result.statistic),
        "brown_forsythe_p": float(result.pvalue),
    }


def _bootstrap_ratio(
    baseline: Sample, arm: Sample, paired: bool, rng: np.random.Generator, resamples: int
) -> dict[str, float | None]:
    """Percentile interval of the ratio; samples of one run only, drawn n times, have none."""
    rows = common.resampled(rng, baseline.size, resamples)
    columns = rows if paired else common.resampled(rng, arm.size, resamples)
    draws = baseline[rows], arm[columns]
    # all places the same: rounding of the mean may leave 1e-17 where zero is meant
    keep = np.logical_and(*((x != x[:, :1]).any(axis=1) for x in draws))
    below, above = (np.std(x, axis=1, ddof=1) for x in draws)
    if not keep.any():
        return {}
    low, high = common.percentiles(above[keep] / below[keep])
    return {"bootstrap_low": float(low), "bootstrap_high": float(high)}
