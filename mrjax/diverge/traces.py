"""Traces of one step: a file of lines, one for each operation, of PyTorch or of JAX.

``trace-STEP.jsonl`` has these fields in each line; those of the lower half may be missing:

===============  ==================================================================================
``step``         number of the line, from 0; the number that is printed for an operation is one more
``phase``        ``forward``, ``backward`` or ``update``
``module``       path of the module in the network; "" outside of any
``op``           name of the operation, or one of `OUTLINE`
``line``         of the user's script; in the backward phase, that of the forward operation
``given``        digests of the tensors that went in, in order, and other arguments as text
``made``         digests of the tensors that came out or were written in place
``random``       state of the random number generators before an operation that draws from them,
                 or null
``given_types``  for each entry of ``given``, type and shape of a tensor, such as ``float32[1,8]``;
                 "" for what is no tensor
``types``        for each tensor of ``made``, type and shape
``samples``      for each tensor of ``made``, a few elements; see `mrjax.diverge.evidence`
``sums``         for each tensor of ``made``, sums from which distances are estimated; see there
``read``         {digest: [type, sample, sums]} of tensors of ``given`` that no operation of the
                 step made, at the first operation that reads them
===============  ==================================================================================

A digest is one of values: two tensors that differ in type or shape alone have the same one. So
`read` puts type and shape behind each digest, where a trace has them.

Lines with an `op` of `OUTLINE` are about a module as a whole:

=====================  ============================================================================
``module.output``      ``given``: its inputs, and one digest of its parameters and buffers;
                       ``made``: its outputs
``module.gradient``    ``given``: those of its ``module.output``, and the gradients of its outputs;
                       ``made``: the gradients of its inputs, with what other paths add to them
``module.parameters``  ``given``: those of all its ``module.gradient``; ``made``: the gradients of
                       its own parameters
=====================  ============================================================================
"""

import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mrjax.diverge.evidence import Evidence
from mrjax.errors import UserError
from mrjax.runs import jsonl
from mrjax.runs.result import AGAIN

PHASES = ("forward", "backward", "update")
OUTPUT, GRADIENT, PARAMETERS = OUTLINE = (
    "module.output",
    "module.gradient",
    "module.parameters",
)
_DIGEST = re.compile(r"[0-9a-f]{16}( \S+)?")
_VALUES = 16
"""Digits of a digest, before type and shape."""
_RETURNED = {
    "aten.native_batch_norm.default": 3,
    "aten.cudnn_batch_norm.default": 4,
    "aten.miopen_batch_norm.default": 3,
}
"""Operation -> results that traces without types have of it: no running statistics."""
NO_DIGEST = "not recorded"
"""What a trace has in the place of the digest of a tensor that cannot be digested."""
_TYPE = re.compile(r"[a-z0-9_]{1,40}\[(\d{1,18}(,\d{1,18}){0,63})?\]")
_HEX = re.compile("([0-9a-f]{2})*")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Operation:
    """One operation of a step, or what a module made; the fields are those of a line of a trace.

    Attributes:
        place: in the trace, from 0; ``step`` of its line.
        phase: of `PHASES`.
        module: path of the module in the network; "" outside of any.
        op: name of the operation.
        line: of the user's script; in the backward phase, the line of the forward operation.
        given: digests of the tensors that went in, with their types if `typed`, such as
            ``0123456789abcdef float32[1,8]``, and other arguments as text.
        made: likewise of the tensors that came out.
        random: state of the random number generators, for an operation that draws from them.
        types: type and shape of each tensor that came out; empty where not recorded.
        samples: some elements of each, in hex.
        sums: sums of each with signs, in hex.
        read: the same three of tensors that no operation of the step made, by digest.
        typed: whether types of what went in are recorded.
    """

    place: int
    phase: str
    module: str
    op: str
    line: str
    given: tuple[str, ...]
    made: tuple[str, ...]
    random: str | None
    types: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    read: Mapping[str, Evidence] = dataclasses.field(default_factory=dict)
    typed: bool = False

    @property
    def tensors(self) -> tuple[str, ...]:
        """Digests of the tensors that went in, with their types if `typed`."""
        return tuple(text for text in self.given if _DIGEST.fullmatch(text))

    @property
    def number(self) -> int:
        """What an operation is called by: its line in the file, from 1."""
        return self.place + 1

    @property
    def outline(self) -> bool:
        """Whether the line is about a module as a whole."""
        return self.op in OUTLINE

    def evidence(self, place: int) -> Evidence | None:
        """Return what is known of a tensor that came out; None where not recorded."""
        if not self.types:
            return None
        return self.types[place], self.samples[place], self.sums[place]


