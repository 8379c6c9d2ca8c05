"""The ledger's digest, computed on the device that holds the tensors, in integer arithmetic."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, UInt64

from mrjax.numerics.trees import named_leaves
from mrjax.runs import digests


def fingerprint(tree: Any) -> UInt64[Array, ""]:
    """Return a 64-bit digest of all leaves, equal to `mrjax.runs.digests.fingerprint` of them.

    digest = sum over leaves and elements of mix(bits F + index G + seed(name)) mod 2^64, with the
    constants and the mixing steps of `mrjax.runs.digests`.

    An integer sum has one value in every order, so the digest depends neither on the device nor
    on how the leaves are spread over devices, and a training step can compute it for the cost of
    reading its tensors once, without a copy to the host.

    Args:
        tree: arrays of floats, complex numbers, integers or bools, any shapes. The digest depends
            on the leaves' names, see `mrjax.numerics.trees.named_leaves`.

    Returns:
        A scalar; `mrjax.runs.digests.hex64` writes it as the ledger does.

    Raises:
        ValueError: 64-bit types are off in JAX, or a leaf is a PRNG key.
    """
    if not jax.config.read("jax_enable_x64"):
        raise ValueError("a fingerprint needs 64-bit integers: set JAX_ENABLE_X64=1")
    total = jnp.zeros((), jnp.uint64)
    for name, leaf in named_leaves(tree).items():
        total += _leaf_sum(digests.seed(name), _unsigned(name, jnp.asarray(leaf)))
    return total


def _unsigned(name: str, leaf: Array) -> Array:
    """Return the elements' bits, flat in C order, zero-extended to 64 bits."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        raise ValueError(f"leaf {name!r} is a PRNG key; take jax.random.key_data of it")
    if jnp.iscomplexobj(leaf):
        leaf = jnp.stack([leaf.real, leaf.imag], axis=-1)
    if leaf.dtype != jnp.bool_:
        leaf = lax.bitcast_convert_type(leaf, jnp.dtype(f"uint{8 * leaf.dtype.itemsize}"))
    return leaf.reshape(-1).astype(jnp.uint64)


def _leaf_sum(seed: int, bits: UInt64[Array, " n"]) -> UInt64[Array, ""]:
    index = lax.iota(jnp.uint64, bits.size)
    value = bits * _constant(digests.BITS_FACTOR) + index * _constant(digests.INDEX_FACTOR)
    value += _constant(seed)
    for shift, factor in digests.MIX_STEPS:
        value = (value ^ (value >> _constant(shift))) * _constant(factor)
    return jnp.sum(value ^ (value >> _constant(digests.MIX_LAST)), dtype=jnp.uint64)


def _constant(value: int) -> UInt64[Array, ""]:
    return jnp.asarray(value, jnp.uint64)
