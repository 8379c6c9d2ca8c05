"""Read a JSON object from a file, or say in one line why not."""

import json
from pathlib import Path
from typing import Any

from mrjax.errors import UserError


def read(path: Path, expected: str, advice: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: the file.
        expected: what it should hold, for the message.
        advice: what to do where it is missing or damaged, for the message.

    Raises:
        UserError: the file is missing, unreadable, or holds no JSON object.
    """
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        wrong = f"{path} cannot be read ({error.strerror})"
    except ValueError:
        wrong = f"{path} is damaged"
    else:
        if isinstance(content, dict):
            return content
        wrong = f"{path} holds no JSON object"
    raise UserError(f"{wrong}; expected {expected}; {advice}")
