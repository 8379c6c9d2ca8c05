"""The folder of an export: it appears whole or not at all."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from mrjax.errors import UserError


def check(output: Path) -> None:
    """Raise UserError unless a folder can be written there: it is absent or empty."""
    try:
        there = os.path.lexists(output)
        if not there or (output.is_dir() and not output.is_symlink() and not any(output.iterdir())):
            return
    except OSError as error:
        raise _refused(output, error) from error
    raise UserError(
        f"--output={output} exists and is no empty folder; expected a new folder; name another"
    )


def write(output: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder beside its place and then rename it.

    Args:
        output: the folder, absent or empty.
        files: path below the folder -> content.

    Raises:
        UserError: the folder is there already, or cannot be written.
    """
    check(output)
    place = Path(os.path.abspath(output))  # noqa: PTH100 resolve() would follow a link
    temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        for name, content in files.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            with (temporary / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(place)
    except OSError as error:
        raise _refused(output, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _refused(output: Path, error: OSError) -> UserError:
    return UserError(
        f"--output={output} cannot be written ({error.strerror}); expected a new folder where you "
        "may write; name another"
    )
