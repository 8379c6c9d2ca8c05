"""Runs through Slurm: a throttled job array for each class of resources.

Task i of an array does line i of a list of runs. A run is never submitted while it is queued or
once it is finished, so the same command may be repeated at any time; a task that was cancelled,
preempted or out of time is submitted again and goes on from its last checkpoint.
"""

import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mrjax.config import COMPILED
from mrjax.errors import RunFailed, UserError
from mrjax.study import directory
from mrjax.study.launch import programs, scheduler
from mrjax.study.launch.progress import Failure, Progress
from mrjax.study.launch.resources import DEFAULT, Resource
from mrjax.study.records import Run, Study

LONGEST_ARRAY = 1000
"""Tasks in one array: Slurm's usual limit is 1001."""

FOLDER = "slurm"
_PATIENCE = 30
_SUBMITTED = "submitted.jsonl"

_SCRIPT = """#!/bin/bash
# Written by experiments.study run; submitted by:
#   {command}
IFS=$'\\t' read -r workdir requires log command < <(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {runs})
[ -e "$workdir/result.json" ] && exit 0
exec >>"$log" 2>&1
printf '# %s host %s job %s\\n' "$(date -u +%FT%T+00:00)" "$(hostname)" \\
  "${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
if [ "$requires" != - ] && [ ! -e "$requires/result.json" ]; then
  echo "error: waits for $requires, which is not finished"
  exit 1
fi
export {variable}={compiled}
# The run takes this shell's place, so that Slurm's SIGTERM reaches it and it can save.
eval "exec $command"
"""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """How a study uses a cluster.

    Attributes:
        resources: classes by name.
        throttle: tasks of an array at the same time.
        wait: stay until the queue is empty.
        poll: time between two looks at the queue [s].
        allow_mixed: go on with unfinished runs although code or environment changed.
        compiled: folder of compiled programs that the runs share; "" for none.
    """

    resources: Mapping[str, Resource]
    throttle: int = 50
    wait: bool = False
    poll: float = 10.0
    allow_mixed: bool = False
    compiled: str = ""


def launch(study_dir: Path, study: Study, runs: Sequence[Run], cluster: Cluster) -> int:
    """Submit all runs that are neither finished nor queued.

    Args:
        study_dir: the study, on a file system that the nodes share.
        study: its plan.
        runs: the unfinished runs, in their order.
        cluster: the options of Slurm.

    Returns:
        0, or, after waiting, 1 if runs did not finish.

    Raises:
        UserError: an arm names a class of resources that is not defined.
        RunFailed: Slurm refuses.
    """
    _check(study, runs, cluster)
    scheduler.require()
    submission = _Submission(study_dir.absolute(), study, cluster)
    progress = Progress(len(runs))
    waiting = submission.waiting()
    new = [run for run in runs if run.workdir not in waiting]
    if waiting:
        progress.say(f"{len(runs) - len(new)} runs are queued already")
    for job, size, resource in submission.submit(new, waiting):
        progress.say(f"job {job}: {size} runs, resource {resource}")
    if not cluster.wait:
        return 0
    try:
        return _wait(study_dir, runs, submission, cluster.poll, progress)
    except KeyboardInterrupt:
        progress.say("the jobs that were submitted go on")
        raise


def _check(study: Study, runs: Sequence[Run], cluster: Cluster) -> None:
    for name in sorted({study.arm(run.arm).resource or DEFAULT for run in runs}):
        if name not in cluster.resources:
            raise UserError(
                f"an arm needs resource {name}, which is not defined; expected one of "
                f'{", ".join(cluster.resources)}; give --resource="{name}: --partition=..."'
            )


def _wait(
    study_dir: Path, runs: Sequence[Run], submission: "_Submission", poll: float, progress: Progress
) -> int:
    """Stay until no run is queued; say what finished and what did not."""
    left = list(runs)
    while True:
        # Asked before looking at the runs: a run that has left the queue has ended.
        waiting = _asked(submission, poll, progress)
        for run in [run for run in left if directory.finished(study_dir, run.workdir)]:
            left.remove(run)
            progress.ended(run, "done")
        if not any(run.workdir in waiting for run in left):
            break
        time.sleep(poll)
    failures = [Failure(run, directory.last_line(study_dir, run) or "(no output)") for run in left]
    progress.summary(failures, study_dir)
    return 1 if failures else 0


def _asked(submission: "_Submission", poll: float, progress: Progress) -> dict[str, str]:
    """What is queued; a controller that does not answer is asked again for a while."""
    for _ in range(_PATIENCE):
        try:
            return submission.waiting()
        except RunFailed as error:
            progress.say(f"note: {error}")
            time.sleep(poll)
    return submission.waiting()


