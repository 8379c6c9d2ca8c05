"""The average chest that synthetic breast patients vary: positions [mm], signals, uptake.

Axes: x to the right, y to the front, z up; the origin is in the middle of the chest, behind the
skin over the sternum. Positions and sizes are rounded from anatomical atlases and chosen to look
like axial breast MRI. Signals are those of a T1-weighted gradient echo, relative to fat without fat
suppression. The relative enhancement is ``uptake * t / (t + delay) / (1 + washout * t)``, with the
time t since the agent arrived [s]. This function is rational, so its bits are the same on every
machine, and it has the three shapes known from clinics (rising, plateau, wash-out; Kuhl et al.,
Radiology 211:101 (1999)).
"""

import dataclasses

from mrjax.arrays import Vector


@dataclasses.dataclass(frozen=True)
class Tissue:
    """How a tissue looks before and after contrast agent.

    Attributes:
        signal: before contrast, relative to fat.
        uptake: relative enhancement after a long time, if there is no wash-out.
        delay: time to half of this enhancement [s].
        washout: rate at which the enhancement falls again [1/s].
    """

    signal: float
    uptake: float = 0.0
    delay: float = 60.0
    washout: float = 0.0


@dataclasses.dataclass(frozen=True)
class Body:
    """An ellipsoid [mm] and the tissue that fills it."""

    centre: Vector
    half_axes: Vector
    tissue: Tissue


@dataclasses.dataclass(frozen=True)
class View:
    """A field of view; one for a single breast has its centre on one side.

    Attributes:
        extent: along x, y, z [mm].
        zoom: range of the factor on the extent of one patient, the same along x and y.
        side: distance of the centre from the midline [mm].
        middle: range of the y coordinate of the centre [mm].
    """

    extent: Vector
    zoom: tuple[float, float]
    side: float
    middle: tuple[float, float]


FAT = Tissue(1.0, 0.04)
SKIN = Tissue(0.55, 0.5, 90.0)
GLAND = Tissue(0.6, 0.5, 150.0)
LESION = Tissue(0.45, 2.2, 35.0, 0.0012)
NECROSIS = Tissue(0.35, 0.15, 200.0)
MUSCLE = Tissue(0.42, 0.35, 90.0)
MARROW = Tissue(0.75, 0.15, 120.0)
CORTEX = Tissue(0.08)
LUNG = Tissue(0.09, 0.8, 20.0, 0.002)
BLOOD = Tissue(0.40, 2.6, 12.0, 0.0030)
MYOCARDIUM = Tissue(0.45, 1.8, 20.0, 0.0020)
LIVER_TISSUE = Tissue(0.65, 0.9, 45.0, 0.0006)
SOFT = Tissue(0.55, 0.6, 60.0)

CHEST = Body((0.0, -95.0, 0.0), (155.0, 115.0, 900.0), MUSCLE)
HEART = Body((-28.0, -60.0, -5.0), (58.0, 48.0, 62.0), MYOCARDIUM)
MEDIASTINUM = Body((0.0, -75.0, 60.0), (32.0, 55.0, 70.0), SOFT)
LIVER = Body((55.0, -75.0, -95.0), (85.0, 75.0, 70.0), LIVER_TISSUE)
VESSEL = (-12.0, -90.0, 90.0)
"""Internal mammary vessels: y, lower end z and upper end z [mm]."""

BREAST_HALF_AXES = ((62.0, 115.0), (46.0, 70.0), (58.0, 78.0))
"""Ranges of the half axes [mm]: to the front, to the side, upwards."""
BREAST_APART = (70.0, 84.0)
"""Range of the distance of a breast's centre from the midline [mm]."""
BREAST_BASE = (-16.0, 0.0)
"""Range of the y coordinate of a breast's centre [mm]."""

BOTH = View((345.0, 345.0, 150.0), (0.9, 1.08), 0.0, (-40.0, -20.0))
SINGLE = View((200.0, 200.0, 150.0), (0.85, 1.15), 77.0, (15.0, 40.0))
SHARE_OF_SINGLE = 0.4
