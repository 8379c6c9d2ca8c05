"""Masks, spreads and times: silent where all is well, in words where it is not."""

import tracemalloc

import numpy as np
import pytest
from scipy import ndimage

from mrjax.data.intake import Intake
from mrjax.data.plausible import masks, spread, times
from mrjax.errors import UserError


def ball(n: int = 32) -> np.ndarray:
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, n)] * 3))
    return (grid**2).sum(axis=0) < 0.6


@pytest.mark.parametrize("scale", [1, 255, 0.5, -0.0 + 3])
def test_two_values_need_no_word(scale):
    intake = Intake()
    stored = np.where(ball(), scale, 0.0)
    stored[0, 0, 0] = np.nan
    np.testing.assert_array_equal(masks.inside("a", stored, intake), ball())
    assert intake.notes == intake.insisted == []


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("factor", [(2, 2, 2), (1, 1.5, 3)])
@pytest.mark.parametrize("top", [1, 255])
def test_a_resampled_mask_is_cut_where_the_shape_was(order, factor, top):
    """At half of the value inside; above zero there is up to three times as much."""
    low = ball(16).astype(float)
    soft = ndimage.zoom(low * top, factor, order=order)
    soft = soft.round() if top == 255 else soft
    sharp = ndimage.zoom(low, factor, order=order) > 0.5
    intake = Intake()
    inside = masks.inside("a", soft, intake)
    assert np.count_nonzero(inside ^ sharp) <= 0.002 * sharp.sum()
    assert np.count_nonzero(soft > 0) > 1.15 * inside.sum()
    assert f"leaves {inside.sum()} voxels of {np.count_nonzero(soft > 0)}" in intake.notes[0]


def test_labels_are_no_mask_unless_the_user_says_so():
    draw = np.random.default_rng(0)
    for labels in ([1, 2], [0, 1, 2], [0, 3, 17, 41, 42], [-1, 1]):
        stored = draw.choice(labels[:-1] * 3 + labels[-1:], size=(8, 8, 8))
        with pytest.raises(UserError, match=r"look like labels; .*insist with --accept=mask$"):
            masks.inside("a", stored, Intake())
        intake = Intake(frozenset({"mask"}))
        np.testing.assert_array_equal(masks.inside("a", stored, intake), stored > 0)
        assert len(intake.insisted) == 1


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("soft", [False, True])
def test_infinite_values_are_named_whatever_the_user_accepts(value, soft):
    stored = ball().astype(np.float32)
    if soft:
        stored = ndimage.uniform_filter(stored, 3)
    stored[:2, 0, 0] = value
    with pytest.raises(UserError, match=r"mask of a is infinite in 2 of 32768 voxels; expected 1 "):
        masks.inside("a", stored, Intake.insisting("mask"))


TESLA, TE = 3.0, 0.02
HERTZ = 42.577 * TESLA


@pytest.mark.parametrize(
    ("read", "true", "hint"),
    [
        ("ppm", HERTZ, "Hz at 3 T"),
        ("ppm", 2 * np.pi * HERTZ, "rad/s at 3 T"),
        ("ppm", 1e3, "ppb"),
        ("ppm", 1e-3, "ppm, had it been divided by an echo time in s"),
        ("ppm", 4096 * 2 * HERTZ * TE, "phase of -4096 to 4095 after 0.02 s"),
        ("Hz", 1.0, "ppm"),
        ("Hz", 1e3, "ppb"),
        ("rad", 1.0, "ppm"),
        ("rad", 4096 * 2 * HERTZ * TE, "rad had -4096 to 4095 been scaled"),
    ],
)
def test_a_wrong_unit_is_named_with_the_right_one(read, true, hint):
    """What a field of 0.02 ppm becomes when numbers of one unit are read in another."""
    per_ppm = {"ppm": 1.0, "Hz": HERTZ, "rad": 2 * np.pi * HERTZ * TE}[read]
    values = np.random.default_rng(0).normal(0, 0.02, 5000) * true / per_ppm
    units = spread.field_units(read, field_strength=TESLA, echo_time=TE)
    with pytest.raises(UserError, match=r"expected 0.004 to 0.15 ppm") as caught:
        spread.check("a", "field", values, spread.FIELD_PPM, units, Intake())
    assert hint in str(caught.value) and "(0.02 ppm)" in str(caught.value)
    assert str(caught.value).endswith("--accept=field") and "\n" not in str(caught.value)
    intake = Intake(frozenset({"field"}))
    spread.check("a", "field", values, spread.FIELD_PPM, units, intake)
    assert len(intake.insisted) == 1


