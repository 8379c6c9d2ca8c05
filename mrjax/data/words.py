"""Names of files as text that can be printed, and be part of records and of other files' names."""

import os


def text(name: str) -> str:
    """A name with its odd bytes as %XX.

    Names that are not UTF-8, or have line breaks in them, are legal on disks, but JSON files that
    hold them cannot be read back.
    """
    odd = {c for c in name if not c.isprintable()}  # surrogates, which stand for bytes, among them
    for character in odd:
        name = name.replace(character, "".join(f"%{b:02X}" for b in os.fsencode(character)))
    return name
