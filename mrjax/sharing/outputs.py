"""A file that a command writes at its end: what cannot be written is refused at its start."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mrjax.command.exits import DISK, number_of
from mrjax.errors import UserError

_OF_THE_DISK = DISK - {errno.EROFS}
"""What `mrjax.command.exits` says; another path mends a file system that is read-only."""


def check_new(flag: str, path: Path) -> None:
    """Refuse a file that exists or cannot be made, before hours are spent on its content.

    Raises:
        UserError: for such a path.
    """
    with refusals(flag, path):
        try:
            path.lstat()
        except FileNotFoundError:
            check_folder(path.absolute().parent)
            return
    raise UserError(
        f"--{flag}={path} exists; expected a new file, since it would be lost; name another"
    )


def check_folder(folder: Path) -> None:
    """Make a file without a name in a folder.

    Raises:
        OSError: no file can be made there.
    """
    with tempfile.TemporaryFile(dir=folder):
        pass


@contextlib.contextmanager
def refusals(flag: str, path: Path) -> Iterator[None]:
    """Turn what the file system refuses into the user's mistake."""
    try:
        yield
    except OSError as error:
        number = number_of(error)
        if number is None or number in _OF_THE_DISK:
            raise
        raise UserError(
            f"--{flag}={path} cannot be written ({os.strerror(number)}); expected a file in a "
            "folder that exists and is open to you; name another"
        ) from error
