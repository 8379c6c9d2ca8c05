"""Leaves of any tree of a JAX training as named arrays, and their digests on the device."""

import dataclasses
import enum
import functools
import hashlib
import os
import re
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jaxtyping import Array, UInt64

from mrjax.errors import UserError
from mrjax.numerics.trees import named_leaves
from mrjax.runs import digests

Leaves = Mapping[str, Any]
"""Name -> array of JAX, or of numpy and not shared with the training."""

_NUMBERS = (bool, int, float, complex)
_TEXT = (str, bytes, bytearray, *_NUMBERS, range, slice, type, enum.Enum, os.PathLike)
"""Types whose description says all about them."""
_DEEPEST = 50
"""Objects that may lie in one another."""
_NARROW = {"int2": 0x3, "uint2": 0x3, "int4": 0xF, "uint4": 0xF}
"""Types of less than a byte -> the bits of a byte that numpy stores them in."""
_MOST_STRUCTURES = 1000
_known_names: dict[Any, tuple[str, ...]] = {}


class NotRecordedError(ValueError):
    """Something has no digest; the message says what."""


def leaves(tree: Any, *, whole: bool = False) -> dict[str, Any]:
    """Return the leaves of a tree as named arrays.

    Arrays of JAX stay where they are. Arrays of numpy are copied, because the training may write
    into them before the device has read them. Numbers become arrays; of objects unknown to JAX the
    attributes are leaves; anything else (a name of a file, a function inside a module) becomes a
    part of the name, with one zero as its value.

    Args:
        tree: of arrays, numbers and whatever else.
        whole: refuse what does not show its values.

    Raises:
        UserError: two leaves have one name, or a leaf has no value (any more).
        NotRecordedError: something shows no values, and `whole` is asked for.
    """
    return _leaves(tree, whole, ())


