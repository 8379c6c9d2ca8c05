"""A run of several processes: this one starts its members on this machine and waits for them.

A member that loses another one is ended by XLA with long messages. This process shows what process
0 writes, and of all others only why they failed, each line once. Members on other machines are
started there, by the user or by a cluster, each by a process like this one.
"""

import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

from mrjax import children
from mrjax.backend.team import GONE
from mrjax.command.sweeps import program
from mrjax.config import RunConfig

_MEMBER = "MRJAX_MEMBER"
_CLUSTERS = {"SLURM_PROCID": "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_RANK": "OMPI_COMM_WORLD_SIZE"}
"""Variable with the number of a process that a cluster has started -> one with their count."""
_LOCAL = ("SLURM_LOCALID", "OMPI_COMM_WORLD_LOCAL_RANK")
_NOISE = re.compile(
    r"\[Gloo\]|[EFIW]\d{4} \d\d:\d\d:\d\d|Additional GRPC error|:[A-Z]+:Error received"
    r"|\*\*\* Check failure stack trace|\s*@ +0x[0-9a-f]+ "
)
_GRACE = 20.0
"""Seconds that the others have to end by themselves once one has failed."""


def is_member() -> bool:
    """Whether this process is one of several, started by `run`."""
    return _MEMBER in os.environ


def leave(code: int) -> NoReturn:
    """End a process; one that has failed does not wait for the others, as JAX would."""
    if code and is_member():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def run(config: RunConfig, argv: Sequence[str], environ: Mapping[str, str]) -> int:
    """Start the members of a run on this machine, and wait for them.

    Args:
        config: checked configuration.
        argv: flags of the run.
        environ: the environment.

    Returns:
        Exit code: 0 where all have finished, else that of the first member that failed for a
        reason of its own.
    """
    watch, first = _Watch(), _first(config, environ)
    members = [[*program(), *argv, *more] for more in _flags_of_members(config, environ)]
    with children.Group() as group, ThreadPoolExecutor(len(members)) as pool:
        ends = [
            pool.submit(_member, group, command, {**environ, _MEMBER: "1"}, watch.lines(i == 0))
            for i, command in enumerate(members, first)
        ]
        for end in ends:
            end.add_done_callback(lambda end: end.result().code and watch.failed(group))
        found = [end.result() for end in ends]
    watch.calm()
    return _code(found, watch, first)


def _member(
    group: children.Group, command: Sequence[str], environ: Mapping[str, str], on_line
) -> children.Ended:
    return group.run(command, environ, on_line)


def _flags_of_members(config: RunConfig, environ: Mapping[str, str]) -> list[list[str]]:
    """Return what each member on this machine needs besides the flags of the run."""
    if config.coordinator:
        return [[]]
    if any(environ.get(count) == str(config.processes) for count in _CLUSTERS.values()):
        local = next((int(environ[name]) for name in _LOCAL if name in environ), 0)
        return [_device(config, local)]
    where = f"--coordinator=127.0.0.1:{free_port()}"
    return [[where, f"--process_id={i}", *_device(config, i)] for i in range(config.processes)]


def _first(config: RunConfig, environ: Mapping[str, str]) -> int:
    """Return the number, among all processes of the run, of the first one started here."""
    if config.coordinator:
        return config.process_id or 0
    counted = (n for n, count in _CLUSTERS.items() if environ.get(count) == str(config.processes))
    return next((int(environ[name]) for name in counted if name in environ), 0)


def _device(config: RunConfig, local: int) -> list[str]:
    """Give each process of a machine GPUs of its own."""
    first = config.device_index + local * config.devices
    return [] if config.platform == "cpu" or not local else [f"--device_index={first}"]


def free_port() -> int:
    """Return a port of this machine that nothing listens to."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class _Watch:
    """What the members write, and what becomes of the others once one has failed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self.errors: list[str] = []

    def lines(self, leads: bool):
        """Return what is done with each line of a member."""

        def on_line(line: str) -> None:
            if line.startswith("error: "):
                self._keep(line)
            elif leads and not _NOISE.match(line):
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()

        return on_line

    def failed(self, group: children.Group) -> None:
        """Kill those that still run after a while."""
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(_GRACE, group.kill)
                self._timer.daemon = True
                self._timer.start()

    def calm(self) -> None:
        """Forget to kill."""
        if self._timer is not None:
            self._timer.cancel()

    def _keep(self, line: str) -> None:
        with self._lock:
            if line not in self.errors:
                self.errors.append(line)


def _code(found: Sequence[children.Ended], watch: _Watch, first: int) -> int:
    """Say why the run failed, in one line for each reason; return its exit code."""
    own = [line for line in watch.errors if GONE not in line]
    for line in own:
        sys.stderr.write(f"{line}\n")
    codes = [end.code for end in found if end.code]
    if not codes:
        return 0
    if not own:
        sys.stderr.write(f"{_reason(found, watch, first)}\n")
    asked = next((end.signal for end in found if end.signal), None)
    # A member that lost another one has 1.
    return 128 + asked if asked else next((code for code in codes if code > 1), 1)


def _reason(found: Sequence[children.Ended], watch: _Watch, first: int) -> str:
    if any(end.signal for end in found):
        return "stopped; the same command goes on from there"
    # XLA aborts a process that has lost process 0.
    killed = [
        (i, -end.code) for i, end in enumerate(found, first) if -end.code not in (0, signal.SIGABRT)
    ]
    by = [f"process {i} was ended by {signal.Signals(n).name}" for i, n in killed if n > 0]
    if not by and watch.errors:
        return watch.errors[0]
    return (
        f"error: {by[0] if by else GONE}, so all processes of this run have ended; what is saved "
        "is whole; start all again, and they go on from the last checkpoint"
    )
