"""What was found when a step was taken again, as JSON and as lines of text."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mrjax.diverge.retake.comparison import Found, Pair
from mrjax.diverge.retake.record import Node, Record
from mrjax.diverge.retake.sides import Side
from mrjax.diverge.retake.values import Distance, Values
from mrjax.runs import ledger
from mrjax.runs.text import aligned, listed

_SHOWN = 24
_HOW = {
    "all": "every result was seen",
    "kept": "only the results that XLA keeps in memory were seen, because to see all of them "
    "changes the bits",
    "": "the step differs from its ledger, so nothing is concluded; use the machine and the "
    "interpreter (--python_a, --python_b) of that run",
}


def parted(
    lines: Sequence[Mapping[int, Mapping[str, Any]]], shared: Sequence[int], step: int | None
) -> str:
    """Say at which step two ledgers part, of the steps that both have."""
    if not shared:
        return "The ledgers have no step in common."
    if step is None:
        return f"No difference at the {len(shared)} steps that both recorded, up to {shared[-1]}."
    first = ledger.unequal(lines[0][step], lines[1][step])[0]
    return f"The trainings part at step {step}, first in {ledger.WORDS[first]}."


def side(one: Side, found: Record) -> str:
    """Say how a side took its step again."""
    differing = f" Differences from then: {listed(found.environment)}." if found.environment else ""
    repeats = "repeats its ledger" if found.how else "does not repeat its ledger"
    return f"{one.folder.path} {repeats}; {_HOW[found.how]}.{differing}"


def content(
    step: int,
    records: Sequence[Record],
    found: Found,
    values: Values,
    narrowed: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what was found as JSON; `narrowed` is that of `mrjax.diverge.retake.narrowing`."""
    return {
        "step": step,
        "kind": found.kind,
        "operation": found.pair and _operation(records, found, values),
        "inputs": list(found.names),
        "compared": found.compared,
        "differing": len(found.differing),
        "operations": [len(one.nodes) for one in records],
        "alone": list(map(len, found.alone)),
        "narrowed": narrowed,
        "modules": _modules(records[0].nodes, found, values),
    }


def _operation(records: Sequence[Record], found: Found, values: Values) -> dict[str, Any]:
    assert found.pair is not None
    node, distance = (
        records[0].nodes[found.pair[0]],
        values.distance(found.pair, records[0].nodes[found.pair[0]].types),
    )
    return {
        "place": found.pair[0] + 1,
        **{name: getattr(node, name) for name in ("op", "phase", "module", "line", "types")},
        "begins": [_begins(r, places) for r, places in zip(records, found.between, strict=True)],
        "together": [
            _together(r, places) for r, places in zip(records, found.between, strict=True)
        ],
        "distance": distance and dataclasses.asdict(distance),
    }


def _begins(one: Record, places: Sequence[int]) -> dict[str, str]:
    """The first operation after the results that were seen to be equal."""
    node = one.nodes[places[0]]
    return {name: getattr(node, name) for name in ("op", "phase", "module", "line")}


def _together(one: Record, places: Sequence[int]) -> list[str]:
    """Operations computed between what was seen and the result, the last one left out."""
    return [f"{one.nodes[p].op} ({one.nodes[p].line})" for p in places[:-1]]


def _modules(nodes: Sequence[Node], found: Found, values: Values) -> list[dict[str, Any]]:
    """For each module of each phase, the results that differ, and the distance of its last one."""
    differing = set(found.differing)
    groups: dict[tuple[str, str], list[Pair]] = {}
    for pair in found.pairs:
        node = nodes[pair[0]]
        groups.setdefault((node.phase, node.module), []).append(pair)
    return [
        {
            "phase": phase,
            "module": module,
            "differing": sum(pair in differing for pair in pairs),
            "compared": len(pairs),
            "relative": _last(nodes, pairs, differing, values),
        }
        for (phase, module), pairs in groups.items()
    ]


