"""A log of JSON objects, one a line, that a killed writer leaves readable.

Each line is a JSON object with an integer ``step``; steps never decrease. A line counts once its
line feed is there: a last line without one is what a power failure leaves, and is ignored.
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
    """A context manager that closes itself at the end; entering gives the object."""

    def close(self) -> None:
        """Release what the object holds."""

    def __exit__(self, *exception: object) -> None:
        """Close, whatever happened."""
        self.close()


class JsonLines(Closing):
    """Appends lines to a file.

    Every line goes to the operating system at once, so a killed process loses none; only
    `sync` guards against a power failure, because it is slow.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open `path` for appending; it comes into being where it is absent.

        A torn last line is removed, because a line appended to it would be lost with it.
        """
        self.path = Path(path)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        self._truncate(_complete(self.path.read_bytes()))

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one line; `record` needs a ``step`` and must not hold NaN or infinity."""
        line = json.dumps(dict(record), separators=(",", ":"), allow_nan=False) + "\n"
        rest = memoryview(line.encode("utf-8"))
        while rest:
            rest = rest[os.write(self._file, rest) :]

    def sync(self) -> None:
        """Return when every line is on the disk; to be called before a checkpoint is saved."""
        os.fsync(self._file)

    def cut(self, step: int) -> int:
        """Drop the lines after `step`, so that a run resumed there writes them once.

        Args:
            step: the last step to keep, that of the checkpoint (0: keep nothing).

        Returns:
            The step of the last line kept, 0 where none is left.
        """
        kept, last = 0, 0
        for record, end in _records(self.path):
            if record["step"] > step:
                break
            kept, last = end, record["step"]
        # Kept lines are the file's beginning, and cutting its end is one system call: a kill
        # leaves all of the old lines or exactly the kept ones.
        self._truncate(kept)
        self.sync()
        return last

    def close(self) -> None:
        """Close the file; the object is of no use afterwards."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def _truncate(self, size: int) -> None:
        if os.fstat(self._file).st_size > size:
            os.ftruncate(self._file, size)


def read(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """Yield the records of a log, in order, without a torn last line.

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
    """Size of the part that ends with the last line feed."""
    return content.rfind(b"\n") + 1
