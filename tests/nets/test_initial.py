"""Initial weights: their distribution, and the settings on which they do not depend."""

import numpy as np
import pytest

from mrjax.nets.initial import initialise

SHAPES = {
    "a/conv/kernel": (5, 5, 5, 8, 16),
    "a/conv/bias": (16,),
    "a/norm/scale": (16,),
    "a/norm/bias": (16,),
    "up/transposed_kernel": (2, 2, 2, 64, 32),
    "up/bias": (32,),
}


def test_kernels_are_uniform_with_hes_variance():
    drawn = initialise(SHAPES, seed=0)
    for path, fan_in in (("a/conv/kernel", 125 * 8), ("up/transposed_kernel", 64)):
        x, limit = drawn[path], np.sqrt(6 / fan_in)
        assert x.dtype == np.float32
        assert np.abs(x).max() <= limit
        np.testing.assert_allclose(x.var(), 2 / fan_in, rtol=0.03)
        assert abs(x.mean()) < 4 * np.sqrt(2 / fan_in / x.size)
        # Uniform, not merely of the right variance: a quarter lies in each quarter of the range.
        share = np.histogram(x, 4, (-limit, limit))[0] / x.size
        np.testing.assert_allclose(share, 0.25, atol=0.02)


def test_other_leaves_are_constant():
    drawn = initialise(SHAPES, seed=0)
    assert np.all(drawn["a/norm/scale"] == 1)
    assert not any(drawn[k].any() for k in ("a/conv/bias", "a/norm/bias", "up/bias"))


def test_a_leaf_depends_on_seed_and_path_only():
    alone = {"a/conv/kernel": SHAPES["a/conv/kernel"]}
    same = initialise(alone, seed=3)["a/conv/kernel"]
    assert np.array_equal(initialise(SHAPES, seed=3)["a/conv/kernel"], same)
    assert not np.array_equal(initialise(SHAPES, seed=4)["a/conv/kernel"], same)
    moved = {"b/conv/kernel": SHAPES["a/conv/kernel"]}
    assert not np.array_equal(initialise(moved, seed=3)["b/conv/kernel"], same)


def test_golden_bits_never_change():
    """A published `init` digest must stay valid: these bits may not change, on any version."""
    drawn = initialise({"net/conv/kernel": (1, 1, 2, 3)}, seed=0)["net/conv/kernel"]
    assert [x.hex() for x in drawn.ravel().tolist()] == GOLDEN


def test_authors_scheme_draws_biases_and_cut_normals():
    drawn = initialise(SHAPES, seed=0, scheme="authors")
    x, std = drawn["a/conv/kernel"], np.sqrt(1.3 * 2 / 1000)
    assert np.abs(x).max() <= 2 * std * 1.0001
    np.testing.assert_allclose(x.var(), 2 / 1000, rtol=0.05)
    assert drawn["a/conv/bias"].std() > 0.5
    assert not drawn["a/norm/bias"].any()


@pytest.mark.parametrize("shapes, scheme", [({"a/gamma": (1,)}, "he_uniform"), ({}, "normal")])
def test_unknown_names_are_refused(shapes, scheme):
    with pytest.raises(ValueError, match=r"unknown initialisation|no rule"):
        initialise(shapes, 0, scheme)


GOLDEN = [
    "0x1.4470fa0000000p-3",
    "-0x1.1eb0940000000p+0",
    "0x1.71ccf40000000p+0",
    "0x1.f843d40000000p-2",
    "-0x1.b4e9300000000p+0",
    "0x1.9abbd00000000p-1",
]
