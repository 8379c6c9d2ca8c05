"""The settings that all tasks of parallel imaging have. Imports no jax."""

import dataclasses

from mrjax.config import RunConfig, option
from mrjax.tasks import options

DATASETS = ("synthetic", "tfds", "hammernik", "fastmri", "ismrmrd", "bart")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SliceConfig(RunConfig):
    """What determines the slices of a run, and how maps of their coils are found."""

    dataset: str = option(
        "synthetic",
        "Where slices come from: knees made from keys, the TFDS build of them, Hammernik's knee "
        ".mat files, fastMRI multicoil HDF5, ISMRMRD raw data, BART cfl",
        choices=DATASETS,
    )
    steps: int = option(
        400, "Training steps; 0 only infers, with --from_run", unit="steps", minimum=0
    )
    n_train: int = option(24, "Synthetic slices to train on", minimum=1)
    n_test: int = option(
        4,
        "Held out: synthetic slices, patients (hammernik) or files (fastmri, ismrmrd, bart); 0: "
        "all, for --steps=0 with files, where it is what unset means",
        minimum=0,
    )
    rows: int = option(96, "Rows (readout) of a synthetic slice", unit="pixels", minimum=16)
    columns: int = option(
        96, "Columns (phase encoding) of a synthetic slice", unit="pixels", minimum=16
    )
    coils: int = option(6, "Receive coils of a synthetic slice", minimum=1)
    acceleration: int = option(
        4, "Acquire one column in this many, where the data set fixes no mask", minimum=1
    )
    from_run: str = option(
        "",
        "Begin with the trained network and tuned CG-SENSE in this finished run folder or "
        "package; with --steps=0 only infer",
    )

    @property
    def whole_readout(self) -> bool:
        """Whether fastMRI's k-space keeps the rows that oversample the readout."""
        return False

    def check(self) -> None:
        """Raise UserError for values that contradict each other."""
        super().check()
        options.check_held_out(self.n_test, self.steps, self.dataset)
        options.check_inference(self.steps, self.from_run)
