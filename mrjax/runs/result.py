"""``result.json``: what a finished run found. A run is finished if and only if this file exists.

``README.md`` in this folder lists its fields. Unknown fields are refused, so that a misspelt one is
noticed.
"""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mrjax.errors import UserError
from mrjax.runs import atomic, jsonfile, metrics
from mrjax.runs.jsonfile import is_count, is_finite
from mrjax.runs.records import CONFIG

SCHEMA_VERSION = 1
NAME = "result.json"
LEVELS = ("not_guaranteed", "run_to_run", "machine_to_machine")
METRICS = tuple(metrics.METRICS)
DIGESTS = ("init", "order", "data", "params", "predictions")
SECONDS = ("setup", "compile", "train", "infer")
CLASSICAL = "classical"
"""A further phase, which older records and foreign programs may lack."""
AGAIN = "remove or move this run folder and run it again"
"""Advice for a damaged run, which no program repeats as long as its result exists."""

_DIGEST = "64 lower-case hex digits"
_KEYS = ("schema_version", "experiment", "framework", "level", "steps", "subjects", "metrics",
         "baselines", "digests", "seconds", "memory_bytes")  # fmt: skip
_OPTIONAL = ("config", "children", "extra", "load")
_LOAD = ("cores", "begin", "end")


def validate(result: Mapping[str, Any]) -> None:
    """Check a result against the schema in ``README.md``.

    Raises:
        ValueError: a field is wrong; the message names it and says what was expected.
    """
    _require(isinstance(result, dict), "result", "an object")
    _exact_keys(result, "result", _KEYS, _OPTIONAL)
    _require(result["schema_version"] == SCHEMA_VERSION, "schema_version", str(SCHEMA_VERSION))
    for key in ("experiment", "framework"):
        _require(_is_text(result[key]), key, "a word")
    _require(result["level"] in LEVELS, "level", " or ".join(LEVELS))
    _require(is_count(result["steps"]), "steps", "a number of updates")
    memory = result["memory_bytes"]
    _require(memory is None or is_count(memory), "memory_bytes", "a number of bytes or null")
    _check_names(result["subjects"], "subjects")
    _check_names(result.get("children", []), "children")
    _require(isinstance(result.get("extra", {}), dict), "extra", "an object")
    _require(_is_digest(result.get("config", "0" * 64)), "config", _DIGEST)
    _check_tables(result)
    _check_digests(result["digests"])
    _check_seconds(result["seconds"])
    if "load" in result:
        _check_load(result["load"])


def write(folder: str | os.PathLike[str], result: Mapping[str, Any]) -> None:
    """Write the result of a run, after everything else: the run is then finished.

    Args:
        folder: the run folder.
        result: see ``README.md``; ``config`` is added if the folder has a ``config.json``.

    Raises:
        ValueError: the result does not follow the schema; nothing is written.
    """
    validate(result)
    path = Path(folder)
    try:
        own = {"config": json.loads((path / CONFIG).read_bytes())["digest"]}
    except OSError:
        own = {}
    atomic.write_json(path / NAME, {**result, **own})


def read(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read and check a run's result.

    Args:
        folder: the run folder, or its ``result.json``.

    Raises:
        UserError: there is no result, so the run is not finished; or it does not follow the schema.
    """
    path = Path(folder)
    path = path if path.name == NAME else path / NAME
    advice = AGAIN if path.exists() else "finish the run first"
    result = jsonfile.read(path, "the result of a finished run", advice)
    try:
        validate(result)
    except ValueError as error:
        raise UserError(
            f"{path}: {error}; correct the program that wrote it, or {AGAIN}"
        ) from error
    return result


def _check_tables(result: Mapping[str, Any]) -> None:
    rows = len(result["subjects"])
    _check_metrics(result["metrics"], "metrics", rows)
    _require(isinstance(result["baselines"], dict), "baselines", "an object")
    for name, table in result["baselines"].items():
        _check_metrics(table, f"baselines.{name}", rows)


def _check_metrics(metrics: Any, where: str, rows: int) -> None:
    _require(isinstance(metrics, dict), where, "an object")
    _exact_keys(metrics, where, (), METRICS)
    for name, values in metrics.items():
        _require(_is_row_list(values, rows), f"{where}.{name}", f"{rows} numbers, one a subject")


def _is_row_list(values: Any, rows: int) -> bool:
    if not isinstance(values, list) or len(values) != rows:
        return False
    return all(value is None or is_finite(value) for value in values)


def _check_digests(digests: Any) -> None:
    _require(isinstance(digests, dict), "digests", "an object")
    _exact_keys(digests, "digests", DIGESTS)
    for name, digest in digests.items():
        _require(_is_digest(digest), f"digests.{name}", _DIGEST)


def _check_seconds(seconds: Any) -> None:
    _require(isinstance(seconds, dict), "seconds", "an object")
    _exact_keys(seconds, "seconds", SECONDS, (CLASSICAL,))
    for name, value in seconds.items():
        _require(is_finite(value) and value >= 0, f"seconds.{name}", "a duration [s]")


def _check_load(load: Any) -> None:
    _require(isinstance(load, dict), "load", "an object")
    _exact_keys(load, "load", _LOAD)
    for name, value in load.items():
        _require(is_finite(value) and value >= 0, f"load.{name}", "a number")


def _check_names(names: Any, where: str) -> None:
    good = isinstance(names, list) and all(_is_text(name) for name in names)
    _require(good and len(set(names)) == len(names), where, "a list of distinct names")


def _exact_keys(
    content: Mapping[str, Any], where: str, needed: tuple[str, ...], free: tuple[str, ...] = ()
) -> None:
    for key in needed:
        _require(key in content, f"{where} without {key}", f"the keys {', '.join(needed)}")
    for key in content:
        _require(key in needed + free, f"{where}.{key}", f"only {', '.join(needed + free)}")


def _require(condition: bool, where: str, expected: str) -> None:
    if not condition:
        raise ValueError(f"{where} does not follow the schema of results; expected {expected}")


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and "\n" not in value
