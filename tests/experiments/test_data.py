"""python -m experiments.data: makes what training reads; mistakes are one line and exit code 2."""

import pytest
from experiments_helpers import call
from helpers import ROOT
from programs_here import here

from mrjax.data import builders
from mrjax.data.formats import bart, hammernik, qsmnet

SMALL = ("--n_train=1", "--n_test=1", "--volume=16")


def test_build_and_write_hold_the_same_brains(tmp_path):
    flags = (f"--data_dir={tmp_path / 'tfds'}", "--seed=3", *SMALL)
    built = call("data", "--build=qsm_brain", *flags)
    assert "WARNING" not in built.stderr and built.stdout.split()[-1].endswith("data3_noise3/1.0.0")
    seeds = ("--seed_data=3", "--seed_noise=3")
    here("data", "--write=qsmnet_mat", f"--data_dir={tmp_path / 'mat'}", *seeds, *SMALL)
    tfds, mat = builders.load(tmp_path / "tfds"), qsmnet.qsmnet_mat(tmp_path / "mat")
    for a, b in zip(tfds, mat, strict=True):
        assert [s.field.tobytes() for s in a] == [s.field.tobytes() for s in b]
        assert [s.chi.tobytes() for s in a] == [s.chi.tobytes() for s in b]


KNEES = ("--n_train=1", "--n_test=1", "--rows=24", "--columns=24", "--coils=2")


def test_knees_are_the_same_in_the_data_set_and_in_files(tmp_path):
    flags = (f"--data_dir={tmp_path / 'tfds'}", "--seed=3", *KNEES)
    built = call("data", "--build=knee_slices", *flags)
    assert "WARNING" not in built.stderr
    train, test = builders.load(tmp_path / "tfds", "knee_slices")
    for name in ("hammernik", "bart"):
        seeds = ("--seed_data=3", "--seed_noise=3")
        here("data", f"--write={name}", f"--data_dir={tmp_path / name}", *seeds, *KNEES)
    (first, second) = hammernik.patients(tmp_path / "hammernik")
    mat = [*hammernik.read(first, 4), *hammernik.read(second, 4)]
    cfl = [bart.read(path) for path in bart.files(tmp_path / "bart")]
    for one, *others in zip([*train, *test], mat, cfl, strict=True):
        assert [o.kspace.tobytes() for o in others] == [one.kspace.tobytes()] * 2
        assert [o.maps.tobytes() for o in others] == [one.maps.tobytes()] * 2


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ((), "neither or both of --build and --write; expected exactly one"),
        (("--write=nifti",), "--data_dir is not given; expected"),
        (("--write=dicom",), "qsmnet_mat|qsmnet_hdf5|nifti"),
        (("--wirte=nifti",), "did you mean --write?"),
        (("--n_train=0",), "n_train"),
        (("--rows=2",), "rows"),
        (("nifti",), "unknown argument nifti"),
        (("--write=nifti", f"--data_dir={ROOT}", *SMALL), "is not empty; expected"),
    ],
)
def test_mistakes_are_one_line(argv, message):
    done = here("data", *argv, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr


def test_help_names_the_flags():
    done = call("data", "--help")
    assert "--build: <qsm_brain|knee_slices>" in done.stdout and "--data_dir" in done.stdout
