"""The words in which a card calls tasks, constants, properties and files."""

from collections.abc import Mapping

TAGS: Mapping[str, tuple[str, ...]] = {
    "qsm": ("quantitative-susceptibility-mapping", "image-reconstruction"),
    "varnet": ("parallel-imaging", "image-reconstruction"),
    "breast": ("breast", "image-segmentation"),
}
"""Task -> tags beside those of every card."""
CONSTANTS: Mapping[str, tuple[str, str]] = {
    "normalisation.field_mean": ("mean local field of the training subjects", "ppm"),
    "normalisation.field_std": ("standard deviation of this field", "ppm"),
    "normalisation.chi_mean": ("mean susceptibility of the training subjects", "ppm"),
    "normalisation.chi_std": ("standard deviation of this susceptibility", "ppm"),
    "tuned.tkd_threshold": ("smallest divisor of TKD, tuned on training subjects", ""),
    "tuned.l2_weight": ("weight of the gradient in L2, tuned on training subjects", "mm^2"),
    "tuned.iterations": ("iterations of CG-SENSE, tuned on training slices", ""),
    "tuned.weight": ("weight of the image's norm in CG-SENSE, tuned on training slices", ""),
    "threshold.channel": ("input image that the classical segmentation takes", ""),
    "threshold.low": ("lowest intensity that it calls breast, in the patient's scale", ""),
    "threshold.high": ("first higher intensity that it does not", ""),
}
"""Constant of a network -> what it is, and its unit."""
NORMALISED: Mapping[str, str] = {
    "qsm": "The network gets the local field minus its mean, divided by its standard deviation; "
    "its output is multiplied by the standard deviation of the susceptibility, plus its mean.",
    "varnet": "Each slice is divided by the largest magnitude of its zero-filled image; no "
    "constant of the training set is needed.",
    "breast": "The images of each patient are divided by a scale of the patient's own; no constant "
    "of the training set is needed by the network.",
}
"""Task -> how the input of a network is brought to its scale."""
DOMAIN: Mapping[str, tuple[str, str]] = {
    "voxel_size": ("edges of the voxels, axis by axis", "mm"),
    "b0_direction": ("direction of B0 in the axes of the subjects", ""),
    "field_std": ("standard deviation of the local field inside the mask", "ppm"),
    "field_strength": ("field strength", "T"),
    "acceleration": ("columns of k-space for each column acquired", ""),
    "coils": ("receive coils", ""),
    "rows": ("rows", "pixels"),
    "columns": ("columns", "pixels"),
    "spread": ("spread of the network's input", ""),
    "slice_distance": ("distance of neighbouring slices", "mm"),
    "tilt": ("angle of the patient's axes with right, front and top", "degrees"),
    "early": ("time of the second volume after the first", "s"),
    "late": ("time of the third volume after the first", "s"),
}
"""Property of the training subjects -> what it is, and its unit."""
LEVELS: Mapping[str, str] = {
    "not_guaranteed": "no repetition is promised to give the same bits",
    "run_to_run": "the same machine and software give the same bits again",
    "machine_to_machine": "every machine that mrjax supports gives the same bits",
}
"""Level of reproducibility -> what it promises of the training."""
FILES: Mapping[str, str] = {
    "config.json": "settings, constants, results and digests",
    "model.safetensors": "the weights, named as in Flax",
    "flags.txt": "the settings as flags, which repeat the training",
    "ledger.jsonl": "digests of every training step",
    "environment.json": "hardware and software of the training",
    "test/": "a test input and the network's output for it",
    "manifest.json": "size and sha256 of every file",
}
"""File of a package -> what it holds."""
