"""The file that is read and the file that is written: what is refused before anything starts."""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mrjax.errors import UserError
from mrjax.runs import atomic
from mrjax.sharing import outputs


class Asked(NamedTuple):
    """What the user asks for.

    Attributes:
        input: file to read.
        output: file to write.
        flags: flag -> value, of those that were given.
        trained_on: where the subjects came from that the network was trained with.
    """

    input: Path
    output: Path
    flags: Mapping[str, Any]
    trained_on: str = ""


def check(asked: Asked, endings: Sequence[str]) -> None:
    """Refuse files that cannot be read or must not be written.

    Args:
        asked: the files.
        endings: with which the name of the output may end.

    Raises:
        UserError: for the first problem found.
    """
    given = {k: str(asked.flags[k]) for k in ("input", "mask") if k in asked.flags}
    for name, path in given.items():
        if not os.path.isfile(path):  # noqa: PTH113 is_file raises for odd paths
            raise UserError(f"--{name}={path} is no file; expected one to read; correct the path")
    read = [Path(path) for path in given.values()]
    output = asked.output
    if ending(output, endings) is None:
        raise UserError(
            f"--output={output} has another ending; expected {' or '.join(endings)}; rename it"
        )
    if not os.path.isdir(output.parent):  # noqa: PTH112 is_dir raises for odd paths
        raise UserError(
            f"the folder {output.parent} of --output does not exist; expected one to write into; "
            "make it"
        )
    if os.path.isdir(output):  # noqa: PTH112
        raise UserError(f"--output={output} is a folder; expected a file; add a name")
    with outputs.refusals("output", output):
        outputs.check_folder(output.parent)
    if not os.path.lexists(output):
        return
    if any(os.path.samefile(output, path) for path in read if os.path.exists(output)):  # noqa: PTH110, PTH121
        raise UserError(
            f"--output={output} is the file that is read; expected another one, since it would be "
            "lost; choose another name"
        )
    if not asked.flags.get("overwrite"):
        raise UserError(
            f"--output={output} exists; expected a new file; choose another name, or replace it "
            "with --overwrite"
        )


def ending(path: Path, endings: Sequence[str]) -> str | None:
    """The ending among these that a name has, in any case; None for another one."""
    return next((e for e in endings if path.name.lower().endswith(e)), None)


@contextlib.contextmanager
def whole(path: Path, endings: Sequence[str]) -> Iterator[Path]:
    """Give a temporary file with the ending of `path`; it becomes `path`, whole or not at all.

    Libraries choose a format by the ending, which the name of `mrjax.runs.atomic` lacks.

    Raises:
        UserError: the folder cannot be written.
    """
    with outputs.refusals("output", path), atomic.replacement(path) as temporary:
        staged = temporary.with_name(f"{temporary.name}{ending(path, endings)}")
        try:
            yield staged
            staged.replace(temporary)
        finally:
            staged.unlink(missing_ok=True)
