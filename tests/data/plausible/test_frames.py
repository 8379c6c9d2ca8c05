"""Which frame of a NIfTI header is used, judged by kernels and affines made with numpy alone."""

import nibabel as nib
import numpy as np
import pytest

from mrjax.data.formats import nifti_file
from mrjax.data.intake import Intake
from mrjax.data.plausible import frames
from mrjax.errors import UserError
from mrjax.physics import dipole

SHAPE = (9, 11, 8)
PER_MM = {"mm": 1.0, "meter": 1e-3, "micron": 1e3}


def rotation(seed: int) -> np.ndarray:
    """A proper or improper rotation; the first are permutations with signs."""
    draw = np.random.default_rng(seed)
    if seed < 10:
        return np.eye(3)[draw.permutation(3)] * draw.choice([-1.0, 1.0], 3)
    return np.linalg.qr(draw.normal(size=(3, 3)))[0]


def affine_of(turned: np.ndarray, size=(0.7, 1.0, 2.0)) -> np.ndarray:
    found = np.eye(4)
    found[:3, :3] = turned * np.asarray(size)
    found[:3, 3] = (-30, 12, 5)
    return found


def header(sform=None, qform=None, codes=(1, 1), unit="mm", **fields):
    image = nib.Nifti1Image(np.zeros(SHAPE, np.float32), None)
    image.header.set_zooms((1.0, 1.0, 1.0))
    if qform is not None:
        image.header.set_qform(qform, codes[1])
    if sform is not None:
        image.header.set_sform(sform, codes[0])
    image.header.set_xyzt_units(unit)
    for key, value in fields.items():
        image.header[key] = value
    return image.header


def found(intake=None, **parts) -> frames.Frame:
    made = header(**parts)
    return frames.scanner("a.nii", made, made, intake or Intake())


def world_kernel(affine: np.ndarray) -> np.ndarray:
    """The dipole kernel from scanner coordinates: the whole affine, and B0 along its z."""
    index = np.meshgrid(*[np.fft.fftfreq(n) for n in SHAPE], indexing="ij")
    k = np.linalg.inv(affine[:3, :3]).T @ np.stack(index).reshape(3, -1)
    square = np.where((k * k).sum(0) == 0, 1, (k * k).sum(0))
    kernel = (1 / 3 - k[2] ** 2 / square).reshape(SHAPE)
    kernel[0, 0, 0] = 0
    return kernel


@pytest.mark.parametrize("unit", PER_MM)
@pytest.mark.parametrize("kind", ["sform", "qform"])
def test_twenty_orientations_give_the_kernel_of_the_scanner(kind, unit):
    """Of odd frequencies only the even part counts, so Nyquist planes are left out."""
    inner = np.ix_(*[np.abs(np.fft.fftfreq(n)) < 0.5 for n in SHAPE])
    for seed in range(20):
        affine = affine_of(rotation(seed))
        stored = np.diag([PER_MM[unit]] * 3 + [1.0]) @ affine
        got = found(unit=unit, codes=(1, 1), **{kind: stored})
        np.testing.assert_allclose(got.affine, affine, atol=2e-4)
        mine = dipole.kernel(SHAPE, got.voxel_size, got.b0_direction)
        np.testing.assert_allclose(mine[inner], world_kernel(affine)[inner], atol=1e-5)


UPRIGHT, TILTED = affine_of(np.eye(3)), affine_of(rotation(12))


@pytest.mark.parametrize(
    ("codes", "expected"),
    [((4, 1), "qform"), ((1, 4), "sform"), ((2, 1), "qform"), ((1, 2), "sform"), ((0, 1), "qform")],
)
def test_the_frame_that_leads_to_the_scanner_counts(codes, expected):
    intake = Intake()
    got = found(intake, sform=UPRIGHT, qform=TILTED, codes=codes)
    assert got.name == expected
    np.testing.assert_allclose(got.affine, UPRIGHT if expected == "sform" else TILTED, atol=1e-4)
    assert [expected in line and "is used" in line for line in intake.notes] == [True] * min(codes)


def test_equal_frames_need_no_word():
    intake = Intake()
    for codes in ((1, 1), (2, 1), (2, 0), (1, 0), (0, 1)):
        found(intake, sform=TILTED, qform=TILTED, codes=codes)
    assert intake.notes == []


def test_what_cannot_be_decided_is_refused_unless_accepted():
    for codes, message in (
        ((1, 1), "both lead to the scanner .* but differ"),
        ((2, 2), "both lead to another scan"),
        ((4, 0), "leads to MNI space .* no frame to the scanner"),
        ((5, 3), "no frame to the scanner"),
    ):
        parts = {"sform": TILTED, "qform": UPRIGHT, "codes": codes}
        with pytest.raises(UserError, match=message) as caught:
            found(**parts)
        assert str(caught.value).endswith("or insist with --accept=frame")
        intake = Intake(accepted=frozenset({"frame"}))
        np.testing.assert_allclose(found(intake, **parts).affine, TILTED, atol=1e-4)
        assert intake.insisted and all("--accept=frame" in line for line in intake.insisted)