class _Submission:
    """What was submitted of a study, and submitting more."""

    def __init__(self, root: Path, study: Study, cluster: Cluster) -> None:
        self._root, self._study, self._cluster = root, study, cluster
        self._folder = root / FOLDER

    def waiting(self) -> dict[str, str]:
        """Workdir of each run that Slurm knows of -> its task."""
        path = self._folder / _SUBMITTED
        if not path.is_file():
            return {}
        tasks = scheduler.queued()
        records = (json.loads(line) for line in path.read_text().splitlines())
        return {r["workdir"]: r["task"] for r in records if r["task"] in tasks}

    def submit(
        self, runs: Sequence[Run], waiting: Mapping[str, str]
    ) -> Iterator[tuple[str, int, str]]:
        """Submit runs; yields job, number of runs and class of resources of each array."""
        tasks = dict(waiting)
        for stage in _stages(runs):
            for name, resource in self._cluster.resources.items():
                own = [run for run in stage if self._resource(run) == name]
                previous = ""
                for start in range(0, len(own), LONGEST_ARRAY):
                    chunk = own[start : start + LONGEST_ARRAY]
                    previous = self._array(chunk, resource, tasks, previous)
                    yield previous, len(chunk), name

    def _resource(self, run: Run) -> str:
        return self._study.arm(run.arm).resource or DEFAULT

    def _array(
        self, runs: Sequence[Run], resource: Resource, tasks: dict[str, str], previous: str
    ) -> str:
        """Submit one array; enters its tasks and returns its job."""
        self._folder.mkdir(exist_ok=True)
        (self._root / "logs").mkdir(exist_ok=True)
        number = len(list(self._folder.glob("*.sh")))
        listed = self._folder / f"{number:03d}_{resource.name}.txt"
        listed.write_text("".join(self._line(run, resource) for run in runs))
        options = [*self._options(len(runs), _dependencies(runs, tasks, previous))]
        options += resource.options
        script = listed.with_suffix(".sh")
        command = shlex.join(["sbatch", *options, str(script)])
        text = _SCRIPT.format(
            command=command,
            runs=shlex.quote(str(listed)),
            variable=COMPILED,
            compiled=shlex.quote(self._cluster.compiled),
        )
        script.write_text(text)
        job = scheduler.submit(options, str(script))
        with (self._folder / _SUBMITTED).open("a") as file:
            for index, run in enumerate(runs):
                tasks[run.workdir] = f"{job}_{index}"
                record = {"workdir": run.workdir, "task": tasks[run.workdir]}
                file.write(json.dumps(record, sort_keys=True) + "\n")
        return job

    def _line(self, run: Run, resource: Resource) -> str:
        """One run of a list: folder, the folder it waits for, log, command."""
        command = programs.command(
            self._root,
            self._study,
            run,
            allow_mixed=self._cluster.allow_mixed,
            python=resource.python,
        )
        requires = str(self._root / run.requires) if run.requires else "-"
        fields = [str(self._root / run.workdir), requires, str(self._root / run.log)]
        return "\t".join([*fields, shlex.join(command)]) + "\n"

    def _options(self, size: int, dependencies: Sequence[str]) -> Iterator[str]:
        yield f"--job-name={self._study.name}"
        yield f"--array=0-{size - 1}%{self._cluster.throttle}"
        yield f"--output={self._folder}/%A_%a.out"
        yield f"--chdir={os.getcwd()}"  # noqa: PTH109 as the shell names it
        # Before the time is up, and when preempted, the run saves; requeued, it goes on.
        yield "--signal=B:TERM@60"
        yield "--requeue"
        yield "--open-mode=append"
        if dependencies:
            yield "--dependency=" + ",".join(f"afterany:{task}" for task in dependencies)


def _stages(runs: Sequence[Run]) -> Iterator[list[Run]]:
    """Runs that wait for none of these, then those that wait for the former, and so on."""
    left = list(runs)
    while left:
        unfinished = {run.workdir for run in left}
        waiting = [run for run in left if run.requires in unfinished]
        if len(waiting) == len(left):  # they wait for each other: the log of each will say so
            yield left
            return
        yield [run for run in left if run.requires not in unfinished]
        left = waiting


def _dependencies(runs: Sequence[Run], tasks: Mapping[str, str], previous: str) -> list[str]:
    """Tasks that must end first: those that runs wait for, and the array before this one.

    Waiting for the array before keeps the throttle, which Slurm applies to each array alone.
    """
    needed = {tasks[run.requires] for run in runs if run.requires in tasks}
    return sorted(needed) + ([previous] if previous else [])
