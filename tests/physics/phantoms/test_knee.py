"""Synthetic knees: streams, coils, difficulty."""

import numpy as np
import pytest

from mrjax import keys, metrics
from mrjax.physics import coils, sampling, sense
from mrjax.physics.phantoms import joint, loops, shapes
from mrjax.physics.phantoms.knee import NOISE, draw, knee

SMALL = (40, 32)


@pytest.fixture(scope="module")
def slices():
    return [knee(0, 0, i) for i in range(4)]


def test_types_and_shapes():
    one = knee(0, 0, 3, SMALL, 5)
    assert one.kspace.shape == one.maps.shape == (5, *SMALL) and one.reference.shape == SMALL
    assert one.kspace.dtype == one.maps.dtype == one.reference.dtype == np.complex64
    assert one.mask is None and one.name == "knee0003"
    assert np.isfinite(one.kspace).all()


def test_streams_change_what_they_name():
    base, other = knee(0, 0, 0, SMALL), knee(0, 1, 0, SMALL)
    assert np.array_equal(base.maps, other.maps) and not np.array_equal(base.kspace, other.kspace)
    again = knee(0, 0, 0, SMALL)
    assert np.array_equal(base.kspace, again.kspace)
    assert np.array_equal(base.reference, again.reference)
    for different in (knee(1, 0, 0, SMALL), knee(0, 0, 1, SMALL)):
        assert not np.array_equal(base.maps, different.maps)
        assert not np.allclose(base.reference, different.reference, atol=0.2)


def test_reference_is_the_combined_image_and_kspace_the_encoded_one(slices):
    image, maps = draw(keys.stream(0, "data", 0))
    one = slices[0]
    assert np.allclose(one.maps, maps, atol=1e-6)
    combined = coils.combine(one.maps, coils.images(one.kspace))
    assert np.allclose(one.reference, combined, atol=1e-6)
    noise = one.reference - image
    assert np.std(noise.real) == pytest.approx(NOISE, rel=0.05)
    assert np.std(noise.imag) == pytest.approx(NOISE, rel=0.05)
    each = coils.images(one.kspace) - maps * image
    assert np.std(each.real, axis=(1, 2)) == pytest.approx(NOISE, rel=0.05)
    everywhere = np.ones((1, 96), bool)
    full = sense.zero_filled(one.kspace[None], one.maps[None], everywhere)[0]
    assert np.allclose(full, one.reference, atol=1e-5)


@pytest.mark.parametrize("count", [1, 4, 8])
def test_maps_are_normalised_and_every_coil_sees_its_side(count):
    _, maps = draw(keys.stream(2, "data", 0), SMALL, count)
    assert np.allclose(np.sum(np.abs(maps) ** 2, axis=0), 1.0, atol=1e-12)
    peaks = {np.unravel_index(np.argmax(np.abs(m)), SMALL) for m in maps}
    assert count == 1 or len(peaks) >= 4
    flat = maps.reshape(count, -1)
    assert np.linalg.cond(flat @ flat.conj().T) < 3000  # no coil is a copy of another


def test_field_of_a_wire_against_the_integral():
    """The integral of Biot and Savart by the midpoint rule over many short pieces."""
    start, end = np.array([1.0, -2.0, 0.5]), np.array([-3.0, 4.0, 1.5])
    point = np.array([2.0, 1.0, -1.0])
    expected = np.zeros(3)
    for share in (np.arange(2000) + 0.5) / 2000:
        r = point - (start + share * (end - start))
        expected += np.cross((end - start) / 2000, r) / np.linalg.norm(r) ** 3
    field = loops.segment_field([np.array([p]) for p in point], start, end)
    assert np.allclose(np.ravel(field), expected, rtol=1e-5)


def test_polygon_distance():
    square = [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)]
    points = [np.array([1.0, 3.0, 0.5]), np.array([1.0, 1.0, 0.0])]
    assert np.allclose(joint.polygon(points, square), [-1.0, 1.0, 0.0])


def test_anatomy_is_bright_dark_and_smooth_in_phase(slices):
    for one in slices:
        magnitude = np.abs(one.reference)
        inside = magnitude > 0.25
        assert 0.45 < inside.mean() < 0.85
        assert 0.9 < np.quantile(magnitude, 0.98) < 1.25
        assert np.quantile(magnitude[30:66, 25:75], 0.02) < 0.3  # menisci, ligaments, cortex
        step = one.reference[:, 1:] * np.conj(one.reference[:, :-1])
        both = inside[:, 1:] & inside[:, :-1]
        assert np.quantile(np.abs(np.angle(step))[both], 0.95) < 0.35
        assert np.std(np.angle(one.reference)[inside]) > 0.2


def test_intensities_are_plausible_and_slices_differ():
    painted = []
    for index in range(8):
        draws = shapes.Draws(keys.stream(0, "data", index))
        canvas = joint.Canvas(draws, SMALL, 4.5)
        y, x = np.meshgrid(*((np.arange(n) - n // 2) * 4.5 for n in SMALL), indexing="ij")
        painted.append(joint.paint(canvas, [x, -y, np.zeros(())]))
    assert all(0.0 <= image.min() and image.max() < 1.5 for image in painted)
    pairs = [np.abs(a - b).mean() for i, a in enumerate(painted) for b in painted[:i]]
    assert min(pairs) > 0.02


@pytest.mark.parametrize("acs_lines", [16, 24])
def test_the_best_classical_method_leaves_room(slices, acs_lines):
    """At 4-fold regular undersampling, errors are those for which the presets are made."""
    mask = np.stack([sampling.mask("regular", 0, i, 96, 4, acs_lines) for i in range(4)])
    arguments = np.stack([s.kspace for s in slices]), np.stack([s.maps for s in slices]), mask
    references = [np.abs(s.reference) for s in slices]

    def error(images):
        pairs = zip(np.abs(np.asarray(images)), references, strict=True)
        return np.mean([metrics.nrmse(x, r, np.ones(r.shape, bool)) for x, r in pairs])

    best = min(error(sense.cg_sense(*arguments, n, 0.01)) for n in (6, 10, 15))
    assert 0.16 < error(sense.zero_filled(*arguments)) < 0.3
    assert 0.09 < best < 0.15
