"""Flags of k-space for a network that estimates coil sensitivities itself."""

from typing import Any

from mrjax.sharing.predict.files import Asked
from mrjax.sharing.predict.flags.varnet import ENDINGS, layout

__all__ = ["ENDINGS", "FLAGS", "settings"]

FLAGS = ("acs_lines", "acceleration", "centre_fraction")


def settings(asked: Asked) -> dict[str, Any]:
    """The fields of the configuration that say what the input is."""
    return {"dataset": layout(asked)} | {k: asked.flags[k] for k in FLAGS if k in asked.flags}
