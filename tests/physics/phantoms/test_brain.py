"""Synthetic brains: streams, plausibility, difficulty."""

import numpy as np
import pytest

from mrjax import keys, metrics
from mrjax.physics import dipole, inversion
from mrjax.physics.phantoms import anatomy
from mrjax.physics.phantoms.brain import NOISE, brain, draw

SMALL = (24, 24, 24)


@pytest.fixture(scope="module")
def subject():
    return brain(0, 0, 0)


@pytest.fixture(scope="module")
def drawn():
    return draw(keys.stream(0, "data", 0))


def test_types_and_mask(subject):
    assert subject.field.dtype == subject.chi.dtype == np.float32
    assert subject.mask.dtype == bool and subject.field.shape == (48, 48, 48)
    assert not subject.field[~subject.mask].any() and not subject.chi[~subject.mask].any()
    assert 0.12 < subject.mask.mean() < 0.4
    faces = [subject.mask[[0, -1]], subject.mask[:, [0, -1]], subject.mask[:, :, -1]]
    assert not any(
        face.any() for face in faces
    )  # only the brainstem may reach a border, the lower one
    assert abs(subject.chi[subject.mask].mean()) < 1e-7


def test_the_regions_of_a_subject_are_its_anatomy(subject, drawn):
    np.testing.assert_array_equal(subject.regions.labels, drawn.labels)
    names = subject.regions.names
    assert [names[i] for i in sorted(names)] == list(anatomy.LABELS)
    inside = {names[i]: subject.chi[drawn.labels == i].mean() for i in (6, 1)}
    assert inside["globus_pallidus"] > inside["white_matter"] + 0.1


def test_streams_change_what_they_name():
    base, other = brain(0, 0, 0, SMALL), brain(0, 1, 0, SMALL)
    assert np.array_equal(base.chi, other.chi) and not np.array_equal(base.field, other.field)
    again = brain(0, 0, 0, SMALL)
    assert np.array_equal(base.field, again.field) and np.array_equal(base.chi, again.chi)
    for different in (brain(1, 0, 0, SMALL), brain(0, 0, 1, SMALL)):
        assert not np.array_equal(base.mask, different.mask)
        assert not np.array_equal(base.chi, different.chi)
    assert base.name != brain(0, 0, 1, SMALL).name


def test_field_is_the_dipole_model_plus_noise():
    direction = (0.0, 0.6, 0.8)
    subject = brain(0, 0, 2, (24, 28, 24), (1.2, 1.0, 1.0), direction)
    assert subject.b0_direction == direction and subject.voxel_size == (1.2, 1.0, 1.0)
    clean = dipole.field_host(subject.chi, (1.2, 1.0, 1.0), direction)
    noise = (subject.field - clean)[subject.mask]
    assert abs(noise.mean()) < 5 * NOISE / np.sqrt(noise.size)
    assert noise.std() == pytest.approx(NOISE, rel=0.05)
    wrong = subject.field - dipole.field_host(subject.chi, (1.2, 1.0, 1.0))
    assert wrong[subject.mask].std() > 1.2 * NOISE


def test_every_structure_is_there_with_its_contrast(drawn):
    means = {}
    for value, name in enumerate(anatomy.LABELS[:12]):
        inside = drawn.labels == value
        assert inside.sum() >= (4 if value > 7 else 20), name
        means[name] = drawn.chi[inside].mean()
    assert means["white_matter"] < means["grey_matter"] < means["globus_pallidus"] < means["vein"]
    assert 0.03 < means["grey_matter"] - means["white_matter"] < 0.07
    assert 0.10 < means["globus_pallidus"] - means["white_matter"] < 0.28
    assert np.array_equal(drawn.labels > 0, drawn.mask)
    shares = {n: (drawn.labels == i)[drawn.mask].mean() for i, n in enumerate(anatomy.LABELS)}
    assert 0.25 < shares["white_matter"] < 0.7 and 0.15 < shares["grey_matter"] < 0.5


def test_subjects_differ_in_shape_and_susceptibility():
    several = [draw(keys.stream(0, "data", i), SMALL) for i in range(6)]
    sizes = [d.mask.sum() for d in several]
    assert np.std(sizes) > 0.02 * np.mean(sizes)
    pallidum = [d.chi[d.labels == anatomy.LABELS.index("globus_pallidus")].mean() for d in several]
    assert 0.01 < np.std(pallidum) < 0.08


def test_the_best_classical_method_leaves_half_of_the_contrast(subject):
    def best(method, name, values):
        maps = [method(subject.field, subject.mask, **{name: v}) for v in values]
        return min(metrics.nrmse(m, subject.chi, subject.mask, demean=True) for m in maps)

    assert 0.42 < best(inversion.l2, "weight", (0.01, 0.02, 0.03)) < 0.62
    assert 0.5 < best(inversion.tkd, "threshold", (0.2, 0.3, 0.4, 0.5)) < 0.9
