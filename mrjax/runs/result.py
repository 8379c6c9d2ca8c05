"""``result.json``: what a finished run found; its existence is what makes a run finished.

::

    {"schema_version": 1,
     "experiment": "qsm",                          the task; one word
     "framework": "jax",                           or "pytorch", or another program's name
     "level": "run_to_run",                        or "not_guaranteed", "machine_to_machine"
     "steps": 400,                                 updates done
     "subjects": ["brain_24", ...],                held-out subjects, the rows of all metrics
     "metrics": {"nrmse": [0.36, ...], ...},       the network; one number a subject
     "baselines": {"tkd": {"nrmse": [...]}, ...},  classical methods, each with metrics' keys
     "digests": {"init": "<64 hex>", "order": ..., "data": ..., "params": ...,
                 "predictions": ...},              sha256 of contents, mrjax.runs.digests
     "seconds": {"setup": 1.0, "compile": ..., "train": ..., "infer": ..., "classical": ...},
     "memory_bytes": 123}                          peak, or null where it cannot be known

Metrics are ``nrmse``, ``psnr`` [dB], ``ssim``, ``hfen``, ``dice``, as apply, fractions unless
stated; null where a subject has no value (no reference, say). ``params`` covers trainables and
batch statistics at the end, ``init`` trainables at the start, ``order`` the permutation of all
examples for each epoch begun, ``data`` the training and held-out arrays, ``predictions`` the
network's outputs by subject.

``compile`` holds the first use of the network on each shape of input, ``infer`` the network's
outputs after that, ``classical`` the other methods. Older records lack ``classical``: their
``infer`` has all three in it.

Five further keys are optional. ``load``, ``{"cores": 2, "begin": 0.4, "end": 2.1}``, the machine's
cores and its load over the minute before the run began and ended, since times of a machine that was
busy mean little. ``config``, the digest in ``config.json`` (so that a result in the folder of
another run is noticed). ``children``, names of run folders inside this one, of which it is the
summary (then ``subjects`` names the rows the summary has, repetitions for instance, and each digest
is `mrjax.runs.digests.combine` of the children's). ``data``, an account of the data::

    {"found": 12, "training": 8, "held_out": 3,    subjects, slices or patients
     "left_out": [{"name": "sub-03", "reason": "..."}],
     "notes": [...], "accepted": [...]}            choices made, and what --accept overruled

And ``extra``, an object free for what a task adds. Other keys are refused, so a misspelled one does
not go unseen.
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
"""A further phase, which older records and other programs may lack."""
AGAIN = "remove or move this run folder and run it again"
"""What to do with a damaged run: while its result is there, no program does it again."""

_DIGEST = "64 lower-case hex digits"
_KEYS = ("schema_version", "experiment", "framework", "level", "steps", "subjects", "metrics",
         "baselines", "digests", "seconds", "memory_bytes")  # fmt: skip
_OPTIONAL = ("config", "children", "extra", "load", "data")
_LOAD = ("cores", "begin", "end")
_COUNTS = ("found", "training", "held_out")
_LINES = ("notes", "accepted")


def validate(result: Mapping[str, Any]) -> None:
    """Check a result against the schema at the top of this module.

    Raises:
        ValueError: names the key that is wrong and says what was expected.
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
    if "data" in result:
        _check_data(result["data"])


def write(folder: str | os.PathLike[str], result: Mapping[str, Any]) -> None:
    """Write a run's result, after everything else: from now on the run is finished.

    Args:
        folder: the run folder.
        result: as at the top of this module; ``config`` is added where ``config.json`` is there.

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
        UserError: there is none, so the run is not finished; or it does not follow the schema.
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


def _check_data(data: Any) -> None:
    _require(isinstance(data, dict), "data", "an object")
    _exact_keys(data, "data", (*_COUNTS, "left_out", *_LINES))
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
