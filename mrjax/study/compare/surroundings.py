"""What differs between two sets of runs besides their results: settings, packages, machines."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mrjax.errors import UserError
from mrjax.runs import jsonfile
from mrjax.runs.folder import RunFolder
from mrjax.study.compare import settings
from mrjax.study.compare.settings import Pairs
from mrjax.study.gather.collected import Unit
from mrjax.study.gather.unplanned import FOREIGN
from mrjax.study.plan import sources
from mrjax.study.report.page import Section
from mrjax.study.report.tables import Column, Table

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
_ORDER = ("settings", "framework", "packages", "software", "device", "processor", "machine",
          "environment variables", "code")  # fmt: skip
_IMMATERIAL = {("machine", "host"), ("machine", "os")}  # they say where, not what, computes
# Where these differ, frameworks are not the only explanation of a result.
_MACHINE = {("device", "platform"), ("device", "device_kind"), ("processor", "model")}
_NOT_ASKED_FOR = ("workdir", "resume", "allow_mixed")
_SAME = (("device", "device_kind"), ("processor", "model"), ("processor", "threads"),
         ("software", "python"), ("packages", "numpy"), ("code", "sources"))  # fmt: skip
_WORDS = {"device_kind": "device", "model": "processor", "python": "Python"}
# Facts of one framework that have these values in all runs of mrjax, unless a user changes them.
_USUAL = {"x64": True, "threefry_partitionable": True, "compilation_cache": "off",
          "onednn": True, "mkl": True, "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}  # fmt: skip
_MOST = 12  # entries of a sentence, words of a list


class Difference(NamedTuple):
    """An entry of the records that is not the same in both sets; "" where a set has none."""

    group: str
    entry: str
    a: str
    b: str


def source(pairs: Pairs) -> str:
    """What the second set changes, as a source of a study; "other" where it is several at once."""
    frameworks = any(settings.differ(a, b) for a, b in pairs)
    changed = settings.changed(pairs)
    moved = {(one.group, one.entry) for one in differences(pairs)} - _IMMATERIAL
    if frameworks and (moved & _MACHINE or _other_code(pairs)):
        return FOREIGN
    if changed or frameworks:
        flags = [f"--{name}={value}" for name, value in changed.items()]
        try:
            return sources.source_of(flags, ["framework"] if frameworks else [])
        except UserError:  # several at once
            return FOREIGN
    return FOREIGN if moved - {("settings", name) for name in settings.IDLE} else "repetition"


def _other_code(pairs: Pairs) -> bool:
    """Whether no run of A is of the code of one of B."""
    a, b = (values.get(("code", "sources"), set()) for values in _both(pairs))
    return bool(a and b) and not a & b


def section(pairs: Pairs) -> Section:
    """What differs besides the results, in sentences and as a table."""
    found = differences(pairs)
    points = sentences(found) or ["Nothing that the records name."]
    equal = same(pairs)
    if equal:
        points = [*points, f"The same in all runs: {'; '.join(equal)}."]
    columns = (Column("what"), Column("entry"), Column("A"), Column("B"))
    title = "What differs between the records of A and B: config.json, environment.json"
    rows = tuple((one.group, one.entry, one.a or None, one.b or None) for one in found)
    return Section(
        "surroundings",
        "What differs besides",
        points=tuple(points),
        tables=(Table("surroundings", title, columns, rows),) if found else (),
    )


def differences(pairs: Pairs) -> list[Difference]:
    """What differs between the sets as wholes, so not the seeds that vary alike in both.

    Between two frameworks, switches that only one has are left out unless they were set.
    """
    a, b = _both(pairs)
    keys = sorted(a.keys() | b.keys(), key=lambda key: (_ORDER.index(key[0]), key[1]))
    found = [
        Difference(*key, *_texts(a.get(key, set()), b.get(key, set())))
        for key in keys
        if a.get(key) != b.get(key)
    ]
    # Another commit with the same sources is the same code.
    same_code = ("code", "sources") not in {(one.group, one.entry) for one in found}
    return [one for one in found if one.group != "code" or not same_code]


def same(pairs: Pairs) -> list[str]:
    """The entries that matter most, where all runs of both sets have one value."""
    a, b = _both(pairs)
    found = []
    for key in _SAME:
        if a.get(key) == b.get(key) and len(a.get(key, ())) == 1:
            (value,) = a[key]
            found.append(f"{_phrase(key[0], key[1])} {_text(value)}")
    return found


def sentences(found: Iterable[Difference]) -> list[str]:
    """The differences in words, one sentence for each group."""
    groups: dict[str, list[str]] = {}
    for one in found:
        name = _phrase(one.group, one.entry)
        if one.a and one.b:
            words = f"{name} {one.a} in A, {one.b} in B"
        else:
            words = f"{name} {one.a or one.b} in {'A' if one.a else 'B'} only"
        groups.setdefault(one.group, []).append(words)
    return [
        f"{group.capitalize()}: {'; '.join(each[:_MOST])}"
        + (f"; and {len(each) - _MOST} more, in the table." if len(each) > _MOST else ".")
        for group, each in groups.items()
    ]


def _phrase(group: str, entry: str) -> str:
    if group == "settings":
        return f"--{entry}"
    # Names of variables stay as they are.
    return _WORDS.get(entry, entry.replace("_", " ") if entry.islower() else entry)


Values = dict[tuple[str, str], set[Any]]


def _both(pairs: Pairs) -> tuple[Values, Values]:
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
    known = entry in settings.ALONE or _USUAL.get(entry) == value
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


def _texts(a: set[Any], b: set[Any]) -> tuple[str, str]:
    """Both sides' values; of two lists only the words that the other does not have."""
    if len(a) == len(b) == 1:
        (one,), (other,) = a, b
        if isinstance(one, frozenset) and isinstance(other, frozenset):
            return _text(one - other), _text(other - one)
    return ", ".join(_some(map(_text, a))), ", ".join(_some(map(_text, b)))


def _text(value: Any) -> str:
    if isinstance(value, frozenset):
        return " ".join(_some(map(str, value)))
    if isinstance(value, bool):
        return str(value).lower()
    text = str(value).replace("\n", " ")
    digest = len(text) in (40, 64) and set(text) <= set("0123456789abcdef")
    return text[:10] if digest else text


def _some(words: Iterable[str]) -> list[str]:
    each = sorted(words)
    return each[:_MOST] + ([f"and {len(each) - _MOST} more"] if len(each) > _MOST else [])
