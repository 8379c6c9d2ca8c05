"""The lock by which only one process at a time writes to a run folder."""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from mrjax.errors import UserError

_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class Lock:
    """Holds a lock file until `release` or the end of the process, however it ends.

    The operating system releases the lock when the process ends, so a killed run leaves no lock,
    only the file. Where the file system has no locks, as some network file systems,
    there is no protection.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Take the lock.

        Raises:
            UserError: another process, or another `Lock` of this process, holds the lock.
            OSError: the file cannot be opened.
        """
        self.path = Path(path)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            self._take()
        except BaseException:
            self.release()
            raise
        os.ftruncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())

    def _take(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._file, 20).decode(errors="replace").strip() or "unknown"
            raise UserError(
                f"{self.path.parent} is being written by process {holder}; expected one process "
                "a run; wait for it or choose another --workdir"
            ) from None
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise

    def release(self) -> None:
        """Release the lock; a second call has no effect."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.close(self._file)
        self._file = -1
