"""Whole-volume inference: padding and cropping leave every voxel where it was."""

import numpy as np
import pytest

from mrjax.train.infer import padding, whole


@pytest.mark.parametrize("shape", [(8, 8, 8), (9, 10, 11), (1, 17, 16)])
def test_a_pointwise_network_gives_a_pointwise_result(shape):
    volume = np.random.default_rng(0).normal(size=(*shape, 1))
    seen = []

    def apply(x):
        seen.append(x.shape)
        return 2 * x + 1

    np.testing.assert_array_equal(whole(apply, volume, 8), 2 * volume[..., 0] + 1)
    assert all(n % 8 == 0 for n in seen[0][1:4])
    assert seen[0][0] == seen[0][4] == 1


def test_padding_is_even_with_the_odd_voxel_after():
    assert padding((16, 15, 9), 8) == ((0, 0), (0, 1), (3, 4))
