"""What a run folder records of a run's settings and surroundings, and whether they still hold.

``config.json`` marks a run: ``{"schema_version": 1, "digest": <64 hex>, "config": {...}}``. It is
written after ``flags.txt`` and ``environment.json``, so a folder that has it has all three.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mrjax.errors import UserError
from mrjax.runs import atomic, environment, jsonfile
from mrjax.runs.text import listed

FLAGS = "flags.txt"
CONFIG = "config.json"
ENVIRONMENT = "environment.json"
SCHEMA_VERSION = 1

_NOT_IN_DIGEST = ("workdir", "resume", "allow_mixed")
_ADVICE = "choose another --workdir"


@dataclasses.dataclass(frozen=True)
class Request:
    """The run a process wants to do; the arguments of `mrjax.runs.folder.open_run`."""

    flags_text: str
    config: Mapping[str, Any]
    config_digest: str
    environment: Mapping[str, Any]
    resume: bool
    allow_mixed: bool


def write(folder: Path, asked: Request) -> None:
    """Record a new run; ``config.json`` last, because it says that the record is whole."""
    atomic.write_text(folder / FLAGS, asked.flags_text)
    atomic.write_json(folder / ENVIRONMENT, dict(asked.environment))
    record = {
        "schema_version": SCHEMA_VERSION,
        "digest": asked.config_digest,
        "config": dict(asked.config),
    }
    atomic.write_json(folder / CONFIG, record)


def check(folder: Path, asked: Request) -> list[str]:
    """Make sure that the run in `folder` is the one asked for.

    Returns:
        What differs from the environment in which the run was last continued; empty unless
        `asked` allows a mixture.

    Raises:
        UserError: resuming is not wanted, or settings, code or environment are others.
    """
    if not asked.resume:
        raise UserError(
            f"{folder} already holds a run; expected an empty folder with --resume=false; {_ADVICE}"
        )
    record = jsonfile.read(folder / CONFIG, "the settings of the run", _ADVICE)
    if record.get("digest") != asked.config_digest:
        raise UserError(
            f"{folder} holds a run with other settings ({_settings(record, asked.config)}); "
            f"expected the settings of that run; {_ADVICE}"
        )
    return _check_environment(folder, asked)


def add_environment(folder: Path, asked: Request) -> None:
    """Record that the run goes on in another environment than it began in."""
    record = _environment(folder)
    record["resumed_with"] = [*record.get("resumed_with", []), dict(asked.environment)]
    atomic.write_json(folder / ENVIRONMENT, record)


def _check_environment(folder: Path, asked: Request) -> list[str]:
    record = _environment(folder)
    last = [record, *record.get("resumed_with", [])][-1]
    differing = environment.differences(last, asked.environment)
    if differing and not asked.allow_mixed:
        raise UserError(
            f"{folder} holds a run from elsewhere ({listed(differing)}); expected the same code "
            f"and environment; go back to them, {_ADVICE}, or mix knowingly with --allow_mixed"
        )
    return differing


def _environment(folder: Path) -> dict[str, Any]:
    return jsonfile.read(folder / ENVIRONMENT, "the environment of the run", _ADVICE)


def _settings(record: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """The settings that differ, such as ``seed_init 0 there, 1 here``."""
    there = record.get("config")
    there = there if isinstance(there, dict) else {}
    differing = [
        f"{name} {there.get(name)} there, {config.get(name)} here"
        for name in {**there, **config}
        if name not in _NOT_IN_DIGEST and there.get(name) != config.get(name)
    ]
    return listed(differing) or "another digest"
