"""Which operation of one trace is which of another: by phase, module and order.

Within a phase of a module the operations are a sequence. Where two such sequences have the same
names, they are matched one by one. Else operations that are equal in everything hold the two
together, and between these the names are matched, so that one operation more in one training moves
no other.
"""

import difflib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mrjax.diverge.traces import Operation

Pair = tuple[Operation, Operation]
_MOST = 4_000_000
"""Product of the lengths of two sequences that are searched for what they have in common."""


def aligned(a: Sequence[Operation], b: Sequence[Operation]) -> list[Pair]:
    """Return the operations that both traces have, in the order of the first.

    Args:
        a: a trace.
        b: another one, of the same step of another training.
    """
    others = _grouped(b)
    found = [pair for key, own in _grouped(a).items() for pair in _group(own, others.get(key, []))]
    return sorted(found, key=lambda pair: pair[0].place)


def _grouped(trace: Sequence[Operation]) -> dict[tuple[Any, ...], list[Operation]]:
    """Return {phase, module, and the kind of line about modules: operations}."""
    groups: dict[tuple[Any, ...], list[Operation]] = {}
    for one in trace:
        kind = one.op if one.outline else ""
        groups.setdefault((one.phase, one.module, kind), []).append(one)
    return groups


def _group(a: list[Operation], b: list[Operation]) -> Iterator[Pair]:
    if list(map(_name, a)) == list(map(_name, b)):
        yield from zip(a, b, strict=True)
        return
    ends = (0, 0)
    for anchor in [*_common(a, b, _content), (len(a), len(b))]:
        rest = a[ends[0] : anchor[0]], b[ends[1] : anchor[1]]
        yield from ((rest[0][i], rest[1][j]) for i, j in _common(*rest, _name))
        if anchor != (len(a), len(b)):
            yield a[anchor[0]], b[anchor[1]]
        ends = anchor[0] + 1, anchor[1] + 1


def _common(
    a: Sequence[Operation], b: Sequence[Operation], key: Callable[[Operation], Any]
) -> Iterator[tuple[int, int]]:
    """Yield places at which two sequences have the same, ascending in both."""
    one, other = list(map(key, a)), list(map(key, b))
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        yield start, start
        start += 1
    one, other = one[start:], other[start:]
    if len(one) * len(other) > _MOST:
        return
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    for i, j, length in matcher.get_matching_blocks():
        yield from ((start + i + k, start + j + k) for k in range(length))


def _name(one: Operation) -> str:
    return one.op


def _content(one: Operation) -> tuple[Any, ...]:
    return (one.op, one.given, one.made)
