"""The command of a check: its options, its runs and its exit code."""

import dataclasses
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mrjax import children
from mrjax.check import known, parts, report, rows
from mrjax.check.parts import Part
from mrjax.check.schedule import Schedule
from mrjax.errors import UserError
from mrjax.prove.interpreters import ROOT
from mrjax.tasks.registry import TASKS

GRACE = 45.0
"""Seconds after the budget in which running parts may end."""
MOST_SLOTS = 8


@dataclasses.dataclass(frozen=True)
class Asked:
    """The options of a check.

    Attributes:
        platform: ``gpu``, or ``cpu`` for a rehearsal.
        out: folder of the report.
        sections: some of `mrjax.check.parts.SECTIONS`.
        tasks: some of the tasks.
        budget: seconds after which no part is started.
        slots: number of parts that may run side by side; 0: half the cores.
        pytorch: whether PyTorch is checked too.
        file: file of the known digests.
    """

    platform: str
    out: Path
    sections: Sequence[str] = parts.SECTIONS
    tasks: Sequence[str] = tuple(TASKS)
    budget: float = 480.0
    slots: int = 0
    pytorch: bool = True
    file: Path = known.FILE

    def check(self, facts: known.Known) -> None:
        """Raise UserError for unknown or repeated names, for no name, or without known digests."""
        for flag, given, there in (
            ("only", self.sections, parts.SECTIONS),
            ("tasks", self.tasks, tuple(TASKS)),
        ):
            strange = [name for name in given if name not in there or given.count(name) > 1]
            if strange or not given:
                named = strange[0] if strange else ""
                raise UserError(
                    f"--{flag} names {named!r}; expected some of {','.join(there)}, each once; "
                    "correct it"
                )
        unknown = [task for task in self.tasks if task not in facts.digests]
        if unknown and "digests" in self.sections:
            raise UserError(
                f"{self.file} has no digests of {unknown[0]}; expected those of every task asked "
                "for; give --tasks or another --known"
            )


def run(asked: Asked) -> int:
    """Run a check, print each result as soon as it is known, and print the tables.

    Args:
        asked: the options, which are checked here.

    Returns:
        0 if every part finished, the order-free digests are the known ones and all runs that must
        be equal are; 1 if not; 128 + n when signal n asked to stop.

    Raises:
        UserError: a name is unknown, or the known digests or the folder cannot be used.
    """
    facts = known.read(asked.file)
    asked.check(facts)
    _make(asked.out)
    runs = Path(tempfile.mkdtemp(prefix="mrjax-check-"))
    wanted = parts.parts(asked.sections, asked.tasks, asked.platform, facts.flags)
    kept = [part for part in wanted if asked.pytorch or not part.pytorch]
    found = report.Report(kept, facts, asked.out, runs, _left_out(asked))
    try:
        with children.Group(grace=GRACE / 2) as group:
            _all(asked, kept, group, found)
        content = found.content()
    finally:
        shutil.rmtree(runs, ignore_errors=True)
    _say(f"\n{report.tables(content)}\n{asked.out / report.FILE}")
    if group.signal is not None:
        return 128 + group.signal
    return 0 if content["passed"] else 1


def _make(folder: Path) -> None:
    """Make the folder of the report, which must not hold another report."""
    if (folder / report.FILE).exists():
        raise UserError(
            f"--out={folder} holds a report already; expected a folder without one; name another"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"--out={folder} cannot be made ({error.strerror}); expected a folder open to you; "
            "name another"
        ) from error


def _left_out(asked: Asked) -> list[str]:
    """Return a line for each question left out on this platform, or at the user's wish."""
    said = []
    if asked.platform == "cpu" and "repeat" in asked.sections:
        said.append("not asked: stored and frozen choices, since a CPU has no autotuner")
    if not asked.pytorch:
        said.append("not asked: PyTorch, as --nopytorch says")
    return said


def _all(asked: Asked, kept: Sequence[Part], group: children.Group, found: report.Report) -> None:
    slots = asked.slots or max(1, min(MOST_SLOTS, (os.cpu_count() or 1) // 2))
    schedule = Schedule(slots, asked.budget)

    def late(part: Part) -> None:
        _tell(found, rows.not_run(part, "no time was left"))

    def do(part: Part) -> None:
        if group.signal is not None:
            return _tell(found, rows.not_run(part, "a signal asked to stop"))
        return _one(asked, part, group, found, schedule.left() + GRACE)

    schedule.run(kept, do, late)


def _one(
    asked: Asked,
    part: Part,
    group: children.Group,
    found: report.Report,
    longest: float,
) -> None:
    """Run one part and report its row, whatever happened."""
    began, lines = time.monotonic(), []
    words = parts.command(part, found.runs, asked.platform)
    patience = min(parts.patience(part, asked.platform), longest)
    ended = group.run([sys.executable, *words], _environ(part), lines.append, patience)
    folder = found.runs / part.name
    row = rows.of(part, ended, lines, time.monotonic() - began, folder)
    _tell(found, row, lines)


def _tell(found: report.Report, row: dict, log: Sequence[str] = ()) -> None:
    _say(report.line_of(row))
    try:
        found.add(row, log)
    except OSError as error:  # for instance a full disk; the result is still printed
        _say(f"{found.folder} cannot be written ({error.strerror}); the row above is not in it")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")  # in one piece, because other parts write at the same time
    sys.stdout.flush()


def _environ(part: Part) -> Mapping[str, str]:
    """Return the environment of a part: it imports this mrjax and may share a GPU's memory."""
    path = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1"}
    # At its start JAX takes three quarters of a GPU's memory; parts side by side must not do so.
    return found if part.alone else {**found, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
