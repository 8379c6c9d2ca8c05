"""``diverge`` of mrjax's own runs: both take the step in which they part again."""

import contextlib
import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mrjax.diverge.report import Traced
from mrjax.diverge.retake import again, growth, layers, narrowing, paged, report, sides, traced
from mrjax.diverge.retake.again import Again
from mrjax.diverge.retake.record import Record
from mrjax.diverge.retake.sides import Side
from mrjax.diverge.retake.values import Values
from mrjax.errors import UserError
from mrjax.runs import atomic, ledger
from mrjax.tasks import registry

STARTS = {"init": "the initial weights", "data": "the data"}


class Asked(NamedTuple):
    """What the command line asks for.

    Attributes:
        step: to take again; None: the first that differs.
        pythons: interpreters of both sides; "": this one.
        out: folder for the page and the records; "": they are not kept.
    """

    step: int | None = None
    pythons: tuple[str, str] = ("", "")
    out: str = ""


class Compared(NamedTuple):
    """What the comparison of two records gave.

    Attributes:
        content: of ``retake.json``.
        lines: of text.
        facts: (name, text) for the page.
        traced: makes the step in the form of the page.
    """

    content: dict[str, Any]
    lines: list[str]
    facts: list[tuple[str, str]]
    traced: Callable[[], Traced]


def known(a: Path, b: Path) -> tuple[Side, Side] | None:
    """Return two trainings if mrjax itself computed both, else None."""
    one, other = sides.read(a), sides.read(b)
    return (one, other) if one and other else None


def run(a: Side, b: Side, asked: Asked) -> Iterator[str]:
    """Take the first step that differs again on both sides, and say where they part.

    Args:
        a: a training.
        b: another one.
        asked: the command line.

    Yields:
        Lines of text.

    Raises:
        UserError: the ledgers have no such step, or a side cannot be taken again here.
        RunFailed: the steps before do not repeat a ledger.
    """
    lines = a.lines(), b.lines()
    shared = [step for step in lines[0] if step in lines[1]]
    parted = next((s for s in shared if ledger.unequal(lines[0][s], lines[1][s])), None)
    yield report.parted(lines, shared, parted)
    step = _step(asked.step, shared, parted)
    if step is None:
        return
    starts = [STARTS[name] for name in STARTS if a.digests.get(name) != b.digests.get(name)]
    if lines[0][step]["batch"] != lines[1][step]["batch"]:
        starts.append(f"the batch of step {step}")
    if starts:
        yield f"They start differently: {', '.join(starts)} differ."
    if starts and asked.step is None:
        yield "So no step is taken again; --step=K takes one all the same."
        return
    if a.config.experiment != b.config.experiment:
        yield "They are of different networks, so no step is taken again."
        return
    for python in filter(None, asked.pythons):
        again.check(python)
    with _folder(asked.out) as out:
        both = [
            Again(side, step, out / name, python)
            for side, name, python in zip((a, b), "ab", asked.pythons, strict=True)
        ]
        yield from _said(both, bool(asked.out))


def _step(asked: int | None, shared: Sequence[int], parted: int | None) -> int | None:
    if asked is not None and asked not in shared:
        raise UserError(
            f"--step={asked} is not in both ledgers; expected a step that both have, at most "
            f"{max(shared, default=0)}; choose another"
        )
    return parted if asked is None else asked


def _said(both: Sequence[Again], kept: bool) -> Iterator[str]:
    records = [one.taken() for one in both]
    repeated = [
        (name, report.side(one.side, found))
        for name, one, found in zip("AB", both, records, strict=True)
    ]
    told = [f"{name}: {text}" for name, text in repeated]
    yield from told
    later = growth.after(both[0].side, both[1].side, both[0].step)
    if not all(one.how for one in records):
        yield from growth.text(later)
        return
    pytorch = any(one.framework == registry.PYTORCH for one in records)
    found = (_layers if pytorch else _operations)(both, records)
    lines = [*found.lines, *growth.text(later)]
    yield from lines
    if kept:
        content = found.content | {"later": [dataclasses.asdict(one) for one in later]}
        atomic.write_text(both[0].out.parent / "retake.json", json.dumps(content, indent=1))
        facts = (*repeated, *found.facts)
        step = dataclasses.replace(found.traced(), facts=facts, said=(*told, *lines))
        yield f"Page: {paged.write(both, step, later)}"


def _operations(both: Sequence[Again], records: Sequence[Record]) -> Compared:
    """Compare operation by operation."""
    folders = [one.out for one in both]
    records, found, narrowed = narrowing.narrowed(both, records)
    content = report.content(both[0].step, records, found, Values(*folders), narrowed)
    return Compared(
        content=content,
        lines=list(report.text(content)),
        facts=report.facts(content),
        traced=lambda: traced.operations(records, found, folders),
    )


def _layers(both: Sequence[Again], records: Sequence[Record]) -> Compared:
    """Compare layer by layer; the second record is one of PyTorch."""
    if records[1].framework != registry.PYTORCH:
        both, records = both[::-1], records[::-1]
    # What XLA does not keep in memory may be seen when it is asked for.
    twins = [place for place in layers.counterparts(records[0], records[1]) if place is not None]
    records = [both[0].looked(records[0], twins), records[1]]
    folders = [one.out for one in both]
    found = layers.compare(records[0], records[1], folders)
    lines = list(layers.text(found))
    return Compared(
        content={"step": both[0].step, "layers": [dataclasses.asdict(one) for one in found]},
        lines=lines,
        facts=[("Layers", line) for line in lines],
        traced=lambda: traced.compared(records, found, folders),
    )


@contextlib.contextmanager
def _folder(out: str) -> Iterator[Path]:
    if not out:
        with tempfile.TemporaryDirectory(prefix="mrjax-retake-") as folder:
            yield Path(folder)
        return
    try:
        Path(out).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--out={out} cannot be made ({error.strerror}); expected a folder for the page and "
            "the records; choose another"
        ) from error
    yield Path(out)
