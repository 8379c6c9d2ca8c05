"""Ledgers as arrays: fast enough for tens of thousands of runs, and small enough to keep.

`mrjax.runs.ledger` returns a dictionary for each step and names what is wrong; this module returns
columns. A file that is not written exactly as mrjax writes it is read by `mrjax.runs.ledger`, so
both accept and refuse the same files.
"""

import dataclasses
import os
import re
from pathlib import Path

import numpy as np

from mrjax.errors import UserError
from mrjax.runs import ledger
from mrjax.runs.result import AGAIN
from mrjax.study.gather.collected import Curve

POINTS = 240

_DIGEST = '"([0-9a-f]{16})"'
_NUMBER = r"(?:null|-?[0-9][0-9.eE+-]*)"
_LINE = re.compile(
    rf'^{{"step":([0-9]{{1,15}}),"loss":{_NUMBER},'
    r'"loss_hex":"(-?0x[01]\.[0-9a-f]+p[+-][0-9]+|nan|-?inf)",'
    rf'"params":{_DIGEST},"grads":{_DIGEST},"batch":{_DIGEST}}}\n',
    re.MULTILINE,
)
_COLUMNS = {"batch": 4, "grads": 3, "params": 2}


@dataclasses.dataclass(frozen=True)
class Columns:
    """A ledger by columns.

    Attributes:
        steps: number of each step, ascending.
        loss: of each step, exactly.
        digests: ``batch``, ``grads``, ``params`` -> unsigned 64-bit fingerprints.
    """

    steps: np.ndarray
    loss: np.ndarray
    digests: dict[str, np.ndarray]


def read(path: str | os.PathLike[str]) -> Columns:
    """Read a ledger.

    Raises:
        UserError: it cannot be read, or a line is not as described in `mrjax.runs.ledger`.
    """
    rows = _fast(Path(path))
    if rows is None:
        rows = [_row(record) for record in ledger.read(path)]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    steps = np.array([int(step) for step in columns[0]], np.int64)
    if np.any(np.diff(steps, prepend=0) <= 0):
        ledger.read(path)  # says where
    try:
        loss = np.array([float.fromhex(text) for text in columns[1]], np.float64)
    except OverflowError:
        ledger.read(path)  # says where
        raise
    return Columns(
        steps,
        loss,
        {name: _integers(columns[place]) for name, place in _COLUMNS.items()},
    )


def check_length(path: str | os.PathLike[str], found: Columns, steps: int) -> None:
    """Refuse a ledger that is not that of a finished run of `steps` steps.

    Raises:
        UserError: lines are missing or there are too many.
    """
    if len(found.steps) != steps or (steps and found.steps[-1] != steps):
        last = int(found.steps[-1]) if len(found.steps) else 0
        raise UserError(
            f"{path} has {len(found.steps)} steps, the last is {last}; expected the {steps} of "
            f"result.json; restore the file, or {AGAIN}"
        )


def curve(found: Columns, partner: Columns | None = None, label: str = "") -> Curve:
    """Thin a loss curve, and compare it, unthinned, with that of a partner.

    Args:
        found: the run's ledger.
        partner: that of the run it is compared with.
        label: of that run.
    """
    keep = thinned(len(found.steps))
    steps, loss = found.steps[keep], found.loss[keep]
    if partner is None:
        return Curve(steps=steps, loss=loss)
    shared = keep[keep < len(partner.steps)]
    with np.errstate(invalid="ignore"):
        difference = np.abs(found.loss[shared] - partner.loss[shared])
    step, field = first_difference(found, partner)
    return Curve(
        steps=steps,
        loss=loss,
        partner=label,
        difference=difference,
        first_step=step,
        first_field=field,
    )


def thinned(length: int) -> np.ndarray:
    """Up to `POINTS` indices of a curve: all early ones, then ever fewer, and the last."""
    if length <= POINTS:
        return np.arange(length)
    # Divergence starts early and grows by factors: even steps on a logarithmic axis.
    wanted = np.round(np.geomspace(1, length, POINTS)).astype(int) - 1
    return np.unique(wanted)


def first_difference(a: Columns, b: Columns) -> tuple[int, str]:
    """First step, and first quantity in it, in which two ledgers differ; (0, "") if in none.

    The order of quantities is that of `mrjax.runs.ledger.FIELDS`, "end" if one is shorter.
    """
    length = min(len(a.steps), len(b.steps))
    differs = {"step": a.steps[:length] != b.steps[:length]}
    for field in ledger.FIELDS:
        if field == "loss_hex":
            # Bits, so that nan equals nan and -0.0 is not 0.0, as the text of the ledger has it.
            pair = [np.ascontiguousarray(side.loss[:length]).view(np.uint64) for side in (a, b)]
        else:
            pair = [side.digests[field][:length] for side in (a, b)]
        differs[field] = pair[0] != pair[1]
    anywhere = np.flatnonzero(np.logical_or.reduce(list(differs.values())))
    if not anywhere.size:
        longer = a if len(a.steps) > len(b.steps) else b
        return (int(longer.steps[length]), "end") if len(a.steps) != len(b.steps) else (0, "")
    at = int(anywhere[0])
    field = next(name for name, column in differs.items() if column[at])
    return min(int(a.steps[at]), int(b.steps[at])), "end" if field == "step" else field


def _fast(path: Path) -> list[tuple[str, ...]] | None:
    """Rows of a ledger in mrjax's own spelling; None for any other, or one with a flaw."""
    try:
        text = path.read_bytes().decode("ascii")
    except (OSError, UnicodeDecodeError):
        return None
    text = text[: text.rfind("\n") + 1]
    rows = _LINE.findall(text)
    return rows if len(rows) == text.count("\n") else None


def _row(record: dict) -> tuple[str, ...]:
    return tuple(str(record[name]) for name in ("step", "loss_hex", "params", "grads", "batch"))


def _integers(digests: tuple[str, ...]) -> np.ndarray:
    return np.frombuffer(bytes.fromhex("".join(digests)), ">u8").astype(np.uint64)
