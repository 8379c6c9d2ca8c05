"""Command lines of the smallest trainings: networks of a few hundred weights.

What is tested with them is the run, not the images.
"""

_COMMON = "--preset=tiny --steps=6 --checkpoint_every=2 --batch_size=2 --platform=cpu --width=2"
_SIZES = {
    "qsm": "--levels=1 --volume=16 --patch=8 --n_train=2 --n_test=2",
    # Windows of five and more have a form of their own on a CPU.
    "varnet": "--stages=2 --window=5 --rows=20 --columns=24 --coils=2 --acs_lines=6 "
    "--n_train=4 --n_test=2",
    "e2e": "--cascades=1 --levels=1 --sens_width=2 --sens_levels=1 --rows=20 --columns=24 "
    "--coils=2 --centre_fraction=0.2 --n_train=4 --n_test=2",
    "breast": "--steps=4 --levels=1 --rows=16 --columns=16 --slices=2 --n_patients=4",
}
FOLDS = ("repetition_000/fold_00", "repetition_000/fold_01")
"""Run folders of the breast network's cross-validation."""


def micro(task: str) -> list[str]:
    """Flags of a small training; of a task that is several trainings, of all of them."""
    return [*_COMMON.split(), *_SIZES[task].split()]
