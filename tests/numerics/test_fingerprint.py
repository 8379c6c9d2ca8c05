import subprocess
import sys

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from helpers import ROOT

from mrjax.numerics.fingerprint import fingerprint
from mrjax.numerics.trees import named_leaves
from mrjax.runs import digests

DTYPES = ["float16", "bfloat16", "float32", "float64", "int8", "uint8", "int16", "int32", "uint32",
          "int64", "uint64", "bool", "complex64", "complex128"]  # fmt: skip

SHARDED = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from mrjax.numerics.fingerprint import fingerprint
batch = {"x": np.arange(4 * 3 * 5, dtype=np.float32).reshape(4, 3, 5)}
mesh = Mesh(np.array(jax.devices()), "d")
spread = jax.device_put(batch, NamedSharding(mesh, PartitionSpec("d")))
assert len(spread["x"].devices()) == 4
print(int(jax.jit(fingerprint)(spread)))
"""


def on_host(tree):
    return digests.fingerprint(
        {name: np.asarray(leaf) for name, leaf in named_leaves(tree).items()}
    )


def random_bits(rng, dtype, shape):
    """Any bit pattern, NaN and subnormal numbers among them."""
    dtype = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    count = int(np.prod(shape))
    return np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).reshape(shape)


@pytest.mark.parametrize("dtype", DTYPES)
def test_device_and_host_agree_for_every_bit_pattern(rng, dtype):
    tree = {"a": [random_bits(rng, dtype, shape) for shape in ((), (0, 2), (3, 4, 5))]}
    found = jax.jit(fingerprint)(tree)
    assert found.dtype == jnp.uint64
    assert int(found) == on_host(tree)


def test_whole_trees_agree_and_names_count(rng):
    tree = {"x": rng.normal(size=(7, 3)).astype(np.float32), "y": np.float32(rng.normal(size=2))}
    tree["z"] = rng.integers(-5, 5, 9)
    assert int(jax.jit(fingerprint)(tree)) == on_host(tree) == int(fingerprint(tree))
    renamed = {"xx": tree["x"], "y": tree["y"], "z": tree["z"]}
    assert int(fingerprint(renamed)) != on_host(tree)


def test_signs_of_zero_and_exchanged_elements_are_seen():
    values = [jnp.array([0.0, 1.0]), jnp.array([-0.0, 1.0]), jnp.array([1.0, 0.0])]
    assert len({int(fingerprint({"a": value})) for value in values}) == 3


def test_the_layout_over_devices_is_immaterial():
    batch = {"x": np.arange(4 * 3 * 5, dtype=np.float32).reshape(4, 3, 5)}
    environment = {
        "PATH": "",
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_X64": "1",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
    }
    command = [sys.executable, "-c", SHARDED]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) == on_host(batch)


def test_it_computes_in_integers_without_scatter():
    tree = {"a": jnp.ones((3, 3), jnp.float32), "b": jnp.ones(4, jnp.bfloat16)}
    lines = jax.jit(fingerprint).lower(tree).as_text().splitlines()
    assert not [line for line in lines if "scatter" in line]
    floats = [line for line in lines if "f32" in line or "bf16" in line]
    assert len([line for line in floats if "bitcast_convert" in line]) == 2
    assert all("bitcast_convert" in line or "func.func" in line for line in floats)


def test_keys_and_32_bit_integers_are_refused():
    with pytest.raises(ValueError, match="'k' is a PRNG key"):
        fingerprint({"k": jax.random.key(0)})
    with jax.enable_x64(False), pytest.raises(ValueError, match="JAX_ENABLE_X64"):
        fingerprint({"a": jnp.ones(2)})
