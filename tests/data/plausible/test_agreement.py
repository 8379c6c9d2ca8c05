"""Does what lies side by side belong together: maps and k-space, field and map, two names?"""

import numpy as np
import pytest
from slices import random_slice

from mrjax.arrays import QsmSubject
from mrjax.data import sources
from mrjax.data.formats import border, dce, fastmri, multicoil
from mrjax.data.intake import Intake
from mrjax.data.plausible import spread
from mrjax.errors import UserError

ROWS, COLUMNS = 48, 40
SLICE = random_slice(3, (4, ROWS, COLUMNS))
EVERY_FOURTH = (np.arange(COLUMNS) % 4 == 0) | (np.abs(np.arange(COLUMNS) - 20) < 8)
MAPS = {
    "their own": lambda maps: maps,
    "without background": lambda maps: np.where(np.abs(SLICE.reference) > 0.1, maps, 0),
    "of another scale": lambda maps: 40 * maps,
    "conjugate": np.conj,
    "in another order": lambda maps: maps[[1, 2, 3, 0]],
    "turned": lambda maps: maps[:, ::-1, ::-1],
    "of half of the object": lambda maps: np.where(np.arange(COLUMNS) < COLUMNS // 2, maps, 0),
}


def notes_of(kspace, word, **changes):
    intake = Intake()
    multicoil.completed("s", kspace, intake=intake, **changes)
    return [line for line in intake.notes if word in line]


@pytest.mark.parametrize("columns", [True, EVERY_FOURTH], ids=["complete", "undersampled"])
@pytest.mark.parametrize(("what", "change"), MAPS.items())
def test_maps_that_are_not_those_of_the_coils_are_said(what, change, columns):
    kspace = np.where(columns, SLICE.kspace, 0)
    maps = change(SLICE.maps).astype(np.complex64)
    right = ("their own", "without background", "of another scale")
    assert bool(notes_of(kspace, "do not explain", maps=maps)) == (what not in right)


def test_maps_are_not_compared_where_too_few_lines_tell():
    kspace = np.where(np.abs(np.arange(COLUMNS) - 20) % 3 == 0, SLICE.kspace, 0)
    assert notes_of(kspace, "do not explain", maps=np.conj(SLICE.maps)) == []


def test_too_few_lines_for_any_map_are_one_line():
    pytest.importorskip("sigpy")
    with pytest.raises(UserError, match=r"the 6 central columns of s give no .* by --maps=espirit"):
        notes_of(SLICE.kspace, "", estimate="espirit", acs_lines=6)
    assert notes_of(SLICE.kspace, "do not explain", estimate="espirit", acs_lines=16) == []


def test_coil_images_and_noise_in_place_of_kspace_are_said(rng):
    shifted = np.fft.ifft2(np.fft.ifftshift(SLICE.kspace, (1, 2)), norm="ortho")
    images = np.fft.fftshift(shifted, (1, 2)).astype(np.complex64)
    noise = rng.standard_normal(images.shape).astype(np.complex64)
    for wrong in (images, noise):
        assert notes_of(wrong, "does not gather", maps=SLICE.maps)
    assert notes_of(SLICE.kspace, "does not gather", maps=SLICE.maps) == []


def test_a_magnitude_in_place_of_kspace_is_said():
    assert notes_of(np.abs(SLICE.kspace).astype(np.complex64), "no imaginary part")
    assert notes_of(SLICE.kspace, "no imaginary part") == []


def along_rows(transform, x):
    return np.fft.fftshift(transform(np.fft.ifftshift(x, 1), axis=1), 1)


def test_a_readout_that_is_cut_through_the_image_is_said():
    images = along_rows(np.fft.ifft, SLICE.kspace)
    narrow = along_rows(np.fft.fft, np.pad(images, ((0, 0), (ROWS // 2, ROWS // 2), (0, 0))))
    alternating = (-1.0) ** np.arange(2 * ROWS)[:, None]  # moves the image by half of its rows
    for kspace, said in ((narrow * alternating, True), (narrow, False)):
        cut = fastmri.cropped(kspace, ROWS)
        assert bool(notes_of(cut, "cut off", acquired=kspace, acs_lines=16)) == said


def sphere(axis: int):
    """A ball of 0.3 ppm, 8 voxels in radius, in the closed form of its field."""
    away = np.meshgrid(*[np.arange(40) - 20.0] * 3, indexing="ij")
    square = sum(x**2 for x in away)
    outside = 0.1 * 8**3 * (3 * away[axis] ** 2 - square) / np.maximum(square, 1) ** 2.5
    ball = square <= 64
    return np.where(ball, 0, outside), 0.3 * ball, square < 18**2


def notes_of_subject(field, chi, mask, unit="ppm", accept="", **geometry):
    intake = Intake.insisting(accept)
    one = border.checked_subject(name="s", field=field, chi=chi, mask=mask, **geometry)
    border.check_spread(one, spread.field_units(unit), intake)
    return [*intake.notes, *intake.insisted]


@pytest.mark.parametrize("axis", [0, 2])
def test_a_field_that_is_not_that_of_its_map_is_said(axis):
    field, chi, mask = sphere(axis)
    along = {"b0_direction": tuple(float(n == axis) for n in range(3))}
    assert notes_of_subject(field, chi, mask, **along) == []
    (sign,) = notes_of_subject(-field, chi, mask, **along)
    assert "s (correlation -0." in sign and "its sign would be the other one" in sign
    (place,) = notes_of_subject(field, np.roll(chi, 12, axis=axis), mask, **along)
    assert "is not that of the susceptibility map" in place and "sign would" not in place
    assert notes_of_subject(field, chi, mask, b0_direction=(0.0, 1.0, 0.0))
    assert notes_of_subject(-field, None, mask, **along) == []


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_map_that_is_turned_end_for_end_is_said(axis):
    field, chi, mask = sphere(2)
    two = [one + 0.6 * np.roll(one, (9, 7, 8), (0, 1, 2)) for one in (field, chi)]
    assert notes_of_subject(*two, mask) == []
    (turned,) = notes_of_subject(two[0], np.flip(two[1], axis), mask)
    assert "turned end for end" in turned and f"turned along {'xyz'[axis]})" in turned


def test_a_mask_without_an_outside_is_said():
    field, _, mask = sphere(2)
    (note,) = notes_of_subject(field, None, np.ones_like(mask))
    assert "every voxel of its volume inside" in note


def test_coils_without_signal_are_said():
    kspace = SLICE.kspace * np.array([1, 0, 1, 1], np.float32)[:, None, None]
    assert notes_of(kspace, "no signal") == ["coils have no signal: s (coil 2 of 4)"]
    assert notes_of(SLICE.kspace, "no signal") == []


@pytest.mark.parametrize(("share", "said"), [(0.3, True), (0.005, False)])
def test_differences_in_place_of_later_volumes_are_said(share, said, rng):
    signal = rng.uniform(1, 2, (20, 20, 1, 4))
    below = rng.permutation(400).reshape(20, 20, 1) < 400 * share
    signal[..., 2] = np.where(below, -signal[..., 2], signal[..., 2])
    intake = Intake()
    dce.checked_patient(
        name="p", signal=signal, seconds=60.0 * np.arange(4), mask=None, intake=intake
    )
    assert bool([n for n in intake.notes if "p (volume 3 in 30 %" in n]) == said


@pytest.mark.parametrize("scale", [1.0, 1 / 16.0])
def test_a_wrapped_phase_is_refused_though_its_spread_is_plausible(scale, rng):
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, 32)] * 3, indexing="ij")
    mask = x**2 + y**2 + z**2 < 0.9
    smooth = (9 * z**2 - 6 * x * y + 4 * x + 0.1 * rng.standard_normal(x.shape)) * 0.1 * scale
    wrapped = np.angle(np.exp(10j * smooth / scale)) * 0.04 * scale
    limits = np.ptp(wrapped[mask]) < 0.26
    assert limits and notes_of_subject(smooth * 0.1 / scale, None, mask) == []
    with pytest.raises(UserError, match=r"jumps by .* as a wrapped phase does; .* --accept=field"):
        notes_of_subject(wrapped, None, mask)
    assert "jumps by" in notes_of_subject(wrapped, None, mask, accept="field")[0]


def test_one_file_under_two_names_is_said():
    def subject(name, field):
        field = np.full((8, 8, 8), field, np.float32)
        return QsmSubject(name=name, field=field, chi=None, mask=field > 0)

    intake = Intake()
    sources.note_copies([subject(*pair) for pair in (("a", 1), ("b", 2), ("c", 1))], intake)
    sources.note_copies([subject("d", 0), subject("e", 0), SLICE], intake)
    assert intake.notes == ["two names stand for the same measured numbers: a = c"]
