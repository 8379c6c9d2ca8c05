"""Apply or train the network of a package again; ``network verify`` starts this as a process."""

import sys
from pathlib import Path

from absl import flags

from mrjax import command
from mrjax.errors import UserError
from mrjax.sharing.verify import child

VALUES = flags.FlagValues()
flags.DEFINE_string("data_dir", "", "Folder of the training data", flag_values=VALUES)


def act(values: flags.FlagValues, what: str, folder: str, out: str) -> int:
    """Do it, and write the outcome."""
    if what == "infer":
        child.infer(Path(folder), Path(out))
        return 0
    if not what.isdigit():
        raise UserError(f"{what} is no number of steps; expected infer or a number; correct it")
    child.retrain(Path(folder), Path(out), int(what), str(values.data_dir))
    return 0


if __name__ == "__main__":
    command.tool(VALUES, act, __doc__, sys.argv[1:], words=("WHAT", "FOLDER", "OUT"))
