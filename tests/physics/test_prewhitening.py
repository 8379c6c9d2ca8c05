"""Noise factors against LAPACK, and what prewhitening does to noise and to images."""

import numpy as np
import pytest
from helpers import draw

from mrjax.errors import UserError
from mrjax.physics import prewhitening

SIZES = np.array([[1], [2], [1e-3], [100]])
MIXED = np.array([[1, 0, 0, 0], [0.5j, 1, 0, 0], [0.5, -0.2j, 1, 0], [0, 0.3 - 0.3j, 0.3, 1]])
MIXING = SIZES * MIXED


@pytest.fixture
def noise(rng):
    """4000 samples of four coils whose noise is mixed, and of sizes from 1e-3 to 100."""
    return (MIXING @ draw(rng, (4, 4000), np.complex128)).astype(np.complex64)


def test_the_factor_is_that_of_lapack(noise):
    covariance = noise.astype(np.complex128) @ noise.conj().T.astype(np.complex128) / 3999
    expected = np.linalg.cholesky(covariance)
    found = prewhitening.noise_factor(noise)
    assert np.array_equal(found, np.tril(found)) and not np.diagonal(found).imag.any()
    sizes = np.sqrt(np.diagonal(covariance).real)[:, None]
    assert np.abs((found - expected) / sizes).max() < 2e-6


def test_noise_is_uncorrelated_and_of_variance_two_afterwards(noise, rng):
    """Real and imaginary part have variance 1 each, also in k-space of another bandwidth."""
    factor = prewhitening.noise_factor(noise)
    other = MIXING @ draw(rng, (4, 40000), np.complex128) / np.sqrt(3)  # a third of the bandwidth
    white = prewhitening.prewhitened(other.reshape(4, 200, 200), factor, 3.0)
    white = white.reshape(4, -1)
    assert np.abs(white @ white.conj().T / 40000 - 2 * np.eye(4)).max() < 0.12
    assert np.abs(other @ other.conj().T / 40000 - 2 * np.eye(4)).max() > 1


def test_the_combined_image_does_not_depend_on_how_coils_were_mixed(noise, rng):
    """x^H Psi^-1 x is the same of coils A x with noise A Psi A^H."""
    kspace = draw(rng, (4, 12, 9), np.complex128)
    mixing = draw(rng, (4, 4), np.complex128)

    def power(samples, measured):
        factor = prewhitening.noise_factor(measured.astype(np.complex64))
        return (np.abs(prewhitening.prewhitened(samples, factor, 1.0)) ** 2).sum(axis=0)

    noise = noise / SIZES
    mixed = np.einsum("ij,jrc->irc", mixing, kspace)
    assert np.allclose(power(mixed, mixing @ noise), power(kspace, noise), rtol=1e-3)
    assert not np.allclose(power(mixed, noise), power(kspace, noise), rtol=0.1)


def test_zeros_stay_zero(noise):
    assert not prewhitening.prewhitened(np.zeros((4, 3, 2)), np.eye(4), 1.0).any()
    with pytest.raises(ValueError, match="k-space of 3 coils, noise of 4"):
        prewhitening.prewhitened(np.zeros((3, 3, 2)), np.eye(4), 1.0)


def dependent(noise):
    return np.concatenate([noise[:3], noise[:1] + 2j * noise[1:2]])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda n: n[:, :4], "4 noise samples of 4 coils"),
        (lambda n: n * np.array([[1], [np.nan], [1], [1]]), "4000 noise samples of 4 coils"),
        (lambda n: n * np.array([[1], [1], [0], [1]]), "noise of coil 2 is zero or that of"),
        (dependent, "noise of coil 3 is zero or that of the coils before it; expected"),
    ],
)
def test_noise_that_tells_nothing_is_one_line(noise, change, message):
    with pytest.raises(UserError, match=message) as caught:
        prewhitening.noise_factor(change(noise).astype(np.complex64))
    assert "\n" not in str(caught.value)
