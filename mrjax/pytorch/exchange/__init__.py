"""Public PyTorch programs whose networks are exchanged: a module for each task, with ``PUBLIC``."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mrjax.config import RunConfig

Leaves = Mapping[str, np.ndarray]


class Public(NamedTuple):
    """A public program whose networks are exchanged.

    Attributes:
        read: file -> configuration and leaves of its network.
        write: writes the leaves of a run's network into a file.
        words: configuration -> the network in words.
        architecture: fields of the configuration that the weights determine.
        constants: what a network keeps beside its weights, where no training said it, as JSON.
    """

    read: Callable[[Path], tuple[RunConfig, Leaves]]
    write: Callable[[Path, Leaves], None]
    words: Callable[[Any], str]
    architecture: tuple[str, ...]
    constants: Mapping[str, Any]
