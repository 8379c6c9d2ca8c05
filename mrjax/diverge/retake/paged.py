"""The page on a step that was taken again; `mrjax.diverge.page` draws it."""

from collections.abc import Sequence
from pathlib import Path

from mrjax.diverge import page, steps
from mrjax.diverge.report import Report, Traced
from mrjax.diverge.retake.again import Again
from mrjax.diverge.retake.growth import Step


def write(both: Sequence[Again], traced: Traced, later: Sequence[Step]) -> Path:
    """Write the page, its figure and ``diverge.json`` beside the records.

    Args:
        both: A and B.
        traced: their step.
        later: how the difference grows from this step on.

    Returns:
        The page.
    """
    a, b = (one.side.folder.path for one in both)
    found = Report(
        names=(str(a), str(b)),
        steps=steps.compare(a, b),
        traced=(traced,),
        parameters={one.step: one.parameters.relative for one in later if one.parameters},
    )
    return page.write(found, both[0].out.parent)
