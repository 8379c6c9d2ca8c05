"""Make a package's test input and output; ``python -m experiments.network package`` starts this."""

import sys
from pathlib import Path

from absl import flags

from mrjax import command
from mrjax.sharing.package import example


def act(values: flags.FlagValues, run: str, folder: str) -> int:
    """Make both files."""
    del values
    example.make(Path(run), Path(folder))
    return 0


if __name__ == "__main__":
    command.tool(flags.FlagValues(), act, __doc__, sys.argv[1:], words=("RUN", "FOLDER"))
