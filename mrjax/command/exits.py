"""From an error to an exit code and one line: the only such wrapper."""

import errno
import sys
from collections.abc import Callable

from mrjax.errors import RunFailed, UserError

_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}
"""What a disk can do wrong without a mistake of the user or of the program."""


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
    try:
        return action()
    except UserError as error:
        return _complain(error, 2)
    except RunFailed as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    except OSError as error:
        if error.errno not in _DISK:
            raise
        return _complain(
            f"{error.filename or 'a file'} could not be written ({error.strerror}); what was "
            "finished is safe; make room and repeat the command",
            1,
        )


def _complain(message: object, code: int) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"error: {' '.join(str(message).split())}\n")
    return code
