"""Do the runs of a proof that are missing, and write its table."""

import dataclasses
import hashlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mrjax import children
from mrjax.errors import UserError
from mrjax.prove import table
from mrjax.prove.conditions import Condition, conditions
from mrjax.prove.interpreters import ROOT, ask
from mrjax.runs import atomic, code, result
from mrjax.tasks.registry import TASKS

PAGE = "proof.txt"
_REFUSED = 2


@dataclasses.dataclass(frozen=True)
class Proof:
    """The trainings of a proof, and their folder.

    Attributes:
        task: a key of `mrjax.tasks.registry.TASKS`.
        flags: flags of every run, such as ``--preset=tiny``.
        pythons: programs of the interpreters; the first one is used for the machine as it is.
        folder: folder of the run folders; "" for one named after the code and the flags.
    """

    task: str
    flags: Sequence[str]
    pythons: Sequence[str]
    folder: str = ""

    @property
    def root(self) -> Path:
        """Folder of the run folders; other code or flags have another folder by default."""
        if self.folder:
            return Path(self.folder)
        asked = hashlib.sha256(" ".join([sources(), *self.flags]).encode()).hexdigest()
        return Path("runs", "prove", f"{self.task}-{asked[:12]}")


def sources() -> str:
    """Return the digest of the code of the runs."""
    return code.state(ROOT)["sources"]


def run(proof: Proof) -> int:
    """Do every run that is not finished, then print and write the table.

    Args:
        proof: the proof.

    Returns:
        0 if the proof succeeds, 1 if not, 128 + n when signal n asked to stop.

    Raises:
        UserError: an interpreter cannot run mrjax, or a run refuses the flags.
    """
    pythons = {python.name: python for python in map(ask, proof.pythons)}
    rows, before = conditions(list(pythons.values())), sources()
    found: dict[str, list[table.Digests | None]] = {name: [] for name in table.ARITHMETICS}
    for number, condition in enumerate(rows, 1):
        for numerics in table.ARITHMETICS:
            sys.stdout.write(f"[{number}/{len(rows)}] {condition.name} {numerics}: ")
            sys.stdout.flush()
            began = time.monotonic()
            digests, ended = _one(proof, condition, numerics)
            if ended.signal is not None:
                return 128 + ended.signal
            if ended.code == _REFUSED:
                raise UserError(ended.last.removeprefix("error: "))
            said = digests["params"][:12] if digests else f"failed: {ended.last or ended.code}"
            sys.stdout.write(f"{said} ({time.monotonic() - began:.0f} s)\n")
            found[numerics].append(digests)
    shown, page = _page(proof, rows, found, before)
    atomic.write_bytes(proof.root / PAGE, page.encode())
    sys.stdout.write(f"\n{page}\n{proof.root / PAGE}\n")
    return 0 if shown else 1


def _one(
    proof: Proof, condition: Condition, numerics: str
) -> tuple[table.Digests | None, children.Ended]:
    """Return the digests of one run, which is done now if it is not finished."""
    workdir = (proof.root / numerics / condition.name).absolute()
    command = [
        *(condition.python.path, "-m", f"experiments.{proof.task}", *proof.flags),
        *TASKS[proof.task].flags,
        *condition.flags(),
        *(f"--numerics={numerics}", f"--workdir={workdir}"),
    ]
    workdir.parent.mkdir(parents=True, exist_ok=True)
    log = workdir.with_name(f"{workdir.name}.log")
    with log.open("a", encoding="utf-8") as file:
        ended = children.run(command, condition.environ(), lambda line: print(line, file=file))
    return (None if ended.code else result.read(workdir)["digests"]), ended


def _page(
    proof: Proof,
    rows: Sequence[Condition],
    found: dict[str, list[table.Digests | None]],
    before: str,
) -> tuple[bool, str]:
    shown, lines = table.verdict(found)
    if sources() != before:
        shown, lines = False, ["not shown: the code changed during the runs; repeat the command"]
    title = f"{proof.task} {' '.join(proof.flags)}, code {before[:12]}"
    return shown, "\n".join([title, "", table.table(rows, found), "", *lines, ""])
