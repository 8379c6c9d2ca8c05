"""End each file with one line feed; exit code 1 if any had to be changed.

Usage: ``python .ci/ends.py FILE ...``
"""

import sys
from pathlib import Path


def mended(content: bytes) -> bytes:
    """The content with one line feed at its end; an empty file stays empty."""
    kept = content.rstrip(b"\r\n")
    return kept + b"\n" if kept else b""


def main(names: list[str]) -> int:
    """Mend the files; say which were changed."""
    changed = []
    for path in map(Path, names):
        content = path.read_bytes()
        if mended(content) != content:
            path.write_bytes(mended(content))
            changed.append(str(path))
    sys.stdout.writelines(f"changed: {name}\n" for name in changed)
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
