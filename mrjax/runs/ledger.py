"""The ledger: what a training computed at each step, as digests.

``ledger.jsonl`` has one JSON object a line for each step, in order, from step 1::

    {"step": 1, "loss": 0.5, "loss_hex": "0x1.0000000000000p-1",
     "params": "<16 hex>", "grads": "<16 hex>", "batch": "<16 hex>"}

``README.md`` in this folder says what each field means. There are no times in a ledger, so two
identical runs have identical ledgers, line for line.
"""

import dataclasses
import itertools
import math
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from mrjax.errors import UserError
from mrjax.runs import jsonl
from mrjax.runs.digests import hex64

# Quantities in the order in which a step computes them: the first that differs is the cause.
FIELDS = ("batch", "loss_hex", "grads", "params")
WORDS = {
    "batch": "the batch",
    "loss_hex": "the loss",
    "grads": "the gradients",
    "params": "the parameters",
}
"""Quantity of `FIELDS` -> how a sentence calls it."""
UNRECORDED = "0" * 16
"""Digest of no tensor: the program did not record the quantity."""


@dataclasses.dataclass(frozen=True)
class Difference:
    """The first place where two ledgers disagree.

    Attributes:
        step: the step of the first line that differs.
        field: the first of `FIELDS` that differs there; ``end`` if one ledger lacks this step.
        values: what the two ledgers say; "" for a ledger that lacks the step.
    """

    step: int
    field: str
    values: tuple[str, str]


class Ledger(jsonl.Closing):
    """Writes ``ledger.jsonl``, which stays readable if the process is killed at any moment."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the ledger at `path` for appending; the file is made if it does not exist."""
        self._lines = jsonl.JsonLines(path)
        self.path = self._lines.path

    def append(self, step: int, loss: float, params: int, grads: int, batch: int) -> None:
        """Write the line of one step.

        Args:
            step: number of the update, from 1.
            loss: loss of the step before the update; may be NaN or infinite.
            params: fingerprint of trainables and batch statistics after the update.
            grads: fingerprint of the gradients.
            batch: fingerprint of the batch.
        """
        loss = float(loss)
        self._lines.append(
            {
                "step": int(step),
                "loss": loss if math.isfinite(loss) else None,
                "loss_hex": loss.hex(),
                "params": hex64(params),
                "grads": hex64(grads),
                "batch": hex64(batch),
            }
        )

    def sync(self) -> None:
        """Return when every line is on the disk; call this before a checkpoint is saved."""
        self._lines.sync()

    def cut(self, step: int) -> None:
        """Remove the lines after `step`, that of the checkpoint (0: remove all).

        Raises:
            UserError: the ledger does not reach `step`, so it could not become complete.
        """
        last = self._lines.cut(step)
        if last != step:
            raise UserError(
                f"{self.path} ends at step {last}, the checkpoint is of step {step}; expected a "
                "ledger that reaches the checkpoint; repeat the run in an empty workdir"
            )

    def close(self) -> None:
        """Close the file; the object cannot be used afterwards."""
        self._lines.close()


def read(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Read a ledger, written by mrjax or by another program.

    Args:
        path: the file.

    Returns:
        One dictionary for each step, as at the top of this module, without an incomplete last line.

    Raises:
        UserError: the file cannot be read, or a line is not a line of a ledger.
    """
    records = list(jsonl.read(path))
    previous = 0
    for record in records:
        check(path, record, previous)
        previous = record["step"]
    return records


def first_difference(
    path_a: str | os.PathLike[str], path_b: str | os.PathLike[str]
) -> Difference | None:
    """Find the first step, and the first quantity in it, in which two runs differ.

    Args:
        path_a: a ledger.
        path_b: another one.

    Returns:
        The difference, or None if the ledgers are equal.

    Raises:
        UserError: a ledger cannot be read.
    """
    for a, b in itertools.zip_longest(read(path_a), read(path_b)):
        if a is None or b is None or a["step"] != b["step"]:
            return _end(a, b)
        for field in unequal(a, b):
            return Difference(a["step"], field, (a[field], b[field]))
    return None


def unequal(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the quantities in which two lines differ, in the order of `FIELDS`."""
    return tuple(name for name in FIELDS if exact(name, a[name]) != exact(name, b[name]))


def unrecorded(*ledgers: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the quantities of `FIELDS` that a program did not record in some line."""
    lines = list(itertools.chain(*ledgers))
    return tuple(name for name in FIELDS if any(line[name] == UNRECORDED for line in lines))


def _end(a: dict[str, Any] | None, b: dict[str, Any] | None) -> Difference:
    """The difference of two ledgers where one lacks a step."""
    steps = [record["step"] for record in (a, b) if record is not None]
    step = min(steps)
    has = tuple(str(step) if r is not None and r["step"] == step else "" for r in (a, b))
    return Difference(step, "end", (has[0], has[1]))


def exact(field: str, text: str) -> str:
    """A loss by its value, since ``%a`` spells a number in several ways; a digest as it is."""
    return repr(float.fromhex(text)) if field == "loss_hex" else text


def check(path: str | os.PathLike[str], record: Mapping[str, Any], previous: int) -> None:
    """Check one line of a ledger.

    Args:
        path: the file, for the message.
        record: the line, which has an integer ``step``.
        previous: step of the line before; 0 for the first.

    Raises:
        UserError: it is no line of a ledger.
    """
    digests = [str(record.get(field)) for field in FIELDS if field != "loss_hex"]
    good = all(re.fullmatch("[0-9a-f]{16}", digest) for digest in digests)
    if not (good and _is_number(record.get("loss_hex")) and record["step"] > previous):
        raise UserError(
            f"{path} step {record['step']} is not a ledger line; expected ascending steps with "
            "loss_hex and 16 hex digits each for params, grads, batch; see mrjax/runs/README.md"
        )


def _is_number(text: Any) -> bool:
    try:
        float.fromhex(text)
    except (TypeError, ValueError, OverflowError):
        return False
    return True
