"""Child processes: they get this process's signals and do not outlive it.

A run is a process of its own, because XLA's flags hold for a process. A parent that is killed must
not leave its runs behind, because a second start would find their folders in use; nor may it end
before its runs have saved their state. This module imports no JAX.
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

FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_REQUEST = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
if os.getppid() != int(sys.argv[1]):  # the parent died before the request
    os._exit(1)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.exit(f"{sys.argv[2]}: {error.strerror}")
"""


class Ended(NamedTuple):
    """How a child ended.

    Attributes:
        code: exit code; negative where a signal killed the child, as in `subprocess`.
        last: last line that the child wrote to either stream, "" if none.
        signal: first signal forwarded to the child, or None.
        late: whether the child was killed because its time was up.
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

    SIGTERM, SIGHUP and Ctrl-C are forwarded to the child, which then saves and ends; on Linux the
    child is killed when this process is. Outside the main thread signals are not forwarded, because
    only the main thread may handle them. Several children at once need a `Group`.

    Args:
        command: program and arguments.
        environ: the child's environment; None: that of this process.
        on_line: called with each line that is not blank, as soon as the child has written it.

    Returns:
        How the child ended.
    """
    with Group() as group:
        return group.run(command, environ, on_line)


class Group:
    """Children that several threads start and wait for; signals are forwarded to all children.

    The main thread must enter this context, because only it may handle signals. After a signal no
    further child is started. On Linux a child is killed when the thread that started it ends, so
    each `run` stays in the thread that called it.

    Attributes:
        signal: first signal received, or None.
    """

    def __init__(self, grace: float | None = None) -> None:
        """Prepare the group; handlers are installed when the context is entered.

        Args:
            grace: seconds that children have after a signal before they are killed; None: there
                is no limit.
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
            self._before = {s: signal.signal(s, self._forward) for s in heard(FORWARDED)}
        return self

    def __exit__(self, *exception: object) -> None:
        """Restore the earlier handlers and kill children that still run."""
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
            environ: the child's environment; None: that of this process.
            on_line: called with each line that is not blank, as soon as the child has written it.
            patience: seconds after which the child and its own children are killed; None: never.

        Returns:
            How the child ended; after a signal nothing is started, and the command counts as ended
            by it.
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
        """Start a child, unless a signal has arrived."""
        with self._lock:
            if self.signal is not None:
                return None
            process = _popen(command, environ)
            self._told[process] = False
            if self.signal is not None:  # the signal arrived while the child was being started
                self._tell(process, self.signal)
        return process

    def _forward(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.signal = self.signal or number
        with self._lock:
            for process in self._told:
                self._tell(process, number, again=True)
        if self._grace is not None:
            timer = threading.Timer(self._grace, self.kill)
            timer.daemon = True
            timer.start()

    def kill(self) -> None:
        """Kill children that still run, such as a compiler that ignores signals for minutes."""
        with self._lock:
            for process in self._told:
                _kill_session(process)

    def _tell(self, process: subprocess.Popen, number: int, again: bool = False) -> None:
        # A second signal makes a run end at once, so one signal must not be forwarded twice.
        if again or not self._told[process]:
            self._told[process] = True
            process.send_signal(number)


def heard(numbers: Sequence[int]) -> list[int]:
    """Return the signals without SIGHUP where it is ignored: nohup outlives its terminal."""
    ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    return [number for number in numbers if number != signal.SIGHUP or not ignored]


def _popen(command: Sequence[str], environ: Mapping[str, str] | None) -> subprocess.Popen:
    # In a new session, because the terminal's Ctrl-C would otherwise reach the child twice.
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
    """Kill a child and every process that it has started."""
    with contextlib.suppress(ProcessLookupError):  # it has just ended
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _deadline(process: subprocess.Popen, patience: float | None) -> Iterator[threading.Event]:
    """Kill a child's whole session when its time is up; the event tells whether this happened."""
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
    """Pass on the lines that a child writes, and return the last one."""
    last = ""
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip():
            last = line.strip()
            if on_line is not None:
                on_line(line.rstrip())
    return last


def _close(process: subprocess.Popen) -> None:
    """End a child that still runs and close its pipe, whatever ended the wait for it."""
    if process.poll() is None:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _ending_with_parent(command: Sequence[str]) -> list[str]:
    """Return the command in a form that makes Linux kill it when this process ends.

    A small Python program makes this request and then becomes the command. `preexec_fn` would fork
    instead, which is unsafe beside threads, and JAX has some.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _REQUEST, str(os.getpid()), *command]
