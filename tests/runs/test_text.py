"""Text for a terminal: columns below each other, and a few phrases out of many."""

from mrjax.runs.text import aligned, listed


def test_cells_of_a_column_begin_below_each_other():
    rows = [("arm", "", "flags"), ("baseline", "2/2", ""), ("x", "10/10", "--a=1")]
    assert aligned(rows) == ["arm              flags", "baseline  2/2", "x         10/10  --a=1"]
    assert aligned([]) == []


def test_three_phrases_are_told_and_the_others_counted():
    assert listed(["a\nb", "c", "d"]) == "a b; c; d"
    assert listed(["a", "b", "c", "d", "e"]) == "a; b; c; 2 more"
