"""Sampling patterns made with numpy: what is full, what is columns, what is refused."""

import numpy as np
import pytest
from slices import random_slice

from mrjax.data.formats import multicoil
from mrjax.data.intake import Intake
from mrjax.data.plausible import pattern
from mrjax.errors import UserError

ROWS, COLUMNS = 64, 72
KSPACE = random_slice(1, (4, ROWS, COLUMNS)).kspace
Y, X = np.meshgrid(np.linspace(-1, 1, ROWS), np.linspace(-1, 1, COLUMNS), indexing="ij")
EVERY = np.arange(COLUMNS) % 3 == 0
EVERY[28:45] = True
COLUMN, ROW = np.arange(COLUMNS), np.arange(ROWS)[:, None]
DOTS = np.random.default_rng(0).random((ROWS, COLUMNS)) < 0.3
DOTS[24:40, 28:44] = True


def acquired(where, intake=None):
    kspace = np.where(where, KSPACE, 0)
    return pattern.acquired_columns("s", kspace, intake or Intake())


@pytest.mark.parametrize(
    ("where", "word"),
    [
        (True, ""),
        ((COLUMN >= 5) & (COLUMN < 66), ""),
        (ROW >= 3, ""),
        ((COLUMN >= 20) & (COLUMN < 52), "zero outside its 32 central columns"),
        (X**2 + Y**2 < 1.05, "elliptical shutter"),
        (~((ROW == 7) & (COLUMN == 9)), ""),
    ],
)
def test_a_complete_kspace_has_no_gaps(where, word):
    intake = Intake()
    assert acquired(where, intake) is None
    assert word in " ".join(intake.notes) and bool(word) == bool(intake.notes)


@pytest.mark.parametrize(
    ("where", "columns"),
    [
        (EVERY, EVERY),
        (EVERY & (X**2 + Y**2 < 1.05), EVERY & (np.abs(X[0]) < 1.02)),
        (COLUMN < 46, COLUMN < 46),
        (COLUMN >= 9, COLUMN >= 9),
        (EVERY & (COLUMN < 60), EVERY & (COLUMN < 60)),
    ],
)
def test_missing_columns_are_found_and_partial_fourier_is_no_padding(where, columns):
    np.testing.assert_array_equal(acquired(where), columns)


def test_each_coil_may_be_zero_where_another_is_not():
    kspace = KSPACE.copy()
    kspace[0, :, ::2], kspace[1, :, 1::2] = 0, 0
    assert pattern.acquired_columns("s", kspace, Intake()) is None


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ((ROW % 4 == 0) | (abs(ROW - 32) < 8), "undersampled along rows; expected .*; swap rows"),
        (DOTS, "undersampled in both directions .*; expected whole columns"),
        (EVERY & ((ROW % 2 == 0) | (abs(ROW - 32) < 8)), "undersampled in both directions"),
        (ROW < 40, "rows 0 to 39 of 64 only .an asymmetric echo"),
        ((ROW + COLUMN) % 2 == 0, "undersampled in both directions"),
    ],
)
def test_what_no_mask_of_columns_says_is_refused(where, message):
    with pytest.raises(UserError, match=message) as caught:
        acquired(where)
    assert "\n" not in str(caught.value)


def completed(where=True, **settings):
    return multicoil.completed("s", np.where(where, KSPACE, 0), acs_lines=8, **settings)


def test_a_reference_needs_every_sample():
    for where in (COLUMN < 46, COLUMN >= 9, EVERY):
        assert completed(where).reference is None
    assert completed().reference is not None


def test_a_mask_beside_a_complete_kspace_leaves_the_reference():
    """What the network sees is cut by the mask, and the reference is that of all columns."""
    found = completed(mask=EVERY)
    np.testing.assert_array_equal(found.mask, EVERY)
    np.testing.assert_array_equal(found.reference, completed().reference)
    assert completed(EVERY, mask=EVERY).reference is None


def test_one_line_off_centre_is_used_and_more_are_refused():
    """Of 72 columns, 9 evenly about 36 are 32 to 40; some formats have 31 to 39."""
    shifted = np.where((COLUMN >= 29) & (COLUMN < 37), True, COLUMN % 6 == 0)
    intake = Intake()
    with pytest.raises(UserError, match="3 of the 8 central columns of s were not"):
        completed(shifted, intake=intake)
    late = np.where((COLUMN >= 33) & (COLUMN < 41), True, COLUMN % 5 == 0)
    assert completed(late, intake=intake).maps.any()
    assert "maps come from 7 columns: s" in intake.notes[-1]


@pytest.mark.parametrize(
    "named", [np.ones(COLUMNS, bool), EVERY | (COLUMN % 2 == 0), EVERY & (COLUMN > 9)]
)
def test_a_mask_that_contradicts_kspace_is_not_believed(named):
    intake = Intake()
    found = completed(EVERY, mask=named, intake=intake)
    np.testing.assert_array_equal(found.mask, EVERY & named)
    zero = np.count_nonzero(named & ~EVERY)
    expected = f"{zero} of {named.sum()} columns that the mask names are zero in k-space"
    assert [expected in line for line in intake.notes] == [True] * bool(zero)


def test_maps_need_acs_lines_that_were_acquired_whatever_the_mask_says():
    gap = EVERY & ~((COLUMN > 33) & (COLUMN < 37))
    with pytest.raises(UserError, match="3 of the 8 central columns of s were not acquired"):
        completed(gap, mask=np.ones(COLUMNS, bool))
    with pytest.raises(UserError, match="zero in all columns of its undersampling mask"):
        completed(EVERY, mask=~EVERY)


def test_padding_is_not_acquired_in_a_files_mask():
    """As fastMRI's own code zeroes the mask before acq_start and after acq_end."""
    inner = (COLUMN >= 5) & (COLUMN < 67)
    found = completed(inner, mask=(COLUMN % 2 == 0) | EVERY)
    assert found.reference is not None and not found.mask[~inner].any()


def test_the_zeros_of_a_box_are_a_matter_of_opinion():
    box = np.zeros((64, 64))
    box[16:48, 16:48] = 1
    kspace = np.fft.fftshift(np.fft.fft2(box))[None].astype(np.complex64)
    with pytest.raises(UserError, match=r"an analytic phantom; .*insist with --accept=sampling"):
        pattern.acquired_columns("s", kspace, Intake())
    intake = Intake.insisting("sampling")
    assert pattern.acquired_columns("s", kspace, intake) is None
    assert "--accept=sampling" in intake.insisted[0]
    with pytest.raises(UserError, match="undersampled in both directions"):
        pattern.acquired_columns("s", np.repeat(kspace, 2, axis=0), intake)
    with pytest.raises(UserError, match="undersampled in both directions"):
        pattern.acquired_columns("s", np.where(DOTS, KSPACE[:1], 0), intake)


def test_a_thousand_slices_have_one_note():
    intake = Intake()
    for number in range(1000):
        kspace = np.where(COLUMN < 46, KSPACE, 0)
        pattern.acquired_columns(f"s{number}", kspace, intake)
    (note,) = intake.notes
    assert note.startswith("46 of 72 columns at one side") and note.endswith("s998, s999")
    spoken = [line for line in intake.lines() if "46 of 72" in line]
    assert len(spoken) == 1 and spoken[0].endswith("s0, s1, s2 and 997 more")
