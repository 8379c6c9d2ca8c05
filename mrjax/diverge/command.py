"""``diverge``: from two run folders to the first step and operation in which they part."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mrjax.diverge import parting, traces
from mrjax.diverge.parting import Parting
from mrjax.errors import UserError
from mrjax.runs import jsonl, ledger

_TRACE = re.compile(r"trace-(\d{6,})\.jsonl")
_SHOWN = 30


def run(a: Path, b: Path) -> str:
    """Say where two recorded trainings part.

    Args:
        a: run folder.
        b: another one.

    Returns:
        Lines of text.

    Raises:
        UserError: a folder is not a run folder, or a file in it is damaged.
    """
    return "\n".join([*_steps(a, b), *_leaves(a, b), *_operations(a, b)])


def _steps(a: Path, b: Path) -> Iterator[str]:
    """Say at which step the trainings part, among the steps that both recorded."""
    lines = [
        {line["step"]: line for line in ledger.read(folder / "ledger.jsonl")} for folder in (a, b)
    ]
    shared = [step for step in lines[0] if step in lines[1]]
    parted = next((s for s in shared if ledger.unequal(lines[0][s], lines[1][s])), None)
    missing = ledger.unrecorded(*(found.values() for found in lines))
    if not shared:
        yield "The ledgers have no step in common."
    elif parted is not None:
        first = ledger.unequal(lines[0][parted], lines[1][parted])[0]
        yield f"The trainings part at step {parted}, first in {ledger.WORDS[first]}."
    else:
        yield f"No difference at the {len(shared)} steps that both recorded, up to {shared[-1]}."
    if missing:
        yield f"Not recorded: {', '.join(ledger.WORDS[name] for name in missing)}."


def _leaves(a: Path, b: Path) -> Iterator[str]:
    """Say which tensor differs first, where each tensor has a digest."""
    files = [folder / "leaves.jsonl" for folder in (a, b)]
    if not all(file.exists() for file in files):
        return
    for one, other in zip(*map(jsonl.read, files), strict=False):
        names = [
            f"{kind} {name}" for kind in ("grads", "params") for name in _unequal(kind, one, other)
        ]
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            yield f"Tensors that differ first, at step {one['step']}: {', '.join(names[:3])}{more}."
            return


def _unequal(kind: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    a, b = one.get(kind), other.get(kind)
    if not isinstance(a, dict) or not isinstance(b, dict):
        raise UserError(
            f"leaves.jsonl has no {kind} at step {one['step']}; expected digests of every tensor; "
            "repeat the runs"
        )
    return [name for name in {**a, **b} if a.get(name) != b.get(name)]


def _operations(a: Path, b: Path) -> Iterator[str]:
    steps = sorted(_traced(a) & _traced(b))
    if not steps:
        yield (
            "No step was traced in both runs. To learn the operation, repeat both with "
            "Recorder(..., trace_at=[STEP]) at the step where they part."
        )
    for step in steps:
        name = f"trace-{step:06d}.jsonl"
        yield from described(step, parting.part(traces.read(a / name), traces.read(b / name)))


def _traced(folder: Path) -> set[int]:
    found = (_TRACE.fullmatch(path.name) for path in folder.glob("trace-*.jsonl"))
    return {int(match[1]) for match in found if match}


def described(step: int, found: Parting) -> Iterator[str]:
    """Say where two traces of one step part, and which modules followed.

    Args:
        step: of both trainings.
        found: see `mrjax.diverge.traces.part`.
    """
    alone = sum(map(len, found.alone))
    only = f"; {alone} operations are in one of them only" if alone else ""
    if found.kind == "none":
        yield f"Step {step}: all {found.compared} operations are equal{only}."
        return
    yield f"Step {step}, {found.compared} operations compared{only}. {_cause(found)}"
    if found.operation is not None:
        one = found.operation
        where = f"module {one.module}" if one.module else "outside of the network's modules"
        yield f"  {one.op}, {one.phase}, {where}, operation {one.place + 1} ({one.line})"
    yield "  module: operations with unequal results, of those compared"
    parted = [(name, counts) for name, counts in found.differing.items() if counts[0]]
    for name, (differing, compared) in parted[:_SHOWN]:
        yield f"    {name or '(outside)'}: {differing} of {compared}"
    if len(parted) > _SHOWN:
        yield f"    and {len(parted) - _SHOWN} more modules"


def _cause(found: Parting) -> str:
    return {
        "operation": "The first operation with equal inputs and unequal results:",
        "random": "The first difference is a random number: the generators were in different "
        "states before this operation:",
        "argument": "The first difference is a number that the script gave to an operation, such "
        "as a learning rate; its tensors are equal:",
        "input": "A tensor differs that no operation of the step made (the batch, a parameter or "
        "a buffer); it is first read by:",
        "module": "No operation was seen to differ, but a module did:",
        "order": "The trainings do different operations; the first that has no counterpart at "
        "its place:",
    }[found.kind]
