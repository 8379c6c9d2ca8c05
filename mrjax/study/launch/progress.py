"""What a launcher tells its user: a line for each run that ended, and at the end what failed."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from mrjax.study.records import Run


class Failure(NamedTuple):
    """A run that did not finish.

    Attributes:
        run: the run.
        why: in one line.
    """

    run: Run
    why: str


def duration(seconds: float) -> str:
    """A duration for people: ``45 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class Progress:
    """Counts runs and says how long the rest will take.

    The estimate is the mean time between two runs so far, which holds for any number of slots.
    """

    def __init__(self, total: int, out: TextIO | None = None) -> None:
        """Begin to count; the clock starts.

        Args:
            total: runs to do.
            out: where lines go; None: standard output.
        """
        self._total, self._done = total, 0
        self._out = sys.stdout if out is None else out
        self._began = time.monotonic()

    def ended(self, run: Run, how: str) -> None:
        """Say how a run ended."""
        self._done += 1
        left = self._total - self._done
        passed = time.monotonic() - self._began
        rest = f", about {duration(passed / self._done * left)} left" if left else ""
        self.say(f"[{self._done}/{self._total}] {run.arm} {run.label}: {how}{rest}")

    def say(self, line: str) -> None:
        """Write one line at once."""
        self._out.write(line + "\n")
        self._out.flush()

    def summary(self, failures: Sequence[Failure], study_dir: Path) -> None:
        """Say what came of it all."""
        if not failures:
            self.say(f"all {self._total} runs are finished")
            return
        self.say(f"{len(failures)} of {self._total} runs are not finished:")
        for run, why in sorted(failures, key=lambda failure: failure.run.workdir):
            self.say(f"  {run.arm} {run.label}: {why} ({study_dir / run.log})")
