"""The average anatomy that synthetic brains vary: positions [mm] and susceptibilities [ppm].

Axes: x to the right, y to the front, z up; origin between the commissures. Structures with two
sides are given for x > 0. Positions and sizes are rounded from the MNI152 atlas frame.

Susceptibilities are rounded values of the following papers, whose ranges the spread between
subjects covers: Marques et al., Magn Reson Med 86:526 (2021) (tissue values of the QSM challenge
2.0 phantom); Langkammer et al., NeuroImage 62:1593 (2012), and Li et al., Hum Brain Mapp 35:2698
(2014), for deep grey matter and its spread with age; Haacke et al., J Magn Reson Imaging 32:663
(2010), and Fan et al., Magn Reson Med 72:149 (2014), for veins; Liu et al., Radiology 262:269
(2012), for microbleeds; Schweser et al., Med Phys 37:5165 (2010), for calcifications.

One liberty is taken: deep nuclei have values at the upper end of the reports, as in an old
subject, and are thickened by 0.7 voxel, because a red nucleus is only two voxels wide where 48
voxels hold a head.
"""

import dataclasses

from mrjax.arrays import Vector


@dataclasses.dataclass(frozen=True)
class Structure:
    """One compact structure: an ellipsoid on each side, or one on the midline (x = 0).

    Attributes:
        name: one of LABELS.
        centre: position [mm].
        half_axes: half axes [mm].
        chi: mean susceptibility [ppm].
        spread: standard deviation between subjects [ppm].
    """

    name: str
    centre: Vector
    half_axes: Vector
    chi: float
    spread: float


LABELS = (
    "outside",
    "white_matter",
    "grey_matter",
    "csf",
    "thalamus",
    "putamen",
    "globus_pallidus",
    "caudate",
    "red_nucleus",
    "substantia_nigra",
    "dentate",
    "vein",
    "microbleed",
    "calcification",
)
"""Name of each label value."""

TISSUES = {
    "white_matter": (-0.030, 0.005),
    "grey_matter": (0.020, 0.005),
    "csf": (0.019, 0.004),
    "vein": (0.200, 0.030),
}
"""Mean and spread [ppm] of the tissues that are not ellipsoids."""

CEREBRUM_TOP: Vector = (66.0, 84.0, 66.0)
CEREBRUM_BASE: Vector = (62.0, 80.0, 38.0)
CEREBELLUM = ((0.0, -50.0, -40.0), (52.0, 33.0, 26.0))
BRAINSTEM = ((0.0, -20.0, -22.0), (0.0, -32.0, -72.0), 14.0)
BOX: Vector = (72.0, 92.0, 74.0)
"""Half extents [mm] of the box that is scaled to fit into the volume."""
MIDDLE: Vector = (0.0, 0.0, -2.0)
"""The point [mm] that lies in the middle of the volume."""

STRUCTURES = (
    Structure("thalamus", (12.0, -18.0, 7.0), (9.0, 14.0, 9.0), 0.015, 0.010),
    Structure("caudate", (14.0, 17.0, 8.0), (6.0, 10.0, 9.0), 0.060, 0.012),
    Structure("caudate", (18.0, -2.0, 20.0), (4.5, 17.0, 4.5), 0.055, 0.012),
    Structure("putamen", (27.0, 3.0, 2.0), (6.5, 17.0, 11.0), 0.080, 0.020),
    Structure("globus_pallidus", (19.5, -3.0, 0.0), (5.0, 10.0, 7.0), 0.160, 0.025),
    Structure("red_nucleus", (5.5, -20.0, -9.0), (3.8, 4.0, 4.5), 0.120, 0.025),
    Structure("substantia_nigra", (10.0, -15.0, -13.0), (4.5, 7.0, 4.0), 0.140, 0.025),
    Structure("dentate", (15.0, -56.0, -36.0), (7.0, 9.0, 5.0), 0.130, 0.025),
)

VENTRICLES = (
    ((10.0, 33.0, 3.0), (11.0, 16.0, 14.0), (13.0, -8.0, 21.0), (20.0, -36.0, 17.0)),
    ((20.0, -36.0, 17.0), (25.0, -62.0, 8.0)),
    ((20.0, -36.0, 17.0), (31.0, -32.0, -6.0), (30.0, -12.0, -16.0)),
)
"""Knots of the lateral ventricles: frontal horn and body, occipital horn, temporal horn."""
VENTRICLE_RADII = (6.5, 4.5, 3.0)
"""Mean radius [mm] of each of these three tubes."""
THIRD_VENTRICLE = ((0.0, -10.0, 1.0), (2.5, 14.0, 10.0))
FOURTH_VENTRICLE = ((0.0, -43.0, -34.0), (7.0, 7.0, 10.0))

MIDLINE_VEINS = (
    ((3.0, -2.0, 11.0), (3.0, -30.0, 13.0), (0.0, -42.0, 8.0)),
    ((-3.0, -2.0, 11.0), (-3.0, -30.0, 13.0), (0.0, -42.0, 8.0)),
    ((0.0, -40.0, 8.0), (0.0, -60.0, 2.0), (0.0, -76.0, -4.0)),
)
"""Internal cerebral veins, great vein and straight sinus."""
