"""The anatomy of a sagittal knee slice, painted structure by structure.

Coordinates [mm]: x to the back, y to the head, origin in the joint. Intensities are those of a
proton-density image without fat suppression, relative to subcutaneous fat. Shapes and sizes are
rounded from textbook anatomy of an adult.
"""

import functools
import math

import numpy as np
from jaxtyping import Float

from mrjax.physics.phantoms import shapes
from mrjax.physics.phantoms.shapes import Draws, Points, Volume

INTENSITIES = {
    "fat": 1.00,
    "skin": 0.35,
    "muscle": 0.36,
    "marrow": 0.82,
    "bone": 0.05,
    "cartilage": 0.66,
    "fluid": 0.95,
    "meniscus": 0.08,
    "ligament": 0.12,
    "artery": 0.06,
    "vein": 0.75,
    "nerve": 0.55,
}
"""Mean intensity of each tissue; those of a knee differ from it by at most 8 %."""

Plane = Float[np.ndarray, "row column"]


class Canvas:
    """An image under construction; a structure painted later covers those before it."""

    def __init__(self, draws: Draws, shape: tuple[int, int], pixel: float):
        """Start with a black image, and draw the knee's intensities.

        Args:
            draws: source of random numbers.
            shape: rows and columns.
            pixel: edge length [mm].
        """
        self.draws, self.shape, self.pixel = draws, shape, pixel
        self.image = np.zeros(shape)
        self._values = {n: v * draws.between(0.92, 1.08) for n, v in INTENSITIES.items()}

    def noise(self, spacing: float, stretch: float = 1.0) -> Plane:
        """Smooth random field of unit variance; ``stretch`` makes its blobs longer than wide."""
        edges = (self.pixel / stretch, self.pixel)
        return shapes.smooth_plane(self.draws, self.shape, edges, spacing)

    def paint(self, tissue: str, distance: Volume, factor: Plane | float = 1.0) -> None:
        """Paint a tissue, with soft edges, where the signed distance [mm] is negative."""
        share = shapes.inside(distance, self.pixel)
        self.image = self.image + share * (self._values[tissue] * factor - self.image)


def polygon(points: Points, corners: list[tuple[float, float]]) -> Volume:
    """Distance [mm] to the edges of a convex polygon, negative inside.

    Args:
        points: coordinates, of which x and y are used.
        corners: in the order that has the inside on the left.
    """
    sides = []
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        dx, dy = x1 - x0, y1 - y0
        length = math.sqrt(dx * dx + dy * dy)
        sides.append(((points[0] - x0) * dy - (points[1] - y0) * dx) * (1.0 / length))
    return functools.reduce(np.maximum, sides)


def _disc(points: Points, x: float, y: float, a: float, b: float) -> Volume:
    """Distance to an ellipse around (x, y) with half axes a along x and b along y."""
    return shapes.ellipsoid(points[:2], (x, y), (a, b))


def _tube(points: Points, knots: list[tuple[float, float]], thickness: float) -> Volume:
    """Distance to a band of half width ``thickness`` along a polyline."""
    return shapes.path(points, [(x, y, 0.0) for x, y in knots]) - thickness


def _leg(canvas: Canvas, points: Points) -> None:
    """Paint skin, subcutaneous fat with septa, and muscles with fat between their bundles."""
    x, y = points[:2]
    draws = canvas.draws
    up, bend = (y - 15.0) * 0.04, y * 0.03
    front = -48.0 - draws.between(8.0, 13.0) / (1.0 + up * up)
    back = draws.between(56.0, 62.0) - draws.between(4.0, 10.0) / (1.0 + bend * bend)
    surface = np.maximum(front - x, x - back)
    canvas.paint("skin", surface)
    canvas.paint("fat", surface + 1.8)
    canvas.paint("skin", np.maximum(surface + 1.8, np.abs(canvas.noise(7.0)) * 5.0 - 0.5))
    muscle = surface + 1.8 + draws.between(4.0, 9.0) + 1.5 * canvas.noise(20.0)
    canvas.paint("muscle", muscle, 1.0 + 0.15 * canvas.noise(3.0, 5.0))
    planes = np.abs(canvas.noise(9.0, 5.0)) * 7.0 - draws.between(0.7, 1.3)
    canvas.paint("fat", np.maximum(muscle, planes), 0.95)
    # The fat pad below the patella, and the fat behind the joint, through which vessels run.
    canvas.paint("fat", _disc(points, -33.0, -4.0, 19.0, 24.0), 0.93 + 0.07 * canvas.noise(4.0))
    canvas.paint("fat", _disc(points, 40.0, 10.0, 9.0, 38.0), 0.95 + 0.06 * canvas.noise(4.0))


def _vessels(canvas: Canvas, points: Points) -> None:
    """Paint popliteal artery, vein and nerve behind the joint, and small vessels anywhere."""
    draws, shift = canvas.draws, canvas.draws.between(-3.0, 3.0)
    for tissue, x, size in (("artery", 36.0, 2.6), ("vein", 41.0, 3.0), ("nerve", 46.5, 2.0)):
        knots = [(x + shift + draws.between(-3.0, 3.0), y) for y in (90.0, 35.0, 0.0, -35.0, -90.0)]
        canvas.paint(tissue, _tube(points, knots, size * draws.between(0.8, 1.2)))
    for _ in range(14):
        x, y = draws.between(-50.0, 52.0), draws.between(-75.0, 75.0)
        tissue = "artery" if draws.between(0.0, 1.0) < 0.5 else "vein"
        size = draws.between(1.0, 2.2)
        canvas.paint(tissue, _disc(points, x, y, size, size * draws.between(1.0, 2.5)))


