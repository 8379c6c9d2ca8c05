"""Traces of one step: a file of lines, one for each operation, of PyTorch or of JAX.

``trace-STEP.jsonl`` has these fields in each line; those of the lower half may be missing:

===========  ======================================================================================
``step``     number of the line, from 0; what is printed as the number of an operation is one more
``phase``    ``forward``, ``backward`` or ``update``
``module``   path of the module in the network; "" outside of any
``op``       name of the operation, or one of `OUTLINE`
``line``     of the user's script; in the backward phase, that of the forward operation
``given``    digests of the tensors that went in, in order, and other arguments as text
``made``     digests of the tensors that came out or were written in place
``random``   state of the random number generators before an operation that draws from them, or null
``types``    for each tensor of ``made``, type and shape, such as ``float32[1,8]``
``samples``  for each tensor of ``made``, a few elements; see `mrjax.diverge.evidence`
``sums``     for each tensor of ``made``, sums from which distances are estimated; see there
``read``     {digest: [type, sample, sums]} of tensors of ``given`` that no operation of the step
             made, at the first operation that reads them
===========  ======================================================================================

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
import re
from collections.abc import Mapping
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
_DIGEST = re.compile("[0-9a-f]{16}")
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
        given: digests of the tensors that went in, and other arguments as text.
        made: digests of the tensors that came out.
        random: state of the random number generators, for an operation that draws from them.
        types: type and shape of each tensor that came out; empty where not recorded.
        samples: some elements of each, in hex.
        sums: sums of each with signs, in hex.
        read: the same three of tensors that no operation of the step made, by digest.
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

    @property
    def tensors(self) -> tuple[str, ...]:
        """Digests of the tensors that went in."""
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
    good = record.get("phase") in PHASES and record["step"] == place
    good = good and all(isinstance(text, str) for text in texts) and all(map(_texts, lists))
    good = good and isinstance(record.get("random"), str | None) and _read(record.get("read", {}))
    good = good and all(map(_texts, known)) and _evidence(known, record["made"])
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
        given=tuple(record["given"]),
        made=tuple(record["made"]),
        random=record.get("random"),
        types=tuple(known[0]),
        samples=tuple(known[1]),
        sums=tuple(known[2]),
        read={digest: tuple(one) for digest, one in record.get("read", {}).items()},
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
