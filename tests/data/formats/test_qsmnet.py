"""The QSMnet layout: round trips, MATLAB versions, directions, and each mistake's one line."""

import dataclasses

import h5py
import numpy as np
import pytest
import scipy.io

from mrjax.arrays import QsmSubject
from mrjax.data.formats import qsmnet
from mrjax.data.intake import Intake
from mrjax.errors import UserError


def subject(seed: int, shape=(12, 10, 9), **changes) -> QsmSubject:
    draw = np.random.default_rng(seed)
    mask = np.zeros(shape, bool)
    mask[1:-1, 2:-1, 1:-2] = True
    chi = (draw.normal(0, 0.03, shape) * mask).astype(np.float32)
    field = (draw.normal(0, 0.02, shape) * mask).astype(np.float32)
    return QsmSubject(name=f"s{seed}", field=field, chi=chi, mask=mask, **changes)


def same(a: QsmSubject, b: QsmSubject) -> None:
    for name in ("field", "chi", "mask"):
        x, y = getattr(a, name), getattr(b, name)
        assert x.dtype == y.dtype
        np.testing.assert_array_equal(x, y)


def test_what_is_written_is_read_in_the_order_of_numbers(tmp_path):
    train = [subject(i) for i in range(11)]  # 10 after 2, not after 1
    qsmnet.write_qsmnet_mat(train, tmp_path, test=[subject(50), subject(51)])
    found, test = qsmnet.qsmnet_mat(tmp_path)
    assert [s.name for s in found] == [f"train{i + 1}" for i in range(11)]
    for written, read in zip([*train, subject(50), subject(51)], [*found, *test], strict=True):
        same(written, read)
    assert read.voxel_size == (1.0, 1.0, 1.0) and read.b0_direction == (0.0, 0.0, 1.0)


def test_file_names_and_keys_are_the_authors(tmp_path):
    qsmnet.write_qsmnet_mat([subject(1)], tmp_path, test=[subject(2)])
    files = {
        "Train/Input/train_input1.mat": {"phs_tissue"},
        "Train/Input/train_mask1.mat": {"mask"},
        "Train/Label/train_label1.mat": {"chi_cosmos"},
        "Test/Input/test_input1.mat": {"phs_tissue", "mask"},
        "Test/Label/test_label1.mat": {"chi_cosmos"},
    }
    found = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert found == set(files)
    for name, keys in files.items():
        assert {k for k in scipy.io.loadmat(tmp_path / name) if k[0] != "_"} == keys


def test_a_data_folder_is_entered_and_labels_of_the_test_are_optional(tmp_path):
    bare = dataclasses.replace(subject(2), chi=None)
    qsmnet.write_qsmnet_mat([subject(1)], tmp_path / "Data", test=[bare])
    train, test = qsmnet.qsmnet_mat(tmp_path)
    same(train[0], subject(1))
    assert test[0].chi is None


def test_directions_become_subjects_and_one_mask_serves_all(tmp_path):
    parts = [subject(i) for i in range(3)]
    qsmnet.write_qsmnet_mat(parts[:1], tmp_path)
    train = tmp_path / "Train"
    scipy.io.savemat(
        train / "Input/train_input1.mat", {"phs_tissue": np.stack([s.field for s in parts], -1)}
    )
    scipy.io.savemat(
        train / "Label/train_label1.mat", {"chi_cosmos": np.stack([s.chi for s in parts], -1)}
    )
    found, _ = qsmnet.qsmnet_mat(tmp_path)
    assert [s.name for s in found] == [f"train1_direction{i}" for i in (1, 2, 3)]
    for part, read in zip(parts, found, strict=True):
        same(part, read)
    scipy.io.savemat(
        train / "Label/train_label1.mat", {"chi_cosmos": np.stack([s.chi for s in parts[:2]], -1)}
    )
    with pytest.raises(UserError, match="chi of train1 has 2 directions, fewer than its field"):
        qsmnet.qsmnet_mat(tmp_path)


