"""Sampling masks against those of the package fastmri, for the same random numbers."""

import numpy as np
import pytest

from mrjax.errors import UserError
from mrjax.physics import fastmri_masks

CASES = [(10, 4, 0.2), (18, 3, 0.2), (320, 4, 0.08), (320, 8, 0.04), (367, 4, 0.08), (368, 8, 0.04)]
CLASSES = {
    "random": "RandomMaskFunc",
    "equispaced": "EquiSpacedMaskFunc",
    "equispaced_fraction": "EquispacedMaskFractionFunc",
}


def theirs(pattern, case, seed):
    """Mask and number of calibration lines of the package."""
    columns, acceleration, fraction = case
    subsample = pytest.importorskip("fastmri.data.subsample")
    mask_of = getattr(subsample, CLASSES[pattern])([fraction], [acceleration])
    mask, lines = mask_of((1, 4, columns, 2), seed=seed)
    return mask.numpy().reshape(-1) != 0, lines


def ours(pattern, case, seed):
    """Our mask, from the random numbers that the package draws."""
    columns, acceleration, fraction = case
    lines = fastmri_masks.centre_lines(columns, fraction)
    rng = np.random.RandomState(seed)
    rng.randint(1)  # the package's choice among its accelerations
    if pattern == "random":
        return fastmri_masks.random(rng.uniform(size=columns), acceleration, lines), lines
    if pattern == "equispaced":
        offset = rng.randint(0, high=acceleration)
        return fastmri_masks.equispaced(columns, acceleration, lines, offset), lines
    below = round(fastmri_masks.spacing(columns, acceleration, lines))
    offset = rng.randint(0, high=below)
    return fastmri_masks.equispaced_fraction(columns, acceleration, lines, offset), lines


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("pattern", CLASSES)
def test_mask_is_that_of_fastmri(pattern, case):
    for seed in range(40):
        (expected, their_lines), (found, lines) = (f(pattern, case, seed) for f in (theirs, ours))
        assert lines == their_lines
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("pattern", CLASSES)
def test_slices_have_masks_of_their_own_that_depend_on_the_seed(pattern):
    masks = [fastmri_masks.mask(pattern, 3, i, 320, 4, 0.08) for i in range(20)]
    again = fastmri_masks.mask(pattern, 3, 0, 320, 4, 0.08)
    np.testing.assert_array_equal(masks[0], again)
    assert len({mask.tobytes() for mask in masks}) >= 3
    others = [fastmri_masks.mask(pattern, 4, i, 320, 4, 0.08) for i in range(20)]
    assert any((a != b).any() for a, b in zip(masks, others, strict=True))
    assert all(mask[147:173].all() for mask in masks)


def test_expected_number_of_columns():
    """80 of 320; the equispaced mask has more, because its centre comes on top."""
    counts = {
        pattern: np.mean([fastmri_masks.mask(pattern, 0, i, 320, 4, 0.08).sum() for i in range(60)])
        for pattern in CLASSES
    }
    assert abs(counts["random"] - 80) < 4
    assert abs(counts["equispaced_fraction"] - 80) < 2
    assert 96 <= counts["equispaced"] <= 104


@pytest.mark.parametrize(
    "change, word",
    [
        ({"acceleration": 0}, "acceleration 0"),
        ({"centre_fraction": 0.0}, "centre fraction 0.0"),
        ({"centre_fraction": 0.999}, "calibration lines of 320 columns"),
        ({"centre_fraction": 0.25, "pattern": "equispaced_fraction"}, "as many as acceleration 4"),
        ({"pattern": "spiral"}, "pattern 'spiral'"),
    ],
)
def test_what_cannot_be_sampled_is_refused(change, word):
    values = {"pattern": "random", "columns": 320, "acceleration": 4, "centre_fraction": 0.08}
    with pytest.raises(UserError, match=word):
        fastmri_masks.mask(seed_mask=0, index=0, **{**values, **change})
