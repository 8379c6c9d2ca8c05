"""What all questions share: checked samples, the level, states, generators, resampling."""

import hashlib
import warnings
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

Sample = Float[np.ndarray, " n"]

ALPHA = 0.05
"""Level of every test; every interval holds 1 - ALPHA. All tests are two-sided."""

RESAMPLES = 2000
"""Draws behind a bootstrap or a generalised interval unless the caller says otherwise."""

RUN = "mean of a run over subjects"
SUBJECT = "subject"
VOXEL = "voxel"
"""Units of analysis, in the words of the report."""

Status = Literal["tested", "identical", "constant", "too few"]
"""What a comparison could do.

tested: a test was made, its numbers are there.
identical: both samples hold the same numbers; there is nothing to test, and p is None.
constant: they differ, but what the test compares has no scatter (the same difference in every
    pair, or a spread of zero on one side only), so it is a fact, not an estimate; p is None.
too few: too few runs for a test; p is None.
"""


def sample(values: Sample, name: str, least: int = 1) -> Sample:
    """A checked float64 vector.

    Args:
        values: numbers, [n].
        name: what they are, for the message.
        least: fewest numbers that make sense.

    Raises:
        ValueError: not a vector, fewer than ``least`` values, or a value that is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size < least:
        raise ValueError(f"{name}: expected a vector of {least} or more, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite values; leave out what was not measured")
    return array


def pair(a: Sample, b: Sample, names: tuple[str, str], paired: bool) -> tuple[Sample, Sample]:
    """Two checked samples, of one length where they are paired.

    Raises:
        ValueError: as :func:`sample`, or paired samples of different lengths.
    """
    a, b = sample(a, names[0]), sample(b, names[1])
    if paired and a.size != b.size:
        raise ValueError(f"{names[0]} and {names[1]} are paired; got {a.size} and {b.size} values")
    return a, b


def constant(values: Sample) -> bool:
    """Whether all values are the same number; a variance cannot tell, because means are rounded."""
    return values.size > 0 and bool((values == values[0]).all())


def identical(a: Sample, b: Sample) -> bool:
    """Whether two samples hold the same numbers: place by place, or one number throughout."""
    return np.array_equal(a, b) or constant(np.concatenate([a, b]))


def sd(values: Sample) -> float:
    """Standard deviation with n - 1; exactly zero where all values are equal."""
    return 0.0 if constant(values) else float(np.std(values, ddof=1))


def dot(x: Sample, y: Sample) -> float:
    """Sum of products with the same bits on every machine; a BLAS adds in its CPU's order."""
    return float(np.sum(x * y))


def generator(seed: int, *names: str) -> np.random.Generator:
    """A random generator of its own for every purpose, whatever else is drawn before.

    Intervals by resampling then do not change when an arm is added to a study.

    Args:
        seed: the study's seed.
        names: what the numbers are for, an arm and a statistic for instance.
    """
    text = "\0".join([str(seed), *names])
    return np.random.default_rng(list(hashlib.sha256(text.encode("utf-8")).digest()))


def resampled(rng: np.random.Generator, n: int, count: int) -> Int[np.ndarray, "count n"]:
    """Places of ``count`` bootstrap samples, each n places with replacement."""
    return rng.integers(0, n, size=(count, n))


def counts(rng: np.random.Generator, n: int, count: int) -> Float[np.ndarray, "count n"]:
    """How often each of n places occurs in ``count`` bootstrap samples."""
    places = resampled(rng, n, count) + n * np.arange(count)[:, None]
    return np.bincount(places.ravel(), minlength=n * count).reshape(count, n).astype(np.float64)


def percentiles(draws: Float[np.ndarray, " count *rest"]) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds of the central 95 % of the draws along the first axis."""
    low, high = np.quantile(draws, (ALPHA / 2, 1 - ALPHA / 2), axis=0)
    return low, high


def t_test(baseline: Sample, arm: Sample, *, paired: bool) -> dict[str, float]:
    """Student's test on pairs, or Welch's, whether ``arm - baseline`` has the mean zero.

    Args:
        baseline: [n], with scatter in the differences (paired) or in one of the samples.
        arm: [n].
        paired: value for value.

    Returns:
        ``low`` and ``high`` of the 95 % interval of the difference, ``t``, ``df``, ``p``.
    """
    with warnings.catch_warnings():
        # Run means may agree to about 16 digits; the test stands.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        test: Any = (
            stats.ttest_rel(arm, baseline)
            if paired
            else stats.ttest_ind(arm, baseline, equal_var=False)
        )
    interval = test.confidence_interval(1 - ALPHA)
    return {
        "low": float(interval.low),
        "high": float(interval.high),
        "t": float(test.statistic),
        "df": float(test.df),
        "p": float(test.pvalue),
    }
