"""Read a JSON object from a file, or say in one line why not."""

import json
import sys
from pathlib import Path
from typing import Any

from mrjax.errors import UserError


def parse(text: bytes) -> Any:
    """Read JSON that can be written again: Python's own reader takes more than its writer.

    Raises:
        ValueError: it is no JSON, is nested too deeply, or has half a character (a lone surrogate).
    """
    try:
        content = json.loads(text)
        if b"\\u" in text or not text.isascii():  # only there a surrogate can be
            json.dumps(content, ensure_ascii=False).encode()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return content


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
    """Whether a value is a whole number from 0 on that any program can hold (64 bits)."""
    return type(value) is int and 0 <= value < 2**63


def is_finite(value: Any) -> bool:
    """Whether a value is a number, and a finite one as a float64."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max