def _last(
    nodes: Sequence[Node], pairs: Sequence[Pair], differing: set[Pair], values: Values
) -> float | None:
    """Relative distance of the last result of a module that differs."""
    last = next((pair for pair in reversed(pairs) if pair in differing), None)
    found: Distance | None = values.distance(last, nodes[last[0]].types) if last else None
    return found and found.relative


def text(found: Mapping[str, Any]) -> Iterator[str]:
    """Say what was found."""
    yield f"Step {found['step']}: {_counts(found)}"
    if found["narrowed"]:
        yield _narrowed(found["narrowed"])
    yield _SENTENCES[found["kind"]].format(inputs=listed(found["inputs"]))
    if found["operation"]:
        yield from _named(found["operation"])
    yield from _growth(found["modules"])


def facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the page says of the step beside its first operation."""
    rows = [("Compared", _counts(found))]
    if found["narrowed"]:
        rows.append(("Narrowed down", _narrowed(found["narrowed"])))
    if found["inputs"]:
        rows.append(("Inputs that differ", listed(found["inputs"])))
    if not found["operation"]:
        return [*rows, ("Cause", _SENTENCES[found["kind"]])]
    for name, ops in zip("AB", found["operation"]["together"], strict=True):
        if ops:
            rows.append((f"{name} computes it together with", listed(ops)))
    return rows


def _counts(found: Mapping[str, Any]) -> str:
    a, b = found["operations"]
    alone = sum(found["alone"])
    only = f"; {alone} operations are on one side only" if alone else ""
    return (
        f"{found['compared']} results compared, of {a} and {b} operations{only}; "
        f"{found['differing']} differ."
    )


def _narrowed(one: Mapping[str, Any]) -> str:
    a, b = one["operations"]
    return (
        f"They part in a piece of {a} operations in A and {b} in B. To narrow it down, "
        f"{one['looked']} more results were asked for; {one['seen']} could be seen without a "
        "change of bits."
    )


_SENTENCES = {
    "operation": "The first operation with equal inputs and unequal results:",
    "input": "The first difference comes from an input of the step ({inputs}), first read by:",
    "argument": "The first difference is a constant of the step; its tensors are equal:",
    "none": "No result that both sides show differs, although the ledgers do: the difference "
    "arises in an operation that could not be seen.",
}


def _named(one: Mapping[str, Any]) -> Iterator[str]:
    pieces = any(one["together"])
    for name, begins in zip("AB", one["begins"], strict=True) if pieces else ():
        yield f"  {name}: a piece that begins with {_place(begins)} and ends with"
    yield f"  {_place(one)}, operation {one['place']}"
    for name, ops in zip("AB", one["together"], strict=True):
        if ops:
            yield f"  {name} computes it together with what was not seen: {listed(ops)}"
    if one["distance"]:
        yield f"  {', '.join(one['types'])}: {_distance(one['distance'])}"


def _place(one: Mapping[str, Any]) -> str:
    where = f"module {one['module']}" if one["module"] else "outside of the network's modules"
    return f"{one['op']}, {one['phase']}, {where} ({one['line']})"


def _distance(one: Mapping[str, Any]) -> str:
    known = one["ulp"] is not None and one["usual"] is not None
    ulp = f", usually by {one['usual']:g} ulp, by up to {one['ulp']}" if known else ""
    return (
        f"{one['unequal']} of {one['elements']} elements differ{ulp}; largest difference "
        f"{one['largest']:.2g}, relative to the norm {one['relative']:.2g}"
    )


def _growth(modules: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    parted = [one for one in modules if one["differing"]]
    if not parted:
        return
    yield "How it grows (norm of the difference over the norm, of a module's last unequal result):"
    rows = [
        [
            f"  {one['phase']}",
            one["module"] or "(outside)",
            f"{one['differing']} of {one['compared']} differ",
            "" if one["relative"] is None else f"{one['relative']:.2g}",
        ]
        for one in parted[:_SHOWN]
    ]
    yield from aligned(rows)
    if len(parted) > _SHOWN:
        yield f"  and {len(parted) - _SHOWN} more"
