"""NIfTI: units, geometry from the affine, grouping of files, and each mistake's one line."""

import math

import nibabel as nib
import numpy as np
import pytest

from mrjax.data.formats import nifti
from mrjax.errors import UserError

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
    field = nifti.nifti(tmp_path, "ppm")[0].field
    hertz = nifti.nifti(tmp_path, "Hz", field_strength=3.0)[0]
    radians = nifti.nifti(tmp_path, "rad", field_strength=3.0, echo_time=0.025)[0]
    np.testing.assert_allclose(hertz.field, field / 127.729156, rtol=1e-6)
    np.testing.assert_allclose(radians.field, field / 20.06365, rtol=1e-5)
    np.testing.assert_array_equal(hertz.chi, nifti.nifti(tmp_path, "ppm")[0].chi)


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
        with pytest.raises(UserError, match=r"Chimap.nii.gz cannot be read; expected"):
            nifti.nifti(tmp_path, "ppm")
    path.write_bytes(whole)
    (tmp_path / "brain_localfield.nii").write_bytes(b"")
    write(tmp_path / "x", prefix="sub-1_")
    write(tmp_path / "y", prefix="sub-1_")
    with pytest.raises(UserError, match="are both the chi of sub-1; expected one"):
        nifti.nifti(tmp_path, "ppm")


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
