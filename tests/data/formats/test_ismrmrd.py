"""ISMRMRD raw data: where lines go, what flags and counters mean, and the one-liners."""

import copy
import sys

import h5py
import numpy as np
import pytest
from helpers import draw
from slices import random_slice

from mrjax.data.formats import ismrmrd
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.physics import coils, prewhitening

pytest.importorskip("ismrmrd", reason="needs ismrmrd-package: pip install ismrmrd")

from ismrmrd_files import BOTH, CALIBRATION, NAVIGATOR, NOISE, REVERSE, lines, write

SHAPE = (3, 24, 32)
EVEN = range(0, 32, 2)


@pytest.fixture
def one():
    return random_slice(0, SHAPE)


def read(path, intake=None, acs_lines=8):
    return ismrmrd.read(path, "acs", acs_lines, intake)


def test_a_written_file_comes_back(tmp_path):
    slices = [random_slice(i, SHAPE) for i in range(2)]
    ismrmrd.write_ismrmrd(slices, tmp_path / "new/knee7.h5")
    intake = Intake()
    (path,) = ismrmrd.files(tmp_path / "new")
    found = read(path, intake)
    assert [s.name for s in found] == ["knee7_slice00", "knee7_slice01"]
    assert {s.volume for s in found} == {"knee7"}
    for a, b in zip(slices, found, strict=True):
        np.testing.assert_array_equal(a.kspace, b.kspace)
        np.testing.assert_array_equal(b.maps, coils.from_acs(a.kspace, 8))
        assert b.mask is None and b.reference.dtype == np.complex64
    notes = ["coils are not prewhitened, there being no noise measurement: knee7.h5"]
    assert intake.notes == notes and not intake.left_out


def test_counters_are_images_of_their_own_and_averages_are_averaged(one, tmp_path):
    double, other = 2 * one.kspace, random_slice(1, SHAPE).kspace
    readouts = lines(other, contrast=1) + lines(one.kspace) + lines(double, average=1)
    write(tmp_path / "a.h5", readouts + lines(other, [3], average=2, contrast=1), SHAPE)
    intake = Intake()
    first, second = read(tmp_path / "a.h5", intake)
    assert (first.name, second.name) == ("a_slice00_contrast00", "a_slice00_contrast01")
    assert (first.volume, second.volume) == ("a_contrast00", "a_contrast01")
    np.testing.assert_allclose(first.kspace, 1.5 * one.kspace, rtol=1e-6)
    np.testing.assert_array_equal(second.kspace, other)
    assert "every contrast is an image of its own: a.h5" in intake.notes
    averaged = "lines that were measured more than once are averaged: a_slice00_contrast00, a_sl"
    assert any(note.startswith(averaged) for note in intake.notes)


@pytest.mark.parametrize("counter", ["slice", "phase", "repetition", "set"])
def test_no_counter_is_mixed(counter, one, tmp_path):
    readouts = lines(one.kspace) + lines(one.kspace[:, ::-1], **{counter: 2})
    write(tmp_path / "a.h5", readouts, SHAPE)
    first, second = read(tmp_path / "a.h5")
    np.testing.assert_array_equal(first.kspace, one.kspace)
    np.testing.assert_array_equal(second.kspace, one.kspace[:, ::-1])


def test_lines_lie_about_the_centre_of_the_header(one, tmp_path):
    """Partial Fourier: 23 of 32 lines, of which number 7 is that through the centre."""

    def edit(encoding, _):
        limits = encoding.encodingLimits.kspace_encoding_step_1
        limits.maximum, limits.center = 22, 7

    readouts = lines(one.kspace[..., 9:])
    write(tmp_path / "a.h5", readouts, SHAPE, edit)
    (found,) = read(tmp_path / "a.h5")
    np.testing.assert_array_equal(found.kspace[..., 9:], one.kspace[..., 9:])
    assert not found.kspace[..., :9].any() and found.reference is None
    assert np.flatnonzero(found.mask).tolist() == list(range(9, 32))


def test_readouts_lie_about_their_central_sample(one, tmp_path):
    """Samples before and behind the readout are dropped; an asymmetric echo is refused."""
    padded = np.pad(one.kspace, ((0, 0), (3, 2), (0, 0)), constant_values=9)
    readouts = lines(padded, discard_pre=3, discard_post=2, center_sample=15)
    write(tmp_path / "a.h5", readouts, SHAPE)
    np.testing.assert_array_equal(read(tmp_path / "a.h5")[0].kspace, one.kspace)
    short = lines(one.kspace[:, 1:], center_sample=11)  # one row of 24 is no asymmetry to speak of
    write(tmp_path / "a.h5", short, SHAPE)
    (found,) = read(tmp_path / "a.h5")
    np.testing.assert_array_equal(found.kspace[:, 1:], one.kspace[:, 1:])
    assert not found.kspace[:, 0].any()
    write(tmp_path / "a.h5", lines(one.kspace[:, 8:], center_sample=4), SHAPE)
    with pytest.raises(UserError, match=r"a_slice00 has rows 8 to 23 of 24 only \(an asymmetric"):
        read(tmp_path / "a.h5")