def _bone(canvas: Canvas, distance: Volume, cortex: Volume | float) -> None:
    """Paint a bone: cortex around marrow with trabeculae."""
    fine, coarse = canvas.noise(1.6 * canvas.pixel), canvas.noise(9.0)
    canvas.paint("bone", distance)
    canvas.paint("marrow", distance + cortex, 1.0 + 0.09 * fine + 0.05 * coarse)


def _long_bones(canvas: Canvas, points: Points) -> None:
    """Paint femur and tibia with cartilage."""
    draws, y = canvas.draws, points[1]
    grow = draws.between(-1.5, 1.5)
    shaft = _tube(points, [(-6.0, 30.0), (-8.0, 130.0)], 14.0 + grow)
    femur = np.minimum(shaft, _disc(points, 5.0, 24.0, 29.0 + grow, 21.0 + grow))
    shaft = _tube(points, [(3.0, -34.0), (-3.0, -130.0)], 13.5 + grow)
    head = np.maximum(_disc(points, 4.0, -22.0, 30.0 + grow, 21.0 + grow), y + 7.0)
    tibia = np.minimum(shaft, head)
    joint = np.abs(y) - 34.0
    for distance in (femur, tibia):
        layer = draws.between(2.2, 3.4)
        canvas.paint("cartilage", np.maximum(distance - layer, joint))
        _bone(canvas, distance, np.clip(0.8 + np.maximum(0.0, joint) * 0.08, 0.8, 4.5))
    for bone, height in ((femur, 40.0), (tibia, -30.0)):
        # The scar of the growth plate.
        scar = np.abs(y - height + 2.0 * canvas.noise(15.0)) - 0.5
        canvas.paint("bone", np.maximum(bone + 3.0, scar), 5.0)


def _patella(canvas: Canvas, points: Points) -> None:
    """Paint the kneecap with its cartilage, the quadriceps tendon and the patellar tendon."""
    draws = canvas.draws
    x, y = -43.0 + draws.between(-1.5, 1.5), 27.0 + draws.between(-4.0, 4.0)
    above, below = draws.between(2.5, 3.8), draws.between(2.0, 3.0)
    canvas.paint("ligament", _tube(points, [(x - 3, y + 12), (-38.0, 70.0), (-36, 110)], above))
    canvas.paint("ligament", _tube(points, [(x - 3, y - 12), (-37.0, -24.0), (-30, -42)], below))
    pouch = [(-31.0, 44.0), (-29.0, 62.0), (-27.0, 76.0)]
    canvas.paint("fluid", _tube(points, pouch, draws.between(0.8, 3.5)))
    canvas.paint("cartilage", _disc(points, x + 3.0, y, 8.5, 13.0))
    _bone(canvas, _disc(points, x, y, 8.5, 17.0), 1.2)


def _menisci(canvas: Canvas, points: Points) -> None:
    """Paint two dark menisci in the joint with bright fluid around them; some are torn."""
    draws = canvas.draws
    gap = _tube(points, [(-24.0, 0.5), (-6.0, -3.5), (14.0, -3.5), (32.0, 1.0)], 1.0)
    canvas.paint("fluid", gap)
    for side in (-1.0, 1.0):
        outer, inner = 4.0 + side * 28.0, 4.0 + side * draws.between(10.0, 15.0)
        top, bottom = draws.between(3.0, 5.5), -5.8
        corners = [(inner, bottom + 1.2), (outer, bottom), (outer, top)]
        corners = corners if side > 0 else corners[::-1]
        wedge = polygon(points, corners)
        canvas.paint("meniscus", wedge)
        if draws.between(0.0, 1.0) < 0.4:
            middle = 0.5 * (inner + outer)
            tear = _tube(points, [(middle, bottom - 1.0), (middle + 3.0 * side, 3.0)], 0.5)
            canvas.paint("fluid", np.maximum(wedge, tear))


def _notch(canvas: Canvas, points: Points) -> None:
    """Paint a slice between the condyles: both cruciate ligaments in fat."""
    draws, shift = canvas.draws, canvas.draws.between(-2.0, 2.0)
    room = np.maximum(_disc(points, 12.0, 6.0, 22.0, 14.0), -6.5 - points[1])
    canvas.paint("fat", room, 0.85 + 0.08 * canvas.noise(3.0))
    canvas.paint("fluid", np.maximum(room, np.abs(canvas.noise(6.0)) * 5.0 - 0.7))
    anterior = [(18.0 + shift, 18.0), (-12.0 + shift, -6.0)]
    posterior = [(0.0 + shift, 15.0), (16.0 + shift, 12.0), (27.0, -1.0), (29.0, -14.0)]
    fibres = np.maximum(0.3, 1.0 + 0.6 * canvas.noise(2.5))
    canvas.paint("ligament", _tube(points, anterior, draws.between(2.5, 3.8)), 1.5 * fibres)
    canvas.paint("ligament", _tube(points, posterior, draws.between(2.5, 3.5)))


def paint(canvas: Canvas, points: Points) -> Plane:
    """Paint a knee, sliced between the condyles (a third of the slices) or through one of them.

    Args:
        canvas: a new one.
        points: coordinates x, y [mm] and zeros.

    Returns:
        [row column] intensity, 1 in subcutaneous fat.
    """
    _leg(canvas, points)
    _vessels(canvas, points)
    _long_bones(canvas, points)
    if canvas.draws.between(0.0, 1.0) < 1.0 / 3.0:
        _notch(canvas, points)
    else:
        _menisci(canvas, points)
    _patella(canvas, points)
    return canvas.image
