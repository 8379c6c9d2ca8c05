"""Flags of a local field."""

from typing import Any

from mrjax.sharing.predict.files import Asked

FLAGS = ("mask", "unit", "field_strength", "echo_time", "echo", "resample", "tile")
ENDINGS = (".nii", ".nii.gz")


def settings(asked: Asked) -> dict[str, Any]:
    """The fields of the configuration that say what the input is."""
    names = ("unit", "field_strength", "echo_time", "resample")
    return {"dataset": "nifti"} | {k: asked.flags[k] for k in names if k in asked.flags}
