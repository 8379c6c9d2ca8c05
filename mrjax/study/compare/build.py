"""The page of a comparison: figures, tables and words of two sets of runs."""

import dataclasses
import functools
import os
from collections.abc import Iterator
from pathlib import Path

from mrjax.study.compare import speed, summary, surroundings, weights, words
from mrjax.study.compare.sides import DRAWN, Sides
from mrjax.study.gather.collected import Unit
from mrjax.study.report import analysis, curves, identity, names, overview, page, training, voxels
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
    distances = weights.compute(sides)
    yield Section("compared", "What is compared", points=tuple(words.about(sides)))
    points, brief = tuple(words.findings(sides, found, distances)), summary.table(sides, found)
    yield Section("findings", "What was found", points=points, tables=(brief,))
    yield _surroundings(sides)
    points = tuple(f"{question} {answer}" for question, answer in study_words.QUESTIONS)
    yield Section("questions", "What the three questions mean", points=points)
    yield Section("identity", "Bit-identity", tables=(identity.table(found), _pairs(sides)))
    numbers = training.section(folder, found)
    yield dataclasses.replace(numbers, title="The three questions, in numbers")
    yield from curves.section(folder, found)
    yield from _weights(folder, sides, distances)
    yield voxels.section(folder, sides.collected, images)
    yield _speed(folder, sides)
    yield overview.missing(sides.collected)
    yield Section("methods", "Methods", paragraphs=(*study_words.methods(found), _DISTANCES))


_DISTANCES = (
    "Distances of weights are normalised L2 distances, taken over all leaves of a kind together, "
    "from the checkpoints that both runs of a pair kept (of a cross-validation, those of the first "
    "fold); they are 0 for weights equal up to scale. Reported apart is what no true gradient "
    "moves: biases of convolutions before batch normalisation and the running means that follow "
    "them, without effect on the output, and running variances, which have one."
)


def _surroundings(sides: Sides) -> Section:
    found = surroundings.differences(sides.pairs)
    points = surroundings.sentences(found) or ["Nothing that the records name."]
    same = surroundings.same(sides.pairs)
    if same:
        points = [*points, f"The same in all runs: {'; '.join(same)}."]
    columns = (Column("what"), Column("entry"), Column("A"), Column("B"))
    title = "What differs between the records of A and B: config.json, environment.json"
    rows = tuple((one.group, one.entry, one.a or None, one.b or None) for one in found)
    table = Table("surroundings", title, columns, rows)
    return Section(
        "surroundings",
        "What differs besides",
        points=tuple(points),
        tables=(table,) if found else (),
    )


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


def _weights(folder: Path, sides: Sides, found: weights.Distances) -> Iterator[Section]:
    caption = (
        f"Distance of weights between {sides.arm} and baseline by kind. Left: every pair after "
        "the last step; grey bars: two runs of A, so two trainings; shaded: kinds that no true "
        "gradient moves. Right: median of pairs over the steps whose checkpoints were kept, "
        "colours as on the left."
    )
    files = weights.figures(folder, found)
    rows = weights.table(sides, found)
    yield Section(
        "weights",
        "Weights",
        paragraphs=(found.remark,) if found.remark else (),
        figures=tuple((name, caption) for name in files),
        tables=(rows,) if rows.rows else (),
    )


def _speed(folder: Path, sides: Sides) -> Section:
    steps = speed.table(sides)
    caption = "Time and memory of every run (circles) and their medians (bars), from zero."
    return Section(
        "speed",
        "Time and memory",
        figures=tuple((name, caption) for name in speed.figures(folder, sides)),
        tables=(*((steps,) if steps.rows else ()), overview.speed(sides.collected)),
    )
