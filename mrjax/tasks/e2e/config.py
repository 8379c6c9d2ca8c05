"""Configuration of a run of the end-to-end VarNet and its presets. Imports no jax."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from mrjax.config import option
from mrjax.errors import UserError
from mrjax.tasks import options
from mrjax.tasks.multicoil.config import SliceConfig

SMALLEST = 16
"""Least edge of an image; smaller ones are padded to this length before each U-Net."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(SliceConfig):
    """Everything that determines a run of the end-to-end variational network."""

    experiment: ClassVar[str] = "e2e"

    centre_fraction: float = option(
        0.08,
        "Share of the columns, in the middle of k-space, that are acquired completely; the network "
        "estimates sensitivities from them",
        minimum=0.0,
        maximum=1.0,
    )
    sampling: str = option(
        "equispaced",
        "Undersampling by fastMRI's rules: every n-th column from a random first one on, columns "
        "at the distance with which the whole mask has the acceleration, or columns by chance",
        choices=("equispaced", "equispaced_fraction", "random"),
    )
    maps: str = option(
        "acs",
        "How the coil sensitivity maps of CG-SENSE, not of the network, are estimated if the files "
        "have none: from the low-pass image of the ACS lines, or by ESPIRiT (needs sigpy)",
        choices=("acs", "espirit"),
    )
    acs_lines: int = option(
        -1,
        "Columns in the middle of k-space from which --maps are estimated; -1: as many as the file "
        "has without a gap, at most 32; of a complete k-space that may be more than its mask has",
        unit="columns",
        minimum=-1,
    )
    cascades: int = option(12, "Cascades, each with weights of its own", minimum=1)
    width: int = option(18, "Features of the first level of each cascade's U-Net", minimum=1)
    levels: int = option(4, "Poolings of each cascade's U-Net", minimum=1, maximum=4)
    sens_width: int = option(8, "Features of the first level of the sensitivity network", minimum=1)
    sens_levels: int = option(4, "Poolings of the sensitivity network", minimum=1, maximum=4)
    last_scale: float = option(
        1.0,
        "Factor of the first weights of each U-Net's last layer; below 1 a cascade begins nearly "
        "as data consistency alone, with which short trainings come further",
        minimum=0.0,
        maximum=1.0,
    )

    @property
    def whole_readout(self) -> bool:
        """Whether fastMRI's k-space keeps the rows that oversample the readout."""
        return True

    def check(self) -> None:
        """Raise UserError for values that contradict each other."""
        super().check()
        if not 0 < self.centre_fraction < 1:
            raise UserError(
                f"--centre_fraction={self.centre_fraction}; expected a share above 0 and below 1; "
                "change it"
            )
        options.check_maps(self.numerics, self.maps)


PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Minutes on two cores, with images worth looking at.
    "demo": {
        "steps": 600,
        "batch_size": 1,
        "checkpoint_every": 50,
        "learning_rate": 7e-3,
        "cooldown": 0.4,
        "cascades": 4,
        "width": 8,
        "levels": 3,
        "sens_width": 4,
        "sens_levels": 3,
        "last_scale": 0.1,
    },
    # A whole run, compile included, in 40 s on two cores: for tests and studies.
    "tiny": {
        "steps": 80,
        "batch_size": 4,
        "checkpoint_every": 20,
        "learning_rate": 1e-2,
        "cooldown": 0.4,
        "n_train": 32,
        "n_test": 4,
        "rows": 48,
        "columns": 48,
        "coils": 4,
        "cascades": 2,
        "width": 4,
        "levels": 2,
        "sens_width": 2,
        "sens_levels": 1,
        "last_scale": 0.1,
    },
    # Sriram et al. 2020 and fastMRI's training: 973 knee volumes, 50 epochs of batch 1.
    "paper": {
        "steps": 1_700_000,
        "batch_size": 1,
        "checkpoint_every": 5000,
        "learning_rate": 3e-4,
        "n_train": 100,
        "n_test": 20,
        "rows": 640,
        "columns": 368,
        "coils": 15,
    },
}


def smallest(config: Config, edge: int) -> dict[str, int]:
    """Return the settings of the smallest synthetic subject that a network takes.

    Args:
        config: configuration of the network.
        edge: length that no edge should be below [voxels].
    """
    edge = max(2 * edge, 2 * SMALLEST)
    return {"rows": edge, "columns": edge, "coils": min(config.coils, 4)}
