"""Max pooling: the value, the gradient among equal maxima, the refusal of odd axes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import draw

from mrjax.numerics import pooling

torch = pytest.importorskip("torch", reason="needs torch, the oracle of the gradient")


def masked_brain(rng, dims):
    """Features of a masked organ: zeros outside, a plateau and noise inside."""
    axes = np.meshgrid(*[np.linspace(-1, 1, 12)] * dims, indexing="ij")
    radius = np.sqrt(sum(a * a for a in axes))[None, ..., None]
    noise = draw(rng, (2, *(12,) * dims, 3))
    return np.where(radius < 0.5, noise, 0.25) * (radius < 0.9)


def by_torch(x, g):
    pool = torch.nn.functional.max_pool3d if x.ndim == 5 else torch.nn.functional.max_pool2d
    image = torch.tensor(np.moveaxis(x, -1, 1), requires_grad=True)
    y = pool(image, 2)
    y.backward(torch.tensor(np.moveaxis(g, -1, 1)))
    return (np.moveaxis(a.numpy(), 1, -1) for a in (y.detach(), image.grad))


@pytest.mark.parametrize("dims", [2, 3])
def test_value_and_gradient_equal_torch(rng, dims):
    x = masked_brain(rng, dims)
    g = draw(rng, (2, *(6,) * dims, 3))
    y, pull = jax.vjp(pooling.max_pool, jnp.asarray(x))
    (gradient,) = pull(jnp.asarray(g))
    expected_y, expected_gradient = by_torch(x, g)
    np.testing.assert_array_equal(y, expected_y)
    np.testing.assert_array_equal(gradient, expected_gradient)


def test_the_volume_has_ties(rng):
    """Positive control: the gradient that is split among equal maxima differs from torch's."""

    def split(x):
        b, nx, ny, nz, c = x.shape
        return x.reshape(b, nx // 2, 2, ny // 2, 2, nz // 2, 2, c).max(axis=(2, 4, 6))

    x, g = masked_brain(rng, 3), draw(rng, (2, 6, 6, 6, 3))
    (gradient,) = jax.vjp(split, jnp.asarray(x))[1](jnp.asarray(g))
    assert not np.allclose(gradient, list(by_torch(x, g))[1])


def test_gradient_has_no_scatter():
    x = jnp.zeros((1, 4, 4, 4, 2))
    text = jax.jit(jax.grad(lambda v: pooling.max_pool(v).sum())).lower(x).as_text()
    assert "scatter" not in text


def test_odd_axis_is_refused():
    with pytest.raises(ValueError, match="even"):
        pooling.max_pool(jnp.zeros((1, 4, 5, 4, 1)))
