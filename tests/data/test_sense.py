"""Slices: which ones, how they are sampled and stacked, and the one line for what cannot be."""

import dataclasses

import numpy as np
import pytest
from slices import random_slice

from mrjax.data import pipeline, sense, sources
from mrjax.data.formats import fastmri
from mrjax.data.intake import Intake
from mrjax.errors import UserError
from mrjax.physics import sampling


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    dataset: str = "synthetic"
    data_dir: str = ""
    maps: str = "acs"
    acs_lines: int = 6
    acceleration: int = 4
    sampling: str = "regular"
    n_train: int = 2
    n_test: int = 1
    rows: int = 32
    columns: int = 40
    coils: int = 3
    seed_data: int = 0
    seed_noise: int = 0
    seed_mask: int = 0
    whole_readout: bool = False

    def seed_for(self, stream: str) -> int:
        return {"data": self.seed_data, "noise": self.seed_noise, "mask": self.seed_mask}[stream]


def images(found) -> list[bytes]:
    return [s.kspace.tobytes() + s.reference.tobytes() for s in found]


def test_synthetic_slices_have_the_asked_size_and_each_seed_matters():
    train, test = sense.slices(Config())
    assert (len(train), len(test)) == (2, 1)
    assert {s.kspace.shape for s in train + test} == {(3, 32, 40)}
    others = [sense.slices(Config(**{seed: 1}))[0] for seed in ("seed_data", "seed_noise")]
    every = [*train, *test, *others[0], *others[1]]
    assert len(set(images(every))) == 7 and len({s.name for s in train + test}) == 3


def test_neither_n_train_nor_n_test_changes_the_other_slices():
    few_train, few_test = sense.slices(Config(n_train=1, n_test=1))
    many_train, many_test = sense.slices(Config(n_train=2, n_test=2))
    assert images(many_train)[:1] == images(few_train)
    assert images(many_test)[:1] == images(few_test)
    assert sense.slices(Config(), need_train=False)[0] == []


def test_an_acquisition_keeps_the_columns_of_its_mask():
    one, config = random_slice(), Config(sampling="random")
    found = sense.acquisition(one, config, 5)
    mask = sampling.mask("random", 0, 5, 16, 4, 6)
    assert found["mask"].dtype == np.float32 and 0 < mask.sum() < 16
    np.testing.assert_array_equal(found["mask"], mask)
    np.testing.assert_array_equal(found["kspace"][..., mask], one.kspace[..., mask])
    assert not found["kspace"][..., ~mask].any() and found["kspace"].dtype == np.complex64
    assert found["maps"] is one.maps and found["reference"] is one.reference


def test_the_mask_of_a_data_set_comes_before_the_flags():
    mask = np.arange(16) % 3 == 0
    one = dataclasses.replace(random_slice(), mask=mask, reference=None)
    found = sense.acquisition(one, Config(), 0)
    np.testing.assert_array_equal(found["mask"], mask)
    assert "reference" not in found


def test_examples_are_acquisitions_numbered_from_the_first_index():
    slices = [random_slice(i) for i in range(4)]
    config = Config(sampling="random", acs_lines=2, acceleration=3)
    examples = sense.Examples(slices, config, first_index=10)
    assert len(examples) == 4
    batch = examples.stack([3, 1])
    assert batch["kspace"].shape == batch["maps"].shape == (2, 3, 24, 16)
    assert batch["mask"].shape == (2, 16) and batch["reference"].shape == (2, 24, 16)
    for row, index in enumerate([3, 1]):
        single = sense.acquisition(slices[index], config, 10 + index)
        for name, array in single.items():
            np.testing.assert_array_equal(batch[name][row], array)
    assert not np.array_equal(*sense.Examples(slices, config).stack([0, 1])["mask"])


