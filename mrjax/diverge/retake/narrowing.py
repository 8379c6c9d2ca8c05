"""Narrow a piece of several operations down, by a look at the results of a few of them."""

from collections.abc import Sequence
from typing import Any

from mrjax.diverge.retake import comparison
from mrjax.diverge.retake.again import Again
from mrjax.diverge.retake.comparison import Found
from mrjax.diverge.retake.record import Record


def narrowed(
    both: Sequence[Again], records: Sequence[Record]
) -> tuple[Sequence[Record], Found, dict[str, Any] | None]:
    """Compare two records; where they part in a piece of several operations, look into it.

    Each side takes its step once more, with those results of the piece that the other side has too.
    B is asked only for what A could show: each attempt is a compilation, and nothing else can be
    compared.

    Args:
        both: the two sides.
        records: what was seen of them.

    Returns:
        The records with all that was seen; where they part; for each side, how many operations the
        piece had and how many more results were seen, or None if nothing was looked at.
    """
    found = comparison.compare(*records)
    if found.kind != "operation" or not found.hidden:
        return records, found, None
    first = both[0].looked(records[0], [i for i, _ in found.hidden])
    second = both[1].looked(records[1], [j for i, j in found.hidden if i in first.seen])
    more = [first, second]
    shown = sum(i in first.seen and j in second.seen for i, j in found.hidden)
    content = {
        "operations": list(map(len, found.between)),
        "looked": len(found.hidden),
        "seen": shown,
    }
    return more, comparison.compare(*more), content
