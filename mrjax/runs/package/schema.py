"""The fields of a package's files, and whether a value is allowed there.

Every function raises ValueError, whose message says what was expected and where.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mrjax.config.mirrors import text as flag_text
from mrjax.runs import digests, jsonfile, result
from mrjax.runs import ledger as ledgers
from mrjax.runs.jsonfile import is_count, is_finite
from mrjax.runs.package import layout, tensors
from mrjax.tasks.registry import TASKS

FRAMEWORKS = ("jax", "pytorch")
RESULT = ("steps", "subjects", "metrics", "baselines", "digests", "data", "origin")
CONFIG = ("schema_version", "task", "framework", "level", "settings", "fine_tuned", "digest",
          "constants", "result", "test")  # fmt: skip
COUNTS = ("found", "training", "held_out")
ORIGIN = "origin"
CONSTANTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "qsm": {
        "normalisation": ("field_mean", "field_std", "chi_mean", "chi_std"),
        "tuned": ("tkd_threshold", "l2_weight"),
    },
    "varnet": {"tuned": ("iterations", "weight")},
    "breast": {"threshold": ("channel", "low", "high")},
}
"""Task -> constant -> its numbers."""
DOMAIN = "domain"
TEST = ("source", "exact")
_LONGEST_LINE = 512
LEDGER = ("step", "loss", "loss_hex", "params", "grads", "batch")
_NAME = re.compile("[A-Za-z][A-Za-z0-9_]{0,63}")
_HEX = re.compile("[0-9a-f]{64}")


def config(content: bytes) -> dict[str, Any]:
    """Read ``config.json``."""
    found = _object(content)
    _require(set(found) == set(CONFIG), f"the keys {', '.join(CONFIG)}")
    version = layout.SCHEMA_VERSION
    _require(found["schema_version"] == version, f"schema_version {version}")
    _require(_is_one(found["task"], tuple(TASKS)), f"task as one of {', '.join(TASKS)}")
    _require(_is_one(found["framework"], FRAMEWORKS), f"framework as {' or '.join(FRAMEWORKS)}")
    _require(_is_one(found["level"], result.LEVELS), f"level as one of {', '.join(result.LEVELS)}")
    _require(type(found["fine_tuned"]) is bool, "fine_tuned as true or false")
    _require(_is_hex(found["digest"]), "digest as 64 hex digits")
    _check_settings(found["settings"])
    _check_constants(found["task"], found["constants"])
    _check_result(found)
    _require(
        isinstance(found["test"], dict) and set(found["test"]) == set(TEST),
        "test with " + ", ".join(TEST),
    )
    _require(found["test"]["source"] == "synthetic", "test.source synthetic")
    _require(type(found["test"]["exact"]) is bool, "test.exact as true or false")
    return found


def environment(content: bytes) -> dict[str, Any]:
    """Read ``environment.json``."""
    found = _object(content)
    packages = found.get("packages", {})
    good = isinstance(packages, dict) and all(isinstance(v, str) for v in packages.values())
    _require(good, "packages as names with versions")
    for name in ("system", "cpu", "variables", "code", "backend"):
        _require(isinstance(found.get(name, {}), dict), f"{name} as an object")
    return found


def flags(content: bytes, settings: Mapping[str, Any]) -> str:
    """Read ``flags.txt``, which must say what ``config.json`` says."""
    found = text(content)
    for line in found.splitlines():
        name, equals, value = line.removeprefix("--").partition("=")
        if line.startswith("#"):
            continue
        known = settings["settings"]
        _require(
            line.startswith("--") and bool(equals) and name in known,
            "--name=value, settings of config.json",
        )
        _require(flag_text(known[name]) == value, f"--{name} as in config.json")
    return found


def ledger(content: bytes) -> list[dict[str, Any]]:
    """Read ``ledger.jsonl``."""
    lines = content.splitlines()
    _require(not content or content.endswith(b"\n"), "whole lines")
    found, previous = [], 0
    for number, line in enumerate(lines, 1):
        _require(len(line) <= _LONGEST_LINE, f"lines of at most {_LONGEST_LINE} bytes ({number})")
        record = jsonfile.parse(line)
        good = isinstance(record, dict) and set(record) == set(LEDGER)
        _require(good and is_count(record["step"]), f"a line of a ledger ({number})")
        _require(record["loss"] is None or is_finite(record["loss"]), f"a loss ({number})")
        ledgers.check(layout.LEDGER, record, previous)
        previous = record["step"]
        found.append({name: record[name] for name in LEDGER})  # with one copy of each name
    return found


def text(content: bytes) -> str:
    """Read a text."""
    return content.decode("utf-8")


def leaves(content: bytes, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Read ``model.safetensors``: weights whose digest is that of ``config.json``."""
    found = tensors.load(content)
    for name, leaf in found.items():
        good = name.startswith(("params/", "batch_stats/")) and leaf.dtype.kind == "f"
        _require(good and "\n" not in name, "params/ and batch_stats/ of float32 or float64")
    wanted = settings["result"]["digests"]["params"]
    _require(digests.content(found) == wanted, "the weights of digests.params in config.json")
    return found


