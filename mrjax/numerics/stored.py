"""A place past which a compiler does not fuse: what is here is computed once and kept.

XLA's CPU compiler copies cheap operations into every kernel that reads their result. A chain of
rounding steps is cheap step by step; twenty readers of its end then compute all of it twenty times,
and each copy is compiled.
"""

import jax
from jax.experimental.xla_metadata import set_xla_metadata
from jaxtyping import Array


@jax.named_scope("order_free")
def stored(x: Array) -> Array:
    """Return x, which on a CPU is not computed again by those who read it.

    A call that is not inlined. Should a version of XLA inline it all the same, only time is lost.
    """
    return jax.lax.platform_dependent(x, cpu=_call, default=lambda y: y)


def _call(x: Array) -> Array:
    with set_xla_metadata(inlineable="false"):
        return _identity(x)


@jax.jit
def _identity(x: Array) -> Array:
    return jax.lax.optimization_barrier(x)  # without it the call is dropped as empty
