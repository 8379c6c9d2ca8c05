"""The actions on what runs have found, from ``status`` to ``certificate``."""

import sys
from collections.abc import Sequence
from pathlib import Path

from absl.flags import FlagValues

from mrjax.study import overview
from mrjax.study.gather import csvfiles, loading, unplanned
from mrjax.study.gather.collected import Problem
from mrjax.study.records import STUDY, read_runs, read_study


def status(study_dir: Path) -> int:
    """Say how far a study is.

    Raises:
        UserError: there is no plan.
    """
    said = overview.status(study_dir, read_study(study_dir), read_runs(study_dir))
    sys.stdout.write(f"{said}\n")
    return 0


def gather(study_dir: Path, roots: Sequence[str], asked: FlagValues, *, report: bool) -> int:
    """Write the tables of a study, or of run folders from anywhere.

    Args:
        study_dir: where they are written.
        roots: folders that hold run folders; none: those of the study.
        asked: all flags.
        report: whether to write the report, too.

    Raises:
        UserError: no run is finished, or the directory is not writable.
    """
    if roots:
        collected = unplanned.load_roots(
            roots,
            baseline=asked.baseline,
            paired=bool(asked["pairing"].present) and asked.pairing == "seed",
            metric=asked.metric or "",
            margin=asked.margin or 0.0,
            margin_kind=asked.margin_kind or "",
        )
        study_dir.mkdir(parents=True, exist_ok=True)
    else:
        collected = loading.load(study_dir)
    paths = csvfiles.write(study_dir, collected)
    if report:
        from mrjax.study.report import write  # matplotlib takes a second

        paths = [write(study_dir / "report", collected, images=asked.images)]
    lines = [*map(_left_out, collected.problems), *map(str, paths)]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _left_out(one: Problem) -> str:
    if not one.label:
        return f"not run: {one.arm}: {one.what}"
    return f"left out: {one.arm} {one.label}: {one.what}"


def compare(study_dir: Path, folders: Sequence[str], asked: FlagValues) -> int:
    """Put two sets of runs side by side.

    Args:
        study_dir: the page is written into its folder ``compare``.
        folders: two, one of each set; the first set is the baseline.
        asked: all flags.

    Raises:
        UserError: the sets cannot be compared, or the page cannot be written.
    """
    from mrjax.study import compare as comparison

    sides = comparison.load(
        *folders,
        metric=asked.metric or "",
        margin=asked.margin or 0.0,
        margin_kind=asked.margin_kind or "",
    )
    page = comparison.write(study_dir / "compare", sides, images=asked.images)
    sys.stdout.write(f"{page}\n")
    return 0


def certificate(folders: Sequence[str], asked: FlagValues) -> int:
    """State how far recorded trainings agree, on the screen and in files.

    Args:
        folders: run folders; each is compared with the first.
        asked: all flags.

    Raises:
        UserError: fewer than two folders, one that is damaged, or files that cannot be written.
    """
    from mrjax.study import certificate as statement

    page = statement.write(Path(asked.study) if asked.study else None, folders)
    sys.stdout.write(f"{page.read_text(encoding='utf-8')}\n{page}\n")
    return 0


def common_study(folders: Sequence[str]) -> Path | None:
    """The study that all folders are arms of, None if there is none."""
    above = {Path(folder).resolve().parent.parent for folder in folders}
    return min(above) if len(above) == 1 and min(above).joinpath(STUDY).exists() else None
