"""Runs on this machine: a thread for each slot, a process for each run."""

import datetime
import os
import platform
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from mrjax import children
from mrjax.config import COMPILED
from mrjax.study import directory
from mrjax.study.launch import programs
from mrjax.study.launch.progress import Failure, Progress, duration
from mrjax.study.launch.queue import Queue
from mrjax.study.plan.machine import visible_gpus
from mrjax.study.records import Run, Study


@dataclass(frozen=True, kw_only=True)
class Slots:
    """How much of this machine a study may take.

    Attributes:
        number: runs at the same time.
        cpu_threads: CPU threads of each run; 0 leaves that to the run. It is recorded with the
            run, and can change its bits.
        allow_mixed: go on with unfinished runs although code or environment changed.
        compiled: folder of compiled programs that the runs share; "" for none.
    """

    number: int = 1
    cpu_threads: int = 0
    allow_mixed: bool = False
    compiled: str = ""


def launch(study_dir: Path, study: Study, runs: Sequence[Run], slots: Slots) -> int:
    """Do all runs that are not finished.

    SIGTERM and Ctrl-C go to the runs under way, which save what they have. A run that fails does
    not stop the others.

    Args:
        study_dir: the study.
        study: its plan.
        runs: that are to be done, in their order.
        slots: how many at a time.

    Returns:
        0 if all finished, 1 if some did not, 128 + n when signal n ended it.
    """
    queue = Queue(runs, lambda workdir: directory.finished(study_dir, workdir))
    with children.Group() as group:
        work = _Work(study_dir, study, slots, queue, group, Progress(len(runs)))
        with ThreadPoolExecutor(max_workers=min(slots.number, len(runs))) as pool:
            threads = [pool.submit(work.through, slot) for slot in range(slots.number)]
        for thread in threads:
            thread.result()  # a defect in a thread must not pass unseen
        if group.signal is not None:
            work.progress.say(
                f"stopped by signal {group.signal}; the same command goes on from there"
            )
            return 128 + group.signal
    failures = [*work.failures, *queue.left()]
    work.progress.summary(failures, study_dir)
    return 1 if failures else 0


@dataclass
class _Work:
    """What the slots share."""

    study_dir: Path
    study: Study
    slots: Slots
    queue: Queue
    group: children.Group
    progress: Progress
    failures: list[Failure] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def through(self, slot: int) -> None:
        """Do one run after the other, until there is none left or a signal came."""
        while (run := self.queue.take()) is not None:
            try:
                began = time.monotonic()
                ended = self._do(run, slot)
            finally:
                self.queue.give_back(run)
            if self.group.signal is not None:
                self.queue.close()
                return
            self._report(run, ended, time.monotonic() - began)

    def _do(self, run: Run, slot: int) -> children.Ended:
        command = programs.command(
            self.study_dir, self.study, run, allow_mixed=self.slots.allow_mixed
        )
        log = self.study_dir / run.log
        log.parent.mkdir(exist_ok=True)
        with log.open("a", encoding="utf-8", buffering=1) as file:
            now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            file.write(f"# {now} host {platform.node()} slot {slot}\n")
            own = environment(os.environ, self.study.platform, slot, self.slots)
            try:
                return self.group.run(command, own, _writer(file))
            except OSError as error:  # no such program
                file.write(f"{command[0]}: {error.strerror}\n")
                return children.Ended(127, f"{command[0]}: {error.strerror}", None)

    def _report(self, run: Run, ended: children.Ended, seconds: float) -> None:
        with self.lock:
            if directory.finished(self.study_dir, run.workdir):
                self.progress.ended(run, f"done ({duration(seconds)})")
                return
            how = f"exit code {ended.code}" if ended.code else "no result.json"
            self.failures.append(Failure(run, f"{how}: {ended.last or '(no output)'}"))
            self.progress.ended(run, f"FAILED ({how})")


def _writer(file: TextIO) -> Callable[[str], None]:
    def write(line: str) -> None:
        file.write(line + "\n")

    return write


def environment(environ: Mapping[str, str], kind: str, slot: int, slots: Slots) -> dict[str, str]:
    """Environment of a run in a slot: a GPU of its own, and as many threads as asked for.

    Args:
        environ: of this process.
        kind: "cpu" or "gpu".
        slot: counted from 0.
        slots: all of them.
    """
    own = {name: value for name, value in environ.items() if name != COMPILED}
    if slots.compiled:
        own[COMPILED] = slots.compiled
    gpus = visible_gpus() if kind == "gpu" and slots.number > 1 else ()
    if gpus:
        own["CUDA_VISIBLE_DEVICES"] = gpus[slot % len(gpus)]
    if gpus and slots.number > len(gpus):
        # By default JAX takes three quarters of a GPU when it starts: too much to share it.
        own.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if slots.cpu_threads:
        # JAX reads the first variable, PyTorch the second.
        own["NPROC"] = own["OMP_NUM_THREADS"] = str(slots.cpu_threads)
    return own
