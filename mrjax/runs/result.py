"""``result.json``: what a finished run found. A run is finished if and only if this file exists.

``README.md`` in this folder lists its fields. Unknown fields are refused, so that a misspelt one is
noticed.
"""

import json
import os
import re
from collections.abc import Callable, Mapping
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
_OPTIONAL = ("config", "children", "extra", "load", "data")
_LOAD = ("cores", "begin", "end")
_COUNTS = ("found", "training", "held_out")
_LINES = ("notes", "accepted")


def validate(result: Mapping[str, Any]) -> None:
    """Check a result against the schema in ``README.md``.

    Raises:
        ValueError: a field is wrong; the message names it and says what was expected.
    """
    _check_keys(result, "result", _KEYS, _OPTIONAL)
    for key, (good, expected) in _FIELDS.items():
        if key in result:
            _require(good(result[key]), key, expected)
    rows = len(result["subjects"])
    _check_metrics(result["metrics"], "metrics", rows)
    _require(isinstance(result["baselines"], dict), "baselines", "an object")
    for name, table in result["baselines"].items():
        _check_metrics(table, f"baselines.{name}", rows)
    _check_values(result["digests"], "digests", DIGESTS, (), _is_digest, _DIGEST)
    _check_values(
        result["seconds"], "seconds", SECONDS, (CLASSICAL,), _is_positive, "a duration [s]"
    )
    if "load" in result:
        _check_values(result["load"], "load", _LOAD, (), _is_positive, "a number")
    if "data" in result:
        _check_data(result["data"])


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
    there = os.path.exists(path)  # noqa: PTH110 exists() raises for odd paths
    advice = AGAIN if there else "finish the run first"
    result = jsonfile.read(path, "the result of a finished run", advice)
    try:
        validate(result)
    except ValueError as error:
        raise UserError(
            f"{path}: {error}; correct the program that wrote it, or {AGAIN}"
        ) from error
    return result


def _check_data(data: Any) -> None:
    _check_keys(data, "data", (*_COUNTS, "left_out", *_LINES), ("geometry",))
    _require(_is_digest(data.get("geometry", "0" * 64)), "data.geometry", _DIGEST)
    for key in _COUNTS:
        _require(is_count(data[key]), f"data.{key}", "a number of subjects")
    for key in _LINES:
        lines = data[key]
        good = isinstance(lines, list) and all(isinstance(line, str) for line in lines)
        _require(good, f"data.{key}", "a list of sentences")
    _require(isinstance(data["left_out"], list), "data.left_out", "a list")
    for one in data["left_out"]:
        good = isinstance(one, dict) and set(one) == {"name", "reason"}
        _require(good, "data.left_out", "objects of name and reason")
    used = data["training"] + data["held_out"] + len(data["left_out"])
    _require(data["found"] == used, "data.found", "the number of all used and left out")


def _check_metrics(table: Any, where: str, rows: int) -> None:
    def is_row_list(values: Any) -> bool:
        right = isinstance(values, list) and len(values) == rows
        return right and all(value is None or is_finite(value) for value in values)

    _check_values(table, where, (), METRICS, is_row_list, f"{rows} numbers, one a subject")


def _check_values(
    content: Any,
    where: str,
    needed: tuple[str, ...],
    free: tuple[str, ...],
    good: Callable[[Any], bool],
    expected: str,
) -> None:
    """Check an object of which all values are of one kind."""
    _check_keys(content, where, needed, free)
    for name, value in content.items():
        _require(good(value), f"{where}.{name}", expected)


def _check_keys(content: Any, where: str, needed: tuple[str, ...], free: tuple[str, ...]) -> None:
    _require(isinstance(content, dict), where, "an object")
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


def _are_names(values: Any) -> bool:
    good = isinstance(values, list) and all(map(_is_text, values))
    return good and len(set(values)) == len(values)


def _is_positive(value: Any) -> bool:
    return is_finite(value) and value >= 0


_FIELDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "schema_version": (lambda value: value == SCHEMA_VERSION, str(SCHEMA_VERSION)),
    "experiment": (_is_text, "a word"),
    "framework": (_is_text, "a word"),
    "level": (lambda value: value in LEVELS, " or ".join(LEVELS)),
    "steps": (is_count, "a number of updates"),
    "memory_bytes": (
        lambda value: value is None or is_count(value),
        "a number of bytes or null",
    ),
    "subjects": (_are_names, "a list of distinct names"),
    "children": (_are_names, "a list of distinct names"),
    "extra": (lambda value: isinstance(value, dict), "an object"),
    "config": (_is_digest, _DIGEST),
}
"""Field -> whether a value is allowed, and what is expected, for the fields that are no tables."""
