"""Puts a report together: every figure and table into one folder, and a page that shows them."""

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from mrjax.errors import UserError
from mrjax.study.collect import collect
from mrjax.study.collected import Collected
from mrjax.study.report import (
    analysis,
    curves,
    identity,
    inference,
    names,
    overview,
    page,
    questions,
    repetitions,
    shares,
    tables,
    training,
    voxels,
    words,
)
from mrjax.study.report.analysis import Analysis
from mrjax.study.report.page import Section

FOLDER = "report"


def report(study_dir: str | os.PathLike[str], *, images: bool | None = None) -> Path:
    """Collect a study and write its tables and its report.

    Args:
        study_dir: a planned study, some of whose runs are finished.
        images: whether to compare the runs' outputs voxel by voxel; None: if there are few.

    Returns:
        ``report/index.html`` in the study directory.

    Raises:
        UserError: no run is finished, the folder is not writable, or an extra is missing.
    """
    collected = collect(study_dir)
    return write(Path(study_dir, FOLDER), collected, images=images)


def write(
    folder: str | os.PathLike[str], collected: Collected, *, images: bool | None = None
) -> Path:
    """Write the report of collected runs; an older one in the folder is replaced.

    Args:
        folder: of the report.
        collected: from `mrjax.study.load` or `mrjax.study.load_roots`.
        images: as in `report`.

    Returns:
        ``index.html``.

    Raises:
        UserError: the folder is not writable, or an extra is missing.
    """
    folder = Path(folder)
    try:
        _empty(folder)
        found = analysis.analyse(collected)
        sections = list(_sections(folder, found, images))
        for section in sections:
            tables.write(folder, section.tables)
        study = collected.study
        subtitle = (
            f"{study.experiment}, {len(collected.units)} runs, judged by "
            f"{names.metric(study.metric)}; platform {study.platform or 'not recorded'}"
        )
        return page.write(folder, f"Study {study.name}", subtitle, sections)
    except OSError as error:
        raise UserError(
            f"{folder} is not writable ({error.strerror}); expected a folder to write the report "
            "into; change its permissions or copy the study"
        ) from error


def _empty(folder: Path) -> None:
    """Remove an older report, and nothing else: figures of arms that are gone must not stay."""
    if (folder / "index.html").exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)


def _sections(folder: Path, found: Analysis, images: bool | None) -> Iterator[Section]:
    collected = found.collected
    yield Section("findings", "What was found", points=tuple(words.findings(found)))
    points = tuple(f"{question} {answer}" for question, answer in words.QUESTIONS)
    yield Section("questions", "What the three questions mean", points=points)
    yield Section("sources", "Sources", tables=(overview.sources(collected),))
    yield _identity(folder, found)
    if found.effects:
        yield _training(folder, found)
    if found.inferences:
        yield _inference(folder, found)
    yield from _curves(folder, found)
    if collected.baseline:
        yield _repetitions(folder, found)
    yield from _shares(folder, found)
    yield from _voxels(folder, found, images)
    yield Section("speed", "Time and memory", tables=(overview.speed(collected),))
    yield Section("classical", "Classical methods", tables=(overview.classical(collected),))
    yield _problems(collected)
    yield Section("methods", "Methods", paragraphs=tuple(words.methods(found)))


def _captioned(files: Sequence[str], caption: str) -> tuple[tuple[str, str], ...]:
    pages = len(files)
    return tuple(
        (name, f"{caption}{f' (page {number} of {pages})' if pages > 1 else ''}.")
        for number, name in enumerate(files, 1)
    )


def _identity(folder: Path, found: Analysis) -> Section:
    caption = "Networks of two arms with the same replicate number that agree in every bit"
    if len(found.effects) >= identity.ARMS:
        caption += f"; the first {identity.ARMS} arms"
    return Section(
        "identity",
        "Bit-identity",
        figures=_captioned(identity.figures(folder, found), caption),
        tables=(identity.table(found),),
    )


def _training(folder: Path, found: Analysis) -> Section:
    caption = (
        "Effect of each source in training. Left: every run (circles) and their mean (bars). "
        "Middle: change of the mean of runs against the baseline with 95 % interval, filled where "
        "p < 0.05 after Holm; band: margin of equivalence. Right: standard deviation σ over runs "
        "with 95 % interval, filled where it differs from the baseline's (p < 0.05 after Holm)"
    )
    return Section(
        "training",
        "Effect of each source in training",
        figures=_captioned(training.figures(folder, found), caption),
        tables=(
            questions.shift_table(found),
            questions.spread_table(found),
            questions.conditional_table(found),
        ),
    )


def _inference(folder: Path, found: Analysis) -> Section:
    caption = (
        "One trained network, inference repeated under each arm: size of the change against the "
        "baseline's inference; circles: subjects and runs, bars: means"
    )
    return Section(
        "inference",
        "Effect of each source in inference",
        figures=_captioned(inference.figures(folder, found), caption),
        tables=(inference.table(found),),
    )


def _curves(folder: Path, found: Analysis) -> Iterator[Section]:
    files = curves.figures(folder, found)
    if not files:
        return
    captions = tuple(
        (
            name,
            f"Source: {names.source(name.removeprefix('loss_'))}. Above: loss of each run (thin) "
            "and mean over runs (thick); below: distance to the loss of the baseline's run with "
            "the same replicate number.",
        )
        for name in files
    )
    table = curves.table(found)
    yield Section("curves", "Loss curves", figures=captions, tables=(table,) if table.rows else ())


def _repetitions(folder: Path, found: Analysis) -> Section:
    arms = repetitions.shown(found.collected)
    files = repetitions.figures(folder, found)
    captions = tuple(
        (name, f"Arm {arm}: subjects of each run, boxes from quartile to quartile.")
        for name, arm in zip(files, arms, strict=True)
    )
    return Section(
        "repetitions",
        "Run by run",
        paragraphs=() if arms else ("The runs of the baseline have no subject in common.",),
        figures=captions,
        tables=tuple(repetitions.table(found, arm) for arm in arms),
    )


def _shares(folder: Path, found: Analysis) -> Iterator[Section]:
    if not found.collected.study.cross:
        return
    computed = shares.compute(found.collected)
    if isinstance(computed, str):
        yield Section("shares", "Variance shares", paragraphs=(computed,))
        return
    yield Section(
        "shares",
        "Variance shares",
        figures=_captioned(shares.figures(folder, found, computed), "Share of each source"),
        tables=(shares.table(found, computed),),
    )


def _voxels(folder: Path, found: Analysis, wanted: bool | None) -> Iterator[Section]:
    experiment = found.collected.study.experiment
    computed = voxels.compute(found.collected, wanted)
    caption = (
        "Mean over the baseline's runs, and standard deviation over the runs of each arm (up to "
        f"{voxels.ARMS} arms that are not identical)"
    )
    files = voxels.figures(folder, computed, experiment) if computed.arms else []
    yield Section(
        "voxels",
        "Voxel by voxel",
        paragraphs=(computed.remark,) if computed.remark else (),
        figures=_captioned(files, caption),
        tables=(voxels.table(computed, experiment),) if computed.arms else (),
    )


def _problems(collected: Collected) -> Section:
    table = overview.problems(collected)
    return Section(
        "problems",
        "What is missing",
        paragraphs=() if table.rows else ("Every arm ran, and every run was collected.",),
        tables=(table,) if table.rows else (),
    )
