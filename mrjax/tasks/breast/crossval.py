"""A repeated patient-wise cross-validation: one process for each fold, and a summary of all folds.

This module imports no JAX.

Source: Piantadosi, Marrone and Sansone (2018): repetitions of a 10-fold cross-validation with
equal seeds, so that only the uncertainty of the machine is left.
"""

import dataclasses
import statistics
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
from mrjax.runs import jsonfile, result
from mrjax.runs.folder import RunFolder
from mrjax.tasks import records, unchanged
from mrjax.tasks.breast import agreement, summary
from mrjax.tasks.breast.agreement import Agreement
from mrjax.tasks.breast.config import Config
from mrjax.train.signals import StopRequest


class Child(NamedTuple):
    """One fold of one repetition.

    Attributes:
        name: path of its folder inside the folder of the cross-validation.
        config: configuration of its run.
    """

    name: str
    config: Config


def child_name(repetition: int, fold: int) -> str:
    """Return the path of a fold's folder inside the folder of the cross-validation."""
    return f"repetition_{repetition:03d}/fold_{fold:02d}"


def plan(config: Config, folder: Path) -> Iterator[Child]:
    """Yield the runs of a cross-validation.

    A cross-validation may itself be one of several (``--repetition``). The numbers of repetitions
    then go on from one cross-validation to the next, so that no two runs have the same digest; the
    folders are counted from 0 in each.

    Args:
        config: configuration of the cross-validation.
        folder: folder of the cross-validation.

    Yields:
        All folds of the first repetition, then of the second, and so on.
    """
    varied = {"none": (), "init": ("init",), "order": ("order",), "all": ("init", "order")}
    for r in range(config.repetitions):
        seeds = {
            f"seed_{s}": (config.seed_for(s) + r) % (MAX_SEED + 1) for s in varied[config.vary]
        }
        for k in range(config.folds):
            name = child_name(r, k)
            # `repetitions` and `vary` belong to the parent; a child gets plain seeds.
            count = config.repetition * config.repetitions + r
            own = {"fold": k, "repetition": count, "repetitions": 1, "vary": "none"}
            workdir = str(folder / name)
            yield Child(name, dataclasses.replace(config, **own, **seeds, workdir=workdir))


def run(config: Config, flags_text: str) -> int:
    """Run every fold of every repetition that is not finished, then write the summary.

    This process computes nothing, so its record of the framework is that of the first finished
    fold, with which all other folds must agree.

    Args:
        config: checked configuration, without a fold.
        flags_text: the flags, for ``flags.txt``.

    Returns:
        Exit code: 0 when finished, 128 + n when signal n asked to stop.

    Raises:
        UserError: patients or folders cannot be used, or a finished fold has other patients or,
            without ``--allow_mixed``, another environment.
        RunFailed: a fold fails.
    """
    path = config.folder("breast")
    if not RunFolder(path).finished:
        breast.check_cross_validation(config, config.folds)
    folder, status = records.opened(path, config, flags_text, agreement.known_backend(path))
    with folder, StopRequest() as stop:
        planned = list(plan(config, path))
        if status == "finished":
            # Every repetition has the folds of the first.
            names = [child.name for child in planned[: config.folds]]
            compared = unchanged.said(
                path, config, lambda: agreement.present_data(path, names, breast.patients(config))
            )
            records.say(f"already finished: {path} (nothing was run{compared})")
            sys.stdout.write(records.outputs(path))
            return 0
        signal = _run_all(folder, planned, config.allow_mixed, stop)
        if signal:
            return records.stopped(signal)
        text = summary.write(folder, config, [child.name for child in planned])
    sys.stdout.write(f"{text}\n{records.outputs(path)}")
    return 0


def _run_all(
    folder: RunFolder, planned: list[Child], allow_mixed: bool, stop: StopRequest
) -> int | None:
    """Finish every fold; return the signal that asked to stop, if one did."""
    agreed = Agreement(folder.path, allow_mixed)

    def accept(child: Child) -> None:
        _check(child)
        agreed.add(child.name, child.config.fold or 0)
        agreement.keep_backend(folder, child.name)

    before = {child.name for child in planned if _folder(child).finished}
    for child in planned:
        if child.name in before:
            accept(child)
    shown: set[str] = set()
    for number, child in enumerate(planned, 1):
        began = time.perf_counter()
        if child.name not in before:
            signal = _run_child(child, shown)
            if signal:
                return signal
            accept(child)
        label = f"[{number}/{len(planned)}] {child.name}"
        seconds = time.perf_counter() - began
        records.say(f"{label}: {_medians(_folder(child))} ({seconds:.0f} s)")
        if stop.signal:
            return stop.signal
    return None


def _folder(child: Child) -> RunFolder:
    return RunFolder(Path(child.config.workdir))


def _run_child(child: Child, shown: set[str]) -> int | None:
    """Run one fold; return the signal that ended it, if one did.

    All its lines go to a log. Notes are also shown, but only once, because every fold has the same
    notes: `shown` holds the earlier ones.
    """
    argv = [line for line in configs.to_flags(child.config).splitlines() if line[0] != "#"]
    named = configs.digest_fields(type(child.config))
    free = [f.name for f in dataclasses.fields(child.config) if f.name not in named]
    values = {name: getattr(child.config, name) for name in free}
    argv += [configs.to_argument(name, v) for name, v in values.items() if v is not None]
    log = Path(f"{child.config.workdir}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    # The log is written line by line, because this process may be killed.
    with log.open("a", encoding="utf-8", buffering=1) as file:

        def on_line(line: str) -> None:
            file.write(f"{line}\n")
            if line.startswith("note:") and line not in shown:
                shown.add(line)
                records.say(line)

        ended = children.run([*command.program(), *argv], on_line=on_line)
    if ended.signal is not None:
        return ended.signal
    if ended.code:
        _fail(child.name, ended)
    return None


def _fail(name: str, ended: children.Ended) -> None:
    said = ended.last.removeprefix("error: ") or "(no output)"
    if ended.code == 2:
        raise UserError(f"{name}: {said}")
    raise RunFailed(f"{name} ended with exit code {ended.code}: {said}")


def _check(child: Child) -> None:
    """Refuse a finished run in a child's folder that is another run."""
    folder = _folder(child)
    record = jsonfile.read(folder.config, "the settings of a fold", "choose another --workdir")
    if record.get("digest") != configs.digest(child.config):
        raise UserError(
            f"{folder.path} holds a run with other settings; expected fold {child.config.fold} of "
            "this cross-validation; choose another --workdir"
        )


def _medians(folder: RunFolder) -> str:
    found = result.read(folder.path)
    network, threshold = (
        statistics.median(table["dice"])
        for table in (found["metrics"], found["baselines"]["threshold"])
    )
    return f"median Dice {network:.4f}, threshold {threshold:.4f}"
