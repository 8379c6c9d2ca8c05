"""Order-free arithmetic: sums and products that no order of computing can change."""

from mrjax.numerics.reproducible.arithmetic import Reproducible

__all__ = ["Reproducible"]
