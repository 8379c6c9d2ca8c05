"""Entries of the records of two sets of runs, under one name each, whatever the framework."""

from collections.abc import Iterator, Mapping
from typing import Any

from mrjax.runs import jsonfile
from mrjax.runs.folder import RunFolder
from mrjax.study.compare import settings
from mrjax.study.compare.settings import Pairs
from mrjax.study.gather.collected import Unit

_GROUPS = {
    "backend.versions": "packages",
    "backend.variables": "environment variables",
    "variables": "environment variables",
    "backend": "framework",
    "cpu": "processor",
    "system": "machine",
    "code": "code",
}
_DEVICE = ("platform", "device_kind", "device_count", "gpu")
_NOT_ASKED_FOR = ("workdir", "resume", "allow_mixed")
# Facts of one framework that have these values in all runs of mrjax, unless a user changes them.
_USUAL = {"x64": True, "threefry_partitionable": True, "compilation_cache": "off",
          "onednn": True, "mkl": True, "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}  # fmt: skip

Values = dict[tuple[str, str], set[Any]]


def of_both(pairs: Pairs) -> tuple[Values, Values]:
    """(group, entry) -> its values in the runs of a set."""
    sides: tuple[Values, Values] = {}, {}
    unlike = any(settings.differ(a, b) for a, b in pairs)
    for pair in pairs:
        for values, unit in zip(sides, pair, strict=True):
            for key, value in _facts(unit):
                if not (unlike and _as_always(key, value)):
                    values.setdefault(key, set()).add(value)
    return sides


def _as_always(key: tuple[str, str], value: Any) -> bool:
    """Whether an entry says that a switch of one framework is as it is when nobody sets it."""
    group, entry = key
    if group == "settings":
        return entry == "task" or (entry in settings.ALONE and value == settings.ALONE[entry])
    entry = entry.removeprefix("switches.")
    # A switch that is also a setting is listed among the settings.
    shared = entry == "compilation_cache" and str(value).startswith("compiled/")
    known = shared or entry in settings.ALONE or _USUAL.get(entry) == value
    return group in ("framework", "environment variables") and known


def _facts(unit: Unit) -> Iterator[tuple[tuple[str, str], Any]]:
    for name in ("framework", "level"):
        yield ("framework", name), unit.result[name]
    for name, value in settings.of(unit).items():
        if name not in _NOT_ASKED_FOR:
            yield ("settings", name), _hashable(value)
    path = RunFolder(unit.training).environment
    environment = jsonfile.read(path, "a record of a run", "repeat the run")
    for key, value in _entries(environment, ""):
        yield from _one_name(key, value, environment)


def _one_name(
    key: tuple[str, str], value: Any, environment: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, str], Any]]:
    """An entry under the name it has in every framework."""
    backend = environment.get("backend")
    told = isinstance(backend, Mapping) and "threads" in backend
    if key == ("framework", "threads"):
        yield ("processor", "threads"), value
    elif key == ("framework", "matmul_precision"):
        yield ("framework", "TF32"), "no" if value == "highest" else "allowed"
    elif key[0] == "framework" and key[1].endswith("_fp32_precision"):
        yield ("framework", "TF32"), "allowed" if value == "tf32" else "no"
    elif key != ("processor", "threads") or not told:
        # Where the framework tells its threads, those of the processor are XLA's, beside PyTorch.
        yield key, value


def _entries(content: Mapping[str, Any], prefix: str) -> Iterator[tuple[tuple[str, str], Any]]:
    """Entries of environment.json with their group; what is null or empty is not there."""
    for name, value in content.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping):
            yield from _entries(value, f"{path}.")
        elif value not in (None, "", []) and path not in ("schema_version", "resumed_with"):
            yield _key(path), _hashable(value)


def _key(path: str) -> tuple[str, str]:
    root, _, entry = path.partition(".")
    if root == "backend" and entry.split(".")[0] in _DEVICE:
        return "device", entry
    if path == "backend.level":
        return "framework", "level"
    found = next((name for name in _GROUPS if path.startswith(f"{name}.")), "")
    return _GROUPS.get(found, "software"), path.removeprefix(f"{found}.")


def _hashable(value: Any) -> Any:
    if isinstance(value, list):
        return frozenset(map(str, value))
    return str(value) if isinstance(value, dict) else value
