"""A repeated patient-wise cross-validation: one process a fold, and a summary of them all.

Source: Piantadosi, Marrone and Sansone (2018): repetitions of a 10-fold cross-validation with
equal seeds, so that only the uncertainty of the machine is left. Imports no JAX.
"""

import dataclasses
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mrjax import children, command
from mrjax import config as configs
from mrjax.config.fields import MAX_SEED
from mrjax.data import breast
from mrjax.errors import RunFailed, UserError
from mrjax.runs import environment, jsonfile, result
from mrjax.runs.folder import RunFolder, open_run
from mrjax.tasks import records
from mrjax.tasks.breast import summary
from mrjax.tasks.breast.config import Config
from mrjax.train.signals import StopRequest


class Child(NamedTuple):
    """One fold of one repetition.

    Attributes:
        name: of its folder inside that of the whole cross-validation.
        config: of its run.
    """

    name: str
    config: Config


def child_name(repetition: int, fold: int) -> str:
    """Folder of one fold inside that of the cross-validation."""
    return f"repetition_{repetition:03d}/fold_{fold:02d}"


def plan(config: Config, folder: Path) -> Iterator[Child]:
    """Say which runs make up a cross-validation.

    Args:
        config: of the cross-validation.
        folder: of the cross-validation.

    Yields:
        All folds of the first repetition, of the second, and so on.
    """
    varied = {"none": (), "init": ("init",), "order": ("order",), "all": ("init", "order")}
    for r in range(config.repetitions):
        seeds = {
            f"seed_{s}": (config.seed_for(s) + r) % (MAX_SEED + 1) for s in varied[config.vary]
        }
        for k in range(config.folds):
            name = child_name(r, k)
            # A child does not know how often it is repeated, or why its seeds are what they are.
            own = {"fold": k, "repetition": r, "repetitions": 1, "vary": "none"}
            workdir = str(folder / name)
            yield Child(name, dataclasses.replace(config, **own, **seeds, workdir=workdir))


def run(config: Config, flags_text: str) -> int:
    """Run every fold of every repetition that is not finished, then sum up.

    Args:
        config: checked configuration, without a fold.
        flags_text: the flags, for ``flags.txt``.

    Returns:
        Exit code: 0 when finished, 128 + n when signal n asked to stop.

    Raises:
        UserError: for patients or folders that cannot be used.
        RunFailed: if a fold fails.
    """
    path = config.folder("breast")
    if not RunFolder(path).finished:
        breast.check_cross_validation(config, config.folds)
    folder, status = open_run(
        path,
        flags_text=flags_text,
        config=configs.to_json(config),
        config_digest=configs.digest(config),
        environment=environment.capture({}, records.CODE_ROOT),
        resume=config.resume,
        allow_mixed=config.allow_mixed,
    )
    with folder, StopRequest() as stop:
        if status == "finished":
            records.say(f"already finished: {path} (nothing was run)")
            return 0
        planned = list(plan(config, path))
        for number, child in enumerate(planned, 1):
            signal = _run_child(child, f"[{number}/{len(planned)}] {child.name}") or stop.signal
            if signal:
                records.say(f"stopped by signal {signal}; the same command goes on from there")
                return 128 + signal
        text = summary.write(folder, config, [child.name for child in planned])
    sys.stdout.write(text + "\n")
    return 0


def _run_child(child: Child, label: str) -> int | None:
    """Finish one fold; the signal that ended it, if one did."""
    folder = RunFolder(Path(child.config.workdir))
    began = time.perf_counter()
    if not folder.finished:
        argv = configs.to_flags(child.config).splitlines()
        free = ("workdir", "resume", "allow_mixed", "preset")
        argv += [configs.to_argument(name, getattr(child.config, name)) for name in free]
        ended = children.run([*command.program(), *(a for a in argv if a[0] != "#")])
        if ended.signal is not None:
            return ended.signal
        if ended.code:
            _fail(child.name, ended)
    _check(child, folder)
    records.say(f"{label}: {_medians(folder)} ({time.perf_counter() - began:.0f} s)")
    return None


def _fail(name: str, ended: children.Ended) -> None:
    said = ended.last.removeprefix("error: ") or "(no output)"
    if ended.code == 2:
        raise UserError(f"{name}: {said}")
    raise RunFailed(f"{name} ended with exit code {ended.code}: {said}")


def _check(child: Child, folder: RunFolder) -> None:
    """A finished run in a child's place must be that child's run."""
    record = jsonfile.read(folder.config, "the settings of a fold", "choose another --workdir")
    if record.get("digest") != configs.digest(child.config):
        raise UserError(
            f"{folder.path} holds a run with other settings; expected fold {child.config.fold} of "
            "this cross-validation; choose another --workdir"
        )


def _medians(folder: RunFolder) -> str:
    found = result.read(folder.path)
    network, threshold = (
        summary.median(table["dice"])
        for table in (found["metrics"], found["baselines"]["threshold"])
    )
    return f"median Dice {network:.4f}, threshold {threshold:.4f}"
