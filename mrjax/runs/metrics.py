"""Metrics that results have: their words, unit, direction, and what is called equivalent."""

from collections.abc import Mapping
from typing import NamedTuple


class Metric(NamedTuple):
    """What is known of a metric.

    Attributes:
        words: its name, with its unit where it has one.
        higher: whether more is better.
        margin: difference of means below which two methods are called equivalent.
        margin_kind: "relative" to the mean of the baseline arm, or "absolute".
    """

    words: str
    higher: bool
    margin: float = 0.02
    margin_kind: str = "relative"


METRICS: Mapping[str, Metric] = {
    "nrmse": Metric("NRMSE", higher=False),
    "psnr": Metric("PSNR [dB]", higher=True),
    "ssim": Metric("SSIM", higher=True),
    "hfen": Metric("HFEN", higher=False),
    "dice": Metric("Dice", higher=True, margin=0.01, margin_kind="absolute"),
}
"""Name in ``result.json`` -> metric; the first is judged where nothing else is asked for."""
