"""The action ``run``: whatever is not finished, on this machine or through Slurm."""

import sys
from collections.abc import Sequence
from pathlib import Path

from absl.flags import FlagValues

import mrjax
from mrjax.errors import UserError
from mrjax.runs import code
from mrjax.runs.lock import Lock
from mrjax.study import directory
from mrjax.study.launch import local, resources, slurm
from mrjax.study.records import Run, Study, read_runs, read_study

STORE = "compiled"
"""Folder of a study with the compiled programs that its runs share."""
_ROOT = Path(mrjax.__file__).resolve().parents[1]


def run(study_dir: Path, asked: FlagValues) -> int:
    """Make the runs that are not finished.

    Args:
        study_dir: a planned study.
        asked: all flags.

    Returns:
        0 if all finished or were submitted, 1 if some failed, 128 + n when signal n ended it.

    Raises:
        UserError: there is no plan, another launcher is at work, or the code has changed.
        RunFailed: Slurm refuses.
    """
    study, runs = read_study(study_dir), read_runs(study_dir)
    for arm in study.arms:
        if arm.problem:
            _say(f"not run: {arm.name}: {arm.problem}")
    left = directory.unfinished(study_dir, runs)
    if not left:
        said = f"all {len(runs)} runs are finished" if runs else "no arm can run here"
        _say(f"nothing to do: {said}")
        return 0
    try:
        lock = Lock(study_dir / ".lock")
    except OSError as error:
        raise UserError(
            f"{study_dir} is not writable ({error.strerror}); expected a directory for the runs; "
            "change its permissions"
        ) from error
    try:
        if not asked.allow_mixed:
            _check_code(study_dir, study, runs)
        launch = _through_slurm if asked.launcher == "slurm" else _here
        return launch(study_dir, study, left, asked)
    finally:
        lock.release()


def _check_code(study_dir: Path, study: Study, runs: Sequence[Run]) -> None:
    """Refuse to mix code within a study; other interpreters are meant to have other code."""
    own = [run for run in runs if not study.arm(run.arm).python]
    before = directory.codes(study_dir, own)
    if not before:
        return
    now = code.state(_ROOT)["sources"]
    if before != {now}:
        raise UserError(
            f"runs of {study_dir} were made by other code ({min(before - {now})[:8]}, here "
            f"{now[:8]}); expected the same for all; go back to it, choose another --study, or "
            "mix knowingly with --allow_mixed"
        )


def _through_slurm(study_dir: Path, study: Study, left: Sequence[Run], asked: FlagValues) -> int:
    cluster = slurm.Cluster(
        resources=resources.parse(asked.resource),
        throttle=asked.slots or 50,
        wait=asked.wait,
        poll=asked.poll,
        allow_mixed=asked.allow_mixed,
        compiled=_store(study_dir, study, asked),
    )
    return slurm.launch(study_dir, study, left, cluster)


def _here(study_dir: Path, study: Study, left: Sequence[Run], asked: FlagValues) -> int:
    needs = {run.arm: study.arm(run.arm).resource for run in left}
    for name, need in sorted(needs.items()):
        if need:
            _say(f"not run here: {name}: needs resource {need} of a cluster; use --launcher=slurm")
    left = [run for run in left if not needs[run.arm]]
    if not left:
        _say("nothing to do here")
        return 0
    slots = local.Slots(
        number=asked.slots or 1,
        cpu_threads=asked.cpu_threads_per_slot,
        allow_mixed=asked.allow_mixed,
        compiled=_store(study_dir, study, asked),
    )
    return local.launch(study_dir, study, left, slots)


def _store(study_dir: Path, study: Study, asked: FlagValues) -> str:
    """Return the folder of compiled programs; "" on a GPU, where programs hold tuned choices."""
    shared = asked.share_compiled and study.platform == "cpu"
    return str(study_dir.absolute() / STORE) if shared else ""


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