def test_batches_of_slices_follow_the_order_of_every_other_example():
    examples = sense.Examples([random_slice(i) for i in range(5)], Config())
    batch = pipeline.batch(examples, 3, 4, 2)
    indices = pipeline.batch_indices(3, 4, 2, 5)
    np.testing.assert_array_equal(batch["kspace"], examples.stack(indices.tolist())["kspace"])


def nan() -> np.ndarray:
    values = random_slice().kspace.copy()
    values[1, 2, 3] = np.nan
    return values


ZERO = np.zeros((3, 24, 16), np.complex64)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kspace": ZERO}, "the k-space of s0 is zero everywhere; expected a signal; check"),
        ({"kspace": ZERO + 1e-20}, "k-space of s0 has magnitudes up to 1.0e-20; expected 1e-12"),
        ({"kspace": ZERO + 1e20}, "the k-space of s0 has magnitudes up to 1.0e\\+20; expected"),
        ({"maps": ZERO}, "the coil sensitivity maps of s0 are zero everywhere; expected a sig"),
        ({"reference": ZERO[0]}, "the reference of s0 is zero everywhere; expected"),
        ({"kspace": nan()}, "the k-space of s0 is NaN or infinite in 1 places; expected finite"),
        ({"maps": ZERO[:2]}, "s0 has k-space of 3 coils but coil sensitivity maps of 2; expected"),
        (
            {"maps": ZERO[:, :9]},
            "maps of s0 have shape 3 x 9 x 16 .*, its k-space 3 x 24 x 16; exp",
        ),
        ({"maps": ZERO[0]}, "maps of s0 have shape 24 x 16 .*expected equal shapes"),
        ({"reference": ZERO[0, :, :9]}, "reference of s0 has shape 24 x 9 .*; expected equal"),
        ({"kspace": ZERO[0]}, "the k-space of s0 has 2 axes; expected coil, row and column"),
        ({"kspace": ZERO[:, :7]}, "the k-space of s0 has 7 x 16 rows x columns; expected at least"),
        ({"mask": np.ones(15, bool)}, "mask of s0 has 15 columns, its k-space 16; expected equal"),
        ({"mask": np.zeros(16, bool)}, "undersampling mask of s0 is empty; expected at least one"),
    ],
)
def test_unusable_slices_are_one_line(changes, message):
    sense.check(random_slice())
    with pytest.raises(UserError, match=message) as caught:
        sense.check(random_slice(**changes))
    assert "\n" not in str(caught.value)


def test_what_cannot_be_sampled_or_trained_on_is_one_line():
    edge = random_slice()
    edge.kspace[..., 1:] = 0
    hidden = dataclasses.replace(edge, mask=np.arange(16) > 0)
    with pytest.raises(UserError, match=r"k-space of s0 is zero in all columns of its .*; expect"):
        sense.acquisition(hidden, Config(), 0)
    with pytest.raises(
        UserError, match=r"pattern 'spiral'; expected regular or random; .*sampling"
    ):
        sense.acquisition(random_slice(), Config(sampling="spiral"), 0)
    with pytest.raises(UserError, match="ACS lines of 16 columns"):
        sense.acquisition(random_slice(), Config(acs_lines=17), 0)
    with pytest.raises(UserError, match="s0 has 3 x 24 x 16 coils x rows x columns, s1 has 3"):
        sense.Examples([random_slice(0), random_slice(1, (3, 24, 9))], Config())
    with pytest.raises(UserError, match="slice s2 has no reference, being undersampled; expected"):
        sense.Examples([random_slice(0), random_slice(2, reference=None)], Config())


@pytest.mark.parametrize("dataset", ["tfds", "hammernik", "fastmri", "ismrmrd", "bart"])
def test_files_need_an_existing_data_dir(dataset, tmp_path):
    with pytest.raises(UserError, match=f"--dataset={dataset} .* set --data_dir$"):
        sense.slices(Config(dataset=dataset))
    with pytest.raises(UserError, match=r"does not exist or is a file; .*; correct the path$"):
        sense.slices(Config(dataset=dataset, data_dir=str(tmp_path / "gone")))


