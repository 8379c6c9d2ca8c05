"""The three questions under "no source has an effect": which tests keep their level, which not.

200 studies a case; calibration.py does 2000.
"""

import numpy as np
import pytest
from study import calibration

COUNT = 200
KEEPS = ("(b) paired", "(b) Welch", "(c) Pitman", "(c) F")


@pytest.mark.parametrize("run_sd", [0.0, 1.0])
def test_tests_on_run_means_keep_their_level_and_those_over_subjects_do_not(run_sd):
    rates = calibration.false_alarms(COUNT, run_sd, np.random.default_rng(0))
    low, high = calibration.binomial_interval(COUNT, 0.05, cells=8)
    for name in KEEPS:
        assert low <= rates[name] <= high, (name, rates)
    for name in ("(a) t", "(a) Wilcoxon"):
        assert (low <= rates[name] <= high) == (run_sd == 0.0), (name, rates)
    assert rates["(c) Br.-Fors."] < 0.03
    assert run_sd == 0.0 or rates["(a) t"] > 0.3


def test_tests_on_run_means_find_what_is_there():
    """The control: a shift and a wider spread are found more often than the level."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(60):
        baseline, arm = calibration.study(rng, run_sd=1.0)
        wide = baseline.mean() + 6 * (arm - baseline.mean()) + 20.0
        found.append([p < 0.05 for p in calibration.p_values(baseline, wide, rng).values()])
    rates = dict(
        zip(calibration.p_values(baseline, wide, rng), np.mean(found, axis=0), strict=True)
    )
    assert all(rates[name] > 0.5 for name in KEEPS), rates


def test_equivalence_is_shown_where_it_should_be():
    rates = calibration.equivalence_rates(COUNT, 1.0, np.random.default_rng(2))
    low, high = calibration.binomial_interval(COUNT, 0.05)
    assert low <= rates["at margin"] <= high
    low, high = calibration.binomial_interval(COUNT, rates["printed"])
    assert low <= rates["at zero"] <= high and rates["printed"] > 0.8
