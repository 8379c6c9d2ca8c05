"""Terms in any order and any groups give the same bits, where a float64 sum of them does not.

Rounding to float32 hides nearly every difference of two float64 sums. The terms here are chosen so
that it cannot: large terms cancel and leave small ones, which another order has lost, or the sum is
a tie of float32. In each test the same terms in plain float64 are the control.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import draw

from mrjax.numerics.native import Native
from mrjax.numerics.reproducible import Reproducible
from mrjax.numerics.reproducible.correlate import kernel_gradient, slabs
from mrjax.numerics.reproducible.sums import BLOCK, exact_dot

AR = Reproducible()
N, HUGE = 64, np.float32(1e30)
TIE = 4097
"""Its square has 25 bits, the last one set: halfway between two float32 numbers."""
TINY = 0.875 * 2.0**-14
"""Two squares change the sum of two squares of `TIE` in float64, one does not."""
BLOCKS = ((0, 1, 2, 3), (0, 2, 1, 3), (3, 2, 1, 0), (2, 3, 0, 1), (1, 3, 0, 2))


def orders(rng):
    """Five orders: unchanged, the last term second, backwards, and two at random."""
    second = np.array([0, N - 1, *range(1, N - 1)])
    return [np.arange(N), second, second[::-1], rng.permutation(N), rng.permutation(N)]


def cancelling(rng):
    """Small terms between a huge one and its negative."""
    return np.array([HUGE, *draw(rng, (N - 2,)), -HUGE], np.float32)


def only(values):
    """Return the value that all have, bit for bit."""
    values = {np.asarray(value).tobytes() for value in values}
    assert len(values) == 1, f"{len(values)} results"
    return values


def single(values):
    """How many numbers these float64 values are after rounding to float32."""
    return len(set(np.asarray(values, np.float64).astype(np.float32).ravel().tolist()))


@pytest.mark.parametrize("operation", [AR.sum, AR.mean])
def test_sums_and_means(rng, operation):
    terms = cancelling(rng)
    rows = np.stack([terms[order] for order in orders(rng)])
    result = only(jax.jit(operation, static_argnums=1)(rows, (1,)))
    assert only(jax.jit(operation, static_argnums=1)(rows.T, (0,))) == result
    assert only(jax.jit(operation, static_argnums=1)(rows.reshape(-1, 8, 8), (2, 1))) == result
    assert single(jnp.sum(rows.astype(np.float64), 1)) > 1


def test_the_sum_that_is_the_gradient_of_broadcasting(rng):
    terms = cancelling(rng)
    g = np.stack([terms[order] for order in orders(rng)])
    column, rows = np.ones((len(g), 1), np.float32), np.ones_like(g)
    only(jax.vjp(jax.jit(lambda x: AR.add(x, rows)), column)[1](g)[0])


def in_channels(rng, *columns):
    """Each array in each order, all as channels of one image: (1, n, 1, columns * orders)."""
    mixed = [column[order] for column in columns for order in orders(rng)]
    return np.stack(mixed, -1).astype(np.float32)[None, :, None]


def batch_norm_and_gradients(implementation, x, g):
    channels = np.ones(x.shape[-1], x.dtype)
    arguments = (x, channels, channels)
    results, pull = jax.vjp(lambda *a: implementation(*a, 1e-3), *arguments)
    return (*results, *pull((g, 0 * channels, 0 * channels)))


def test_batch_norm(rng):
    """Channels whose mean, whose variance and whose gradients show an order."""
    signs = np.where(np.arange(N) % 2, -1.0, 1.0)
    signs[[0, 1, -1, -2]] = 1, -1, 1, -1  # the huge gradients belong to x of one sign
    squares = signs * np.array([TIE] * 2 + [TINY] * 4 + [0] * (N - 6))
    seed = rng.integers(2**30)
    x, g = (
        in_channels(np.random.default_rng(seed), *columns)
        for columns in (
            (cancelling(rng), squares, signs),
            (draw(rng, (N,)), draw(rng, (N,)), cancelling(rng)),
        )
    )
    names = ("y", "mean", "var", "by_x", "by_scale", "by_bias")
    ours = batch_norm_and_gradients(jax.jit(AR.batch_norm, static_argnums=3), x, g)
    plain = batch_norm_and_gradients(
        Native("float64").batch_norm, x.astype(np.float64), g.astype(np.float64)
    )
    ours, plain = (dict(zip(names, results, strict=True)) for results in (ours, plain))
    for name in names:
        for group in np.split(np.asarray(ours[name]), 3, -1):
            by_channel = group.reshape(-1, group.shape[-1]).T
            only(np.sort(by_channel, 1))
    shown = (("mean", 0), ("var", 1), ("by_scale", 2), ("by_bias", 2))
    for name, group in shown:
        assert single(np.split(np.asarray(plain[name]), 3)[group]) > 1, name


def four_blocks(rng, size):
    """Factors (4, size) of 20 bits: sums of products of nearly 53 bits that nearly cancel.

    A block's sum is exact. The sum of two blocks is not, so it depends on the order of the blocks.
    """
    x = rng.integers(2**20 - 2**12, 2**20, (2, size))
    w = rng.integers(2**20 - 2**12, 2**20, (2, size))
    w[0, 0] += (np.sum(x[0] * w[0]) + np.sum(x[1] * w[1]) + 1) % 2 * (1 if x[0, 0] % 2 else 0)
    x, w = np.concatenate([x, x]), np.concatenate([w, -w])
    w[2, -1] += 1
    return x, w


def plain_sums(x, w):
    """Add the blocks' exact sums in float64, in each order."""
    sums = np.sum(x * w, axis=1)
    assert np.max(np.abs(sums)) < 2**53
    results = []
    for order in BLOCKS:
        total = 0.0
        for block in order:
            total += float(sums[block])
        results.append(total)
    return results


