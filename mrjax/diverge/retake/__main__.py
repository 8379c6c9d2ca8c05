"""Take one step of a training again; ``python -m experiments.network diverge`` starts this."""

import sys
from pathlib import Path

from absl import flags

from mrjax import command
from mrjax.diverge.retake import child

VALUES = flags.FlagValues()
flags.DEFINE_list(
    "look",
    [],
    "Places of the operations to look at; empty: as many as possible",
    flag_values=VALUES,
)


def act(values: flags.FlagValues, folder: str, step: str, out: str) -> int:
    """Take the step and write its record."""
    child.take(Path(folder), int(step), Path(out), tuple(map(int, values["look"].value or ())))
    return 0


def main(argv: list[str]) -> None:
    """Act on a command line, and end the process."""
    command.tool(VALUES, act, __doc__, argv, words=("FOLDER", "STEP", "OUT"))


if __name__ == "__main__":
    main(sys.argv[1:])
