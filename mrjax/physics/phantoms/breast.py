"""Synthetic dynamic contrast-enhanced breast series, with the same bytes on every machine.

They are made for one question: which voxels are breast? Fat between and beside the breasts and in
front of the chest wall looks like fat of the breast; heart, liver, muscle and lesions take up
contrast agent as glands do; a smooth field changes every intensity. No threshold can therefore
answer the question, but shape can.
"""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Bool, Float

from mrjax import keys
from mrjax.arrays import DcePatient, Vector
from mrjax.numerics import host
from mrjax.physics.grid import along
from mrjax.physics.phantoms import shapes, thorax
from mrjax.physics.phantoms.shapes import Draws, Points, Volume
from mrjax.physics.phantoms.thorax import Tissue

Shape = tuple[int, int, int]
TIMES = (0.0, 60.0, 120.0, 240.0, 360.0)
"""Default times of the volumes [s]; the first is taken before the contrast agent arrives."""
NOISE = 0.03
"""Standard deviation of real and imaginary noise; the signal of fat without suppression is 1."""
PULSATION = (1.0, 3.5)
"""Range of the factor by which noise is stronger behind the chest wall, where organs move."""


@dataclasses.dataclass(frozen=True)
class Anatomy:
    """A series without noise, and which of its voxels are breast.

    Attributes:
        signal: intensity; that of fat without fat suppression is 1 in a uniform field.
        mask: True for fat, glands and lesions inside the breasts: in front of the pectoral
            muscle, without skin.
        behind: share of each voxel that lies behind the front of the pectoral muscle.
        pulsation: factor by which noise is stronger behind that muscle.
        voxel_size: edge lengths [mm].
    """

    signal: Float[np.ndarray, "x y z t"]
    mask: Bool[np.ndarray, "x y z"]
    behind: Volume
    pulsation: float
    voxel_size: Vector


class _Canvas:
    """A series under construction; a tissue painted later covers those before it."""

    def __init__(self, draws: Draws, shape: Shape, edges: Vector, times: Sequence[float]):
        self.draws, self.shape, self.edges = draws, shape, edges
        self.pixel = max(edges[:2])  # Slices are thick, so surfaces are blurred in plane only.
        # Seconds since the agent arrived, which happens between the first two volumes.
        arrival = draws.between(0.2, 0.6) * (times[1] - times[0])
        self.since = np.maximum(np.asarray(times, np.float64) - times[0] - arrival, 0.0)
        self.signal = np.zeros((*shape, len(times)))

    def noise(self, spacing: float) -> Volume:
        """A smooth random field; its control points are at least two pixels apart."""
        spacing = max(spacing, 2.0 * self.pixel)
        return shapes.smooth_field(self.draws, self.shape, self.edges, spacing)

    def inside(self, distance: Volume) -> Volume:
        """Share of each pixel that is inside a surface, from the signed distance [mm]."""
        return shapes.inside(distance, self.pixel)

    def paint(self, tissue: Tissue, share: Volume, texture: Volume | float = 0.0) -> None:
        """Mix a tissue in by the share of each voxel that it fills; its values vary by patient."""
        draws = self.draws
        base = tissue.signal * draws.between(0.85, 1.15)
        amount = tissue.uptake * draws.between(0.7, 1.3)
        taken = self.since / (self.since + tissue.delay * draws.between(0.7, 1.4))
        curve = 1.0 + amount * taken / (1.0 + tissue.washout * self.since)
        new = (base * np.maximum(1.0 + texture, 0.1) * np.ones(self.shape))[..., None] * curve
        self.signal = self.signal + share[..., None] * (new - self.signal)


def _frame(draws: Draws, shape: Shape) -> tuple[Points, Vector]:
    """Anatomical coordinates [mm] of every voxel, and the edges of a voxel [mm].

    As in clinics, most fields of view hold both breasts and some hold one breast only. The anatomy
    is turned a little and bent.
    """
    view = thorax.BOTH if draws.between(0.0, 1.0) > thorax.SHARE_OF_SINGLE else thorax.SINGLE
    side = -1.0 if draws.between(0.0, 1.0) < 0.5 else 1.0
    centre = (side * view.side, draws.between(*view.middle), 0.0)
    zoom, (x, y, z) = draws.between(*view.zoom), view.extent
    edges = tuple(f / n for f, n in zip((zoom * x, zoom * y, z), shape, strict=True))
    grids = [(np.arange(n) - (n - 1) / 2.0) * e for n, e in zip(shape, edges, strict=True)]
    points = []
    for turned, middle in zip(shapes.turned(draws, 0.03, grids), centre, strict=True):
        bent = 4.0 * shapes.smooth_field(draws, shape, edges, 70.0)
        points.append(turned + bent + middle)
    return points, (edges[0], edges[1], edges[2])


