"""The card of a package: ``README.md``, with the head that the Hugging Face Hub reads."""

import json
from collections.abc import Mapping
from typing import Any


def render(
    config: Mapping[str, Any], environment: Mapping[str, Any], flags: str, licence: str
) -> str:
    """Return the card."""
    head = {"library_name": "mrjax", "license": licence, "tags": [config["task"]]}
    lines = [f"{name}: {json.dumps(value)}" for name, value in head.items()]
    return "\n".join(["---", *lines, "---", "", f"# {config['task']}", ""])
