"""Coil maps of a phantom, ESPIRiT on a measured brain, and combination of coils."""

import sys

import numpy as np
import pytest
from helpers import draw, shared

from mrjax.errors import UserError
from mrjax.physics import coils
from mrjax.physics.phantoms.knee import knee


@pytest.fixture(scope="module")
def slice_():
    return knee(0, 0, 0, (64, 64), 4)


def test_images_are_the_centred_inverse_dft(rng):
    kspace = draw(rng, (3, 8, 9), np.complex128)
    shifted = np.fft.ifftshift(kspace, axes=(1, 2))
    expected = np.fft.fftshift(np.fft.ifft2(shifted, norm="ortho"), axes=(1, 2))
    assert np.allclose(coils.images(kspace), expected, atol=1e-5)
    assert not np.allclose(coils.images(kspace), np.fft.ifft2(kspace, norm="ortho"), atol=1e-1)


def test_combine_inverts_normalised_maps(rng):
    maps = draw(rng, (4, 5, 6), np.complex128)
    maps /= np.linalg.norm(maps, axis=0)
    image = draw(rng, (5, 6), np.complex128)
    assert np.allclose(coils.combine(maps, maps * image), image, atol=1e-12)
    with pytest.raises(ValueError, match="differ in shape"):
        coils.combine(maps, maps[:, :4])


def _angles(maps, truth, inside):
    """Cosine between the coil vectors of two sets of maps, whatever their common phase."""
    inner = np.abs(np.sum(np.conj(maps) * truth, axis=0))
    return (inner / np.linalg.norm(truth, axis=0))[inside]


@pytest.mark.parametrize("method", ["from_acs", "espirit"])
def test_maps_of_the_phantom_are_found(slice_, method):
    if method == "espirit":
        pytest.importorskip("sigpy")
    maps = getattr(coils, method)(slice_.kspace, 20)
    power = np.sum(np.abs(maps) ** 2, axis=0)
    found = power > 0.5
    inside = found & (np.abs(slice_.reference) > 0.3)
    inside[:8] = inside[-8:] = False  # The leg goes on there, but the discrete image wraps round.
    assert maps.dtype == np.complex64 and maps.shape == slice_.maps.shape
    assert np.allclose(power[found], 1.0, atol=1e-5)
    assert inside[8:-8].sum() > 0.95 * (np.abs(slice_.reference[8:-8]) > 0.3).sum()
    cosines = _angles(maps, slice_.maps, inside)
    assert np.median(cosines) > 0.9995 and np.quantile(cosines, 0.02) > 0.995
    # positive control: maps of other coils do not pass
    assert np.median(_angles(maps[::-1], slice_.maps, inside)) < 0.9


def test_phases_are_those_of_a_virtual_coil(slice_):
    """A phase common to all coils changes no map; a phase of one coil changes its map."""
    maps = coils.from_acs(slice_.kspace, 20)
    turned = coils.from_acs(slice_.kspace * np.complex64(np.exp(1j)), 20)
    assert np.allclose(turned, maps, atol=1e-4)
    kspace = slice_.kspace.copy()
    kspace[1] *= 1j
    other = coils.from_acs(kspace, 20)
    assert np.allclose(np.abs(other), np.abs(maps), atol=1e-4)
    assert not np.allclose(other[1], maps[1], atol=0.1)


def test_virtual_coil_is_the_first_principal_component(slice_):
    images = coils.images(slice_.kspace)
    flat = images.reshape(len(images), -1)
    _, vectors = np.linalg.eigh(flat @ flat.conj().T)
    expected = np.abs(vectors[:, -1].conj() @ flat).reshape(images.shape[1:])
    ours = np.abs(coils._virtual_coil(images))
    assert np.abs(ours - expected).max() < 1e-4 * expected.max()


