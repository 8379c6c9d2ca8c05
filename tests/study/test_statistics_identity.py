"""Identity of runs by their digests, and the correction for many sources."""

import pytest

from mrjax.study.statistics import identity as ids
from mrjax.study.statistics.multiple import holm


def test_identity_counts():
    found = ids.identity(["a", "a", "b"], ["a", "c", "b"])
    assert (found.n_a, found.n_b, found.distinct_a, found.distinct_b) == (3, 3, 2, 3)
    assert (found.shared, found.pairs, found.pairs_equal, found.identical) == (2, 3, 2, False)


def test_identical_arms_are_called_identical():
    assert ids.identity(["a", "a"], ["a", "a"]).identical
    assert not ids.identity(["a", "b"], ["a", "b"]).identical  # pairs agree, runs do not
    assert not ids.identity(["a", "a"], ["b", "b"]).identical
    assert not ids.identity(["a", "b"], ["a", "a"]).identical


def test_arms_of_different_length_have_no_pairs():
    found = ids.identity(["a", "a"], ["a"])
    assert found.pairs is None and found.pairs_equal is None and found.identical
    with pytest.raises(ValueError, match="at least one digest"):
        ids.identity([], ["a"])


def test_holm_is_that_of_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest", reason="needs statsmodels")
    p = {"order": 0.011, "init": 0.04, "dtype": 0.03, "device": 0.9, "threads": 0.0005}
    expected = multitest.multipletests(list(p.values()), method="holm")[1]
    assert list(holm(p).values()) == pytest.approx(list(expected), rel=1e-14)
    assert list(holm(p)) == list(p)


def test_holm_counts_tests_only():
    found = holm({"same": None, "a": 0.01, "b": 0.04, "alike": None})
    assert found == {"same": None, "a": 0.02, "b": 0.04, "alike": None}
    assert holm({}) == {}
    with pytest.raises(ValueError, match="no p-value"):
        holm({"a": float("nan")})
