"""The result of one part of a check, as a row of the report."""

import contextlib
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mrjax.check.parts import Part
from mrjax.children import Ended
from mrjax.errors import UserError
from mrjax.runs import jsonfile, jsonl, ledger, result
from mrjax.runs.folder import RunFolder
from mrjax.speed import launch

TAIL = 15
"""Number of last lines of a failed part's log in the report."""
SKIPPED_STEPS = 3
"""Number of steps at the beginning of a training whose times are left out."""
_OF_BACKEND = ("platform", "device_kind", "gpu", "versions", "xla_flags_seen", "switches", "notes")
FINISHED, FAILED, STOPPED, NOT_RUN = "finished", "failed", "stopped", "not run"


def of(part: Part, ended: Ended, lines: Sequence[str], seconds: float, folder: Path) -> dict:
    """Return the row of a part that has run.

    Args:
        part: the part.
        ended: how its process ended.
        lines: lines that the process wrote.
        seconds: time from the start to the end of the part.
        folder: its run folder; empty for a part that does not train.

    Returns:
        Name, section, status and seconds; for a training also digests, metrics and level; for a
        measurement also its record; for a part that did not finish also the end of its log.
    """
    row: dict[str, Any] = {
        "section": part.section,
        "name": part.name,
        "command": f"experiments.{part.program} {' '.join(part.flags)}",
        "status": FINISHED,
        "seconds": round(seconds, 1),
    }
    try:
        row |= _trained(folder) if part.trains else _measured(lines)
    except UserError as error:
        row |= {"status": FAILED, "reason": str(error)}
    if ended.code:  # results from before a crash are kept
        row |= {"status": FAILED, "reason": ended.last, "code": ended.code}
    if ended.late:
        row |= {"status": STOPPED, "reason": f"stopped after {seconds:.0f} s"}
    return row if row["status"] == FINISHED else {**row, "log": list(lines[-TAIL:])}


def not_run(part: Part, reason: str) -> dict[str, Any]:
    """Return the row of a part that was not started."""
    return {"section": part.section, "name": part.name, "status": NOT_RUN, "reason": reason}


def _trained(folder: Path) -> dict[str, Any]:
    found, run = result.read(folder), RunFolder(folder)
    means = {k: _mean(v) for k, v in found["metrics"].items()}
    steps = [line["seconds"] for line in jsonl.read(run.timing)][SKIPPED_STEPS:]
    environment = jsonfile.read(run.environment, "an environment", "run the check again")
    return {
        "framework": found["framework"],
        "level": found["level"],
        "digests": found["digests"],
        "metrics": means,
        "phases": found["seconds"],
        "memory_bytes": found["memory_bytes"],
        "step_s": statistics.median(steps) if steps else None,
        "environment": {
            "python": environment.get("python"),
            "cpu": environment.get("cpu", {}).get("model"),
            **{k: environment.get("backend", {}).get(k) for k in _OF_BACKEND},
        },
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return statistics.fmean(known) if known else None


def _measured(lines: Sequence[str]) -> dict[str, Any]:
    record = launch.record_in(lines)
    if record is None:
        raise UserError("it wrote no record; expected one line of JSON; see its log")
    return {"record": record}


def evidence(row: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a training's evidence, which helps to find the cause of a difference.

    Args:
        row: row of the training.
        folder: run folder of the training.

    Returns:
        Name, ledger and environment of the training, as far as they can be read.
    """
    run = RunFolder(folder)
    found: dict[str, Any] = {"name": row["name"]}
    with contextlib.suppress(UserError, OSError):
        found["ledger"] = ledger.read(run.ledger)
        found["environment"] = jsonfile.read(run.environment, "an environment", "")
    return found
