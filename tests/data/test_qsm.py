"""Which subjects a configuration gives, and the one line for what cannot be."""

import dataclasses

import numpy as np
import pytest

from mrjax.arrays import QsmSubject
from mrjax.data import qsm
from mrjax.data.formats import nifti, qsmnet, qsmnet_hdf5
from mrjax.data.intake import Intake
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


def folder_of(tmp_path, count: int, **changes):
    """Subjects in NIfTI files, as a configuration reads them."""
    draw = np.random.default_rng(0)
    for number in range(count):
        for word, std in (("localfield", 0.02), ("Chimap", 0.03)):
            volume = draw.normal(0, std, (9, 9, 9))
            nifti.write_nifti(tmp_path / f"sub-{number}_{word}.nii.gz", volume)
        nifti.write_nifti(tmp_path / f"sub-{number}_mask.nii.gz", np.ones((9, 9, 9)))
    values = {"dataset": "nifti", "data_dir": str(tmp_path), "unit": "ppm"}
    return Config(**(values | changes))


@pytest.mark.parametrize(
    ("n_test", "need_train", "training", "held_out", "left_out"),
    [
        (2, True, 3, 2, 0),
        (2, False, 0, 2, 3),
        (0, False, 0, 5, 0),
        (9, False, 0, 5, 0),
    ],
)
def test_every_subject_is_accounted_for(n_test, need_train, training, held_out, left_out, tmp_path):
    intake = Intake()
    config = folder_of(tmp_path, 5, n_test=n_test)
    train, test = qsm.subjects(config, need_train=need_train, intake=intake)
    assert (len(train), len(test)) == (training, held_out)
    record = intake.record()
    assert record["found"] == 5 and len(record["left_out"]) == left_out
    assert (record["training"], record["held_out"]) == (training, held_out)
    reasons = {one["reason"] for one in record["left_out"]}
    assert reasons == ({"not among the last --n_test=2"} if left_out else set())


def test_what_is_accepted_is_kept_and_changes_nothing_else(tmp_path):
    config = folder_of(tmp_path, 2)
    plain = qsm.subjects(config)[1][0]
    for number in range(2):
        nifti.write_nifti(tmp_path / f"sub-{number}_localfield.nii.gz", 1000 * plain.field)
    with pytest.raises(UserError, match=r"plausible in ppb \(0.02 ppm\).*--accept=field$"):
        qsm.subjects(config)
    intake = Intake(frozenset({"field"}))
    np.testing.assert_array_equal(
        qsm.subjects(config, intake=intake)[1][0].field, np.float32(1000 * plain.field)
    )
    assert len(intake.record()["accepted"]) == 2


def any_subject(seed: int) -> QsmSubject:
    draw = np.random.default_rng(seed)
    field, chi = (draw.normal(0, 0.03, (12, 12, 12)).astype(np.float32) for _ in range(2))
    return QsmSubject(name=f"s{seed}", field=field, chi=chi, mask=np.ones((12, 12, 12), bool))


def test_inference_counts_the_training_subjects_of_the_authors_layouts(tmp_path):
    subjects = [any_subject(i) for i in range(3)]
    qsmnet.write_qsmnet_mat(subjects, tmp_path / "mat", test=subjects[:2])
    qsmnet.write_qsmnet_mat([], tmp_path / "h5", test=subjects[:1])
    qsmnet_hdf5.write_qsmnet_patches(tmp_path / "h5/p.hdf5", subjects[:2], 8, 1)
    for name, held_out, left in (
        ("mat", 2, ["train1", "train2", "train3"]),
        ("hdf5", 1, ["patch000000", "patch000001"]),
    ):
        intake = Intake()
        folder = {"mat": "mat", "hdf5": "h5"}[name]
        config = Config(dataset=f"qsmnet_{name}", data_dir=str(tmp_path / folder), n_test=0)
        assert len(qsm.subjects(config, need_train=False, intake=intake)[1]) == held_out
        record = intake.record()
        assert [one["name"] for one in record["left_out"]] == left
        assert record["found"] == held_out + len(left)
