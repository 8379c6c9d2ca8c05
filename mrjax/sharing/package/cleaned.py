"""A run's records without the names of its maker's machine: no path, host or user.

What is not known to be harmless is left out: a package is public, and cannot be called back.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mrjax.config import fields
from mrjax.sharing.package.source import Source

NO_FILE = ("preset", "accept")
"""Settings of free text that name no file."""
_MACHINE_ONLY = ("workdir", "keep_checkpoints", "resume", "allow_mixed")
_ENVIRONMENT = ("schema_version", "python", "system", "cpu", "variables", "code", "backend",
                "packages")  # fmt: skip
_HARMLESS = ("schema_version", "python", "cpu", "code", "packages")
"""Entries of the environment that hold names and versions of hardware and software only."""
_PLACE = re.compile(
    "dir|path|file|home|root|cache|dump|folder|host|addr|user|master|log|url|socket|visible"
    "|_to$|_as$|prefix|include|library",
    re.IGNORECASE,
)
"""In names whose values, if they are text, say where something lies or whose machine it is."""
_PLAIN = re.compile(r"true|false|off|on|[-+.,0-9e]*", re.IGNORECASE)
"""Values that name nothing."""
_HEADER = re.compile("# (config digest [0-9a-f]{64}|made from --preset=[a-z]+)")
_PATH = re.compile(r"[/\\~]|GPU-[0-9a-f]{8}|MIG-")
"""In a word that is a path, or that names one device of the world."""
_NEVER = (("system", "host"), ("backend", "notes"), ("backend", "compilation_cache"))
"""Entries for people, which hold free text."""
_USER = re.compile(r"[/\\](?:home|Users|user|users)[/\\]+([^/\\]+)")


def settings(source: Source, kind: type) -> dict[str, Any]:
    """The settings that can change a result, without those that name files.

    Args:
        source: the run.
        kind: class of its configuration.
    """
    known = {name: value for name, (value, _) in fields.kinds(kind).items()}
    return {
        name: value
        for name, value in sorted(source.settings.items())
        if name not in _MACHINE_ONLY and not _names_a_file(name, value, kind, known)
    }


def _names_a_file(name: str, value: Any, kind: type, known: Mapping[str, type]) -> bool:
    """Whether a setting is free text that could name a file; unknown text is such."""
    if not isinstance(value, str) and known.get(name) is not str:
        return False
    field = kind.__dataclass_fields__.get(name)
    return name not in NO_FILE and not (field and field.metadata["choices"])


def flags(text: str, kept: Mapping[str, Any]) -> str:
    """The lines of ``flags.txt`` whose settings are kept."""
    lines = [line for line in text.splitlines() if _HEADER.fullmatch(line) or _flag(line) in kept]
    return "".join(f"{line}\n" for line in lines)


def _flag(line: str) -> str:
    return line.removeprefix("--").partition("=")[0]


def environment(source: Source) -> dict[str, Any]:
    """The environment of a run without names of the machine."""
    users = _users(source.settings)
    found = _environment(source.environment, users)
    more = source.environment.get("resumed_with")
    if isinstance(more, list) and more:
        found["resumed_with"] = [_environment(one, users) for one in more if isinstance(one, dict)]
    return found


def _environment(record: Mapping[str, Any], users: Iterable[str]) -> dict[str, Any]:
    words = _words(record, users)
    found: dict[str, Any] = {}
    for name in _ENVIRONMENT:
        if name in record:
            value = record[name]
            found[name] = value if name in _HARMLESS else _clean(name, value, words)
    for part, name in _NEVER:
        if isinstance(found.get(part), dict):
            found[part].pop(name, None)
    return found


def _users(settings: Mapping[str, Any]) -> set[str]:
    """Names of users in the paths of a run."""
    texts = [value for value in settings.values() if isinstance(value, str)]
    return {name for text in texts for name in _USER.findall(text)}


def _words(record: Mapping[str, Any], users: Iterable[str]) -> re.Pattern[str] | None:
    """The names of machine and users as a pattern; None if there are none."""
    system = record.get("system")
    host = str(system.get("host", "")) if isinstance(system, Mapping) else ""
    words = sorted({host, host.partition(".")[0], *users} - {""})
    return (
        re.compile(rf"(?<![^\W_])({'|'.join(map(re.escape, words))})(?![^\W_])") if words else None
    )


def _clean(name: str, value: Any, words: re.Pattern[str] | None) -> Any:
    """Take away what names a place or the machine, at any depth; of a text, None if all of it."""
    if isinstance(value, Mapping):
        cleaned = {
            key: _clean(key, one, words)
            for key, one in value.items()
            if not (name == "variables" and isinstance(one, str) and _is_place(key, one))
        }
        return {key: one for key, one in cleaned.items() if one is not None or value[key] is None}
    if isinstance(value, list):
        found = [_clean(name, one, words) for one in value]
        return [one for one in found if one is not None]
    return _text(value, words) if isinstance(value, str) else value


def _text(value: str, words: re.Pattern[str] | None) -> str | None:
    """Take away the words that name a place or the machine; None if nothing is left."""
    parts = value.split(" ")
    kept = [
        part for part in parts if not _names_a_place(part) and not (words and words.search(part))
    ]
    return " ".join(kept) if kept else None


def _names_a_place(part: str) -> bool:
    name, _, value = part.partition("=")
    return bool(_PATH.search(part)) or _is_place(name, value)


def _is_place(name: str, value: str) -> bool:
    return _PLACE.search(name) is not None and _PLAIN.fullmatch(value) is None
