"""Processes that belong to this one: they are told to stop with it and do not outlive it.

A run is a process of its own, because XLA's flags hold for a process. Whoever starts runs must
neither leave them behind when it is killed (a second start would find their folders in use) nor
end before they have saved what they have. Imports no JAX.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any, NamedTuple

FORWARDED = (signal.SIGTERM, signal.SIGINT)
_PR_SET_PDEATHSIG = 1


class Ended(NamedTuple):
    """How a child ended.

    Attributes:
        code: exit code; negative where a signal killed it, as in `subprocess`.
        last: last line it wrote to either stream, "" if none.
        signal: first signal forwarded to it, or None.
    """

    code: int
    last: str
    signal: int | None


def run(
    command: Sequence[str],
    environ: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Ended:
    """Run a command to its end.

    SIGTERM and Ctrl-C go to the child, which then saves and ends; on Linux it is killed when this
    process is. Called outside the main thread, signals are not forwarded: only the main thread
    may handle them.

    Args:
        command: program and arguments.
        environ: its environment; None: that of this process.
        on_line: called with each line that is not blank, as it comes.

    Returns:
        How it ended.
    """
    # A session of its own: the terminal's Ctrl-C would reach the child twice.
    process = subprocess.Popen(
        command,
        env=None if environ is None else dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        preexec_fn=_end_with_parent(),
    )
    last = ""
    with _Forward(process) as forward:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip():
                last = line.strip()
                if on_line is not None:
                    on_line(last)
        code = process.wait()
    return Ended(code, last, forward.signal)


def _end_with_parent() -> Callable[[], None] | None:
    """What the child does before its program starts: ask Linux to be killed with its parent."""
    if sys.platform != "linux":
        return None
    libc, parent = ctypes.CDLL(None), os.getpid()

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the request
            os._exit(1)

    return prepare


class _Forward:
    """Context in which SIGTERM and SIGINT go to a process."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.signal: int | None = None
        self._process = process
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "_Forward":
        if threading.current_thread() is threading.main_thread():
            self._before = {s: signal.signal(s, self._send) for s in FORWARDED}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _send(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.signal = self.signal or number
        self._process.send_signal(number)