def _mound(draws: Draws, points: Points) -> tuple[Volume, Volume]:
    """Signed distance [mm] to the surfaces of both breasts, and the ellipsoidal radius in them.

    The two breasts of a patient are similar but not equal.
    """
    x, y, z = points
    forward, width, height = (draws.between(*r) for r in thorax.BREAST_HALF_AXES)
    apart, base = draws.between(*thorax.BREAST_APART), draws.between(*thorax.BREAST_BASE)
    distance, radius = np.full(x.shape, np.inf), np.full(x.shape, np.inf)
    for side in (-1.0, 1.0):
        like = draws.between(0.9, 1.1)
        axes = (width * like, forward * like, height * draws.between(0.95, 1.05))
        centre = (apart * draws.between(0.96, 1.04), base, draws.between(-8.0, 8.0))
        mirrored = (x * side, y, z)
        distance = np.minimum(distance, shapes.ellipsoid(mirrored, centre, axes))
        radius = np.minimum(radius, shapes.radius(mirrored, centre, axes))
    return distance, radius


def _glands(canvas: _Canvas, breast: Volume, radius: Volume, fat: Tissue) -> None:
    """Paint fibroglandular tissue: the blobs of a random field, from scattered to dense.

    As in patients, it is much or hardly darker than fat, and smooth or streaky.
    """
    draws = canvas.draws
    density, texture = draws.between(-0.9, 1.6), draws.between(0.05, 0.35)
    blobs = canvas.noise(24.0) + 0.6 * canvas.noise(11.0) + density
    core = np.clip((draws.between(0.75, 1.0) - radius) * 4.0, 0.0, 1.0)
    share = np.clip(blobs * 1.5, 0.0, 1.0) * core * breast
    gland = dataclasses.replace(thorax.GLAND, signal=draws.between(0.35, 0.85) * fat.signal)
    canvas.paint(gland, share, texture * canvas.noise(7.0))


def _lesions(
    canvas: _Canvas, points: Points, breast: Volume, inside: Bool[np.ndarray, "x y z"]
) -> None:
    """Paint up to two lesions with fast uptake; some enhance at their rim only."""
    draws = canvas.draws
    places = np.argwhere(inside)
    for _ in range(2):
        chance, where = draws.between(0.0, 1.0), draws.between(0.0, 1.0)
        size, rim = draws.between(5.0, 22.0), draws.between(0.0, 1.0) < 0.4
        if chance > 0.75 or not len(places):
            continue
        at = tuple(places[int(where * len(places))])
        centre = tuple(float(p[at]) for p in points)
        axes = (size, size * draws.between(0.7, 1.2), size * draws.between(0.8, 1.2))
        distance = shapes.ellipsoid(points, centre, axes) + 2.0 * canvas.noise(12.0)
        canvas.paint(thorax.LESION, canvas.inside(distance) * breast)
        if rim:
            canvas.paint(thorax.NECROSIS, canvas.inside(distance + 0.55 * size) * breast)


def _wall(canvas: _Canvas, points: Points, depth: Volume, front: float) -> None:
    """Paint the chest wall, behind the fat in front of it: pectoral muscle, ribs, organs."""
    draws = canvas.draws
    x, _, z = points
    thickness, cage = draws.between(7.0, 16.0), draws.between(12.0, 18.0)
    behind = canvas.inside(front - depth)
    # The muscle ends beside the sternum and towards the armpit, where fat reaches deeper.
    edge = np.minimum(np.abs(x) - 12.0, 125.0 - np.abs(x))
    canvas.paint(thorax.MUSCLE, behind * np.clip(edge * 0.1, 0.0, 1.0), 0.12 * canvas.noise(12.0))
    ribs = canvas.inside(front + thickness - depth)
    canvas.paint(thorax.MUSCLE, ribs)
    # Ribs are oblique bands along z that descend to the side: a triangle wave of the distance.
    phase = (z + 0.35 * np.abs(x) + draws.between(0.0, 30.0)) * (1.0 / 30.0)
    band = np.abs(phase - np.floor(phase) - 0.5) * 30.0 - 8.0
    shell = np.maximum(front + thickness + 2.0 - depth, band)
    canvas.paint(thorax.CORTEX, canvas.inside(shell) * ribs)
    canvas.paint(thorax.MARROW, canvas.inside(shell + 3.0) * ribs)
    _organs(canvas, points, front + thickness + cage - depth)


