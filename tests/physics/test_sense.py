"""The encoding operator against numpy and sigpy, its adjoint, and CG against a dense solver."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import dot_product_test, draw, shared

from mrjax import metrics
from mrjax.numerics.native import Native
from mrjax.physics import coils, sampling, sense

AR = Native()
SHAPE = (2, 3, 8, 9)
IMAGE = (2, 8, 9)


@pytest.fixture
def case(rng):
    """Maps and masks of two slices; the masks differ."""
    mask = np.stack([sampling.regular(9, 3, 2, offset) for offset in (0, 1)])
    return draw(rng, SHAPE, np.complex128), mask


def _matrix(n: int) -> np.ndarray:
    index = np.arange(n) - n // 2
    return np.exp(-2j * np.pi * np.outer(index, index) / n) / np.sqrt(n)


def test_forward_is_mask_times_transform_times_maps(case, rng):
    maps, mask = case
    image = draw(rng, IMAGE, np.complex128)
    expected = np.einsum("kr,bcrp,pl->bckl", _matrix(8), maps * image[:, None], _matrix(9))
    expected = expected * mask[:, None, None, :]
    assert np.allclose(sense.forward(AR, image, maps, mask), expected, atol=1e-12)
    numbers = mask.astype(np.float32)  # 0 and 1 instead of False and True
    assert np.allclose(sense.forward(AR, image, maps, numbers), expected, atol=1e-12)


@pytest.mark.parametrize(("dtype", "rtol"), [(np.complex64, 1e-6), (np.complex128, 1e-12)])
def test_adjoint(case, rng, dtype, rtol):
    maps, mask = case[0].astype(dtype), case[1]
    dot_product_test(
        lambda x: sense.forward(AR, x, maps, mask),
        lambda y: sense.adjoint(AR, y, maps, mask),
        IMAGE,
        SHAPE,
        rng,
        dtype_in=dtype,
        rtol=rtol,
    )
    kspace = draw(rng, SHAPE, dtype)
    assert sense.adjoint(AR, kspace, maps, mask).dtype == dtype
    assert sense.cg_sense(kspace, maps, mask, 2, 0.1).dtype == dtype


def test_gradient_is_the_adjoint(case, rng):
    """The gradient of the data term of a network is A* (A u - f)."""
    maps, mask = case
    image, kspace = draw(rng, IMAGE, np.complex128), draw(rng, SHAPE, np.complex128)

    def energy(x):
        return 0.5 * jnp.sum(jnp.square(jnp.abs(sense.forward(AR, x, maps, mask) - kspace)))

    residual = sense.forward(AR, image, maps, mask) - kspace
    expected = np.conj(sense.adjoint(AR, residual, maps, mask))  # jax's complex convention
    assert np.allclose(jax.grad(energy)(jnp.asarray(image)), expected, atol=1e-11)


def test_agrees_with_sigpy(case, rng):
    linop = pytest.importorskip("sigpy.mri.linop")
    maps, mask = (x[0] for x in case)
    weights = np.broadcast_to(mask.astype(float), maps.shape)
    theirs = linop.Sense(maps, weights=weights)
    image, kspace = draw(rng, IMAGE[1:], np.complex128), draw(rng, SHAPE[1:], np.complex128)
    ours = sense.forward(AR, image[None], maps[None], mask[None])[0]
    assert np.abs(ours - theirs(image)).max() < 1e-6
    back = sense.adjoint(AR, kspace[None], maps[None], mask[None])[0]
    assert np.abs(back - theirs.H(kspace)).max() < 1e-6
    assert np.array_equal(sense.zero_filled(*(x[None] for x in (kspace, maps, mask)))[0], back)


def test_columns_not_acquired_do_not_count(case, rng):
    maps, mask = case
    kspace = draw(rng, SHAPE, np.complex128)
    dirty = np.where(mask[:, None, None, :], kspace, np.nan)
    for method in (sense.zero_filled, lambda *a: sense.cg_sense(*a, 3)):
        assert np.array_equal(method(dirty, maps, mask), method(kspace, maps, mask))


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_conjugate_gradients_against_a_dense_solve(case, rng, weight):
    maps, mask = case
    kspace = draw(rng, SHAPE, np.complex128)
    basis = np.eye(72).reshape(72, 8, 9)
    for b in range(2):
        one, which = (np.repeat(x[b][None], 72, axis=0) for x in (maps, mask))
        columns = np.asarray(sense.forward(AR, basis, one, which)).reshape(72, -1)
        normal = columns.conj() @ columns.T + weight * np.eye(72)
        right = np.asarray(sense.zero_filled(*(x[b][None] for x in (kspace, maps, mask))))
        expected = np.linalg.solve(normal, right.ravel()).reshape(8, 9)
        # In a batch of two, the steps of one image must not depend on the other.
        result = np.asarray(sense.cg_sense(kspace, maps, mask, 150, weight))[b]
        assert np.abs(result - expected).max() < 1e-8 * np.abs(expected).max()
        early = np.asarray(sense.cg_sense(kspace, maps, mask, 2, weight))[b]
        assert np.abs(early - expected).max() > 1e-2 * np.abs(expected).max()


def test_convergence_leaves_no_nan(rng):
    """With orthonormal maps and all columns, one step is exact; later ones have 0 / 0."""
    maps, mask = np.ones((2, 1, 4, 4), np.complex64), np.ones((2, 4), bool)
    kspace = draw(rng, (2, 1, 4, 4), np.complex64)
    kspace[1] = 0.0
    images = np.asarray(sense.cg_sense(kspace, maps, mask, 20))
    assert np.allclose(images, coils.images(kspace)[:, 0], atol=1e-5)
    assert not images[1].any()
    assert not np.asarray(sense.cg_sense(kspace, maps, mask, 0)).any()


@pytest.mark.parametrize("wrong", ["coils", "mask", "batch", "rank"])
def test_shapes_that_do_not_fit_are_refused(case, rng, wrong):
    maps, mask = case
    kspace = draw(rng, SHAPE, np.complex128)
    kspace, maps, mask = {
        "coils": (kspace[:, :1], maps, mask),
        "mask": (kspace, maps, mask[:, :-1]),
        "batch": (kspace, maps, mask[:1]),
        "rank": (kspace[0], maps[0], mask[0]),
    }[wrong]
    with pytest.raises(ValueError, match="belong together"):
        sense.adjoint(AR, kspace, maps, mask)
    with pytest.raises(ValueError, match="belong together"):
        sense.forward(AR, kspace, maps, mask)


def brain_kspace() -> np.ndarray:
    """The measured brain slice of ../shared: [coil 8, readout 230, phase 180]."""
    flat = np.fromfile(shared("data/esp_full.cfl"), np.complex64)
    return flat.reshape(230, 180, 8, order="F").transpose(2, 0, 1)


def test_a_measured_brain():
    """At 4-fold undersampling CG is better than zero filling, until it fits noise."""
    kspace = brain_kspace()
    maps = coils.from_acs(kspace, 24)
    reference = np.abs(coils.combine(maps, coils.images(kspace)))
    arguments = kspace[None], maps[None], sampling.regular(180, 4, 24)[None]

    def error(images):
        magnitude = np.abs(np.asarray(images[0]))
        return metrics.nrmse(magnitude, reference, np.ones(reference.shape, bool))

    assert error(sense.zero_filled(*arguments)) == pytest.approx(0.1765, abs=1e-3)
    assert error(sense.cg_sense(*arguments, 6)) == pytest.approx(0.0768, abs=2e-3)
    assert error(sense.cg_sense(*arguments, 30)) > 0.12
    assert error(sense.cg_sense(*arguments, 30, 0.01)) == pytest.approx(0.0811, abs=2e-3)
