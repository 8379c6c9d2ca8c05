"""Files that users plausibly have: other axes, types and conventions than the layouts say."""

import types

import h5py
import numpy as np
import pytest
import scipy.io
from slices import random_slice

from mrjax.arrays import QsmSubject
from mrjax.data import qsm
from mrjax.data.formats import bart, fastmri, hammernik, matlab, qsmnet_hdf5
from mrjax.data.intake import Intake
from mrjax.errors import UserError


def write_patient(folder, **changes) -> None:
    """A patient in Hammernik's layout: an undersquare matrix is not oversampled (32 x 32)."""
    one = random_slice(0, (3, 32, 32))
    values = {
        "rawdata": np.moveaxis(one.kspace, 0, 2),
        "sensitivities": np.moveaxis(one.maps, 0, 2),
        "reference": one.reference,
    } | changes
    (folder / "1").mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(folder / "1/rawdata1.mat", {"rawdata": values.pop("rawdata")})
    scipy.io.savemat(folder / "1/espirit1.mat", values)


def read_patient(folder, accept: str = ""):
    intake = Intake.insisting(accept)
    (found,) = hammernik.read(folder / "1", 4, intake)
    return found, intake.notes


def test_a_complete_consistent_slice_needs_no_note(tmp_path):
    write_patient(tmp_path)
    assert read_patient(tmp_path)[1] == []


def test_one_coil_has_no_axis_in_matlab(tmp_path):
    one = random_slice(0, (1, 32, 32))
    parts = {"rawdata": one.kspace[0], "sensitivities": one.maps[0], "reference": one.reference}
    write_patient(tmp_path, **parts)
    assert scipy.io.loadmat(tmp_path / "1/rawdata1.mat")["rawdata"].ndim == 2
    found, _ = read_patient(tmp_path)
    np.testing.assert_array_equal(found.kspace, one.kspace)
    np.testing.assert_array_equal(found.maps, one.maps)


def test_double_precision_and_further_variables_are_no_difference(tmp_path):
    write_patient(tmp_path)
    expected, _ = read_patient(tmp_path)
    raw = scipy.io.loadmat(tmp_path / "1/rawdata1.mat")["rawdata"]
    write_patient(tmp_path, rawdata=raw.astype(np.complex128), info="a note", TE=[[0.03]])
    found, notes = read_patient(tmp_path)
    np.testing.assert_array_equal(found.kspace, expected.kspace)
    assert notes == []


def test_magnitudes_are_no_kspace(tmp_path):
    write_patient(tmp_path, rawdata=np.ones((32, 32, 3)))
    with pytest.raises(UserError, match=r"rawdata of .*rawdata1\.mat holds real numbers; expected"):
        read_patient(tmp_path)


def test_coils_in_front_are_too_many_coils(tmp_path):
    one = random_slice(0, (12, 16, 136))
    write_patient(tmp_path, rawdata=one.kspace, sensitivities=one.maps)
    with pytest.raises(UserError, match=r"136 x 12 x 16 samples .*; expected at most 128 coils"):
        read_patient(tmp_path)


def test_a_reference_of_another_scale_is_said(tmp_path):
    """Twice the image differs from the image by half of itself."""
    write_patient(tmp_path, reference=2 * random_slice(0, (3, 32, 32)).reference)
    (note,) = read_patient(tmp_path)[1]
    assert note.startswith("references differ from the image of their k-space and maps; those of")
    assert note.endswith(": patient1_slice01 by 50 %")


def test_a_whole_image_in_the_outer_rows_is_said(tmp_path):
    """Of 24 rows that are no oversampled readout, those from 7 to 18 stay."""
    one = random_slice(0, (3, 24, 32))
    parts = {
        "rawdata": np.moveaxis(one.kspace, 0, 2),
        "sensitivities": np.moveaxis(one.maps, 0, 2),
        "reference": one.reference,
    }
    write_patient(tmp_path, **parts)
    found, (note,) = read_patient(tmp_path)
    np.testing.assert_array_equal(found.reference, one.reference[7:19])
    energy = np.abs(one.reference) ** 2
    share = 100 * (1 - energy[7:19].sum() / energy.sum())
    assert share > 15
    assert note.startswith("the outer half of the rows, which is removed as readout oversampling")
    assert note.endswith(f": patient1_slice01 ({share:.0f} %)")


def uncentred(axes) -> np.ndarray:
    """The k-space of a slice with the zero frequency first along some axes, as FFTs have it."""
    return np.fft.ifftshift(random_slice(0, (3, 32, 32)).kspace, axes=axes)


