"""Synthetic brains for susceptibility mapping, with the same bytes on every machine."""

import dataclasses

import jax
import numpy as np
from jaxtyping import Bool, Float, Int8

from mrjax import keys
from mrjax.arrays import QsmSubject, Regions, Vector
from mrjax.numerics import host
from mrjax.physics import dipole
from mrjax.physics.phantoms import anatomy, shapes
from mrjax.physics.phantoms.shapes import Draws, Points, Triple, Volume

Shape = tuple[int, int, int]
NOISE = 0.005
"""Standard deviation of the field noise [ppm]: 0.1 rad at 3 T after 25 ms.

With this noise and these tissue contrasts, the best closed-form L2 map has an error of half the
contrast, and a small network does better after some hundred steps.
"""


@dataclasses.dataclass(frozen=True)
class Anatomy:
    """A susceptibility map with its segmentation.

    Attributes:
        chi: susceptibility [ppm], mean 0 over the mask, 0 outside.
        labels: index into ``anatomy.LABELS`` of the structure that fills most of each voxel.
        mask: True inside the brain.
    """

    chi: Float[np.ndarray, "x y z"]
    labels: Int8[np.ndarray, "x y z"]
    mask: Bool[np.ndarray, "x y z"]


class _Canvas:
    """A map under construction; a structure painted later covers those before it."""

    def __init__(self, draws: Draws, shape: Shape, edges: Triple):
        self.draws, self.shape, self.edges = draws, shape, edges
        self.voxel = max(edges)
        self.chi = np.zeros(shape)
        self.labels = np.zeros(shape, np.int8)

    def noise(self, spacing: float) -> Volume:
        """A smooth random field; its control points are at least three voxels apart."""
        spacing = max(spacing, 3.0 * self.voxel)
        return shapes.smooth_field(self.draws, self.shape, self.edges, spacing)

    def paint(self, name: str, share: Volume, chi: Volume | float) -> None:
        """Mix a structure in, by the share of each voxel that it fills."""
        self.chi = self.chi + share * (chi - self.chi)
        self.labels[share > 0.5] = anatomy.LABELS.index(name)

    def tissue(self, name: str, share: Volume, texture: Volume | float = 0.0) -> None:
        """Paint a tissue with a susceptibility drawn for this subject."""
        chi = self.draws.normal(*anatomy.TISSUES[name])
        self.paint(name, share, chi + texture)


def _points(draws: Draws, shape: Shape, voxel_size: Vector) -> tuple[Points, Triple]:
    """Anatomical coordinates [mm] of every voxel, scaled, turned, shifted and bent at random.

    The head is scaled to fill the volume, so 48 voxels hold a whole brain. It is stretched, by at
    most the factor 1 / 0.85, along axes where much of the volume would stay empty.

    Returns:
        Coordinates x, y, z; and the edges of a voxel in the unscaled anatomy [mm].
    """
    half = [n * h / 2.0 for n, h in zip(shape, voxel_size, strict=True)]
    scales = [b / h for b, h in zip(anatomy.BOX, half, strict=True)]
    edges = tuple(max(s, 0.85 * max(scales)) * h for s, h in zip(scales, voxel_size, strict=True))
    grids = [
        (np.arange(n) - (n - 1) / 2.0) * e * draws.between(1.0, 1.08)
        for n, e in zip(shape, edges, strict=True)
    ]
    points = []
    for turned, middle in zip(shapes.turned(draws, 0.06, grids), anatomy.MIDDLE, strict=True):
        bent = 3.0 * shapes.smooth_field(draws, shape, edges, 45.0)
        bent = bent + 1.5 * shapes.smooth_field(draws, shape, edges, 22.0)
        shift = middle + draws.between(-3.0, 3.0)
        points.append(turned + bent + shift)
    return points, edges


def _depth(points: Points) -> tuple[Volume, Volume, Volume]:
    """Signed distances [mm] to the surfaces of cerebrum, cerebellum and brainstem."""
    zero = (0.0, 0.0, 0.0)
    top = shapes.ellipsoid(points, zero, anatomy.CEREBRUM_TOP)
    base = shapes.ellipsoid(points, zero, anatomy.CEREBRUM_BASE)
    cerebrum = np.where(points[2] > 0.0, top, base * (66.0 / 38.0))
    cerebellum = shapes.ellipsoid(points, *anatomy.CEREBELLUM)
    start, end, thickness = anatomy.BRAINSTEM
    return cerebrum, cerebellum, shapes.segment(points, start, end) - thickness


