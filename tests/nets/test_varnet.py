"""The variational network against slow numpy and the published parameter counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import draw

from mrjax.nets import varnet
from mrjax.numerics.native import Native
from mrjax.numerics.trees import named_leaves

AR = Native("float64")
WINDOW, WIDTH, NODES = 3, 2, 5


def slow_gradient(image, kernel, weights):
    """K^T phi(K u) / filters pixel by pixel, on an image mirrored far beyond its edges."""
    half, filters, reach = WINDOW // 2, kernel.shape[-1], 2 * WINDOW
    wide = np.pad(image, reach, mode="reflect")
    parts = np.stack([wide.real, wide.imag], -1)
    nodes = np.linspace(-1, 1, weights.shape[1])
    sigma = nodes[1] - nodes[0]
    rows, columns = wide.shape
    back = np.zeros((rows, columns, 2))
    for f in range(filters):
        for r in range(half, rows - half):
            for c in range(half, columns - half):
                window = parts[r - half : r + half + 1, c - half : c + half + 1]
                response = np.sum(window * kernel[..., f])
                active = np.sum(weights[f] * np.exp(-((response - nodes) ** 2) / (2 * sigma**2)))
                back[r - half : r + half + 1, c - half : c + half + 1] += active * kernel[..., f]
    inner = back[reach:-reach, reach:-reach]
    return (inner[..., 0] + 1j * inner[..., 1]) / filters


def parameters(rng):
    kernel = 0.3 * draw(rng, (WINDOW, WINDOW, 2, WIDTH))
    return {"kernel": kernel, "rbf": draw(rng, (WIDTH, NODES)), "data_weight": np.array(0.7)}


def test_regulariser_equals_slow_numpy(rng):
    image = draw(rng, (1, 7, 6), np.complex128)
    leaves = parameters(rng)
    found = varnet.regulariser_gradient(
        AR, jnp.asarray(image), jnp.asarray(leaves["kernel"]), jnp.asarray(leaves["rbf"])
    )
    expected = slow_gradient(image[0], leaves["kernel"], leaves["rbf"])
    np.testing.assert_allclose(np.asarray(found)[0], expected, rtol=1e-9, atol=1e-12)


def test_stage_is_image_minus_regulariser_minus_weighted_data_term(rng):
    image, coils = draw(rng, (1, 7, 6), np.complex128), draw(rng, (1, 2, 7, 6), np.complex128)
    kspace, mask = draw(rng, (1, 2, 7, 6), np.complex128), np.array([[1.0, 0, 1, 1, 0, 1]])
    leaves = parameters(rng)
    stage = varnet.Stage(WIDTH, WINDOW, NODES, AR)
    found = stage.apply({"params": leaves}, *map(jnp.asarray, (image, kspace, coils, mask)))

    def centred(transform, x):
        axes = (-2, -1)
        shifted = transform(np.fft.ifftshift(x, axes), axes=axes, norm="ortho")
        return np.fft.fftshift(shifted, axes)

    residual = mask[0] * (centred(np.fft.fft2, coils[0] * image[0]) - kspace[0])
    data = np.sum(np.conj(coils[0]) * centred(np.fft.ifft2, residual), axis=0)
    smooth = slow_gradient(image[0], leaves["kernel"], leaves["rbf"])
    np.testing.assert_allclose(
        np.asarray(found)[0], image[0] - smooth - 0.7 * data, rtol=1e-9, atol=1e-11
    )


@pytest.mark.parametrize("width, count", [(24, 65_530), (48, 131_050)])
def test_published_size(width, count):
    """10 stages of width filters 11 x 11 x 2, 31 weights each, and one data weight."""
    assert count == 10 * (width * (11 * 11 * 2 + 31) + 1)
    net = varnet.VarNet(Native(), width=width)
    shapes = ((1, 320, 320), (1, 15, 320, 320), (1, 15, 320, 320))
    images = [jax.ShapeDtypeStruct(s, jnp.complex64) for s in shapes]
    mask = jax.ShapeDtypeStruct((1, 320), jnp.float32)
    key = jax.random.key(0, impl="threefry2x32")
    variables = jax.eval_shape(net.init, key, *images, mask)
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == count
    output = jax.eval_shape(net.apply, variables, *images, mask)
    assert output.shape == (1, 320, 320) and output.dtype == jnp.complex64


def test_projection(rng):
    stage = parameters(rng) | {"data_weight": np.array(-0.3)}
    stage["kernel"] = stage["kernel"] + 1
    found = varnet.project(AR, {"stage0": {k: jnp.asarray(v) for k, v in stage.items()}})["stage0"]
    kernel = np.asarray(found["kernel"])
    np.testing.assert_allclose(kernel.mean((0, 1, 2)), 0, atol=1e-12)
    np.testing.assert_allclose((kernel**2).sum((0, 1, 2)), 1, rtol=1e-12)
    direction = stage["kernel"] - stage["kernel"].mean((0, 1, 2))
    cosine = (direction * kernel).sum((0, 1, 2)) / np.sqrt((direction**2).sum((0, 1, 2)))
    np.testing.assert_allclose(cosine, 1, rtol=1e-12)
    assert float(found["data_weight"]) == 0
    np.testing.assert_array_equal(found["rbf"], stage["rbf"])
    np.testing.assert_array_equal(varnet.zero_mean_unit_norm(AR, jnp.zeros((3, 3, 2, 1))), 0)


def test_initial_kernel_is_the_projection(rng):
    kernel = draw(rng, (5, 5, 2, 3))
    expected = varnet.zero_mean_unit_norm(AR, jnp.asarray(kernel))
    found = varnet.initial_kernel(kernel)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


def test_leaf_names():
    net = varnet.VarNet(Native(), width=2, stages=2, window=3, nodes=4)
    ones = (jnp.ones((1, 8, 8), jnp.complex64), *(jnp.ones((1, 1, 8, 8), jnp.complex64),) * 2)
    variables = jax.eval_shape(net.init, jax.random.key(0), *ones, jnp.ones((1, 8)))
    assert set(named_leaves(variables["params"])) == {
        f"stage{i}/{leaf}" for i in range(2) for leaf in ("kernel", "rbf", "data_weight")
    }