def write_v73(path, key, array) -> None:
    """As MATLAB does: HDF5 behind a user block, column-major, hence axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file[key] = array.T
        file["#refs#/a"] = 1
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def test_version_7_3_files_have_their_axes_put_back(tmp_path):
    one = subject(4)
    qsmnet.write_qsmnet_mat([one], tmp_path)
    write_v73(tmp_path / "Train/Input/train_input1.mat", "phs_tissue", one.field)
    write_v73(tmp_path / "Train/Label/train_label1.mat", "chi_cosmos", one.chi)
    same(qsmnet.qsmnet_mat(tmp_path)[0][0], one)
    write_v73(tmp_path / "Train/Label/train_label1.mat", "cosmos", one.chi)
    with pytest.raises(UserError, match=r"no variable chi_cosmos; expected it beside .* cosmos;"):
        qsmnet.qsmnet_mat(tmp_path)


def test_values_outside_the_mask_are_zeroed_even_nan(tmp_path):
    one = subject(1)
    field = one.field.copy()
    field[0, 0, 0], field[0, 0, 1] = np.nan, 3
    qsmnet.write_qsmnet_mat([dataclasses.replace(one, field=field)], tmp_path)
    same(qsmnet.qsmnet_mat(tmp_path)[0][0], one)


def with_value(name: str, value) -> dict:
    array = getattr(subject(1), name).astype(np.float32)
    array[5, 5, 5] = value
    return {name: array}


MISTAKES = {
    "field of train1 is NaN or infinite in 1 voxels": with_value("field", np.nan),
    "chi of train1 is NaN or infinite in 1 voxels": with_value("chi", np.inf),
    "mask of train1 is empty; expected": {"mask": np.zeros((12, 10, 9), bool)},
    "chi of train1 has 12 x 10 x 8 voxels, its field has 12 x 10 x 9": {
        "chi": np.zeros((12, 10, 8), np.float32)
    },
    "mask of train1 has 12 x 9 x 10 voxels": {"mask": np.ones((12, 9, 10), bool)},
    "the mask of train1 has 2 axes": {"mask": np.ones((12, 10), bool)},
    "volumes of train1 have 12 x 10 x 3 voxels; expected at least 8": {
        "field": np.zeros((12, 10, 3), np.float32),
        "chi": np.zeros((12, 10, 3), np.float32),
        "mask": np.ones((12, 10, 3), bool),
    },
}


@pytest.mark.parametrize("message", MISTAKES)
def test_unusable_volumes_are_one_line(message, tmp_path):
    qsmnet.write_qsmnet_mat([dataclasses.replace(subject(1), **MISTAKES[message])], tmp_path)
    with pytest.raises(UserError, match=message) as caught:
        qsmnet.qsmnet_mat(tmp_path)
    assert "\n" not in str(caught.value) and str(caught.value).count(";") == 2


def test_missing_files_and_wrong_contents_are_one_line(tmp_path):
    with pytest.raises(UserError, match=r"no directory .*gone; expected"):
        qsmnet.qsmnet_mat(tmp_path / "gone")
    with pytest.raises(UserError, match=r"no subjects in .*; expected Train/Input/train_input1"):
        qsmnet.qsmnet_mat(tmp_path)
    qsmnet.write_qsmnet_mat([subject(1)], tmp_path)
    label = tmp_path / "Train/Label/train_label1.mat"
    for content in (b"", b"no mat file", label.read_bytes()[:300]):
        label.write_bytes(content)
        with pytest.raises(
            UserError, match=r"train_label1.mat cannot be read .*; expected"
        ) as caught:
            qsmnet.qsmnet_mat(tmp_path)
        assert "\n" not in str(caught.value)
    scipy.io.savemat(label, {"cosmos": np.zeros((12, 10, 9))})
    with pytest.raises(
        UserError, match=r"has no variable chi_cosmos; expected it .* cosmos; rename"
    ):
        qsmnet.qsmnet_mat(tmp_path)
    scipy.io.savemat(label, {"chi_cosmos": "text"})
    with pytest.raises(UserError, match=r"chi_cosmos of .* is not an array of real numbers"):
        qsmnet.qsmnet_mat(tmp_path)
    label.unlink()
    with pytest.raises(UserError, match=r"no file .*train_label1.mat; expected"):
        qsmnet.qsmnet_mat(tmp_path)


def test_the_layout_refuses_what_it_cannot_say(tmp_path):
    qsmnet.write_qsmnet_mat([subject(1, voxel_size=(0.9, 0.9, 0.9))], tmp_path)
    with pytest.raises(UserError, match=r"1.0 x 1.0 x 2.0 mm.*expected cubes"):
        qsmnet.write_qsmnet_mat([subject(1, voxel_size=(1.0, 1.0, 2.0))], tmp_path)
    with pytest.raises(UserError, match=r"B0 along .*expected \(0, 0, 1\)"):
        qsmnet.write_qsmnet_mat([subject(1, b0_direction=(1.0, 0.0, 0.0))], tmp_path)
    with pytest.raises(UserError, match="no susceptibility map"):
        qsmnet.write_qsmnet_mat([dataclasses.replace(subject(1), chi=None)], tmp_path)


def test_a_file_written_row_by_row_is_read_as_stored_and_said(tmp_path):
    """h5py keeps the order of axes that MATLAB would reverse; nothing in it says MATLAB."""
    qsmnet.write_qsmnet_mat([subject(1)], tmp_path)
    path = tmp_path / "Train/Input/train_input1.mat"
    with h5py.File(path, "w") as file:
        file["phs_tissue"] = subject(1).field
    intake = Intake()
    same(qsmnet.qsmnet_mat(tmp_path, intake)[0][0], subject(1))
    (note,) = [line for line in intake.notes if "was not written by MATLAB" in line]
    assert "(phs_tissue: 12 x 10 x 9)" in note


def test_wrong_units_and_lonely_masks_are_told(tmp_path):
    qsmnet.write_qsmnet_mat([subject(1), subject(2)], tmp_path)
    (tmp_path / "Train/Input/train_input2.mat").unlink()
    intake = Intake()
    assert len(qsmnet.qsmnet_mat(tmp_path, intake)[0]) == 1
    assert [name for name, _ in intake.left_out] == ["train_mask2.mat", "train_label2.mat"]
    content = {"phs_tissue": subject(1).field / 1000}
    scipy.io.savemat(tmp_path / "Train/Input/train_input1.mat", content)
    with pytest.raises(UserError, match=r"divided by an echo time in s, not ms .0.02 ppm"):
        qsmnet.qsmnet_mat(tmp_path)
