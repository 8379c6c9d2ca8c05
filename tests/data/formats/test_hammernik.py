"""The layout of the public knee data: round trip, both kinds of .mat files, masks, one-liners."""

import h5py
import numpy as np
import pytest
import scipy.io
from slices import random_slice

from mrjax.data.formats import hammernik
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.physics import coils, sampling


def read(data_dir, acceleration: int = 4):
    return [s for p in hammernik.patients(data_dir) for s in hammernik.read(p, acceleration)]


def write(folder, number: int, kspace, maps, reference, **raw) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    raw = {"rawdata": np.moveaxis(kspace, 0, 2), **raw}
    scipy.io.savemat(folder / f"rawdata{number}.mat", raw)
    espirit = {"sensitivities": np.moveaxis(maps, 0, 2), "reference": reference}
    scipy.io.savemat(folder / f"espirit{number}.mat", espirit)


def write_mask(data_dir, mask, name: str = "cor_iPat4_masks.mat") -> None:
    (data_dir / "masks").mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(data_dir / "masks" / name, {"mask": mask})


def write_one(data_dir, one, patient: int = 1, number: int = 1, **raw) -> None:
    write(data_dir / str(patient), number, one.kspace, one.maps, one.reference, **raw)


def test_square_slices_come_back_bit_for_bit_by_number(tmp_path):
    slices = [random_slice(i, (2, 16, 16)) for i in range(11)]
    hammernik.write_hammernik(slices, tmp_path)
    found = read(tmp_path)
    assert [s.name for s in found] == [f"patient{i}_slice01" for i in range(1, 12)]
    for a, b in zip(slices, found, strict=True):
        for kind in ("kspace", "maps", "reference"):
            np.testing.assert_array_equal(getattr(a, kind), getattr(b, kind))
        assert b.mask is None and b.kspace.dtype == np.complex64


@pytest.mark.parametrize("rows", [24, 20, 9])
def test_other_slices_are_oversampled_in_the_file_and_come_back(rows, tmp_path):
    one = random_slice(0, (3, rows, 16))
    hammernik.write_hammernik([one], tmp_path)
    (raw,) = tmp_path.rglob("rawdata1.mat")
    assert scipy.io.loadmat(raw)["rawdata"].shape == (2 * rows, 16, 3)
    (found,) = read(tmp_path)
    np.testing.assert_array_equal(found.maps, one.maps)
    np.testing.assert_array_equal(found.reference, one.reference)
    np.testing.assert_allclose(found.kspace, one.kspace, rtol=0, atol=5e-6)


def test_the_oversampling_removed_is_that_of_the_public_code(tmp_path):
    one = random_slice(0, (2, 40, 16))
    write_one(tmp_path, one)
    (found,) = read(tmp_path)
    kept = slice(int(0.25 * 40) + 1, int(0.75 * 40) + 1)
    np.testing.assert_array_equal(found.reference, one.reference[kept])
    images = coils.images(one.kspace)[:, kept]
    np.testing.assert_allclose(coils.images(found.kspace), images, atol=1e-5)


def test_version_7_3_gives_the_same_slice(tmp_path):
    one = random_slice(0, (3, 16, 16))
    write_one(tmp_path / "a", one)
    files = {
        "rawdata1": {"rawdata": np.moveaxis(one.kspace, 0, 2)},
        "espirit1": {"sensitivities": np.moveaxis(one.maps, 0, 2), "reference": one.reference},
    }
    (tmp_path / "b" / "1").mkdir(parents=True)
    for name, variables in files.items():
        with h5py.File(tmp_path / "b" / "1" / f"{name}.mat", "w") as file:
            for key, array in variables.items():
                pairs = np.empty(array.T.shape, [("real", "<f4"), ("imag", "<f4")])
                pairs["real"], pairs["imag"] = array.T.real, array.T.imag
                file[key] = pairs
    (a,), (b,) = read(tmp_path / "a"), read(tmp_path / "b")
    for kind in ("kspace", "maps", "reference"):
        np.testing.assert_array_equal(getattr(a, kind), getattr(b, kind))


