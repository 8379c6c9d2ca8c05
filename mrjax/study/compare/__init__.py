"""Two sets of runs side by side, such as JAX/XLA and PyTorch/cuDNN, or two machines.

The sets are any folders of run folders, matched by the label of the runs. Where the runs of every
pair have equal digests of initial weights, order and data, the analysis is paired; where the
settings of the method are equal, too, only the arithmetic differs. All tests and most figures are
those of a study.
"""

from mrjax.study.compare.build import write
from mrjax.study.compare.sides import Sides, load

__all__ = ["Sides", "load", "write"]
