"""Native arithmetic: what XLA and the vendor's libraries do, at their speed and in their order."""

from mrjax.numerics.native.arithmetic import Native

__all__ = ["Native"]
