"""The run folder of a recorded training loop: opened, continued, and written without harm to it."""

import argparse
import hashlib
import json
import math
import re
import sys
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mrjax.errors import UserError
from mrjax.recorder.jax_facts import lasting
from mrjax.runs import atomic, digests, jsonfile, jsonl, ledger, records, result

LEDGER, METRICS = "ledger.jsonl", "metrics.jsonl"
_LOGS = (LEDGER, "leaves.jsonl", METRICS, "timing.jsonl")


class RunFolder:
    """Writes records as long as that is possible; a failure ends the record, not the training.

    Args:
        path: of the folder; made where it is absent.
        settings: content of ``config.json``.
        environment: content of ``environment.json``.
        steps_done: updates that the run resumes after; 0: it begins.
        every: how often a step is recorded.

    Attributes:
        path: of the folder.
        environment: content of ``environment.json``; of a resumed run, that in which it began.
        kept: the records of each log up to `steps_done`.

    Raises:
        UserError: the folder cannot be written, or holds a finished run, a run with other settings,
            or records that end before `steps_done`.
    """

    def __init__(
        self,
        path: Path,
        settings: Mapping[str, Any],
        environment: dict[str, Any],
        *,
        steps_done: int,
        every: int,
    ) -> None:
        """Open the folder; see the class."""
        self.path, self.environment = path, environment
        self.kept: dict[str, list[dict[str, Any]]] = {name: [] for name in _LOGS}
        self._logs: dict[str, jsonl.JsonLines] = {}
        self._broken = False
        try:
            _check(path, settings)
            path.mkdir(parents=True, exist_ok=True)
            if steps_done:
                self._continue(steps_done, every)
            elif (path / LEDGER).exists():
                _put_away(path)
            atomic.write_json(path / records.ENVIRONMENT, self.environment)
            atomic.write_json(path / records.CONFIG, dict(settings))
        except OSError as error:
            raise UserError(
                f"{path} cannot be read or written ({error.strerror}); expected a folder open to "
                "you; choose another"
            ) from error

    def append(self, name: str, record: Mapping[str, Any]) -> None:
        """Write a line of a log; numbers that are not finite become null."""
        finite = {key: _finite(value) for key, value in record.items()}
        self._guard(lambda: self._log(name).append(finite), record["step"])

    def note(self, text: str, step: int) -> None:
        """Record a remark, and say it on stderr, once."""
        notes = self.environment["backend"]["notes"]
        if text not in notes:
            notes.append(text)
            sys.stderr.write(f"note: recorder: {text}\n")
            path = self.path / records.ENVIRONMENT
            self._guard(lambda: atomic.write_json(path, self.environment), step)

    def finish(self, found: Mapping[str, Any]) -> None:
        """Write the result, with digests of what the ledger says of the batches; close the logs."""
        self._guard(lambda: self._write_result(found), found["steps"])
        for log in self._logs.values():
            log.close()

    def _write_result(self, found: Mapping[str, Any]) -> None:
        path = self.path / LEDGER
        lines = ledger.read(path) if path.exists() else []
        batches = np.array([int(line["batch"], 16) for line in lines], np.uint64)
        known = {"batches": batches} if batches.all() else {}  # 0: it was not recorded
        known = known if len(batches) else {}
        order = digests.content({name: value.view(np.int64) for name, value in known.items()})
        ranked = {n: np.sort(value.view(np.int64)) for n, value in known.items()}
        own = {"order": order, "data": digests.content(ranked)}
        result.write(self.path, {**found, "digests": {**found["digests"], **own}})

    def _log(self, name: str) -> jsonl.JsonLines:
        if name not in self._logs:
            self._logs[name] = jsonl.JsonLines(self.path / name)
        return self._logs[name]

    def _guard(self, write: Any, step: int) -> None:
        if self._broken:
            return
        try:
            write()
        except OSError as error:
            self._broken = True
            sys.stderr.write(
                f"note: recorder: {self.path} cannot be written ({error.strerror}); the record "
                f"ends about step {step}, the training goes on\n"
            )

    def _continue(self, steps_done: int, every: int) -> None:
        """Keep the records up to `steps_done` and the environment in which the run began."""
        due = steps_done - steps_done % every
        last = self._cut(steps_done)
        if last is None or last["step"] < due - every:
            raise UserError(
                f"{self.path / LEDGER} ends before step {steps_done}; expected records up to the "
                "checkpoint; resume from an earlier checkpoint or begin again"
            )
        new = self.environment
        old = self.environment = _read(self.path / records.ENVIRONMENT)
        before = [old, *old.get("resumed_with", [])][-1]
        if lasting(before) != lasting(new):
            old.setdefault("resumed_with", []).append(new)
        if last["step"] < due:  # a line is written one step late
            self.note(f"step {due} is not recorded: the process ended before", steps_done)

    def _cut(self, steps_done: int) -> dict[str, Any] | None:
        for name in _LOGS:
            if (self.path / name).exists():
                self._log(name).cut(steps_done)
                self.kept[name] = list(jsonl.read(self.path / name))
        return next(reversed(self.kept[LEDGER]), None)


def settings(config: Any, name: str) -> dict[str, Any]:
    """Return the content of ``config.json``.

    Args:
        config: settings of the training, a dictionary or what argparse returns.
        name: of the experiment.

    Raises:
        UserError: `config` is something else.
    """
    if isinstance(config, argparse.Namespace | types.SimpleNamespace):
        config = vars(config)
    if not isinstance(config, Mapping):
        raise UserError(
            f"config is {type(config).__qualname__}; expected a dictionary; give vars(args) or the "
            "like"
        )
    plain = _plain(dict(config))
    text = json.dumps({"config": plain, "name": name}, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"schema_version": 1, "digest": digest, "config": plain}


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; what JSON lacks becomes text without an address in it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


def _check(path: Path, asked: Mapping[str, Any]) -> None:
    if (path / result.NAME).exists():
        raise UserError(f"{path} holds a finished run; expected a new folder; choose another")
    if (path / records.CONFIG).exists():
        if _read(path / records.CONFIG).get("digest") != asked["digest"]:
            raise UserError(
                f"{path} holds a run with other settings; expected the same; choose another folder"
            )


def _put_away(path: Path) -> None:
    """Move what an interrupted run left into a folder of its own."""
    number = 1
    while (path / f"interrupted-{number}").exists():
        number += 1
    target = path / f"interrupted-{number}"
    target.mkdir()
    for file in list(path.iterdir()):
        if not file.name.startswith("interrupted-"):
            file.replace(target / file.name)
    sys.stderr.write(f"note: recorder: records of an unfinished run are in {target}\n")


def _read(path: Path) -> dict[str, Any]:
    advice = "restore it, or begin again in a new folder"
    return jsonfile.read(path, "that of the run in this folder", advice)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
