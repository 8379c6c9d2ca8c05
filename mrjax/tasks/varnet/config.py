"""Configuration of a VarNet run and its presets. Imports no jax."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from mrjax.config import option
from mrjax.errors import UserError
from mrjax.tasks import options
from mrjax.tasks.multicoil.config import SliceConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(SliceConfig):
    """Everything that determines a VarNet run."""

    experiment: ClassVar[str] = "varnet"

    acs_lines: int = option(
        24, "Fully sampled columns in the middle of k-space", unit="columns", minimum=0
    )
    sampling: str = option(
        "regular",
        "Undersampling: every n-th column and the ACS lines, or columns drawn for each slice, with "
        "a density that falls from the centre",
        choices=("regular", "random"),
    )
    maps: str = option(
        "acs",
        "How coil sensitivity maps are estimated if the files have none: from the low-pass image "
        "of the ACS lines, or by ESPIRiT (needs sigpy)",
        choices=("acs", "espirit"),
    )
    width: int = option(24, "Complex filters of each stage", minimum=1)
    stages: int = option(10, "Gradient steps, each with its own parameters", minimum=1)
    window: int = option(11, "Edge of a filter, odd", unit="pixels", minimum=1)
    nodes: int = option(31, "Radial basis functions of each activation function", minimum=2)
    optimizer: str = option(
        "adam",
        "Update rule: Adam, or the IIPG of the public code, gradient descent with --momentum",
        choices=("adam", "iipg"),
    )
    momentum: float = option(0.0, "Momentum of --optimizer=iipg", minimum=0.0, maximum=0.9999)
    project: bool = option(
        True,
        "After each update give filters zero mean and unit norm and keep data weights from "
        "falling below 0, as published; the public code intends this under IIPG only",
    )
    loss: str = option(
        "complex",
        "Mean squared error of real and imaginary parts, or of magnitudes",
        choices=("complex", "magnitude"),
    )

    def check(self) -> None:
        """Raise UserError for values that contradict each other."""
        super().check()
        options.check_window(self.window, 11)
        smallest = min(self.rows, self.columns)
        if self.dataset == "synthetic" and self.window > smallest:
            raise UserError(
                f"--window={self.window} does not fit into slices of {self.rows} x {self.columns}; "
                "expected at most the shorter edge; lower --window"
            )
        if self.dataset == "synthetic" and self.acs_lines > self.columns:
            raise UserError(
                f"--acs_lines={self.acs_lines} of --columns={self.columns}; expected at most as "
                "many; lower --acs_lines"
            )
        if self.momentum and self.optimizer != "iipg":
            raise UserError(
                f"--momentum={self.momentum} has no effect under --optimizer={self.optimizer}; "
                "expected iipg; drop one of them"
            )
        options.check_maps(self.numerics, self.maps)


PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Minutes on two cores, with images worth looking at.
    "demo": {
        "steps": 300,
        "batch_size": 2,
        "checkpoint_every": 50,
        "learning_rate": 2e-3,
        "cooldown": 0.4,
        "width": 12,
        "stages": 6,
        "acs_lines": 16,
    },
    # A whole run, compile included, in half a minute on two cores: for tests and studies.
    "tiny": {
        "steps": 60,
        "batch_size": 8,
        "checkpoint_every": 20,
        "learning_rate": 5e-3,
        "cooldown": 0.4,
        "n_train": 8,
        "n_test": 8,
        "rows": 48,
        "columns": 48,
        "coils": 4,
        "width": 6,
        "stages": 3,
        "window": 7,
        "acs_lines": 12,
    },
    # Hammernik et al. 2018 and the public code: 10 patients of 20 slices, 100 epochs of batch 1.
    "paper": {
        "steps": 20000,
        "batch_size": 1,
        "checkpoint_every": 250,
        "learning_rate": 1e-4,
        "n_train": 200,
        "n_test": 40,
        "rows": 320,
        "columns": 320,
        "coils": 15,
    },
}


def smallest(config: Config, edge: int) -> dict[str, int]:
    """Return the settings of the smallest synthetic subject that a network takes.

    Args:
        config: configuration of the network.
        edge: length that no edge should be below [voxels].
    """
    edge = max(2 * edge, config.window + 1)
    coils = min(config.coils, 4)
    return {"rows": edge, "columns": edge, "coils": coils, "acs_lines": edge // 4}