def test_patients_and_slices_are_in_the_order_of_their_numbers(tmp_path):
    for patient, number in ((10, 2), (2, 11), (2, 9)):
        write_one(tmp_path / "coronal_pd", random_slice(), patient, number)
    write_mask(tmp_path / "coronal_pd", np.ones((24, 16)))
    names = [s.name for s in read(tmp_path)]
    assert names == ["patient2_slice09", "patient2_slice11", "patient10_slice02"]
    assert names == [s.name for s in read(tmp_path / "coronal_pd")]


def test_padding_counts_as_acquired(tmp_path):
    mask = np.tile(np.arange(16) % 4 == 1, (24, 1)).astype(np.uint8)
    write_one(tmp_path, random_slice(), padlength_left=[[2]], padlength_right=[[3]])
    write_one(tmp_path, random_slice(), number=2)
    write_mask(tmp_path, mask)
    padded, plain = read(tmp_path)
    np.testing.assert_array_equal(plain.mask, mask[0])
    assert np.flatnonzero(padded.mask).tolist() == [0, 1, 5, 9, 13, 14, 15]
    assert padded.reference is not None


def test_the_mask_of_the_acceleration_is_chosen(tmp_path):
    write_one(tmp_path, random_slice())
    masks = {r: np.arange(16) % r == 0 for r in (3, 4, 40)}
    for r, mask in masks.items():
        write_mask(tmp_path, np.tile(mask, (24, 1)).astype(float), f"x_iPat{r}_masks.mat")
    for r, mask in masks.items():
        np.testing.assert_array_equal(read(tmp_path, r)[0].mask, mask)
    with pytest.raises(UserError, match=r"3 masks in .*, 0 of them for acceleration 5; expected"):
        read(tmp_path, 5)


def test_masks_that_do_not_fit_are_one_line(tmp_path):
    write_one(tmp_path, random_slice())
    write_mask(tmp_path, np.ones((24, 15)))
    with pytest.raises(UserError, match=r"mask of patient1_slice01 has 15 columns, its k-space 16"):
        read(tmp_path)
    write_mask(tmp_path, np.eye(24, 16))
    with pytest.raises(UserError, match="is not the same on all rows; expected rows"):
        read(tmp_path)


def test_missing_and_unlike_arrays_are_one_line(tmp_path):
    one = random_slice()
    write_one(tmp_path, one)
    raw, espirit = tmp_path / "1/rawdata1.mat", tmp_path / "1/espirit1.mat"
    scipy.io.savemat(espirit, {"reference": one.reference})
    with pytest.raises(UserError, match="has no variable sensitivities; expected it beside"):
        read(tmp_path)
    espirit.unlink()
    with pytest.raises(UserError, match=r"no file .*espirit1.mat; expected a .mat file with sens"):
        read(tmp_path)
    write(raw.parent, 1, one.kspace, one.maps[:2], one.reference)
    with pytest.raises(UserError, match="k-space of 3 coils but coil sensitivity maps of 2"):
        read(tmp_path)
    scipy.io.savemat(raw, {"rawdata": one.kspace[..., None]})
    with pytest.raises(UserError, match=r"rawdata of .* has 4 axes; expected row, column and coil"):
        read(tmp_path)
    raw.write_bytes(b"no")
    with pytest.raises(UserError, match=r"rawdata1.mat cannot be read as a .mat file"):
        read(tmp_path)


def test_no_patients_and_several_kinds_of_scans_are_one_line(tmp_path):
    with pytest.raises(UserError, match="with patients: none; expected exactly one that holds"):
        hammernik.patients(tmp_path)
    for kind in ("axial_t2", "coronal_pd"):
        write_one(tmp_path / kind, random_slice())
    with pytest.raises(UserError, match="with patients: axial_t2, coronal_pd; expected exactly"):
        hammernik.patients(tmp_path)
    assert len(read(tmp_path / "axial_t2")) == 1