def test_only_the_acs_lines_count_and_silence_gives_zeros(slice_):
    kspace = slice_.kspace.copy()
    kspace[:, :, : 32 - 8] = 0.0
    kspace[:, :, 32 + 8 :] = 0.0
    assert np.array_equal(coils.from_acs(kspace, 16), coils.from_acs(slice_.kspace, 16))
    assert not np.array_equal(coils.from_acs(kspace, 20), coils.from_acs(slice_.kspace, 20))
    assert not coils.from_acs(np.zeros_like(kspace), 16).any()


@pytest.mark.parametrize(("grey", "seen"), [(0.07, True), (0.03, False)])
def test_maps_are_zero_below_a_twentieth_of_the_brightest(grey, seen):
    image = np.zeros((1, 64, 64))
    image[:, 20:44, 4:24], image[:, 20:44, 40:60] = 1, grey
    shifted = np.fft.fft2(np.fft.ifftshift(image, (1, 2)), norm="ortho")
    maps = coils.from_acs(np.fft.fftshift(shifted, (1, 2)), 40)
    assert maps[0, 32, 14] != 0 and (maps[0, 32, 50] != 0) == seen


@pytest.mark.parametrize("method", [coils.from_acs, coils.espirit])
@pytest.mark.parametrize("lines", [0, 65])
def test_mistakes_are_one_line(slice_, method, lines):
    with pytest.raises(UserError, match=f"{lines} ACS lines") as raised:
        method(slice_.kspace, lines)
    assert "\n" not in str(raised.value)


def test_too_few_lines_for_a_kernel(slice_):
    with pytest.raises(UserError, match="expected 6 to 64"):
        coils.espirit(slice_.kspace, 4)


def test_a_missing_sigpy_is_said(slice_, monkeypatch):
    monkeypatch.setitem(sys.modules, "sigpy.mri.app", None)
    with pytest.raises(UserError, match=r"mrjax\[espirit\]"):
        coils.espirit(slice_.kspace, 20)


def test_espirit_gives_sigpys_maps_with_the_phase_of_the_virtual_coil(slice_):
    app = pytest.importorskip("sigpy.mri.app")
    maps = coils.espirit(slice_.kspace, 20)
    theirs = app.EspiritCalib(slice_.kspace, calib_width=20, show_pbar=False).run()
    inside = theirs.any(axis=0)
    assert np.array_equal(maps.any(axis=0), inside)
    assert np.allclose(np.abs(maps), np.abs(theirs), atol=1e-5)
    assert np.allclose(np.abs(np.sum(np.conj(maps) * theirs, axis=0)[inside]), 1, atol=1e-5)
    apart, by_sigpy = (
        np.angle(np.sum(np.conj(found) * coils.from_acs(slice_.kspace, 20), axis=0))
        for found in (maps, theirs)
    )
    assert np.median(np.abs(apart[inside])) < 0.1 < 0.5 < np.median(np.abs(by_sigpy[inside]))


@pytest.mark.parametrize("method", ["from_acs", "espirit"])
@pytest.mark.parametrize("silent", [0, 3])
def test_a_coil_without_signal_changes_no_other_map(slice_, method, silent):
    if method == "espirit":
        pytest.importorskip("sigpy")
    estimate = getattr(coils, method)
    one_more = estimate(np.insert(slice_.kspace, silent, 0, axis=0), 20)
    assert np.allclose(np.delete(one_more, silent, axis=0), estimate(slice_.kspace, 20), atol=1e-6)
    assert not one_more[silent].any()


def test_espirit_explains_a_measured_brain():
    """Maps times the combined image must give back the coil images, up to noise."""
    pytest.importorskip("sigpy")
    flat = np.fromfile(shared("data/esp_full.cfl"), np.complex64)
    kspace = flat.reshape(230, 180, 8, order="F").transpose(2, 0, 1)
    maps, images = coils.espirit(kspace, 24), coils.images(kspace)
    inside = np.abs(maps).sum(0) > 0
    assert 0.6 < inside.mean() < 0.8

    def unexplained(maps):
        rest = (images - maps * coils.combine(maps, images))[:, inside]
        return np.linalg.norm(rest) / np.linalg.norm(images[:, inside])

    assert unexplained(maps) < 0.12
    assert unexplained(maps[::-1]) > 0.3