def test_a_whole_readout_is_not_moved(one, tmp_path):
    intake = Intake()
    for central in (0, 12):
        write(tmp_path / "a.h5", lines(one.kspace, center_sample=central), SHAPE)
        np.testing.assert_array_equal(read(tmp_path / "a.h5", intake)[0].kspace, one.kspace)
    assert len(intake.notes) == 1
    write(tmp_path / "a.h5", lines(one.kspace, center_sample=10), SHAPE)
    np.testing.assert_array_equal(read(tmp_path / "a.h5", intake)[0].kspace, one.kspace)
    assert "though sample 10 is said to be central: a_slice00" in intake.notes[1]


def test_oversampling_is_cut_off_about_the_centre(one, tmp_path):
    def edit(encoding, _):
        encoding.reconSpace = copy.deepcopy(encoding.encodedSpace)
        encoding.reconSpace.matrixSize.x = 13
        encoding.reconSpace.fieldOfView_mm.x = 13.0

    write(tmp_path / "a.h5", lines(one.kspace), SHAPE, edit)
    (found,) = read(tmp_path / "a.h5")
    expected = coils.images(one.kspace)[:, 5:18]
    np.testing.assert_allclose(coils.images(found.kspace), expected, atol=1e-5)


@pytest.mark.parametrize("flags", [0, CALIBRATION])
def test_values_that_are_not_finite_are_one_line_though_rows_are_cut(flags, one, tmp_path):
    def edit(encoding, _):
        encoding.reconSpace = copy.deepcopy(encoding.encodedSpace)
        encoding.reconSpace.matrixSize.x = 12
        encoding.reconSpace.fieldOfView_mm.x = 12.0

    damaged = one.kspace.copy()
    damaged[1, 5, 15] = np.nan
    other = lines(one.kspace, [15], flags=0 if flags else CALIBRATION)
    rest = lines(one.kspace, [c for c in range(32) if c != 15])
    readouts = rest + other + lines(damaged, [15], flags=flags)
    write(tmp_path / "a.h5", readouts, SHAPE, edit)
    with pytest.raises(UserError, match="k-space of a_slice00 is NaN or infinite in 1 places"):
        read(tmp_path / "a.h5")


def test_averages_of_unequal_length_are_counted_by_sample(one, tmp_path):
    part = lines(3 * one.kspace[:, 1:], center_sample=11, average=1)
    write(tmp_path / "a.h5", lines(one.kspace) + part, SHAPE)
    (found,) = read(tmp_path / "a.h5")
    np.testing.assert_allclose(found.kspace[:, 1:], 2 * one.kspace[:, 1:], rtol=1e-6)
    np.testing.assert_array_equal(found.kspace[:, 0], one.kspace[:, 0])


def test_fields_of_view_that_contradict_the_matrix_are_said(one, tmp_path):
    def edit(encoding, _):
        encoding.reconSpace = copy.deepcopy(encoding.encodedSpace)
        encoding.reconSpace.matrixSize.x = 40  # interpolated
        encoding.reconSpace.fieldOfView_mm.x = 12.0

    write(tmp_path / "a.h5", lines(one.kspace), SHAPE, edit)
    intake = Intake()
    (found,) = read(tmp_path / "a.h5", intake)
    np.testing.assert_array_equal(found.kspace, one.kspace)
    said = "24 of 24 rows are kept by the header's numbers of points, though its fields of view say"
    assert any(note.startswith(said + " 12: a.h5") for note in intake.notes)


