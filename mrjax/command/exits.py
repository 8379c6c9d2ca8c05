"""From an error to an exit code and one line: the only such wrapper."""

import errno
import os
import re
import sys
import warnings
from collections.abc import Callable

from mrjax.command import streams
from mrjax.errors import RunFailed, UserError

DISK = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG}
"""What a disk, or a limit of the size of files, can do wrong.

Neither is a mistake of the user or of the program.
"""
_UNNUMBERED = re.compile(r"errno = (\d+)|requested and \d+ written|encoder error")


def exit_code(action: Callable[[], int]) -> int:
    """Run a program and turn the errors it may end with into one line on stderr.

    Args:
        action: the program; it returns its exit code.

    Returns:
        The program's code; 2 for a UserError, 1 for a RunFailed or a disk that refuses, 130 for an
        interrupt.

    Raises:
        Exception: any other error is a defect of the program, which needs its traceback.
    """
    streams.prepare()
    _calm()
    try:
        return action()
    except UserError as error:
        return _complain(error, 2)
    except RunFailed as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except Warning as warning:
        return _complain(
            f"a warning was made an error ({type(warning).__name__}: {warning}); expected warnings "
            "to be shown; drop -W error",
            2,
        )
    except OSError as error:
        number = number_of(error)
        if number not in DISK:
            raise
        advice = "raise the limit (ulimit -f)" if number == errno.EFBIG else "make room"
        return _complain(
            f"{error.filename or 'a file'} could not be written ({os.strerror(number)}); what was "
            f"finished is safe; {advice} and repeat the command",
            1,
        )


def number_of(error: OSError) -> int | None:
    """Return the number of an error, which HDF5 only gives in its text, and numpy and PIL not."""
    if error.errno is None and (found := _UNNUMBERED.search(str(error))):
        return int(found[1] or errno.EIO)
    return error.errno


def _calm() -> None:
    """Let no warning of a library end a run of days: PYTHONWARNINGS=error is not used.

    ``-W error``, which holds for one command, stays.
    """
    asked = os.environ.get("PYTHONWARNINGS", "")
    actions = [part.split(":")[0].strip() for part in asked.split(",")]
    if not any(action and "error".startswith(action) for action in actions):
        return
    del os.environ["PYTHONWARNINGS"]
    warnings.resetwarnings()
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", category)  # as Python begins
    sys.stderr.write(f"note: PYTHONWARNINGS={asked} of the environment is not used\n")


def _complain(message: object, code: int) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"error: {' '.join(str(message).split())}\n")
    return code
