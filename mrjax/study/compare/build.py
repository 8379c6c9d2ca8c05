"""The page of a comparison: figures, tables and words of two sets of runs."""

import dataclasses
import functools
import os
from collections.abc import Iterator
from pathlib import Path

from mrjax.study.compare import distances, speed, summary, surroundings, weights, words
from mrjax.study.compare.sides import DRAWN, Sides
from mrjax.study.gather.collected import Unit
from mrjax.study.report import (
    analysis,
    curves,
    identity,
    methods,
    names,
    overview,
    page,
    training,
    voxels,
)
from mrjax.study.report import words as study_words
from mrjax.study.report.page import Section
from mrjax.study.report.tables import Column, Table


def write(folder: str | os.PathLike[str], sides: Sides, *, images: bool | None = None) -> Path:
    """Write the comparison; an older one in the folder is replaced.

    Args:
        folder: of the page.
        sides: from `mrjax.study.compare.load`.
        images: whether to compare outputs voxel by voxel; None: if there are few.

    Returns:
        ``index.html``.

    Raises:
        UserError: the folder is not writable, or an extra is missing.
    """
    study = sides.collected.study
    subtitle = f"{study.experiment}, judged by {names.metric(study.metric)}"
    made = functools.partial(_sections, sides=sides, images=images)
    return page.publish(Path(folder), f"Comparison: {study.name}", subtitle, made)


def _sections(folder: Path, sides: Sides, images: bool | None) -> Iterator[Section]:
    found = analysis.analyse(sides.collected)
    apart = distances.compute(sides)
    yield Section("compared", "What is compared", points=tuple(words.about(sides)))
    points, brief = tuple(words.findings(sides, found, apart)), summary.table(sides, found)
    yield Section("findings", "What was found", points=points, tables=(brief,))
    yield surroundings.section(sides.pairs)
    points = tuple(f"{question} {answer}" for question, answer in study_words.QUESTIONS)
    yield Section("questions", "What the three questions mean", points=points)
    yield Section("identity", "Bit-identity", tables=(identity.table(found), _pairs(sides)))
    numbers = training.section(folder, found)
    yield dataclasses.replace(numbers, title="The three questions, in numbers")
    yield from curves.section(folder, found)
    yield weights.section(folder, sides, apart)
    yield voxels.section(folder, sides.collected, images)
    yield speed.section(folder, sides)
    yield overview.missing(sides.collected)
    yield Section("methods", "Methods", paragraphs=(*methods.paragraphs(found), weights.METHOD))


def _pairs(sides: Sides) -> Table:
    """Every pair: what its runs start from, where they part, what they find."""
    metric = sides.collected.study.metric
    columns = (
        Column("run"), *(Column(f"equal {name}") for name in sides.equal),
        Column("first step that differs"), Column(f"{names.metric(metric)} of A", ".5g"),
        Column(f"{names.metric(metric)} of B", ".5g"), Column("B - A", "+.2e"),
    )  # fmt: skip
    return Table(
        "pairs",
        f"Pairs of runs; {', '.join(DRAWN)}: what they start from",
        columns,
        tuple(_pair_row(a, b, metric, list(sides.equal)) for a, b in sides.pairs),
    )


def _pair_row(a: Unit, b: Unit, metric: str, digests: list[str]) -> tuple:
    x, y = a.mean(metric), b.mean(metric)
    same = (a.digests[name] == b.digests[name] for name in digests)
    step = b.curve.first_step if b.curve is not None and b.curve.partner else None
    return f"{a.label} {a.part}".strip(), *same, step or None, x, y, y - x
