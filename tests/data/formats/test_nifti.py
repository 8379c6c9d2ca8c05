"""NIfTI: units, geometry from the affine, grouping of files, and each mistake's one line."""

import gzip
import logging
import math
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from helpers import shared

from mrjax.data.formats import nifti, nifti_file
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.tasks.qsm import network

SHAPE = (12, 10, 9)


def volumes(seed: int = 0, shape=SHAPE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    mask = np.zeros(shape, np.float32)
    mask[2:-2, 2:-2, 2:-2] = 1
    field = draw.normal(0, 0.02, shape).astype(np.float32)
    return field, draw.normal(0, 0.03, shape).astype(np.float32), mask


def write(folder, seed=0, names=("localfield", "Chimap", "mask"), prefix="", **geometry) -> None:
    for name, volume in zip(names, volumes(seed), strict=True):
        nifti.write_nifti(folder / f"{prefix}{name}.nii.gz", volume, **geometry)


def test_round_trip_masks_and_keeps_ppm(tmp_path):
    write(tmp_path)
    (found,) = nifti.nifti(tmp_path, "ppm")
    field, chi, mask = volumes()
    np.testing.assert_array_equal(found.field, field * mask)
    np.testing.assert_array_equal(found.chi, chi * mask)
    np.testing.assert_array_equal(found.mask, mask > 0)
    assert (found.field.dtype, found.mask.dtype) == (np.float32, bool)
    assert found.voxel_size == (1.0, 1.0, 1.0) and found.b0_direction == (0.0, 0.0, 1.0)
    assert nib.load(tmp_path / "localfield.nii.gz").get_data_dtype() == np.float32


def test_hertz_and_radians_become_ppm(tmp_path):
    """At 3 T one ppm is 127.73 Hz; over 25 ms it turns the phase by 20.06 rad."""
    write(tmp_path)
    ppm = nifti.nifti(tmp_path, "ppm")[0]
    for unit, per_ppm, settings in (
        ("Hz", 127.729156, {"field_strength": 3.0}),
        ("rad", 20.06365, {"field_strength": 3.0, "echo_time": 0.025}),
    ):
        overwrite(tmp_path / "localfield.nii.gz", volumes()[0] * per_ppm)
        (found,) = nifti.nifti(tmp_path, unit, **settings)
        np.testing.assert_allclose(found.field, ppm.field, rtol=1e-5)
        np.testing.assert_array_equal(found.chi, ppm.chi)


@pytest.mark.parametrize(
    ("unit", "settings", "message"),
    [
        ("", {}, "unit of the field is ''; expected ppm, Hz or rad; set --unit"),
        ("tesla", {}, "unit of the field is 'tesla'"),
        ("Hz", {}, "--unit=Hz needs B0, not 0.0 T; expected for example 3; set --field_strength"),
        ("rad", {"field_strength": 3.0}, "needs the echo time in seconds, not 0.0"),
        (
            "rad",
            {"field_strength": 3.0, "echo_time": 25.0},
            "needs the echo time in seconds, not 25",
        ),
    ],
)
def test_units_are_never_guessed(unit, settings, message, tmp_path):
    write(tmp_path)
    with pytest.raises(UserError, match=message):
        nifti.nifti(tmp_path, unit, **settings)


@pytest.mark.parametrize(
    "direction", [(0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (0.6, 0.0, 0.8), (-0.36, 0.48, -0.8)]
)
def test_geometry_survives_the_affine(direction, tmp_path):
    write(tmp_path, voxel_size=(0.8, 1.0, 2.5), b0_direction=direction)
    (found,) = nifti.nifti(tmp_path, "ppm")
    np.testing.assert_allclose(found.voxel_size, (0.8, 1.0, 2.5), rtol=1e-6)
    np.testing.assert_allclose(found.b0_direction, direction, atol=1e-7)
    affine = nib.load(tmp_path / "mask.nii.gz").affine[:3, :3]
    assert math.isclose(np.linalg.det(affine), 0.8 * 1.0 * 2.5, rel_tol=1e-6)
    # The definition: one step along B0 in voxel axes is one step along the scanner's z.
    step = (affine / (0.8, 1.0, 2.5)) @ direction
    np.testing.assert_allclose(step, (0, 0, 1), atol=1e-7)


def test_a_sagittal_scan_has_b0_along_its_second_axis(tmp_path):
    affine = np.array([[0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]) * 1.0
    for name, volume in zip(("localfield", "chimap", "mask"), volumes(), strict=True):
        nib.save(nib.Nifti1Image(volume, affine), tmp_path / f"{name}.nii")
    assert nifti.nifti(tmp_path, "ppm")[0].b0_direction == (0.0, 1.0, 0.0)


def test_files_are_grouped_by_bids_label_by_prefix_or_by_folder(tmp_path):
    bids = tmp_path / "bids"
    for seed, label in enumerate(("02", "01", "10")):
        write(bids / f"sub-{label}/anat", seed, prefix=f"sub-{label}_desc-x_")
    field = bids / "sub-01/anat/sub-01_desc-x_localfield.nii.gz"
    moved = bids / "derivatives/sub-01/anat/sub-01_fieldmap-local.nii.gz"
    moved.parent.mkdir(parents=True)
    field.rename(moved)
    found = nifti.nifti(bids, "ppm")
    assert [s.name for s in found] == ["sub-01", "sub-02", "sub-10"]
    np.testing.assert_array_equal(found[0].field, volumes(1)[0] * volumes(1)[2])
    np.testing.assert_array_equal(found[0].chi, volumes(1)[1] * volumes(1)[2])

    plain = tmp_path / "plain"
    write(plain, 5, prefix="b_")
    write(plain, 6, prefix="a_")
    write(plain / "c", 7)
    found = nifti.nifti(plain, "ppm")
    assert [s.name for s in found] == ["a", "b", "c"]
    np.testing.assert_array_equal(found[0].chi, volumes(6)[1] * volumes(6)[2])


def test_chi_is_optional_the_mask_is_not(tmp_path):
    write(tmp_path)
    (tmp_path / "Chimap.nii.gz").unlink()
    assert nifti.nifti(tmp_path, "ppm")[0].chi is None
    (tmp_path / "mask.nii.gz").unlink()
    with pytest.raises(UserError, match=r"no mask for .*localfield.nii.gz; expected"):
        nifti.nifti(tmp_path, "ppm")


def overwrite(path, volume, affine=None) -> None:
    nib.save(
        nib.Nifti1Image(volume.astype(np.float32), np.eye(4) if affine is None else affine), path
    )


def test_unusable_volumes_are_one_line(tmp_path):
    with pytest.raises(UserError, match=r"no directory .*gone; expected"):
        nifti.nifti(tmp_path / "gone", "ppm")
    with pytest.raises(UserError, match=r"no local field in .*; expected files named"):
        nifti.nifti(tmp_path, "ppm")
    write(tmp_path)
    _, chi, mask = volumes()
    path = tmp_path / "Chimap.nii.gz"
    shifted = np.eye(4)
    shifted[0, 3] = 1
    chi_nan = chi.copy()
    chi_nan[5, 5, 4] = np.nan
    for content, affine, message in (
        (chi_nan, None, "chi of .* is NaN or infinite in 1 voxels"),
        (chi[:, :, :-1], None, "the chi of .* has 12 x 10 x 8 voxels, its field has 12 x 10 x 9"),
        (chi, shifted, r"Chimap.nii.gz lies elsewhere than .*localfield"),
        (np.stack([chi, chi], -1), None, "the chi of .* has 4 axes; expected"),
    ):
        overwrite(path, content, affine)
        with pytest.raises(UserError, match=message) as caught:
            nifti.nifti(tmp_path, "ppm")
        assert "\n" not in str(caught.value)
    overwrite(path, chi[..., None])  # a last axis of length 1 is no axis
    np.testing.assert_array_equal(nifti.nifti(tmp_path, "ppm")[0].chi, chi * mask)
    whole = path.read_bytes()
    for content in (b"", b"nothing", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"Chimap.nii.gz cannot be read \(.+\); expected"):
            nifti.nifti(tmp_path, "ppm")
    path.write_bytes(whole)
    (tmp_path / "brain_localfield.nii").write_bytes(b"")
    for folder in ("a", "b"):
        write(tmp_path / "sub-1" / folder, prefix="sub-1_")
    for kind, word in (("chi", "Chimap"), ("mask", "mask"), ("field", "localfield")):
        with pytest.raises(UserError, match=f"are both the {kind} of sub-1; expected one"):
            nifti.nifti(tmp_path, "ppm")
        (tmp_path / f"sub-1/b/sub-1_{word}.nii.gz").unlink()


def test_names_can_be_file_names(tmp_path):
    write(tmp_path / "s1", prefix="scan_")
    write(tmp_path / "s2", prefix="scan_")
    assert [s.name for s in nifti.nifti(tmp_path, "ppm")] == ["s1_scan", "s2_scan"]


def test_results_keep_the_place_of_their_source(tmp_path):
    write(tmp_path / "in")
    affine = np.array([[0, 0, -1, 7], [0, 1, 0, 8], [1, 0, 0, 9], [0, 0, 0, 1]], float)
    for path in (tmp_path / "in").glob("*.nii*"):
        volume = np.asarray(nib.load(path).dataobj, np.float32)
        nib.save(nib.Nifti1Image(volume, affine), path)
    (subject,) = nifti.nifti(tmp_path / "in", "ppm")
    out = tmp_path / "out.nii.gz"
    nifti.write_nifti(out, subject.field, subject.voxel_size, subject.b0_direction, subject.affine)
    np.testing.assert_allclose(nib.load(out).affine, affine, atol=1e-6)


def variant(path, make) -> None:
    """Replace a field by another kind of file of the same numbers."""
    path.unlink()
    make(path.with_name("localfield"), volumes()[0])


def pair(stem, field) -> None:
    nib.save(nib.Nifti1Pair(field, np.eye(4)), stem.with_suffix(".img"))


def big_endian(stem, field) -> None:
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(np.float32)
    nib.save(nib.Nifti1Image(field, np.eye(4), header), stem.with_suffix(".nii"))


def upper_case(stem, field) -> None:
    nib.save(nib.Nifti1Image(field, np.eye(4)), stem.with_suffix(".nii.gz"))
    stem.with_suffix(".nii.gz").rename(stem.with_suffix(".NII.GZ"))


def second(stem, field) -> None:
    nib.save(nib.Nifti2Image(field, np.eye(4)), stem.with_suffix(".nii.gz"))


def more_axes(stem, field) -> None:
    nib.save(nib.Nifti1Image(field[..., None, None], np.eye(4)), stem.with_suffix(".nii"))


@pytest.mark.parametrize("make", [pair, big_endian, upper_case, second, more_axes])
def test_every_kind_of_nifti_file_gives_the_same_numbers(make, tmp_path):
    write(tmp_path)
    variant(tmp_path / "localfield.nii.gz", make)
    (found,) = nifti.nifti(tmp_path, "ppm")
    np.testing.assert_array_equal(found.field, volumes()[0] * volumes()[2])


def complex_numbers(stem, field) -> None:
    nib.save(nib.Nifti1Image(np.exp(1j * field), np.eye(4)), stem.with_suffix(".nii"))


def colours(stem, field) -> None:
    kind = np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(np.zeros(field.shape, kind), np.eye(4)), stem.with_suffix(".nii"))


def another_format(stem, field) -> None:
    nib.save(nib.AnalyzeImage(field, np.eye(4)), stem.with_suffix(".img"))


def not_gzipped(stem, field) -> None:
    nib.save(nib.Nifti1Image(field, np.eye(4)), stem.with_suffix(".nii"))
    stem.with_suffix(".nii").rename(stem.with_suffix(".nii.gz"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (complex_numbers, "holds complex numbers; expected one real number a voxel"),
        (colours, "holds colours; expected one real number"),
        (another_format, r"is no NIfTI file but .*AnalyzeImage"),
        (not_gzipped, r"cannot be read \(.+\); expected a NIfTI volume"),
    ],
)
def test_other_files_are_refused_with_the_reason(make, message, tmp_path):
    write(tmp_path)
    variant(tmp_path / "localfield.nii.gz", make)
    with pytest.raises(UserError, match=message) as caught:
        nifti.nifti(tmp_path, "ppm")
    assert "\n" not in str(caught.value)


QUARTER = np.array([[0, 0, -2.0, 7], [0, 1, 0, 8], [0.7, 0, 0, 9], [0, 0, 0, 1]])


@pytest.mark.parametrize("unit", ["mm", "meter", "micron", "unknown"])
@pytest.mark.parametrize("codes", [(1, 1), (4, 1), (1, 0), (0, 1), (0, 0)])
def test_results_have_the_frames_codes_and_unit_of_their_source(codes, unit, tmp_path):
    """Nibabel reads from the result what it reads from the source."""
    scale = {"meter": 1e-3, "micron": 1e3}.get(unit, 1.0)
    stored = np.diag([scale, scale, scale, 1.0]) @ QUARTER
    template = stored @ np.diag([1, -1, -1, 1.0])
    for kind, volume in zip(("localfield", "mask"), volumes()[::2], strict=True):
        image = nib.Nifti1Image(volume, None)
        image.header.set_zooms([n * scale for n in (0.7, 1.0, 2.0)])
        image.header.set_qform(stored, codes[1])
        image.header.set_sform(template if codes[0] == 4 else stored, codes[0])
        image.header.set_xyzt_units(unit)
        nib.save(nib.Nifti1Image(volume, None, image.header), tmp_path / f"{kind}.nii")
    (subject,) = nifti.nifti(tmp_path, "ppm")
    np.testing.assert_allclose(subject.voxel_size, (0.7, 1.0, 2.0), rtol=1e-5)
    expected = (1.0, 0.0, 0.0) if any(codes) else (0.0, 0.0, 1.0)
    np.testing.assert_allclose(subject.b0_direction, expected, atol=1e-6)
    out = tmp_path / "out/o.nii.gz"
    nifti.write_nifti(out, subject.field, grid=subject.grid)
    source, result = (nib.load(p) for p in (tmp_path / "localfield.nii", out))
    np.testing.assert_allclose(result.affine, source.affine, rtol=1e-6)
    for key in ("qform_code", "sform_code", "xyzt_units"):
        assert result.header[key] == source.header[key], key
    for frame in ("qform", "sform"):
        if source.header[f"{frame}_code"]:
            one, other = (getattr(i, f"get_{frame}")() for i in (source, result))
            np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6 * scale)
    np.testing.assert_allclose(result.header.get_zooms(), source.header.get_zooms(), rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(result.dataobj), subject.field)


def test_the_measured_echoes_are_refused_as_they_are_and_one_echo_for_its_scale(tmp_path):
    """Three echoes of phase in +-0.0037 for +-pi: one volume is asked for, then its unit."""
    phase, magnitude = nib.load(shared("data/Phase.nii")), nib.load(shared("data/Mag.nii"))
    first = np.asarray(magnitude.dataobj)[..., 0]
    brain = (first > np.percentile(first, 60)).astype(np.float32)
    overwrite(tmp_path / "localfield.nii", np.asarray(phase.dataobj), phase.affine)
    overwrite(tmp_path / "mask.nii", brain, phase.affine)
    settings = {"field_strength": 7.0, "echo_time": 0.004}
    with pytest.raises(UserError, match="has 4 axes; expected the three axes x y z; write one vol"):
        nifti.nifti(tmp_path, "rad", **settings)
    one = np.asarray(phase.dataobj)[..., 0]
    overwrite(tmp_path / "localfield.nii", one, phase.affine)
    with pytest.raises(UserError, match=r"expected 0.004 to 0.15 ppm of a head"):
        nifti.nifti(tmp_path, "rad", **settings)
    overwrite(tmp_path / "localfield.nii", one * np.pi / np.abs(one).max(), phase.affine)
    nifti.nifti(tmp_path, "rad", intake=Intake(frozenset({"field"})), **settings)


def test_rounding_of_the_header_moves_no_volume(tmp_path):
    """The second subject's place is in its quaternion, whose float32 rounds to 1e-8."""
    angle = np.deg2rad(10)
    turn = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn * (0.9, 1.1, 1.3)
    for number, frame in enumerate(("sform", "qform"), 1):
        for word, volume in zip(("localfield", "mask"), volumes()[::2], strict=True):
            image = nib.Nifti1Image(volume, None)
            getattr(image, f"set_{frame}")(affine, 1)
            nib.save(image, tmp_path / f"sub-{number}_{word}.nii")
    network.check_geometry(nifti.nifti(tmp_path, "ppm"))


def test_a_file_takes_its_own_size_in_memory(tmp_path):
    stored = np.random.default_rng(0).integers(0, 900, (64, 64, 64)).astype(np.int16)
    nib.save(nib.Nifti1Image(stored, np.eye(4)), tmp_path / "a.nii")
    nifti_file.read(tmp_path / "a.nii")
    tracemalloc.start()
    found = nifti_file.read(tmp_path / "a.nii")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * stored.nbytes
    np.testing.assert_array_equal(found.volume, stored)


@pytest.mark.parametrize("ending", [".nii.gz", ".img.gz"])
def test_a_gzip_file_is_decompressed_once(ending, tmp_path, monkeypatch):
    volume = np.random.default_rng(0).normal(size=(32, 32, 32)).astype(np.float32)
    kind = nib.Nifti1Image if ending == ".nii.gz" else nib.Nifti1Pair
    nib.save(kind(volume, np.eye(4)), tmp_path / f"a{ending}")
    lengths = []
    real = gzip.GzipFile.read

    def counted(file, size=-1):
        content = real(file, size)
        lengths.append(len(content))
        return content

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    np.testing.assert_array_equal(nifti_file.read(tmp_path / f"a{ending}").volume, volume)
    assert volume.nbytes <= sum(lengths) < 1.1 * volume.nbytes


def test_nibabel_says_nothing_of_its_own(tmp_path):
    said = []
    handler = logging.Handler()
    handler.emit = said.append
    nib.save(nib.Nifti1Image(np.ones((9, 9, 9), np.float32), None), tmp_path / "a.nii")
    raw = bytearray((tmp_path / "a.nii").read_bytes())
    raw[76 + 12 : 76 + 16] = np.float32(-1).tobytes()  # pixdim[3]
    (tmp_path / "a.nii").write_bytes(raw)
    nib.imageglobals.logger.addHandler(handler)
    try:
        nib.load(tmp_path / "a.nii")
        assert said
        said.clear()
        assert nifti_file.read(tmp_path / "a.nii").raw["pixdim"][3] == -1
    finally:
        nib.imageglobals.logger.removeHandler(handler)
    assert not said
