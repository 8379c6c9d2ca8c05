"""Find the first operation in which two records of one step part."""

import dataclasses
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mrjax.diverge.retake.record import Node, Record

Pair = tuple[int, int]
"""Places of one operation in the two records."""
EXACT = frozenset(
    "abs and argmax argmin bitcast_convert_type broadcast_in_dim clamp complex concatenate conj "
    "copy copy_p dynamic_slice dynamic_update_slice eq expand_dims gather ge gt imag iota "
    "is_finite le lt max min name ne neg not optimization_barrier or pad real reduce_and "
    "reduce_max reduce_min reduce_or reshape rev select_n sign slice split squeeze stack "
    "stop_gradient transpose unstack xor".split()
)
"""Operations that cannot round: they move, select or compare numbers."""


@dataclasses.dataclass(frozen=True)
class Found:
    """Where two records part.

    Attributes:
        kind: ``operation`` (equal inputs, unequal results), ``input`` (a parameter or the batch
            differs), ``argument`` (equal inputs, but another constant), ``none``.
        pair: the operation; None for ``none``.
        names: inputs that differ.
        between: the operations of each side between the inputs seen and the result, the operation
            itself last; those that cannot round are left out.
        compared: operations whose results both sides show.
        differing: those with unequal results, in order.
        alone: operations of each side that have no counterpart.
        pairs: all operations compared.
        hidden: operations that both sides have between the inputs seen and the result, without
            those whose results both show.
    """

    kind: str
    pair: Pair | None
    names: tuple[str, ...]
    between: tuple[tuple[int, ...], tuple[int, ...]]
    compared: int
    differing: tuple[Pair, ...]
    alone: tuple[tuple[int, ...], tuple[int, ...]]
    pairs: tuple[Pair, ...]
    hidden: tuple[Pair, ...] = ()


def compare(a: Record, b: Record) -> Found:
    """Compare the results that both records show, in the order of the first.

    An operation's inputs are the nearest results before it that both sides show: what XLA computes
    in one piece counts as one operation.
    """
    aligned = align(a.nodes, b.nodes)
    pairs = [(i, j) for i, j in aligned if i in a.seen and j in b.seen]
    differing = tuple((i, j) for i, j in pairs if a.seen[i] != b.seen[j])
    paired = _places(aligned)
    alone = (_without(a.nodes, paired[0]), _without(b.nodes, paired[1]))
    rest = (len(pairs), differing, alone, tuple(pairs))
    if not differing:
        return Found("none", None, (), ((), ()), *rest)
    first, seen = differing[0], _places(pairs)
    reached = [reach(r.nodes, p, places) for r, p, places in zip((a, b), first, seen, strict=True)]
    names = sorted(reached[0].names | reached[1].names)
    unequal = tuple(name for name in names if a.inputs.get(name) != b.inputs.get(name))
    between = (_rounding(a.nodes, reached[0].through), _rounding(b.nodes, reached[1].through))
    kind = "operation"
    if unequal:
        kind = "input"
    elif _constants(a.nodes, between[0]) != _constants(b.nodes, between[1]) and (
        _ops(a.nodes, between[0]) == _ops(b.nodes, between[1])
    ):
        kind = "argument"
    inside = [(i, j) for i, j in aligned if i in between[0] or j in between[1]]
    hidden = tuple(pair for pair in inside if pair[0] not in seen[0])
    return Found(kind, first, unequal, between, *rest, hidden)


def given(a: Record, b: Record, found: Found) -> Iterator[tuple[Pair, bool]]:
    """Yield each operation with unequal results, and whether its inputs are equal.

    Args:
        a: a record.
        b: another one.
        found: where the two part.
    """
    seen, apart = _places(found.pairs), set(found.differing)
    for pair in found.differing:
        ways = [reach(r.nodes, p, s) for r, p, s in zip((a, b), pair, seen, strict=True)]
        names = ways[0].names | ways[1].names
        before = {seen[side][p] for side, way in enumerate(ways) for p in way.before}
        same = all(a.inputs.get(name) == b.inputs.get(name) for name in names)
        yield pair, same and not before & apart


def constants(a: Record, b: Record, found: Found) -> tuple[str, str]:
    """Return the constants of each side in the piece that parts."""
    one, other = (
        ", ".join(_constants(record.nodes, places)) or "none"
        for record, places in zip((a, b), found.between, strict=True)
    )
    return one, other


def _places(pairs: Iterable[Pair]) -> tuple[dict[int, Pair], dict[int, Pair]]:
    """Return the pairs by their places on each side."""
    pairs = list(pairs)
    return {pair[0]: pair for pair in pairs}, {pair[1]: pair for pair in pairs}


def align(a: Sequence[Node], b: Sequence[Node]) -> list[Pair]:
    """Pair the operations of two programs that do nearly the same, in order."""
    ours, theirs = ([_key(node) for node in nodes] for nodes in (a, b))
    if ours == theirs:
        return [(i, i) for i in range(len(ours))]
    blocks = difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_matching_blocks()
    return [(one.a + i, one.b + i) for one in blocks for i in range(one.size)]


def _key(node: Node) -> tuple[str, ...]:
    return (node.phase, node.module, node.op, *node.types)


@dataclasses.dataclass(frozen=True)
class Reached:
    """The way from a result back to what was seen.

    Attributes:
        names: inputs that no operation made.
        before: operations seen.
        through: operations on the way, the last one itself included.
    """

    names: frozenset[str]
    before: frozenset[int]
    through: frozenset[int]


def reach(nodes: Sequence[Node], place: int, seen: Mapping[int, Pair]) -> Reached:
    """Walk back from an operation to the nearest results that are seen."""
    names: set[str] = set()
    before: set[int] = set()
    through, waiting = {place}, [place]
    while waiting:
        for one in nodes[waiting.pop()].inputs:
            if isinstance(one, str):
                names |= set() if one.startswith("= ") else {one}
            elif one in seen:
                before.add(one)
            elif one not in through:
                through.add(one)
                waiting.append(one)
    return Reached(frozenset(names), frozenset(before), frozenset(through))


def _without(nodes: Sequence[Node], paired: Mapping[int, Pair]) -> tuple[int, ...]:
    return tuple(place for place in range(len(nodes)) if place not in paired)


def _rounding(nodes: Sequence[Node], places: frozenset[int]) -> tuple[int, ...]:
    """Return those operations that can round; all of them if none can."""
    found = tuple(p for p in sorted(places) if nodes[p].op not in EXACT)
    return found or tuple(sorted(places))


def _constants(nodes: Sequence[Node], places: Sequence[int]) -> list[str]:
    return sorted(str(one) for p in places for one in nodes[p].inputs if str(one).startswith("= "))


def _ops(nodes: Sequence[Node], places: Sequence[int]) -> list[str]:
    return [nodes[p].op for p in places]