def _leaves(tree: Any, whole: bool, above: tuple[int, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, leaf in zip(_names(tree), jax.tree.leaves(tree), strict=True):
        if id(leaf) in above:  # it contains itself
            found[f"{name}=({above[::-1].index(id(leaf)) + 1} above)"] = np.zeros(1, np.float32)
            continue
        parts = _parts(leaf)
        if parts is not None:
            _require_few(above, name)
            found |= _leaves({name: parts}, whole, (*above, id(leaf)))
        else:
            found.update([_array(name, leaf, whole)])
    return found


def _require_few(above: tuple[int, ...], name: str) -> None:
    if len(above) >= _DEEPEST:
        raise NotRecordedError(f"{name} lies in {len(above)} objects")


def _parts(leaf: Any) -> dict[str, Any] | None:
    """Return what an object unknown to JAX consists of; None of what has no parts."""
    if isinstance(leaf, Mapping):
        return {str(key): part for key, part in leaf.items()}
    if isinstance(leaf, deque):
        return {str(place): part for place, part in enumerate(leaf)}
    if isinstance(leaf, (set, frozenset)):  # their order is another in each process
        return {str(place): part for place, part in enumerate(sorted(leaf, key=repr))}
    if isinstance(leaf, (jax.Array, *_TEXT)) or hasattr(type(leaf), "__array__"):
        return None
    if callable(leaf) and not dataclasses.is_dataclass(leaf):
        return None
    names = [slot for base in type(leaf).__mro__ for slot in _slots(base)]
    if dataclasses.is_dataclass(leaf):
        names = [field.name for field in dataclasses.fields(leaf)] + names
    found = {name: getattr(leaf, name) for name in names if hasattr(leaf, name)}
    return {**found, **getattr(leaf, "__dict__", {})} or None


def _slots(base: type) -> list[str]:
    slots = base.__dict__.get("__slots__", ())
    slots = [slots] if isinstance(slots, str) else list(slots)
    owner = f"_{base.__name__.lstrip('_')}"
    private = [slot.startswith("__") and not slot.endswith("__") for slot in slots]
    named = [f"{owner}{slot}" if hid else slot for slot, hid in zip(slots, private, strict=True)]
    return [name for name in named if name not in ("__dict__", "__weakref__")]


def kinds(found: Leaves) -> dict[str, str]:
    """Return type and shape of each leaf, such as ``float32[3,4]``."""
    return {name: _kind(array.dtype, array.shape) for name, array in found.items()}


@functools.lru_cache(maxsize=10_000)
def _kind(dtype: Any, shape: tuple[int, ...]) -> str:
    return f"{dtype}[{','.join(map(str, shape))}]"


def kinds_digest(found: Leaves) -> int:
    """Return the 64-bit digest of names, types and shapes, which a digest of values does not tell.

    The sum, modulo 2^64, of the seeds of texts such as ``batch/image float32[2,1,8,8]``.
    """
    return sum(_seed(f"{name} {kind}") for name, kind in kinds(found).items()) % (1 << 64)


def content(found: Leaves) -> str:
    """Return the sha256 over all leaves by the rule of `mrjax.runs.digests.content`."""
    return digests.content({name: _host(leaf) for name, leaf in found.items()})


def start_sums(groups: Sequence[Leaves]) -> list[tuple[str, ...] | Array]:
    """Begin to compute the digest of every leaf of several groups, without waiting for it.

    Args:
        groups: named arrays, wherever they are.

    Returns:
        To be given to `finish_sums`.
    """
    flat = [(name, leaf) for group in groups for name, leaf in group.items()]
    seeds = np.array([_seed(name) for name, _ in flat], np.uint64)
    arrays = [leaf for _, leaf in flat]
    # Sums need 64 bits, whether the training has them or not; copies to a device are ours.
    with jax.enable_x64(True), jax.transfer_guard("allow"):
        try:
            return [_sums(seeds, arrays)]
        except ValueError:  # the arrays are on different devices
            return [_sums(seeds[i : i + 1], arrays[i : i + 1]) for i in range(len(arrays))]


def finish_sums(groups: Sequence[Sequence[str]], started: Sequence[Any]) -> list[dict[str, int]]:
    """Wait for the digests of every leaf.

    Args:
        groups: names of the leaves that were given to `start_sums`.
        started: what it returned.

    Returns:
        {name: digest} for each group; the digest of several leaves is the sum of theirs, mod 2^64.
    """
    values = iter([int(value) for part in started for value in np.asarray(part)])
    return [{name: next(values) for name in names} for names in groups]


_seed = functools.lru_cache(maxsize=10_000)(digests.seed)


@jax.jit
def _sums(seeds: UInt64[Array, " leaves"], arrays: list[Any]) -> UInt64[Array, " leaves"]:
    """Digest of each leaf; compiled once for each list of shapes, whatever the names are."""
    found = [_sum(seeds[place], leaf) for place, leaf in enumerate(arrays)]
    return jnp.stack(found) if found else seeds


def _sum(seed: UInt64[Array, ""], leaf: Any) -> UInt64[Array, ""]:
    """Sum of the mixed elements of a leaf, by the rule of `mrjax.runs.digests.fingerprint`.

    The leaf keeps its shape, unlike in `mrjax.numerics.fingerprint`: an array that is spread over
    devices would have to be collected on each of them before it could be made flat.
    """
    leaf = jnp.asarray(_plain(leaf))
    if not jnp.iscomplexobj(leaf):
        return _mixed_sum(seed, leaf, 0, 1)
    return _mixed_sum(seed, leaf.real, 0, 2) + _mixed_sum(seed, leaf.imag, 1, 2)


def _mixed_sum(seed: UInt64[Array, ""], leaf: Array, first: int, every: int) -> UInt64[Array, ""]:
    """Mix and add elements whose places are `first`, `first` + `every` and so on."""
    if leaf.dtype != jnp.bool_:
        leaf = lax.bitcast_convert_type(leaf, jnp.dtype(f"uint{8 * leaf.dtype.itemsize}"))
    value = leaf.astype(jnp.uint64) * _constant(digests.BITS_FACTOR)
    weight = every * digests.INDEX_FACTOR
    for axis in reversed(range(leaf.ndim)):
        value += lax.broadcasted_iota(jnp.uint64, leaf.shape, axis) * _constant(weight)
        weight *= leaf.shape[axis]
    value += seed + _constant(first * digests.INDEX_FACTOR)
    for shift, factor in digests.MIX_STEPS:
        value = (value ^ (value >> _constant(shift))) * _constant(factor)
    return jnp.sum(value ^ (value >> _constant(digests.MIX_LAST)), dtype=jnp.uint64)


def _constant(value: int) -> UInt64[Array, ""]:
    return jnp.asarray(value % (1 << 64), jnp.uint64)


def _names(tree: Any) -> tuple[str, ...]:
    """Names of the leaves, made once for each structure: for hundreds of leaves they take long."""
    structure = jax.tree.structure(tree)
    try:
        known = _known_names.get(structure)
    except TypeError:  # something in the structure cannot be hashed
        return _new_names(tree)
    if known is None:
        if len(_known_names) >= _MOST_STRUCTURES:  # of batches that never look alike
            _known_names.clear()
        known = _known_names[structure] = _new_names(tree)
    return known


def _new_names(tree: Any) -> tuple[str, ...]:
    try:
        return tuple(named_leaves(tree))
    except ValueError as error:
        raise UserError(f"{error}; expected one name for each leaf; rename one") from error


def _array(name: str, leaf: Any, whole: bool) -> tuple[str, Any]:
    if isinstance(leaf, Tracer):
        raise UserError(
            f"{name} has no value yet; expected a call outside of jax.jit; call step after the "
            "compiled training step"
        )
    if isinstance(leaf, jax.Array):
        if leaf.is_deleted():
            raise UserError(
                f"{name} is an array that was donated; expected one that still exists; give the "
                "array that the training step returned, or do not donate this one"
            )
        return name, leaf
    return _of_host(name, leaf, whole)


def _of_host(name: str, leaf: Any, whole: bool) -> tuple[str, Any]:
    """Return a copy of an array or a number; what is neither becomes a part of the name."""
    array = np.array(leaf) if isinstance(leaf, _NUMBERS) or hasattr(leaf, "__array__") else None
    if array is None or array.dtype.kind in "OUSMm":
        text = repr(leaf if array is None else array.tolist())
        short = "..." in text and array is None and not isinstance(leaf, _TEXT)
        if whole and (" at 0x" in text or short):
            raise NotRecordedError(f"{name} is {type(leaf).__qualname__}, which shows no values")
        return f"{name}={_one_line(text)}", np.zeros(1, np.float32)
    if array.dtype == jax.dtypes.float0:  # gradients of integers: nothing
        return name, np.zeros(array.shape, np.bool_)
    if whole and not _known_type(array.dtype):
        raise NotRecordedError(f"{name} has the type {array.dtype}, which JAX lacks")
    return name, array.astype(array.dtype.newbyteorder("="), copy=False)


@functools.lru_cache(maxsize=100)
def _known_type(kind: np.dtype) -> bool:
    """Whether JAX can read the bits of a type: not those of records and long doubles."""
    with jax.enable_x64(True):
        try:
            jax.eval_shape(lambda x: x, np.empty(0, kind.newbyteorder("=")))
        except TypeError:
            return False
    return True


def _one_line(text: str) -> str:
    """Return a description without addresses, which no two processes share, and not too long."""
    text = re.sub(r" at 0x[0-9a-f]+", "", text).replace("\n", " ")
    return text if len(text) <= 200 else hashlib.sha256(text.encode()).hexdigest()


def _plain(leaf: Any) -> Any:
    """Return the numbers of a leaf in a type whose bits are those that numpy has."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.key_data(leaf)
    narrow = _NARROW.get(leaf.dtype.name)
    return leaf if narrow is None else (leaf.astype(jnp.int8) & narrow).astype(jnp.uint8)


def _host(leaf: Any) -> np.ndarray:
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def changed(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """Return the first leaves that differ, such as ``w float32[3] there, none here``."""
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    told = [f"{n} {old.get(n, 'none')} there, {new.get(n, 'none')} here" for n in names[:3]]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return "; ".join(told) + more
