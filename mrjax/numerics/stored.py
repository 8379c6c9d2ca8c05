"""Keep a value in memory, so that a compiler does not recompute it in every reader.

XLA's CPU compiler copies cheap operations into every kernel that reads their result. Each step of
a chain of rounding steps is cheap, but twenty readers of the last step then compute the whole
chain twenty times, and each copy has to be compiled.
"""

import jax
from jax.experimental.xla_metadata import set_xla_metadata
from jaxtyping import Array


@jax.named_scope("order_free")
def stored(x: Array) -> Array:
    """Return x, computed once: on a CPU the readers of the result do not compute x again.

    This is a call that is marked not to be inlined. A version of XLA that inlines it all the same
    would lose time, and change no bit.
    """
    return jax.lax.platform_dependent(x, cpu=_call, default=lambda y: y)


def _call(x: Array) -> Array:
    with set_xla_metadata(inlineable="false"):
        return _identity(x)


@jax.jit
def _identity(x: Array) -> Array:
    return jax.lax.optimization_barrier(x)  # without it the call is dropped as empty