def rearranged(order, *arrays):
    return [array[list(order)].astype(np.float32) for array in arrays]


def test_products_over_blocks(rng):
    factors = four_blocks(rng, BLOCK)
    dot = jax.jit(exact_dot, static_argnums=0)
    results = []
    for order in BLOCKS:
        x, w = rearranged(order, *factors)
        results.append(dot("k,k->", x.ravel(), w.ravel()))
    only(results)
    assert single(plain_sums(*factors)) > 1


def test_convolution_over_blocks_of_channels(rng):
    """The voxel in the middle has all 3 * 3 * 3640 terms, in four blocks of channels."""
    factors = four_blocks(rng, 9 * (BLOCK // 9))
    conv = jax.jit(AR.conv)
    results = []
    for order in BLOCKS:
        x, w = (
            a.reshape(4, 3, 3, -1).transpose(1, 2, 0, 3).reshape(1, 3, 3, -1)
            for a in rearranged(order, *factors)
        )
        results.append(conv(x, w[0, ..., None]))
    only(results)
    assert single(plain_sums(*factors)) > 1


@pytest.mark.parametrize("form", ["lax", "products"])
def test_kernel_gradient_over_slabs(rng, form):
    """32 rows of 1024: four slabs of 8 rows. The kernel has one row, so slabs may change places."""
    assert slabs((1, 32, 1, 1024), 3).blocks == 4
    factors = four_blocks(rng, BLOCK)
    gradient = jax.jit(kernel_gradient, static_argnums=(2, 3))
    results = []
    for order in BLOCKS:
        x, g = (a.reshape(1, 32, 1024, 1) for a in rearranged(order, *factors))
        results.append(gradient(x, g, (1, 3), form))
    only(results)
    assert single(plain_sums(*factors)) > 1


def test_transform_of_renumbered_points(rng):
    """Where points j are points a j modulo n, frequencies a k are frequencies k.

    For a wave all frequencies but one are remainders of terms that cancel.
    """
    n, a = 61, 17
    j = np.arange(n)
    waves = np.exp(2j * np.pi * np.outer([3, 7, 20], j) / n).astype(np.complex64)
    transform = jax.jit(AR.fft, static_argnums=1)
    ours, mixed = (np.asarray(transform(x, (1,))) for x in (waves, waves[:, j * a % n]))
    np.testing.assert_array_equal(mixed[:, j * a % n], ours)
    wide = waves.astype(np.complex128)
    plain, mixed = (np.fft.fft(x, norm="ortho") for x in (wide, wide[:, j * a % n]))
    assert np.any(mixed[:, j * a % n].astype(np.complex64) != plain.astype(np.complex64))


def test_weight_gradient_of_gaussians(rng):
    """Positions in any order, as one sample or as eight. A huge pair cancels, or all but two do."""
    nodes, places = 5, draw(rng, (N // 2,))
    places = np.concatenate([places, places[::-1]])
    half = np.array([1e-9, *rng.uniform(0.5, 1, N // 2 - 1)])
    many = np.concatenate([half, -half[:0:-1], half[:1]])
    seed = rng.integers(2**30)
    x, g = (
        in_channels(np.random.default_rng(seed), *columns)
        for columns in ((places, places), (cancelling(rng), many))
    )
    weights = np.ones((x.shape[-1], nodes), np.float32)

    @jax.jit
    def gradient(x, g):
        return jax.vjp(lambda w: AR.rbf(x, w, -1.0, 1.0), weights)[1](g)[0]

    result = gradient(x, g)
    for group in np.split(result, 2):
        only(group)
    np.testing.assert_array_equal(gradient(*(a.reshape(8, 8, -1) for a in (x, g))), result)
    centres = np.linspace(-1, 1, nodes).reshape(nodes, 1, 1)
    bells = np.exp(-((2 * (x[0, :, 0].astype(np.float64) - centres)) ** 2) / 2)
    plain = np.asarray(jnp.sum(bells * g[0, :, 0].astype(np.float64), 1))
    assert all(single(row) > 1 for row in np.concatenate(np.split(plain, 2, 1)))
