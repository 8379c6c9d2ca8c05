"""Where two trainings part, as one HTML file: nothing to load, nothing that runs."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mrjax.diverge import figure, report, tree, words
from mrjax.diverge.distances import Distance
from mrjax.diverge.parting import Parting
from mrjax.diverge.report import Report, Traced
from mrjax.diverge.traces import NO_DIGEST, Operation
from mrjax.errors import UserError
from mrjax.runs import atomic, html

_TEMPLATE = Path(__file__).with_name("page.html.j2")

PAGE, DATA = "diverge.html", "diverge.json"
_ROWS = 500
"""Operations in the table of a step."""


def write(found: Report, folder: Path) -> Path:
    """Write ``diverge.json``, ``diverge.html``, and the figure as PNG and PDF.

    Raises:
        UserError: the folder is not writable, or jinja2 is not installed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        picture = figure.draw(folder, found).read_bytes()
        atomic.write_json(folder / DATA, _finite(report.content(found)))
        atomic.write_text(folder / PAGE, rendered(found, picture))
    except OSError as error:
        raise UserError(
            f"{folder} is not writable ({error.strerror}); expected a folder to write the page "
            "into; choose another"
        ) from error
    return folder / PAGE


def rendered(found: Report, picture: bytes) -> str:
    """Return the page.

    Args:
        found: the report.
        picture: PNG of the figure.
    """
    return html.template(_TEMPLATE, "a page").render(
        names=found.names,
        lines=list(words.about_steps(found.steps)),
        traced=[section(one) for one in found.traced],
        estimated=any(not one.whole for one in _known(found)),
        image=html.inlined(picture),
    )


def _known(found: Report) -> Iterator[Distance]:
    for traced in found.traced:
        yield from filter(None, traced.distances.values())


def section(traced: Traced) -> dict[str, Any]:
    """Return what the page says of one traced step."""
    found = traced.parting
    one = found.operation or found.partner
    # Of layers that were compared in place of operations, the facts given say all.
    silent = found.kind == "none" or (found.kind == "module" and bool(traced.facts))
    pairs = [pair for pair in found.pairs if pair[0].made != pair[1].made]
    origins = {id(pair) for pair in found.origins}
    return {
        "step": traced.step,
        "lines": list(traced.said or words.about_trace(traced)),
        "facts": [*traced.facts, *([] if one is None or silent else _facts(traced))],
        "values": [_values(number, kept) for number, kept in traced.values.items()],
        "tree": tree.grow(traced),
        "rows": [_row(traced, pair, id(pair) in origins) for pair in pairs[:_ROWS]],
        "left": max(0, len(pairs) - _ROWS),
        "alone": [list(map(words.named, own)) for own in found.alone],
    }


def _facts(traced: Traced) -> list[tuple[str, str]]:
    """Return what the page says of the operation at which the traces part."""
    found = traced.parting
    one = found.operation or found.partner
    assert one is not None
    facts = [
        ("Cause", words.CAUSES[found.kind].rstrip(":")),
        ("Operation", one.op),
        ("Direction", one.phase),
        ("Layer", one.module or "outside of the network's modules"),
        ("Line of the script", one.line),
        ("Number", ", ".join(_numbers(found))),
        ("Results", ", ".join(one.types)),
    ]
    if found.kind == "argument" and found.partner and found.operation:
        facts.append(("Arguments", words.arguments(found.operation, found.partner)))
    facts += [("Types", told) for told in words.other_types(found)]
    if traced.first is not None:
        facts.append(("Distance", words.distance(traced.first)))
    if found.module is not None:
        layer = found.module[0].module or "the network as a whole"
        facts.append(("First module with equal inputs and unequal outputs", layer))
    return [(name, text) for name, text in facts if text]


def _numbers(found: Parting) -> list[str]:
    """Return the number of the operation in each training that has it."""
    both = {"A": found.operation, "B": found.partner}
    return [f"{one.number} in {name}" for name, one in both.items() if one is not None]


def _values(number: int, kept: Any) -> dict[str, Any]:
    """Return the tensors of one operation, each with its largest differences."""
    return {
        "number": number,
        "tensors": [
            {"words": words.value(one), "elements": one.distance.elements if one.distance else ()}
            for one in kept
        ],
    }


def _row(traced: Traced, pair: Any, origin: bool) -> dict[str, Any]:
    one = pair[0]
    distance = traced.distances.get(one.number)
    return {
        "one": one,
        "given": _inputs(one, pair[1]),
        "origin": origin,
        "ulp": "" if distance is None or distance.ulp is None else _ulp(distance),
        "relative": "" if distance is None else _number(distance.relative),
        "share": "" if distance is None else f"{distance.unequal} of {distance.seen}",
    }


def _inputs(one: Operation, other: Operation) -> str:
    if NO_DIGEST in one.given:
        return NO_DIGEST
    return "equal" if one.given == other.given else "unequal"


def _ulp(distance: Any) -> str:
    return f"{'' if distance.whole else '≥ '}{distance.ulp}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def _finite(value: Any) -> Any:
    """Return values of JSON, with NaN and infinity as text."""
    if isinstance(value, dict):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value