def values(text: str) -> str:
    """Return the digest of a tensor's values, without its type."""
    return text[:_VALUES] if _DIGEST.fullmatch(text) else text


def comparable(
    a: Sequence[Operation], b: Sequence[Operation]
) -> tuple[list[Operation], list[Operation], bool]:
    """Return two traces with types if both have them at each line, else both without.

    Args:
        a: a trace.
        b: another one.

    Returns:
        Both, and whether they have types.
    """
    if all(one.typed for one in (*a, *b)):
        return list(a), list(b), True
    return list(map(_untyped, a)), list(map(_untyped, b)), False


def _untyped(one: Operation) -> Operation:
    kept = slice(_RETURNED.get(one.op))
    return dataclasses.replace(
        one,
        given=tuple(map(values, one.given)),
        made=tuple(map(values, one.made[kept])),
        types=one.types[kept],
        samples=one.samples[kept],
        sums=one.sums[kept],
        typed=False,
    )


def read(path: Path) -> list[Operation]:
    """Read a trace, as `mrjax.recorder` writes it.

    Raises:
        UserError: the file cannot be read or a line is not as described.
    """
    return [_operation(path, place, record) for place, record in enumerate(jsonl.read(path))]


def _operation(path: Path, place: int, record: Mapping[str, Any]) -> Operation:
    texts = [record.get(name) for name in ("module", "op", "line")]
    lists = [record.get(name) for name in ("given", "made")]
    known = [record.get(name, []) for name in ("types", "samples", "sums")]
    kinds = record.get("given_types")
    good = record.get("phase") in PHASES and record["step"] == place
    good = good and all(isinstance(text, str) for text in texts) and all(map(_texts, lists))
    good = good and isinstance(record.get("random"), str | None) and _read(record.get("read", {}))
    good = good and all(map(_texts, known)) and _evidence(known, record["made"])
    good = good and (kinds is None or _fitting(kinds, record["given"]))
    if not good:
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
        given=tuple(record["given"]) if kinds is None else _typed(record["given"], kinds),
        made=tuple(record["made"]) if kinds is None else _typed(record["made"], known[0]),
        random=record.get("random"),
        types=tuple(known[0]),
        samples=tuple(known[1]),
        sums=tuple(known[2]),
        read={digest: tuple(one) for digest, one in record.get("read", {}).items()},
        typed=kinds is not None and len(known[0]) == len(record["made"]),
    )


def _typed(texts: list[str], kinds: list[str]) -> tuple[str, ...]:
    """Put types behind digests; without any type the texts stay as they are."""
    pairs = itertools.zip_longest(texts, kinds, fillvalue="")
    return tuple(f"{t} {k}" if k and _DIGEST.fullmatch(t) else t for t, k in pairs)


def _fitting(kinds: Any, given: list[str]) -> bool:
    """Whether there is a type, or "", for each entry that went in."""
    return (
        _texts(kinds)
        and len(kinds) == len(given)
        and all(not kind or _TYPE.fullmatch(kind) for kind in kinds)
    )


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _evidence(known: list[Any], made: list[str]) -> bool:
    """Whether types, samples and sums are there for every tensor that was made, or for none."""
    if not any(known):
        return True
    return all(len(one) == len(made) for one in known) and all(
        map(_known, zip(*known, strict=True))
    )


def _read(value: Any) -> bool:
    return isinstance(value, dict) and all(
        _texts(one) and len(one) == 3 and _known(one) for one in value.values()
    )


def _known(one: Any) -> bool:
    kind, sample, sums = one
    return bool(_TYPE.fullmatch(kind) and _HEX.fullmatch(sample) and _HEX.fullmatch(sums))
