"""Named streams of random numbers: every draw is a pure function of (seed, name, indices).

A key is never split and carried along: adding a stream or a draw shifts no other, and a checkpoint
needs the step number only. Initialisation and order of the batches are thus two values one can
hold and vary one at a time, which is what the studies do.
"""

import hashlib
import operator

import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Key

from mrjax.config.fields import MAX_SEED, STREAMS

__all__ = ["STREAMS", "stream"]

_WORD = 2**32


def stream(seed: int, name: str, *indices: int | Array) -> Key[Array, ""]:
    """Key of one stream: the seed, with the name's sha256 and then the indices folded in.

    The first 64 bits of the hash are folded, as two words: the key itself holds no more. Only
    integer operations are used, so a key is the same on every device and JAX version, whatever
    the x64 setting.

    Args:
        seed: 0 to 2**63 - 1; all its bits count.
        name: one of `STREAMS`.
        *indices: what the draw belongs to, in a fixed order (epoch, step, example, ...), each
            0 to 2**32 - 1; integers or, under `jax.jit`, integer scalars.

    Returns:
        A typed threefry key, to be consumed once.

    Raises:
        ValueError: for an unknown name, or a seed or index out of range.
    """
    if name not in STREAMS:
        raise ValueError(f"no stream {name!r}; expected one of {', '.join(STREAMS)}")
    key = jax.random.wrap_key_data(_words(seed), impl="threefry2x32")
    digest = hashlib.sha256(name.encode()).digest()
    for word in (digest[:4], digest[4:8]):
        key = jax.random.fold_in(key, int.from_bytes(word, "big"))
    for index in indices:
        key = jax.random.fold_in(key, _index(index))
    return key


def _words(seed: int) -> Array:
    """High and low half of the seed; `jax.random.key` would drop the high one without x64."""
    if not 0 <= operator.index(seed) <= MAX_SEED:
        raise ValueError(f"seed {seed} is out of range; expected 0 to 2**63 - 1")
    return jnp.array(divmod(operator.index(seed), _WORD), jnp.uint32)


def _index(index: int | Array) -> int | Array:
    """The index, checked where its value is known; `fold_in` cuts wide arrays silently."""
    if isinstance(index, Tracer):
        return index
    if not 0 <= operator.index(index) < _WORD:
        raise ValueError(f"index {index} is out of range; expected 0 to 2**32 - 1")
    return operator.index(index)
