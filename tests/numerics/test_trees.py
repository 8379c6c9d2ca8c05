from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mrjax.numerics.trees import named_leaves, rebuild


class Pair(NamedTuple):
    mean: object
    count: object


def state():
    params = {"conv_1": {"kernel": jnp.ones((2, 3)), "bias": jnp.zeros(3)}}
    return {"params": params, "opt": optax.adam(1e-3).init(params)}


def test_names_are_paths():
    tree = {"b": [1, (2, None)], "a": Pair(3.0, {"x": True})}
    assert named_leaves(tree) == {"a/mean": 3.0, "a/count/x": True, "b/0": 1, "b/1/0": 2}
    names = set(named_leaves(state()))
    assert {"params/conv_1/kernel", "opt/0/count", "opt/0/mu/conv_1/bias"} <= names
    assert list(named_leaves(5)) == [""]


def test_one_name_for_two_leaves_is_refused():
    with pytest.raises(ValueError, match="several leaves named a/b"):
        named_leaves({"a/b": 1, "a": {"b": 2}, "c": 3})


def test_rebuild_is_the_inverse():
    tree = state()
    shuffled = dict(reversed(named_leaves(tree).items()))
    back = rebuild(tree, {name: np.asarray(leaf) for name, leaf in shuffled.items()})
    assert jax.tree.structure(back) == jax.tree.structure(tree)
    for name, leaf in named_leaves(tree).items():
        np.testing.assert_array_equal(named_leaves(back)[name], leaf)


def test_rebuild_from_shapes_alone():
    shapes = jax.eval_shape(state)
    assert rebuild(shapes, named_leaves(state()))["params"]["conv_1"]["bias"].shape == (3,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": None}, "missing a; too many none"),
        ({"c": np.zeros(1)}, "missing none; too many c"),
        ({"a": np.zeros((1, 2))}, r"leaf a is float64\[1,2\], expected float64\[2\]"),
        ({"a": np.zeros(2, np.float32)}, r"leaf a is float32\[2\], expected float64\[2\]"),
    ],
    ids=["missing", "extra", "shape", "dtype"],
)
def test_rebuild_refuses_what_does_not_fit(change, message):
    named = {"a": np.zeros(2), "b": np.zeros(())} | change
    named = {name: leaf for name, leaf in named.items() if leaf is not None}
    with pytest.raises(ValueError, match=message):
        rebuild({"a": np.ones(2), "b": 1.0}, named)
