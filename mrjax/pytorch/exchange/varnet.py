"""The variational network of rixez/pytorch_mri_variationalnetwork."""

import dataclasses
from pathlib import Path

from mrjax.pytorch import public_varnet
from mrjax.pytorch.exchange import Leaves, Public
from mrjax.tasks.varnet.classical import Tuned
from mrjax.tasks.varnet.config import Config
from mrjax.tasks.varnet.exchange import describe
from mrjax.tasks.varnet.inputs import ARCHITECTURE


def read(file: Path) -> tuple[Config, Leaves]:
    """Return configuration and leaves of the network in a file."""
    leaves = public_varnet.read_state_dict(file)
    return describe(leaves), leaves


def words(config: Config) -> str:
    """Return the network in words."""
    return f"{config.stages} stages of {config.width} filters"


PUBLIC = Public(
    read,
    public_varnet.write_state_dict,
    words,
    ARCHITECTURE,
    {"tuned": dataclasses.asdict(Tuned())},
)
