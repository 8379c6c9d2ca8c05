"""The study directory: what is to be run, written once by ``plan`` and read by all other actions.

``study.json``
    `Study`: the baseline, the arms, how often, in which order. Sorted keys, the same bytes for
    the same study.
``runs.jsonl``
    One `Run` a line, in the order of execution; ``study.json`` has their number, so that a file
    cut short is noticed.
``runs/<arm>/<label>``
    Run folders (`mrjax.runs`); ``logs/<arm>_<label>.log`` what each run wrote.
"""

import dataclasses
import json
import os
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any

from mrjax.errors import UserError
from mrjax.runs import atomic, jsonfile

SCHEMA_VERSION = 1
STUDY = "study.json"
RUNS = "runs.jsonl"
BASELINE = "baseline"
INFER_BASELINE = "infer_baseline"
CROSSED = "crossed"
STUDY_DIR = "{study}"
"""Stands for the study directory in flags, so that a plan is the same wherever it lies."""

_LINES = "runs"  # in study.json: number of lines of runs.jsonl
_KINDS: Mapping[Any, Any] = {
    str: str, int: int, float: int | float, tuple[str, ...]: tuple, Mapping[str, int]: dict,
}  # fmt: skip
_ADVICE = "plan the study again, in another directory"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arm:
    """One level of one source.

    Attributes:
        name: of the arm, fit to be a folder's name.
        source: what it changes, one of `mrjax.study.plan.sources.SOURCES`; "baseline" for the first
            arm and for the inference arm that others are compared with (`INFER_BASELINE`),
            "crossed" for the arm of a crossed design (`CROSSED`).
        flags: what it adds to the baseline's flags, ``--name=value``; ``{r}`` is the replicate.
        kind: "training", or "inference" with a network of the baseline.
        problem: why it cannot run here or has no effect; such an arm has no runs. "" otherwise.
        python: interpreter of its runs, "" for that of the launcher.
        resource: name of a class of resources of a cluster, "" for the default.
        command: another program than the study's, a template as in `Study`; "" for the study's.
    """

    name: str
    source: str
    flags: tuple[str, ...]
    kind: str
    problem: str = ""
    python: str = ""
    resource: str = ""
    command: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One process to be run.

    Attributes:
        arm: name of its arm.
        label: of the run within its arm: three digits of the replicate, or its factors.
        replicate: number of the replicate, from 0.
        factors: value of each crossed factor; empty unless crossed.
        argv: all flags but ``--workdir``; ``{study}`` in them is the study directory.
        workdir: run folder, relative to the study directory, with "/".
        requires: workdir of a run that must be finished first, "" for none.
    """

    arm: str
    label: str
    replicate: int
    factors: Mapping[str, int]
    argv: tuple[str, ...]
    workdir: str
    requires: str = ""

    @property
    def log(self) -> str:
        """File of what the run wrote, relative to the study directory."""
        return f"logs/{self.arm}_{self.label}.log"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """What a study compares, and how.

    Attributes:
        schema_version: of this record.
        name: of the study.
        experiment: the program, ``python -m experiments.<experiment>``.
        baseline: flags of every arm, before its own.
        arms: the first is always the baseline; none before the study is planned.
        replicates: of each arm.
        pairing: "seed": replicate r of every arm has seeds r; "repetition": all seeds are equal.
        cross: values of each crossed factor; empty unless crossed.
        seed: of the order of execution.
        platform: "cpu" or "gpu".
        metric: that is judged, "nrmse" or "dice".
        margin: of equivalence.
        margin_kind: "relative" to the baseline's mean, or "absolute".
        command: of a foreign program, "" for ours. ``{python}`` is the interpreter, ``{flags}``
            the run's flags, ``{workdir}`` its folder; the last two are added where not named.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    experiment: str
    baseline: tuple[str, ...]
    arms: tuple[Arm, ...] = ()
    replicates: int
    pairing: str
    cross: Mapping[str, tuple[int, ...]]
    seed: int
    platform: str
    metric: str
    margin: float
    margin_kind: str
    command: str

    def arm(self, name: str) -> Arm:
        """The arm of this name.

        Raises:
            KeyError: there is none.
        """
        found = {arm.name: arm for arm in self.arms}
        return found[name]


