"""Which subjects a configuration gives, and the one line for what cannot be."""

import dataclasses

import numpy as np
import pytest

from mrjax.data import qsm
from mrjax.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    dataset: str = "synthetic"
    data_dir: str = ""
    unit: str = ""
    field_strength: float = 0.0
    echo_time: float = 0.0
    n_train: int = 2
    n_test: int = 1
    volume: int = 16
    seed_data: int = 0
    seed_noise: int = 0

    def seed_for(self, stream: str) -> int:
        return {"data": self.seed_data, "noise": self.seed_noise}[stream]


def images(subjects) -> list[bytes]:
    return [s.field.tobytes() + s.chi.tobytes() for s in subjects]


def test_synthetic_subjects_are_all_different_and_have_the_asked_size():
    train, test = qsm.subjects(Config())
    assert (len(train), len(test)) == (2, 1)
    assert train[0].mask.shape == (16, 16, 16)
    assert len(set(images(train + test))) == len({s.name for s in train + test}) == 3


def test_neither_n_train_nor_n_test_changes_the_other_brains():
    few_train, few_test = qsm.subjects(Config(n_train=1, n_test=1))
    many_train, many_test = qsm.subjects(Config(n_train=3, n_test=2))
    assert images(many_train)[:1] == images(few_train)
    assert images(many_test)[:1] == images(few_test)


def test_each_of_the_two_seeds_matters():
    train, _ = qsm.subjects(Config())
    data, _ = qsm.subjects(Config(seed_data=1))
    noise, _ = qsm.subjects(Config(seed_noise=1))
    assert not np.array_equal(train[0].chi, data[0].chi)
    assert not np.array_equal(train[0].field, noise[0].field)


@pytest.mark.parametrize("dataset", ["tfds", "qsmnet_mat", "qsmnet_hdf5", "nifti"])
def test_files_need_an_existing_data_dir(dataset, tmp_path):
    with pytest.raises(UserError, match=f"--dataset={dataset} .* set --data_dir$"):
        qsm.subjects(Config(dataset=dataset))
    with pytest.raises(UserError, match=r"does not exist; expected .*; correct the path$"):
        qsm.subjects(Config(dataset=dataset, data_dir=str(tmp_path / "gone")))


def test_unknown_data_set_empty_split_and_wrong_unit():
    with pytest.raises(UserError, match="'mnist'; expected one of synthetic, tfds"):
        qsm.subjects(Config(dataset="mnist"))
    with pytest.raises(UserError, match="gives no held-out subjects; expected"):
        qsm.subjects(Config(n_test=0))
    with pytest.raises(UserError, match="--unit=Hz does not fit --dataset=qsmnet_mat"):
        qsm.subjects(Config(dataset="qsmnet_mat", data_dir=".", unit="Hz"))
