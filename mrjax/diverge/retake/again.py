"""A side takes a step again, in a process that computes as its training did."""

import dataclasses
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from mrjax import children
from mrjax.diverge.retake import record
from mrjax.diverge.retake.record import Record
from mrjax.diverge.retake.sides import Side
from mrjax.errors import RunFailed, UserError

PROGRAM = "mrjax.diverge.retake"
"""Module of the process that takes a step again."""
_REFUSED = 2


@dataclasses.dataclass(frozen=True)
class Again:
    """What takes a step again.

    Attributes:
        side: the training.
        step: number of the step.
        out: folder of the record.
        python: interpreter; "": this one.
    """

    side: Side
    step: int
    out: Path
    python: str

    def taken(self) -> Record:
        """Take the step with as many of its results seen as possible.

        Raises:
            UserError: the side cannot be taken again here.
            RunFailed: the steps before do not repeat the ledger.
        """
        self._say(f"takes step {self.step} again")
        self._start(self.out)
        return record.read(self.out)

    def looked(self, known: Record, places: Sequence[int]) -> Record:
        """Take the step once more, with a look at some operations.

        Args:
            known: what was seen of the step before.
            places: of the operations.

        Returns:
            The record with all that was seen.
        """
        new = [place for place in places if place not in known.seen]
        if not new:
            return known
        self._say(f"takes step {self.step} again, for a look at {len(new)} more results")
        more = self.out / "look"
        self._start(more, f"--look={','.join(map(str, new))}")
        found = record.add(self.out, more)
        shutil.rmtree(more)
        return found

    def _say(self, text: str) -> None:
        sys.stderr.write(f"{self.side.folder.path}: {text}\n")

    def _start(self, out: Path, *more: str) -> None:
        command = [
            *(self.python or sys.executable, "-m", PROGRAM),
            *(str(self.side.folder.path.absolute()), str(self.step), str(out.absolute()), *more),
        ]
        ended = children.run(command, self.side.environ)
        if ended.code == _REFUSED:
            raise UserError(ended.last.removeprefix("error: "))
        if ended.code:
            last = ended.last.removeprefix("error: ") or f"exit code {ended.code}"
            raise RunFailed(f"{self.side.folder.path}, step {self.step}: {last}")


def check(python: str) -> None:
    """Refuse an interpreter that does not exist.

    Raises:
        UserError: there is no such program.
    """
    if shutil.which(python) is None:
        raise UserError(
            f"{python} is no program; expected a Python with the requirements of mrjax; "
            "correct --python_a or --python_b"
        )