def _cortex(canvas: _Canvas, points: Points, cerebrum: Volume, cerebellum: Volume) -> None:
    """Paint folded grey matter, and fluid in its sulci and in the fissure between hemispheres.

    Sulci lie where a smooth random field is zero, near the surface; grey matter lines the surface
    and both sides of every sulcus.
    """
    spacing = max(16.0, 6.0 * canvas.voxel)
    folds = np.abs(canvas.noise(spacing)) * (0.55 * spacing)
    sulci = folds + np.maximum(0.0, -cerebrum - 24.0)
    core = shapes.ellipsoid(points, (0.0, -5.0, 4.0), (60.0, 52.0, 26.0))
    fissure = np.abs(points[0]) + np.maximum(0.0, -core)
    gap = np.minimum(np.minimum(-cerebrum, sulci), fissure)
    folia = np.minimum(-cerebellum, folds * 0.7 + np.maximum(0.0, -cerebellum - 14.0))
    gap = np.maximum(gap, np.where(cerebellum < 0.0, folia, gap))
    thickness = max(4.0, 1.5 * canvas.voxel)
    fluid = max(1.0, 0.3 * canvas.voxel)
    grey = shapes.inside(gap - thickness, canvas.voxel)
    canvas.tissue("grey_matter", grey, 0.002 * canvas.noise(30.0))
    canvas.tissue("csf", shapes.inside(gap - fluid, canvas.voxel))


def _ventricles(canvas: _Canvas, points: Points) -> None:
    """Paint the lateral ventricles, of random width, and the third and fourth ventricle."""
    width = canvas.draws.between(0.6, 1.5)
    distance = np.minimum(
        shapes.ellipsoid(points, *anatomy.THIRD_VENTRICLE),
        shapes.ellipsoid(points, *anatomy.FOURTH_VENTRICLE),
    )
    x, y, z = points
    for side in (-1.0, 1.0):
        stretch = canvas.draws.between(0.85, 1.15) * width
        mirrored = (x * side, y, z)
        for knots, size in zip(anatomy.VENTRICLES, anatomy.VENTRICLE_RADII, strict=True):
            tube = shapes.path(mirrored, list(knots)) - size * stretch
            distance = np.minimum(distance, tube)
    canvas.tissue("csf", shapes.inside(distance, canvas.voxel))


def _nuclei(canvas: _Canvas, points: Points) -> None:
    """Paint the deep grey nuclei: ellipsoids enlarged by 0.7 voxel, which coarse grids keep."""
    draws = canvas.draws
    gradient = canvas.noise(14.0)
    x, y, z = points
    for item in anatomy.STRUCTURES:
        chi = max(draws.normal(item.chi, item.spread), 0.2 * item.chi)
        for side in (-1.0, 1.0):
            centre = tuple(c + draws.between(-1.5, 1.5) for c in item.centre)
            grown = tuple(
                a * draws.between(0.85, 1.15) + 0.7 * canvas.voxel for a in item.half_axes
            )
            share = shapes.inside(shapes.ellipsoid((x * side, y, z), centre, grown), canvas.voxel)
            canvas.paint(item.name, share, chi * draws.between(0.9, 1.1) * (1.0 + 0.15 * gradient))


def _vein(draws: Draws) -> list[Triple]:
    """Knots of a random vein, along the cortex or from the cortex towards a ventricle."""
    here, turn = draws.direction(), draws.direction()
    inward = draws.between(0.0, 1.0) < 0.5
    knots = []
    for step in range(4):
        share = step / 3.0
        size = 0.95 - (0.55 if inward else 0.08) * share
        bend = (0.15 if inward else 0.6) * share
        knots.append(
            tuple(
                size * a * (h + bend * t)
                for a, h, t in zip(anatomy.CEREBRUM_TOP, here, turn, strict=True)
            )
        )
    return knots


def _vessels(canvas: _Canvas, points: Points) -> None:
    """Paint veins as tubes: those of the midline, and four at random places."""
    draws = canvas.draws
    lines = [list(knots) for knots in anatomy.MIDLINE_VEINS]
    lines += [_vein(draws) for _ in range(4)]
    share = np.zeros(canvas.shape)
    for knots in lines:
        thickness = max(draws.between(0.8, 1.8), 0.4 * canvas.voxel)
        distance = shapes.path(points, knots) - thickness
        share = np.maximum(share, shapes.inside(distance, canvas.voxel))
    canvas.tissue("vein", share)


