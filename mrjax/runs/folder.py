"""The run folder: where its files are, and how it is opened without harm to an earlier run."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from mrjax.errors import UserError
from mrjax.runs import atomic, records, result
from mrjax.runs.lock import Lock
from mrjax.runs.records import Request

State = Literal["new", "unfinished", "finished"]

_LOCK = ".lock"
# Files that can be there without config.json, because the process that began the run was killed.
_BEFORE_CONFIG = {_LOCK, records.FLAGS, records.ENVIRONMENT}


@dataclasses.dataclass
class RunFolder:
    """Paths of a run, and the right to write there until `close` is called.

    Attributes:
        path: the folder.
        lock: held by the one process that writes; None for reading.
    """

    path: Path
    lock: Lock | None = None

    @property
    def flags(self) -> Path:
        """Flags that repeat the run, for ``--flagfile``."""
        return self.path / records.FLAGS

    @property
    def config(self) -> Path:
        """Settings and their digest."""
        return self.path / records.CONFIG

    @property
    def environment(self) -> Path:
        """Where, and with which software and code, the run was computed."""
        return self.path / records.ENVIRONMENT

    @property
    def ledger(self) -> Path:
        """Digests of every step (`mrjax.runs.ledger`)."""
        return self.path / "ledger.jsonl"

    @property
    def timing(self) -> Path:
        """Seconds of every step, kept out of the ledger because they differ from run to run."""
        return self.path / "timing.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def images(self) -> Path:
        """Folder of figures for people."""
        return self.path / "images"

    @property
    def predictions(self) -> Path:
        """Folder of the network's outputs for programs."""
        return self.path / "predictions"

    @property
    def regions(self) -> Path:
        """Means of regions, where the held-out subjects have any."""
        return self.path / "regions.csv"

    @property
    def result(self) -> Path:
        """What the run found, written last (`mrjax.runs.result`)."""
        return self.path / result.NAME

    @property
    def finished(self) -> bool:
        """Whether the run is finished, which is whether its result exists."""
        return os.path.isfile(self.result)  # noqa: PTH113 is_file raises for odd paths

    def close(self) -> None:
        """Let another process write here."""
        if self.lock is not None:
            self.lock.release()
        self.lock = None

    def __enter__(self) -> Self:
        """Return the folder itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Let another process write here."""
        self.close()


def open_run(
    path: str | os.PathLike[str],
    *,
    flags_text: str,
    config: Mapping[str, Any],
    config_digest: str,
    environment: Mapping[str, Any],
    resume: bool,
    allow_mixed: bool,
) -> tuple[RunFolder, State]:
    """Open a run folder for writing, or find that its run is finished.

    While the caller keeps the returned folder open, no other process can write to it.

    Args:
        path: the folder; it is made, with its parents, if it does not exist.
        flags_text: content of ``flags.txt``.
        config: all settings, as JSON.
        config_digest: digest of the settings that define the run.
        environment: from `mrjax.runs.environment.capture`.
        resume: whether a run found in the folder may be continued or returned.
        allow_mixed: whether this is allowed even if code or environment differ; each such
            environment is added to ``environment.json`` under ``resumed_with``.

    Returns:
        The folder, and "new" (it holds the records of the run and nothing else), "unfinished" (the
        run goes on from its latest checkpoint) or "finished" (it has a result; nothing was
        changed).

    Raises:
        UserError: the folder is a file, is not writable or is in use; or it holds something other
            than this run, or a run with other code or in another environment.
    """
    folder = RunFolder(Path(path))
    asked = Request(flags_text, config, config_digest, environment, resume, allow_mixed)
    if folder.finished:
        records.check(folder.path, asked)
        return folder, "finished"
    try:
        _take(folder)
        return folder, _start(folder, asked)
    except OSError as error:
        folder.close()
        raise UserError(
            f"{folder.path} is not writable ({error.strerror}); expected a folder to write the "
            "run to; choose another --workdir"
        ) from error
    except BaseException:
        folder.close()
        raise


def _take(folder: RunFolder) -> None:
    """Make the folder and lock it."""
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(
            f"{folder.path} is a file or lies below one; expected a folder; choose another "
            "--workdir"
        ) from None
    folder.lock = Lock(folder.path / _LOCK)


def _start(folder: RunFolder, asked: Request) -> State:
    """Continue or begin the run in a folder that this process has locked."""
    atomic.remove_leftovers(folder.path)
    state: State = "new"
    if folder.config.is_file():
        differing = records.check(folder.path, asked)
        # Another process may have finished the run before this one took the lock.
        state = "finished" if folder.finished else "unfinished"
        if differing and state == "unfinished":
            records.add_environment(folder.path, asked)
    else:
        _check_empty(folder)
        records.write(folder.path, asked)
    for directory in (folder.checkpoints, folder.images, folder.predictions):
        directory.mkdir(exist_ok=True)
    return state


def _check_empty(folder: RunFolder) -> None:
    names = {entry.name for entry in folder.path.iterdir()} - _BEFORE_CONFIG
    if names:
        raise UserError(
            f"{folder.path} holds {min(names)} but no config.json, so no run; expected an empty "
            "folder or a run; choose another --workdir"
        )
