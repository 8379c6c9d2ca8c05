"""``python -m experiments.network package RUN --output=DIR``."""

import sys
from pathlib import Path

from absl import flags

from mrjax.errors import UserError

FLAGS = flags.FlagValues()
flags.DEFINE_string("output", None, "folder to write, empty or absent", flag_values=FLAGS)
flags.DEFINE_string(
    "license", "apache-2.0", "of the weights, as the Hugging Face Hub names it", flag_values=FLAGS
)


def act(values: flags.FlagValues, run: str) -> int:
    """Make a package, and print its digest."""
    if not values.output:
        raise UserError("--output is not given; expected a folder to write; set it")
    from mrjax.sharing import package

    made = package.write(Path(run), Path(values.output), values.license)
    sys.stdout.write(f"{made.folder}\ndigest {made.digest}\n")
    return 0
