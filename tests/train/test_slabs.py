"""Slabs of planes: the bits of the whole in order-free arithmetic, nearly so in native."""

import jax
import numpy as np
import pytest
from small_networks import NORMALISATION, build

from mrjax.errors import UserError
from mrjax.numerics.trees import named_leaves
from mrjax.train import slabs
from mrjax.train.progress import Share

CPU = jax.devices("cpu")[0]


def network(numerics: str, **sizes):
    """A small QSMnet with weights and statistics that matter, and a state of it."""
    built = build("qsm", numerics=numerics, **{"levels": 2, "patch": 8, **sizes})
    state = built.initial_state()
    rng = np.random.default_rng(1)
    stats = jax.tree.map(lambda a: rng.uniform(0.5, 2, a.shape).astype(a.dtype), state.batch_stats)
    return built, state.params, stats


def field(shape: tuple[int, int, int]) -> np.ndarray:
    """Noise, a hundred times larger at one end, so that the grids of far slabs would be finer."""
    volume = np.random.default_rng(0).normal(0, 0.02, (1, *shape, 1)).astype(np.float32)
    volume[:, :3] *= 100
    return volume


@pytest.mark.parametrize(("planes", "window", "levels"), [(2, 3, 2), (8, 5, 1)])
def test_order_free_slabs_have_the_bits_of_the_whole(planes, window, levels):
    built, params, stats = network("reproducible", window=window, levels=levels)
    volume = field((20, 8, 12))
    whole = np.asarray(built.predictor(NORMALISATION)(params, stats, volume))
    by_planes = built.predictor_by_planes(NORMALISATION, planes, CPU)
    found = by_planes(params, stats, volume)
    assert found.dtype == whole.dtype and np.ptp(whole) > 0
    np.testing.assert_array_equal(found, whole)


def test_native_slabs_are_close_to_the_whole():
    built, params, stats = network("native")
    volume = field((20, 8, 12))
    whole = np.asarray(built.predictor(NORMALISATION)(params, stats, volume))
    found = built.predictor_by_planes(NORMALISATION, 4, CPU)(params, stats, volume)
    np.testing.assert_allclose(found, whole, rtol=0, atol=1e-5 * np.abs(whole).max())


def reach(levels: int, window: int) -> int:
    """How far an output voxel may see along an axis.

    Two convolutions at each level, down and up, see half a window each, 2^l voxels at level l;
    pooling and its inverse join blocks of 2^levels voxels.
    """
    return (window // 2) * 2 * (3 * 2**levels - 2) + 2**levels - 1


def test_the_receptive_field_is_as_large_as_the_module_says():
    assert reach(3, 5) == 95 and reach(4, 5) == 199
    assert reach(3, 3) == 51  # the demo network: mrjax/sharing/README.md
    text = slabs.__doc__ or ""
    assert "95 voxels to one side, with four poolings 199" in " ".join(text.split())
    built, params, stats = network("native", levels=1)
    predict = built.predictor(NORMALISATION)
    volume = field((48, 4, 4))
    changed = volume.copy()
    changed[0, 24, :, :, 0] += 1
    differs = (np.asarray(predict(params, stats, volume)) !=
               np.asarray(predict(params, stats, changed)))[0, ..., 0].any(axis=(1, 2))  # fmt: skip
    places = np.flatnonzero(differs)
    assert max(24 - places.min(), places.max() - 24) == reach(1, 3) == 9


def test_small_volumes_stay_whole_unless_slabs_are_asked_for():
    assert slabs.planes_for((48, 48, 48), 8) == 0
    assert slabs.planes_for((256, 224, 176), 8) == slabs.PLANES
    assert slabs.planes_for((256, 224, 176), 8, 0) == 0
    assert slabs.planes_for((48, 48, 48), 8, 4) == 4
    assert slabs.planes_for((48, 48, 48), 8, 48) == 0
    with pytest.raises(UserError, match="--tile=3 is odd"):
        slabs.planes_for((48, 48, 48), 8, 3)


def test_the_share_of_the_work_reaches_the_whole(capsys):
    built, params, stats = network("native")
    volume = field((16, 8, 8))
    variables = {"params": params, "batch_stats": stats}
    expected = slabs.products(built.net, variables, volume.shape)
    kernels = [leaf for path, leaf in named_leaves(params).items() if path.endswith("/kernel")]
    assert expected > sum(kernel.size for kernel in kernels)
    seen: list[int] = []
    ar = slabs.Slabs(built.arithmetic, 8, CPU, seen.append)
    built.net.clone(arithmetic=ar).apply(variables, volume, False)
    assert sum(seen) == expected
    capsys.readouterr()
    with Share(expected) as share:
        for part in seen:
            share.add(part)
    assert capsys.readouterr().err.startswith("percent 100/100")