@pytest.mark.parametrize(("axes", "what"), [((1, 2), "rows"), ((1,), "rows"), ((2,), "columns")])
@pytest.mark.parametrize("layout", ["bart", "hammernik", "fastmri"])
def test_a_zero_frequency_at_the_edge_is_refused_unless_accepted(layout, axes, what, tmp_path):
    kspace = uncentred(axes)
    if layout == "hammernik":
        write_patient(tmp_path, rawdata=np.moveaxis(kspace, 0, 2))
        read = read_patient
    elif layout == "bart":
        bart.write_cfl(tmp_path / "a.cfl", np.moveaxis(kspace, 0, 2)[:, :, None])

        def read(folder, accept=""):
            return bart.read(folder / "a.cfl", "acs", 8, Intake.insisting(accept)), None
    else:
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["kspace"] = kspace[None]

        def read(folder, accept=""):
            return *fastmri.read(folder / "a.h5", "acs", 8, Intake.insisting(accept)), None

    with pytest.raises(UserError, match=rf"lies in its outer {what} \(.*; expected .* 16 of 32;"):
        read(tmp_path)
    np.testing.assert_array_equal(read(tmp_path, "sampling")[0].kspace, kspace)


def write_v73(path, key, array, **attributes) -> None:
    """As MATLAB does: HDF5 behind a user block, axes reversed, the class as an attribute."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file[key] = np.asarray(array).T
        for name, value in attributes.items():
            file[key].attrs[name] = value
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def test_letters_of_matlab_73_are_no_numbers(tmp_path):
    codes = np.frombuffer(b"60", np.uint8).astype(np.uint16)[None]
    write_v73(tmp_path / "a.mat", "times", codes, MATLAB_class=np.bytes_("char"))
    with pytest.raises(UserError, match=r"variable times of .* is not an array of real numbers"):
        matlab.read(tmp_path / "a.mat", "times")
    write_v73(tmp_path / "a.mat", "times", codes, MATLAB_class=np.bytes_("uint16"))
    np.testing.assert_array_equal(matlab.read(tmp_path / "a.mat", "times"), [[54, 48]])


def test_an_empty_array_of_matlab_73_is_empty(tmp_path):
    """MATLAB writes the lengths of its axes in its place."""
    of = {"MATLAB_class": np.bytes_("double"), "MATLAB_empty": np.uint8(1)}
    write_v73(tmp_path / "a.mat", "mask", np.array([3, 0, 4], np.uint64), **of)
    assert matlab.read(tmp_path / "a.mat", "mask").shape == (3, 0, 4)


def patches(**changes) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    shape = (2, 8, 8, 8, 1)
    values = {key: draw.normal(0, 0.03, shape) for key in ("temp_i", "temp_l")}
    return values | {"temp_m": np.ones(shape)} | changes


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ">f4"])
def test_patches_of_any_precision_are_the_numbers_of_the_file(dtype, tmp_path):
    values = {key: array.astype(dtype) for key, array in patches().items()}
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        for key, array in values.items():
            file[key] = array
    found = qsmnet_hdf5.qsmnet_patches(tmp_path)
    assert [one.field.dtype for one in found] == [np.float32] * 2
    np.testing.assert_array_equal(found[1].field, values["temp_i"][1, ..., 0].astype(np.float32))


def test_complex_patches_and_other_names_are_one_line(tmp_path):
    values = patches()
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        for key, array in values.items():
            file[key] = array * (1 + 1j)
    with pytest.raises(UserError, match=r"temp_i of .* is of type complex128; expected real num"):
        qsmnet_hdf5.qsmnet_patches(tmp_path)
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["input"], file["label"] = values["temp_i"], values["temp_l"]
    with pytest.raises(UserError, match=r"no dataset temp_i; .* instead of input, label; rename"):
        qsmnet_hdf5.qsmnet_patches(tmp_path)


def test_a_built_data_set_of_other_types_or_values_is_one_line(tmp_path, monkeypatch):
    builders = pytest.importorskip("mrjax.data.builders", reason="needs tensorflow-datasets")
    types_of = builders.BUILDERS["qsm_brain"].TYPES
    example = {key: np.ones(3, dtype) for key, dtype in types_of.items()}
    assert builders.BUILDERS["qsm_brain"].checked(example) is example
    for wrong in ({"mask": np.ones(3, np.int64)}, {"field": np.ones(3)}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .*64, not "):
            builders.BUILDERS["qsm_brain"].checked(example | wrong)
    del example["chi"]
    with pytest.raises(ValueError, match="chi is missing, not float32"):
        builders.BUILDERS["qsm_brain"].checked(example)
    field = np.full((8, 8, 8), np.nan, np.float32)
    brain = QsmSubject(name="b", field=field, chi=field * 0, mask=np.ones((8, 8, 8), bool))
    monkeypatch.setattr(builders, "load", lambda _: ([], [brain]))
    config = types.SimpleNamespace(dataset="tfds", data_dir=str(tmp_path))
    with pytest.raises(UserError, match=r"field of b is NaN or infinite in 512 voxels of the mask"):
        qsm.subjects(config, need_train=False)  # pyright: ignore[reportArgumentType]