def test_unknown_data_set_and_empty_split():
    with pytest.raises(UserError, match="'mnist'; expected one of synthetic, tfds"):
        sense.slices(Config(dataset="mnist"))
    with pytest.raises(UserError, match="gives no held-out slices; expected"):
        sense.slices(Config(n_test=0))


def test_the_account_counts_slices_and_names_files_that_are_not_read(tmp_path):
    for name in ("a", "b", "c"):
        slices = [random_slice(i, (3, 24, 32)) for i in range(2)]
        fastmri.write_fastmri(slices, tmp_path / f"one/{name}.h5")
        fastmri.write_fastmri(slices, tmp_path / f"split/multicoil_train/{name}.h5")
    fastmri.write_fastmri(slices, tmp_path / "split/multicoil_val/d.h5")
    for folder, note in (
        ("one", "patients or files not among the last --n_test=1: a.h5, b.h5"),
        ("split", "files of multicoil_train are not read with --steps=0: a.h5, b.h5, c.h5"),
    ):
        intake = Intake()
        config = Config(dataset="fastmri", data_dir=str(tmp_path / folder), acs_lines=8, n_test=1)
        train, test = sense.slices(config, need_train=False, intake=intake)
        assert (len(train), len(test)) == (0, 2) and note in intake.notes
        record = intake.record()
        assert (record["found"], record["held_out"], record["left_out"]) == (2, 2, [])


def test_files_of_one_stem_and_slices_of_one_name_are_one_line(tmp_path):
    for name in ("x.h5", "x.hdf5"):
        fastmri.write_fastmri([random_slice(0, (3, 24, 32))], tmp_path / name)
    config = Config(dataset="fastmri", data_dir=str(tmp_path), acs_lines=8, n_test=1)
    with pytest.raises(UserError, match=r"the files .*x\.h5 and .*x\.hdf5 would both be called x;"):
        sense.slices(config)
    with pytest.raises(UserError, match="2 slices are called s0; expected distinct names"):
        sources.check_names([random_slice(0), random_slice(1), random_slice(0)], "slices")


def test_files_in_folders_that_are_not_read_are_said(tmp_path):
    slices = [random_slice(0, (3, 24, 32))]
    for place in ("multicoil_train/a", "multicoil_val/b", "multicoil_test/c", "d"):
        fastmri.write_fastmri(slices, tmp_path / f"{place}.h5")
    intake = Intake()
    sense.slices(Config(dataset="fastmri", data_dir=str(tmp_path), acs_lines=8), intake=intake)
    said = "files in other folders below --data_dir are not read: d.h5, multicoil_test/c.h5"
    assert said in intake.notes


def test_one_name_in_both_folders_is_two_volumes_and_one_file_is_refused(tmp_path):
    for place, seed in (("multicoil_train/a", 0), ("multicoil_train/b", 1), ("multicoil_val/a", 2)):
        slices = [random_slice(seed, (3, 24, 32))]
        fastmri.write_fastmri(slices, tmp_path / f"{place}.h5")
    config = Config(dataset="fastmri", data_dir=str(tmp_path), acs_lines=8)
    intake = Intake()
    train, test = sense.slices(config, intake=intake)
    assert [one.name for one in (*train, *test)] == ["a_slice00", "b_slice00", "a_slice00"]
    assert not np.array_equal(train[0].kspace, test[0].kspace)
    (note,) = intake.notes
    assert note.startswith("files of one name in multicoil_train and") and note.endswith(": a.h5")
    content = (tmp_path / "multicoil_train/a.h5").read_bytes()
    (tmp_path / "multicoil_val/a.h5").write_bytes(content)
    with pytest.raises(UserError, match=r"train/a\.h5 and .*val/a\.h5 are the same file, so"):
        sense.slices(config)
    sense.slices(config, need_train=False)  # which trains on nothing
