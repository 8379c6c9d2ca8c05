"""The end-to-end variational network of the package fastmri."""

import dataclasses
from pathlib import Path

from mrjax.pytorch import fastmri_varnet
from mrjax.pytorch.exchange import Leaves, Public
from mrjax.tasks.e2e.classical import Tuned
from mrjax.tasks.e2e.config import Config
from mrjax.tasks.e2e.exchange import describe, sizes_of
from mrjax.tasks.e2e.inputs import ARCHITECTURE


def read(file: Path) -> tuple[Config, Leaves]:
    """Return configuration and leaves of the network in a file."""
    sizes, leaves = fastmri_varnet.read(file)
    return describe(sizes), leaves


def write(file: Path, leaves: Leaves) -> None:
    """Write the leaves of a network into a file."""
    fastmri_varnet.write(file, sizes_of(leaves), leaves)


def words(config: Config) -> str:
    """Return the network in words."""
    return f"{config.cascades} cascades of {config.width} features and {config.levels} poolings"


PUBLIC = Public(read, write, words, ARCHITECTURE, {"tuned": dataclasses.asdict(Tuned())})
