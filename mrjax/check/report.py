"""The report of a check: one file, complete after every part, and a table for the terminal."""

import json
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mrjax.check import rows, verdict
from mrjax.check.known import OUTPUTS, Known
from mrjax.check.parts import Part
from mrjax.prove.interpreters import ROOT
from mrjax.runs import atomic, code
from mrjax.runs.text import aligned

FILE = "check.json"
LOGS = "logs.txt"
EVIDENCE = "evidence.jsonl"
"""Ledger and environment of every training, one line each."""
_LINES = 300
"""Last lines of a part's log that are kept."""
_SHOWN = 12
_VERDICTS = (verdict.EQUAL, verdict.DIFFERENT)


class Report:
    """Rows as they come, what they say together, and the file that holds both.

    Attributes:
        parts: of the check.
        known: digests that other machines gave.
        folder: where the report goes.
        runs: folder of the run folders.
        left_out: what this check does not ask, and why, one line each.
    """

    def __init__(
        self, parts: Sequence[Part], known: Known, folder: Path, runs: Path, left_out: Sequence[str]
    ) -> None:
        """Begin a report; nothing is written yet."""
        self.parts, self.known, self.folder, self.runs = parts, known, folder, runs
        self.left_out = left_out
        self._rows: dict[str, dict[str, Any]] = {}
        self._lock, self._began, self._lost = threading.Lock(), time.time(), False

    def add(self, row: dict[str, Any], log: Sequence[str] = ()) -> None:
        """Take a row; when this returns, row, log and evidence are on the disk.

        Raises:
            OSError: they cannot be written; the row is taken all the same.
        """
        with self._lock:
            self._rows[row["name"]] = row
            try:
                self._write(row, log)
            except OSError:
                self._lost = True
                raise

    def _write(self, row: dict[str, Any], log: Sequence[str]) -> None:
        atomic.write_json(self.folder / FILE, self.content())
        if log:
            text = "\n".join([f"===== {row['name']}: {row['status']}", *log[-_LINES:], ""])
            with (self.folder / LOGS).open("a", encoding="utf-8") as file:
                file.write(text)
        if "digests" in row:
            line = json.dumps(rows.evidence(row, self.runs / row["name"]))
            with (self.folder / EVIDENCE).open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def content(self) -> dict[str, Any]:
        """Return the report as JSON."""
        said = {
            "digests": verdict.digests(self.parts, self._rows, self.known, self.runs),
            "repeats": verdict.repeats(self.parts, self._rows, self.runs),
        }
        problems = verdict.passed(self.parts, self._rows, said)
        if self._lost:
            problems.append("parts of the report could not be written")
        return {
            "schema_version": 1,
            "seconds": round(time.time() - self._began, 1),
            "machine": self.machine(),
            "passed": not problems,
            "problems": problems,
            "left_out": list(self.left_out),
            **said,
            "speed": verdict.speeds(self._rows),
            "rows": list(self._rows.values()),
        }

    def machine(self) -> dict[str, Any]:
        """Return the row that this machine has among those of known digests.

        It is of the first training in JAX that finished; without one it names no machine.
        """
        found = [row for row in self._rows.values() if row.get("framework") == "jax"]
        place = found[0]["environment"] if found else {}
        gpu = place.get("platform") == "gpu"
        said = verdict.digests(self.parts, self._rows, self.known, self.runs)
        tasks = {v: [t for t, one in said.items() if one["verdict"] == v] for v in _VERDICTS}
        return {
            "machine": place.get("device_kind" if gpu else "cpu"),
            "jax": (place.get("versions") or {}).get("jax"),
            "python": place.get("python"),
            "equal": tasks[verdict.EQUAL],
            "different": tasks[verdict.DIFFERENT],
            "date": time.strftime("%Y-%m-%d", time.gmtime(self._began)),
            "code": _code(),
        }


def _code() -> str:
    """The commit, if the sources are as committed, or the digest of the sources."""
    state = code.state(ROOT)
    clean = state["commit"] and not state["diff"]
    return state["commit"][:7] if clean else state["sources"][:_SHOWN]


def tables(content: Mapping[str, Any]) -> str:
    """Lay out what a report says, for a terminal."""
    blocks = [
        _table("digests", [_digest(task, one) for task, one in content["digests"].items()]),
        _table("repeat", [_repeat(pair, one) for pair, one in content["repeats"].items()]),
        _table("speed", [_speed(one) for one in content["speed"] if "step_s" in one]),
        *content["left_out"],
        *(f"not passed: {line}" for line in content["problems"]),
    ]
    return "\n".join(block for block in blocks if block)


def _digest(task: str, one: Mapping[str, Any]) -> list[str]:
    shown = [one.get("found", {}).get(name, "-")[:_SHOWN] for name in OUTPUTS]
    known = [one["known"][name][:_SHOWN] for name in OUTPUTS]
    words = f"not equal to {' '.join(known)}{_where(one)}"
    ends = {verdict.EQUAL: "equal to the known ones", verdict.DIFFERENT: words}
    return [task, *shown, ends.get(one["verdict"], verdict.UNKNOWN)]


def _repeat(pair: str, one: Mapping[str, Any]) -> list[str]:
    return [pair, f"{one['verdict']}{_where(one)}", one.get("level", "")]


def _where(one: Mapping[str, Any]) -> str:
    place = one.get("first_difference") or {}
    return f", first in step {place['step']}: {place['field']}" if "step" in place else ""


def _speed(one: Mapping[str, Any]) -> list[str]:
    share = one.get("share_of_peak")
    return [
        f"{one['task']} {one['variant']}",
        f"{1000 * one['step_s']:.2f} ms a step",
        f"{one['memory_bytes'] / 1e6:.0f} MB" if one["memory_bytes"] else "-",
        "" if share is None else f"{100 * share:.1f} % of the measured matrix peak",
        f"compiled in {one['compile_s']:.0f} s",
    ]


def _table(title: str, lines: Sequence[Sequence[str]]) -> str:
    """Columns under a title; nothing for no lines."""
    if not lines:
        return ""
    return "\n".join([title, *(f"  {row}".rstrip() for row in aligned(lines))])


def line_of(row: Mapping[str, Any]) -> str:
    """Return what the terminal says when a part has ended."""
    words = [row["name"], row["status"]]
    if "seconds" in row:
        words.append(f"{row['seconds']:.0f} s")
    words += [row["digests"][name][:_SHOWN] for name in OUTPUTS if "digests" in row]
    said = ", ".join(words)
    return said if row["status"] == rows.FINISHED else f"{said}: {row['reason']}"
