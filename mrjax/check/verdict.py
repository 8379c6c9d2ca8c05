"""The conclusions from the rows of a check. A check without a conclusion does not pass."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mrjax.check import rows
from mrjax.check.known import Known
from mrjax.check.parts import Part
from mrjax.errors import UserError
from mrjax.runs import ledger
from mrjax.runs.folder import RunFolder
from mrjax.speed import launch

EQUAL, DIFFERENT, UNKNOWN = "equal", "different", "not known"
IDENTICAL = "identical"
PROMISED = ("run_to_run", "machine_to_machine")
"""Levels that promise the same network for the same command."""
Rows = Mapping[str, Mapping[str, Any]]


def digests(parts: Sequence[Part], found: Rows, known: Known, runs: Path) -> dict[str, dict]:
    """Compare order-free trainings with the digests that other machines gave.

    Args:
        parts: parts of the check; parts of other sections are left out.
        found: name -> row, for each part that has ended.
        known: digests that other machines gave.
        runs: folder of the run folders.

    Returns:
        Task -> `verdict` and digests; for a training that differs also the first difference of its
        ledger.
    """
    return {
        part.task: _compared(part, found.get(part.name, {}), known, runs)
        for part in parts
        if part.section == "digests"
    }


def _compared(part: Part, row: Mapping[str, Any], known: Known, runs: Path) -> dict[str, Any]:
    theirs = known.digests[part.task]
    if row.get("status") != rows.FINISHED:
        return {"verdict": UNKNOWN, "known": theirs}
    ours = row["digests"]
    said = {"verdict": DIFFERENT, "found": ours, "known": theirs}
    if known.equal(part.task, ours):
        return said | {"verdict": EQUAL}
    said["differing"] = [name for name in theirs if ours.get(name) != theirs[name]]
    if part.task in known.ledgers:
        try:
            said["first_difference"] = _first(known.ledgers[part.task], _ledger(runs, part.name))
        except UserError as error:
            said["first_difference"] = {"error": str(error)}
    return said


def repeats(parts: Sequence[Part], found: Rows, runs: Path) -> dict[str, dict[str, Any]]:
    """Compare trainings that were run several times by the same command.

    Args:
        parts: as for `digests`.
        found: as for `digests`.
        runs: as for `digests`.

    Returns:
        Pair -> `verdict` (identical, different or not known) and the recorded `level` of its runs;
        for a pair that differs also the first difference of its ledgers.
    """
    names = dict.fromkeys(part.pair for part in parts if part.pair)
    return {
        pair: _repeated([part.name for part in parts if part.pair == pair], found, runs)
        for pair in names
    }


def _repeated(names: Sequence[str], found: Rows, runs: Path) -> dict[str, Any]:
    done = [found[name] for name in names if found.get(name, {}).get("status") == rows.FINISHED]
    if len(done) < len(names):
        return {"verdict": UNKNOWN, "runs": len(done)}
    said = {"runs": len(done), "level": done[-1]["level"]}
    try:
        firsts = [_first(_ledger(runs, names[0]), _ledger(runs, name)) for name in names[1:]]
    except UserError as error:
        return {"verdict": UNKNOWN, **said, "reason": str(error)}
    if parted := [first for first in firsts if first]:
        return {"verdict": DIFFERENT, **said, "first_difference": parted[0]}
    same = all(row["digests"] == done[0]["digests"] for row in done)
    return {"verdict": IDENTICAL if same else DIFFERENT, **said}


def speeds(found: Rows) -> list[dict[str, Any]]:
    """Return the records of timed steps, with their share of the measured peak if it is known."""
    records = [row["record"] for row in found.values() if "record" in row]
    rates = next((r["tflops"] for r in records if "tflops" in r), {})
    return [launch.with_share(r, rates) for r in records]


def passed(parts: Sequence[Part], found: Rows, said: Mapping[str, Any]) -> list[str]:
    """Return the problems that keep the check from passing, one line each; none if it passes.

    Args:
        parts: parts of the check.
        found: name -> row.
        said: the results of `digests` and `repeats`.
    """
    missing = [name for name in (p.name for p in parts) if _status(found, name) != rows.FINISHED]
    wrong = [f"{task}: the digests are not the known ones" for task, one in said["digests"].items()
             if one["verdict"] == DIFFERENT]  # fmt: skip
    broken = [
        f"{pair}: two runs differ, though their level is {one['level']}"
        for pair, one in said["repeats"].items()
        if one["verdict"] == DIFFERENT and one["level"] in PROMISED
    ]
    untold = [
        f"{pair}: {one['reason']}" for pair, one in said["repeats"].items() if "reason" in one
    ]
    return [*wrong, *broken, *untold, *(f"{name}: {_status(found, name)}" for name in missing)]


def _status(found: Rows, name: str) -> str:
    return found.get(name, {}).get("status", rows.NOT_RUN)


def _ledger(runs: Path, name: str) -> Path:
    return RunFolder(runs / name).ledger


def _first(one: Path, other: Path) -> dict[str, Any] | None:
    """Return the first difference of two ledgers; None if they are equal."""
    found = ledger.first_difference(one, other)
    return found and {"step": found.step, "field": found.field, "values": list(found.values)}
