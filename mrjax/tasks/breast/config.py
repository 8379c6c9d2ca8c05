"""Configuration of a breast run and its presets. Imports no jax."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from mrjax.config import RunConfig, option
from mrjax.errors import UserError
from mrjax.tasks import options

DATASETS = ("synthetic", "nifti", "mat")
VARY = ("none", "init", "order", "all")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    """Everything that determines a breast run: a cross-validation, or one fold of it."""

    experiment: ClassVar[str] = "breast"
    on_grids: ClassVar[bool] = True

    dataset: str = option(
        "synthetic",
        "Where patients come from: made from keys, NIfTI files, MATLAB files",
        choices=DATASETS,
    )
    steps: int = option(
        400, "Training steps of a fold; 0 only infers, with --from_run", unit="steps", minimum=0
    )
    folds: int = option(
        10, "Folds of the cross-validation; each patient belongs to one fold", minimum=2
    )
    repetitions: int = option(50, "Repetitions of the whole cross-validation", minimum=1)
    vary: str = option(
        "none",
        "What changes between repetitions: nothing (only the machine's uncertainty is left), the "
        "seed of the initial weights, the seed of the order of the batches, or both seeds",
        choices=VARY,
    )
    fold: int | None = option(
        None, "Run this fold only, in this process; unset: the whole cross-validation", minimum=0
    )
    n_patients: int = option(12, "Synthetic patients", minimum=1)
    rows: int = option(64, "Voxels of a synthetic patient, left to right", minimum=16)
    columns: int = option(64, "Voxels of a synthetic patient, back to front", minimum=16)
    slices: int = option(12, "Axial slices of a synthetic patient", minimum=1)
    shrink: int = option(
        1,
        "Edge of the in-plane blocks that are averaged before a slice reaches the network; the "
        "network's masks are enlarged again",
        unit="voxels",
        minimum=1,
    )
    width: int = options.width()
    levels: int = options.levels()
    momentum: float = options.momentum(0.9)
    from_run: str = option(
        "",
        "Begin with the trained network and threshold in this run folder of a finished fold, or "
        "in this package; with --steps=0 only infer, on all patients or those of --fold",
    )

    @property
    def multiple(self) -> int:
        """Number by which each axis of an input must be divisible."""
        return 2**self.levels

    @property
    def needs_device(self) -> bool:
        """False for a whole cross-validation, whose folds are processes of their own."""
        return self.fold is not None or bool(self.from_run)

    def check(self) -> None:
        """Raise UserError for values that contradict each other."""
        from mrjax.data.breast import check_folds  # slow: it imports the readers of files

        super().check()
        if self.fold is not None and self.fold >= self.folds:
            raise UserError(
                f"--fold={self.fold} of --folds={self.folds}; expected at most {self.folds - 1}; "
                "folds are counted from 0"
            )
        if self.dataset == "synthetic" and (self.fold is not None or not self.from_run):
            check_folds(self.n_patients, self.folds)
        if self.steps == 0 and not self.from_run:
            raise UserError(
                "--steps=0 infers with a trained network; expected --from_run; name the run folder "
                "of a finished fold or a package, or train at least one step"
            )
        if self.steps and self.from_run and self.fold is None:
            raise UserError(
                f"--from_run={self.from_run} with {self.steps} steps but no --fold; expected one "
                "fold to go on training; give --fold, or --steps=0 to infer"
            )


PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Minutes on two cores, with masks worth looking at.
    "demo": {
        "steps": 400,
        "batch_size": 8,
        "checkpoint_every": 50,
        "learning_rate": 6e-3,
        "cooldown": 0.5,
        "folds": 3,
        "repetitions": 2,
        "n_patients": 24,
    },
    # A whole cross-validation, compilations included, in half a minute on two cores.
    "tiny": {
        "steps": 80,
        "batch_size": 8,
        "checkpoint_every": 40,
        "learning_rate": 1e-2,
        "cooldown": 0.5,
        "folds": 2,
        "repetitions": 1,
        "n_patients": 12,
        "rows": 32,
        "columns": 32,
        "slices": 4,
        "width": 6,
        "levels": 1,
    },
    # Piantadosi et al. 2018: patient-wise 10-fold cross-validation, 50 executions, 1 - Dice; the
    # U-Net of Ronneberger et al. 2015 (64 features, 4 poolings). The numbers of steps and patients,
    # the batch size and the image size are our choice: the slides do not give them.
    "paper": {
        "steps": 20000,
        "batch_size": 8,
        "checkpoint_every": 500,
        "learning_rate": 1e-3,
        "folds": 10,
        "repetitions": 50,
        "n_patients": 42,
        "rows": 256,
        "columns": 128,
        "slices": 80,
        "width": 64,
        "levels": 4,
        "momentum": 0.99,
    },
}


def smallest(config: Config, edge: int) -> dict[str, int]:
    """Return the settings of the smallest synthetic subject that a network takes.

    Args:
        config: configuration of the network.
        edge: length that no edge should be below [voxels].
    """
    edge = max(edge, config.multiple) * config.shrink
    return {"rows": edge, "columns": edge}
