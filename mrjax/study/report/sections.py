"""Parts of a report: figures written into its folder, and the tables and words around them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mrjax.study.gather.collected import Collected
from mrjax.study.report import (
    curves,
    identity,
    inference,
    names,
    overview,
    questions,
    repetitions,
    shares,
    training,
    voxels,
)
from mrjax.study.report.analysis import Analysis
from mrjax.study.report.page import Section


def _captioned(files: Sequence[str], caption: str) -> tuple[tuple[str, str], ...]:
    pages = len(files)
    return tuple(
        (name, f"{caption}{f' (page {number} of {pages})' if pages > 1 else ''}.")
        for number, name in enumerate(files, 1)
    )


def of_identity(folder: Path, found: Analysis) -> Section:
    """Which runs agree bit for bit."""
    caption = "Networks of two arms with the same replicate number that agree in every bit"
    if len(found.effects) >= identity.ARMS:
        caption += f"; the first {identity.ARMS} arms"
    return Section(
        "identity",
        "Bit-identity",
        figures=_captioned(identity.figures(folder, found), caption),
        tables=(identity.table(found),),
    )


def of_training(folder: Path, found: Analysis) -> Section:
    """The three questions about training."""
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


def of_inference(folder: Path, found: Analysis) -> Section:
    """One network, inference under each arm."""
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


def of_curves(folder: Path, found: Analysis) -> Iterator[Section]:
    """Loss curves and their distance from the baseline; none without ledgers."""
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


def of_repetitions(folder: Path, found: Analysis) -> Section:
    """Run by run, subjects in boxes."""
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


def of_shares(folder: Path, found: Analysis) -> Iterator[Section]:
    """Variance shares; none without a crossed design."""
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


def of_voxels(folder: Path, found: Analysis, wanted: bool | None) -> Iterator[Section]:
    """Outputs voxel by voxel; `wanted` as in `mrjax.study.report.voxels.compute`."""
    experiment = found.collected.study.experiment
    computed = voxels.compute(found.collected, wanted)
    caption = (
        "Mean over the baseline's runs, and standard deviation over the runs of the baseline and "
        f"of up to {voxels.ARMS} arms, those that differ most from the baseline first; arms that "
        "repeat the baseline's outputs, or whose runs all agree, are not drawn"
    )
    files = voxels.figures(folder, computed, experiment) if computed.arms else []
    yield Section(
        "voxels",
        "Voxel by voxel",
        paragraphs=(computed.remark,) if computed.remark else (),
        figures=_captioned(files, caption),
        tables=(voxels.table(computed, experiment),) if computed.arms else (),
    )


def of_problems(collected: Collected) -> Section:
    """What is not in the numbers, and why."""
    table = overview.problems(collected)
    return Section(
        "problems",
        "What is missing",
        paragraphs=() if table.rows else ("Every arm ran, and every run was collected.",),
        tables=(table,) if table.rows else (),
    )