def test_an_echo_time_ten_times_too_long_is_named():
    values = np.random.default_rng(0).normal(0, 0.02, 5000) / 10
    units = spread.field_units("rad", field_strength=TESLA, echo_time=0.2)
    with pytest.raises(UserError, match=r"rad at an echo time of 0.02 s \(0.02 ppm\)"):
        spread.check("a", "field", values, spread.FIELD_PPM, units, Intake())


def test_a_plausible_map_needs_no_word():
    intake = Intake()
    for std in (0.006, 0.03, 0.12):
        values = np.random.default_rng(0).normal(0, std, 5000)
        spread.check("a", "field", values, spread.FIELD_PPM, spread.field_units(), intake)
        spread.check("a", "chi", values, spread.CHI_PPM, spread.CHI_UNITS, intake)
    assert intake.notes == intake.insisted == []
    with pytest.raises(UserError, match=r"the chi of a .*plausible in ppb .*--accept=chi"):
        spread.check("a", "chi", values * 150, spread.CHI_PPM, spread.CHI_UNITS, Intake())


@pytest.mark.parametrize(
    ("step", "volumes", "hint"),
    [
        (0.0053, 10, "repetition time"),
        (1.0, 5, "plausible in minutes"),
        (1.5, 7, "plausible in minutes"),
        (60e3, 6, "plausible in milliseconds"),
        (0.02, 6, "plausible in hours"),
    ],
)
def test_a_series_too_short_or_too_long_is_refused(step, volumes, hint):
    seconds = 43200 + step * np.arange(volumes)
    with pytest.raises(UserError, match=rf"expected 60 to 7200 s; .*{hint}.*--accept=times$"):
        times.check("a", seconds, Intake())
    intake = Intake(frozenset({"times"}))
    times.check("a", seconds, intake)
    assert len(intake.insisted) == 1


def test_a_series_of_minutes_needs_no_word():
    intake = Intake()
    for length in (60, 394.3, 7200):
        times.check("a", 43200 + np.linspace(0, length, 8), intake)
    assert intake.notes == intake.insisted == []


def test_an_image_is_no_mask():
    """Neither a magnitude image nor the field itself gathers at one value; a soft edge does."""
    draw = np.random.default_rng(0)
    for image in (draw.normal(300, 80, (16, 16, 16)), draw.normal(0, 0.03, (16, 16, 16))):
        with pytest.raises(UserError, match=r"looks like an image; .*--accept=mask$"):
            masks.inside("a", np.abs(image).astype(np.float32), Intake())
        intake = Intake.insisting("mask")
        assert masks.inside("a", np.abs(image), intake).any() and len(intake.insisted) == 1
    soft = ndimage.gaussian_filter(ball(48).astype(float), 1.5)
    np.testing.assert_array_equal(masks.inside("a", soft, Intake()), soft > 0.5)


def test_a_clipped_overshoot_is_no_label():
    """A mask of 0 and 100 through a cubic spline, as bytes: below zero is cut off, above not."""
    soft = ndimage.zoom(ball(16) * 100.0, 2, order=3)
    stored = np.clip(soft.round(), 0, 255).astype(np.uint8)
    assert stored.max() > 100 and stored.min() == 0
    np.testing.assert_array_equal(masks.inside("a", stored, Intake()), stored > 50)


def test_spikes_do_not_make_a_field_implausible():
    draw = np.random.default_rng(0)
    values = draw.normal(0, 0.02, 50000)
    values[draw.choice(values.size, 100, replace=False)] = 4
    assert values.std() > 0.15
    spread.check("a", "field", values, spread.FIELD_PPM, spread.field_units(), Intake())
    sparse = np.where(np.arange(1000) < 30, 0.2, 0)  # of which the percentiles are equal
    spread.check("a", "chi", sparse, spread.CHI_PPM, spread.CHI_UNITS, Intake())


@pytest.mark.parametrize("factor", [10, 100])
def test_an_echo_time_too_short_is_named(factor):
    values = np.random.default_rng(0).normal(0, 0.02, 5000) * factor
    units = spread.field_units("rad", field_strength=TESLA, echo_time=0.02 / factor)
    with pytest.raises(UserError, match=r"rad at an echo time of 0.02 s \(0.02 ppm\)"):
        spread.check("a", "field", values, spread.FIELD_PPM, units, Intake())


def test_a_mask_of_two_values_takes_no_copies_in_double_precision():
    stored = np.repeat(ball(64).astype(np.float32)[..., None], 4, axis=3)
    tracemalloc.start()
    masks.inside("a", stored, Intake())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * stored.nbytes
