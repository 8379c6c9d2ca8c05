"""Fourier transform, SENSE operator, coil maps and CG-SENSE against BART's, which others wrote."""

import bart_program
import numpy as np
import pytest
from bart_program import call, coils_first, coils_last, difference, get, write
from helpers import draw

from mrjax.numerics.native import Native
from mrjax.physics import coils, fourier, sampling, sense

pytestmark = bart_program.NEEDED

AR = Native()
FLOAT32 = 1e-6
"""Relative difference of two computations in float32 that follow the same formula."""
ITERATIONS = 60


@pytest.mark.parametrize("shape", [(64, 64), (48, 35), (33, 20), (9, 9)])
def test_the_fourier_transform_is_barts_unitary_one(shape, rng, tmp_path):
    image = draw(rng, shape, np.complex64)
    write(tmp_path, "image", image)
    call(tmp_path, "fft -u 3 image kspace")
    call(tmp_path, "fft -u -i 3 image back")
    kspace = get(tmp_path, "kspace")
    assert difference(fourier.centred_fft(AR, image, (0, 1)), kspace) < FLOAT32
    assert difference(fourier.centred_ifft(AR, image, (0, 1)), get(tmp_path, "back")) < FLOAT32
    assert difference(coils.images(image), get(tmp_path, "back")) < 3e-6
    assert difference(np.fft.fft2(image, norm="ortho"), kspace) > 0.5


def test_the_sense_operator_and_its_adjoint_are_barts(rng, tmp_path):
    shape = (5, 24, 17)
    maps, image = draw(rng, shape, np.complex64), draw(rng, shape[1:], np.complex64)
    mask = sampling.regular(17, 3, 4, 1)
    write(tmp_path, "maps", coils_last(maps))
    write(tmp_path, "image", image)
    write(tmp_path, "pattern", mask[None])
    for command in (
        "fmac image maps weighted",
        "fft -u 3 weighted whole",
        "fmac whole pattern kspace",
        "fft -u -i 3 kspace images",
        "fmac -C -s 8 images maps adjoint",
    ):
        call(tmp_path, command)
    kspace = coils_first(get(tmp_path, "kspace"))
    ours = sense.forward(AR, image[None], maps[None], mask[None])[0]
    assert difference(ours, kspace) < FLOAT32
    adjoint = get(tmp_path, "adjoint").reshape(shape[1:])
    assert difference(sense.adjoint(AR, kspace[None], maps[None], mask[None])[0], adjoint) < FLOAT32
    wrong = sense.adjoint(AR, kspace[None], maps.conj()[None], mask[None])[0]
    assert difference(wrong, adjoint) > 0.5


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """The folder of BART's phantom with eight coils: k-space with noise, maps and image."""
    folder = tmp_path_factory.mktemp("phantom")
    for command in (
        "phantom -x 64 -s 8 -k clean",
        "noise -s 1 -n 0.1 clean kspace",
        "phantom -x 64 -S 8 sensitivities",
        "phantom -x 64 image",
        "upat -Y 64 -Z 1 -y 3 -z 1 -c 12 pattern",
        "fmac kspace pattern acquired",
    ):
        call(folder, command)
    maps = get(folder, "sensitivities")
    write(folder, "maps", maps / np.linalg.norm(maps, axis=3, keepdims=True))
    return folder


@pytest.mark.parametrize("weight", [0.001, 0.01, 0.3])
def test_cg_sense_is_pics_with_an_l2_penalty(weight, phantom):
    """The same minimum; BART divides k-space by a scale of its own, which -S takes back."""
    call(phantom, f"pics -S -l2 -r {weight} -i {ITERATIONS} acquired maps found")
    expected = get(phantom, "found").reshape(64, 64)
    kspace, maps = (coils_first(get(phantom, name))[None] for name in ("acquired", "maps"))
    mask = get(phantom, "pattern").reshape(1, 64) != 0
    found = sense.cg_sense(kspace, maps, mask, ITERATIONS, weight)[0]
    assert difference(found, expected) < 2e-5
    assert (
        difference(sense.cg_sense(kspace, maps, mask, ITERATIONS, 3 * weight)[0], expected) > 1e-4
    )
    assert difference(sense.zero_filled(kspace, maps, mask)[0], expected) > 0.05


def cosines(maps: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Of the angles between coil vectors, where both have any; phases in common do not count."""
    inner = np.abs(np.sum(np.conj(maps) * theirs, axis=0))
    lengths = np.linalg.norm(maps, axis=0) * np.linalg.norm(theirs, axis=0)
    return inner[lengths > 0] / lengths[lengths > 0]


@pytest.mark.parametrize(
    ("method", "median", "lowest"), [("espirit", 0.9999, 0.97), ("from_acs", 0.9995, 0.95)]
)
def test_coil_maps_are_those_of_ecalib(method, median, lowest, phantom):
    if method == "espirit":
        pytest.importorskip("sigpy")
    call(phantom, "ecalib -m 1 -r 24 kspace calibrated")
    theirs = coils_first(get(phantom, "calibrated"))
    maps = getattr(coils, method)(coils_first(get(phantom, "kspace")), 24)
    inside = np.abs(get(phantom, "image").reshape(64, 64)) > 0
    both = inside & maps.any(axis=0) & theirs.any(axis=0)
    assert both.sum() > 0.95 * inside.sum()
    found = cosines(maps[:, both], theirs[:, both])
    assert np.median(found) > median and np.quantile(found, 0.02) > lowest
    assert np.median(cosines(maps[::-1, both], theirs[:, both])) < 0.9
    # Phases of both are relative to the first principal component, but for one common phase.
    turned = np.sum(np.conj(maps) * theirs, axis=0)[both]
    apart = np.abs(np.angle(turned * np.conj(turned.mean())))
    assert np.median(apart) < 0.1 and np.quantile(apart, 0.98) < 0.3
    first = np.sum(np.conj(maps * np.exp(-1j * np.angle(maps[:1]))) * theirs, axis=0)[both]
    assert np.quantile(np.abs(np.angle(first * np.conj(first.mean()))), 0.98) > 0.5
