"""Digests that machines have given, in one file of the project, and the machines."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mrjax.errors import UserError
from mrjax.runs import jsonfile

FILE = Path(__file__).with_name("known.json")
"""What is known of the order-free trainings."""
OUTPUTS = ("params", "predictions")
"""Digests that a machine must give to be equal: of the trained network, of its predictions."""


@dataclasses.dataclass(frozen=True)
class Known:
    """What is known of one training of each task.

    Attributes:
        flags: of the trainings, those of a task alone left out.
        digests: task -> the digests of its result, sha256 in hex.
        ledgers: task -> file with the ledger of its training; a task may lack one.
        machines: what gave these digests, as rows of a table.
    """

    flags: Sequence[str]
    digests: Mapping[str, Mapping[str, str]]
    ledgers: Mapping[str, Path]
    machines: Sequence[Mapping[str, Any]]

    def equal(self, task: str, found: Mapping[str, str]) -> bool:
        """Whether a run's digests are the known ones; a digest that is absent is not equal."""
        return all(found.get(name) == self.digests[task][name] for name in OUTPUTS)


def read(path: Path = FILE) -> Known:
    """Read a file of known digests.

    Args:
        path: JSON with `flags`, `digests` and `machines`; ledgers lie beside it, in the folder
            ``known``, one a task.

    Raises:
        UserError: it cannot be read, or lacks what it should have.
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
