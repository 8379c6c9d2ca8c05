"""Puts a report together: every figure and table into one folder, and a page that shows them."""

import functools
import os
from collections.abc import Iterator
from pathlib import Path

from mrjax.study.gather.collected import Collected
from mrjax.study.report import (
    analysis,
    curves,
    identity,
    inference,
    methods,
    names,
    overview,
    page,
    repetitions,
    shares,
    training,
    voxels,
    words,
)
from mrjax.study.report.effects import Analysis
from mrjax.study.report.page import Section


def write(
    folder: str | os.PathLike[str], collected: Collected, *, images: bool | None = None
) -> Path:
    """Write the report of collected runs; an older one in the folder is replaced.

    Args:
        folder: of the report.
        collected: from `mrjax.study.load` or `mrjax.study.load_roots`.
        images: whether to compare the runs' outputs voxel by voxel; None: if there are few.

    Returns:
        ``index.html``.

    Raises:
        UserError: the folder is not writable, or an extra is missing.
    """
    found, study = analysis.analyse(collected), collected.study
    subtitle = (
        f"{study.experiment}, {len(collected.units)} runs, judged by "
        f"{names.metric(study.metric)}; platform {study.platform or 'not recorded'}"
    )
    made = functools.partial(_sections, found=found, images=images)
    return page.publish(Path(folder), f"Study {study.name}", subtitle, made)


def _sections(folder: Path, found: Analysis, images: bool | None) -> Iterator[Section]:
    collected = found.collected
    yield Section("findings", "What was found", points=tuple(words.findings(found)))
    points = tuple(f"{question} {answer}" for question, answer in words.QUESTIONS)
    yield Section("questions", "What the three questions mean", points=points)
    yield Section("sources", "Sources", tables=(overview.sources(collected),))
    yield identity.section(folder, found)
    if found.effects:
        yield training.section(folder, found)
    if found.inferences:
        yield inference.section(folder, found)
    yield from curves.section(folder, found)
    if collected.baseline:
        yield repetitions.section(folder, found)
    yield from shares.section(folder, found)
    yield voxels.section(folder, collected, images)
    yield Section("speed", "Time and memory", tables=(overview.speed(collected),))
    yield Section("classical", "Classical methods", tables=(overview.classical(collected),))
    yield overview.missing(collected)
    yield Section("methods", "Methods", paragraphs=tuple(methods.paragraphs(found)))
