"""Traces of one step, operation by operation, and the first operation in which two of them part."""

import collections
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mrjax.errors import UserError
from mrjax.runs import jsonl
from mrjax.runs.result import AGAIN

PHASES = ("forward", "backward", "update")

Key = tuple[str, str, str, int]
"""Phase, module, operation, and how often the three have occurred before."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation of a step.

    Attributes:
        place: in the trace, from 0.
        phase: of `PHASES`.
        module: path of the module in the network; "" outside of any.
        op: name of the operation.
        line: of the user's script; in the backward phase, the line of the forward operation.
        given: digests of the tensors that went in, and other arguments as text.
        made: digests of the tensors that came out.
        random: state of the random number generators, for an operation that draws from them.
    """

    place: int
    phase: str
    module: str
    op: str
    line: str
    given: tuple[str, ...]
    made: tuple[str, ...]
    random: str | None

    @property
    def tensors(self) -> tuple[str, ...]:
        """Digests of the tensors that went in."""
        return tuple(text for text in self.given if len(text) == 16 and _is_hex(text))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parting:
    """Where two traces part.

    Attributes:
        kind: ``operation`` (equal inputs, unequal results), ``random`` (an operation that draws
            found the generators in different states), ``argument`` (equal tensors, but another
            number among the arguments), ``input`` (a tensor differed that no operation of the step
            made: the batch or the parameters), ``order`` (one trace has an operation that the other
            has not), ``none``.
        operation: the first that differs, in the first trace; None if none does.
        partner: the same operation in the other trace; None if there is none.
        compared: number of operations that both traces have.
        alone: number of operations that only one of them has.
        differing: {module: (operations with unequal results, operations compared)}, in order.
    """

    kind: str
    operation: Operation | None
    partner: Operation | None
    compared: int
    alone: int
    differing: Mapping[str, tuple[int, int]]


def read(path: Path) -> list[Operation]:
    """Read a trace, as `mrjax.recorder` writes it.

    Raises:
        UserError: the file cannot be read or a line is not as described.
    """
    return [_operation(path, place, record) for place, record in enumerate(jsonl.read(path))]


def _operation(path: Path, place: int, record: Mapping[str, Any]) -> Operation:
    texts = {name: record.get(name) for name in ("module", "op", "line")}
    lists = [record.get(name) for name in ("given", "made")]
    good = record.get("phase") in PHASES and record.get("step") == place
    good = good and all(isinstance(text, str) for text in texts.values())
    good = good and all(
        isinstance(one, list) and all(isinstance(text, str) for text in one) for one in lists
    )
    if not good or not isinstance(record.get("random"), str | None):
        raise UserError(
            f"{path} line {place + 1} is not an operation; expected what mrjax's recorder writes; "
            f"{AGAIN}"
        )
    return Operation(
        place=place,
        phase=record["phase"],
        module=record["module"],
        op=record["op"],
        line=record["line"],
        given=tuple(record["given"]),
        made=tuple(record["made"]),
        random=record.get("random"),
    )


def part(a: Sequence[Operation], b: Sequence[Operation]) -> Parting:
    """Match the operations of two traces and find the first that differs.

    Operations are matched by phase, module, name and how often these have occurred, so that traces
    may differ in length.

    Args:
        a: a trace, in order.
        b: another one, of the same step of another training.
    """
    others = dict(_keyed(b))
    pairs = [(one, others.pop(key, None)) for key, one in _keyed(a)]
    shared = [(one, other) for one, other in pairs if other is not None]
    kind, one, other = _first(pairs, min((o.place for o in others.values()), default=None))
    return Parting(
        kind=kind,
        operation=one,
        partner=other,
        compared=len(shared),
        alone=len(pairs) - len(shared) + len(others),
        differing=_by_module(shared),
    )


def _keyed(trace: Sequence[Operation]) -> Iterator[tuple[Key, Operation]]:
    seen: collections.Counter[tuple[str, str, str]] = collections.Counter()
    for operation in trace:
        name = (operation.phase, operation.module, operation.op)
        yield (*name, seen[name]), operation
        seen[name] += 1


def _first(
    pairs: Sequence[tuple[Operation, Operation | None]], alone: int | None
) -> tuple[str, Operation | None, Operation | None]:
    """Return the kind and the operations of the first difference.

    Args:
        pairs: operations of the first trace with their partners.
        alone: place in the second trace of its first operation without a partner.
    """
    for one, other in pairs:
        if other is None or (alone is not None and other.place > alone):
            return "order", one, other
        if one.given != other.given:
            return ("input" if one.tensors != other.tensors else "argument"), one, other
        if one.made != other.made:
            return ("random" if one.random != other.random else "operation"), one, other
    return ("none" if alone is None else "order"), None, None


def _by_module(
    shared: Sequence[tuple[Operation, Operation]],
) -> dict[str, tuple[int, int]]:
    counts: dict[str, tuple[int, int]] = {}
    for one, other in shared:
        differing, compared = counts.get(one.module, (0, 0))
        counts[one.module] = (differing + (one.made != other.made), compared + 1)
    return counts


def _is_hex(text: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in text)
