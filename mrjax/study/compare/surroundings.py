"""What differs between two sets of runs besides their results: settings, packages, machines."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from mrjax.errors import UserError
from mrjax.study.compare import facts, settings
from mrjax.study.compare.settings import Pairs
from mrjax.study.gather.unplanned import FOREIGN
from mrjax.study.plan import sources
from mrjax.study.report.page import Section
from mrjax.study.report.tables import Column, Table

_ORDER = ("settings", "framework", "packages", "software", "device", "processor", "machine",
          "environment variables", "code")  # fmt: skip
_IMMATERIAL = {("machine", "host"), ("machine", "os")}  # they say where, not what, computes
# Where these differ, frameworks are not the only explanation of a result.
_MACHINE = {("device", "platform"), ("device", "device_kind"), ("processor", "model")}
_SAME = (("device", "device_kind"), ("processor", "model"), ("processor", "threads"),
         ("software", "python"), ("packages", "numpy"), ("code", "sources"))  # fmt: skip
_WORDS = {"device_kind": "device", "model": "processor", "python": "Python"}
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
    a, b = (values.get(("code", "sources"), set()) for values in facts.of_both(pairs))
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
    a, b = facts.of_both(pairs)
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
    a, b = facts.of_both(pairs)
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
