"""Native arithmetic: the operations of XLA and the vendor's libraries, fast, in their own order."""

from mrjax.numerics.native.arithmetic import Native

__all__ = ["Native"]
