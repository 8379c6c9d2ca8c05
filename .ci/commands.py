"""Print the N-th set-up command of README.md: CI and the tests run what the README says.

Usage: ``python .ci/commands.py 1`` (install and run the main job) or ``2`` (install and test).
"""

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"
SECTION = "Set up"


def commands(text: str) -> list[str]:
    """The fenced bash blocks of the section, each one command."""
    body = re.search(rf"^## {SECTION}\n(.*?)(?=^## |\Z)", text, flags=re.DOTALL | re.MULTILINE)
    if body is None:
        raise SystemExit(f"README.md has no section '## {SECTION}'")
    blocks = re.findall(r"^```bash\n(.*?)^```", body[1], flags=re.DOTALL | re.MULTILINE)
    return [block.strip() for block in blocks]


if __name__ == "__main__":
    sys.stdout.write(commands(README.read_text(encoding="utf-8"))[int(sys.argv[1]) - 1] + "\n")
