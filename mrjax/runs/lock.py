"""One writer a run folder."""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from mrjax.errors import UserError

_UNSUPPORTED = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class Lock:
    """Holds a lock file until `release` or the end of the process, however it ends.

    The operating system drops the lock with the process, so a killed run leaves none behind; the
    file itself stays. File systems without locks (some network ones) are used without.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Take the lock.

        Raises:
            UserError: another process, or another object of this one, holds it.
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
        """Give the lock back; more than once does no harm."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.close(self._file)
        self._file = -1
