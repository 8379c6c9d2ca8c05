"""The authors' patch file: round trip against the slow loop, and each mistake's one line."""

import h5py
import numpy as np
import pytest

from mrjax.arrays import QsmSubject
from mrjax.data import pipeline
from mrjax.data.formats import qsmnet_hdf5
from mrjax.errors import UserError


def subject(seed: int, shape=(14, 11, 9)) -> QsmSubject:
    draw = np.random.default_rng(seed)
    mask = draw.random(shape) < 0.7
    return QsmSubject(
        name=f"s{seed}",
        field=(draw.normal(0, 0.02, shape) * mask).astype(np.float32),
        chi=(draw.normal(0, 0.03, shape) * mask).astype(np.float32),
        mask=mask,
    )


def write(path, **arrays) -> None:
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            file[key] = array


def arrays(shape=(2, 8, 8, 8, 1), **changes) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    values = {k: draw.normal(0, 0.03, shape).astype(np.float32) for k in ("temp_i", "temp_l")}
    return values | {"temp_m": np.ones(shape, np.float32)} | changes


def test_the_file_holds_the_authors_patches_in_their_order(tmp_path):
    subjects, path = [subject(1), subject(2)], tmp_path / "a/patches.hdf5"
    qsmnet_hdf5.write_qsmnet_patches(path, subjects, 8, (3, 2, 2))
    expected = []
    for one in subjects:
        for i in range(3):
            for j in range(2):
                for k in range(2):
                    x, y, z = i * (6 // 2), j * (3 // 1), k * (1 // 1)
                    expected.append(one.chi[x : x + 8, y : y + 8, z : z + 8, None])
    with h5py.File(path) as file:
        assert set(file) == {"temp_i", "temp_l", "temp_m"}
        assert {d.dtype.str for d in file.values()} == {"<f4"}
        np.testing.assert_array_equal(file["temp_l"], np.stack(expected))


def test_training_from_the_file_equals_training_from_the_volumes(tmp_path):
    subjects = [subject(1), subject(2)]
    qsmnet_hdf5.write_qsmnet_patches(tmp_path / "p.hdf5", subjects, 8, 2)
    direct = pipeline.Patches(subjects, 8, 2)
    read = pipeline.Patches(qsmnet_hdf5.qsmnet_patches(tmp_path), 8, 2)
    assert len(read) == len(direct) == 16
    for name, array in direct.stack(range(16)).items():
        np.testing.assert_array_equal(array, read.stack(range(16))[name])


def test_a_patch_outside_the_brain_is_kept(tmp_path):
    mask = np.ones((2, 8, 8, 8, 1), np.float32)
    mask[1] = 0
    write(tmp_path / "p.hdf5", **arrays(temp_m=mask))
    found = qsmnet_hdf5.qsmnet_patches(tmp_path / "p.hdf5")
    assert [s.mask.any() for s in found] == [True, False]
    assert not found[1].chi.any() and not found[1].field.any()


def nan_at(index) -> np.ndarray:
    array = np.zeros((2, 8, 8, 8, 1), np.float32)
    array[index] = np.nan
    return array


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({k: v for k, v in arrays().items() if k != "temp_l"}, "has no dataset temp_l; expected"),
        (arrays(temp_m=np.zeros((2, 8, 8, 8, 1))), "temp_m of .* is empty; expected"),
        (
            arrays(temp_i=nan_at((1, 2, 3, 4, 0))),
            "holds NaN or infinite values; expected|holds NaN",
        ),
        (arrays(temp_i=np.zeros((3, 8, 8, 8, 1))), "have shapes 3 x 8 x 8 x 8, 2 x 8 x 8 x 8"),
        (arrays((2, 8, 8, 8)), "temp_i of .* has shape 2 x 8 x 8 x 8; expected patches"),
        (arrays((2, 8, 8, 3, 1)), "temp_i of .* has shape 2 x 8 x 8 x 3 x 1; expected patches"),
        (
            arrays(temp_l=np.random.default_rng(0).normal(0, 1, (2, 8, 8, 8, 1))),
            "it is normalised or not in ppm; expected ppm",
        ),
    ],
)
def test_unusable_files_are_one_line(content, message, tmp_path):
    write(tmp_path / "p.hdf5", **content)
    with pytest.raises(UserError, match=message) as caught:
        qsmnet_hdf5.qsmnet_patches(tmp_path)
    assert "\n" not in str(caught.value)


def test_no_file_several_files_and_no_hdf5_are_one_line(tmp_path):
    with pytest.raises(UserError, match=r"0 .hdf5 files in .*; expected exactly one"):
        qsmnet_hdf5.qsmnet_patches(tmp_path)
    (tmp_path / "p.hdf5").write_text("no")
    with pytest.raises(UserError, match=r"is not a readable HDF5 file .*file signature not found"):
        qsmnet_hdf5.qsmnet_patches(tmp_path)
    (tmp_path / "q.hdf5").write_text("no")
    with pytest.raises(UserError, match=r"2 .hdf5 files"):
        qsmnet_hdf5.qsmnet_patches(tmp_path)
