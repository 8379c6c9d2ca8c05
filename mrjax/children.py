"""Processes that belong to this one: they are told to stop with it and do not outlive it.

A run is a process of its own, because XLA's flags hold for a process. Whoever starts runs must
neither leave them behind when it is killed (a second start would find their folders in use) nor
end before they have saved what they have. Imports no JAX.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, NamedTuple

FORWARDED = (signal.SIGTERM, signal.SIGINT)
_REQUEST = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
if os.getppid() != int(sys.argv[1]):  # it died before the request
    os._exit(1)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"{sys.argv[2]}: {error.strerror}")
"""


class Ended(NamedTuple):
    """How a child ended.

    Attributes:
        code: exit code; negative where a signal killed it, as in `subprocess`.
        last: last line it wrote to either stream, "" if none.
        signal: first signal forwarded to it, or None.
        late: whether it was killed because it had run for as long as it may.
    """

    code: int
    last: str
    signal: int | None
    late: bool = False


def run(
    command: Sequence[str],
    environ: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Ended:
    """Run a command to its end.

    SIGTERM and Ctrl-C go to the child, which then saves and ends; on Linux it is killed when this
    process is. Called outside the main thread, signals are not forwarded: only the main thread
    may handle them. Several children at once need a `Group`.

    Args:
        command: program and arguments.
        environ: its environment; None: that of this process.
        on_line: called with each line that is not blank, as it comes.

    Returns:
        How it ended.
    """
    with Group() as group:
        return group.run(command, environ, on_line)


class Group:
    """Children that several threads start and wait for; signals go to all of them.

    A context, entered by the main thread, which alone may handle signals. After a signal no
    further child is started. On Linux a child is killed when the thread that started it ends
    without having waited for it, so each `run` stays in the thread that called it.

    Attributes:
        signal: first signal received, or None.
    """

    def __init__(self, grace: float | None = None) -> None:
        """Nothing is installed before the context is entered.

        Args:
            grace: seconds after a signal in which children may end before they are killed; None:
                all the time they want.
        """
        self._grace = grace
        self.signal: int | None = None
        # A signal's handler may interrupt the main thread while it holds the lock.
        self._lock = threading.RLock()
        self._told: dict[subprocess.Popen, bool] = {}
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Group":
        """Install the handlers."""
        if threading.current_thread() is threading.main_thread():
            self._before = {s: signal.signal(s, self._forward) for s in FORWARDED}
        return self

    def __exit__(self, *exception: object) -> None:
        """Put back the handlers found; kill children that still run."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        with self._lock:
            for process in self._told:
                process.kill()

    def run(
        self,
        command: Sequence[str],
        environ: Mapping[str, str] | None = None,
        on_line: Callable[[str], None] | None = None,
        patience: float | None = None,
    ) -> Ended:
        """Run a command to its end, as `mrjax.children.run` does; any thread may call this.

        Args:
            command: program and arguments.
            environ: its environment; None: that of this process.
            on_line: called with each line that is not blank, as it comes.
            patience: seconds after which it is killed with all it has started; None: never.

        Returns:
            How it ended; after a signal nothing is started, and the command counts as ended by it.
        """
        process = self._start(command, environ)
        if process is None:
            return Ended(-(self.signal or 0), "", self.signal)
        try:
            with _deadline(process, patience) as late:
                last = _follow(process, on_line)
                return Ended(process.wait(), last, self.signal, late.is_set())
        finally:
            with self._lock:
                del self._told[process]
            _close(process)

    def _start(
        self, command: Sequence[str], environ: Mapping[str, str] | None
    ) -> subprocess.Popen | None:
        """Start a child unless a signal has come."""
        with self._lock:
            if self.signal is not None:
                return None
            process = _popen(command, environ)
            self._told[process] = False
            if self.signal is not None:  # it came while the child was being started
                self._tell(process, self.signal)
        return process

    def _forward(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.signal = self.signal or number
        with self._lock:
            for process in self._told:
                self._tell(process, number, again=True)
        if self._grace is not None:
            timer = threading.Timer(self._grace, self._kill)
            timer.daemon = True
            timer.start()

    def _kill(self) -> None:
        """End what has not heeded a signal: a compiler heeds none for minutes."""
        with self._lock:
            for process in self._told:
                _kill_session(process)

    def _tell(self, process: subprocess.Popen, number: int, again: bool = False) -> None:
        # A second signal means "now" to a run, so one signal must not arrive twice.
        if again or not self._told[process]:
            self._told[process] = True
            process.send_signal(number)


def _popen(command: Sequence[str], environ: Mapping[str, str] | None) -> subprocess.Popen:
    # A session of its own: the terminal's Ctrl-C would reach the child twice.
    return subprocess.Popen(
        _ending_with_parent(command),
        env=None if environ is None else dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )


def _kill_session(process: subprocess.Popen) -> None:
    """Kill a child with all that it has started."""
    with contextlib.suppress(ProcessLookupError):  # it has just ended
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _deadline(process: subprocess.Popen, patience: float | None) -> Iterator[threading.Event]:
    """Kill a child's whole session when its time is up; the event says that this was done."""
    late = threading.Event()

    def kill() -> None:
        late.set()
        _kill_session(process)

    timer = threading.Timer(patience or 0, kill)
    timer.daemon = True
    if patience is not None:
        timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def _follow(process: subprocess.Popen, on_line: Callable[[str], None] | None) -> str:
    """Hand on what a child writes; its last line."""
    last = ""
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip():
            last = line.strip()
            if on_line is not None:
                on_line(last)
    return last


def _close(process: subprocess.Popen) -> None:
    """Leave nothing of a child behind, whatever ended the wait for it."""
    if process.poll() is None:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _ending_with_parent(command: Sequence[str]) -> list[str]:
    """The command, told by Linux to die with this process before it starts.

    A small Python makes the request and then becomes the program. `preexec_fn` would fork instead,
    which is unsafe beside threads, and JAX has some.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _REQUEST, str(os.getpid()), *command]
