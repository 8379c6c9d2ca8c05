"""The metrics of results: name for people, unit, direction, and margin of equivalence."""

from collections.abc import Mapping
from typing import NamedTuple


class Metric(NamedTuple):
    """What is known of a metric.

    Attributes:
        words: its name for people, with its unit if it has one.
        higher: whether a higher value is better.
        margin: difference of means below which two methods are called equivalent.
        margin_kind: whether the margin is "relative" to the mean of the baseline arm of a study, or
            "absolute".
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
    "xsim": Metric("XSIM", higher=True),
    "ssim_fastmri": Metric("SSIM by fastMRI's rule", higher=True),
}
"""Name in ``result.json`` -> metric."""