def _organs(canvas: _Canvas, points: Points, wall: Volume) -> None:
    """Paint lungs, heart, liver and the vessels beside the sternum, `wall` [mm] from a voxel."""
    draws = canvas.draws
    cavity = canvas.inside(wall)
    canvas.paint(thorax.LUNG, cavity, 0.5 * canvas.noise(15.0))
    for organ in (thorax.LIVER, thorax.MEDIASTINUM, thorax.HEART):
        shift = [c + draws.between(-10.0, 10.0) for c in organ.centre]
        axes = [a * draws.between(0.88, 1.12) for a in organ.half_axes]
        share = canvas.inside(shapes.ellipsoid(points, shift, axes)) * cavity
        canvas.paint(organ.tissue, share, 0.15 * canvas.noise(20.0))
    x, y, z = points
    for side in (-1.0, 1.0):
        start, end = ((14.0, *thorax.VESSEL[:1], height) for height in thorax.VESSEL[1:])
        distance = shapes.segment((x * side, y, z), start, end) - 2.5
        canvas.paint(thorax.BLOOD, canvas.inside(distance))


def _receive_field(draws: Draws, shape: Shape) -> Volume:
    """Smooth positive factor of every intensity: a polynomial of second degree in the position."""
    u = [along(np.linspace(-1.0, 1.0, n), axis) for axis, n in enumerate(shape)]
    # Coils lie in front, so towards the back the signal falls to about half.
    field = 1.0 + draws.between(0.1, 0.35) * u[1] + draws.between(-0.2, 0.2) * u[0]
    field = field + draws.between(-0.1, 0.1) * u[2] + draws.between(-0.15, 0.15) * u[0] * u[1]
    return field + draws.between(-0.15, 0.15) * u[0] * u[0] + draws.between(-0.1, 0.1) * u[1] * u[1]


def draw(key: jax.Array, shape: Shape = (64, 64, 12), times: Sequence[float] = TIMES) -> Anatomy:
    """Draw a random patient without noise.

    Args:
        key: typed key, which determines the patient.
        shape: voxels along x (left-right), y (back-front), z (down-up).
        times: at least two ascending times of the volumes [s].

    Returns:
        The series, the mask and the geometry.
    """
    draws = Draws(key)
    points, edges = _frame(draws, shape)
    canvas = _Canvas(draws, shape, edges, times)
    depth = -shapes.ellipsoid(points, thorax.CHEST.centre, thorax.CHEST.half_axes)
    mound, radius = _mound(draws, points)
    front, skin = draws.between(6.0, 16.0), draws.between(2.0, 3.5)
    surface = np.minimum(-depth, mound)
    # Fat suppression is anything from absent to good.
    fat = dataclasses.replace(thorax.FAT, signal=draws.between(0.45, 1.0))
    canvas.paint(fat, canvas.inside(surface), 0.05 * canvas.noise(12.0))
    breast = canvas.inside(np.maximum(mound + skin, depth - front))
    mask = np.maximum(mound + skin, depth - front) < 0.0
    _glands(canvas, breast, radius, fat)
    _lesions(canvas, points, breast, mask & (radius < 0.8))
    _wall(canvas, points, depth, front)
    canvas.paint(thorax.SKIN, canvas.inside(surface) * canvas.inside(-surface - skin))
    signal = canvas.signal * _receive_field(draws, shape)[..., None]
    behind, pulsation = canvas.inside(front - depth), draws.between(*PULSATION)
    return Anatomy(signal, mask, behind, pulsation, edges)


def breast(
    seed_data: int,
    seed_noise: int,
    index: int,
    shape: Shape = (64, 64, 12),
    times: Sequence[float] = TIMES,
) -> DcePatient:
    """Make a synthetic patient: random anatomy and uptake, and the noise of a magnitude image.

    Args:
        seed_data: seed of the anatomy.
        seed_noise: seed of the noise.
        index: number of the patient; patients of different numbers are independent.
        shape: voxels along x (left-right), y (back-front), z (down-up).
        times: at least two ascending times of the volumes [s].

    Returns:
        Patient with float32 signal in arbitrary units (fat about 100) and a mask of the breasts.
    """
    drawn = draw(keys.stream(seed_data, "data", index), shape, times)
    spread = (NOISE * (1.0 + (drawn.pulsation - 1.0) * drawn.behind))[..., None]
    pair = host.gaussian(keys.stream(seed_noise, "noise", index), (2, *drawn.signal.shape))
    real, imaginary = drawn.signal + spread * pair[0], spread * pair[1]
    return DcePatient(
        name=f"breast{index:04d}",
        signal=(100.0 * np.sqrt(real * real + imaginary * imaginary)).astype(np.float32),
        times=np.asarray(times, np.float64),
        mask=drawn.mask,
        voxel_size=drawn.voxel_size,
    )