def inputs(content: bytes, settings: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Read ``test/input.safetensors``."""
    found, names = tensors.load(content), layout.INPUTS[settings["task"]]
    _require(set(found) == set(names), f"the arrays {', '.join(names)}")
    _check_finite(found)
    return found


def output(content: bytes) -> np.ndarray:
    """Read ``test/output.safetensors``."""
    found = tensors.load(content)
    _require(set(found) == {layout.OUTPUT}, f"the array {layout.OUTPUT}")
    _check_finite(found)
    return found[layout.OUTPUT]


def _check_finite(arrays: Mapping[str, np.ndarray]) -> None:
    _require(all(bool(np.isfinite(a).all()) for a in arrays.values()), "finite numbers")


def _check_settings(settings: Any) -> None:
    _require(isinstance(settings, dict), "settings as an object")
    for name, value in settings.items():
        _require(_NAME.fullmatch(name) is not None, "settings named as flags")
        scalar = value is None or isinstance(value, bool) or is_finite(value)
        words = isinstance(value, str) and len(value) <= 200 and value.isprintable()
        _require(scalar or words, f"settings.{name} as a number, a word, true, false or null")


def _check_constants(task: str, constants: Any) -> None:
    _require(isinstance(constants, dict), "constants as an object")
    for name, numbers in CONSTANTS[task].items():
        found = constants.get(name)
        good = isinstance(found, dict) and set(found) == set(numbers)
        _require(good, f"constants.{name} with {', '.join(numbers)}")
        for number in numbers:
            fits = _RULES.get(number, is_finite)
            _require(fits(constants[name][number]), f"a value of constants.{name}.{number}")
    domain = constants.get(DOMAIN, {})
    _require(isinstance(domain, dict), f"constants.{DOMAIN} as an object")
    for name, values in domain.items():
        _require(_fits(name, values), f"a value of constants.{DOMAIN}.{name}")
    rest = set(constants) - set(CONSTANTS[task]) - {DOMAIN, "inputs"}
    _require(not rest, "no other constants")


def _fits(name: str, values: Any) -> bool:
    """Whether a property of a domain has the form that its task reads."""
    if name == "b0_direction":
        return isinstance(values, list) and len(values) == 3 and all(map(is_finite, values))
    if name == "voxel_size" and values is not None:
        return isinstance(values, list) and len(values) in (2, 3) and all(map(_is_edge, values))
    return values is None or _is_range(values)


def _is_range(values: Any) -> bool:
    return isinstance(values, list) and len(values) == 2 and all(map(is_finite, values))


def _is_edge(values: Any) -> bool:
    return _is_range(values) and min(values) > 0


def _is_above_zero(value: Any) -> bool:
    return is_finite(value) and value > 0


_RULES: Mapping[str, Callable[[Any], bool]] = {
    "field_std": _is_above_zero,
    "chi_std": _is_above_zero,
    "iterations": is_count,
    "channel": lambda value: is_count(value) and value < 3,
}
"""Constants that may not be any number."""


def _check_result(found: Mapping[str, Any]) -> None:
    content = found["result"]
    _require(
        isinstance(content, dict) and set(content) <= set(RESULT),
        "result with " + ", ".join(RESULT),
    )
    data = content.get("data", dict.fromkeys(COUNTS, 0))
    good = isinstance(data, dict) and set(data) == set(COUNTS) and all(map(is_count, data.values()))
    _require(good, f"result.data with {', '.join(COUNTS)}")
    origin = content.get(ORIGIN, "")
    _require(isinstance(origin, str) and origin.isprintable(), "result.origin as a text")
    rest = {k: v for k, v in content.items() if k not in ("data", ORIGIN)}
    result.validate(
        {
            "schema_version": result.SCHEMA_VERSION,
            "experiment": found["task"],
            "framework": found["framework"],
            "level": found["level"],
            "seconds": dict.fromkeys(result.SECONDS, 0.0),
            "memory_bytes": None,
            **rest,
        }
    )


def _object(content: bytes) -> dict[str, Any]:
    found = jsonfile.parse(content)
    _require(isinstance(found, dict), "a JSON object")
    _require(layout.readable(found) == content, "JSON spelt as mrjax spells it")
    return found


def _is_one(value: Any, known: tuple[str, ...]) -> bool:
    return isinstance(value, str) and value in known


def _is_hex(value: Any) -> bool:
    return isinstance(value, str) and _HEX.fullmatch(value) is not None


def _require(good: bool, expected: str) -> None:
    if not good:
        raise ValueError(expected)
