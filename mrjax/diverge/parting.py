"""Where two traces of one step part: the first operation that differs, and what kind of cause."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mrjax.diverge import alignment
from mrjax.diverge.alignment import Pair
from mrjax.diverge.traces import GRADIENT, NO_DIGEST, OUTPUT, Operation, comparable, values


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parting:
    """Where two traces part.

    Attributes:
        kind: ``operation`` (equal inputs, unequal results), ``random`` (an operation that draws
            found the generators in different states), ``argument`` (equal tensors, but another
            number among the arguments), ``input`` (a tensor differed that no operation of the step
            made: batch, parameters), ``module`` (a module differs and no operation in it was
            seen to: those in a compiled graph are not seen), ``order`` (one trace has an
            operation that the other has not, or reads other results), ``none``.
        operation: the first that differs, in the first trace; None if only the second has it, or
            if none differs.
        partner: the same operation in the second trace; None if there is none.
        pairs: operations that both traces have, in the order of the first.
        alone: operations that only the first trace has, and that only the second one has.
        origins: pairs with equal inputs and unequal results, in order.
        modules: lines about modules that both traces have, in the order of the first.
        module: the first module, the innermost one, with equal inputs and unequal outputs.
        typed: whether types and shapes were compared too; else values alone.
    """

    kind: str
    operation: Operation | None
    partner: Operation | None
    pairs: tuple[Pair, ...]
    alone: tuple[tuple[Operation, ...], tuple[Operation, ...]]
    origins: tuple[Pair, ...]
    modules: tuple[Pair, ...]
    module: Pair | None
    typed: bool = True

    @property
    def compared(self) -> int:
        """Number of operations that both traces have."""
        return len(self.pairs)

    @property
    def differing(self) -> Mapping[str, tuple[int, int]]:
        """{module: (operations with unequal results, operations compared)}, in order."""
        counts: dict[str, tuple[int, int]] = {}
        for one, other in self.pairs:
            differing, compared = counts.get(one.module, (0, 0))
            counts[one.module] = (differing + (one.made != other.made), compared + 1)
        return counts


def part(a: Sequence[Operation], b: Sequence[Operation]) -> Parting:
    """Match the operations of two traces and find the first that differs.

    Args:
        a: a trace, in order.
        b: another one, of the same step of another training.
    """
    *both, typed = comparable(a, b)
    traces = [[one for one in trace if not one.outline] for trace in both]
    outlines = [[one for one in trace if one.outline] for trace in both]
    pairs, modules = alignment.aligned(*traces), alignment.aligned(*outlines)
    alone = _alone(traces[0], [one for one, _ in pairs]), _alone(traces[1], [o for _, o in pairs])
    kind, one, other = _first(pairs, alone)
    module = _module(modules, traces)
    unequal = [pair for pair in modules if _differs(*pair)]
    loose = any(len(own) != len(modules) for own in outlines)
    if kind == "none" and (unequal or loose):
        kind, (one, other) = "module", module or (unequal[0] if unequal else (None, None))
    if kind == "input" and module and one and _values(one.tensors) & _values(module[0].made):
        kind, (one, other) = "module", module
    return Parting(
        kind=kind,
        operation=one,
        partner=other,
        pairs=tuple(pairs),
        alone=alone,
        origins=tuple(pair for pair in pairs if _is_origin(*pair)),
        modules=tuple(modules),
        module=module,
        typed=typed,
    )


def _values(texts: Iterable[str]) -> set[str]:
    """Return digests without types: what an operation made may be read in another shape."""
    return set(map(values, texts))


def _alone(trace: Sequence[Operation], matched: Iterable[Operation]) -> tuple[Operation, ...]:
    places = {one.place for one in matched}
    return tuple(one for one in trace if one.place not in places)


def _differs(one: Operation, other: Operation) -> bool:
    return one.given != other.given or one.made != other.made


def _is_origin(one: Operation, other: Operation) -> bool:
    same = one.given == other.given and one.random == other.random
    return same and one.made != other.made and NO_DIGEST not in one.given


def _first(
    pairs: Sequence[Pair], alone: tuple[tuple[Operation, ...], tuple[Operation, ...]]
) -> tuple[str, Operation | None, Operation | None]:
    """Return the kind and the operations of the first difference."""
    known: tuple[set[str], set[str]] = (set(), set())
    rest = [iter(sorted(own, key=lambda one: one.place)) for own in alone]
    waiting = [next(own, None) for own in rest]
    lonely: Operation | None = None
    for one, other in pairs:
        for side, end in enumerate((one.place, other.place)):
            while (mine := waiting[side]) is not None and mine.place < end:
                lonely = lonely or mine
                known[side].update(_values(mine.made))
                waiting[side] = next(rest[side], None)
        kind = _kind(one, other, known)
        if kind == "order" and lonely is not None:
            return _lonely(lonely, alone)
        if kind:
            return kind, one, other
        for digests in known:
            digests.update(_values(one.made))
    left = lonely or next((one for own in alone for one in own), None)
    return ("none", None, None) if left is None else _lonely(left, alone)


def _lonely(
    one: Operation, alone: tuple[tuple[Operation, ...], tuple[Operation, ...]]
) -> tuple[str, Operation | None, Operation | None]:
    mine = any(one is own for own in alone[0])
    return "order", one if mine else None, None if mine else one


def _kind(one: Operation, other: Operation, known: tuple[set[str], set[str]]) -> str:
    """Return the kind of the difference of two operations; "" if they are equal.

    Args:
        one: of the first trace.
        other: of the second one.
        known: digests that operations before them made, of each trace.
    """
    if one.tensors != other.tensors:
        lost = len(one.tensors) != len(other.tensors)
        new = zip(one.tensors, other.tensors, strict=False)
        read = [(values(x) in known[0], values(y) in known[1]) for x, y in new if x != y]
        return "order" if lost or any(x or y for x, y in read) else "input"
    if one.given != other.given:
        return "argument"
    if one.made != other.made and NO_DIGEST in one.given:  # nobody knows whether inputs are equal
        return "input"
    if one.made != other.made:
        return "random" if one.random != other.random else "operation"
    return ""


def _module(modules: Sequence[Pair], traces: Sequence[Sequence[Operation]]) -> Pair | None:
    """Return the first module with equal inputs and unequal outputs, the innermost one."""
    named = list(_named(modules, traces))
    found = named[0] if named else None
    for pair in named:
        if found and (found[0].module == "" or pair[0].module.startswith(f"{found[0].module}.")):
            found = pair if pair[0].phase == found[0].phase else found
    return found


def _named(modules: Sequence[Pair], traces: Sequence[Sequence[Operation]]) -> Iterator[Pair]:
    readers = [_readers(trace) for trace in traces]
    inputs: dict[tuple[str, tuple[str, ...]], bool] = {}
    for pair in modules:
        if pair[0].op == OUTPUT:
            sole = all(map(_inside, pair, readers))
            inputs[pair[0].module, pair[0].given] = sole
        if not _is_origin(*pair):
            continue
        if pair[0].op != GRADIENT or _alone_reads(pair[0], inputs):
            yield pair


def _alone_reads(one: Operation, inputs: Mapping[tuple[str, tuple[str, ...]], bool]) -> bool:
    """Whether no other part of the network reads the inputs of the module.

    Else the gradient of these inputs has parts that come from elsewhere.
    """
    return any(
        sole and module == one.module and one.given[: len(given)] == given
        for (module, given), sole in inputs.items()
    )


def _readers(trace: Sequence[Operation]) -> dict[str, set[str]]:
    """Return {digest: modules whose operations read it in the forward phase}."""
    found: dict[str, set[str]] = {}
    for one in trace:
        if one.phase == "forward":
            for digest in _values(one.tensors):
                found.setdefault(digest, set()).add(one.module)
    return found


def _inside(one: Operation, readers: Mapping[str, set[str]]) -> bool:
    modules = [module for digest in _values(one.tensors) for module in readers.get(digest, ())]
    return all(m == one.module or m.startswith(f"{one.module}.") or not one.module for m in modules)
