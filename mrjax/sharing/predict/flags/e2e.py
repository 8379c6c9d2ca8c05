"""Flags of k-space for a network that estimates coil sensitivities itself."""

from typing import Any

from mrjax.data.formats.coil_maps import COUNTED
from mrjax.sharing.predict.files import Asked
from mrjax.sharing.predict.flags.varnet import ENDINGS, layout

__all__ = ["ENDINGS", "FLAGS", "settings"]

FLAGS = ("acceleration", "centre_fraction")


def settings(asked: Asked) -> dict[str, Any]:
    """The fields of the configuration that say what the input is."""
    given = {k: asked.flags[k] for k in FLAGS if k in asked.flags}
    # No map is needed; those that reading makes are the ones that need no other package.
    return {"dataset": layout(asked), "maps": "acs", "acs_lines": COUNTED, **given}
