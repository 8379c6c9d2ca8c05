"""The dipole model: closed form, qsm-forward, adjoint, and the order-free field."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mrjax.physics import dipole

OBLIQUE = (0.36, 0.48, 0.8)
VOXEL = (1.0, 1.5, 2.0)


def _random(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_kernel_values():
    d = dipole.kernel((8, 8, 8))
    assert d[0, 0, 0] == 0.0
    assert d[0, 0, 3] == pytest.approx(-2 / 3) and d[3, 0, 0] == pytest.approx(1 / 3)
    assert d[2, 2, 2] == pytest.approx(0.0, abs=1e-15)  # the magic angle
    # A voxel twice as long halves the step of the frequencies along its axis.
    d = dipole.kernel((8, 8, 8), (1.0, 1.0, 2.0))
    assert d[1, 0, 2] == pytest.approx(1 / 3 - 1.0 / 2.0)
    d = dipole.kernel((8, 8, 8), VOXEL, OBLIQUE)
    k = np.array([1 / 8, 2 / 12, -1 / 16])
    assert d[1, 2, -1] == pytest.approx(1 / 3 - (k @ OBLIQUE) ** 2 / (k @ k))


def test_kernel_of_a_turned_field_is_the_turned_kernel():
    d = dipole.kernel((9, 9, 9))
    assert np.allclose(dipole.kernel((9, 9, 9), b0_direction=(1, 0, 0)), d.transpose(2, 1, 0))


@pytest.mark.parametrize("shape", [(8, 6, 10), (7, 9, 5)])
def test_kernel_is_even_so_fields_are_real(shape):
    d = dipole.kernel(shape, VOXEL, OBLIQUE)
    assert np.abs(np.fft.ifftn(d).imag).max() < 1e-15
    assert not d.flags.writeable


@pytest.mark.parametrize(
    "arguments",
    [((8, 8),), ((8, 8, 8), (1, 1, 0)), ((8, 8, 8), (1, 1, 1), (0, 0, 2)), ((8, 0, 8),)],
)
def test_nonsense_is_refused(arguments):
    with pytest.raises(ValueError):
        dipole.kernel(*arguments)
    with pytest.raises(ValueError, match="padding"):
        dipole.field(jnp.zeros((4, 4, 4)), padding=0)


@pytest.mark.parametrize("direction", [(0.0, 0.0, 1.0), OBLIQUE])
def test_agrees_with_qsm_forward(direction):
    """Undo what is special in qsm-forward: D(0) = 1/3, and x and y exchanged."""
    qsm_forward = pytest.importorskip("qsm_forward")
    chi = _random((14, 14, 10))
    chi[-1, -1, -1] = 0.0  # qsm-forward pads with the value of the last corner
    expected = qsm_forward.generate_field(chi, voxel_size=list(VOXEL[:1] * 2 + VOXEL[2:]),
                                          B0_dir=list(direction))  # fmt: skip
    expected = expected - chi.sum() / (3 * 8 * chi.size)
    ours = dipole.field(jnp.asarray(chi), (1.0, 1.0, 2.0), direction)
    assert np.abs(ours - expected).max() < 1e-6
    turned = dipole.field(jnp.asarray(chi), (1.0, 1.0, 2.0), (0.0, 1.0, 0.0))
    assert np.abs(turned - expected).max() > 0.1  # positive control


def _sphere(n: int, radius: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Share of each voxel in a centred sphere (from 125 samples), distance and height."""
    grid = np.arange(n) - n / 2.0
    x, y, z = np.meshgrid(grid, grid, grid, indexing="ij", sparse=True)
    samples = (np.arange(5) - 2) / 5
    share = np.zeros((n, n, n))
    for a, b, c in itertools.product(samples, repeat=3):
        share += (x + a) ** 2 + (y + b) ** 2 + (z + c) ** 2 <= radius**2
    return share / 125, np.sqrt(x * x + y * y + z * z), z


def test_sphere_has_the_closed_form_field():
    """The field is chi/3 (a/r)^3 (3 cos^2 - 1) outside a sphere of radius a, and 0 inside.

    Voxels hold the share that the sphere fills: with whole voxels, the steps of its surface alone
    would change the field two voxels away by 7 % of the peak.
    """
    radius = 8.0
    chi, r, z = _sphere(64, radius)
    safe = np.maximum(r, 1.0)
    outside = radius**3 / 3 * (3 * z * z / safe**2 - 1) / safe**3
    expected = np.where(r <= radius, 0.0, outside)
    off = np.abs(r - radius) > 1.0
    padded, circular = (
        np.abs(np.asarray(dipole.field(jnp.asarray(chi), padding=p)) - expected) for p in (2, 1)
    )
    assert padded[off].max() < 0.05 * np.abs(expected).max()
    assert padded[~off].max() > 0.05 * np.abs(expected).max()
    # Far away, the periodic copies are seen unless padding keeps them away.
    assert circular[r > 20].max() > 10 * padded[r > 20].max()


@pytest.mark.parametrize("padding", [1, 2])
def test_self_adjoint(padding):
    x, y = (jnp.asarray(_random((8, 7, 6), seed)) for seed in (1, 2))

    def forward(chi):
        return dipole.field(chi, VOXEL, OBLIQUE, padding)

    assert float(jnp.vdot(y, forward(x))) == pytest.approx(float(jnp.vdot(forward(y), x)))
    (pulled,) = jax.vjp(forward, x)[1](y)
    assert np.allclose(pulled, forward(y), atol=1e-12)


def test_batches_dtype_and_the_order_free_twin():
    chi = _random((3, 12, 9, 10))
    fields = dipole.field(jnp.asarray(chi, jnp.float32), VOXEL, OBLIQUE)
    assert fields.dtype == jnp.float32 and fields.shape == chi.shape
    for one, field in zip(chi, fields, strict=True):
        host = dipole.field_host(one, VOXEL, OBLIQUE)
        assert np.abs(host - field).max() < 2e-6 * np.abs(one).max()
