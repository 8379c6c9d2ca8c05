"""Write a file whole or not at all, whatever kills the process."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def replacement(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path; when the block ends without an error, it becomes `path` in one rename.

    A reader sees the old file or the new one, never a part of it. The content is on the disk before
    the rename, and the rename before the return, so a power failure cannot exchange their order.

    Args:
        path: the file to write; its folder must exist.

    Yields:
        A path in the same folder, to be written and closed inside the block.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        _flush(temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush(target.parent)


def write_bytes(path: str | os.PathLike[str], content: bytes) -> None:
    """Write `content` to `path`, whole or not at all."""
    with replacement(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: str | os.PathLike[str], content: str) -> None:
    """Write `content` to `path` as UTF-8 with the line ends it has, whole or not at all."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: str | os.PathLike[str], content: Any) -> None:
    """Write `content` to `path` as indented JSON, whole or not at all.

    Raises:
        ValueError: a value is NaN or infinite, which JSON cannot express.
    """
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Remove the temporary files that killed writers left in `folder` and below it.

    Only the one process that may write there must call this, because the file of a living writer
    looks the same.
    """
    for leftover in list(Path(folder).rglob(".*.tmp")):
        leftover.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
