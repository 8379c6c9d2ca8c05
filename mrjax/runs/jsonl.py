"""A log of JSON objects, one on each line, that stays readable if its writer is killed.

Each line is a JSON object with an integer ``step``; steps never decrease. A last line without line
feed, which a power failure can leave, is ignored.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mrjax.errors import UserError
from mrjax.runs import jsonfile


class Closing(contextlib.AbstractContextManager):
    """A context manager that gives the object itself and closes it at the end."""

    def close(self) -> None:
        """Release the file."""

    def __exit__(self, *exception: object) -> None:
        """Close the file, whatever happened."""
        self.close()


class JsonLines(Closing):
    """Appends lines to a file.

    Every line goes to the operating system at once, so a killed process loses none. Only `sync`,
    which is slow, guards against a power failure.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open `path` for appending; the file is made if it does not exist.

        An incomplete last line is removed, because a line appended to it could not be read.
        """
        self.path = Path(path)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        self._truncate(_complete(self.path.read_bytes()))

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one line; `record` needs a ``step`` and must hold neither NaN nor infinity."""
        line = json.dumps(dict(record), separators=(",", ":"), allow_nan=False) + "\n"
        rest = memoryview(line.encode("utf-8"))
        while rest:
            rest = rest[os.write(self._file, rest) :]

    def sync(self) -> None:
        """Return when every line is on the disk; call this before a checkpoint is saved."""
        os.fsync(self._file)

    def cut(self, step: int) -> int:
        """Remove the lines after `step`, so that a run resumed there does not write them twice.

        Args:
            step: the last step to keep, that of the checkpoint (0: keep nothing).

        Returns:
            The step of the last line kept; 0 if none is left.
        """
        kept, last = 0, 0
        for record, end in _records(self.path):
            if record["step"] > step:
                break
            kept, last = end, record["step"]
        # The end of the file is cut off by one system call, so a process killed meanwhile leaves
        # either all old lines or exactly those to be kept.
        self._truncate(kept)
        self.sync()
        return last

    def close(self) -> None:
        """Close the file; the object cannot be used afterwards."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _truncate(self, size: int) -> None:
        if os.fstat(self._file).st_size > size:
            os.ftruncate(self._file, size)


def read(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """Yield the records of a log in order, without an incomplete last line.

    Raises:
        UserError: the file cannot be read, or a line is not a JSON object with a ``step``.
    """
    return (record for record, _ in _records(Path(path)))


def _records(path: Path) -> Iterator[tuple[dict[str, Any], int]]:
    """Each record with the byte offset at which its line ends."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); expected a file of JSON lines; "
            "check the run folder"
        ) from error
    end = 0
    for number, line in enumerate(content[: _complete(content)].splitlines(keepends=True), 1):
        end += len(line)
        yield _parsed(path, number, line), end


def _parsed(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = jsonfile.parse(line)
    except ValueError:
        record = None
    if not isinstance(record, dict) or not jsonfile.is_count(record.get("step")):
        raise UserError(
            f"{path} line {number} is damaged; expected a JSON object with an integer step; "
            "restore the file, or remove or move this run folder and run it again"
        )
    return record


def _complete(content: bytes) -> int:
    """Number of bytes up to and including the last line feed."""
    return content.rfind(b"\n") + 1
