"""What a certificate reads of a run folder, whoever wrote it; the run need not be finished."""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mrjax.errors import UserError
from mrjax.runs import digests, jsonfile, jsonl, ledger, records, result
from mrjax.runs.result import AGAIN

METRICS = "metrics.jsonl"
NOTHING = digests.content({})
"""Content digest of no array at all: a program writes it where it knows no arrays."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One recorded training.

    Attributes:
        label: A, B, C and so on.
        folder: the run folder.
        lines: {step: line of the ledger}, in order.
        config: the settings.
        environment: content of ``environment.json``.
        metrics: {name: {step: value}}.
        finished: whether the run has a result.
        start: digest of the initial weights; "" where no program recorded it.
        sha256: of the ledger's bytes.
    """

    label: str
    folder: Path
    lines: Mapping[int, Mapping[str, Any]]
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    metrics: Mapping[str, Mapping[int, float]]
    finished: bool
    start: str
    sha256: str

    @property
    def last(self) -> int:
        """The last recorded step; 0 where there is none."""
        return max(self.lines, default=0)


def read(label: str, folder: Path) -> Run:
    """Read a run folder.

    Args:
        label: of the run in the certificate.
        folder: with ``config.json``, ``environment.json`` and ``ledger.jsonl``, at least.

    Raises:
        UserError: a file is missing or damaged.
    """
    path = folder / "ledger.jsonl"
    lines = {line["step"]: line for line in ledger.read(path)}
    settings = _object(folder / records.CONFIG, "the settings of a run")
    environment = _object(folder / records.ENVIRONMENT, "the environment of a run")
    finished = (folder / result.NAME).exists()
    found = result.read(folder) if finished else None
    if found and found.get("config", settings.get("digest")) != settings.get("digest"):
        raise UserError(
            f"{folder / result.NAME} is of a run with other settings than {records.CONFIG}; "
            f"expected those of one run; {AGAIN}"
        )
    return Run(
        label=label,
        folder=folder,
        lines=lines,
        config=_part(settings, "config"),
        environment=environment,
        metrics=_metrics(folder, found),
        finished=finished,
        start=_start(environment, found),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def _object(path: Path, expected: str) -> dict[str, Any]:
    return jsonfile.read(path, expected, AGAIN)


def _part(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = content.get(name)
    return value if isinstance(value, dict) else {}


def _start(environment: Mapping[str, Any], found: Mapping[str, Any] | None) -> str:
    """Digest of the initial weights, from the result or from what the recorder wrote before."""
    known = found["digests"]["init"] if found else _part(environment, "start").get("init")
    return known if isinstance(known, str) and known != NOTHING else ""


def _metrics(folder: Path, found: Mapping[str, Any] | None) -> dict[str, dict[int, float]]:
    """Metrics over steps where they were recorded, and the means of the result at its end."""
    metrics: dict[str, dict[int, float]] = {}
    path = folder / METRICS
    for line in jsonl.read(path) if path.exists() else ():
        for name, value in line.items():
            if name != "step" and jsonfile.is_finite(value):
                metrics.setdefault(name, {})[line["step"]] = float(value)
    for name, values in (found["metrics"] if found else {}).items():
        known = [value for value in values if value is not None]
        if found and known and name not in metrics:
            metrics[name] = {found["steps"]: sum(known) / len(known)}
    return metrics
