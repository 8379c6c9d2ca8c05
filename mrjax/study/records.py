"""The study directory: what is to be run, written once by the plan and read by all who follow.

``study.json``
    `Study`: the baseline, the arms, how often, in which order. Sorted keys, the same bytes for
    the same study.
``runs.jsonl``
    One `Run` a line, in the order of execution.
``runs/<arm>/<label>``
    Run folders (`mrjax.runs`); ``logs/<arm>_<label>.log`` what each run wrote.
"""

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping
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

_ADVICE = "plan the study again, in another directory"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arm:
    """One level of one source.

    Attributes:
        name: of the arm, fit to be a folder's name.
        source: what it changes, one of `mrjax.study.sources.SOURCES`; "baseline" for the first
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
        arms: the first is always the baseline.
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
    arms: tuple[Arm, ...]
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
    lines = (json.dumps(dataclasses.asdict(run), sort_keys=True) + "\n" for run in runs)
    atomic.write_text(Path(study_dir, RUNS), "".join(lines))
    atomic.write_text(Path(study_dir, STUDY), study_text(study))


def study_text(study: Study) -> str:
    """Content of ``study.json``."""
    return json.dumps(dataclasses.asdict(study), sort_keys=True, indent=1, allow_nan=False) + "\n"


def read_study(study_dir: str | os.PathLike[str]) -> Study:
    """Read a plan.

    Raises:
        UserError: there is none, or it is damaged or of another version.
    """
    path = Path(study_dir, STUDY)
    content = jsonfile.read(path, "the plan of a study", "run experiments.study plan first")
    if content.get("schema_version") != SCHEMA_VERSION:
        raise _damaged(str(path), f"schema_version {content.get('schema_version')}")
    try:
        arms = tuple(Arm(**_tuples(arm, "flags")) for arm in content["arms"])
        cross = {name: tuple(values) for name, values in content["cross"].items()}
        return Study(**_tuples(content, "baseline") | {"arms": arms, "cross": cross})
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise _damaged(str(path), str(error)) from error


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
    return [_run(path, number, line) for number, line in enumerate(lines, 1)]


def _run(path: Path, number: int, line: str) -> Run:
    try:
        return Run(**_tuples(json.loads(line), "argv"))
    except (TypeError, KeyError, ValueError) as error:
        raise _damaged(f"{path} line {number}", str(error)) from error


def _tuples(values: Any, *names: str) -> dict[str, Any]:
    """The object with these lists as tuples."""
    return dict(values) | {name: tuple(values[name]) for name in names}


def _damaged(where: str, why: str) -> UserError:
    return UserError(f"{where} is damaged ({why}); expected what plan writes; {_ADVICE}")
