"""What pictures of runs share: a figure that needs no window, and the planes shown of a volume."""

from typing import Any

import numpy as np


def figure(width: float, height: float, layout: str | None = "constrained") -> Any:
    """Return an empty matplotlib figure, not of pyplot: no global state, no window system.

    Args:
        width: [in].
        height: [in].
        layout: matplotlib's name of how axes find their places; None: where they are put.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(width, height), layout=layout)  # pyright: ignore[reportArgumentType]
    FigureCanvasAgg(drawn)
    return drawn


def planes(volume: np.ndarray, mask: np.ndarray, least: int = 1) -> list[np.ndarray]:
    """Return axial, coronal and sagittal plane through the middle of the mask, up as up.

    Args:
        volume: [x y z], or an image, which is its only plane.
        mask: where the volume has values, of the same shape.
        least: slices below which a volume makes no picture from the side.

    Returns:
        Three planes; of a volume of fewer slices than `least` the axial one.
    """
    if volume.ndim != 3:
        return [np.atleast_2d(volume)]
    places = np.nonzero(mask)
    x, y, z = (round(float(c.mean())) if len(c) else 0 for c in places)
    axial = volume[:, :, z].T[::-1]
    if volume.shape[2] < least:
        return [axial]
    return [axial, volume[:, y, :].T[::-1], volume[x, :, :].T[::-1]]
