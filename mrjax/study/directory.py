"""The study directory on disk: saving a plan without spoiling runs, and how far its runs are."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mrjax.errors import UserError
from mrjax.runs import jsonfile
from mrjax.runs.folder import RunFolder
from mrjax.study.records import STUDY, Run, Study, read_runs, read_study, write_study


def save(study_dir: str | os.PathLike[str], study: Study, runs: Sequence[Run]) -> bool:
    """Write a plan, unless it is there already.

    Args:
        study_dir: made, with its parents, where absent.
        study: the plan.
        runs: in the order of execution.

    Returns:
        False where the same plan was there; nothing was written then.

    Raises:
        UserError: runs of another plan are there, or the directory cannot be written.
    """
    path = Path(study_dir)
    if path.joinpath(STUDY).exists() and _same(path, study, runs):
        return False
    started = path / "runs"
    try:
        if started.is_dir() and any(started.iterdir()):
            raise UserError(
                f"{path} holds runs of another plan; expected the recipe they were planned with; "
                "choose another --study, or remove the old one"
            )
        path.mkdir(parents=True, exist_ok=True)
        write_study(path, study, runs)
    except OSError as error:
        raise UserError(
            f"{path} cannot be written ({error.strerror}); expected a directory for the study; "
            "choose another --study"
        ) from error
    return True


def _same(path: Path, study: Study, runs: Sequence[Run]) -> bool:
    try:
        return read_study(path) == study and read_runs(path) == list(runs)
    except UserError:
        return False


def finished(study_dir: str | os.PathLike[str], workdir: str) -> bool:
    """Whether a run is finished.

    Args:
        study_dir: the study.
        workdir: of the run, relative to the study.
    """
    return RunFolder(Path(study_dir, workdir)).finished


def unfinished(study_dir: str | os.PathLike[str], runs: Iterable[Run]) -> list[Run]:
    """Runs that are not finished, in their order."""
    return [run for run in runs if not finished(study_dir, run.workdir)]


def last_line(study_dir: str | os.PathLike[str], run: Run) -> str:
    """Last line that a run wrote, "" if it wrote none."""
    try:
        with Path(study_dir, run.log).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 8192))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip() and not line.startswith("# ")]
    return said[-1] if said else ""


def codes(study_dir: str | os.PathLike[str], runs: Iterable[Run]) -> set[str]:
    """Return the digests of the code of all runs begun; foreign programs record none."""
    found = set()
    for run in runs:
        path = RunFolder(Path(study_dir, run.workdir)).environment
        if path.is_file():
            record = jsonfile.read(path, "the environment of a run", "remove this run folder")
            code = record.get("code")
            found.add(str(code.get("sources", "")) if isinstance(code, dict) else "")
    return found - {""}