def test_what_the_layout_cannot_hold_is_one_line(tmp_path):
    with pytest.raises(UserError, match="slice s0 has no reference; expected one"):
        hammernik.write_hammernik([random_slice(reference=None)], tmp_path)
    with pytest.raises(UserError, match="s0 has 16 rows of 32 columns, which the Hammernik layout"):
        hammernik.write_hammernik([random_slice(0, (2, 16, 32))], tmp_path)
    assert sampling.remove_oversampling(np.zeros((32, 32))).shape == (16, 32)


def test_a_patient_without_data_is_left_out_in_words(tmp_path):
    write_one(tmp_path / "coronal_pd", random_slice(), 2, 1)
    (tmp_path / "coronal_pd/7").mkdir()
    (tmp_path / "coronal_pd/2/._rawdata2.mat").write_bytes(b"Mac")
    intake = Intake()
    (folder,) = hammernik.patients(tmp_path, intake)
    assert folder.name == "2" and len(hammernik.read(folder, 4)) == 1
    assert intake.notes == ["patients' folders without rawdata<slice>.mat: 7"]


def test_files_that_matlab_did_not_write_and_gaps_in_kspace_are_said(tmp_path):
    one = random_slice(0, (3, 32, 32))
    gap = np.arange(32) % 4 == 1
    (tmp_path / "1").mkdir()
    with h5py.File(tmp_path / "1/rawdata1.mat", "w") as file:
        file["rawdata"] = np.moveaxis(np.where(gap, 0, one.kspace), 0, 2)
    with h5py.File(tmp_path / "1/espirit1.mat", "w") as file:
        file["sensitivities"] = np.moveaxis(one.maps, 0, 2)
        file["reference"] = one.reference
    intake = Intake()
    (found,) = hammernik.read(tmp_path / "1", 4, intake)
    np.testing.assert_array_equal(found.kspace[:, :, ~gap], one.kspace[:, :, ~gap])
    assert sum("was not written by MATLAB" in line for line in intake.notes) == 3
    assert "patient1_slice01 (8 of 32)" in intake.notes[-1]


@pytest.mark.parametrize("shape", [(4, 32, 32), (4, 20, 32)])
def test_maps_of_any_norm_get_norm_one_and_the_reference_follows(shape, tmp_path):
    """sigpy's SENSE operator makes the file's k-space of them, and its norm is one."""
    import sigpy
    from sigpy.mri.linop import Sense

    one = random_slice(0, shape)
    weight = np.linspace(0.5, 3, shape[2]).astype(np.float32)
    maps = one.maps * weight
    maps[:, :2] = 0
    image = one.reference / weight
    changed = random_slice(0, shape, maps=maps, reference=image)
    hammernik.write_hammernik([changed], tmp_path)
    intake = Intake()
    (found,) = hammernik.read(tmp_path / "synthetic/1", 4, intake)
    operator = Sense(found.maps)
    largest = sigpy.app.MaxEig(operator.H * operator, found.reference.dtype, show_pbar=False).run()
    np.testing.assert_allclose(largest, 1, rtol=1e-4)
    np.testing.assert_allclose(operator(found.reference), one.kspace, rtol=0, atol=2e-5)
    assert not found.maps[:, :, :2].any() or not found.maps[:, :2].any()
    first, second = intake.notes
    assert "root of their sum of squares: patient1_slice01 (sum from 0.25 to 9)" in first
    assert second.startswith("references were multiplied by what their coil")


def test_maps_of_norm_one_or_zero_stay_bit_for_bit(tmp_path):
    one = random_slice(0, (3, 32, 32))
    one.maps[:, :5] = 0
    one.reference[:5] = 0
    hammernik.write_hammernik([one], tmp_path)
    intake = Intake()
    (found,) = hammernik.read(tmp_path / "synthetic/1", 4, intake)
    np.testing.assert_array_equal(found.maps, one.maps)
    np.testing.assert_array_equal(found.reference, one.reference)
    assert not intake.notes
