"""Simulated studies with known truth: how often each question's test rejects, what intervals hold.

Run it from the repository's root; 2000 studies a row take about two minutes::

    python -m tests.study.calibration [studies]

The null model of a study of two arms, in units of the residual's standard deviation::

    metric[arm, run, subject] = subject + run[arm, run] + residual[arm, run, subject]

Both arms draw from the same distributions, so every rejection is a false alarm. ``shared`` is the
share of the run variance that two runs with equal seeds have in common. For the equivalence tests
one arm is moved by the margin, which is four true standard errors.
"""

import sys

import numpy as np
from scipy import stats

from mrjax.study.statistics import common, equivalence, means, shares, sizes, spread, subjects

REPLICATES, SUBJECTS = 5, 8
RUN_SDS = (0.0, 0.5, 1.0, 2.0)
MARGIN = 4.0
TRUTHS = ((0.4, 0.3, 0.1, 0.2), (0.5, 0.0, 0.0, 0.5), (0.0, 0.0, 0.0, 1.0), (0.25,) * 4)
"""Variances of init, order, their interaction and repetition in simulated crossed designs."""


def study(
    rng: np.random.Generator, run_sd: float, shared: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Baseline and arm of one null study, [replicate subject] each."""
    shape = (2, REPLICATES, SUBJECTS)
    together, own = rng.normal(size=(1, REPLICATES, 1)), rng.normal(size=(2, REPLICATES, 1))
    run = run_sd * (np.sqrt(shared) * together + np.sqrt(1 - shared) * own)
    baseline, arm = rng.normal(size=SUBJECTS) + run + rng.normal(size=shape)
    return baseline, arm


def false_alarms(
    count: int, run_sd: float, rng: np.random.Generator, shared: float = 0.0
) -> dict[str, float]:
    """Share of null studies in which each test rejects at its level."""
    rejected: dict[str, list[bool]] = {}
    for _ in range(count):
        baseline, arm = study(rng, run_sd, shared)
        for name, p in p_values(baseline, arm, rng).items():
            rejected.setdefault(name, []).append(p is not None and p < common.ALPHA)
    return {name: float(np.mean(found)) for name, found in rejected.items()}


def p_values(
    baseline: np.ndarray, arm: np.ndarray, rng: np.random.Generator
) -> dict[str, float | None]:
    a = subjects.conditional(baseline[0], arm[0])
    x, y = baseline.mean(axis=1), arm.mean(axis=1)
    pairs = spread.spread(x, y, paired=True, rng=rng, resamples=20)
    return {
        "(a) t": a.p,
        "(a) Wilcoxon": a.wilcoxon_p,
        "(b) paired": means.shift(x, y, paired=True).p,
        "(b) Welch": means.shift(x, y, paired=False).p,
        "(c) Pitman": pairs.p,
        "(c) F": spread.spread(x, y, paired=False, rng=rng, resamples=20).p,
        "(c) Br.-Fors.": pairs.brown_forsythe_p,
    }


def equivalence_rates(count: int, run_sd: float, rng: np.random.Generator) -> dict[str, float]:
    """How often equivalence is shown at a true difference of the margin and of zero, paired."""
    error = np.sqrt(2 * (run_sd**2 + 1 / SUBJECTS) / REPLICATES)
    margin = MARGIN * error
    shown: dict[str, list[float]] = {"at margin": [], "at zero": [], "printed": []}
    for _ in range(count):
        x, y = (side.mean(axis=1) for side in study(rng, run_sd))
        shown["at margin"].append(_shown(x, y + margin, margin))
        shown["at zero"].append(_shown(x, y, margin))
    shown["printed"] = [sizes.equivalence_power(margin, error, REPLICATES - 1)]
    return {name: float(np.mean(found)) for name, found in shown.items()}


def _shown(x: np.ndarray, y: np.ndarray, margin: float) -> bool:
    result = equivalence.tost(x, y, paired=True, margin=margin)
    return bool(result.equivalent)


def crossed(
    rng: np.random.Generator, variances: tuple[float, ...], shape: tuple[int, int, int] = (5, 5, 2)
) -> np.ndarray:
    """Run means of a crossed design, [init order repetition], with known variances."""
    sizes_of = ((shape[0], 1, 1), (1, shape[1], 1), (*shape[:2], 1), shape)
    parts = zip(variances, sizes_of, strict=True)
    return sum(
        (np.sqrt(variance) * rng.normal(size=size) for variance, size in parts), np.zeros(shape)
    )


def coverage(
    count: int, variances: tuple[float, ...], rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """How often the intervals of share and standard deviation hold the truth, by component."""
    held: dict[str, list[tuple[bool, bool]]] = {}
    for _ in range(count):
        result = shares.shares(crossed(rng, variances), ("init", "order"), rng, resamples=1000)
        for part, variance in zip(result.components, variances, strict=True):
            share, sd = variance / sum(variances), np.sqrt(variance)
            ends = (part.low <= share <= part.high, part.sd_low <= sd <= part.sd_high)
            held.setdefault(part.name, []).append(ends)
    return {name: (*np.mean(found, axis=0),) for name, found in held.items()}


def binomial_interval(count: int, rate: float, cells: int = 1) -> tuple[float, float]:
    """Rates that ``count`` studies show with a chance of 95 % if the true one is ``rate``.

    With several cells of a table, the chance that all of them lie inside (Bonferroni).
    """
    low, high = stats.binom.interval(1 - 0.05 / cells, count, rate)
    return float(low / count), float(high / count)


def _percent(count: int, rate: float, cells: int = 1) -> str:
    return " to ".join(f"{100 * end:.2f}" for end in binomial_interval(count, rate, cells))


def main(count: int) -> None:
    print(
        f"{count} null studies a row, {REPLICATES} replicates x {SUBJECTS} subjects; rejections [%]"
    )
    print(f"nominal 5, 95 % binomial interval {_percent(count, common.ALPHA)} for one cell, "
          f"{_percent(count, common.ALPHA, 16)} for 16 cells at once")  # fmt: skip
    rows = [(run_sd, 0.0) for run_sd in RUN_SDS] + [(1.0, 0.5)]
    for place, (run_sd, shared) in enumerate(rows):
        rates = false_alarms(count, run_sd, np.random.default_rng([1, place]), shared)
        if not place:
            print("  ".join(["run sd", "shared", *rates]))
        cells = [f"{100 * rate:{len(name)}.2f}" for name, rate in rates.items()]
        print("  ".join([f"{run_sd:6.1f}", f"{shared:6.1f}", *cells]))
    print(f"\nequivalence (TOST, margin {MARGIN:g} true standard errors), shown [%]")
    print("run sd  at margin  at zero  power printed for zero")
    for place, run_sd in enumerate(RUN_SDS):
        rates = equivalence_rates(count, run_sd, np.random.default_rng([2, place]))
        cells = (100 * rates[name] for name in ("at margin", "at zero", "printed"))
        print("{:6.1f}  {:9.2f}  {:7.2f}  {:.2f}".format(run_sd, *cells))
    print("\nvariance shares, 5 x 5 x 2, coverage of 95 % intervals [%], share / sd; "
          f"binomial interval {_percent(count, 1 - common.ALPHA)}")  # fmt: skip
    for place, truth in enumerate(TRUTHS):
        found = coverage(count, truth, np.random.default_rng([3, place]))
        cells = [f"{name} {100 * a:.1f} / {100 * b:.1f}" for name, (a, b) in found.items()]
        print(f"{truth}:  " + "  ".join(cells))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
