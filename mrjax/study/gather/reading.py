"""One run folder -> units, or one line that says why not. Nothing is guessed, nothing repaired."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.errors import UserError
from mrjax.runs import digests, jsonfile, records, result
from mrjax.runs.folder import RunFolder
from mrjax.study.gather import ledgers
from mrjax.study.gather.collected import Unit
from mrjax.study.records import Run

_KEPT = ("experiment", "framework", "level", "steps", "seconds", "memory_bytes")


def read(
    folder: Path, run: Run, *, planned: bool = False
) -> list[tuple[Unit, ledgers.Columns | None]]:
    """Read a finished run.

    Args:
        folder: the run folder.
        run: what it is in the study.
        planned: whether the run was made to be in this folder.

    Returns:
        The unit, or one for each repetition of a cross-validation, without their curves; and the
        ledgers that these come from, None where there is none.

    Raises:
        UserError: a file is missing or damaged; the folder must be left out.
    """
    found = result.read(folder)
    path = RunFolder(folder).config
    config = jsonfile.read(path, "the settings of a run", result.AGAIN)
    if not re.fullmatch("[0-9a-f]{64}", str(config.get("digest"))):
        raise UserError(
            f"{path} has no digest of 64 hex digits; expected one, see mrjax/runs; correct the "
            "program that wrote it"
        )
    asked = _object(config, "config")
    _check_place(folder, found, config["digest"], asked if planned else {})
    network = "" if found["steps"] else _text(asked.get("from_run"))
    parts = list(_parts(folder, found))
    common = {
        "arm": run.arm,
        "label": run.label,
        "replicate": run.replicate,
        "factors": run.factors,
        "reference": run.requires or network,
        "folder": folder,
        "result": {name: found[name] for name in _KEPT}
        | {"load": found.get("load")}
        | {"children": len(found.get("children", []))},
        "config_digest": config["digest"],
        "environment": _environment(folder, found),
    }
    units = [
        Unit(**common, **part, training=_training(folder, found, part["part"])) for part in parts
    ]
    return [(unit, _ledger(found, unit)) for unit in units]


def _check_place(
    folder: Path, found: Mapping[str, Any], digest: str, asked: Mapping[str, Any]
) -> None:
    """Refuse a folder whose result, or all of whose content, was copied from another run."""
    there = Path(_text(asked.get("workdir"))).parts[-2:]
    moved = bool(there) and there != folder.parts[-2:] and RunFolder(folder).flags.exists()
    if moved or found.get("config", digest) != digest:
        whose = f"{folder} holds the run of {'/'.join(there)}"
        other = f"{folder / result.NAME} is of a run with other settings than {records.CONFIG}"
        raise UserError(
            f"{whose if moved else other}; expected the run of this folder; {result.AGAIN}"
        )


def _parts(folder: Path, found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What differs between the units of a run folder."""
    patients = found.get("extra", {}).get("patients")
    if not found.get("children") or patients is None:
        yield {
            "part": "",
            "subjects": tuple(found["subjects"]),
            "metrics": _arrays(found["metrics"]),
            "classical": {name: _arrays(table) for name, table in found["baselines"].items()},
            "digests": found["digests"],
        }
        return
    _check_patients(folder, found, patients)
    several = len(found["subjects"]) > 1
    for place, name in enumerate(found["subjects"]):
        tables = {
            method: {"dice": np.array([values[place] for values in table.values()], np.float64)}
            for method, table in patients.items()
        }
        yield {
            "part": name if several else "",
            "subjects": tuple(patients["network"]),
            "metrics": tables.pop("network"),
            "classical": tables,
            "digests": _combined(folder, found, name) if several else found["digests"],
        }


def _check_patients(folder: Path, found: Mapping[str, Any], patients: Any) -> None:
    rows = len(found["subjects"])
    good = isinstance(patients, dict) and "network" in patients
    good = good and all(
        isinstance(table, dict) and list(table) == list(patients["network"]) and table
        for table in patients.values()
    )
    if not good or not all(
        isinstance(values, list) and len(values) == rows and all(map(jsonfile.is_finite, values))
        for table in patients.values()
        for values in table.values()
    ):
        raise UserError(
            f"{folder / result.NAME}: extra.patients is not a table of {rows} numbers for each "
            f"method and patient; expected what experiments.breast writes; {result.AGAIN}"
        )


def _combined(folder: Path, found: Mapping[str, Any], name: str) -> dict[str, str]:
    """Digests of one repetition: those of its folds, in their order."""
    children = [result.read(folder / c) for c in found["children"] if c.startswith(f"{name}/")]
    return {d: digests.combine(c["digests"][d] for c in children) for d in result.DIGESTS}


def _training(folder: Path, found: Mapping[str, Any], part: str) -> Path:
    """The run folder, or that of the first fold of a repetition."""
    return next((folder / c for c in found.get("children", []) if c.startswith(part)), folder)


def _ledger(found: Mapping[str, Any], unit: Unit) -> ledgers.Columns | None:
    """The ledger of a run; of a cross-validation, that of its first fold."""
    own = unit.training == unit.folder
    steps = found["steps"] if own else result.read(unit.training)["steps"]
    run = RunFolder(unit.training)
    # Another program may keep none.
    if not steps or not (run.ledger.exists() or run.flags.exists()):
        return None
    columns = ledgers.read(run.ledger)
    ledgers.check_length(run.ledger, columns, steps)
    return columns


def _environment(folder: Path, found: Mapping[str, Any]) -> dict[str, str]:
    """Facts of a run; what a cross-validation's summary lacks is taken from its first fold."""

    def read(folder: Path) -> dict[str, str]:
        expected = "the environment of a run"
        return facts(jsonfile.read(RunFolder(folder).environment, expected, result.AGAIN))

    own = read(folder)
    child = read(folder / found["children"][0]) if found.get("children") else {}
    return {name: value or child.get(name, "") for name, value in own.items()}


def facts(environment: Mapping[str, Any]) -> dict[str, str]:
    """Columns of environment.csv: the entries of ``environment.json`` that people ask for.

    Args:
        environment: content of the file; entries may be missing.

    Returns:
        Column -> text, "" where the record does not say.
    """
    backend, code = _object(environment, "backend"), _object(environment, "code")
    system, cpu = _object(environment, "system"), _object(environment, "cpu")
    versions = _object(backend, "versions")
    flags, resumed = backend.get("xla_flags_seen"), environment.get("resumed_with")
    return {
        "host": _text(system.get("host")),
        "os": _text(system.get("os")),
        "python": _text(environment.get("python")),
        "versions": " ".join(f"{name}={_text(versions[name])}" for name in sorted(versions)),
        "cpu": _text(cpu.get("model")),
        "threads": _text(backend.get("threads") or cpu.get("threads")),
        "platform": _text(backend.get("platform")),
        "device": _text(backend.get("device_kind")),
        "devices": _text(backend.get("device_count")),
        "gpu": _text(backend.get("gpu")),
        "flags": " ".join(map(_text, flags)) or "none" if isinstance(flags, list) else _text(flags),
        "sources": _text(code.get("sources")),
        "commit": _text(code.get("commit")),
        "diff": _text(code.get("diff")),
        "resumed_elsewhere": str(len(resumed) if isinstance(resumed, list) else 0),
    }


def _arrays(table: Mapping[str, list[float | None]]) -> dict[str, np.ndarray]:
    """Null, a subject without a value, becomes nan."""
    return {name: np.array(values, np.float64) for name, values in table.items()}


def _object(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = content.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text.replace("\n", " ")
