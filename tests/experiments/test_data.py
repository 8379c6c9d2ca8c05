"""python -m experiments.data: makes what training reads; mistakes are one line and exit code 2."""

import subprocess
import sys

import pytest
from helpers import ROOT

from mrjax.data import builders
from mrjax.data.formats import bart, hammernik, qsmnet


def run(*argv: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "experiments.data", *argv], cwd=ROOT, capture_output=True, text=True
    )


SMALL = ("--n_train=1", "--n_test=1", "--volume=16")


def test_build_and_write_hold_the_same_brains(tmp_path):
    built = run("--build=qsm_brain", f"--data_dir={tmp_path / 'tfds'}", "--seed=3", *SMALL)
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr and built.stdout.split()[-1].endswith("data3_noise3/1.0.0")
    seeds = ("--seed_data=3", "--seed_noise=3")
    written = run("--write=qsmnet_mat", f"--data_dir={tmp_path / 'mat'}", *seeds, *SMALL)
    assert written.returncode == 0, written.stderr
    tfds, mat = builders.load(tmp_path / "tfds"), qsmnet.qsmnet_mat(tmp_path / "mat")
    for a, b in zip(tfds, mat, strict=True):
        assert [s.field.tobytes() for s in a] == [s.field.tobytes() for s in b]
        assert [s.chi.tobytes() for s in a] == [s.chi.tobytes() for s in b]


KNEES = ("--n_train=1", "--n_test=1", "--rows=24", "--columns=24", "--coils=2")


def test_knees_are_the_same_in_the_data_set_and_in_files(tmp_path):
    built = run("--build=knee_slices", f"--data_dir={tmp_path / 'tfds'}", "--seed=3", *KNEES)
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    train, test = builders.load(tmp_path / "tfds", "knee_slices")
    for name in ("hammernik", "bart"):
        seeds = ("--seed_data=3", "--seed_noise=3")
        written = run(f"--write={name}", f"--data_dir={tmp_path / name}", *seeds, *KNEES)
        assert written.returncode == 0, written.stderr
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
    done = run(*argv)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr


def test_help_names_the_flags():
    done = run("--help")
    assert done.returncode == 0
    assert "--build: <qsm_brain|knee_slices>" in done.stdout and "--data_dir" in done.stdout
