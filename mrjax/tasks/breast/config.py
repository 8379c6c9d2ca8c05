"""Configuration of a breast run and its presets. Imports no jax."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

from mrjax.config import RunConfig, option
from mrjax.errors import UserError

DATASETS = ("synthetic", "nifti", "mat")
VARY = ("none", "init", "order", "all")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    """Everything that determines a breast run: a cross-validation, or one fold of it."""

    experiment: ClassVar[str] = "breast"

    dataset: str = option(
        "synthetic",
        "Where patients come from: made from keys, NIfTI files, MATLAB files",
        choices=DATASETS,
    )
    steps: int = option(
        400, "Training steps of a fold; 0 only infers, with --from_run", unit="steps", minimum=0
    )
    folds: int = option(
        10, "Folds of the cross-validation; a patient is in one of them as a whole", minimum=2
    )
    repetitions: int = option(50, "How often the whole cross-validation is repeated", minimum=1)
    vary: str = option(
        "none",
        "What changes between repetitions: nothing (only the machine's uncertainty is left), the "
        "seed of the initial weights, that of the order of the batches, or both",
        choices=VARY,
    )
    fold: int | None = option(
        None, "Do this fold only, in this process; unset: the whole cross-validation", minimum=0
    )
    n_patients: int = option(12, "Synthetic patients", minimum=1)
    rows: int = option(64, "Voxels of a synthetic patient, left to right", minimum=16)
    columns: int = option(64, "Voxels of a synthetic patient, back to front", minimum=16)
    slices: int = option(12, "Axial slices of a synthetic patient", minimum=1)
    shrink: int = option(
        1,
        "Edge of the in-plane blocks averaged before the network sees a slice; its masks are "
        "enlarged again",
        unit="voxels",
        minimum=1,
    )
    width: int = option(8, "Features of the first level; doubled at each level below", minimum=1)
    levels: int = option(3, "Poolings of the network", minimum=1)
    momentum: float = option(
        0.9,
        "Share of the old value in the running statistics of batch normalisation",
        minimum=0.0,
        maximum=0.9999,
    )
    from_run: str = option(
        "",
        "Begin with the trained network and threshold of this finished fold's run folder; with "
        "--steps=0 only infer, on all patients or those of --fold",
    )

    @property
    def multiple(self) -> int:
        """What each axis of an input must be divisible by."""
        return 2**self.levels

    @property
    def needs_device(self) -> bool:
        """False for a whole cross-validation: its folds are processes of their own."""
        return self.fold is not None or bool(self.from_run)

    def check(self) -> None:
        """Raise UserError for values that do not go together."""
        from mrjax.data.breast import check_folds  # imports what reads files, slow for --help

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
                "of a finished fold, or train at least one step"
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
    # U-Net of Ronneberger et al. 2015 (64 features, 4 poolings). Steps, batch, patients and image
    # size are ours: the slides give none.
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
