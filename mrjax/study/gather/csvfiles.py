"""The collected runs as files for other programs: sorted, exact, the same bytes each time."""

import csv
import io
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mrjax.errors import UserError
from mrjax.runs import atomic
from mrjax.runs.result import CLASSICAL, DIGESTS, METRICS, SECONDS
from mrjax.study.gather.collected import Collected, Unit

RESULTS, DIGEST_TABLE = "results.csv", "digests.csv"
TIMING, ENVIRONMENT = "timing.csv", "environment.csv"

_WHO = ("arm", "label", "part", "replicate", "factors")
_LOAD = {"cores": "cores", "load_begin": "begin", "load_end": "end"}
_WHAT = ("experiment", "framework", "level")


def write(study_dir: str | os.PathLike[str], collected: Collected) -> list[Path]:
    """Write ``results.csv``, ``digests.csv``, ``timing.csv`` and ``environment.csv``.

    results.csv has a row for each run and subject, digests.csv one for each run; neither holds a
    time, a host or a path, so the same runs made elsewhere, or made twice, give the same bytes.
    The others have what differs then. Numbers are written so that reading gives them back
    exactly; an empty cell is a value that does not exist.

    Args:
        study_dir: folder to write into.
        collected: all runs.

    Returns:
        The files.

    Raises:
        UserError: the folder is not writable.
    """
    tables = {
        RESULTS: _results(collected),
        DIGEST_TABLE: _digests(collected),
        TIMING: _timing(collected),
        ENVIRONMENT: _environment(collected),
    }
    root = Path(study_dir)
    try:
        _remove_leftovers(root)
        for name, rows in tables.items():
            atomic.write_text(root / name, text(rows))
    except OSError as error:
        raise UserError(
            f"{root} is not writable ({error.strerror}); expected a study directory to write "
            "tables into; change its permissions or copy it"
        ) from error
    return [root / name for name in tables]


def _remove_leftovers(root: Path) -> None:
    """Remove what killed writers of these tables began, but nothing of a writer that is alive."""
    for name in (RESULTS, DIGEST_TABLE, TIMING, ENVIRONMENT):
        for path in root.glob(f".{name}.*.tmp"):
            process = path.name.split(".")[-2]
            if process.isdigit() and not Path("/proc", process).exists():
                path.unlink(missing_ok=True)


def frame(collected: Collected) -> Any:
    """The rows of results.csv as a pandas DataFrame.

    Args:
        collected: all runs.

    Raises:
        UserError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise UserError(
            'a table of runs needs pandas; expected the extra "report"; pip install "mrjax[report]"'
        ) from error
    head, *rows = _results(collected)
    return pandas.DataFrame.from_records(rows, columns=list(head))


def text(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV with line feeds; floats exactly, nan and None as nothing."""
    into = io.StringIO()
    csv.writer(into, lineterminator="\n").writerows([_cell(value) for value in r] for r in rows)
    return into.getvalue()


def factors_text(unit: Unit) -> str:
    """Crossed factors in one cell, such as ``seed_init=0,seed_order=1``."""
    return ",".join(f"{name}={value}" for name, value in unit.factors.items())


def _results(collected: Collected) -> Iterable[Sequence[Any]]:
    yield *_WHO, *_WHAT, "subject", *METRICS, "params", "predictions"
    for unit in collected.units:
        head = (*_who(unit), *(unit.result[name] for name in _WHAT))
        tail = (unit.digests["params"], unit.digests["predictions"])
        columns = [unit.metrics[m].tolist() if m in unit.metrics else None for m in METRICS]
        for place, subject in enumerate(unit.subjects):
            yield *head, subject, *(c[place] if c else None for c in columns), *tail


def _digests(collected: Collected) -> Iterable[Sequence[Any]]:
    yield *_WHO, "config", *DIGESTS
    for unit in collected.units:
        yield *_who(unit), unit.config_digest, *(unit.digests[name] for name in DIGESTS)


def _timing(collected: Collected) -> Iterable[Sequence[Any]]:
    phases = (*SECONDS, CLASSICAL)
    yield *_WHO, "steps", *(f"{name}_seconds" for name in phases), "memory_bytes", "host", *_LOAD
    for unit in collected.units:
        seconds, load = unit.result["seconds"], unit.result["load"] or {}
        yield (
            *_who(unit),
            unit.result["steps"],
            *(seconds.get(name) for name in phases),
            unit.result["memory_bytes"],
            unit.environment["host"],
            *(load.get(name) for name in _LOAD.values()),
        )


def _environment(collected: Collected) -> Iterable[Sequence[Any]]:
    columns = list(collected.units[0].environment)
    yield *_WHO, "framework", *columns
    for unit in collected.units:
        values = (unit.environment[name] for name in columns)
        yield *_who(unit), unit.result["framework"], *values


def _who(unit: Unit) -> tuple[Any, ...]:
    return unit.arm, unit.label, unit.part, unit.replicate, factors_text(unit)


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return repr(float(value)) if math.isfinite(value) else ("" if math.isnan(value) else value)
    return "" if value is None else value
