"""Flags of a dynamic series."""

from typing import Any

from mrjax.sharing.predict.files import Asked

FLAGS = ("probability", "resample")
ENDINGS = (".nii", ".nii.gz")


def settings(asked: Asked) -> dict[str, Any]:
    """The fields of the configuration that say what the input is."""
    return {"dataset": "nifti", "resample": bool(asked.flags.get("resample"))}
