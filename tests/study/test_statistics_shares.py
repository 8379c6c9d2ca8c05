"""Variance shares: closed forms, statsmodels' mixed model, simulated truth."""

import numpy as np
import pytest
from study import calibration

from mrjax.study.statistics.shares import shares, squares

FACTORS = ("init", "order")


def _shares(values, names=FACTORS, resamples=200):
    return shares(values, names, np.random.default_rng(0), resamples)


def _table(seed=0, shape=(4, 5, 3), variances=(4.0, 2.0, 1.0, 0.5)):
    return calibration.crossed(np.random.default_rng(seed), variances, shape)


def test_sums_of_squares_add_up_and_match_their_definitions():
    y = _table()
    terms, sums, df = squares(y)
    assert terms == [(0,), (1,), (0, 1), (0, 1, 2)]
    assert list(df) == [3, 4, 12, 40] and df.sum() == y.size - 1
    assert sums.sum() == pytest.approx(((y - y.mean()) ** 2).sum())
    a, b, cells = y.mean(axis=(1, 2)), y.mean(axis=(0, 2)), y.mean(axis=2)
    assert sums[0] == pytest.approx(15 * ((a - y.mean()) ** 2).sum())
    assert sums[1] == pytest.approx(12 * ((b - y.mean()) ** 2).sum())
    inner = cells - a[:, None] - b[None] + y.mean()
    assert sums[2] == pytest.approx(3 * (inner**2).sum())
    assert sums[3] == pytest.approx(((y - cells[..., None]) ** 2).sum())


def test_components_solve_the_textbook_equations():
    y = _table()
    found = _shares(y)
    init, order, both, error = (part.mean_square for part in found.components)
    expected = [(init - both) / 15, (order - both) / 12, (both - error) / 3, error]
    assert [part.sd**2 for part in found.components] == pytest.approx(expected)
    assert [p.share for p in found.components] == pytest.approx(expected / np.sum(expected))
    assert [p.name for p in found.components] == ["init", "order", "init x order", "repetition"]
    assert found.sd**2 == pytest.approx(sum(expected)) and found.n == 60
    for part in found.components:
        assert part.low < part.share < part.high and part.sd_low < part.sd < part.sd_high


@pytest.mark.filterwarnings("ignore")
def test_mixed_model_of_statsmodels_agrees():
    """Where no component is negative, moments of a balanced table are the REML estimates."""
    api = pytest.importorskip("statsmodels.formula.api", reason="needs statsmodels")
    pandas = pytest.importorskip("pandas", reason="needs pandas")
    y = _table()
    index = np.indices(y.shape).reshape(3, -1)
    table = pandas.DataFrame({"y": y.reshape(-1), "one": 1, "init": index[0], "order": index[1]})
    parts = {"a": "0 + C(init)", "b": "0 + C(order)", "c": "0 + C(init):C(order)"}
    model = api.mixedlm("y ~ 1", table, groups="one", vc_formula=parts).fit(reml=True)
    found = [part.sd**2 for part in _shares(y).components]
    assert found == pytest.approx([*model.vcomp, model.scale], rel=2e-3)
    assert min(found) > 0.1


def test_intervals_hold_the_truth():
    """Coverage of 300 designs; the script calibration.py does 2000."""
    for truth in ((0.4, 0.3, 0.1, 0.2), (0.0, 0.0, 0.0, 1.0)):
        found = calibration.coverage(300, truth, np.random.default_rng(1))
        assert all(0.91 <= rate for pair in found.values() for rate in pair), found


def test_intervals_are_not_idle():
    """Wrong truths fall outside: intervals of everything would hold any truth."""
    rng = np.random.default_rng(2)
    ends = [
        shares(calibration.crossed(rng, (0.01, 0.01, 0.01, 1.0)), FACTORS, rng, 200).components
        for _ in range(50)
    ]
    assert np.mean([parts[0].high for parts in ends]) < 0.6
    assert np.mean([parts[3].low for parts in ends]) > 0.3


def test_negative_estimates_are_zero_and_said():
    # rows of each column cancel: less scatter between cells than repetitions explain
    y = np.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
    found = {part.name: part for part in _shares(y).components}
    assert found["init x order"].negative and found["init x order"].share == 0.0
    assert found["repetition"].share == 1.0 and not found["repetition"].negative
    assert sum(part.share for part in found.values()) == 1.0


def test_repetitions_that_agree_bit_for_bit():
    """Three times 0.1 has a mean that is not 0.1: no variance of repetition may come of that."""
    y = np.repeat(_table(shape=(4, 5, 1)), 3, axis=-1)
    part = _shares(y).components[-1]
    assert (part.name, part.share, part.high, part.sd) == ("repetition", 0.0, 0.0, 0.0)


def test_identical_runs_are_no_nan():
    found = _shares(np.full((3, 3, 3), 0.1))
    assert found.identical and found.sd == 0.0
    assert all((p.share, p.low, p.high) == (0.0, 0.0, 0.0) for p in found.components)
    assert not _shares(_table()).identical


def test_one_repetition_is_named():
    y = _table()[..., :1]
    found = _shares(y)
    names = [part.name for part in found.components]
    assert names == ["init", "order", "init x order and repetition"]
    init, order, rest = (part.mean_square for part in found.components)
    expected = [(init - rest) / 5, (order - rest) / 4, rest]
    assert [part.sd**2 for part in found.components] == pytest.approx(expected)


def test_one_and_three_factors():
    y = _table()[:, 0]
    found = _shares(y, ("init",)).components
    assert found[0].sd ** 2 == pytest.approx((found[0].mean_square - found[1].mean_square) / 3)
    many = np.random.default_rng(4).normal(size=(3, 4, 2, 2))
    result = _shares(many, ("init", "order", "device"))
    assert len(result.components) == 8 and sum(p.df for p in result.components) == 47
    assert result.components[6].name == "init x order x device"


def test_levels_may_be_renamed():
    y = _table()
    swapped = {p.name: p.sd for p in _shares(y[::-1].transpose(1, 0, 2), FACTORS[::-1]).components}
    here = {p.name: p.sd for p in _shares(y).components}
    assert swapped["init"] == pytest.approx(here["init"])
    assert swapped["order x init"] == pytest.approx(here["init x order"])


def test_wrong_tables_are_refused():
    for wrong, words in (
        (np.zeros((3, 3)), "expected axes"),
        (np.zeros((1, 3, 2)), "two levels"),
        (np.full((2, 2, 2), np.nan), "not finite"),
    ):
        with pytest.raises(ValueError, match=words):
            _shares(wrong)
