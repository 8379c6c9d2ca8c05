"""Text for a terminal: rows as aligned columns, and a few phrases out of many."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line a row, the cells of a column below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def listed(phrases: Sequence[str]) -> str:
    """Return the first three phrases in one line, and how many more there are."""
    more = [f"{len(phrases) - 3} more"] if len(phrases) > 3 else []
    return "; ".join([*phrases[:3], *more]).replace("\n", " ")