def _lesions(canvas: _Canvas, points: Points) -> None:
    """Paint up to three microbleeds and, in some subjects, calcified pineal gland and plexus."""
    draws = canvas.draws
    pineal, plexus = (0.0, -31.0, 4.0), (21.0, -38.0, 15.0)
    spots: list[tuple[str, Triple, float]] = []
    spots.append(("calcification", pineal, draws.between(-0.20, 0.05)))
    for side in (-1.0, 1.0):
        centre = (side * plexus[0], *plexus[1:])
        spots.append(("calcification", centre, draws.between(-0.15, 0.10)))
    for _ in range(3):
        reach, direction = draws.between(0.3, 0.8), draws.direction()
        centre = tuple(reach * a * d for a, d in zip(anatomy.CEREBRUM_BASE, direction, strict=True))
        spots.append(("microbleed", centre, draws.between(-0.4, 0.4)))
    for name, centre, chi in spots:
        size = draws.between(1.5, 3.0) + 0.25 * canvas.voxel
        if (chi < 0.0) == (name == "calcification"):
            share = shapes.inside(shapes.ellipsoid(points, centre, (size,) * 3), canvas.voxel)
            canvas.paint(name, share, chi)


def draw(
    key: jax.Array, shape: Shape = (48, 48, 48), voxel_size: Vector = (1.0, 1.0, 1.0)
) -> Anatomy:
    """Draw the shape, the tissues and the susceptibilities of one subject.

    Args:
        key: typed key, from which all of the anatomy follows.
        shape: voxels along x (left-right), y (back-front), z (down-up).
        voxel_size: edge lengths [mm]; only their ratios matter, since the head is scaled.

    Returns:
        Susceptibility map, labels and mask.
    """
    draws = Draws(key)
    points, edges = _points(draws, shape, voxel_size)
    canvas = _Canvas(draws, shape, edges)
    cerebrum, cerebellum, brainstem = _depth(points)
    mask = np.minimum(np.minimum(cerebrum, cerebellum), brainstem) < 0.0
    everywhere = np.ones(shape)
    canvas.tissue("white_matter", everywhere, 0.002 * canvas.noise(40.0))
    _cortex(canvas, points, cerebrum, cerebellum)
    _ventricles(canvas, points)
    _nuclei(canvas, points)
    _vessels(canvas, points)
    _lesions(canvas, points)
    chi = np.where(mask, canvas.chi - host.exact_mean(canvas.chi, mask), 0.0)
    return Anatomy(chi, np.where(mask, canvas.labels, np.int8(0)), mask)


def brain(
    seed_data: int,
    seed_noise: int,
    index: int,
    shape: Shape = (48, 48, 48),
    voxel_size: Vector = (1.0, 1.0, 1.0),
    b0_direction: Vector = (0.0, 0.0, 1.0),
) -> QsmSubject:
    """Make a synthetic subject: a random anatomy, its field by the dipole model, and noise.

    Args:
        seed_data: seed of the anatomy.
        seed_noise: seed of the noise.
        index: number of the subject; subjects of different numbers are independent.
        shape: voxels along x (left-right), y (back-front), z (down-up).
        voxel_size: edge lengths [mm].
        b0_direction: unit vector of the main field in voxel axes.

    Returns:
        Subject with field and susceptibility [ppm], float32, zero outside the mask; its regions are
        the structures of `anatomy.LABELS`.
    """
    drawn = draw(keys.stream(seed_data, "data", index), shape, voxel_size)
    field = dipole.field_host(drawn.chi, voxel_size, b0_direction)
    field = field + NOISE * host.gaussian(keys.stream(seed_noise, "noise", index), shape)
    return QsmSubject(
        name=f"brain{index:04d}",
        field=np.where(drawn.mask, field, 0.0).astype(np.float32),
        chi=drawn.chi.astype(np.float32),
        mask=drawn.mask,
        voxel_size=voxel_size,
        b0_direction=b0_direction,
        regions=Regions(labels=drawn.labels, names=dict(enumerate(anatomy.LABELS))),
    )
