"""``diverge`` of mrjax's own runs: both take the step in which they part again."""

import contextlib
import dataclasses
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mrjax import children
from mrjax.diverge.retake import comparison, layers, record, report, sides
from mrjax.diverge.retake.record import Record
from mrjax.diverge.retake.sides import Side
from mrjax.errors import RunFailed, UserError
from mrjax.runs import atomic, ledger
from mrjax.tasks import registry

STARTS = {"init": "the initial weights", "data": "the data"}
_REFUSED = 2


class Asked(NamedTuple):
    """What the command line asks for.

    Attributes:
        step: to take again; None: the first that differs.
        pythons: interpreters of both sides; "": this one.
        out: folder for the records; "": they are not kept.
    """

    step: int | None = None
    pythons: tuple[str, str] = ("", "")
    out: str = ""


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
        _check(python)
    with _folder(asked.out) as out:
        records = [
            _again(side, step, out / name, python)
            for side, name, python in zip((a, b), "ab", asked.pythons, strict=True)
        ]
        yield from _said(step, (a, b), records, out)
        yield from report.later(lines, step)


def _step(asked: int | None, shared: Sequence[int], parted: int | None) -> int | None:
    if asked is not None and asked not in shared:
        raise UserError(
            f"--step={asked} is not in both ledgers; expected a step that both have, at most "
            f"{max(shared, default=0)}; choose another"
        )
    return parted if asked is None else asked


def _said(step: int, both: Sequence[Side], records: Sequence[Record], out: Path) -> Iterator[str]:
    faithful = True
    for name, side, one in zip("AB", both, records, strict=True):
        yield report.side(name, side, one)
        faithful = faithful and bool(one.how)
    if not faithful:
        return
    if any(one.framework == registry.PYTORCH for one in records):
        yield from _layers(step, records, [out / "a", out / "b"])
        return
    found = comparison.compare(*records)
    values = comparison.Values(out / "a", out / "b")
    content = report.content(step, records, found, values)
    atomic.write_text(out / "retake.json", json.dumps(content, indent=1))
    yield from report.text(content)


def _layers(step: int, records: Sequence[Record], folders: Sequence[Path]) -> Iterator[str]:
    """Compare layer by layer; the second record is one of PyTorch."""
    if records[1].framework != registry.PYTORCH:
        records, folders = records[::-1], folders[::-1]
    found = layers.compare(records[0], records[1], folders)
    content = {"step": step, "layers": [dataclasses.asdict(one) for one in found]}
    atomic.write_text(folders[0].parent / "retake.json", json.dumps(content, indent=1))
    yield from layers.text(found)


@contextlib.contextmanager
def _folder(out: str) -> Iterator[Path]:
    if out:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory(prefix="mrjax-retake-") as folder:
        yield Path(folder)


def _check(python: str) -> None:
    if shutil.which(python) is None:
        raise UserError(
            f"{python} is no program; expected a Python with the requirements of mrjax; "
            "correct --python_a or --python_b"
        )


def _again(side: Side, step: int, out: Path, python: str) -> Record:
    """Take a step again in a process of its own."""
    sys.stderr.write(f"{side.folder.path}: takes step {step} again\n")
    command = [
        *(python or sys.executable, "-m", "mrjax.diverge.retake"),
        *(str(side.folder.path.absolute()), str(step), str(out.absolute())),
    ]
    said: list[str] = []
    ended = children.run(command, side.environ, said.append)
    if ended.code == _REFUSED:
        raise UserError(ended.last.removeprefix("error: "))
    if ended.code:
        last = ended.last.removeprefix("error: ") or f"exit code {ended.code}"
        raise RunFailed(f"{side.folder.path}, step {step}: {last}")
    return record.read(out)
