"""Files of the public implementation are read and written exactly; mistakes end in one line."""

import numpy as np
import pytest
from helpers import draw, shared

torch = pytest.importorskip("torch", reason="needs torch, the framework of the baseline")

from mrjax.errors import UserError  # noqa: E402
from mrjax.pytorch import public_varnet  # noqa: E402

SHAPES = {"kernel": (11, 11, 2, 3), "rbf": (3, 31), "data_weight": ()}


@pytest.fixture
def leaves(rng):
    return {
        f"stage{i}/{name}": np.asarray(draw(rng, shape), np.float32)
        for i in range(12)  # with two digits, since stage 10 must not come before stage 2
        for name, shape in SHAPES.items()
    }


def same(actual, expected):
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        assert actual[name].dtype == array.dtype
        assert actual[name].shape == array.shape
        assert actual[name].tobytes() == array.tobytes()


def test_written_files_return_bit_for_bit(leaves, tmp_path):
    for name in ("one.pth", "other.h5"):
        public_varnet.write_state_dict(tmp_path / name, leaves)
    same(public_varnet.read_state_dict(tmp_path / "one.pth"), leaves)
    assert (tmp_path / "one.pth").read_bytes() == (tmp_path / "other.h5").read_bytes()


def test_axes(leaves):
    state = public_varnet.to_state_dict(leaves)
    assert state["cell_list.10.conv_kernel"].shape == (3, 1, 11, 11, 2)
    value = state["cell_list.10.conv_kernel"][2, 0, 4, 7, 1].item()
    assert value == leaves["stage10/kernel"][4, 7, 1, 2]
    value = state["cell_list.3.activation.w"][0, 1, 0, 0, 30].item()
    assert value == leaves["stage3/rbf"][1, 30]
    assert state["cell_list.0.lamb"].shape == ()


def test_shared_weights_return_bit_for_bit(tmp_path):
    path = shared("reference/varnet_coronal_pd_fs.h5")
    found = public_varnet.read_state_dict(path)
    assert sum(array.size for array in found.values()) == 131_050
    assert found["stage9/kernel"].shape == (11, 11, 2, 48)
    public_varnet.write_state_dict(tmp_path / "again.pth", found)
    again = torch.load(tmp_path / "again.pth", weights_only=True)
    public = torch.load(path, weights_only=True)
    assert list(again) == list(public)
    assert all(torch.equal(again[name], public[name]) for name in public)


def change(name, value):
    return lambda state: state | {name: value}


FOREIGN = {
    "another network": (lambda _: {"conv.weight": torch.zeros(1)}, "conv.weight"),
    "empty": (lambda _: {}, "nothing"),
    "no tensors": (lambda _: {"epoch": 3}, "no state_dict"),
    "a list": (lambda _: [1], "no state_dict"),
    "a stage short": (lambda s: {k: v for k, v in s.items() if ".4.lamb" not in k}, "4.lamb is m"),
    "a kernel of one part": (change("cell_list.1.conv_kernel", torch.zeros(3, 1, 11, 11)), "shape"),
    "other filters": (change("cell_list.2.activation.w", torch.zeros(1, 4, 1, 1, 31)), "stage 2"),
    "sixteen bits": (change("cell_list.0.lamb", torch.tensor(1.0).bfloat16()), "bfloat16"),
    "not finite": (change("cell_list.0.lamb", torch.tensor(float("nan"))), "stage0/data_weight"),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_foreign_files_are_refused_in_one_line(leaves, tmp_path, case):
    make, words = FOREIGN[case]
    torch.save(make(public_varnet.to_state_dict(leaves)), tmp_path / "file.pth")
    with pytest.raises(UserError, match=words) as error:
        public_varnet.read_state_dict(tmp_path / "file.pth")
    assert "\n" not in str(error.value)


def test_files_that_are_none(tmp_path):
    (tmp_path / "text.pth").write_text("not a pickle")
    for name, words in (("text.pth", "cannot be read by torch"), ("absent.pth", "no file")):
        with pytest.raises(UserError, match=words) as error:
            public_varnet.read_state_dict(tmp_path / name)
        assert "\n" not in str(error.value)


def test_other_leaves_are_refused(leaves):
    with pytest.raises(ValueError, match="out/bias"):
        public_varnet.to_state_dict(leaves | {"out/bias": np.zeros(1)})
    with pytest.raises(ValueError, match="stage3/rbf is missing"):
        public_varnet.to_state_dict({k: v for k, v in leaves.items() if k != "stage3/rbf"})
    with pytest.raises(ValueError, match="stage 1"):
        public_varnet.to_state_dict(leaves | {"stage1/rbf": np.zeros((3, 7), np.float32)})