def test_without_a_frame_b0_lies_along_the_third_axis_and_a_note_says_so():
    intake = Intake()
    got = found(intake)
    assert got.code == 0 and got.b0_direction == (0.0, 0.0, 1.0)
    assert "names no frame" in intake.notes[0]


SHEARED = UPRIGHT.copy()
SHEARED[0, 1] = 0.004


def test_a_shear_is_refused_and_rounding_is_none():
    with pytest.raises(UserError, match=r"is sheared .*--accept=shear$"):
        found(sform=SHEARED)
    rounded = TILTED.round(4)
    found(sform=rounded)
    assert found(Intake(frozenset({"shear"})), sform=SHEARED).b0_direction == (0.0, 0.0, 1.0)


@pytest.mark.parametrize("bad", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.diag([1, 1, 0, 1])])
def test_a_degenerate_frame_is_passed_by_or_is_one_line(bad):
    with pytest.raises(UserError, match=r"says nothing of where its voxels lie \(sform: zero"):
        found(sform=bad)
    intake = Intake()
    made = header(sform=bad, qform=TILTED)
    got = frames.scanner("a.nii", made, made, intake)
    assert got.name == "qform" and "the sform of a.nii is singular or NaN" in intake.notes[0]


def test_voxel_sizes_of_zero_are_no_frame(tmp_path):
    """Nibabel makes them 1 when it reads, so the bytes of the file are asked."""
    path = tmp_path / "a.nii"
    nib.save(nib.Nifti1Image(np.zeros(SHAPE, np.float32), None), path)
    raw = bytearray(path.read_bytes())
    place = nib.nifti1.header_dtype.fields["pixdim"][1] + 3 * 4
    raw[place : place + 4] = bytes(4)
    path.write_bytes(raw)
    file = nifti_file.read(path)
    with pytest.raises(UserError, match="without voxel sizes"):
        frames.scanner(path, file.header, file.raw, Intake())


@pytest.mark.parametrize(
    ("size", "unit", "hint"),
    [
        ((1e-3, 1e-3, 2e-3), "mm", "plausible in meter"),
        ((700.0, 700.0, 900.0), "mm", "plausible in micron"),
        ((1.0, 1.0, 1.0), "meter", "plausible in mm"),
        ((1e-3, 1e-3, 1e-3), "unknown", "plausible in meter"),
        ((0.01, 1.0, 1.0), "mm", "no unit fits"),
    ],
)
def test_voxels_of_no_head_name_the_unit_that_would_make_them_so(size, unit, hint):
    affine = affine_of(np.eye(3), size)
    with pytest.raises(UserError, match=f"expected 0.1 to 10 mm; .*{hint}.*--accept=voxel"):
        found(sform=affine, unit=unit)
    found(Intake(frozenset({"voxel"})), sform=affine, unit=unit)


@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_the_smallest_and_the_largest_voxels_may_be_oblique(scale):
    """Lengths of oblique axes are sums of squares of float32: 0.0999999 is 0.1."""
    for seed in range(12, 40):
        found(sform=affine_of(rotation(seed), (scale, scale, scale)))
        found(sform=affine_of(rotation(seed), (scale / 1e3,) * 3), unit="meter")
    with pytest.raises(UserError, match="plausible in mm"):
        found(sform=affine_of(rotation(12), (scale,) * 3), unit="meter")


@pytest.mark.parametrize("code", [4, 5, 7, 0xFF, 0x3A])
def test_units_that_no_standard_knows_count_as_unknown(code):
    known = {2: "mm"}.get(code & 7, "unknown")
    made = header(sform=TILTED, xyzt_units=code)
    assert frames.unit(made) == known
    np.testing.assert_allclose(frames.scanner("a", made, made, Intake()).affine, TILTED, atol=1e-4)


def test_frames_that_swap_left_and_right_are_refused_where_axes_matter():
    mirrored = UPRIGHT @ np.diag([-1.0, 1, 1, 1])
    made = header(sform=UPRIGHT, qform=mirrored)
    with pytest.raises(UserError, match=r"run to RAS by the one and to LAS .*--accept=frame"):
        frames.anatomical("a", made, made, Intake())
    intake = Intake.insisting("frame")
    assert frames.anatomical("a", made, made, intake).name == "sform" and intake.insisted
    other = header(sform=UPRIGHT, qform=mirrored, codes=(1, 2))
    frames.anatomical("a", other, other, Intake())
