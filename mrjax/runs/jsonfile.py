"""Read a JSON object from a file, or say in one line why that is impossible."""

import json
import sys
from pathlib import Path
from typing import Any

from mrjax.errors import UserError


def parse(text: bytes) -> Any:
    """Read JSON that can be written again; Python's reader alone accepts more than its writer.

    Raises:
        ValueError: the text is not JSON, is nested too deeply, or holds half a character (a lone
            surrogate).
    """
    try:
        content = json.loads(text)
        if b"\\u" in text or not text.isascii():  # No other text can hold a surrogate.
            json.dumps(content, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return content


def read(path: Path, expected: str, advice: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        path: the file.
        expected: what the file should hold, for the message.
        advice: what to do if it is missing or damaged, for the message.

    Raises:
        UserError: the file is missing or cannot be read, or holds no JSON object.
    """
    try:
        content = parse(path.read_bytes())
    except OSError as error:
        wrong = f"{path} cannot be read ({error.strerror})"
    except ValueError:
        wrong = f"{path} is damaged"
    else:
        if isinstance(content, dict):
            return content
        wrong = f"{path} holds no JSON object"
    raise UserError(f"{wrong}; expected {expected}; {advice}")


def is_count(value: Any) -> bool:
    """Whether a value is a whole number of at least 0 that fits into a signed 64-bit integer."""
    return type(value) is int and 0 <= value < 2**63


def is_finite(value: Any) -> bool:
    """Whether a value is a number that is finite as a float64."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max