def test_lines_that_only_calibrate_are_none_of_the_image(one, tmp_path):
    centre = range(10, 22)
    readouts = lines(one.kspace, [c for c in EVEN if c not in centre])
    readouts += lines(one.kspace, [c for c in centre if c in EVEN], flags=BOTH)
    calibrating = lines(3 * one.kspace, [c for c in centre if c not in EVEN], flags=CALIBRATION)
    write(tmp_path / "a.h5", readouts + calibrating, SHAPE)
    (found,) = read(tmp_path / "a.h5")
    assert np.flatnonzero(found.mask).tolist() == list(EVEN) and found.reference is None
    np.testing.assert_array_equal(found.kspace[..., EVEN], one.kspace[..., EVEN])
    factor = np.where(np.isin(np.arange(32), EVEN), 1, 3)
    np.testing.assert_allclose(found.maps, coils.from_acs(one.kspace * factor, 8), atol=1e-5)
    with pytest.raises(UserError, match="4 of the 16 central columns of a_slice00 were not"):
        read(tmp_path / "a.h5", acs_lines=16)
    write(tmp_path / "a.h5", readouts, SHAPE)  # without them the image's own lines are too few
    with pytest.raises(UserError, match="4 of the 8 central columns of a_slice00 were not"):
        read(tmp_path / "a.h5")


def test_calibration_of_another_repetition_is_said(one, tmp_path):
    readouts = lines(one.kspace, EVEN) + lines(one.kspace, EVEN, repetition=1)
    write(tmp_path / "a.h5", readouts + lines(one.kspace, range(8, 24), flags=CALIBRATION), SHAPE)
    intake = Intake()
    first, second = read(tmp_path / "a.h5", intake)
    np.testing.assert_array_equal(first.maps, second.maps)
    said = "maps come from the calibration of another image: a_slice00_repetition01"
    assert [note for note in intake.notes if note.endswith(said)]


def test_a_complete_image_beside_calibration_has_a_reference(one, tmp_path):
    calibrating = lines(one.kspace, range(8, 24), flags=CALIBRATION, encoding_space_ref=1)
    write(tmp_path / "a.h5", lines(one.kspace) + calibrating, SHAPE)
    intake = Intake()
    (found,) = read(tmp_path / "a.h5", intake)
    assert found.mask is None and found.reference is not None
    assert "calibration lines of another encoding are unused: a.h5" in intake.notes


def noisy(one, rng, **changes):
    """Lines of coils with mixed noise, its measurement, and the mixing."""
    mixing = np.eye(3) + 0.5 * draw(rng, (3, 3), np.complex128)
    samples = (0.1 * mixing @ draw(rng, (3, 400), np.complex128)).astype(np.complex64)
    mixed = np.einsum("ij,jrc->irc", mixing, one.kspace).astype(np.complex64)
    return lines(samples[:, :, None], flags=NOISE, **changes) + lines(mixed), mixed, samples


@pytest.mark.parametrize(
    ("dwell", "ratio", "scale"), [(5.0, None, 0.793), (10.0, None, 0.3965), (2.5, 0.9, 1.8)]
)
def test_coils_are_prewhitened(dwell, ratio, scale, one, rng, tmp_path):
    def edit(_, header):
        header.acquisitionSystemInformation.relativeReceiverNoiseBandwidth = ratio

    readouts, mixed, samples = noisy(one, rng, sample_time_us=dwell)
    write(tmp_path / "a.h5", readouts, SHAPE, edit)
    intake = Intake()
    (found,) = read(tmp_path / "a.h5", intake)
    lower = np.linalg.cholesky(samples @ samples.conj().T / 399)
    whitening = np.sqrt(2 * scale) * np.linalg.inv(lower)
    expected = np.einsum("ij,jrc->irc", whitening, mixed)
    np.testing.assert_allclose(found.kspace, expected, atol=1e-4 * np.abs(expected).max())
    assert not intake.notes and np.abs(found.kspace - mixed).max() > 1


def test_unknown_dwell_times_are_said(one, rng, tmp_path):
    readouts, *_ = noisy(one, rng, sample_time_us=0.0)
    write(tmp_path / "a.h5", readouts, SHAPE)
    intake = Intake()
    read(tmp_path / "a.h5", intake)
    assert intake.notes == ["dwell times differ or are unknown and do not scale the noise: a.h5"]
    assert prewhitening.BANDWIDTH_RATIO == 0.793


def test_navigators_and_files_without_an_image_are_said(one, tmp_path):
    navigators = lines(9 * one.kspace, [16], flags=NAVIGATOR)
    write(tmp_path / "a.h5", lines(one.kspace) + navigators, SHAPE)
    write(tmp_path / "b.mrd", lines(one.kspace, flags=NOISE), SHAPE)
    intake = Intake()
    a, b = ismrmrd.files(tmp_path)
    np.testing.assert_array_equal(read(a, intake)[0].kspace, one.kspace)
    assert read(b, intake) == [] and intake.left_out == [("b.mrd", "no imaging readout in it")]
    assert "no imaging ones (navigators and the like) are unused: a.h5" in intake.notes[0]


def deep(encoding, _):
    encoding.encodedSpace.matrixSize.z = 4


def spiral(encoding, _):
    encoding.trajectory = type(encoding.trajectory).SPIRAL


