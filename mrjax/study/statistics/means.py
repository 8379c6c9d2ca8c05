"""Question (b): does a source shift the mean? One number for each run, n = replicates."""

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from mrjax.study.statistics import common
from mrjax.study.statistics.common import RESAMPLES, Sample, Status

NAMES = ("baseline", "arm")


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Change of the mean of runs, arm minus baseline."""

    status: Status
    test: str
    """"paired t-test over runs" or "Welch t-test over runs"."""
    n_baseline: int
    n_arm: int
    baseline: float
    """Mean of the run means."""
    arm: float
    difference: float
    low: float | None = None
    """95 % interval of the difference; the difference itself where it is constant."""
    high: float | None = None
    t: float | None = None
    df: float | None = None
    p: float | None = None
    effect: float | None = None
    """Difference over its standard deviation: Cohen's d_z (paired) or d (Welch); 0 for identical
    samples, None where there is no scatter to measure by."""
    effect_unbiased: float | None = None
    """The same without the bias of small samples (Hedges); None with one degree of freedom."""
    effect_name: str
    unit: str = common.RUN


@dataclass(frozen=True, kw_only=True)
class Better:
    """Probability that a run of the arm beats a run of the baseline; ties count one half."""

    probability: float
    low: float
    high: float
    interval: str
    """"percentile bootstrap", or "exact binomial" where all comparisons fall the same way and
    resampling cannot see any doubt."""
    paired: bool
    n_baseline: int
    n_arm: int
    unit: str = common.RUN


def shift(baseline: Sample, arm: Sample, *, paired: bool) -> Shift:
    """Test whether the arm's runs have another mean than the baseline's.

    Args:
        baseline: mean metric of each run, [replicate].
        arm: those of the arm, [replicate]; run r shares its seeds with baseline run r if paired.
        paired: paired t-test on differences, else Welch's test.

    Raises:
        ValueError: a value is not finite, or paired samples of different lengths.

    Source: Hedges, J Educ Stat 6:107 (1981) for the correction of the effect size.
    """
    baseline, arm = common.pair(baseline, arm, NAMES, paired)
    status, difference, _, df, scatter = scale(baseline, arm, paired)
    numbers: dict = {}
    if status in ("identical", "constant"):
        numbers = {"low": difference, "high": difference}
    if status == "identical":
        numbers |= {"effect": 0.0, "effect_unbiased": 0.0}
    if status == "tested":
        effect = difference / scatter
        numbers = common.t_test(baseline, arm, paired=paired)
        numbers |= {"effect": effect, "effect_unbiased": effect * hedges(df) if df > 1.0 else None}
    return Shift(
        status=status,
        test="paired t-test over runs" if paired else "Welch t-test over runs",
        n_baseline=baseline.size,
        n_arm=arm.size,
        baseline=float(baseline.mean()),
        arm=float(arm.mean()),
        difference=difference,
        effect_name="d_z" if paired else "d",
        **numbers,
    )


def scale(baseline: Sample, arm: Sample, paired: bool) -> tuple[Status, float, float, float, float]:
    """What t-tests and equivalence tests measure a difference by.

    Returns:
        Status, difference (arm - baseline), its standard error, degrees of freedom, and the
        standard deviation that makes it an effect size; the last three are 0 unless tested.
    """
    steps = arm - baseline if paired else np.empty(0)
    difference = float(arm.mean() - baseline.mean())
    if paired:
        difference = float(steps[0] if common.constant(steps) else steps.mean())
    if common.identical(baseline, arm):
        return "identical", 0.0, 0.0, 0.0, 0.0
    if min(baseline.size, arm.size) < 2:
        return "too few", difference, 0.0, 0.0, 0.0
    if paired:
        scatter, df, error = common.sd(steps), steps.size - 1.0, 0.0
        error = scatter / np.sqrt(steps.size)
    else:
        a, b = common.sd(baseline) ** 2, common.sd(arm) ** 2
        scatter, error = np.sqrt((a + b) / 2), np.sqrt(a / baseline.size + b / arm.size)
        df = welch_df(a, b, baseline.size, arm.size)
    if error == 0.0:
        return "constant", difference, 0.0, 0.0, 0.0
    return "tested", difference, float(error), float(df), float(scatter)


def welch_df(variance_a: float, variance_b: float, n_a: float, n_b: float) -> float:
    """Degrees of freedom of a difference of means (Welch and Satterthwaite); 0 without scatter."""
    a, b = variance_a / n_a, variance_b / n_b
    if a + b == 0.0:
        return 0.0
    a, b = a / (a + b), b / (a + b)
    return 1.0 / (a**2 / (n_a - 1) + b**2 / (n_b - 1))


def hedges(df: float) -> float:
    """Factor that takes the small-sample bias from an effect size: near 1 - 3 / (4 df - 1).

    Defined for more than one degree of freedom.
    """
    return float(np.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / np.sqrt(df / 2))


def better(
    baseline: Sample,
    arm: Sample,
    *,
    paired: bool,
    lower_is_better: bool,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
) -> Better:
    """Estimate how often a run of the arm beats one of the baseline.

    Args:
        baseline: mean metric of each run, [replicate].
        arm: those of the arm, [replicate].
        paired: compare run r with run r, else every run with every run.
        lower_is_better: true for errors (NRMSE), false for overlaps (Dice).
        rng: draws the bootstrap samples.
        resamples: how many.

    Raises:
        ValueError: as :func:`shift`.

    Source: Bouthillier et al., MLSys 2021, section 4 and appendix C.
    """
    baseline, arm = common.pair(baseline, arm, NAMES, paired)
    sign = -1.0 if lower_is_better else 1.0
    if paired:
        wins = _score(sign * (arm - baseline))
        draws = wins[common.resampled(rng, wins.size, resamples)].mean(axis=1)
    else:
        wins = _score(sign * (arm[:, None] - baseline[None, :]))
        # products and sums of counts and halves are exact, whatever their order
        rows, columns = (common.counts(rng, n, resamples) for n in wins.shape)
        draws = ((rows @ wins) * columns).sum(axis=1) / wins.size
    probability = float(wins.mean())
    low, high = (float(end) for end in common.percentiles(draws))
    if probability in (0.0, 1.0):
        n = min(baseline.size, arm.size)
        exact = stats.binomtest(round(probability * n), n).proportion_ci(1 - common.ALPHA)
        low, high = float(exact.low), float(exact.high)
    return Better(
        probability=probability,
        low=low,
        high=high,
        interval="exact binomial" if probability in (0.0, 1.0) else "percentile bootstrap",
        paired=paired,
        n_baseline=baseline.size,
        n_arm=arm.size,
    )


def _score(advantage: np.ndarray) -> np.ndarray:
    return (np.sign(advantage) + 1.0) / 2.0
