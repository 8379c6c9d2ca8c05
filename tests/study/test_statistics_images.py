"""Distances of outputs and weights against slow numpy; no test of significance here."""

import numpy as np
import pytest

from mrjax.study.statistics import images


@pytest.fixture
def outputs():
    rng = np.random.default_rng(2)
    a = rng.normal(size=(6, 7, 5)).astype(np.float32)
    return a, (a + 1e-3 * rng.normal(size=a.shape)).astype(np.float32)


def test_differences(outputs):
    a, b = outputs
    mask = np.zeros(a.shape, bool)
    mask[1:, 2:] = True
    found = images.differences(a, b, tau=1e-3, mask=mask)
    apart = np.abs(b[mask].astype(float) - a[mask])
    assert (found.n, found.largest) == (mask.sum(), apart.max())
    assert found.rms == pytest.approx(np.linalg.norm(apart) / np.sqrt(mask.sum()))
    assert found.churn == np.mean(apart > 1e-3) and 0.1 < found.churn < 0.9
    assert not found.identical and found.unit == "voxel"


def test_churn_is_strict():
    found = images.differences(np.zeros(4), np.array([0.0, 0.25, 0.5, 1.0]), tau=0.5)
    assert found.churn == 0.25


@pytest.mark.parametrize("scale", [1.0, -1.0, 2.0**120, 2.0**-100])
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_ulps_are_those_of_the_largest_magnitude(scale, steps):
    a = b = np.float32(1.5)
    for _ in range(steps):
        b = np.nextafter(b, np.float32(2))
    first, second = (np.float32(scale) * np.array([x, 1e-12, 0]) for x in (a, b))
    found = images.differences(first, second, tau=0.0)
    assert found.ulp == steps and found.identical == (steps == 0)
    # A change of sign near zero is small, however many float32 numbers lie between.
    second[1] = -second[1]
    assert images.differences(first, second, tau=0.0).ulp == pytest.approx(steps, abs=1e-4)


def test_zeros_of_either_sign_are_equal():
    found = images.differences(np.array([0.0, 1.0]), np.array([-0.0, 1.0]), tau=0.0)
    assert (found.ulp, found.identical, found.largest) == (0, True, 0.0)


def test_complex_outputs():
    a = np.array([1 + 1j, 2 - 1j], np.complex64)
    b = a + np.array([0.3 + 0.4j, 0], np.complex64)
    found = images.differences(a, b, tau=0.1)
    assert found.largest == pytest.approx(0.5, rel=1e-6) and found.churn == 0.5
    assert found.ulp == pytest.approx(0.5 / 2**-22, rel=1e-6)  # of |2 - i|


def test_outputs_that_cannot_be_compared(outputs):
    a, b = outputs
    with pytest.raises(ValueError, match="equal shapes"):
        images.differences(a, b[1:], tau=0.0)
    with pytest.raises(ValueError, match="a voxel"):
        images.differences(a, b, tau=0.0, mask=np.zeros(a.shape, bool))
    with pytest.raises(ValueError, match="not finite"):
        images.differences(a, b * np.nan, tau=0.0)


def test_voxelwise_deviation_streams():
    """Images far from zero: the sum of squares less the squared sum would lose all digits."""
    stack = 1e6 + np.random.default_rng(0).normal(size=(9, 4, 5, 3))
    found = images.voxelwise(image for image in stack)
    np.testing.assert_allclose(found.mean, stack.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.sd, stack.std(axis=0, ddof=1), rtol=1e-8)
    assert found.n == 9 and not found.identical


def test_voxelwise_deviation_of_identical_images():
    found = images.voxelwise([np.full((3, 3), 0.1, np.float32)] * 7)
    assert found.identical and not found.sd.any()
    np.testing.assert_array_equal(found.mean, np.full((3, 3), np.float32(0.1), np.float64))


def test_voxelwise_deviation_leaves_its_input_alone():
    first = np.zeros(3)
    images.voxelwise([first, np.ones(3)])
    np.testing.assert_array_equal(first, 0.0)


def test_images_without_a_deviation():
    for wrong, words in (
        ([np.zeros(3)], "two images"),
        ([np.zeros(3), np.zeros(4)], "shape"),
        ([np.zeros(3, complex)] * 2, "complex"),
    ):
        with pytest.raises(ValueError, match=words):
            images.voxelwise(wrong)


@pytest.fixture
def networks():
    rng = np.random.default_rng(3)
    shapes = {"conv/kernel": (3, 3, 4), "bias": (4,), "maps": (2, 2)}
    a, b = ({name: rng.normal(size=shape) for name, shape in shapes.items()} for _ in "ab")
    for net in (a, b):
        net["maps"] = net["maps"] * (1 + 2j)
    return a, b


def test_weights_against_one_long_vector(networks):
    a, b = networks
    x, y = (np.concatenate([net[name].reshape(-1) for name in sorted(a)]) for net in networks)
    found = images.weights(a, b)
    length = np.linalg.norm
    assert found.relative_l2 == pytest.approx(length(y - x) / length(x))
    assert found.normalised_l2 == pytest.approx(length(y / length(y) - x / length(x)))
    assert found.cosine == pytest.approx(np.vdot(x, y).real / length(x) / length(y))
    assert found.n == 36 + 4 + 4 and not found.identical


def test_weights_that_differ_by_scale_or_little(networks):
    a, _ = networks
    found = images.weights(a, {name: 3 * x for name, x in a.items()})
    assert found.normalised_l2 == pytest.approx(0.0, abs=1e-15)
    assert found.cosine == pytest.approx(1.0) and found.relative_l2 == pytest.approx(2.0)
    near = {name: x + 1e-12 for name, x in a.items()}
    assert 1e-14 < images.weights(a, near).normalised_l2 < 1e-11  # 2 - 2 cosine would be noise


def test_identical_and_zero_weights_are_no_nan(networks):
    a, _ = networks
    same = images.weights(a, dict(a))
    assert (same.identical, same.relative_l2, same.cosine) == (True, 0.0, 1.0)
    zero = {name: 0 * x for name, x in a.items()}
    assert images.weights(zero, zero) == images.Weights(
        n=44, identical=True, relative_l2=None, normalised_l2=None, cosine=None
    )
    assert images.weights(zero, a).cosine is None
    assert images.weights(a, zero).relative_l2 == pytest.approx(1.0)
    with pytest.raises(ValueError, match="different weights"):
        images.weights(a, {"bias": a["bias"]})
