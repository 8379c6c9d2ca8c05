"""The TFDS data set: the same bytes on every build and CPU, no TensorFlow, exact values."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers import ROOT

from mrjax.data import builders, sense, synthetic
from mrjax.data.builders import records
from mrjax.errors import UserError

BRAINS = {"n_train": 5, "n_test": 1, "volume": 16, "seed_data": 4}
KNEES = {"n_train": 3, "n_test": 2, "rows": 24, "columns": 32, "coils": 3, "seed_noise": 5}

BUILD = f"""
import hashlib, pathlib, sys
from mrjax.data import builders
whole = hashlib.sha256()
for choice in (builders.Brains(**{BRAINS}), builders.Knees(**{KNEES})):
    folder = builders.build(pathlib.Path(sys.argv[1]), choice)
    for path in sorted(folder.rglob("*")):
        whole.update(path.name.encode() + path.read_bytes())
assert not any(name.split(".")[0] == "tensorflow" for name in sys.modules)
print(whole.hexdigest())
"""

VARIATIONS = {
    "as it is": {},
    "hash seed, no AVX512, no AVX2": {
        "PYTHONHASHSEED": "11",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 X86_V3",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA",
    },
    "another BLAS kernel, one thread": {
        "PYTHONHASHSEED": "12",
        "OPENBLAS_CORETYPE": "NEHALEM",
        "OPENBLAS_NUM_THREADS": "1",
    },
}


def build_apart(folder, environ) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(folder)],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1", **environ},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[-1]


def test_bytes_are_equal_in_every_process_and_on_every_cpu(tmp_path):
    digests = {
        name: build_apart(tmp_path / str(i), environ)
        for i, (name, environ) in enumerate(VARIATIONS.items())
    }
    assert len(set(digests.values())) == 1, digests


PLAIN = """
from tensorflow_datasets.proto import tf_example_pb2
example = tf_example_pb2.Example()
for key in ("name", "field", "chi", "mask", "voxel_size", "b0_direction"):
    example.features.feature[key].bytes_list.value.append(key.encode())
print(example.SerializeToString().hex())
"""


def test_plain_serialisation_differs_from_process_to_process():
    """Positive control: without the sorted writer the same example gives other bytes."""
    plain = {
        subprocess.run(
            [sys.executable, "-c", PLAIN], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(4)
    }
    assert len(plain) > 1
    assert len({records.in_order(bytes.fromhex(value)) for value in plain}) == 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tfds")
    builders.build(path, builders.Brains(**BRAINS))
    return path


def test_what_is_read_is_what_was_made_bit_for_bit(folder):
    made = synthetic.synthetic_split(5, 1, 16, 4, 0)
    for split, expected in zip(builders.load(folder), made, strict=True):
        assert [s.name for s in split] == [s.name for s in expected]
        for read, subject in zip(split, expected, strict=True):
            for name in ("field", "chi", "mask"):
                assert getattr(read, name).dtype == getattr(subject, name).dtype
                np.testing.assert_array_equal(getattr(read, name), getattr(subject, name))
            assert read.voxel_size == subject.voxel_size
            assert read.b0_direction == subject.b0_direction


@pytest.fixture(scope="module")
def knees(tmp_path_factory):
    path = tmp_path_factory.mktemp("tfds")
    builders.build(path, builders.Knees(**KNEES))
    return path


def test_knees_are_read_as_they_were_made_complex_numbers_and_all(knees):
    made = synthetic.knee_split(3, 2, (24, 32), 3, 0, 5)
    for split, expected in zip(builders.load(knees, "knee_slices"), made, strict=True):
        assert [s.name for s in split] == [s.name for s in expected]
        for read, one in zip(split, expected, strict=True):
            for name in ("kspace", "maps", "reference"):
                assert getattr(read, name).dtype == np.complex64
                np.testing.assert_array_equal(getattr(read, name), getattr(one, name))
            assert read.mask is None
            sense.check(read)


def test_the_name_of_a_data_set_says_every_choice():
    plain = builders.Knees()
    assert plain.name == "train24_test4_coils6_rows96_columns96_data0_noise0"
    fields = ("n_train", "n_test", "coils", "rows", "columns", "seed_data", "seed_noise")
    assert len({builders.Knees(**{field: 7}).name for field in fields} | {plain.name}) == 8


def test_kinds_are_told_apart_in_one_folder(knees, tmp_path):
    with pytest.raises(UserError, match=r"holds the data set knee_slices; expected qsm_brain; po"):
        builders.load(knees)
    builders.build(tmp_path, builders.Brains(**{**BRAINS, "n_train": 1}))
    with pytest.raises(UserError, match=r"holds the data set qsm_brain; expected knee_slices; po"):
        builders.load(tmp_path, "knee_slices")
    builders.build(tmp_path, builders.Knees(**{**KNEES, "n_train": 1}))
    assert [len(builders.load(tmp_path, kind)[0]) for kind in builders.BUILDERS] == [1, 1]


def test_a_second_build_of_the_same_choices_changes_nothing(folder):
    before = {p: hashlib.sha256(p.read_bytes()).digest() for p in folder.rglob("*record*")}
    builders.build(folder, builders.Brains(**BRAINS))
    assert {p: hashlib.sha256(p.read_bytes()).digest() for p in before} == before


def test_other_choices_get_a_folder_of_their_own(tmp_path):
    few = {**BRAINS, "n_train": 1}
    first = builders.build(tmp_path, builders.Brains(**few))
    second = builders.build(tmp_path, builders.Brains(**few | {"seed_noise": 1}))
    assert first != second
    with pytest.raises(UserError, match=r"2 TFDS data sets in .*; expected exactly one; build"):
        builders.load(tmp_path)
    noise = [builders.load(path)[0][0] for path in (first, second)]
    np.testing.assert_array_equal(noise[0].chi, noise[1].chi)
    assert not np.array_equal(noise[0].field, noise[1].field)


def test_no_data_set_and_another_data_set_are_one_line(tmp_path):
    with pytest.raises(UserError, match=r"0 TFDS data sets in .*expected exactly one; build it"):
        builders.load(tmp_path)

    class Other(builders.QsmBrain):
        name = "other"

    brains = builders.Brains(**{**BRAINS, "n_train": 1})
    Other(config=brains, data_dir=str(tmp_path), file_format="array_record").download_and_prepare()
    with pytest.raises(UserError, match=r"holds the data set other; expected qsm_brain"):
        builders.load(tmp_path)


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write a data set to .*; expected a writable"):
        builders.build(tmp_path / "file", builders.Brains(**BRAINS))


def test_the_data_source_of_tfds_itself_reads_it(folder):
    (found,) = [p.parent for p in folder.rglob("features.json")]
    source = tfds.builder_from_directory(str(found)).as_data_source(split="train")
    assert len(source) == 5 and source[0]["field"].shape == (16, 16, 16)
    names = [example["name"] for example in source]
    assert names != sorted(names)  # TFDS shuffles; load puts them back
