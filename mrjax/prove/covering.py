"""Choose few combinations that contain every pair of settings."""

import itertools
from collections.abc import Mapping, Sequence

Row = dict[str, str]


def covering(levels: Mapping[str, Sequence[str]]) -> list[Row]:
    """Choose combinations such that any two settings of different factors meet in one of them.

    An effect of one factor, or of two together, shows in such a set. Its size grows with the two
    largest factors only, not with the number of all combinations.

    Args:
        levels: factor -> its settings; the product of their numbers should stay below 10^5.

    Returns:
        Rows {factor: setting}; the same levels give the same rows.

    Source: greedy construction of Cohen et al., IEEE Trans Softw Eng 23:437 (1997), with all
    combinations as candidates, so without random draws.
    """
    rows = [dict(zip(levels, row, strict=True)) for row in itertools.product(*levels.values())]
    pairs = [_pairs(row) for row in rows]
    missing = set().union(*pairs)
    chosen = []
    while missing:
        best = max(range(len(rows)), key=lambda i: len(pairs[i] & missing))
        chosen.append(rows[best])
        missing -= pairs[best]
    return chosen


def _pairs(row: Row) -> set[tuple]:
    """Return all pairs of settings in a row; single settings if there is only one factor."""
    return set(itertools.combinations(row.items(), min(2, len(row))))