def write_study(study_dir: str | os.PathLike[str], study: Study, runs: Iterable[Run]) -> None:
    """Write a plan; ``study.json`` last, because it says that the plan is whole.

    Args:
        study_dir: existing folder.
        study: the plan.
        runs: in the order of execution.
    """
    lines = [json.dumps(dataclasses.asdict(run), sort_keys=True) + "\n" for run in runs]
    atomic.write_text(Path(study_dir, RUNS), "".join(lines))
    content = dataclasses.asdict(study) | {_LINES: len(lines)}
    text = json.dumps(content, sort_keys=True, indent=1, allow_nan=False)
    atomic.write_text(Path(study_dir, STUDY), text + "\n")


def read_study(study_dir: str | os.PathLike[str]) -> Study:
    """Read a plan.

    Raises:
        UserError: there is none, or it is damaged or of another version.
    """
    path = Path(study_dir, STUDY)
    content = _content(path)
    if content.get("schema_version") != SCHEMA_VERSION:
        raise _damaged(str(path), f"schema_version {content.get('schema_version')}")
    content.pop(_LINES, None)
    try:
        arms = tuple(Arm(**_tuples(arm, "flags")) for arm in content["arms"])
        cross = {name: tuple(values) for name, values in content["cross"].items()}
        study = Study(**_tuples(content, "baseline") | {"arms": arms, "cross": cross})
        for record in (study, *arms):
            _check_kinds(record)
        return study
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise _damaged(str(path), str(error)) from error


def _content(path: Path) -> dict[str, Any]:
    return jsonfile.read(path, "the plan of a study", "run experiments.study plan first")


def read_runs(study_dir: str | os.PathLike[str]) -> list[Run]:
    """Read the runs of a plan, in the order of execution.

    Raises:
        UserError: there are none, or they are damaged.
    """
    path = Path(study_dir, RUNS)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}); expected the runs of a study; {_ADVICE}"
        ) from error
    except UnicodeDecodeError as error:
        raise _damaged(str(path), error.reason) from error
    planned = _content(Path(study_dir, STUDY)).get(_LINES, len(lines))
    if len(lines) != planned:
        raise _damaged(str(path), f"{len(lines)} runs, not {planned}")
    arms = {arm.name for arm in read_study(study_dir).arms}
    return [_run(path, number, line, arms) for number, line in enumerate(lines, 1)]


def _run(path: Path, number: int, line: str, arms: Container[str]) -> Run:
    try:
        run = Run(**_tuples(jsonfile.parse(line.encode()), "argv"))
        _check_kinds(run)
        if run.arm not in arms:
            raise ValueError(f"unknown arm {run.arm}")
    except (TypeError, KeyError, ValueError) as error:
        raise _damaged(f"{path} line {number}", str(error)) from error
    return run


def _check_kinds(record: Any) -> None:
    """Refuse a record whose values are not of the kinds its fields have.

    Raises:
        TypeError: names the field.
    """
    for field in dataclasses.fields(record):
        value, kind = getattr(record, field.name), _KINDS.get(field.type)
        texts = all(isinstance(one, str) for one in value) if kind is tuple else True
        if kind and not (isinstance(value, kind) and texts):
            raise TypeError(f"{field.name} {value!r}")


def _tuples(values: Any, *names: str) -> dict[str, Any]:
    """The object with these lists as tuples."""
    return dict(values) | {name: tuple(values[name]) for name in names}


def _damaged(where: str, why: str) -> UserError:
    return UserError(f"{where} is damaged ({why}); expected what plan writes; {_ADVICE}")
