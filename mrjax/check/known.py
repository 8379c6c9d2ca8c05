"""Known digests: those that machines have given so far, in one file with the machines' names."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mrjax.errors import UserError
from mrjax.runs import jsonfile

FILE = Path(__file__).with_name("known.json")
"""File of the known digests of the order-free trainings."""
OUTPUTS = ("params", "predictions")
"""Digests that must agree: that of the trained network and that of its predictions."""


@dataclasses.dataclass(frozen=True)
class Known:
    """The known digests of one training of each task.

    Attributes:
        flags: flags that all trainings have; flags of a single task are left out.
        digests: task -> the digests of its result, sha256 in hex.
        ledgers: task -> file with the ledger of its training; a task may lack a ledger.
        machines: the machines that gave these digests, as rows of a table.
    """

    flags: Sequence[str]
    digests: Mapping[str, Mapping[str, str]]
    ledgers: Mapping[str, Path]
    machines: Sequence[Mapping[str, Any]]

    def equal(self, task: str, found: Mapping[str, str]) -> bool:
        """Whether a run's digests are the known ones; an absent digest is not equal."""
        return all(found.get(name) == self.digests[task][name] for name in OUTPUTS)


def read(path: Path = FILE) -> Known:
    """Read a file of known digests.

    Args:
        path: JSON file with `flags`, `digests` and `machines`; the folder ``known`` beside it has
            one ledger for each task.

    Raises:
        UserError: the file cannot be read, or an entry is missing.
    """
    content = jsonfile.read(path, "known digests", "name another file")
    try:
        digests = {t: {k: str(d[k]) for k in (*OUTPUTS, *d)} for t, d in content["digests"].items()}
        flags, machines = list(content["flags"]), list(content["machines"])
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} holds no known digests ({error!r}); expected flags, machines and for each "
            f"task {' and '.join(OUTPUTS)}, as in {FILE}; correct it"
        ) from error
    ledgers = {task: path.parent / "known" / f"{task}.jsonl" for task in digests}
    return Known(flags, digests, {t: p for t, p in ledgers.items() if p.exists()}, machines)
