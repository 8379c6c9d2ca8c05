"""Configuration of a QSM run and its presets. Imports no jax."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from mrjax.config import RunConfig, option
from mrjax.errors import UserError
from mrjax.tasks import options

DATASETS = ("synthetic", "tfds", "qsmnet_mat", "qsmnet_hdf5", "nifti")
SMALLEST_VOLUME = 8
SMALLEST_PATCH = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    """Everything that determines a QSM run."""

    experiment: ClassVar[str] = "qsm"
    on_grids: ClassVar[bool] = True

    dataset: str = option(
        "synthetic",
        "Where subjects come from: brains made from keys, the TFDS build of them, the QSMnet "
        "authors' .mat or patch HDF5 layout, NIfTI files",
        choices=DATASETS,
    )
    steps: int = option(
        400, "Training steps; 0 only infers, with --from_run", unit="steps", minimum=0
    )
    field_strength: float = option(
        0.0, "B0 of the data set, to convert Hz and rad", unit="T", minimum=0.0
    )
    echo_time: float = option(
        0.0, "Echo time of the data set, to convert rad", unit="s", minimum=0.0
    )
    n_train: int = option(24, "Synthetic brains to train on", minimum=1)
    n_test: int = option(
        4,
        "Subjects held out; 0: all, for --steps=0 with files, where it is what unset means",
        minimum=0,
    )
    volume: int = option(48, "Edge of a synthetic brain", unit="voxels of 1 mm", minimum=1)
    patch: int = option(32, "Edge of a training patch", unit="voxels", minimum=1)
    patches_x: int = option(2, "Patches along x; neighbours overlap", minimum=1)
    patches_y: int = option(2, "Patches along y", minimum=1)
    patches_z: int = option(2, "Patches along z", minimum=1)
    width: int = options.width()
    levels: int = options.levels()
    window: int = option(5, "Edge of the convolution window, odd", unit="voxels")
    momentum: float = options.momentum(0.99)
    init: str = option(
        "he_uniform",
        "Initial weights: uniform with He's variance and zero biases (the same bits on any "
        "machine), or the QSMnet authors' truncated normal weights and N(0,1) biases",
        choices=("he_uniform", "authors"),
    )
    model_weight: float = option(0.5, "Weight of the dipole-model loss against L1")
    gradient_weight: float = option(0.1, "Weight of the gradient-difference loss against L1")
    from_run: str = option(
        "",
        "Begin with the trained network, normalisation and tuned classical methods in this "
        "finished run folder or package; with --steps=0 only infer",
    )

    @property
    def multiple(self) -> int:
        """Number by which each axis of an input must be divisible."""
        return 2**self.levels

    @property
    def patches_per_axis(self) -> tuple[int, int, int]:
        """Numbers of patches along x, y and z."""
        return self.patches_x, self.patches_y, self.patches_z

    def check(self) -> None:
        """Raise UserError for values that contradict each other."""
        super().check()
        options.check_window(self.window, 5)
        if self.patch < SMALLEST_PATCH:
            raise UserError(
                f"--patch={self.patch} has no inner voxel, which the gradient loss needs; expected "
                f"at least {SMALLEST_PATCH}; raise --patch"
            )
        if self.patch % self.multiple:
            raise UserError(
                f"--patch={self.patch} with --levels={self.levels}; expected a patch divisible by "
                f"{self.multiple}; change --patch or --levels"
            )
        if self.dataset == "synthetic" and self.volume < max(self.patch, SMALLEST_VOLUME):
            raise UserError(
                f"--volume={self.volume} is smaller than a patch or than {SMALLEST_VOLUME}; "
                f"expected at least {max(self.patch, SMALLEST_VOLUME)}; raise --volume"
            )
        if self.numerics == "reproducible" and self.init == "authors":
            raise UserError(
                "--init=authors draws other bits on other machines; expected he_uniform under "
                "--numerics=reproducible; change one of them"
            )
        options.check_held_out(self.n_test, self.steps, self.dataset)
        options.check_inference(self.steps, self.from_run)


PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Minutes on two cores, with images worth looking at.
    "demo": {
        "steps": 1000,
        "batch_size": 1,
        "checkpoint_every": 50,
        "window": 3,
        "patches_x": 5,
        "patches_y": 5,
        "patches_z": 5,
        "learning_rate": 9e-3,
        "cooldown": 0.4,
        "momentum": 0.9,
    },
    # A whole run, compile included, in half a minute on two cores: for tests and studies.
    "tiny": {
        "steps": 100,
        "batch_size": 8,
        "checkpoint_every": 20,
        "learning_rate": 5e-3,
        "cooldown": 0.4,
        "momentum": 0.9,
        "n_train": 8,
        "n_test": 8,
        "volume": 24,
        "patch": 16,
        "width": 4,
        "levels": 2,
        "window": 3,
    },
    # Yoon et al. 2018 and the authors' code: 64^3 patches on a 6 x 8 x 7 grid, batch 12, 25 epochs.
    "paper": {
        "steps": 17500,
        "batch_size": 12,
        "checkpoint_every": 250,
        "n_train": 25,
        "n_test": 5,
        "volume": 160,
        "patch": 64,
        "patches_x": 6,
        "patches_y": 8,
        "patches_z": 7,
        "width": 32,
        "levels": 4,
    },
}


def smallest(config: Config, edge: int) -> dict[str, int]:
    """Return the settings of the smallest synthetic subject that a network takes.

    Args:
        config: configuration of the network.
        edge: length that no edge should be below [voxels].
    """
    edge = max(edge, config.multiple)
    return {"volume": edge, "patch": edge}
