"""Named streams of random numbers: every draw is a pure function of (seed, name, indices).

A key is never split and carried along. So a new stream or draw changes no other, and a checkpoint
needs the step number only. The initial weights and the order of the batches then follow from two
seeds, which a study can vary one at a time.
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
    """Return the key of one stream: fold the name's sha256 and then the indices into the seed.

    The first 64 bits of the hash are folded in, as two words, because a key holds no more bits.
    Only integer operations are used, so a key is the same on every device and JAX version,
    whatever the x64 setting.

    Args:
        seed: 0 to 2**63 - 1; all its bits are used.
        name: one of `STREAMS`.
        *indices: the epoch, step, example, ... of the draw, in a fixed order, each 0 to
            2**32 - 1; integers or, under `jax.jit`, integer scalars.

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
    """Return the halves of the seed; `jax.random.key` would drop the high half without x64."""
    if not 0 <= operator.index(seed) <= MAX_SEED:
        raise ValueError(f"seed {seed} is out of range; expected 0 to 2**63 - 1")
    return jnp.array(divmod(operator.index(seed), _WORD), jnp.uint32)


def _index(index: int | Array) -> int | Array:
    """Return the index, checked where its value is known: `fold_in` would silently cut it."""
    if isinstance(index, Tracer):
        return index
    if not 0 <= operator.index(index) < _WORD:
        raise ValueError(f"index {index} is out of range; expected 0 to 2**32 - 1")
    return operator.index(index)
