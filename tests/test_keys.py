"""Streams differ where they should, agree where they must, and keep their bits for ever."""

import jax
import numpy as np
import pytest

from mrjax import keys


def bits(*args):
    return tuple(int(word) for word in jax.random.key_data(keys.stream(*args)))


GOLDEN_INIT = (1617848249, 1092446707)
GOLDEN_ORDER = (3723658265, 3469455906)
GOLDEN_PATCH = (253398380, 2531751265)


def test_bits_of_a_stream_are_fixed_for_ever():
    # Computed once with jax 0.10.2. If this fails, every recorded run would start differently:
    # restore the old keys rather than change the numbers.
    assert bits(0, "init") == GOLDEN_INIT
    assert bits(7, "order", 3) == GOLDEN_ORDER
    assert bits(2**62 + 1, "patch", 1, 2) == GOLDEN_PATCH


def test_every_stream_seed_and_index_gives_another_key():
    seeds = [0, 1, 2, 2**31, 2**32, 2**32 + 1, 2**62, 2**63 - 1]
    drawn = {bits(seed, name) for seed in seeds for name in keys.STREAMS}
    drawn |= {bits(0, "patch", i) for i in range(20)}
    drawn |= {bits(0, "patch", i, j) for i in range(5) for j in range(5)}
    assert len(drawn) == len(seeds) * len(keys.STREAMS) + 20 + 25


@pytest.mark.parametrize("seed", [3, 2**33 + 3])
def test_bits_do_not_depend_on_x64(seed):
    with jax.enable_x64(True):
        wide = bits(seed, "init", 5)
    with jax.enable_x64(False):
        assert bits(seed, "init", 5) == wide


@pytest.mark.parametrize("partitionable", [True, False])
def test_bits_do_not_depend_on_partitionable(partitionable):
    with jax.threefry_partitionable(partitionable):
        assert bits(7, "order", 3) == GOLDEN_ORDER


@pytest.mark.parametrize("kind", [int, np.int64, np.uint8, jax.numpy.int32])
def test_index_of_any_integer_type_gives_the_same_key(kind):
    assert bits(0, "noise", kind(200)) == bits(0, "noise", 200)


def test_index_may_be_traced():
    traced = jax.jit(lambda step: jax.random.key_data(keys.stream(1, "patch", 4, step)))(9)
    assert tuple(traced.tolist()) == bits(1, "patch", 4, 9)


def test_key_is_a_typed_threefry_key():
    key = keys.stream(0, "mask")
    assert key.shape == () and str(jax.random.key_impl(key)) == "threefry2x32"


def test_mistakes_are_refused():
    with pytest.raises(ValueError, match="no stream 'dropout'; expected one of init, order"):
        keys.stream(0, "dropout")
    for seed in (-1, 2**63):
        with pytest.raises(ValueError, match=r"seed .* out of range"):
            keys.stream(seed, "init")
    for index in (-1, 2**32, np.int64(2**32 + 5)):
        with pytest.raises(ValueError, match=r"index .* out of range"):
            keys.stream(0, "init", index)