def tiny(encoding, _):
    encoding.encodedSpace.matrixSize.x = 4


def large(encoding, _):
    encoding.encodedSpace.matrixSize.x = encoding.encodedSpace.matrixSize.y = 16000


def narrow(encoding, _):
    encoding.reconSpace = copy.deepcopy(encoding.encodedSpace)
    encoding.reconSpace.matrixSize.x = encoding.reconSpace.fieldOfView_mm.x = 2


def shifted(encoding, _):
    encoding.encodingLimits.kspace_encoding_step_1.center = 3


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (deep, r"a.h5 encodes 4 partitions, .* \(a 3-D encoding\); expected 2-D slices"),
        (spiral, "a.h5 has a trajectory that is spiral; expected cartesian, parallel lines"),
        (tiny, "the header of a.h5 says 4 x 32 points are encoded; expected 8 to 16384"),
        (large, "a_slice00 has 768 samples of 16000 x 16000 in its header; expected more"),
        (narrow, "the header of a.h5 says that 2 of 24 rows are reconstructed; expected 8"),
        (shifted, "a_slice00 has a readout of 24 samples at row 0 and column 32 of 24 x 32"),
    ],
)
def test_headers_that_cannot_be_are_one_line(edit, message, one, tmp_path):
    write(tmp_path / "a.h5", lines(one.kspace), SHAPE, edit)
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path / "a.h5")
    assert "\n" not in str(caught.value)


def test_headers_are_read_whatever_else_they_hold_but_not_with_wrong_numbers(one, tmp_path):
    write(tmp_path / "a.h5", lines(one.kspace), SHAPE)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        xml = bytes(file["dataset/xml"][0])
        file["dataset/xml"][0] = xml.replace(b"<version>", b"<later>1</later><version>")
    np.testing.assert_array_equal(read(tmp_path / "a.h5")[0].kspace, one.kspace)
    for old, new in ((b"<x>24", b"<x>many"), (b">cartesian<", b">straight<"), (b"<y>", b"<z>")):
        assert old in xml
        with h5py.File(tmp_path / "a.h5", "a") as file:
            file["dataset/xml"][0] = xml.replace(old, new)
        with pytest.raises(UserError, match=r"not a readable ISMRMRD file|says 24 x 1 points"):
            read(tmp_path / "a.h5")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kspace_encode_step_2": 1}, r"a.h5 has more than one line .*\(a 3-D encoding\); exp"),
        ({"encoding_space_ref": 1}, "of a.h5 have the encodings 0, 1 of 1 in its header; expected"),
        ({"flags": REVERSE}, r"a.h5 has readouts of both directions \(echo-planar imaging\)"),
        ({"discard_pre": 30}, "readout of 0 samples at row 30|has a readout of 0 samples"),
    ],
)
def test_lines_that_cannot_be_used_are_one_line(changes, message, one, tmp_path):
    readouts = lines(one.kspace, range(1, 32)) + lines(one.kspace, [0], **changes)
    write(tmp_path / "a.h5", readouts, SHAPE)
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path / "a.h5")
    assert "\n" not in str(caught.value)


def test_other_coils_are_one_line(one, tmp_path):
    readouts = lines(one.kspace, range(1, 32)) + lines(one.kspace[:2], [0])
    write(tmp_path / "a.h5", readouts, SHAPE)
    with pytest.raises(UserError, match="a_slice00 has readouts of 2, 3 coils; expected"):
        read(tmp_path / "a.h5")
    write(tmp_path / "a.h5", lines(one.kspace) + lines(one.kspace[:2], flags=NOISE), SHAPE)
    with pytest.raises(UserError, match=r"noise of a.h5 was measured with 2 coils, its"):
        read(tmp_path / "a.h5")


def test_other_files_and_a_missing_package_are_one_line(one, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"no .h5 or .mrd files in .*; expected raw data in the"):
        ismrmrd.files(tmp_path)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["kspace"] = one.kspace[None]
    with pytest.raises(UserError, match=r"has 0 groups with xml and data; expected exactly one be"):
        read(tmp_path / "a.h5")
    (tmp_path / "b.h5").write_bytes(b"")
    with pytest.raises(UserError, match=r"b.h5 is not a readable ISMRMRD file \("):
        read(tmp_path / "b.h5")
    monkeypatch.setitem(sys.modules, "ismrmrd", None)
    for call in (read, lambda path: ismrmrd.write_ismrmrd([one], path)):
        with pytest.raises(UserError, match=r'ismrmrd, which is not .*; pip install "mrjax\[ism'):
            call(tmp_path / "a.h5")
