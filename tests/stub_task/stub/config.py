"""Configuration of a stub run. Imports no jax."""

import dataclasses
from typing import ClassVar

from mrjax.config import RunConfig, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    experiment: ClassVar[str] = "stub"
    steps: int = option(4, "Training steps", minimum=1)
    n_train: int = option(4, "Numbers to train on", minimum=1)


PRESETS = {"demo": {}, "tiny": {"steps": 2}, "paper": {"steps": 100}}
