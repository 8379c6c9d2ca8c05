"""Find the first operation in which two records of one step part."""

import dataclasses
import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mrjax.diverge import distances
from mrjax.diverge.retake.record import VALUES, Node, Record

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
    """

    kind: str
    pair: Pair | None
    names: tuple[str, ...]
    between: tuple[tuple[int, ...], tuple[int, ...]]
    compared: int
    differing: tuple[Pair, ...]
    alone: tuple[int, int]
    pairs: tuple[Pair, ...]


def compare(a: Record, b: Record) -> Found:
    """Compare the results that both records show, in the order of the first.

    An operation's inputs are the nearest results before it that both sides show: what XLA computes
    in one piece counts as one operation.
    """
    aligned = align(a.nodes, b.nodes)
    pairs = [(i, j) for i, j in aligned if i in a.seen and j in b.seen]
    differing = tuple((i, j) for i, j in pairs if a.seen[i] != b.seen[j])
    alone = (len(a.nodes) - len(aligned), len(b.nodes) - len(aligned))
    rest = (len(pairs), differing, alone, tuple(pairs))
    if not differing:
        return Found("none", None, (), ((), ()), *rest)
    first = differing[0]
    reached = [
        reach(record.nodes, place, {pair[side]: pair for pair in pairs})
        for side, (record, place) in enumerate(zip((a, b), first, strict=True))
    ]
    names = sorted(reached[0].names | reached[1].names)
    unequal = tuple(name for name in names if a.inputs.get(name) != b.inputs.get(name))
    between = (_rounding(a.nodes, reached[0].through), _rounding(b.nodes, reached[1].through))
    kind = "operation"
    if unequal:
        kind = "input"
    elif _arguments(a.nodes, between[0]) != _arguments(b.nodes, between[1]) and (
        _ops(a.nodes, between[0]) == _ops(b.nodes, between[1])
    ):
        kind = "argument"
    return Found(kind, first, unequal, between, *rest)


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


def reach(nodes: Sequence[Node], place: int, seen: dict[int, Pair]) -> Reached:
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


def _rounding(nodes: Sequence[Node], places: frozenset[int]) -> tuple[int, ...]:
    """Return those operations that can round; all of them if none can."""
    found = tuple(p for p in sorted(places) if nodes[p].op not in EXACT)
    return found or tuple(sorted(places))


def _arguments(nodes: Sequence[Node], places: Sequence[int]) -> list[str]:
    return sorted(str(one) for p in places for one in nodes[p].inputs if str(one).startswith("= "))


def _ops(nodes: Sequence[Node], places: Sequence[int]) -> list[str]:
    return [nodes[p].op for p in places]


@dataclasses.dataclass(frozen=True)
class Distance:
    """How far two results lie apart.

    Attributes:
        unequal: number of elements that differ.
        elements: number of elements.
        ulp: largest distance in units in the last place; None where a result is not of floats.
        usual: median of this distance over the elements that differ.
        largest: largest absolute difference.
        relative: norm of the difference over the norm of the first.
    """

    unequal: int
    elements: int
    ulp: int | None
    usual: float | None
    largest: float
    relative: float


class Values:
    """The results of two records."""

    def __init__(self, a: Path, b: Path) -> None:
        """Open the files in the folders of both records."""
        self._files = [np.load(folder / VALUES) for folder in (a, b)]

    def distance(self, pair: Pair) -> Distance | None:
        """Return the largest distance among the results of an operation; None if not kept."""
        found = [distance(*one) for one in self._arrays(pair)]
        return max(found, key=lambda one: one.relative, default=None)

    def _arrays(self, pair: Pair) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        number = 0
        while all(f"{p}_{number}" in f for f, p in zip(self._files, pair, strict=True)):
            one, other = (f[f"{p}_{number}"] for f, p in zip(self._files, pair, strict=True))
            yield one, other
            number += 1


def distance(a: np.ndarray, b: np.ndarray) -> Distance:
    """Measure how far two arrays of one type and shape lie apart; NaN equals NaN."""
    a, b = (_real(x) for x in (a, b))
    same = (a == b) | ((a != a) & (b != b))
    wide = [x.astype(np.float64) for x in (a, b)]
    with np.errstate(invalid="ignore", over="ignore"):
        gap = np.where(same, 0, np.abs(wide[0] - wide[1]))
        norm = float(np.linalg.norm(wide[0][np.isfinite(wide[0])]))
    apart = _ulps(a, b)
    return Distance(
        unequal=int(np.count_nonzero(~same)),
        elements=a.size,
        ulp=None if apart is None else int(apart.max(initial=0)),
        usual=None if apart is None or same.all() else float(np.median(apart[~same])),
        largest=float(gap.max(initial=0)),
        relative=float(np.linalg.norm(gap)) / norm if norm else float(np.linalg.norm(gap)),
    )


def _real(x: np.ndarray) -> np.ndarray:
    """Return complex numbers as pairs of real ones."""
    if not np.iscomplexobj(x):
        return x
    return np.ascontiguousarray(x).reshape(-1).view(f"f{x.dtype.itemsize // 2}")


def _ulps(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """Return the units in the last place between each two floats; None for other types."""
    if a.dtype.kind != "f":
        return None
    return distances.ulps(a.dtype.name, *map(distances.bits_of, (a, b))).reshape(a.shape)
