"""Standard streams that cannot end a program: closed ones, readers that go away, any encoding.

A run of days must not be lost because a terminal was closed or because ``| head`` had read enough.
"""

import contextlib
import io
import os
import select
import sys
from typing import Any

_NAMES = ("stdin", "stdout", "stderr")


def prepare() -> None:
    """Make the standard streams of this process safe to write to, whatever they lead to.

    A closed descriptor leads to the null device afterwards; otherwise the next file that is opened
    would get its number, and XLA would write its messages into that file. Characters that the
    encoding of a stream lacks are written as escapes. Streams that someone has replaced, as
    notebooks and tests do, stay as they are.
    """
    for number in range(len(_NAMES)):
        _open(number)
    for name in _NAMES[1:]:
        stream = getattr(sys, name)
        if stream is getattr(sys, f"__{name}__"):
            setattr(sys, name, _steady(_NAMES.index(name), stream))


def _open(number: int) -> None:
    """Let a closed descriptor lead to the null device."""
    try:
        os.fstat(number)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, number)
        if null != number:
            os.close(null)


class _Steady(io.FileIO):
    """A descriptor to write to; when it refuses, all further output goes to the null device."""

    def write(self, content: Any, /) -> int:
        """Write everything, and wait for a reader that is slow."""
        rest = memoryview(content).cast("B")
        size = len(rest)
        try:
            while rest:
                done = super().write(rest)
                if done is None:  # another program made the terminal non-blocking, and it is full
                    select.select([], [self], [])
                rest = rest[done or 0 :]
        except OSError as error:
            _give_up(self.fileno(), error)
        return size


def _give_up(number: int, error: OSError) -> None:
    """Drop what a stream would still get; of a disk, which is no reader, say so."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)
    if number == 1 and not isinstance(error, BrokenPipeError):
        sys.stderr.write(f"note: standard output cannot be written ({error.strerror})\n")


def _steady(number: int, stream: Any) -> io.TextIOWrapper:
    raw = _Steady(number if stream is None else stream.fileno(), "w", closefd=False)
    if stream is None:
        return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "backslashreplace")
    with contextlib.suppress(OSError):
        stream.flush()
    # Without a buffer (python -u) text goes to the descriptor itself, as in Python's own streams.
    buffer: Any = raw if stream.write_through else io.BufferedWriter(raw)
    return io.TextIOWrapper(
        buffer,
        stream.encoding,
        "backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
