"""The files of a package, how large each may be, and how its JSON is spelt."""

import json
from collections.abc import Mapping
from typing import Any

SCHEMA_VERSION = 1
CARD = "README.md"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
FLAGS = "flags.txt"
LEDGER = "ledger.jsonl"
ENVIRONMENT = "environment.json"
TEST = "test"
TEST_INPUT = "test/input.safetensors"
TEST_OUTPUT = "test/output.safetensors"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"

_MEBIBYTE = 2**20
LIMITS: Mapping[str, int] = {
    CARD: _MEBIBYTE,
    CONFIG: _MEBIBYTE,
    ENVIRONMENT: _MEBIBYTE,
    FLAGS: _MEBIBYTE // 16,
    LEDGER: 12 * _MEBIBYTE,
    # The loader holds the bytes and the arrays at the same time.
    WEIGHTS: 160 * _MEBIBYTE,
    TEST_INPUT: 8 * _MEBIBYTE,
    TEST_OUTPUT: 8 * _MEBIBYTE,
}
"""Name of a file that the manifest lists -> most bytes that it may have."""
LARGEST_MANIFEST = _MEBIBYTE // 16
LARGEST_SIGNATURE = _MEBIBYTE // 2
FILES = tuple(sorted(LIMITS))
"""Names in the manifest; a package has all of them and no other."""
TOP = frozenset(name for name in (*FILES, MANIFEST) if "/" not in name) | {TEST}
"""Names in the folder itself, without the signature, which may be absent."""

OUTPUT = "output"
"""Name of the one array of the test output."""
INPUTS: Mapping[str, tuple[str, ...]] = {
    "qsm": ("field",),
    "varnet": ("kspace", "maps", "mask"),
    "breast": ("image",),
}
"""Task -> names of the arrays of the test input."""


def canonical(content: Any) -> bytes:
    """The one spelling of JSON that is hashed: sorted keys, no blanks, ASCII.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    return _dumped(content, separators=(",", ":")).encode("ascii")


def readable(content: Any) -> bytes:
    """The one spelling of JSON that people read: sorted keys, one entry a line, ASCII.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    return (_dumped(content, indent=1) + "\n").encode("ascii")


def _dumped(content: Any, **spelling: Any) -> str:
    return json.dumps(content, sort_keys=True, allow_nan=False, **spelling)
