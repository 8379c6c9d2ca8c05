"""Files of ismrmrd_generate_cartesian_shepp_logan against ismrmrd_recon_cartesian_2d's images.

The tool's image is the root sum of squares of an unscaled transform, cut to the field of view; it
neither prewhitens nor separates repetitions.
"""

import functools
import subprocess

import h5py
import numpy as np
import pytest
from helpers import needs_program

pytest.importorskip("ismrmrd", reason="needs ismrmrd-package: pip install ismrmrd")
from mrjax.data.formats import ismrmrd
from mrjax.data.intake import Intake
from mrjax.physics import coils

pytestmark = needs_program("ismrmrd_recon_cartesian_2d", "ismrmrd-tools")

CLOSE = 1e-5
"""Largest difference of two images in float32, as a share of the brightest pixel."""


def generate(path, *flags) -> None:
    command = ["ismrmrd_generate_cartesian_shepp_logan", "-o", str(path), *flags]
    subprocess.run(command, check=True, capture_output=True)


def theirs(path) -> np.ndarray:
    """The tool's image [row column], scaled as an orthonormal transform is."""
    done = subprocess.run(["ismrmrd_recon_cartesian_2d", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with h5py.File(path) as file:
        rows, columns = file["dataset/coil_images"].shape[:1:-1]
        return file["dataset/cpp/data"][-1, 0, 0].T / np.sqrt(rows * columns)


def ours(kspace: np.ndarray) -> np.ndarray:
    return np.sqrt((np.abs(coils.images(kspace)) ** 2).sum(axis=0))


def read(path, intake=None):
    return ismrmrd.read(path, "acs", 12, intake)


def close(image, expected) -> bool:
    return float(np.abs(image - expected).max()) < CLOSE * float(expected.max())


@pytest.mark.parametrize("matrix", ["64", "50"])
@pytest.mark.parametrize("oversampling", ["1", "2", "3"])
def test_images_and_references_are_those_of_the_tool(matrix, oversampling, tmp_path):
    path = tmp_path / "a.h5"
    generate(path, "-m", matrix, "-O", oversampling, "-c", "6", "-n", "0.01")
    (found,) = read(path)
    expected = theirs(path)  # the generator's header keeps half of the readout, whatever -O says
    assert expected.shape == (int(matrix) * int(oversampling) // 2, int(matrix))
    assert found.kspace.shape == (6, *expected.shape) and found.mask is None
    assert close(ours(found.kspace), expected)
    assert not close(ours(found.kspace)[::-1], expected)
    assert not close(np.roll(ours(found.kspace), 1, axis=1), expected)
    inside = expected > 0.15 * expected.max()
    ratio = np.abs(found.reference)[inside] / expected[inside]
    assert inside.mean() > 0.2 and 0.98 < np.median(ratio) <= 1.0001 and ratio.max() < 1.001


def test_maps_and_references_are_those_of_the_phantom(tmp_path):
    path = tmp_path / "a.h5"
    generate(path, "-m", "64", "-c", "6", "-n", "0.01")
    (found,) = read(path)
    with h5py.File(path) as file:
        maps, phantom = (
            (file[f"dataset/{name}"][0]["real"] + 1j * file[f"dataset/{name}"][0]["imag"])
            for name in ("csm", "phantom")
        )
    maps, phantom = maps.swapaxes(1, 2), phantom.T
    power = np.sqrt((np.abs(maps) ** 2).sum(axis=0))
    inside = np.abs(phantom) > 0.15 * np.abs(phantom).max()
    cosine = np.abs((found.maps.conj() * maps / power).sum(axis=0))[inside]
    assert np.median(cosine) > 0.995
    ratio = np.abs(found.reference)[inside] / (np.abs(phantom) * power)[inside]
    assert 0.9 < np.median(ratio) / np.quantile(ratio, 0.9) <= 1


def whitened_copy(path, new) -> None:
    """A file like another one without its noise measurement, the lines prewhitened by LAPACK."""
    import ismrmrd as mrd

    with mrd.File(path, "r") as file:
        header, (noise, *lines) = file["dataset"].header, file["dataset"].acquisitions[:]
    covariance = noise.data @ noise.data.conj().T / (noise.data.shape[1] - 1)
    matrix = np.sqrt(2 * 0.793) * np.linalg.inv(np.linalg.cholesky(covariance))
    for line in lines:
        line.data[:] = matrix @ line.data
    with h5py.File(path) as old, h5py.File(new, "w") as copy:
        copy.create_group("dataset")
        old.copy("dataset/coil_images", copy["dataset"])
    with mrd.File(new, "a") as file:
        file["dataset"].header, file["dataset"].acquisitions = header, lines


def test_prewhitened_images_are_the_tools_of_prewhitened_lines(tmp_path):
    generate(tmp_path / "a.h5", "-m", "64", "-c", "4", "-C")
    whitened_copy(tmp_path / "a.h5", tmp_path / "b.h5")
    intake = Intake()
    (found,) = read(tmp_path / "a.h5", intake)
    expected = theirs(tmp_path / "b.h5")
    assert close(ours(found.kspace), expected) and intake.notes == []
    assert not close(ours(found.kspace), theirs(tmp_path / "a.h5"))


@pytest.mark.parametrize("acceleration", [2, 4])
def test_accelerated_files(acceleration, tmp_path):
    """Repetitions take turns in their lines; lines between them only calibrate."""
    path = tmp_path / "a.h5"
    generate(path, "-m", "64", "-c", "4", "-a", str(acceleration), "-w", "16", "-n", "0")
    intake = Intake()
    found = read(path, intake)
    assert len(found) == acceleration and all(one.reference is None for one in found)
    for offset, one in enumerate(found):
        assert one.name == f"a_slice00_repetition{offset:02d}"
        assert np.flatnonzero(one.mask).tolist() == list(range(offset, 64, acceleration))
    whole = functools.reduce(np.add, [one.kspace for one in found])
    assert close(ours(whole), theirs(path))  # the tool puts the lines of all repetitions together
    assert "every repetition is an image of its own: a.h5" in intake.notes


def test_without_noise_every_repetition_is_the_same_and_is_not_averaged(tmp_path):
    generate(tmp_path / "a.h5", "-m", "48", "-c", "2", "-r", "2", "-n", "0", "-k")
    first, second = read(tmp_path / "a.h5")
    assert np.array_equal(first.kspace, second.kspace)
    assert close(ours(first.kspace), theirs(tmp_path / "a.h5"))
